/* Normalization Form C, for names that people type: a keyboard that composes and a file system that decomposes must
 * mean the same mailbox (RFC 9051, 5.1; RFC 5198, 2).
 *
 * ICU has the tables, in UTF-16. Names are short, so the way there and back is made in memory that is given back at once; those in
 * ASCII, nearly all, do not take it. What would be
 * longer than NFC_MOST in any of the three is refused. */
#include "mime/nfc.h"

#include "base/mem.h"

#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include <stdlib.h>

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] > 127) {
            return false;
        }
    }
    return true;
}

static enum err normalise(struct str utf8, UChar *units, UChar *normal, char *octets, int32_t *n)
{
    UErrorCode e = U_ZERO_ERROR;
    const UNormalizer2 *nfc = unorm2_getNFCInstance(&e);
    (void)u_strFromUTF8(units, NFC_MOST, n, utf8.p, (int32_t)utf8.n, &e);
    if (U_FAILURE(e)) {
        return ERR_SYNTAX;
    }
    *n = unorm2_normalize(nfc, units, *n, normal, NFC_MOST, &e);
    (void)u_strToUTF8(octets, NFC_MOST, n, normal, *n, &e);
    return U_FAILURE(e) ? ERR_LIMIT : ERR_OK;
}

enum err nfc_write(struct str utf8, struct buf *out)
{
    if (is_ascii(utf8)) {
        buf_add(out, utf8);
        return ERR_OK;
    }
    if (utf8.n > NFC_MOST) {
        return ERR_LIMIT;
    }
    UChar *units = mem_new(2 * NFC_MOST * sizeof(*units));
    char *octets = mem_new(NFC_MOST);
    int32_t n = 0;
    enum err e = normalise(utf8, units, units + NFC_MOST, octets, &n);
    if (e == ERR_OK) {
        buf_add(out, str_make(octets, (size_t)n));
    }
    free(units);
    free(octets);
    return e;
}
