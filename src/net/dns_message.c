/* One DNS response, as octets from a stranger (RFC 1035, 4.1).
 *
 *     header  12 octets: id, flags, four counts
 *     question, answers, ...: name, type, class; then TTL, length, data
 *
 * Names are labels, or end in a pointer to an earlier place; ours must point backwards each time, so they end. Octets that no host name
 * has become "?", which no question of ours can match and no host is called by. Of the answers we take those of the asked type whose owner
 * is the name asked for or what its CNAMEs, in the same message, lead to. All else is passed over: authority and additional records are
 * nobody's answer.
 *
 * The AD bit is only reported. Whether to believe it is the caller's business. */
#include "net/dns.h"

#include "base/buf.h"

#include <netinet/in.h>

enum {
    HEADER_SIZE = 12,
    FLAG_RESPONSE = 0x80,
    FLAG_OPCODE = 0x78,
    FLAG_TRUNCATED = 0x02,
    FLAG_AUTHENTIC = 0x20,
    RCODE_MASK = 0x0f,
    RCODE_NXDOMAIN = 3,
    CLASS_IN = 1,
    LABEL_MOST = 63,
    HOPS_MOST = 10,
    ANSWERS_MOST = 512,
    TXT_MOST = 4096,
    TLSA_HEAD = 3
};

struct reader {
    struct str m;
    size_t at;
    bool is_bad;
};

static unsigned read_u8(struct reader *r)
{
    if (r->at >= r->m.n) {
        r->is_bad = true;
        return 0;
    }
    return (unsigned char)r->m.p[r->at++];
}

static unsigned read_u16(struct reader *r)
{
    unsigned high = read_u8(r);
    return high << 8 | read_u8(r);
}

static uint32_t read_u32(struct reader *r)
{
    uint32_t high = read_u16(r);
    return high << 16 | read_u16(r);
}

static struct str read_octets(struct reader *r, size_t n)
{
    struct str s = str_sub(r->m, r->at, n);
    r->is_bad = r->is_bad || s.n < n;
    r->at += s.n;
    return s;
}

static char name_char(char c)
{
    bool is_plain = ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_' || c == '*';
    return is_plain ? ascii_lower(c) : '?';
}

/* Appends the labels, dots between them. out: room for DNS_NAME_MOST octets. */
static void read_name(struct reader *r, struct buf *out)
{
    struct reader at = *r;
    size_t end = 0; /* of the name in place, once a pointer was followed */
    size_t before = r->at;
    buf_clear(out);
    for (unsigned n = read_u8(&at); n != 0 && !at.is_bad; n = read_u8(&at)) {
        if (n > LABEL_MOST) {
            size_t to = (n & 0x3f) << 8 | read_u8(&at);
            end = end == 0 ? at.at : end;
            at.is_bad = at.is_bad || (n & 0xc0) != 0xc0 || to >= before;
            at.at = before = to;
            continue;
        }
        struct str label = read_octets(&at, n);
        if (out->len > 0) {
            buf_add_char(out, '.');
        }
        for (size_t i = 0; i < label.n; i++) {
            buf_add_char(out, name_char(label.p[i]));
        }
    }
    r->is_bad = r->is_bad || at.is_bad || out->is_full;
    r->at = end == 0 ? at.at : end;
}

/* One record's head; its data begin where the reader then stands. */
struct head {
    unsigned type;
    unsigned class;
    uint32_t ttl_s;
    size_t data_end;
};

static struct head read_head(struct reader *r, struct buf *owner)
{
    struct head h = {0};
    read_name(r, owner);
    h.type = read_u16(r);
    h.class = read_u16(r);
    h.ttl_s = read_u32(r);
    h.data_end = read_u16(r);
    h.data_end += r->at;
    r->is_bad = r->is_bad || h.data_end > r->m.n;
    return h;
}

static void read_text(struct reader *r, size_t end, struct arena *a, struct str *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(TXT_MOST);
    while (r->at < end && !r->is_bad) {
        buf_add(&text, read_octets(r, read_u8(r)));
    }
    *out = text.is_full ? STR_EMPTY : arena_str(a, buf_str(&text)); /* too long to mean us */
}

static void read_data(struct reader *r, const struct head *h, struct arena *a,
                      struct dns_record *out)
{
    CLEANUP(buf_release) struct buf name = BUF_INIT(DNS_NAME_MOST);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&out->at;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->at;
    size_t n = h->data_end - r->at;
    struct str data = str_sub(r->m, r->at, n);
    if (h->type == DNS_A && n == sizeof(v4->sin_addr)) {
        v4->sin_family = AF_INET;
        memcpy(&v4->sin_addr, data.p, n);
    } else if (h->type == DNS_AAAA && n == sizeof(v6->sin6_addr)) {
        v6->sin6_family = AF_INET6;
        memcpy(&v6->sin6_addr, data.p, n);
    } else if (h->type == DNS_MX) {
        out->preference = (uint16_t)read_u16(r);
        read_name(r, &name);
        out->host = arena_str(a, buf_str(&name));
    } else if (h->type == DNS_TXT) {
        read_text(r, h->data_end, a, &out->text);
    } else if (h->type == DNS_TLSA && n > TLSA_HEAD) {
        out->usage = (uint8_t)read_u8(r);
        out->selector = (uint8_t)read_u8(r);
        out->matching = (uint8_t)read_u8(r);
        out->data = arena_str(a, str_skip(data, TLSA_HEAD));
    } else {
        r->is_bad = true;
    }
    r->is_bad = r->is_bad || r->at > h->data_end;
    r->at = h->data_end;
}

/* Where name's CNAME leads, into *name. False: it has none. */
static bool follow(struct reader r, unsigned count, struct buf *name)
{
    CLEANUP(buf_release) struct buf owner = BUF_INIT(DNS_NAME_MOST);
    for (unsigned i = 0; i < count && !r.is_bad; i++) {
        struct head h = read_head(&r, &owner);
        bool is_it =
            h.type == DNS_CNAME && h.class == CLASS_IN && str_eq(buf_str(&owner), buf_str(name));
        if (is_it && !r.is_bad) {
            read_name(&r, name);
            return !r.is_bad;
        }
        r.at = h.data_end;
    }
    return false;
}

static enum err take_records(struct reader r, unsigned count, struct arena *a, enum dns_type type,
                             struct dns_answer *out)
{
    CLEANUP(buf_release) struct buf owner = BUF_INIT(DNS_NAME_MOST);
    struct dns_record *records = arena_array(a, struct dns_record, DNS_RECORDS_MOST);
    if (records == NULL) {
        return ERR_LIMIT;
    }
    out->records = records;
    out->ttl_s = UINT32_MAX;
    for (unsigned i = 0; i < count && !r.is_bad; i++) {
        struct head h = read_head(&r, &owner);
        bool is_it =
            h.type == (unsigned)type && h.class == CLASS_IN && str_eq(buf_str(&owner), out->name);
        if (!r.is_bad && is_it && out->count < DNS_RECORDS_MOST) {
            read_data(&r, &h, a, &records[out->count]);
            out->count += r.is_bad ? 0 : 1;
            out->ttl_s = h.ttl_s < out->ttl_s ? h.ttl_s : out->ttl_s;
        }
        r.at = h.data_end;
    }
    return r.is_bad ? ERR_SYNTAX : ERR_OK;
}

/* The question must be ours. */
static bool is_our_question(struct reader *r, struct str name, enum dns_type type)
{
    CLEANUP(buf_release) struct buf asked = BUF_INIT(DNS_NAME_MOST);
    name = str_ends(name, STR(".")) ? str_sub(name, 0, name.n - 1) : name;
    read_name(r, &asked);
    bool is_same = str_eq_nocase(buf_str(&asked), name);
    is_same = read_u16(r) == (unsigned)type && is_same;
    return read_u16(r) == CLASS_IN && is_same && !r->is_bad;
}

enum err dns_parse(struct arena *a, struct str message, struct str name, enum dns_type type,
                   struct dns_answer *out)
{
    CLEANUP(buf_release) struct buf real = BUF_INIT(DNS_NAME_MOST);
    struct reader r = {.m = message, .at = 2};
    unsigned high = read_u8(&r);
    unsigned low = read_u8(&r);
    unsigned questions = read_u16(&r);
    unsigned count = read_u16(&r);
    r.at = HEADER_SIZE;
    bool is_response = (high & FLAG_RESPONSE) != 0 && (high & FLAG_OPCODE) == 0;
    if (!is_response || questions != 1 || count > ANSWERS_MOST
        || !is_our_question(&r, name, type)) {
        return ERR_SYNTAX;
    }
    unsigned rcode = low & RCODE_MASK;
    if ((high & FLAG_TRUNCATED) != 0 || (rcode != 0 && rcode != RCODE_NXDOMAIN)) {
        return ERR_UNAVAILABLE;
    }
    struct dns_answer answer = {.is_authentic = (low & FLAG_AUTHENTIC) != 0};
    for (size_t i = 0; i < name.n; i++) {
        buf_add_char(&real, ascii_lower(name.p[i]));
    }
    buf_truncate(&real, real.len - (str_ends(name, STR(".")) ? 1 : 0));
    for (unsigned hops = 0; follow(r, count, &real); hops++) {
        if (hops == HOPS_MOST) {
            return ERR_UNAVAILABLE;
        }
    }
    answer.name = arena_str(a, buf_str(&real));
    if (rcode != RCODE_NXDOMAIN) {
        TRY(take_records(r, count, a, type, &answer));
    }
    *out = answer;
    return rcode == RCODE_NXDOMAIN ? ERR_NOT_FOUND : ERR_OK;
}
