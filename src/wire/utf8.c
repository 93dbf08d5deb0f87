/* UTF-8, strictly (RFC 3629).
 *
 * A lenient decoder gives one character several spellings, and then two names that look alike are not equal, and a check
 * for "/" can be walked around. So overlong forms, surrogates and what lies beyond U+10FFFF are malformed here, and
 * everything that calls itself struct text has come through utf8_is_valid() or an equal.
 *
 *   first octet   octets   code points
 *   00..7F        1        U+0000   .. U+007F
 *   C2..DF        2        U+0080   .. U+07FF
 *   E0..EF        3        U+0800   .. U+FFFF without U+D800 .. U+DFFF
 *   F0..F4        4        U+10000  .. U+10FFFF */
#include "wire/utf8.h"

#include <assert.h>

static size_t sequence_size(unsigned char first)
{
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xC2) {
        return 0;
    }
    if (first < 0xE0) {
        return 2;
    }
    if (first < 0xF0) {
        return 3;
    }
    return first < 0xF5 ? 4 : 0;
}

/* The smallest code point that needs so many octets. */
static uint32_t least_of_size(size_t n)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    return least[n];
}

static bool is_scalar(uint32_t v)
{
    return v <= 0x10FFFF && (v < 0xD800 || v > 0xDFFF);
}

bool utf8_next(struct str *s, uint32_t *code_point)
{
    if (s->n == 0) {
        return false;
    }
    unsigned char first = (unsigned char)s->p[0];
    size_t n = sequence_size(first);
    if (n == 0 || n > s->n) {
        return false;
    }
    uint32_t v = n == 1 ? first : first & (0x7FU >> n);
    for (size_t i = 1; i < n; i++) {
        unsigned char next = (unsigned char)s->p[i];
        if ((next & 0xC0) != 0x80) {
            return false;
        }
        v = v << 6 | (next & 0x3FU);
    }
    if (v < least_of_size(n) || !is_scalar(v)) {
        return false;
    }
    *code_point = v;
    *s = str_skip(*s, n);
    return true;
}

bool utf8_is_valid(struct str s)
{
    uint32_t v = 0;
    while (s.n > 0) {
        if (!utf8_next(&s, &v)) {
            return false;
        }
    }
    return true;
}

void utf8_write(struct buf *out, uint32_t code_point)
{
    assert(is_scalar(code_point));
    if (code_point < 0x80) {
        buf_add_char(out, (char)code_point);
        return;
    }
    size_t n = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    char octets[4];
    for (size_t i = n - 1; i > 0; i--) {
        octets[i] = (char)(0x80U | (code_point & 0x3FU));
        code_point >>= 6;
    }
    octets[0] = (char)(((0xFF00U >> n) & 0xFFU) | code_point);
    buf_add(out, str_make(octets, n));
}
