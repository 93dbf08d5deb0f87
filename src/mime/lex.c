/* Tokens of header fields (RFC 5322, 3.2; RFC 2045, 5.1).
 *
 * Real headers break the grammar daily: 8-bit octets in atoms, quotes that never close, comments that never end. So a
 * token reader that refuses is of no use here. The rules for the broken cases:
 *
 *   open quote      the quote is dropped, what follows is read as if it had not been there
 *   open comment    the parenthesis is dropped, likewise
 *   "\" at the end  stands for nothing
 *
 * Whether a quote closes is found by running to the end of the field. That happens once a field at most: the answer is
 * remembered, so that a field of a million open quotes costs one pass. Comments nest by a counter, not by recursion. */
#include "mime/lex.h"

static bool is_white(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Position behind the comment that opens at l->at; 0 when it never closes. */
static size_t find_comment_end(const struct lex *l)
{
    size_t depth = 0;
    for (size_t i = l->at; i < l->s.n; i++) {
        char c = l->s.p[i];
        if (c == '\\') {
            i++;
        } else if (c == '(') {
            depth++;
        } else if (c == ')') {
            depth--;
            if (depth == 0) {
                return i + 1;
            }
        }
    }
    return 0;
}

static void add_unescaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\') {
            i++;
        }
        if (i < s.n) {
            buf_add_char(out, s.p[i]);
        }
    }
}

/* At "(": steps over the comment, or over the parenthesis alone when it stays open. */
static void skip_comment(struct lex *l, struct buf *comment)
{
    size_t end = l->has_no_paren ? 0 : find_comment_end(l);
    if (end == 0) {
        l->has_no_paren = true;
        l->at++;
        return;
    }
    if (comment != NULL) {
        buf_clear(comment);
        add_unescaped(comment, str_sub(l->s, l->at + 1, end - l->at - 2));
    }
    l->at = end;
}

bool lex_skip_cfws(struct lex *l, struct buf *comment)
{
    size_t from = l->at;
    for (;;) {
        int c = lex_peek(l);
        if (c == '(') {
            skip_comment(l, comment);
        } else if (is_white(c)) {
            l->at++;
        } else {
            return l->at != from;
        }
    }
}

/* Position of the closing quote of the string that opens at l->at; 0 when there is none. */
static size_t find_quote_end(const struct lex *l)
{
    for (size_t i = l->at + 1; i < l->s.n; i++) {
        if (l->s.p[i] == '\\') {
            i++;
        } else if (l->s.p[i] == '"') {
            return i;
        }
    }
    return 0;
}

bool lex_take_quoted(struct lex *l, struct buf *out)
{
    size_t end = l->has_no_quote ? 0 : find_quote_end(l);
    if (end == 0) {
        l->has_no_quote = true;
        l->at++;
        return false;
    }
    add_unescaped(out, str_sub(l->s, l->at + 1, end - l->at - 1));
    l->at = end + 1;
    return true;
}

size_t lex_take_run(struct lex *l, const char *stop, struct buf *out)
{
    size_t from = l->at;
    while (l->at < l->s.n) {
        char c = l->s.p[l->at];
        if (is_white(c) || c == '"' || c == '(' || (c != '\0' && strchr(stop, c) != NULL)) {
            break;
        }
        l->at++;
        if (c != '\\') {
            buf_add_char(out, c);
        } else if (l->at < l->s.n) {
            buf_add_char(out, l->s.p[l->at++]);
        }
    }
    return l->at - from;
}

void lex_skip_to(struct lex *l, char c)
{
    struct buf none = BUF_INIT(0);
    while (l->at < l->s.n && l->s.p[l->at] != c) {
        if (lex_skip_cfws(l, NULL)) {
            continue;
        }
        if (lex_peek(l) == '"') {
            (void)lex_take_quoted(l, &none);
        } else {
            l->at++;
        }
    }
}
