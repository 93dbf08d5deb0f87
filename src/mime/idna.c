/* Internationalized domain names, for the one place that does not take them: the domain name system. Mail keeps the U-labels
 * (RFC 6531, 3.7.1 leaves the form to us); ICU knows the mapping. */
#include "mime/idna.h"

#include <unicode/uidna.h>

enum { DOMAIN_MOST = 1024 };

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] > 126) {
            return false;
        }
    }
    return true;
}

enum err idna_to_ascii(struct str domain, struct buf *out)
{
    char name[DOMAIN_MOST];
    UErrorCode code = U_ZERO_ERROR;
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    if (domain.n > DOMAIN_MOST) {
        return ERR_BAD_ADDRESS;
    }
    if (is_ascii(domain)) {
        for (size_t i = 0; i < domain.n; i++) {
            buf_add_char(out, ascii_lower(domain.p[i]));
        }
        return buf_err(out);
    }
    UIDNA *idna = uidna_openUTS46(UIDNA_NONTRANSITIONAL_TO_ASCII | UIDNA_CHECK_BIDI
                                      | UIDNA_CHECK_CONTEXTJ | UIDNA_USE_STD3_RULES,
                                  &code);
    int32_t n =
        uidna_nameToASCII_UTF8(idna, domain.p, (int32_t)domain.n, name, DOMAIN_MOST, &info, &code);
    uidna_close(idna);
    if (U_FAILURE(code) || info.errors != 0 || n <= 0) {
        return ERR_BAD_ADDRESS;
    }
    buf_add(out, str_make(name, (size_t)n));
    return buf_err(out);
}
