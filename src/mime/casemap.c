/* Comparing text without case: i;unicode-casemap (RFC 5051).
 *
 * The key of each character depends on that character alone, so a stream can be mapped piece by piece and a substring of the
 * text is a substring of the key. The RFC gives up on a text with an invalid sequence and compares it raw; here only the octets
 * that are invalid stay raw, because in mail one bad octet should not hide the rest of a message from a search. ASCII, nearly
 * all there is, takes the short way. */
#include "mime/casemap.h"

#include "base/utf8.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>

#include <assert.h>
#include <stdint.h>

enum { DECOMPOSED_MOST = 32 }; /* the longest full decomposition has 18 UTF-16 units */

static void add_key(const UNormalizer2 *nfkd, uint32_t c, struct buf *out)
{
    UChar parts[DECOMPOSED_MOST];
    UErrorCode e = U_ZERO_ERROR;
    UChar32 title = u_totitle((UChar32)c);
    int32_t n = unorm2_getDecomposition(nfkd, title, parts, DECOMPOSED_MOST, &e);
    if (n < 0 || U_FAILURE(e)) {
        utf8_add(out, (uint32_t)title);
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        uint32_t unit = parts[i];
        if (unit >= 0xd800 && unit < 0xdc00 && i + 1 < n) { /* a pair of surrogates */
            i++;
            unit = 0x10000 + ((unit - 0xd800) << 10) + (parts[i] - 0xdc00U);
        }
        utf8_add(out, unit);
    }
}

/* Appends the keys of the ASCII characters at the start of s; returns how many there are. */
static size_t add_ascii(struct str s, struct buf *out)
{
    size_t n = 0;
    while (n < s.n && (unsigned char)s.p[n] < 0x80) {
        n++;
    }
    char *to = buf_reserve(out, n);
    if (to == NULL || n == 0) {
        return n;
    }
    for (size_t i = 0; i < n; i++) {
        to[i] = ascii_upper(s.p[i]);
    }
    buf_commit(out, n);
    return n;
}

void casemap_get_version(char out[static CASEMAP_VERSION_SIZE])
{
    UVersionInfo version;
    static_assert(CASEMAP_VERSION_SIZE >= U_MAX_VERSION_STRING_LENGTH, "ICU writes so much");
    u_getUnicodeVersion(version);
    u_versionToString(version, out);
}

void casemap_write(struct str utf8, struct buf *out)
{
    UErrorCode e = U_ZERO_ERROR;
    const UNormalizer2 *nfkd = unorm2_getNFKDInstance(&e);
    assert(U_SUCCESS(e)); /* built into ICU */
    for (size_t at = 0; at < utf8.n;) {
        size_t ascii = add_ascii(str_skip(utf8, at), out);
        if (ascii > 0) {
            at += ascii;
            continue;
        }
        size_t n = utf8_check(str_skip(utf8, at));
        if (n == 0 || n == SIZE_MAX) {
            buf_add_char(out, utf8.p[at++]);
            continue;
        }
        add_key(nfkd, utf8_get(str_skip(utf8, at), n), out);
        at += n;
    }
}
