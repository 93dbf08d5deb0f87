#ifndef LIMETTA_SMTP_BURL_H
#define LIMETTA_SMTP_BURL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_context;

/* Which URLs a BURL command may name (RFC 4468, 3.3): those that the message store made for this very user, or for
 * everybody, at a host that we trust: our own store, and the hosts of an allow-list. Pure decisions; fetching is somebody
 * else's. */

enum burl_tls {
    BURL_TLS_REQUIRED,  /* STARTTLS before the login */
    BURL_TLS_IMMEDIATE, /* from the first octet (RFC 8314) */
    BURL_TLS_OFF
};

/* A message store that we may fetch from, with what we log in by there. Lives as long as the sessions and the fetcher. */
struct burl_host {
    struct str name; /* as URLs call it, and as its certificate does */
    uint16_t port;
    struct str address; /* numeric, connected to instead of what name resolves to; or empty */
    enum burl_tls tls;
    struct str user;
    struct str password;
    struct tls_context *tls_context; /* what its certificate is verified by; NULL when off */
};

struct burl_policy {
    struct str user;       /* the submit client's authorization identity */
    struct str host_names; /* space-separated names of our own store */
    struct str local;      /* address that the client's connection came to: "192.0.2.1", "::1" */
    uint16_t imap_port;    /* where our store's IMAP listens */
    const struct burl_host *hosts; /* others; looked at before our own names */
    size_t host_count;
};

/* Where to go, and with what. Borrows from url and policy. */
struct burl_target {
    struct str url;
    const struct burl_host *host; /* NULL: our own store */
    struct str address;           /* our own store's, numeric */
    uint16_t port;                /* likewise */
    bool
        may_be_binary; /* the message may have binary parts (BODY=BINARYMIME): they are fetched as they are stored */
};

/* Errors: ERR_BAD_URL (not an IMAP URL of a message), ERR_NO_TRUST (not our store), ERR_URL_REFUSED (no token, or made for
 * somebody else), ERR_LIMIT. */
MUST_USE enum err burl_check(struct arena *a, struct str url, const struct burl_policy *policy,
                             struct burl_target *out);

#endif
