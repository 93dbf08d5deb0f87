/* Base64 and hex, strict: for SASL messages, tokens and keys. MIME bodies have their own forgiving decoder,
 * because mail is broken in ways that credentials must not be. */
#include "base/base64.h"

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(char c)
{
    const char *at = c == '\0' ? NULL : memchr(ALPHABET, c, 64);
    return at == NULL ? -1 : (int)(at - ALPHABET);
}

void base64_write(struct buf *out, struct str raw)
{
    for (size_t i = 0; i < raw.n; i += 3) {
        size_t n = raw.n - i < 3 ? raw.n - i : 3;
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++) {
            v = v << 8 | (k < n ? (unsigned char)raw.p[i + k] : 0U);
        }
        char four[4] = {ALPHABET[v >> 18], ALPHABET[v >> 12 & 63],
                        n > 1 ? ALPHABET[v >> 6 & 63] : '=', n > 2 ? ALPHABET[v & 63] : '='};
        buf_add(out, str_make(four, 4));
    }
}

/* Reads one group of four; padded says how many '=' it ends with. */
static enum err parse_four(const char *four, size_t padded, struct buf *out)
{
    uint32_t v = 0;
    for (size_t k = 0; k < 4; k++) {
        int d = k < 4 - padded ? value_of(four[k]) : 0;
        if (d < 0) {
            return ERR_SYNTAX;
        }
        v = v << 6 | (uint32_t)d;
    }
    uint32_t stray = padded == 1 ? v & 0xff : padded == 2 ? v & 0xffff : 0;
    if (stray != 0) {
        return ERR_SYNTAX;
    }
    char three[3] = {(char)(v >> 16), (char)(v >> 8 & 0xff), (char)(v & 0xff)};
    buf_add(out, str_make(three, 3 - padded));
    return buf_err(out);
}

enum err base64_parse(struct str s, struct buf *out)
{
    if (s.n % 4 != 0) {
        return ERR_SYNTAX;
    }
    for (size_t i = 0; i < s.n; i += 4) {
        size_t padded = 0;
        if (i + 4 == s.n) {
            padded = s.p[i + 3] != '=' ? 0 : s.p[i + 2] != '=' ? 1 : 2;
        }
        TRY(parse_four(s.p + i, padded, out));
    }
    return ERR_OK;
}

void hex_write(struct buf *out, struct str raw)
{
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < raw.n; i++) {
        unsigned char c = (unsigned char)raw.p[i];
        char two[2] = {DIGITS[c >> 4], DIGITS[c & 15]};
        buf_add(out, str_make(two, 2));
    }
}

enum err hex_parse(struct str s, struct buf *out)
{
    if (s.n % 2 != 0) {
        return ERR_SYNTAX;
    }
    for (size_t i = 0; i < s.n; i += 2) {
        int high = ascii_hex_value(s.p[i]);
        int low = ascii_hex_value(s.p[i + 1]);
        if (high < 0 || low < 0) {
            return ERR_SYNTAX;
        }
        buf_add_char(out, (char)(high << 4 | low));
    }
    return buf_err(out);
}
