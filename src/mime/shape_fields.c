/* From header octets to the strings of a shape.
 *
 * One walk over the header finds the raw values that matter; then each is unfolded, read and appended in the order of the
 * byte table in shape_read.c. Text fields and MIME fields count once, the first wins. Address fields that come twice are
 * joined as if they were one list: a reader that shows one From: and checks another would be worse.
 *
 * What one field may cost is bounded by SHAPE_FIELD_MOST, what all may cost by SHAPE_TEXT_MOST: an address of one letter
 * takes 36 times its octets when read, so the bound on text is what bounds the memory of everybody who reads shapes. An
 * address list is cut at its last comma, so that no half address comes about. */
#include "mime/shape_fields.h"

#include "mime/date.h"
#include "mime/field.h"
#include "mime/shape.h"
#include "mime/shape_priv.h"

#include <assert.h>

enum { SCRATCH_CAP = 64 * 1024 * 1024, SAME_FIELD_MOST = 16 };

/* The fields that matter, as indexes of struct raw. Envelope texts and lists in the order of the format. */
enum slot {
    SLOT_DATE,
    SLOT_SUBJECT,
    SLOT_IN_REPLY_TO,
    SLOT_MESSAGE_ID,
    SLOT_REFERENCES,
    SLOT_FROM,
    SLOT_SENDER,
    SLOT_REPLY_TO,
    SLOT_TO,
    SLOT_CC,
    SLOT_BCC,
    SLOT_TYPE,
    SLOT_ENCODING,
    SLOT_ID,
    SLOT_DESCRIPTION,
    SLOT_MD5,
    SLOT_DISPOSITION,
    SLOT_LANGUAGE,
    SLOT_LOCATION,
    SLOT_COUNT
};

/* Values still folded; address fields may come several times. */
struct raw {
    struct str at[SLOT_COUNT][SAME_FIELD_MOST];
    unsigned count[SLOT_COUNT];
};

void shape_fields_init(struct shape_fields *f)
{
    f->scratch = arena_new(SCRATCH_CAP);
    f->text_left = SHAPE_TEXT_MOST;
    buf_init(&f->unfolded, SHAPE_FIELD_MOST + 1);
}

void shape_fields_release(struct shape_fields *f)
{
    arena_free(&f->scratch);
    buf_release(&f->unfolded);
}

void shape_write_number(struct buf *out, uint64_t v)
{
    while (v >= 0x80) {
        buf_add_char(out, (char)(unsigned char)(v | 0x80));
        v >>= 7;
    }
    buf_add_char(out, (char)(unsigned char)v);
}

static void write_str(struct buf *out, struct str s)
{
    shape_write_number(out, s.n);
    buf_add(out, s);
}

static enum slot find_slot(struct str name)
{
    static const char *const NAMES[SLOT_COUNT] = {"Date",
                                                  "Subject",
                                                  "In-Reply-To",
                                                  "Message-ID",
                                                  "References",
                                                  "From",
                                                  "Sender",
                                                  "Reply-To",
                                                  "To",
                                                  "Cc",
                                                  "Bcc",
                                                  "Content-Type",
                                                  "Content-Transfer-Encoding",
                                                  "Content-ID",
                                                  "Content-Description",
                                                  "Content-MD5",
                                                  "Content-Disposition",
                                                  "Content-Language",
                                                  "Content-Location"};
    for (enum slot i = 0; i < SLOT_COUNT; i++) {
        if (str_eq_nocase(name, str_from_c(NAMES[i]))) {
            return i;
        }
    }
    return SLOT_COUNT;
}

static void gather(struct str header, struct raw *raw)
{
    struct field field;
    for (size_t at = 0; field_next(header, &at, &field);) {
        enum slot slot = find_slot(field.name);
        if (slot == SLOT_COUNT) {
            continue;
        }
        bool may_repeat = slot >= SLOT_FROM && slot <= SLOT_BCC;
        unsigned most = may_repeat ? SAME_FIELD_MOST : 1;
        if (raw->count[slot] < most) {
            raw->at[slot][raw->count[slot]++] = field.value;
        }
    }
}

/* Unfolds a field into f->unfolded, cut to the bound and paid for; false when it is absent or nothing is left to pay. */
static bool unfold(struct shape_fields *f, const struct raw *raw, enum slot slot)
{
    buf_clear(&f->unfolded);
    for (unsigned i = 0; i < raw->count[slot]; i++) {
        struct str value = str_trim(raw->at[slot][i]);
        if (i > 0) {
            buf_add_char(&f->unfolded, ',');
        }
        size_t room = SHAPE_FIELD_MOST - f->unfolded.len;
        bool is_cut = value.n > room;
        field_unfold(str_sub(value, 0, room), &f->unfolded);
        if (is_cut) {
            if (slot >= SLOT_FROM && slot <= SLOT_BCC) {
                size_t comma = str_find_last_char(buf_str(&f->unfolded), ',');
                buf_truncate(&f->unfolded, comma);
            }
            break;
        }
    }
    if (raw->count[slot] == 0 || f->unfolded.len > f->text_left) {
        return false;
    }
    f->text_left -= f->unfolded.len;
    return true;
}

static void write_addresses(struct shape_fields *f, struct buf *out)
{
    struct address_list l = {0};
    /* The scratch arena holds the longest field that there can be. */
    enum err e = address_list_parse(f->scratch, buf_str(&f->unfolded), &l);
    assert(e == ERR_OK);
    shape_write_number(out, l.count);
    for (uint32_t i = 0; i < l.count; i++) {
        const struct address *a = &l.at[i];
        const struct str strings[] = {a->name, a->route, a->mailbox, a->host};
        unsigned flags = (a->is_group_start ? ADDRESS_GROUP_START : 0U)
                         | (a->is_group_end ? ADDRESS_GROUP_END : 0U);
        for (unsigned k = 0; k < 4; k++) {
            flags |= strings[k].n > 0 ? 1U << k : 0U;
        }
        buf_add_char(out, (char)flags);
        for (unsigned k = 0; k < 4; k++) {
            if (strings[k].n > 0) {
                write_str(out, strings[k]);
            }
        }
    }
}

static void write_envelope(struct shape_fields *f, const struct raw *raw, struct buf *out)
{
    size_t bits_at = out->len;
    unsigned bits = 0;
    int64_t date_s = 0;
    int32_t zone_s = 0;
    buf_add_le16(out, 0);
    for (enum slot slot = SLOT_DATE; slot <= SLOT_BCC; slot++) {
        struct arena_mark mark = arena_mark(f->scratch);
        if (unfold(f, raw, slot)) {
            bits |= 1U << slot;
            if (slot >= SLOT_FROM) {
                write_addresses(f, out);
            } else {
                write_str(out, buf_str(&f->unfolded));
            }
            if (slot == SLOT_DATE
                && date_parse(buf_str(&f->unfolded), &date_s, &zone_s) == ERR_OK) {
                bits |= ENVELOPE_HAS_DATE_S;
            }
        }
        arena_rewind(f->scratch, mark);
    }
    if ((bits & ENVELOPE_HAS_DATE_S) != 0) {
        shape_write_number(out, zigzag(date_s));
        shape_write_number(out, zigzag(zone_s));
    }
    if (!out->is_full) {
        out->p[bits_at] = (char)(unsigned char)(bits & 0xff);
        out->p[bits_at + 1] = (char)(unsigned char)(bits >> 8);
    }
}

static void write_params(struct buf *out, const struct param_list *l)
{
    shape_write_number(out, l->count);
    for (uint32_t i = 0; i < l->count; i++) {
        write_str(out, l->at[i].name);
        write_str(out, l->at[i].value);
    }
}

/* Keeps the boundary; false when there is none worth the name. */
static bool take_boundary(const struct param_list *params, struct shape_header *h)
{
    struct str b = str_trim(param_find(params, STR("boundary")));
    if (b.n == 0) {
        return false;
    }
    h->boundary_n = b.n < BOUNDARY_MOST ? b.n : BOUNDARY_MOST;
    memcpy(h->boundary, b.p, h->boundary_n);
    return true;
}

/* RFC 2045, 5.2: what cannot be read as a type is text/plain; a bare "text" or "multipart" still says something. */
static void complete_type(struct param_field *type)
{
    if (type->type.n > 0 && type->subtype.n > 0) {
        return;
    }
    if (str_eq_nocase(type->type, STR("multipart"))) {
        type->subtype = STR("mixed");
    } else if (type->type.n == 0 || str_eq_nocase(type->type, STR("text"))) {
        type->type = STR("text");
        type->subtype = STR("plain");
    } else {
        type->type = STR("application");
        type->subtype = STR("octet-stream");
    }
}

static bool is_encoded(struct str encoding)
{
    return str_eq_nocase(encoding, STR("base64"))
           || str_eq_nocase(encoding, STR("quoted-printable"));
}

static void judge_type(const struct param_field *t, struct str encoding, struct shape_header *h)
{
    if (str_eq_nocase(t->type, STR("multipart"))) {
        h->kind |= KIND_MULTIPART;
        h->is_digest = str_eq_nocase(t->subtype, STR("digest"));
    } else if (str_eq_nocase(t->type, STR("message"))) {
        bool is_global = str_eq_nocase(t->subtype, STR("global"));
        if (str_eq_nocase(t->subtype, STR("rfc822")) || (is_global && !is_encoded(encoding))) {
            h->kind |= KIND_MESSAGE;
        }
    }
}

static void write_type(struct shape_fields *f, const struct raw *raw, bool is_in_digest,
                       struct str encoding, struct shape_header *h, struct buf *out)
{
    struct param_field type = {0};
    bool is_given = unfold(f, raw, SLOT_TYPE);
    if (is_given) {
        enum err e = param_field_parse(f->scratch, buf_str(&f->unfolded), &type);
        assert(e == ERR_OK);
        is_given = type.type.n > 0;
    }
    if (!is_given && is_in_digest) { /* RFC 2046, 5.1.5 */
        type = (struct param_field){.type = STR("message"), .subtype = STR("rfc822")};
        is_given = true;
    }
    complete_type(&type);
    bool is_lost = str_eq_nocase(type.type, STR("multipart")) && !take_boundary(&type.params, h);
    if (!is_given || is_lost) {
        h->kind |= KIND_DEFAULT_TYPE;
        return;
    }
    judge_type(&type, encoding, h);
    write_str(out, type.type);
    write_str(out, type.subtype);
    write_params(out, &type.params);
}

static struct str read_encoding(struct shape_fields *f, const struct raw *raw)
{
    struct str encoding = STR_EMPTY;
    if (unfold(f, raw, SLOT_ENCODING)) {
        enum err e = param_token_parse(f->scratch, buf_str(&f->unfolded), &encoding);
        assert(e == ERR_OK);
    }
    return encoding;
}

static void write_text(struct shape_fields *f, const struct raw *raw, enum slot slot, unsigned bit,
                       struct shape_header *h, struct buf *out)
{
    if (unfold(f, raw, slot)) {
        h->present |= bit;
        write_str(out, buf_str(&f->unfolded));
    }
}

static void write_disposition(struct shape_fields *f, const struct raw *raw, struct shape_header *h,
                              struct buf *out)
{
    struct param_field field = {0};
    if (unfold(f, raw, SLOT_DISPOSITION)) {
        enum err e = param_field_parse(f->scratch, buf_str(&f->unfolded), &field);
        assert(e == ERR_OK);
    }
    if (field.type.n > 0) {
        h->present |= HAS_DISPOSITION;
        write_str(out, field.type);
        write_params(out, &field.params);
    }
}

static void write_language(struct shape_fields *f, const struct raw *raw, struct shape_header *h,
                           struct buf *out)
{
    struct param_list names = {0};
    if (unfold(f, raw, SLOT_LANGUAGE)) {
        enum err e = param_names_parse(f->scratch, buf_str(&f->unfolded), &names);
        assert(e == ERR_OK);
    }
    if (names.count > 0) {
        h->present |= HAS_LANGUAGE;
        shape_write_number(out, names.count);
        for (uint32_t i = 0; i < names.count; i++) {
            write_str(out, names.at[i].name);
        }
    }
}

void shape_fields_read(struct shape_fields *f, struct str header, bool wants_envelope,
                       bool is_in_digest, struct buf *out, struct shape_header *h)
{
    struct raw raw = {0};
    struct arena_mark mark = arena_mark(f->scratch);
    *h = (struct shape_header){.envelope.at = out->len};
    gather(header, &raw);
    if (wants_envelope) {
        write_envelope(f, &raw, out);
    }
    h->envelope.n = out->len - h->envelope.at;
    h->fields.at = out->len;
    struct str encoding = read_encoding(f, &raw);
    write_type(f, &raw, is_in_digest, encoding, h, out);
    if (encoding.n == 0) {
        h->kind |= KIND_DEFAULT_ENCODING;
    } else {
        write_str(out, encoding);
    }
    write_text(f, &raw, SLOT_ID, HAS_ID, h, out);
    write_text(f, &raw, SLOT_DESCRIPTION, HAS_DESCRIPTION, h, out);
    write_text(f, &raw, SLOT_MD5, HAS_MD5, h, out);
    write_disposition(f, &raw, h, out);
    write_language(f, &raw, h, out);
    write_text(f, &raw, SLOT_LOCATION, HAS_LOCATION, h, out);
    h->fields.n = out->len - h->fields.at;
    arena_rewind(f->scratch, mark);
}
