#ifndef LIMETTA_SMTP_FETCHER_H
#define LIMETTA_SMTP_FETCHER_H

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/tls.h"
#include "smtp/burl.h"

#include <stdint.h>

/* Fetches what BURL targets name: connections around the IMAP client core, several fetches of one owner on one connection, and
 * connections kept for a while for the next fetch. */
struct fetcher;
struct fetch;

struct fetcher_args {
    struct loop *loop;
    struct str user; /* the submission entity's login at our own store; borrowed, as the others */
    struct str password;
    struct tls_context *tls_here; /* for our own store, on this host: need not be verified */
};

enum {
    FETCH_MOST_MS = 100 * 1000,   /* RFC 6409, 5: an answer within two minutes */
    FETCH_CONNECTIONS_MOST = 16,  /* to one host; what is asked beyond that waits for one */
    FETCH_CONNECTIONS_UNUSED = 4, /* of these, kept logged in for the next fetch */
    FETCH_KEEP_MS = 30 * 1000     /* for so long */
};

struct fetcher *fetcher_new(const struct fetcher_args *args);
/* Fetches under way hear nothing more. */
void fetcher_free(struct fetcher **f);

struct fetch_handler {
    /* A piece. What is not ERR_OK ends the fetch with it. No fetch must be cancelled in the call. */
    enum err (*on_octets)(void *owner, struct str octets);
    /* Once, last; the fetch is gone. ERR_OK, ERR_BAD_URL, ERR_TOO_BIG, ERR_UNREACHABLE, or what on_octets said. */
    void (*on_end)(void *owner, enum err e);
};

/* Asks for what target names, together with what else this owner asks for at the same host. Nothing is heard of it before
 * fetch_open(): meanwhile the octets stay with the server. target: copied but for its host, which is borrowed. h: borrowed.
 * Nothing is called from inside these calls. */
struct fetch *fetch_ask(struct fetcher *f, const struct burl_target *target,
                        const struct fetch_handler *h, void *owner);
/* Its octets are wanted now, most at most; an owner opens its fetches in the order in which it asked, one at a time, and hears
 * within FETCH_MOST_MS of the end. */
void fetch_open(struct fetch *f, uint64_t most);
void fetch_cancel(struct fetch **f);

#endif
