#ifndef LIMETTA_MAIN_GATE_LINK_H
#define LIMETTA_MAIN_GATE_LINK_H

#include "base/err.h"
#include "base/str.h"
#include "main/hosts.h"
#include "net/loop.h"
#include "net/stream.h"

#include <stdbool.h>
#include <stdint.h>

/* One connection between the gates of two hosts: TLS, then a word about who wants whom, then the octets of a link
 * between two roles, with a question now and then whether the other end is still there. gate_link.c has the byte
 * table. */
struct gate_link;

enum { GATE_SHAKE_MS = 30 * 1000 }; /* for the handshake and the first words */

/* What a link asks and tells; callbacks may end the link. */
struct gate_link_handler {
    /* The handshake is done: who is there? False: nobody we want (already logged). */
    bool (*on_ready)(void *owner, struct gate_link *l);
    /* The one who connected says what he wants; seen from our side. False: no (already logged). */
    bool (*on_hello)(void *owner, struct gate_link *l, const struct wish *w);
    /* Both agree: where our role's octets come from and go to. NULL: it cannot be had, and the link ends. */
    struct stream *(*on_open)(void *owner, struct gate_link *l);
    /* It is over; why: for the log. All that is left to do with it is gate_link_free(). Called from the loop. */
    void (*on_over)(void *owner, struct gate_link *l, const char *why);
};

struct gate_link_args {
    struct loop *loop;
    struct stream *far;       /* a TLS stream, taken */
    const struct wish *hello; /* what we want, when we connected; NULL: the other end says */
    uint64_t ping_ms;
    uint64_t dead_ms;
    const struct gate_link_handler *handler; /* borrowed */
    void *owner;
};

struct gate_link *gate_link_new(const struct gate_link_args *a);
void gate_link_free(struct gate_link **l);
/* Ends it; on_over follows. why: static text. */
void gate_link_end(struct gate_link *l, const char *why);
/* The TLS stream; NULL once it is over. Borrowed. */
struct stream *gate_link_get_far(const struct gate_link *l);
bool gate_link_is_open(const struct gate_link *l);

#endif
