/* Names of users as others write them (RFC 4314, 3: an identifier SHOULD be prepared by SASLprep before it is compared).
 *
 * ICU has the profile. As for logins, ASCII letters are folded first, and all of it is done twice: preparing may bring
 * capitals to light, and folding these may leave a letter beside its accent. */
#include "mime/prepare.h"

#include <unicode/usprep.h>
#include <unicode/ustring.h>

enum { UNITS_MOST = 4 * PREPARED_MOST };

static enum err prepare_once(const UStringPrepProfile *profile, struct str raw, struct buf *out)
{
    UChar units[UNITS_MOST];
    UChar prepared[UNITS_MOST];
    char octets[UNITS_MOST];
    int32_t n = 0;
    UErrorCode status = U_ZERO_ERROR;
    (void)u_strFromUTF8(units, UNITS_MOST, &n, raw.p, (int32_t)raw.n, &status);
    for (int32_t i = 0; U_SUCCESS(status) && i < n; i++) {
        units[i] = units[i] < 0x80 ? (UChar)ascii_lower((char)units[i]) : units[i];
    }
    n = usprep_prepare(profile, units, n, prepared, UNITS_MOST, USPREP_ALLOW_UNASSIGNED, NULL,
                       &status);
    (void)u_strToUTF8(octets, UNITS_MOST, &n, prepared, n, &status);
    if (U_FAILURE(status) || n <= 0 || n > PREPARED_MOST) {
        return ERR_SYNTAX;
    }
    buf_add(out, str_make(octets, (size_t)n));
    return ERR_OK;
}

enum err name_fold_and_prepare(struct str raw, struct buf *out)
{
    UErrorCode status = U_ZERO_ERROR;
    if (raw.n == 0 || raw.n > PREPARED_MOST || memchr(raw.p, '\0', raw.n) != NULL) {
        return ERR_SYNTAX;
    }
    UStringPrepProfile *profile = usprep_openByType(USPREP_RFC4013_SASLPREP, &status);
    if (U_FAILURE(status)) {
        return ERR_UNAVAILABLE;
    }
    CLEANUP(buf_release) struct buf once = BUF_INIT(PREPARED_MOST);
    enum err e = prepare_once(profile, raw, &once);
    e = e == ERR_OK ? prepare_once(profile, buf_str(&once), out) : e;
    usprep_close(profile);
    return e;
}
