/* The body test (RFC 5173).
 *
 * The message's shape says where its parts are; each part that is asked for is decoded (transfer encoding, then charset) and is one
 * string of its own. Of a multipart there is what stands before its first part and behind its last, of a message within the message
 * its header. :text takes the parts that are text, HTML without its markup. A part is looked at as far as the limit goes,
 * and what was decoded is kept for the next test.
 *
 * The shape bounds how deep parts are nested, and with it the functions that call themselves here. */
#include "sieve/control.h"

#include "mime/charset.h"
#include "mime/html.h"
#include "mime/shape.h"
#include "mime/transfer.h"
#include "sieve/match.h"
#include "sieve/run_priv.h"

/* What a test looks for. */
struct search {
    struct sieve_match *m;
    bool is_text;               /* :text */
    struct sieve_strings types; /* :content */
};

static bool is_type(const struct part *p, const char *type)
{
    return str_eq_nocase(p->type, str_from_c(type));
}

/* "If an individual content type begins or ends with a '/' or contains multiple slashes, then it matches no content types" (5.2). */
static bool fits_type(const struct part *p, struct str wanted)
{
    size_t slash = str_find_char(wanted, '/');
    if (wanted.n == 0) {
        return true;
    }
    if (slash == wanted.n) {
        return str_eq_nocase(wanted, p->type);
    }
    struct str subtype = str_skip(wanted, slash + 1);
    return slash > 0 && subtype.n > 0 && str_find_char(subtype, '/') == subtype.n
           && str_eq_nocase(str_sub(wanted, 0, slash), p->type)
           && str_eq_nocase(subtype, p->subtype);
}

static bool is_wanted(const struct search *s, const struct part *p)
{
    if (s->is_text) {
        return !p->is_multipart && !p->is_message && is_type(p, "text");
    }
    for (uint32_t i = 0; i < s->types.count; i++) {
        if (fits_type(p, s->types.at[i])) {
            return true;
        }
    }
    return false;
}

static struct str octets_of(const struct sieve_run *r, uint64_t from, uint64_t to)
{
    return from < to ? str_sub(r->env->message, (size_t)from, (size_t)(to - from)) : STR_EMPTY;
}

/* A part that is being decoded, piece by piece. */
struct decoding {
    struct transfer transfer;
    struct charset *charset; /* NULL: octets stay */
    struct html *html;       /* NULL: text stays */
    struct buf octets;
    struct buf text;
    struct buf out;
};

enum { PIECE = 64 * 1024, GROWTH = 4 };

static void decode_piece(struct decoding *d, struct str piece, bool is_last)
{
    buf_clear(&d->octets);
    buf_clear(&d->text);
    struct buf *text = d->html != NULL ? &d->text : &d->out;
    transfer_decode(&d->transfer, piece, is_last, d->charset != NULL ? &d->octets : text);
    if (d->charset != NULL) {
        charset_convert(d->charset, buf_str(&d->octets), is_last, text);
    }
    if (d->html != NULL) {
        html_to_text(d->html, buf_str(&d->text), is_last, &d->out);
    }
}

static void decoding_init(struct decoding *d, const struct part *p, size_t most)
{
    enum transfer_kind kind = TRANSFER_IDENTITY;
    if (transfer_find(p->encoding, &kind) != ERR_OK) {
        kind = TRANSFER_IDENTITY;
    }
    transfer_init(&d->transfer, kind);
    d->octets = BUF_INIT(PIECE * GROWTH);
    d->text = BUF_INIT(PIECE * GROWTH * GROWTH);
    d->out = BUF_INIT(most + PIECE * GROWTH * GROWTH);
    if (is_type(p, "text")
        && charset_new(param_find(&p->params, STR("charset")), &d->charset) != ERR_OK) {
        err_ignore(charset_new(STR_EMPTY, &d->charset));
    }
}

static void decoding_release(struct decoding *d)
{
    charset_free(&d->charset);
    buf_release(&d->octets);
    buf_release(&d->text);
    buf_release(&d->out);
}

/* One that was decoded: the next test need not do it again. */
struct sieve_decoded {
    const struct part *part;
    bool is_html; /* without its markup */
    struct str text;
    struct sieve_decoded *next;
};

enum { DECODED_MOST = 32 };

static const struct sieve_decoded *find_decoded(const struct sieve_run *r, const struct part *p,
                                                bool is_html)
{
    const struct sieve_decoded *d = r->decoded;
    while (d != NULL && (d->part != p || d->is_html != is_html)) {
        d = d->next;
    }
    return d;
}

static enum err keep_decoded(struct sieve_run *r, const struct part *p, bool is_html,
                             struct str text)
{
    if (r->decoded_count == DECODED_MOST) {
        return ERR_OK;
    }
    struct sieve_decoded *d = sieve_run_array(r, struct sieve_decoded, 1);
    if (d == NULL) {
        return sieve_run_full(r);
    }
    *d = (struct sieve_decoded){.part = p, .is_html = is_html, .next = r->decoded};
    TRY(sieve_run_keep(r, text, &d->text));
    r->decoded = d;
    r->decoded_count++;
    return ERR_OK;
}

static enum err decode_body(struct sieve_run *r, struct decoding *d, struct str body)
{
    size_t at = 0;
    do {
        struct str piece = str_sub(body, at, PIECE);
        TRY(sieve_run_spend(r, sieve_steps_for(piece.n, SIEVE_RATE_DECODE)));
        at += piece.n;
        decode_piece(d, piece, at == body.n);
    } while (at < body.n && d->out.len < r->limits.body_octets);
    return ERR_OK;
}

/* A part without parts. */
static enum err give_leaf(const struct search *s, const struct part *p)
{
    struct sieve_run *r = s->m->run;
    bool is_html = s->is_text && str_eq_nocase(p->subtype, STR("html"));
    const struct sieve_decoded *known = find_decoded(r, p, is_html);
    if (known != NULL) {
        return sieve_match_give(s->m, known->text);
    }
    TRY(sieve_run_spend(r, SIEVE_STEPS_PART));
    struct decoding d = {.charset = NULL};
    struct html html;
    decoding_init(&d, p, r->limits.body_octets);
    if (is_html) {
        html_init(&html, HTML_WORDS);
        d.html = &html;
    }
    struct str body = octets_of(r, p->body_offset, p->body_offset + p->body_size);
    enum err e = decode_body(r, &d, body);
    struct str text = str_sub(buf_str(&d.out), 0, r->limits.body_octets);
    e = e == ERR_OK ? keep_decoded(r, p, is_html, text) : e;
    e = e == ERR_OK ? sieve_match_give(s->m, text) : e;
    decoding_release(&d);
    return e;
}

/* Without its last line, which is a boundary, and the line end before that. */
static struct str cut_last_line(struct str s)
{
    s.n -= str_ends(s, STR("\n"));
    size_t end = str_find_last_char(s, '\n');
    s.n = end < s.n ? end : 0;
    s.n -= str_ends(s, STR("\r"));
    return s;
}

/* Without the line end in front, and the boundary behind it. */
static struct str cut_first_line(struct str s)
{
    s = str_skip(s, str_starts(s, STR("\r\n")) ? 2 : str_starts(s, STR("\n")));
    return str_starts(s, STR("--")) ? str_skip(s, str_find_char(s, '\n') + 1) : s;
}

/* "treating the entire prologue and the entire epilogue as separate strings" (5.2). */
static enum err give_multipart(const struct search *s, const struct part *p)
{
    struct sieve_run *r = s->m->run;
    const struct part *last = &p->children[p->child_count - 1];
    struct str before = octets_of(r, p->body_offset, p->children[0].header_offset);
    struct str behind =
        octets_of(r, last->body_offset + last->body_size, p->body_offset + p->body_size);
    TRY(sieve_match_give(s->m, cut_last_line(before)));
    return sieve_match_is_decided(s->m) ? ERR_OK : sieve_match_give(s->m, cut_first_line(behind));
}

static enum err give_part(const struct search *s, const struct part *p)
{
    TRY(sieve_run_spend(s->m->run, 1));
    if (is_wanted(s, p)) {
        if (p->is_multipart) {
            TRY(give_multipart(s, p));
        } else if (p->is_message) {
            const struct part *inner = &p->children[0];
            TRY(sieve_match_give(s->m, octets_of(s->m->run, inner->header_offset,
                                                 inner->header_offset + inner->header_size)));
        } else {
            TRY(give_leaf(s, p));
        }
    }
    for (uint32_t i = 0; i < p->child_count && !sieve_match_is_decided(s->m); i++) {
        TRY(give_part(s, &p->children[i]));
    }
    return ERR_OK;
}

static enum err give_body(struct sieve_run *r, const struct sieve_node *n, struct sieve_match *m)
{
    if (sieve_node_has(n, SIEVE_TAG_RAW)) {
        struct str body = str_skip(r->env->message, r->message.header_size);
        return sieve_match_give(m, str_sub(body, 0, r->limits.body_octets));
    }
    const struct sieve_arg *types = sieve_node_find(n, SIEVE_TAG_CONTENT);
    struct search s = {.m = m, .is_text = types == NULL};
    const struct shape *shape;
    TRY(sieve_expand_list(r, types, &s.types));
    TRY(sieve_message_get_shape(r, &shape));
    return give_part(&s, &shape->root);
}

enum err sieve_body_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    struct sieve_match m;
    TRY(sieve_message_read(r));
    TRY(sieve_match_init(&m, r, n, &n->params[0]));
    m.is_silent = true; /* "they MUST NOT set match variables" (6) */
    if (r->message.has_body) {
        TRY(give_body(r, n, &m));
    }
    return sieve_match_finish(&m, out);
}
