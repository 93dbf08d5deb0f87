#ifndef LIMETTA_QUEUE_KEPT_H
#define LIMETTA_QUEUE_KEPT_H

#include "base/buf.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/stream.h"
#include "smtp/client.h"

#include <stdbool.h>
#include <stddef.h>

/* Connections to next hops that wait, for a moment, for another message (RFC 5321, 3.3: one session, many messages). */
struct kept;

enum { KEPT_MOST = 64, KEPT_KEY_MOST = 4, KEPT_MESSAGES_MOST = 100, KEPT_IDLE_MS = 10 * 1000 };

/* A connection, with what is spoken on it. */
struct hop {
    struct stream *stream;
    struct smtp_client *client;
    struct smtp_client_job how; /* the terms; envelope and source are of the last message */
    struct buf name;            /* of the host */
    unsigned messages;          /* brought so far */
};

struct kept *kept_new(struct loop *loop);
/* Says goodbye on all of them. */
void kept_free(struct kept **k);
/* Takes hop, which must be idle, for as long as it is worth it; else says goodbye. */
void kept_put(struct kept *k, struct str key, struct hop *hop);
/* Gives one for key. must_be_authentic: only one where TLS has proven the server. False: there is none. */
bool kept_take(struct kept *k, struct str key, bool must_be_authentic, struct hop *out);

/* Goodbye, if there is still somebody to hear it; frees all of hop. */
void hop_end(struct loop *loop, struct hop *hop);

#endif
