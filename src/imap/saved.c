/* The form of a saved IMAP session.
 *
 *     octet    version
 *     user, asker, modes                          strings: varint length, octets
 *     varint   bits of enum saved_flag
 *     varint   place among annotations: modseq, row
 *     selected, when there is one: mailbox id, mark, [mark of untold], sets, rights, keywords
 *     varint   phase; what that phase has
 *     partial command, NOTIFY, contexts           strings
 *     owner, prefix, state                        strings: of a mailbox of another account, when one is selected
 *
 * Integers are varints (base/buf.h), for most of them are small, and a hundred thousand sleeping phones keep one state each: a
 * session in IDLE takes some eighty octets. A set is
 *
 *     varint   ranges, doubled; then for each its distance from the end of the one before, and its length less one; or, if that is shorter,
 *     varint   octets of a map, doubled, and one more; its first number, eight to an octet from there on
 *
 * so half of a hundred thousand messages, picked at random, takes 12 KiB. A state of more than PACK_FROM octets is packed (net/pack.h): a
 * version of its own, then that.
 *
 * The octets come back sealed, so only from this program; maybe from one of another version, and maybe from a bug. So nothing in them
 * is believed: every number has a bound, what is left over is an error, and whoever uses the result checks it against the store. */
#include "imap/saved.h"

#include "base/mem.h"
#include "base/scan.h"
#include "net/pack.h"

#include <stdlib.h>

enum { VERSION = 2, VERSION_PACKED = 3, PACK_FROM = 4096 };

enum saved_flag {
    HAS_COMPRESS = 1,
    OWES_CAPABILITY = 2,
    IS_FAR = 4,
    HAS_UNTOLD = 8,
    IS_UNTOLD_KNOWN = 16,
    IS_SAVED_LOST = 32,
    IS_READ_ONLY = 64,
    IS_COUNT_UNTOLD = 128,
    IS_UID = 256,
    IS_ANSWERED = 512,
    TELLS_ALL = 1024,
    IS_COPYING = 2048,
    HAS_LINE = 4096,
    FLAGS_MOST = 8191
};

/* ---- writing ---- */

void saved_write_str(struct buf *out, struct str s)
{
    buf_add_varint(out, s.n);
    if (s.n > 0) {
        buf_add(out, s);
    }
}

static void write_ranges(const struct numset *set, struct buf *out)
{
    uint32_t next = 0;
    buf_add_varint(out, (uint64_t)set->count * 2);
    for (size_t i = 0; i < set->count; i++) {
        buf_add_varint(out, set->at[i].first - next);
        buf_add_varint(out, set->at[i].last - set->at[i].first);
        next = set->at[i].last;
    }
}

/* Sets the bits from a to b, both included. */
static void set_bits(unsigned char *map, uint32_t a, uint32_t b)
{
    for (uint32_t n = a; n <= b; n++) {
        map[n / 8] |= (unsigned char)(1U << n % 8);
    }
}

static void write_map(const struct numset *set, size_t size, struct buf *out)
{
    uint32_t first = set->at[0].first;
    unsigned char *map = mem_new(size);
    for (size_t i = 0; i < set->count; i++) {
        set_bits(map, set->at[i].first - first, set->at[i].last - first);
    }
    buf_add_varint(out, (uint64_t)size * 2 + 1);
    buf_add_varint(out, first);
    buf_add(out, str_make((const char *)map, size));
    free(map);
}

void saved_write_set(struct buf *out, const struct numset *set)
{
    uint64_t span = set->count == 0 ? 0 : (uint64_t)set->at[set->count - 1].last - set->at[0].first;
    uint64_t map_size = span / 8 + 1;
    /* a range takes two octets at least */
    if (set->count > 0 && map_size < (uint64_t)set->count * 2) {
        write_map(set, (size_t)map_size, out);
    } else {
        write_ranges(set, out);
    }
}

static void write_mark(struct buf *out, const struct view_mark *m)
{
    buf_add_varint(out, m->highestmodseq);
    buf_add_varint(out, m->uidvalidity);
    buf_add_varint(out, m->uidnext);
    buf_add_varint(out, m->count);
}

static unsigned get_flags(const struct saved *s)
{
    const struct {
        bool is_set;
        unsigned flag;
    } all[] = {
        {s->is_compressed, HAS_COMPRESS},
        {s->owes_capability, OWES_CAPABILITY},
        {s->far.owner.n > 0, IS_FAR},
        {s->selected.has_untold, HAS_UNTOLD},
        {s->selected.is_untold_known, IS_UNTOLD_KNOWN},
        {s->selected.is_saved_lost, IS_SAVED_LOST},
        {s->selected.is_read_only, IS_READ_ONLY},
        {s->selected.is_count_untold, IS_COUNT_UNTOLD},
        {s->command.is_uid, IS_UID},
        {s->command.is_answered, IS_ANSWERED},
        {s->command.tells_all, TELLS_ALL},
        {s->is_copying, IS_COPYING},
        {s->far.has_line, HAS_LINE},
    };
    unsigned flags = 0;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        flags |= all[i].is_set ? all[i].flag : 0;
    }
    return flags;
}

static void write_selected(struct buf *out, const struct saved_selected *s)
{
    buf_add_varint(out, s->mailbox_id);
    if (s->mailbox_id == 0) {
        return;
    }
    write_mark(out, &s->known);
    if (s->has_untold) {
        write_mark(out, &s->untold);
    }
    saved_write_set(out, &s->left_out);
    saved_write_set(out, &s->recent);
    saved_write_set(out, &s->saved);
    buf_add_varint(out, s->rights);
    buf_add_varint(out, s->keywords_told);
}

static void write_command(struct buf *out, const struct saved *s)
{
    const struct saved_command *c = &s->command;
    buf_add_varint(out, (uint64_t)s->phase);
    buf_add_varint(out, c->go_aheads);
    if (s->phase == SAVED_READ) {
        return;
    }
    saved_write_str(out, c->tag);
    if (s->phase == SAVED_LITERAL) {
        buf_add_varint(out, c->left);
    }
    if (s->phase == SAVED_RELAYED) {
        saved_write_str(out, c->name);
        saved_write_str(out, c->code);
        buf_add_varint(out, s->far.relay_phase);
    }
    if (s->phase == SAVED_ENDING) {
        saved_write_str(out, c->name);
        saved_write_str(out, c->code);
        saved_write_str(out, c->said);
        buf_add_varint(out, c->limited_uid);
    }
    if (s->phase == SAVED_RUNNING) {
        saved_write_str(out, c->text);
        buf_add_varint(out, c->told);
    }
    saved_write_str(out, str_from_c(c->err == ERR_OK ? "" : err_get_info(c->err)->name));
}

static void write_plain(const struct saved *s, struct buf *out)
{
    buf_add_char(out, VERSION);
    saved_write_str(out, s->user);
    saved_write_str(out, s->asker);
    saved_write_str(out, s->modes);
    buf_add_varint(out, get_flags(s));
    buf_add_varint(out, s->place.modseq);
    buf_add_varint(out, s->place.row);
    write_selected(out, &s->selected);
    write_command(out, s);
    saved_write_str(out, s->partial);
    saved_write_str(out, s->notify);
    saved_write_str(out, s->contexts);
    if (s->far.owner.n > 0) {
        saved_write_str(out, s->far.owner);
        saved_write_str(out, s->far.prefix);
        saved_write_str(out, s->far.state);
    }
}

void saved_write(const struct saved *s, struct buf *out)
{
    CLEANUP(buf_release) struct buf plain = BUF_INIT(SAVED_PLAIN_MOST);
    write_plain(s, &plain);
    if (plain.len <= PACK_FROM) {
        buf_add(out, buf_str(&plain));
        return;
    }
    buf_add_char(out, VERSION_PACKED);
    pack_write(buf_str(&plain), out);
    out->is_full = out->is_full || plain.is_full;
}

/* ---- reading ---- */

struct str saved_scan_str(struct scan *c)
{
    size_t n = (size_t)scan_varint(c, UINT32_MAX);
    return scan_take(c, n, "octets");
}

static void scan_ranges(struct scan *c, uint64_t count, struct numset *out)
{
    uint64_t next = 0;
    for (uint64_t i = 0; i < count && scan_is_ok(c); i++) {
        uint64_t first = next + scan_varint(c, UINT32_MAX);
        uint64_t last = first + scan_varint(c, UINT32_MAX);
        bool is_sound = first > next && last <= UINT32_MAX;
        if (!is_sound) {
            scan_fail(c, ERR_CORRUPT, "a set");
        }
        if (scan_is_ok(c)) {
            numset_add(out, (uint32_t)first, (uint32_t)last);
        }
        next = last;
    }
}

static void scan_map(struct scan *c, uint64_t size, struct numset *out)
{
    uint64_t first = scan_varint(c, UINT32_MAX);
    struct str map = scan_take(c, (size_t)size, "a map");
    if (!scan_is_ok(c) || first == 0 || first + size * 8 > (uint64_t)UINT32_MAX + 1) {
        scan_fail(c, ERR_CORRUPT, "a map");
        return;
    }
    for (size_t i = 0; i < map.n * 8; i++) {
        if (((unsigned char)map.p[i / 8] & 1U << i % 8) != 0) {
            numset_add(out, (uint32_t)(first + i), (uint32_t)(first + i));
        }
    }
}

void saved_scan_set(struct scan *c, struct numset *out)
{
    uint64_t n = scan_varint(c, (uint64_t)UINT32_MAX * 2 + 1);
    if (n % 2 == 0) {
        scan_ranges(c, n / 2, out);
    } else {
        scan_map(c, n / 2, out);
    }
}

static void scan_mark(struct scan *c, struct view_mark *out)
{
    out->highestmodseq = scan_varint(c, INT64_MAX);
    out->uidvalidity = (uint32_t)scan_varint(c, UINT32_MAX);
    out->uidnext = (uint32_t)scan_varint(c, UINT32_MAX);
    out->count = (uint32_t)scan_varint(c, UINT32_MAX);
}

static void apply_flags(struct saved *s, unsigned flags)
{
    s->is_compressed = (flags & HAS_COMPRESS) != 0;
    s->owes_capability = (flags & OWES_CAPABILITY) != 0;
    s->is_copying = (flags & IS_COPYING) != 0;
    s->far.has_line = (flags & HAS_LINE) != 0;
    s->selected.has_untold = (flags & HAS_UNTOLD) != 0;
    s->selected.is_untold_known = (flags & IS_UNTOLD_KNOWN) != 0;
    s->selected.is_saved_lost = (flags & IS_SAVED_LOST) != 0;
    s->selected.is_read_only = (flags & IS_READ_ONLY) != 0;
    s->selected.is_count_untold = (flags & IS_COUNT_UNTOLD) != 0;
    s->command.is_uid = (flags & IS_UID) != 0;
    s->command.is_answered = (flags & IS_ANSWERED) != 0;
    s->command.tells_all = (flags & TELLS_ALL) != 0;
}

static void scan_selected(struct scan *c, struct saved_selected *s)
{
    s->mailbox_id = scan_varint(c, INT64_MAX);
    if (s->mailbox_id == 0) {
        return;
    }
    scan_mark(c, &s->known);
    if (s->has_untold) {
        scan_mark(c, &s->untold);
    }
    saved_scan_set(c, &s->left_out);
    saved_scan_set(c, &s->recent);
    saved_scan_set(c, &s->saved);
    s->rights = (unsigned)scan_varint(c, UINT32_MAX);
    s->keywords_told = (unsigned)scan_varint(c, UINT32_MAX);
}

/* By name: the numbers of another build of this program are others. */
static enum err scan_err(struct scan *c)
{
    struct str name = saved_scan_str(c);
    for (unsigned e = 1; e < ERR_COUNT; e++) {
        if (str_eq(name, str_from_c(err_get_info((enum err)e)->name))) {
            return (enum err)e;
        }
    }
    return name.n == 0 ? ERR_OK : ERR_UNAVAILABLE;
}

static void scan_command(struct scan *c, struct saved *s)
{
    struct saved_command *m = &s->command;
    s->phase = (enum saved_phase)scan_varint(c, SAVED_RELAYED);
    m->go_aheads = (uint32_t)scan_varint(c, UINT32_MAX);
    if (s->phase == SAVED_READ) {
        return;
    }
    m->tag = saved_scan_str(c);
    if (s->phase == SAVED_LITERAL) {
        m->left = scan_varint(c, INT64_MAX);
    }
    if (s->phase == SAVED_RELAYED) {
        m->name = saved_scan_str(c);
        m->code = saved_scan_str(c);
        s->far.relay_phase = (unsigned)scan_varint(c, UINT32_MAX);
    }
    if (s->phase == SAVED_ENDING) {
        m->name = saved_scan_str(c);
        m->code = saved_scan_str(c);
        m->said = saved_scan_str(c);
        m->limited_uid = (uint32_t)scan_varint(c, UINT32_MAX);
    }
    if (s->phase == SAVED_RUNNING) {
        m->text = saved_scan_str(c);
        m->told = (uint32_t)scan_varint(c, UINT32_MAX);
    }
    m->err = scan_err(c);
}

static void scan_far(struct scan *c, struct saved_far *far)
{
    far->owner = saved_scan_str(c);
    far->prefix = saved_scan_str(c);
    far->state = saved_scan_str(c);
    if (far->owner.n == 0) {
        scan_fail(c, ERR_CORRUPT, "an owner");
    }
}

static enum err parse_plain(struct str octets, struct saved *out)
{
    struct scan c = scan_make(octets);
    if (octets.n == 0 || octets.p[0] != VERSION) {
        return ERR_UNSUPPORTED;
    }
    c.at = 1;
    out->user = saved_scan_str(&c);
    out->asker = saved_scan_str(&c);
    out->modes = saved_scan_str(&c);
    unsigned flags = (unsigned)scan_varint(&c, FLAGS_MOST);
    apply_flags(out, flags);
    out->place.modseq = scan_varint(&c, UINT64_MAX);
    out->place.row = scan_varint(&c, UINT64_MAX);
    scan_selected(&c, &out->selected);
    scan_command(&c, out);
    out->partial = saved_scan_str(&c);
    out->notify = saved_scan_str(&c);
    out->contexts = saved_scan_str(&c);
    if ((flags & IS_FAR) != 0) {
        scan_far(&c, &out->far);
    }
    scan_require_end(&c);
    if (out->phase == SAVED_RELAYED && out->far.owner.n == 0) {
        scan_fail(&c, ERR_CORRUPT, "where the command runs");
    }
    return scan_is_ok(&c) ? ERR_OK : ERR_CORRUPT;
}

enum err saved_parse(struct str octets, struct saved *out)
{
    *out = (struct saved){.plain = BUF_INIT(SAVED_PLAIN_MOST)};
    if (octets.n == 0 || octets.p[0] != VERSION_PACKED) {
        return parse_plain(octets, out);
    }
    enum err e = pack_read(str_skip(octets, 1), &out->plain);
    return e == ERR_OK ? parse_plain(buf_str(&out->plain), out) : ERR_CORRUPT;
}

void saved_release(struct saved *s)
{
    numset_release(&s->selected.left_out);
    numset_release(&s->selected.recent);
    numset_release(&s->selected.saved);
    buf_release(&s->plain);
}
