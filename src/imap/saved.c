/* The form of a saved IMAP session.
 *
 *     octet    version
 *     user, asker, modes                          strings: varint length, octets
 *     varint   bits of enum saved_flag
 *     varint   place among annotations: modseq, row
 *     selected, when there is one: mailbox id, mark, [mark of untold], sets, rights, keywords
 *     varint   phase; what that phase has
 *     partial command, NOTIFY, contexts           strings
 *
 * Integers are varints (base/buf.h), for most of them are small, and a hundred thousand sleeping phones keep one state each: a
 * session in IDLE takes some eighty octets. A set is a varint of its ranges, then for each range its distance from the one
 * before and its length less one.
 *
 * The octets come back sealed, so only from this program; maybe from one of another version, and maybe from a bug. So nothing in them
 * is believed: every number has a bound, what is left over is an error, and whoever uses the result checks it against the store. */
#include "imap/saved.h"

#include "base/scan.h"

enum { VERSION = 1 };

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
    FLAGS_MOST = 2047
};

/* ---- writing ---- */

void saved_write_str(struct buf *out, struct str s)
{
    buf_add_varint(out, s.n);
    if (s.n > 0) {
        buf_add(out, s);
    }
}

void saved_write_set(struct buf *out, const struct numset *set)
{
    uint32_t next = 0;
    buf_add_varint(out, set->count);
    for (size_t i = 0; i < set->count; i++) {
        buf_add_varint(out, set->at[i].first - next);
        buf_add_varint(out, set->at[i].last - set->at[i].first);
        next = set->at[i].last;
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
        {s->is_far, IS_FAR},
        {s->selected.has_untold, HAS_UNTOLD},
        {s->selected.is_untold_known, IS_UNTOLD_KNOWN},
        {s->selected.is_saved_lost, IS_SAVED_LOST},
        {s->selected.is_read_only, IS_READ_ONLY},
        {s->selected.is_count_untold, IS_COUNT_UNTOLD},
        {s->command.is_uid, IS_UID},
        {s->command.is_answered, IS_ANSWERED},
        {s->command.tells_all, TELLS_ALL},
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

void saved_write(const struct saved *s, struct buf *out)
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
}

/* ---- reading ---- */

struct str saved_scan_str(struct scan *c)
{
    size_t n = (size_t)scan_varint(c, UINT32_MAX);
    return scan_take(c, n, "octets");
}

void saved_scan_set(struct scan *c, struct numset *out)
{
    uint64_t count = scan_varint(c, UINT32_MAX);
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
    s->is_far = (flags & IS_FAR) != 0;
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
    s->phase = (enum saved_phase)scan_varint(c, SAVED_LITERAL);
    m->go_aheads = (uint32_t)scan_varint(c, UINT32_MAX);
    if (s->phase == SAVED_READ) {
        return;
    }
    m->tag = saved_scan_str(c);
    if (s->phase == SAVED_LITERAL) {
        m->left = scan_varint(c, INT64_MAX);
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

enum err saved_parse(struct str octets, struct saved *out)
{
    *out = (struct saved){0};
    struct scan c = scan_make(octets);
    if (octets.n == 0 || octets.p[0] != VERSION) {
        return ERR_UNSUPPORTED;
    }
    c.at = 1;
    out->user = saved_scan_str(&c);
    out->asker = saved_scan_str(&c);
    out->modes = saved_scan_str(&c);
    apply_flags(out, (unsigned)scan_varint(&c, FLAGS_MOST));
    out->place.modseq = scan_varint(&c, UINT64_MAX);
    out->place.row = scan_varint(&c, UINT64_MAX);
    scan_selected(&c, &out->selected);
    scan_command(&c, out);
    out->partial = saved_scan_str(&c);
    out->notify = saved_scan_str(&c);
    out->contexts = saved_scan_str(&c);
    scan_require_end(&c);
    return scan_is_ok(&c) ? ERR_OK : ERR_CORRUPT;
}

void saved_release(struct saved *s)
{
    numset_release(&s->selected.left_out);
    numset_release(&s->selected.recent);
    numset_release(&s->selected.saved);
}
