/* The serialised shape, and reading it. Written by shape_build.c and shape_fields.c.
 *
 * Numbers (n) are LEB128, at most 64 bits; signed ones are zigzag first. A string is its length (n) and its octets.
 *
 *   shape     version (1 octet: 1), message size (n), count of parts (n), parts in pre-order
 *   part      [envelope] kind (1), present (1), header offset, header size, body size, body lines, children (n each),
 *             [type, subtype, params] [encoding] [id] [description] [md5] [disposition, params] [language] [location]
 *             The body begins where the header ends.
 *   kind      1 multipart, 2 message, 4 has NUL, 8 has 8-bit, 16 default type (no type, subtype, params), 32 no encoding
 *   present   1 id, 2 description, 4 md5, 8 disposition, 16 language, 32 location
 *   params    count (n), then name and value each
 *   language  count (n), then names
 *   envelope  of the root and of each message's child: bits (2, little-endian), then what the bits say in this order:
 *             0 date, 1 subject, 2 in-reply-to, 3 message-id, 4 references (strings), 5 from, 6 sender, 7 reply-to, 8 to,
 *             9 cc, 10 bcc (address lists), 11 the date as read: Unix time, zone (signed each)
 *   list      count (n), then addresses: flags (1): 1 name, 2 route, 4 mailbox, 8 host, 16 group start, 32 group end,
 *             then the strings of bits 1 to 8
 *
 * The reader trusts nothing: counts are bounded by the octets that are left, offsets by the parent's body, depth by
 * SHAPE_DEPTH_MOST; strings with NUL, CR or LF, unknown bits, another version and octets at the end are ERR_CORRUPT.
 * The envelope of the root comes first, so lists and sorts read just that. */
#include "mime/shape.h"

#include "base/scan.h"
#include "mime/shape_priv.h"

struct reader {
    struct arena *arena;
    struct scan scan;
    uint64_t parts_left; /* not yet read or promised to a parent */
};

static void corrupt(struct reader *r)
{
    scan_fail(&r->scan, ERR_CORRUPT, "a valid shape");
}

static unsigned read_octet(struct reader *r)
{
    int c = scan_peek(&r->scan);
    if (c < 0) {
        corrupt(r);
        return 0;
    }
    r->scan.at++;
    return (unsigned)c;
}

static unsigned read_bits(struct reader *r, unsigned all)
{
    unsigned bits = read_octet(r);
    if ((bits & ~all) != 0) {
        corrupt(r);
        return 0;
    }
    return bits;
}

static uint64_t read_number(struct reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        unsigned c = read_octet(r);
        if (shift == 63 && c > 1) {
            break;
        }
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            return v;
        }
    }
    corrupt(r);
    return 0;
}

/* A count of things of at least one octet each: so it cannot be more than what is left. */
static uint32_t read_count(struct reader *r)
{
    uint64_t n = read_number(r);
    if (n > scan_rest(&r->scan).n || n > UINT32_MAX) {
        corrupt(r);
        return 0;
    }
    return (uint32_t)n;
}

static struct str read_str(struct reader *r)
{
    uint32_t n = read_count(r);
    struct str s = str_sub(scan_rest(&r->scan), 0, n);
    if (memchr(n == 0 ? "" : s.p, '\0', n) != NULL || str_find_char(s, '\r') < s.n
        || str_find_char(s, '\n') < s.n) {
        corrupt(r);
        return STR_EMPTY;
    }
    r->scan.at += scan_is_ok(&r->scan) ? n : 0;
    return s;
}

static struct header_text read_text(struct reader *r, bool is_present)
{
    struct header_text t = {.is_present = is_present};
    if (is_present) {
        t.s = read_str(r);
    }
    return t;
}

/* Room for count items; NULL (and an error) when the arena is full. */
static void *read_array(struct reader *r, uint32_t count, size_t size)
{
    void *p = scan_is_ok(&r->scan) ? arena_alloc_array(r->arena, count, size) : NULL;
    if (p == NULL) {
        scan_fail(&r->scan, ERR_LIMIT, "room in the arena");
    }
    return p;
}

static struct param_list read_params(struct reader *r, bool has_values)
{
    uint32_t count = read_count(r);
    struct param *at = read_array(r, count, sizeof(*at));
    for (uint32_t i = 0; at != NULL && i < count && scan_is_ok(&r->scan); i++) {
        at[i].name = read_str(r);
        if (has_values) {
            at[i].value = read_str(r);
        }
    }
    return (struct param_list){at, at == NULL ? 0 : count};
}

static void read_address(struct reader *r, struct address *a)
{
    unsigned flags = read_bits(r, ADDRESS_ALL);
    struct str *const strings[] = {&a->name, &a->route, &a->mailbox, &a->host};
    a->is_group_start = (flags & ADDRESS_GROUP_START) != 0;
    a->is_group_end = (flags & ADDRESS_GROUP_END) != 0;
    for (unsigned k = 0; k < 4; k++) {
        if ((flags & 1U << k) != 0) {
            *strings[k] = read_str(r);
        }
    }
}

static struct address_list read_addresses(struct reader *r)
{
    uint32_t count = read_count(r);
    struct address *at = read_array(r, count, sizeof(*at));
    for (uint32_t i = 0; at != NULL && i < count && scan_is_ok(&r->scan); i++) {
        read_address(r, &at[i]);
    }
    return (struct address_list){at, at == NULL ? 0 : count, true};
}

static void read_date(struct reader *r, struct envelope *e)
{
    e->date_s = unzigzag(read_number(r));
    int64_t zone = unzigzag(read_number(r));
    if (zone < INT32_MIN || zone > INT32_MAX) {
        corrupt(r);
        return;
    }
    e->date_zone_s = (int32_t)zone;
}

static void read_envelope(struct reader *r, struct envelope *e)
{
    unsigned bits = read_octet(r);
    bits |= read_octet(r) << 8;
    if ((bits & ~(unsigned)ENVELOPE_ALL) != 0) {
        corrupt(r);
        return;
    }
    struct header_text *const texts[ENVELOPE_TEXTS] = {&e->date, &e->subject, &e->in_reply_to,
                                                       &e->message_id, &e->references};
    struct address_list *const lists[ENVELOPE_LISTS] = {&e->from, &e->sender, &e->reply_to,
                                                        &e->to,   &e->cc,     &e->bcc};
    for (unsigned i = 0; i < ENVELOPE_TEXTS; i++) {
        *texts[i] = read_text(r, (bits & 1U << i) != 0);
    }
    for (unsigned i = 0; i < ENVELOPE_LISTS; i++) {
        if ((bits & 1U << (ENVELOPE_TEXTS + i)) != 0) {
            *lists[i] = read_addresses(r);
        }
    }
    e->date_s = INT64_MIN;
    if ((bits & ENVELOPE_HAS_DATE_S) != 0) {
        read_date(r, e);
    }
}

static void read_type(struct reader *r, unsigned kind, struct part *p)
{
    static const struct param US_ASCII = {{"charset", 7}, {"us-ascii", 8}};
    if ((kind & KIND_DEFAULT_TYPE) != 0) {
        p->type = STR("text");
        p->subtype = STR("plain");
        p->params = (struct param_list){&US_ASCII, 1};
    } else {
        p->type = read_str(r);
        p->subtype = read_str(r);
        p->params = read_params(r, true);
    }
    p->encoding = (kind & KIND_DEFAULT_ENCODING) != 0 ? STR("7bit") : read_str(r);
}

/* [from, to): where the part must lie. */
static void read_place(struct reader *r, uint64_t from, uint64_t to, struct part *p)
{
    p->header_offset = read_number(r);
    p->header_size = read_number(r);
    p->body_size = read_number(r);
    p->body_lines = read_number(r);
    p->body_offset = p->header_offset + p->header_size;
    if (p->header_offset < from || p->header_offset > to || p->header_size > to - p->header_offset
        || p->body_size > to - p->body_offset || p->body_lines > p->body_size) {
        corrupt(r);
    }
}

static void read_fields(struct reader *r, unsigned present, struct part *p)
{
    p->id = read_text(r, (present & HAS_ID) != 0);
    p->description = read_text(r, (present & HAS_DESCRIPTION) != 0);
    p->md5 = read_text(r, (present & HAS_MD5) != 0);
    p->disposition = read_text(r, (present & HAS_DISPOSITION) != 0);
    if (p->disposition.is_present) {
        p->disposition_params = read_params(r, true);
    }
    if ((present & HAS_LANGUAGE) != 0) {
        p->language = read_params(r, false);
    }
    p->location = read_text(r, (present & HAS_LOCATION) != 0);
}

/* Takes the children from those that the head of the shape promised. */
static uint32_t read_child_count(struct reader *r, const struct part *p)
{
    uint64_t n = read_number(r);
    bool is_leaf = !p->is_multipart && !p->is_message;
    if (n > r->parts_left || (is_leaf ? n != 0 : n == 0) || (p->is_message && n != 1)
        || (p->is_message && p->is_multipart)) {
        corrupt(r);
        return 0;
    }
    r->parts_left -= n;
    return (uint32_t)n;
}

static void read_part(struct reader *r, uint64_t from, uint64_t to, bool has_envelope,
                      unsigned depth, struct part *p)
{
    if (has_envelope) {
        struct envelope *e = read_array(r, 1, sizeof(*e));
        if (e == NULL) {
            return;
        }
        read_envelope(r, e);
        p->envelope = e;
    }
    unsigned kind = read_bits(r, KIND_ALL);
    unsigned present = read_bits(r, HAS_ALL);
    p->is_multipart = (kind & KIND_MULTIPART) != 0;
    p->is_message = (kind & KIND_MESSAGE) != 0;
    p->has_nul = (kind & KIND_NUL) != 0;
    p->has_8bit = (kind & KIND_8BIT) != 0;
    read_place(r, from, to, p);
    p->child_count = read_child_count(r, p);
    read_type(r, kind, p);
    read_fields(r, present, p);
    if (p->child_count == 0) {
        return;
    }
    if (depth >= SHAPE_DEPTH_MOST) {
        corrupt(r);
        return;
    }
    struct part *children = read_array(r, p->child_count, sizeof(*children));
    p->children = children;
    from = p->body_offset;
    for (uint32_t i = 0; i < p->child_count && scan_is_ok(&r->scan); i++) {
        read_part(r, from, p->body_offset + p->body_size, p->is_message, depth + 1, &children[i]);
        from = children[i].body_offset + children[i].body_size;
    }
}

/* Reads what stands before the root. */
static void read_head(struct reader *r, uint64_t *size)
{
    if (read_octet(r) != SHAPE_VERSION) {
        corrupt(r);
    }
    *size = read_number(r);
    uint64_t count = read_number(r);
    if (count < 1 || count > SHAPE_PARTS_MOST) {
        corrupt(r);
        return;
    }
    r->parts_left = count - 1;
}

enum err shape_parse(struct arena *a, struct str serialised, struct shape *out)
{
    struct reader r = {.arena = a, .scan = scan_make(serialised)};
    struct shape s = {0};
    read_head(&r, &s.size);
    read_part(&r, 0, s.size, true, 0, &s.root);
    if (r.parts_left != 0 || !scan_is_end(&r.scan) || s.root.header_offset != 0
        || s.root.header_size + s.root.body_size != s.size) {
        corrupt(&r);
    }
    TRY(scan_get_err(&r.scan));
    *out = s;
    return ERR_OK;
}

enum err shape_parse_envelope(struct arena *a, struct str serialised, struct envelope *out)
{
    struct reader r = {.arena = a, .scan = scan_make(serialised)};
    struct envelope e = {0};
    uint64_t size = 0;
    read_head(&r, &size);
    read_envelope(&r, &e);
    TRY(scan_get_err(&r.scan));
    *out = e;
    return ERR_OK;
}

const struct part *shape_find_part(const struct shape *s, const uint32_t *path, uint32_t count)
{
    const struct part *p = &s->root;
    bool is_message_root = true;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_message_root && p->is_message) {
            p = &p->children[0];
        } else if (!is_message_root && !p->is_multipart) {
            return NULL;
        }
        if (p->is_multipart) {
            if (path[i] < 1 || path[i] > p->child_count) {
                return NULL;
            }
            p = &p->children[path[i] - 1];
        } else if (path[i] != 1) {
            return NULL;
        }
        is_message_root = false;
    }
    return p;
}
