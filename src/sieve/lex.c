/* The lexer: octets of a script to tokens (RFC 5228, 8.1).
 *
 * Scripts come from clients (CRLF), from editors (LF) and from whoever writes to us; so LF alone ends a line, too, and in a text:
 * string it becomes CRLF, for what a script quotes goes into mail. CR alone and NUL are refused. Strings must be UTF-8:
 * everything that a script names (mailboxes, replies) is UTF-8 with us, and RFC 5228, 2.1, lets us; octets that are not can be had
 * by encoded-character. Comments may hold any octets.
 *
 * A token borrows from the script when it stands there as it is meant; only strings with quoting, and multi-line ones, are copied.
 * An error is a token, and stays: the parser looks at one thing only. */
#include "sieve/lex.h"

#include "base/utf8.h"

static struct sieve_token token_bad(struct sieve_lex *l, uint32_t line, const char *problem)
{
    l->problem = problem;
    l->at = l->s.n;
    return (struct sieve_token){.kind = SIEVE_TOKEN_BAD, .line = line};
}

static int peek(const struct sieve_lex *l, size_t ahead)
{
    return l->s.n - l->at > ahead ? (unsigned char)l->s.p[l->at + ahead] : -1;
}

/* "/" "*" was seen. False: it does not end. */
static bool skip_bracket_comment(struct sieve_lex *l)
{
    for (l->at += 2; l->at < l->s.n; l->at++) {
        if (l->s.p[l->at] == '*' && peek(l, 1) == '/') {
            l->at += 2;
            return true;
        }
        l->line += l->s.p[l->at] == '\n';
    }
    return false;
}

static void skip_line(struct sieve_lex *l)
{
    while (l->at < l->s.n && l->s.p[l->at] != '\n') {
        l->at++;
    }
}

/* False: a comment is open. */
static bool skip_white_space(struct sieve_lex *l)
{
    for (;;) {
        int c = peek(l, 0);
        if (c == '\n') {
            l->line++;
            l->at++;
        } else if (c == ' ' || c == '\t' || (c == '\r' && peek(l, 1) == '\n')) {
            l->at++;
        } else if (c == '#') {
            skip_line(l);
        } else if (c == '/' && peek(l, 1) == '*') {
            if (!skip_bracket_comment(l)) {
                return false;
            }
        } else {
            return true;
        }
    }
}

/* CR alone is no line end; NUL is nothing. */
static bool is_text_octet(const struct sieve_lex *l)
{
    int c = peek(l, 0);
    return c != 0 && (c != '\r' || peek(l, 1) == '\n');
}

static struct sieve_token finish_string(struct sieve_lex *l, uint32_t line, struct str text)
{
    if (!utf8_is_valid(text)) {
        return token_bad(l, line, "This string is not UTF-8");
    }
    return (struct sieve_token){.kind = SIEVE_TOKEN_STRING, .line = line, .text = text};
}

/* quoted-string. */
static struct sieve_token lex_quoted(struct sieve_lex *l)
{
    uint32_t line = l->line;
    size_t start = ++l->at;
    size_t quotes = 0;
    while (l->at < l->s.n && l->s.p[l->at] != '"') {
        if (!is_text_octet(l)) {
            return token_bad(l, l->line, "A string holds NUL, or CR without LF");
        }
        if (l->s.p[l->at] == '\\') {
            quotes++;
            l->at++;
        }
        l->line += peek(l, 0) == '\n';
        l->at++;
    }
    if (l->at >= l->s.n) {
        return token_bad(l, line, "This string has no closing quote");
    }
    struct str raw = str_sub(l->s, start, l->at - start);
    l->at++;
    if (quotes == 0) {
        return finish_string(l, line, raw);
    }
    char *p = arena_alloc(l->arena, raw.n);
    if (p == NULL) {
        return token_bad(l, line, "The script is too large");
    }
    size_t n = 0;
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '\\') {
            i++; /* there is one: the quote that ended the string was not quoted */
        }
        p[n++] = raw.p[i];
    }
    return finish_string(l, line, str_make(p, n));
}

/* "text:" was read; what may stand behind it in its line. */
static bool skip_multi_line_start(struct sieve_lex *l)
{
    while (peek(l, 0) == ' ' || peek(l, 0) == '\t') {
        l->at++;
    }
    if (peek(l, 0) == '#') {
        skip_line(l);
    }
    if (peek(l, 0) == '\r') {
        l->at++;
    }
    if (peek(l, 0) != '\n') {
        return false;
    }
    l->at++;
    l->line++;
    return true;
}

/* The next line of a multi-line string, without its end; false: the script ends before its line does. */
static bool take_line(struct sieve_lex *l, struct str *out)
{
    size_t start = l->at;
    skip_line(l);
    if (l->at >= l->s.n) {
        /* The last line of a script may lack its end when it is the dot. */
        *out = str_skip(l->s, start);
        return str_eq(*out, STR("."));
    }
    *out = str_sub(l->s, start, l->at - start);
    if (str_ends(*out, STR("\r"))) {
        out->n--;
    }
    l->at++;
    l->line++;
    return true;
}

static bool has_bare_octets(struct str line)
{
    return str_find_char(line, '\0') != line.n || str_find_char(line, '\r') != line.n;
}

/* multi-line. */
static struct sieve_token lex_multi_line(struct sieve_lex *l, uint32_t line)
{
    if (!skip_multi_line_start(l)) {
        return token_bad(l, line, "Nothing but a comment may follow \"text:\" in its line");
    }
    /* Each line grows by one octet at most, when LF becomes CRLF; so the room is that of the rest of the script, once. */
    struct arena_mark mark = arena_mark(l->arena);
    size_t start = l->at;
    size_t most = 0;
    struct str text_line;
    bool is_ended = false;
    while (!is_ended && take_line(l, &text_line)) {
        if (has_bare_octets(text_line)) {
            return token_bad(l, l->line - 1, "A string holds NUL, or CR without LF");
        }
        is_ended = str_eq(text_line, STR("."));
        most += text_line.n + 2;
    }
    if (!is_ended) {
        return token_bad(l, line, "This text has no line with a single dot at its end");
    }
    char *p = arena_alloc(l->arena, most);
    if (p == NULL) {
        arena_rewind(l->arena, mark);
        return token_bad(l, line, "The script is too large");
    }
    size_t end = l->at;
    uint32_t end_line = l->line;
    size_t n = 0;
    l->at = start;
    while (take_line(l, &text_line) && !str_eq(text_line, STR("."))) {
        if (str_starts(text_line, STR(".."))) {
            text_line = str_skip(text_line, 1);
        }
        if (text_line.n > 0) {
            memcpy(p + n, text_line.p, text_line.n);
        }
        n += text_line.n;
        p[n++] = '\r';
        p[n++] = '\n';
    }
    l->at = end;
    l->line = end_line;
    return finish_string(l, line, str_make(p, n));
}

static bool is_word_octet(int c)
{
    return c > 0 && (ascii_is_alpha((char)c) || ascii_is_digit((char)c) || c == '_');
}

static struct str take_word(struct sieve_lex *l)
{
    size_t start = l->at;
    while (is_word_octet(peek(l, 0))) {
        l->at++;
    }
    return str_sub(l->s, start, l->at - start);
}

static struct sieve_token lex_identifier(struct sieve_lex *l)
{
    uint32_t line = l->line;
    struct str word = take_word(l);
    if (peek(l, 0) == ':' && str_eq_nocase(word, STR("text"))) {
        l->at++;
        return lex_multi_line(l, line);
    }
    return (struct sieve_token){.kind = SIEVE_TOKEN_IDENTIFIER, .line = line, .text = word};
}

static struct sieve_token lex_tag(struct sieve_lex *l)
{
    l->at++;
    int first = peek(l, 0);
    if (!is_word_octet(first) || ascii_is_digit((char)first)) {
        return token_bad(l, l->line, "A colon stands before the name of a tag only, as in :is");
    }
    uint32_t line = l->line;
    return (struct sieve_token){.kind = SIEVE_TOKEN_TAG, .line = line, .text = take_word(l)};
}

/* number = 1*DIGIT [ QUANTIFIER ] */
static struct sieve_token lex_number(struct sieve_lex *l)
{
    static const char too_large[] = "This number is too large";
    struct sieve_token out = {.kind = SIEVE_TOKEN_NUMBER, .line = l->line};
    for (int c = peek(l, 0); c > 0 && ascii_is_digit((char)c); c = peek(l, 0)) {
        if (__builtin_mul_overflow(out.number, 10u, &out.number)
            || __builtin_add_overflow(out.number, (uint64_t)(c - '0'), &out.number)) {
            return token_bad(l, l->line, too_large);
        }
        l->at++;
    }
    int quantifier = peek(l, 0) > 0 ? ascii_lower((char)peek(l, 0)) : -1;
    unsigned shift = quantifier == 'k' ? 10 : quantifier == 'm' ? 20 : quantifier == 'g' ? 30 : 0;
    l->at += shift != 0;
    if (out.number > (uint64_t)INT64_MAX >> shift) {
        return token_bad(l, l->line, too_large);
    }
    out.number <<= shift;
    if (is_word_octet(peek(l, 0))) {
        return token_bad(l, l->line, "A number may end with K, M or G, and nothing else");
    }
    return out;
}

struct sieve_token sieve_lex_next(struct sieve_lex *l)
{
    uint32_t line = l->line;
    if (l->problem != NULL) {
        return token_bad(l, line, l->problem);
    }
    if (!skip_white_space(l)) {
        return token_bad(l, line, "A comment that begins here or behind has no end");
    }
    int c = peek(l, 0);
    if (c < 0) {
        return (struct sieve_token){.kind = SIEVE_TOKEN_END, .line = l->line};
    }
    if (c == '"') {
        return lex_quoted(l);
    }
    if (c == ':') {
        return lex_tag(l);
    }
    if (c != 0 && ascii_is_digit((char)c)) {
        return lex_number(l);
    }
    if (is_word_octet(c)) {
        return lex_identifier(l);
    }
    if (c != 0 && strchr("[](){},;", c) != NULL) {
        struct str text = str_sub(l->s, l->at++, 1);
        return (struct sieve_token){.kind = SIEVE_TOKEN_MARK, .line = l->line, .text = text};
    }
    return token_bad(l, l->line, "This character has no meaning outside strings and comments");
}
