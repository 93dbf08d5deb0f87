/* Text conversions, in steps:
 *
 *     octets -> UTF-8 (mime/charset) -> [text of HTML (mime/html) | lines of a tool's output] -> charset (mime/charset_writer)
 *
 * Each step keeps its own state, so pieces may be cut anywhere. */
#include "convert/text.h"

#include "base/mem.h"
#include "mime/charset.h"
#include "mime/charset_writer.h"
#include "mime/html.h"

#include <stdlib.h>

enum { STEP_MOST = 64 * 1024 * 1024 };

struct text_conversion {
    enum convert_text kind;
    struct charset *from;
    struct html html;
    bool has_text; /* HTML: some was written */
    struct charset_writer *to;
    char last;       /* octet of a tool's text; NUL: none yet */
    struct buf utf8; /* of the piece */
    struct buf text; /* what the middle step made of it */
};

static enum err set_charset(struct text_conversion *t, const struct convert_settings *s)
{
    struct str name = s->charset.n > 0 ? s->charset : STR("utf-8");
    if (charset_writer_new(name, &t->to) != ERR_OK) {
        return ERR_BAD_PARAM;
    }
    if ((s->given & PARAM_REPLACEMENT) != 0
        && charset_writer_set_replacement(t->to, s->replacement) != ERR_OK) {
        return ERR_BAD_PARAM;
    }
    return ERR_OK;
}

enum err text_conversion_new(enum convert_text kind, struct str from_charset,
                             const struct convert_settings *s, struct text_conversion **out)
{
    struct text_conversion *t = mem_new(sizeof(*t));
    t->kind = kind;
    buf_init(&t->utf8, STEP_MOST);
    buf_init(&t->text, STEP_MOST);
    html_init(&t->html, HTML_READABLE);
    enum err e = charset_new(from_charset, &t->from);
    e = e == ERR_OK ? set_charset(t, s) : e;
    if (e != ERR_OK) {
        text_conversion_free(&t);
        return e;
    }
    *out = t;
    return ERR_OK;
}

void text_conversion_free(struct text_conversion **t)
{
    if (*t == NULL) {
        return;
    }
    charset_free(&(*t)->from);
    charset_writer_free(&(*t)->to);
    buf_release(&(*t)->utf8);
    buf_release(&(*t)->text);
    free(*t);
    *t = NULL;
}

/* What a program printed, as lines of mail: CRLF, a form feed begins a line, other controls go. */
static void make_lines(struct text_conversion *t, struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_end = c == '\n' || c == '\f';
        if (is_end && t->last != '\r') {
            buf_add(out, STR("\r\n"));
        } else if (is_end || c == '\t' || c == '\r' || (unsigned char)c >= ' ') {
            buf_add_char(out, is_end ? '\n' : c);
        }
        t->last = c;
    }
}

/* The middle step. */
static struct str make_text(struct text_conversion *t, bool is_last)
{
    struct str utf8 = buf_str(&t->utf8);
    buf_clear(&t->text);
    if (t->kind == TEXT_HTML) {
        html_to_text(&t->html, utf8, is_last, &t->text);
        t->has_text = t->has_text || t->text.len > 0;
        if (is_last && t->has_text) {
            buf_add(&t->text, STR("\r\n"));
        }
        return buf_str(&t->text);
    }
    if (t->kind == TEXT_RESULT) {
        make_lines(t, utf8, &t->text);
        return buf_str(&t->text);
    }
    return utf8;
}

enum err text_conversion_add(struct text_conversion *t, struct str octets, bool is_last,
                             struct buf *out)
{
    buf_clear(&t->utf8);
    charset_convert(t->from, octets, is_last, &t->utf8);
    struct str text = make_text(t, is_last);
    TRY(buf_err(&t->utf8));
    TRY(buf_err(&t->text));
    return charset_writer_add(t->to, text, is_last, out);
}
