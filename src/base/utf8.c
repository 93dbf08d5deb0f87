/* UTF-8 (RFC 3629), checked strictly.
 *
 * Overlong forms and surrogates are where filters are fooled, so the second octet has the narrow ranges of section 4's
 * grammar; with those, every accepted sequence is the one shortest form of a Unicode character. */
#include "base/utf8.h"

#include <assert.h>

/* How many octets the character with this lead has; 0: no lead octet. */
static size_t get_utf8_size(unsigned char lead)
{
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        return 2;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        return 3;
    }
    return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/* May octet follow as the i-th (1..3) of a character with that lead? (RFC 3629, 4) */
static bool may_follow(unsigned char lead, size_t i, unsigned char octet)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    if (i == 1) {
        low = lead == 0xe0 ? 0xa0 : (lead == 0xf0 ? 0x90 : low);
        high = lead == 0xed ? 0x9f : (lead == 0xf4 ? 0x8f : high);
    }
    return octet >= low && octet <= high;
}

size_t utf8_check(struct str s)
{
    unsigned char lead = (unsigned char)s.p[0];
    size_t n = get_utf8_size(lead);
    for (size_t i = 1; i < n; i++) {
        if (i >= s.n) {
            return SIZE_MAX;
        }
        if (!may_follow(lead, i, (unsigned char)s.p[i])) {
            return 0;
        }
    }
    return n;
}

bool utf8_is_valid(struct str s)
{
    while (s.n > 0) {
        size_t n = utf8_check(s);
        if (n == 0 || n == SIZE_MAX) {
            return false;
        }
        s = str_skip(s, n);
    }
    return true;
}

uint32_t utf8_get(struct str s, size_t n)
{
    static const unsigned char LEAD_BITS[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = (unsigned char)s.p[0] & LEAD_BITS[n];
    for (size_t i = 1; i < n; i++) {
        c = c << 6 | ((unsigned char)s.p[i] & 0x3f);
    }
    return c;
}

void utf8_add(struct buf *out, uint32_t c)
{
    char utf8[4];
    size_t n = 0;
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
        c = 0xfffd;
    }
    if (c < 0x80) {
        utf8[n++] = (char)c;
    } else if (c < 0x800) {
        utf8[n++] = (char)(0xc0 | c >> 6);
        utf8[n++] = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        utf8[n++] = (char)(0xe0 | c >> 12);
        utf8[n++] = (char)(0x80 | (c >> 6 & 0x3f));
        utf8[n++] = (char)(0x80 | (c & 0x3f));
    } else {
        utf8[n++] = (char)(0xf0 | c >> 18);
        utf8[n++] = (char)(0x80 | (c >> 12 & 0x3f));
        utf8[n++] = (char)(0x80 | (c >> 6 & 0x3f));
        utf8[n++] = (char)(0x80 | (c & 0x3f));
    }
    buf_add(out, str_make(utf8, n));
}

bool utf8_next(struct str *s, uint32_t *code_point)
{
    size_t n = s->n > 0 ? utf8_check(*s) : 0;
    if (n == 0 || n > s->n) {
        return false;
    }
    *code_point = utf8_get(*s, n);
    *s = str_skip(*s, n);
    return true;
}

void utf8_write(struct buf *out, uint32_t code_point)
{
    assert(code_point <= 0x10FFFF && (code_point < 0xD800 || code_point > 0xDFFF));
    utf8_add(out, code_point);
}
