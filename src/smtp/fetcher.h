#ifndef LIMETTA_SMTP_FETCHER_H
#define LIMETTA_SMTP_FETCHER_H

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/tls.h"
#include "smtp/burl.h"

#include <stdint.h>

/* Fetches what BURL targets name: connections around the IMAP client core, kept for a while for the next fetch. */
struct fetcher;
struct fetch;

struct fetcher_args {
    struct loop *loop;
    struct str user; /* the submission entity's login; borrowed, as the others */
    struct str password;
    struct tls_context *tls_here;  /* for a server on this host: need not be verified */
    struct tls_context *tls_there; /* for any other: verified by its address */
};

enum { FETCH_MOST_MS = 100 * 1000 }; /* RFC 6409 asks for an answer within two minutes */

struct fetcher *fetcher_new(const struct fetcher_args *args);
/* Fetches under way hear nothing more. */
void fetcher_free(struct fetcher **f);

struct fetch_handler {
    /* A piece. What is not ERR_OK ends the fetch with it. The fetch must not be cancelled in the call. */
    enum err (*on_octets)(void *owner, struct str octets);
    /* Once, last; the fetch is gone. ERR_OK, ERR_BAD_URL, ERR_TOO_BIG, ERR_UNREACHABLE, or what on_octets said. */
    void (*on_end)(void *owner, enum err e);
};

/* target: copied. most: octets. h: borrowed. Nothing is called from inside this call. */
struct fetch *fetch_start(struct fetcher *f, const struct burl_target *target, uint64_t most,
                          const struct fetch_handler *h, void *owner);
void fetch_cancel(struct fetch **f);

#endif
