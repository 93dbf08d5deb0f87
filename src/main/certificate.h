#ifndef LIMETTA_MAIN_CERTIFICATE_H
#define LIMETTA_MAIN_CERTIFICATE_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* What an operator must know of a server's certificate before phones find out. */

/* Do the first certificate of cert_pem and the key belong together? Errors: ERR_SYNTAX (no PEM), ERR_NOT_FOUND (they do
 * not). */
MUST_USE enum err certificate_check(struct str cert_pem, struct str key_pem);

struct certificate_facts {
    int64_t from_s; /* Unix time */
    int64_t until_s;
    bool is_self_signed;
};
/* Of the first certificate. Errors: ERR_SYNTAX (no PEM). */
MUST_USE enum err certificate_read(struct str cert_pem, struct certificate_facts *out);
/* Is the first certificate for host, a name or an address (RFC 6125)? False, too, when it is none. */
bool certificate_is_for(struct str cert_pem, struct str host);

#endif
