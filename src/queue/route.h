#ifndef LIMETTA_QUEUE_ROUTE_H
#define LIMETTA_QUEUE_ROUTE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/tls.h"
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
    enum smtp_tls_policy tls; /* required: the certificate must be for name */
    struct tls_context *tls_context;
    struct str user; /* login; empty: none */
    struct str password;
};

struct routes_args {
    struct loop *loop;
    struct str relay_host; /* empty: none */
    uint16_t relay_port;
    struct str relay_user;
    struct str relay_password;
    enum smtp_tls_policy relay_tls;
    struct tls_context *tls_any;     /* encrypts for whoever answers */
    struct tls_context *tls_checked; /* checks certificates */
};

/* The strings are borrowed while it lives. */
struct routes *routes_new(const struct routes_args *args);
/* After the last question was answered or cancelled. */
void routes_free(struct routes **r);

enum { ROUTE_KEY_MOST = 512 };
/* Appends the key of the next hop for domain: recipients with the same key can share an attempt, a back-off, a connection. The
 * words mean nothing else. Errors: ERR_NO_RELAY (foreign mail is not taken). */
MUST_USE enum err routes_write_key(const struct routes *r, struct str domain, struct buf *key);

/* A question under way. */
struct route;

/* Finds the hosts for domain (copied). on_answer is called once, never from inside this call, with
 *   ERR_OK and the hosts, at least one, best first, borrowed until route_free();
 *   ERR_NO_RELAY: for good;
 *   others: perhaps later. */
struct route *route_find(struct routes *r, struct str domain,
                         void (*on_answer)(void *owner, enum err e, const struct route_host *hosts,
                                           size_t count),
                         void *owner);
/* Drops question and answer. */
void route_free(struct route **q);

#endif
