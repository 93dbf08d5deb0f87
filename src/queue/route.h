#ifndef LIMETTA_QUEUE_ROUTE_H
#define LIMETTA_QUEUE_ROUTE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "net/dns.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/tls.h"
#include "queue/kept.h"
#include "queue/mx.h"
#include "smtp/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Where mail for a domain goes: which hosts, in which order, and what is demanded of them. */
struct routes;

/* One host to try. All borrowed from the answer. */
struct route_host {
    struct str name; /* as its certificate must say, and as reports name it */
    uint16_t port;
    const struct sockaddr_storage
        *at; /* in the order to try them; none: the system's resolver knows */
    size_t at_count;
    bool is_lmtp;
    enum smtp_tls_policy tls; /* offered: encrypted when it can, for whoever answers */
    bool is_tls_implicit;     /* TLS from the first octet */
    bool is_checked;          /* the certificate must be for name */
    bool
        is_authentic; /* we know that the host is the right one, and that TLS proves it (RFC 8689, 4.2.1): good for REQUIRETLS */
    const struct tls_anchor *anchors; /* of DANE: these decide */
    size_t anchor_count;
    struct str also;
    struct tls_context *tls_context;
    bool
        is_own_policy; /* the terms are the domain's (DANE, MTA-STS), not ours: "TLS-Required: No" overrides them (RFC 8689, 5) */
    bool is_outside_policy; /* MTA-STS leaves the host out: only for mail that overrides it */
    struct str user;        /* login; empty: none */
    struct str password;
};

enum route_delivery { ROUTE_NONE, ROUTE_RELAY, ROUTE_DIRECT };

struct routes_args {
    struct loop *loop;
    enum route_delivery delivery; /* of what no route names */
    struct str routes;            /* words of wire/next_hop.h between spaces */
    struct str
        relay_hosts; /* "host" or "host:port" between spaces, in the order to try them; empty: none */
    uint16_t relay_port;
    struct str relay_user;
    struct str relay_password;
    enum smtp_tls_policy relay_tls; /* required: with the right certificate */
    bool is_relay_implicit;
    struct mx_args mx;   /* mx.dns may be NULL: nothing goes by MX */
    struct http *http;   /* for MTA-STS; NULL: without it */
    struct str sts_path; /* its cache */
    uint16_t sts_port;
    struct tls_context *tls_any;     /* encrypts for whoever answers */
    struct tls_context *tls_checked; /* checks certificates */
};

/* The strings are borrowed while it lives. Errors: ERR_SYNTAX (a route or relay that cannot be read; logged), those of the cache. */
MUST_USE enum err routes_new(const struct routes_args *args, struct routes **out);
/* After the last question was answered or cancelled. */
void routes_free(struct routes **r);

enum { ROUTE_KEY_MOST = 512 };
/* Appends the key of the next hop for domain: recipients with the same key can share an attempt, a back-off, a connection. The
 * words mean nothing else. Errors: ERR_NO_RELAY (foreign mail is not taken), ERR_BAD_ADDRESS (no domain). */
MUST_USE enum err routes_write_key(const struct routes *r, struct str domain, struct buf *key);

/* Connections between messages. */
struct kept *routes_get_kept(struct routes *r);
/* Encrypts for whoever answers. */
struct tls_context *routes_get_tls_any(const struct routes *r);

/* Connecting to an address of this family succeeded, or not: the one that never does is tried last. */
void routes_on_connect(struct routes *r, int family, bool has_succeeded);

/* A question under way. */
struct route;

/* Finds the hosts for domain (copied; U-labels may stand in it). on_answer is called once, never from inside this call, with
 *   ERR_OK and the hosts, at least one, best first, borrowed until route_free();
 *   ERR_NO_RELAY, ERR_BAD_ADDRESS, ERR_NULL_MX, ERR_NO_DOMAIN, ERR_NO_HOST, ERR_MX_LOOP: for good;
 *   others: perhaps later. */
struct route *route_find(struct routes *r, struct str domain,
                         void (*on_answer)(void *owner, enum err e, const struct route_host *hosts,
                                           size_t count),
                         void *owner);
/* Drops question and answer. */
void route_free(struct route **q);

#endif
