#ifndef LIMETTA_MAIN_LINK_CA_H
#define LIMETTA_MAIN_LINK_CA_H

#include "base/buf.h"
#include "base/err.h"
#include "main/link_identity.h"

/* The authority of one mail system's links: makes certificates by which its hosts know each other
 * (docs/deploy-dmz.md). All PEM; outputs are appended to. Errors of both: ERR_SYNTAX (the authority's PEM is none, or
 * its key is another's), ERR_IO. */
MUST_USE enum err link_ca_make(int days, struct buf *cert_pem, struct buf *key_pem);
struct link_ca {
    struct str cert_pem;
    struct str key_pem;
};
MUST_USE enum err link_ca_issue(const struct link_ca *ca, const struct link_identity *who, int days,
                                struct buf *cert_pem, struct buf *key_pem);

#endif
