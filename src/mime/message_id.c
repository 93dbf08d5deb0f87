/* Message ids, normalised (RFC 5322, 3.6.4 and 4.5.4; RFC 5256, 3).
 *
 * An id may be quoted in parts: <"a b"@c> and <"ab"@c> say what their content says. Old mail has comments and spaces within. People write
 * anything in In-Reply-To ("your message of <date>"), so what has no "@", or has a bracket within, is no id, and the search goes
 * on behind its "<". Case counts. */
#include "mime/message_id.h"

#include "mime/lex.h"

/* Reads from behind "<" on; false when what stands there is no id. */
static bool read_id(struct lex *l, struct buf *out)
{
    size_t start = out->len;
    size_t at_sign = 0;
    while (lex_peek(l) != '>') {
        int c = lex_peek(l);
        if (c < 0 || c == '<') {
            return false;
        }
        if (c == '@') {
            at_sign = at_sign == 0 ? out->len : at_sign;
            l->at++;
            buf_add_char(out, '@');
        } else if (c == '"') {
            if (!lex_take_quoted(l, out)) {
                buf_add_char(out, '"');
            }
        } else if (!lex_skip_cfws(l, NULL)) {
            (void)lex_take_run(l, "<>@", out);
        }
    }
    l->at++;
    return at_sign > start && at_sign + 1 < out->len;
}

bool message_id_next(struct str *s, struct buf *out)
{
    struct lex l = lex_make(*s);
    size_t start = out->len;
    while (l.at < l.s.n) {
        l.at += str_find_char(str_skip(l.s, l.at), '<');
        if (l.at >= l.s.n) {
            break;
        }
        l.at++;
        if (read_id(&l, out)) {
            *s = str_skip(*s, l.at);
            return true;
        }
        buf_truncate(out, start);
    }
    *s = STR_EMPTY;
    return false;
}
