#ifndef LIMETTA_SMTP_BURL_H
#define LIMETTA_SMTP_BURL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Which URLs a BURL command may name (RFC 4468, 3.3): those that the message store made for this very user, or for
 * everybody, at a host that we trust, which so far is our own. Pure decisions; fetching is somebody else's. */

struct burl_policy {
    struct str user;       /* the submit client's authorization identity */
    struct str host_names; /* space-separated names of our own store */
    struct str local;      /* address that the client's connection came to: "192.0.2.1", "::1" */
    uint16_t imap_port;    /* where our store's IMAP listens */
};

/* Where to go, and with what. Borrows from url and policy. */
struct burl_target {
    struct str url;
    struct str address; /* numeric */
    uint16_t port;
    bool
        may_be_binary; /* the message may have binary parts (BODY=BINARYMIME): they are fetched as they are stored */
};

/* Errors: ERR_BAD_URL (not an IMAP URL of a message), ERR_NO_TRUST (not our store), ERR_URL_REFUSED (no token, or made for
 * somebody else), ERR_LIMIT. */
MUST_USE enum err burl_check(struct arena *a, struct str url, const struct burl_policy *policy,
                             struct burl_target *out);

#endif
