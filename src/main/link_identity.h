#ifndef LIMETTA_MAIN_LINK_IDENTITY_H
#define LIMETTA_MAIN_LINK_IDENTITY_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "net/link.h"

#include <stdbool.h>

/* Who a link certificate says a host is: "limetta://NAME/ROLE", one URI for each role. */
struct link_identity {
    char name[LINK_NAME_MOST + 1];
    unsigned roles; /* bits, 1 << enum link_role */
};

/* Reads the URIs of a certificate, a space between (net/tls.h). Errors: ERR_SYNTAX (none, two names, an unknown role). */
MUST_USE enum err link_identity_parse(struct str uris, struct link_identity *out);
/* Appends the value of subjectAltName that says so. */
void link_identity_write(const struct link_identity *i, struct buf *out);
/* May a host be called so? Letters, digits, "-" and "." as in host names; not "local". */
bool link_identity_is_name(struct str name);

#endif
