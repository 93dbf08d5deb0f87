/* Replies coming in (RFC 5321, 4.2): "250-first" CRLF "250 last" CRLF.
 *
 * Lines are gathered into one text with LF between them. A server that changes its mind about the code in the middle, or
 * never comes to an end, is broken; text beyond the bound is only dropped, for it decides nothing. */
#include "wire/smtp_framing.h"

#include "wire/chars.h"

enum { LINES_MOST = 1000 };

void smtp_reply_clear(struct smtp_reply *r)
{
    buf_clear(&r->text);
    r->code = 0;
    r->lines = 0;
    r->is_complete = false;
}

void smtp_reply_release(struct smtp_reply *r)
{
    buf_release(&r->text);
    smtp_reply_clear(r);
}

/* The code at the start of a line; 0: none. */
static int read_code(struct str line)
{
    uint64_t code = 0;
    bool has_code = line.n >= 3 && str_to_u64(str_sub(line, 0, 3), 599, &code) && code >= 200;
    bool has_end = line.n == 3 || (line.n > 3 && (line.p[3] == ' ' || line.p[3] == '-'));
    return has_code && has_end ? (int)code : 0;
}

enum step smtp_reply_add_line(struct smtp_reply *r, struct str line)
{
    if (r->is_complete) {
        smtp_reply_clear(r);
    }
    int code = read_code(line);
    if (code == 0 || (r->lines > 0 && code != r->code) || r->lines == LINES_MOST) {
        return STEP_BAD;
    }
    r->code = code;
    if (r->lines > 0) {
        buf_add_char(&r->text, '\n');
    }
    buf_add(&r->text, str_skip(line, 4));
    r->lines++;
    r->is_complete = line.n == 3 || line.p[3] == ' ';
    return r->is_complete ? STEP_DONE : STEP_MORE;
}

/* 1*3DIGIT */
static size_t count_digits(struct str s)
{
    size_t n = 0;
    while (n < s.n && n < 4 && is_digit_char((unsigned char)s.p[n])) {
        n++;
    }
    return n >= 1 && n <= 3 ? n : 0;
}

struct str smtp_reply_get_enhanced(const struct smtp_reply *r)
{
    struct str text = buf_str(&r->text);
    size_t n = 0;
    if (text.n == 0 || text.p[0] - '0' != r->code / 100) {
        return STR_EMPTY;
    }
    for (unsigned part = 0; part < 3; part++) {
        size_t digits = count_digits(str_skip(text, n));
        n += digits;
        bool has_dot = n < text.n && text.p[n] == '.';
        if (digits == 0 || (part < 2 && !has_dot)) {
            return STR_EMPTY;
        }
        n += part < 2 ? 1 : 0;
    }
    bool has_end = n == text.n || text.p[n] == ' ' || text.p[n] == '\n';
    return has_end ? str_sub(text, 0, n) : STR_EMPTY;
}

bool smtp_reply_find_keyword(const struct smtp_reply *r, struct str keyword, struct str *args)
{
    struct str text = buf_str(&r->text);
    (void)str_split(&text, '\n'); /* the server's name */
    while (text.n > 0) {
        struct str line = str_split(&text, '\n');
        struct str word = str_split(&line, ' ');
        if (str_eq_nocase(word, keyword)) {
            if (args != NULL) {
                *args = str_trim(line);
            }
            return true;
        }
    }
    return false;
}
