/* Extended parameters of a header field (RFC 2231), from their charsets to one.
 *
 *   Content-Type: text/plain; charset=utf-8;            Content-Type: text/plain; charset=utf-8;
 *    name*0*=iso-8859-1'fr'r%e9;                -->      name*=utf-8'fr'r%C3%A9sum%C3%A9 (later)
 *    name*1*=sum%e9 (later)
 *
 * The segments of one parameter are joined, converted, and cut anew where lines would be too long: never within "%XX". The
 * result stands where the first segment stood, the comments of all segments behind it. Other parameters stay as they are, and
 * so does a parameter whose charset is unknown, or whose octets are not valid in it. */
#include "mime/recode_priv.h"

#include "base/arena.h"
#include "mime/charset.h"
#include "mime/lex.h"
#include "mime/param.h"
#include "mime/words.h"

enum { ARENA_MOST = 4 * 1024 * 1024, TEXT_MOST = 1024 * 1024, SEGMENTS_MOST = 100 };
enum { VALUE_MOST = 64 * 1024 };       /* a longer field is nobody's file name: it stays as it is */
enum { LINE_MOST = FOLD_COLUMNS - 2 }; /* a space in front, a semicolon behind */

struct params {
    struct recode *r;
    struct fold *f;
    struct param_list list;
    struct buf done;     /* names that were written, each with ";" behind */
    struct buf comments; /* of the segments joined */
    struct buf text;     /* UTF-8 */
    struct buf octets;
    struct buf written;
};

bool recode_has_params(const struct field *field)
{
    bool is_mime = str_eq_nocase(field->name, STR("Content-Type"))
                   || str_eq_nocase(field->name, STR("Content-Disposition"));
    return is_mime && field->value.n <= VALUE_MOST
           && str_find_str(field->value, STR("*")) < field->value.n
           && str_find_char(field->value, '\'') < field->value.n;
}

/* ---- reading ---- */

/* The name of the parameter that a segment of the field holds. */
static struct str get_name(struct str segment)
{
    struct lex l = lex_make(segment);
    (void)lex_skip_cfws(&l, NULL);
    struct str rest = str_skip(segment, l.at);
    return str_trim(str_sub(rest, 0, str_find_char(rest, '=')));
}

static struct str get_base(struct str name)
{
    return str_sub(name, 0, str_find_char(name, '*'));
}

/* The segment that names the charset: name* or name*0*. NULL: there is none. */
static const struct param *find_first(const struct param_list *l, struct str base)
{
    for (uint32_t i = 0; i < l->count; i++) {
        const struct param *p = &l->at[i];
        struct str rest = str_skip(p->name, base.n);
        bool is_first = str_eq(rest, STR("*")) || str_eq(rest, STR("*0*"));
        if (is_first && str_starts_nocase(p->name, base)) {
            return p;
        }
    }
    return NULL;
}

/* Reads the parameter's text; false when it stays as it is. */
static bool read_text(struct params *p, struct str base, struct str *language)
{
    const struct param *first = find_first(&p->list, base);
    if (base.n == 0 || first == NULL) {
        return false;
    }
    struct str value = first->value;
    struct str charset_name = str_split(&value, '\'');
    struct charset *charset = NULL;
    if (value.n == 0 || charset_new(charset_name, &charset) != ERR_OK) {
        return false;
    }
    charset_free(&charset);
    *language = str_split(&value, '\'');
    buf_clear(&p->text);
    return words_decode_param_strict(&p->list, base, &p->text) == ERR_OK && p->text.len > 0;
}

/* ---- writing ---- */

static bool is_attribute_char(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || (c != '\0' && strchr("!#$&+-.^_`{|}~", c));
}

/* Appends octets to out as they stand in a value, up to `most` octets; takes them off *octets. */
static void take_encoded(struct str *octets, size_t most, struct buf *out)
{
    while (octets->n > 0) {
        char c = octets->p[0];
        bool is_plain = is_attribute_char(c);
        if (out->len + (is_plain ? 1 : 3) > most) {
            return;
        }
        if (is_plain) {
            buf_add_char(out, c);
        } else {
            buf_addf(out, "%%%02X", (unsigned char)c);
        }
        *octets = str_skip(*octets, 1);
    }
}

static void write_separator(struct params *p)
{
    buf_add_char(p->f->out, ';');
    p->f->column++;
    fold_white(p->f, STR(" "));
}

/* Writes the parameter in one piece where a line takes it, else in numbered segments. */
static void write_param(struct params *p, struct str base, struct str language)
{
    struct str octets = buf_str(&p->octets);
    struct str name = p->r->charset->name;
    buf_clear(&p->written);
    buf_addf(&p->written, "%.*s*=%.*s'%.*s'", STR_ARG(base), STR_ARG(name), STR_ARG(language));
    take_encoded(&octets, LINE_MOST, &p->written);
    if (octets.n == 0) {
        fold_token(p->f, buf_str(&p->written), 1);
        return;
    }
    octets = buf_str(&p->octets);
    for (unsigned i = 0; octets.n > 0 && i < SEGMENTS_MOST; i++) {
        buf_clear(&p->written);
        buf_addf(&p->written, "%.*s*%u*=", STR_ARG(base), i);
        if (i == 0) {
            buf_addf(&p->written, "%.*s'%.*s'", STR_ARG(name), STR_ARG(language));
        } else {
            write_separator(p);
        }
        size_t least = p->written.len + 3;
        take_encoded(&octets, least > LINE_MOST || i + 1 == SEGMENTS_MOST ? SIZE_MAX : LINE_MOST,
                     &p->written);
        fold_token(p->f, buf_str(&p->written), 1);
    }
}

/* Comments at the top of a segment, with their parentheses. */
static void gather_comments(struct str segment, struct buf *out)
{
    struct lex l = lex_make(segment);
    struct buf none = BUF_INIT(0);
    while (lex_peek(&l) >= 0) {
        size_t from = l.at;
        if (lex_peek(&l) == '"') {
            (void)lex_take_quoted(&l, &none);
        } else if (lex_peek(&l) == '(') {
            (void)lex_skip_cfws(&l, NULL);
            struct str comment = str_trim(str_sub(segment, from, l.at - from));
            buf_add(out, comment.n > 1 ? comment : STR_EMPTY);
        } else {
            l.at++;
        }
    }
}

/* ---- the field ---- */

static struct str next_segment(struct lex *l)
{
    size_t from = l->at;
    lex_skip_to(l, ';');
    struct str segment = str_trim(str_sub(l->s, from, l->at - from));
    l->at += l->at < l->s.n ? 1 : 0;
    return segment;
}

static bool is_done(const struct params *p, struct str base)
{
    struct str done = buf_str(&p->done);
    while (done.n > 0) {
        if (str_eq_nocase(str_split(&done, ';'), base)) {
            return true;
        }
    }
    return false;
}

/* The comments of all segments of the parameter. */
static void find_comments(struct params *p, struct str value, struct str base)
{
    struct lex l = lex_make(value);
    buf_clear(&p->comments);
    while (lex_peek(&l) >= 0) {
        struct str segment = next_segment(&l);
        struct str name = get_name(segment);
        if (name.n > base.n && str_eq_nocase(get_base(name), base)) {
            gather_comments(segment, &p->comments);
        }
    }
}

/* Writes the recoded parameter. */
static enum err write_recoded(struct params *p, struct str value, struct str base,
                              struct str language)
{
    buf_clear(&p->octets);
    TRY(charset_writer_add(p->r->writer, buf_str(&p->text), true, &p->octets));
    write_separator(p);
    write_param(p, base, language);
    find_comments(p, value, base);
    if (p->comments.len > 0) {
        fold_text(p->f, STR(" "));
        fold_text(p->f, buf_str(&p->comments));
    }
    buf_add(&p->done, base);
    buf_add_char(&p->done, ';');
    return buf_err(&p->done);
}

static enum err write_segments(struct params *p, struct str value)
{
    struct lex l = lex_make(value);
    unsigned count = 0;
    TRY(recode_words(p->r, p->f, next_segment(&l)));
    while (lex_peek(&l) >= 0) {
        struct str segment = next_segment(&l);
        struct str name = get_name(segment);
        struct str base = get_base(name);
        struct str language = STR_EMPTY;
        bool is_extended = base.n < name.n && count++ < SEGMENTS_MOST;
        if (segment.n == 0 || (is_extended && is_done(p, base))) {
            continue;
        }
        if (is_extended && read_text(p, base, &language)) {
            TRY(write_recoded(p, value, base, language));
        } else {
            write_separator(p);
            TRY(recode_words(p->r, p->f, segment));
        }
    }
    return ERR_OK;
}

enum err recode_params(struct recode *r, struct str octets, const struct field *field)
{
    struct fold f;
    struct param_field parsed;
    struct arena *a = arena_new(ARENA_MOST);
    struct buf value = BUF_INIT(TEXT_MOST);
    struct params p = {.r = r, .f = &f};
    buf_init(&p.done, TEXT_MOST);
    buf_init(&p.comments, TEXT_MOST);
    buf_init(&p.text, TEXT_MOST);
    buf_init(&p.octets, TEXT_MOST);
    buf_init(&p.written, TEXT_MOST * 4);
    field_unfold(field->value, &value);
    enum err e = buf_err(&value);
    e = e == ERR_OK ? param_field_parse(a, buf_str(&value), &parsed) : e;
    if (e == ERR_OK) {
        struct str head = str_sub(octets, 0, (size_t)(field->value.p - octets.p));
        p.list = parsed.params;
        buf_add(r->out, head);
        fold_init(&f, r->out, head.n);
        fold_text(&f, STR(" "));
        e = write_segments(&p, buf_str(&value));
        buf_add(r->out, str_skip(octets, head.n + field->value.n));
    }
    buf_release(&p.done);
    buf_release(&p.comments);
    buf_release(&p.text);
    buf_release(&p.octets);
    buf_release(&p.written);
    buf_release(&value);
    arena_free(&a);
    return e;
}
