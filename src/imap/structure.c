/* ENVELOPE, BODY and BODYSTRUCTURE (RFC 3501, 7.4.2 and 9), written from a shape.
 *
 * Header text goes out as it stands in the message (encoded words and all), in whatever form a string needs. Sender and
 * Reply-To default to From, as RFC 3501 asks. An address with neither group nor domain has "" as its host, because NIL
 * there would begin a group. A part has an envelope here only when its type is message/rfc822: older clients know no
 * other message type (RFC 3501, "media-message"); a message/global is shown to them as an ordinary part. IMAP4rev2 shows it as
 * the message that it is.
 *
 * Parameters that RFC 2231 cut in segments are joined (RFC 2231, 6). What is encoded with a charset stays so ("title*" with
 * charset'language'%XX), but for IMAP4rev2, which wants UTF-8 there (RFC 9051, 7.5.2).
 *
 * The recursion follows the shape's, which ends at SHAPE_DEPTH_MOST.
 */
#include "imap/structure.h"

#include "mime/words.h"
#include "wire/imap_write.h"

enum {
    SEGMENTS_MOST = 256 * 1024,
    PARAMS_MOST = 200 /* of a longer list segments are not joined: the work grows with the square */
};

static void write_text(struct buf *out, const struct header_text *t, unsigned form)
{
    imap_write_ntext(out, t->s, t->is_present, (form & STRUCTURE_UTF8) != 0);
}

static void write_addresses(struct buf *out, const struct address_list *l, unsigned form)
{
    if (l->count == 0) {
        buf_add(out, STR("NIL"));
        return;
    }
    buf_add_char(out, '(');
    for (uint32_t i = 0; i < l->count; i++) {
        const struct address *a = &l->at[i];
        bool is_group = a->is_group_start || a->is_group_end;
        struct imap_address written = {
            .name = a->name,
            .route = a->route,
            .mailbox = a->mailbox,
            .host = a->host,
            .has_name = a->name.n > 0,
            .has_route = a->route.n > 0,
            .has_mailbox = !a->is_group_end,
            .has_host = !is_group,
            .is_utf8 = (form & STRUCTURE_UTF8) != 0,
        };
        imap_write_address(out, &written);
    }
    buf_add_char(out, ')');
}

void structure_write_envelope(struct buf *out, const struct envelope *e, unsigned form)
{
    const struct address_list *lists[] = {
        &e->from,
        e->sender.count > 0 ? &e->sender : &e->from,
        e->reply_to.count > 0 ? &e->reply_to : &e->from,
        &e->to,
        &e->cc,
        &e->bcc,
    };
    buf_add_char(out, '(');
    write_text(out, &e->date, form);
    buf_add_char(out, ' ');
    write_text(out, &e->subject, form);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        buf_add_char(out, ' ');
        write_addresses(out, lists[i], form);
    }
    buf_add_char(out, ' ');
    write_text(out, &e->in_reply_to, form);
    buf_add_char(out, ' ');
    write_text(out, &e->message_id, form);
    buf_add_char(out, ')');
}

static void write_param(struct buf *out, struct str name, bool is_extended, struct str value,
                        unsigned form, bool is_first)
{
    buf_add_char(out, is_first ? '(' : ' ');
    if (is_extended) {
        struct buf spelt = BUF_INIT(name.n + 1);
        buf_add(&spelt, name);
        buf_add_char(&spelt, '*');
        imap_write_string(out, buf_str(&spelt));
        buf_release(&spelt);
    } else {
        imap_write_string(out, name);
    }
    buf_add_char(out, ' ');
    imap_write_text(out, value, (form & STRUCTURE_UTF8) != 0);
}

/* A parameter that RFC 2231 cut in segments or encoded. false: it is written as it stands. */
static bool write_segments(struct buf *out, const struct param_list *l, struct str base, int number,
                           unsigned form, bool is_first)
{
    struct buf value = BUF_INIT(SEGMENTS_MOST);
    bool is_extended = number < 0;
    enum err e = number < 0 ? ERR_OK : words_join_param(l, base, &value, &is_extended);
    if (e == ERR_OK && is_extended && (form & STRUCTURE_DECODED) != 0) {
        buf_clear(&value);
        e = words_decode_param(l, base, &value);
    } else if (number < 0) {
        e = ERR_NOT_FOUND;
    }
    if (e == ERR_OK) {
        write_param(out, base, is_extended, buf_str(&value), form, is_first);
    }
    buf_release(&value);
    return e == ERR_OK;
}

/* The first segment stands for all; whether there is one for another is found out by looking for it. */
static bool is_joined(const struct param_list *l, struct str base, int number)
{
    struct str other;
    int first = 0;
    for (uint32_t i = 0; number > 0 && i < l->count; i++) {
        if (words_parse_segment(l->at[i].name, &other, &first) && first == 0
            && str_eq_nocase(other, base)) {
            return true;
        }
    }
    return false;
}

static void write_params(struct buf *out, const struct param_list *l, unsigned form)
{
    bool is_first = true;
    for (uint32_t i = 0; i < l->count; i++) {
        struct str base;
        int number = 0;
        bool is_segment =
            l->count <= PARAMS_MOST && words_parse_segment(l->at[i].name, &base, &number);
        if (is_segment && is_joined(l, base, number)) {
            continue;
        }
        if (!is_segment || !write_segments(out, l, base, number, form, is_first)) {
            write_param(out, l->at[i].name, false, l->at[i].value, form, is_first);
        }
        is_first = false;
    }
    buf_add(out, is_first ? STR("NIL") : STR(")"));
}

/* body-fld-lang: the names of the list. */
static void write_languages(struct buf *out, const struct param_list *l)
{
    if (l->count == 0) {
        buf_add(out, STR("NIL"));
        return;
    }
    for (uint32_t i = 0; i < l->count; i++) {
        buf_add_char(out, i == 0 ? '(' : ' ');
        imap_write_string(out, l->at[i].name);
    }
    buf_add_char(out, ')');
}

/* SP body-fld-dsp SP body-fld-lang SP body-fld-loc */
static void write_extension(struct buf *out, const struct part *p, unsigned form)
{
    if (p->disposition.is_present) {
        buf_add(out, STR(" ("));
        imap_write_string(out, p->disposition.s);
        buf_add_char(out, ' ');
        write_params(out, &p->disposition_params, form);
        buf_add_char(out, ')');
    } else {
        buf_add(out, STR(" NIL"));
    }
    buf_add_char(out, ' ');
    write_languages(out, &p->language);
    buf_add_char(out, ' ');
    write_text(out, &p->location, form);
}

/* body-type-mpart */
static void write_multipart(struct buf *out, const struct part *p, unsigned form)
{
    for (uint32_t i = 0; i < p->child_count; i++) {
        structure_write_body(out, &p->children[i], form);
    }
    buf_add_char(out, ' ');
    imap_write_string(out, p->subtype);
    if ((form & STRUCTURE_EXTENDED) != 0) {
        buf_add_char(out, ' ');
        write_params(out, &p->params, form);
        write_extension(out, p, form);
    }
}

/* media-message */
static bool is_media_message(const struct part *p, unsigned form)
{
    if (!str_eq_nocase(p->type, STR("message"))) {
        return false;
    }
    /* an encoded message/global is a leaf, and has no envelope to show */
    bool is_global =
        (form & STRUCTURE_GLOBAL) != 0 && p->is_message && str_eq_nocase(p->subtype, STR("global"));
    return is_global || str_eq_nocase(p->subtype, STR("rfc822"));
}

/* body-type-1part */
static void write_leaf(struct buf *out, const struct part *p, unsigned form)
{
    bool is_rfc822 = is_media_message(p, form);
    if (is_rfc822 && !p->is_message) {
        /* nested too deep to be read: its grammar would need an envelope */
        buf_add(out, STR("\"application\" \"octet-stream\" "));
    } else {
        imap_write_string(out, p->type);
        buf_add_char(out, ' ');
        imap_write_string(out, p->subtype);
        buf_add_char(out, ' ');
    }
    write_params(out, &p->params, form);
    buf_add_char(out, ' ');
    write_text(out, &p->id, form);
    buf_add_char(out, ' ');
    write_text(out, &p->description, form);
    buf_add_char(out, ' ');
    imap_write_string(out, p->encoding);
    buf_add_char(out, ' ');
    buf_add_u64(out, p->body_size);
    if (is_rfc822 && p->is_message) {
        buf_add_char(out, ' ');
        structure_write_envelope(out, p->children[0].envelope, form);
        buf_add_char(out, ' ');
        structure_write_body(out, &p->children[0], form);
        buf_add_char(out, ' ');
        buf_add_u64(out, p->body_lines);
    } else if (str_eq_nocase(p->type, STR("text"))) {
        buf_add_char(out, ' ');
        buf_add_u64(out, p->body_lines);
    }
    if ((form & STRUCTURE_EXTENDED) != 0) {
        buf_add_char(out, ' ');
        write_text(out, &p->md5, form);
        write_extension(out, p, form);
    }
}

void structure_write_body(struct buf *out, const struct part *p, unsigned form)
{
    buf_add_char(out, '(');
    if (p->is_multipart) {
        write_multipart(out, p, form);
    } else {
        write_leaf(out, p, form);
    }
    buf_add_char(out, ')');
}
