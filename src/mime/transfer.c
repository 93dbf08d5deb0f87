/* Base64 and quoted-printable (RFC 2045, 6.7 and 6.8), decoded as they come.
 *
 * Base64: octets outside the alphabet are passed over, as the RFC asks; "=" ends a quantum and what follows begins
 * anew (parts that were encoded one by one and joined are common). Bits that are left at the end are dropped.
 *
 * Quoted-printable: "=" before a line end joins the lines, with white space between them allowed; white space at the
 * end of a line was added on the way and is deleted (up to TRANSFER_WHITE_MOST octets of it); "=" before anything
 * else than two hex digits or a line end stands for itself; hex digits may be lower case. What cannot be judged yet
 * at the end of a piece is held: white space, or "=" and what follows it. */
#include "mime/transfer.h"

#include <stdbool.h>

enum err transfer_find(struct str encoding, enum transfer_kind *out)
{
    static const struct {
        const char *name;
        enum transfer_kind kind;
    } NAMES[] = {
        {"7bit", TRANSFER_IDENTITY},   {"8bit", TRANSFER_IDENTITY},
        {"binary", TRANSFER_IDENTITY}, {"base64", TRANSFER_BASE64},
        {"", TRANSFER_IDENTITY},       {"quoted-printable", TRANSFER_QUOTED_PRINTABLE},
    };
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (str_eq_nocase(encoding, str_from_c(NAMES[i].name))) {
            *out = NAMES[i].kind;
            return ERR_OK;
        }
    }
    return ERR_UNKNOWN_CTE;
}

void transfer_init(struct transfer *t, enum transfer_kind kind)
{
    *t = (struct transfer){.kind = kind};
}

/* Value of a base64 digit and 1; 0: none. */
static const unsigned char DIGITS[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

bool transfer_is_base64_digit(char c)
{
    return DIGITS[(unsigned char)c] != 0;
}

static size_t decode_base64_to(struct transfer *t, struct str s, unsigned char *out)
{
    uint32_t bits = t->bits;
    unsigned digits = t->digits;
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint32_t v = DIGITS[(unsigned char)s.p[i]];
        if (v == 0) {
            digits = s.p[i] == '=' ? 0 : digits;
            continue;
        }
        bits = bits << 6 | (v - 1);
        digits = (digits + 1) & 3;
        if (digits != 1) { /* 12, 18, 24 bits gathered: 1, 2, 3 octets are whole */
            out[n++] = (unsigned char)(bits >> (digits == 0 ? 0 : 8 - 2 * digits));
        }
    }
    t->bits = bits;
    t->digits = digits;
    return n;
}

static void decode_base64(struct transfer *t, struct str s, struct buf *out)
{
    char *to = buf_reserve(out, s.n / 4 * 3 + 3);
    if (to != NULL) {
        buf_commit(out, decode_base64_to(t, s, (unsigned char *)to));
    }
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t';
}

/* What to do with the octets that are held, now that c has come. */
enum verdict { HOLD_MORE, KEEP, DROP, DROP_WITH_C, DECODED };

/* May a line end still come, after what is held and c? */
static bool may_end_line(const struct transfer *t, char c)
{
    bool was_cr = t->held[t->held_n - 1] == '\r';
    return !was_cr && (is_white(c) || c == '\r') && t->held_n < TRANSFER_WHITE_MOST;
}

/* held[0] is "=". */
static enum verdict judge_escape(struct transfer *t, char c, struct buf *out)
{
    char first = t->held_n > 1 ? t->held[1] : '\0';
    if (t->held_n == 1 && ascii_hex_value(c) >= 0) {
        return HOLD_MORE;
    }
    if (t->held_n == 2 && ascii_hex_value(first) >= 0 && ascii_hex_value(c) >= 0) {
        buf_add_char(out, (char)(unsigned char)(ascii_hex_value(first) * 16 + ascii_hex_value(c)));
        return DECODED;
    }
    bool is_soft = t->held_n == 1 || is_white(first) || first == '\r';
    if (is_soft && c == '\n') {
        return DROP_WITH_C;
    }
    return is_soft && may_end_line(t, c) ? HOLD_MORE : KEEP;
}

/* held[0] is white space. */
static enum verdict judge_white(const struct transfer *t, char c)
{
    if (c == '\n') {
        return DROP;
    }
    return may_end_line(t, c) ? HOLD_MORE : KEEP;
}

static void hold(struct transfer *t, char c)
{
    t->held[t->held_n++] = c;
}

/* c with nothing held. */
static void take_octet(struct transfer *t, char c, struct buf *out)
{
    if (c == '=' || is_white(c)) {
        hold(t, c);
    } else {
        buf_add_char(out, c);
    }
}

static void decode_held(struct transfer *t, char c, struct buf *out)
{
    bool was_cr = t->held[t->held_n - 1] == '\r';
    bool is_escape = t->held[0] == '=';
    enum verdict v = is_escape ? judge_escape(t, c, out) : judge_white(t, c);
    if (v == HOLD_MORE) {
        hold(t, c);
        return;
    }
    size_t n = t->held_n;
    t->held_n = 0;
    if (v == DROP) { /* white space before a line end: only the line end stays */
        buf_add_c(out, was_cr ? "\r" : "");
    } else if (v == KEEP) {
        buf_add(out, str_make(t->held, n));
    }
    if (v == DROP || v == KEEP) {
        take_octet(t, c, out);
    }
}

static void decode_quoted_printable(struct transfer *t, struct str s, bool is_last, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (t->held_n > 0) {
            decode_held(t, s.p[i], out);
        } else {
            take_octet(t, s.p[i], out);
        }
    }
    if (is_last && t->held_n > 0) {
        /* The end of the octets ends the line: white space goes, so does a soft line break; a begun "=X" stays. */
        bool is_begun_hex = t->held[0] == '=' && t->held_n == 2 && ascii_hex_value(t->held[1]) >= 0;
        buf_add(out, str_make(t->held, is_begun_hex ? t->held_n : 0));
        t->held_n = 0;
    }
}

void transfer_decode(struct transfer *t, struct str octets, bool is_last, struct buf *out)
{
    if (t->kind == TRANSFER_BASE64) {
        decode_base64(t, octets, out);
    } else if (t->kind == TRANSFER_QUOTED_PRINTABLE) {
        decode_quoted_printable(t, octets, is_last, out);
    } else {
        buf_add(out, octets);
    }
}
