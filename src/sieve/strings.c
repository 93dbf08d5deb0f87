/* Strings of a script, as they mean something: encoded characters (RFC 5228, 2.4.2.4) are decoded, then references to variables are
 * found (RFC 5229, 3). Both only where the script requires them, and both leave alone what does not fit their grammar.
 *
 * A string becomes a row of pieces; running a script only joins them (sieve/expand.c). What a variable's text holds is never read
 * again: "${x}" in a value stays "${x}". */
#include "sieve/script_priv.h"

#include "base/utf8.h"
#include "sieve/variables.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t skip_blanks(struct str s, size_t at)
{
    while (at < s.n && is_blank(s.p[at])) {
        at++;
    }
    return at;
}

/* Up to 8 significant hex digits; more digits are kept count of by value: UINT32_MAX when it does not fit. */
static size_t take_hex(struct str s, size_t at, uint32_t *value)
{
    uint64_t v = 0;
    while (at < s.n && ascii_hex_value(s.p[at]) >= 0) {
        v = v > UINT32_MAX >> 4 ? UINT32_MAX : v << 4 | (uint64_t)ascii_hex_value(s.p[at]);
        at++;
    }
    *value = (uint32_t)v;
    return at;
}

struct sequence {
    bool is_unicode;
    struct str digits; /* between the colon and the brace */
    bool is_bad;       /* a character that does not exist */
};

/* hex-pair-seq / unicode-hex-seq: is it well-formed, to its end? Writes what it means when out is given. */
static bool read_sequence(struct sequence *q, struct buf *out)
{
    size_t at = skip_blanks(q->digits, 0);
    size_t count = 0;
    while (at < q->digits.n) {
        uint32_t value;
        size_t end = take_hex(q->digits, at, &value);
        if (end == at || (!q->is_unicode && end - at > 2)) {
            return false;
        }
        at = skip_blanks(q->digits, end);
        if (at == end && at < q->digits.n) {
            return false;
        }
        count++;
        q->is_bad |= value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff);
        if (out != NULL && q->is_unicode && !q->is_bad) {
            utf8_write(out, value);
        } else if (out != NULL && !q->is_unicode) {
            buf_add_char(out, (char)value);
        }
    }
    return count > 0;
}

/* Up to what can be no digit: so that nothing is looked at twice, however many sequences begin and do not end. */
static size_t count_digits(struct str s)
{
    size_t n = 0;
    while (n < s.n && (ascii_hex_value(s.p[n]) >= 0 || is_blank(s.p[n]))) {
        n++;
    }
    return n;
}

/* An encoded-arb-octets or encoded-unicode-char at the start of s; its octets, 0 for none. */
static size_t find_sequence(struct str s, struct sequence *out)
{
    struct str hex = STR("${hex:");
    struct str unicode = STR("${unicode:");
    bool is_unicode = str_starts_nocase(s, unicode);
    if (!is_unicode && !str_starts_nocase(s, hex)) {
        return 0;
    }
    size_t start = is_unicode ? unicode.n : hex.n;
    size_t n = count_digits(str_skip(s, start));
    if (start + n >= s.n || s.p[start + n] != '}') {
        return 0;
    }
    *out = (struct sequence){.is_unicode = is_unicode, .digits = str_sub(s, start, n)};
    return read_sequence(out, NULL) ? start + n + 1 : 0;
}

static enum err decode_characters(struct sieve_compiler *c, uint32_t line, struct str *text)
{
    if (str_find_str(*text, STR("${")) == text->n) {
        return ERR_OK;
    }
    struct buf out = BUF_INIT(text->n);
    struct str rest = *text;
    while (rest.n > 0) {
        struct sequence q = {.is_bad = false};
        size_t n = rest.p[0] == '$' ? find_sequence(rest, &q) : 0;
        if (n > 0 && q.is_unicode && q.is_bad) {
            buf_release(&out);
            return sieve_compile_fail(c, line, "There is no Unicode character \"%.*s\"",
                                      STR_ARG(str_sub(q.digits, 0, 40)));
        }
        if (n > 0) {
            (void)read_sequence(&q, &out);
        } else {
            n = 1;
            buf_add_char(&out, rest.p[0]);
        }
        rest = str_skip(rest, n);
    }
    *text = arena_str(c->arena, buf_str(&out));
    buf_release(&out);
    return text->p == NULL ? sieve_compile_fail(c, line, "The script is too large") : ERR_OK;
}

static struct str lower_name(struct sieve_compiler *c, struct str name)
{
    char *p = arena_alloc(c->arena, name.n);
    if (p == NULL) {
        return STR_EMPTY;
    }
    for (size_t i = 0; i < name.n; i++) {
        p[i] = ascii_lower(name.p[i]);
    }
    return str_make(p, name.n);
}

/* num-variable: a match variable. */
static enum err read_number(struct sieve_compiler *c, uint32_t line, struct str name,
                            struct sieve_piece *out)
{
    uint64_t number;
    while (name.n > 1 && name.p[0] == '0') {
        name = str_skip(name, 1);
    }
    if (!str_to_u64(name, SIEVE_MATCHES_MOST, &number)) {
        return sieve_compile_fail(c, line, "Match variables go up to ${%d}", SIEVE_MATCHES_MOST);
    }
    *out = (struct sieve_piece){.kind = SIEVE_PIECE_MATCH, .number = (uint32_t)number};
    return ERR_OK;
}

/* What stands in the braces is a variable. */
static enum err read_variable(struct sieve_compiler *c, uint32_t line, struct str ref,
                              struct sieve_piece *out)
{
    if (ascii_is_digit(ref.p[0]) && str_find_char(ref, '.') == ref.n) {
        return read_number(c, line, ref, out);
    }
    struct str name = ref;
    struct str space = STR_EMPTY;
    if (str_find_char(ref, '.') < ref.n) {
        space = str_split(&name, '.');
    }
    out->kind = SIEVE_PIECE_VARIABLE;
    if (space.n > 0) {
        TRY(sieve_variable_check_space(c, line, space, name));
        out->kind = SIEVE_PIECE_GLOBAL;
    }
    if (name.n > SIEVE_NAME_MOST) {
        return sieve_compile_fail(c, line, "Names of variables have at most %d characters",
                                  SIEVE_NAME_MOST);
    }
    out->text = lower_name(c, name);
    return out->text.n > 0 ? ERR_OK : sieve_compile_fail(c, line, "The script is too large");
}

static bool is_name_octet(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '_' || c == '.';
}

/* variable-ref at the start of s: what stands in its braces; empty for none. */
static struct str find_reference(struct str s)
{
    if (!str_starts(s, STR("${"))) {
        return STR_EMPTY;
    }
    size_t n = 0;
    while (2 + n < s.n && is_name_octet(s.p[2 + n])) {
        n++;
    }
    struct str ref = str_sub(s, 2, n);
    bool is_closed = 2 + n < s.n && s.p[2 + n] == '}';
    return is_closed && sieve_variable_is_reference(ref) ? ref : STR_EMPTY;
}

/* Cuts text into pieces; counts them only when pieces is NULL. */
static enum err cut_pieces(struct sieve_compiler *c, uint32_t line, struct str text,
                           struct sieve_piece *pieces, uint32_t *count)
{
    size_t start = 0;
    uint32_t n = 0;
    for (size_t at = 0; at < text.n;) {
        struct str ref = text.p[at] == '$' ? find_reference(str_skip(text, at)) : STR_EMPTY;
        if (ref.n == 0) {
            at++;
            continue;
        }
        if (pieces != NULL) {
            pieces[n] = (struct sieve_piece){.text = str_sub(text, start, at - start)};
            TRY(read_variable(c, line, ref, &pieces[n + 1]));
        }
        n += 2;
        at += ref.n + 3;
        start = at;
    }
    if (n > 0 && pieces != NULL) {
        pieces[n] = (struct sieve_piece){.text = str_skip(text, start)};
    }
    *count = n > 0 ? n + 1 : 0;
    return ERR_OK;
}

enum err sieve_string_compile(struct sieve_compiler *c, uint32_t line, struct str text,
                              struct sieve_string *out)
{
    if (sieve_is_required(c, SIEVE_EXT_ENCODED_CHARACTER)) {
        TRY(decode_characters(c, line, &text));
    }
    *out = (struct sieve_string){.text = text};
    if (!sieve_is_required(c, SIEVE_EXT_VARIABLES)) {
        return ERR_OK;
    }
    TRY(cut_pieces(c, line, text, NULL, &out->piece_count));
    if (out->piece_count == 0) {
        return ERR_OK;
    }
    struct sieve_piece *pieces = arena_array(c->arena, struct sieve_piece, out->piece_count);
    if (pieces == NULL) {
        return sieve_compile_fail(c, line, "The script is too large");
    }
    out->pieces = pieces;
    return cut_pieces(c, line, text, pieces, &out->piece_count);
}
