#ifndef LIMETTA_MAIN_TRANSIT_H
#define LIMETTA_MAIN_TRANSIT_H

#include "base/str.h"
#include "main/lookups.h"
#include "net/loop.h"
#include "net/session.h"
#include "net/stream.h"
#include "queue/queue.h"

#include <stdint.h>

/* An LMTP session with another mail server's program (RFC 2033), in limetta-submit: what it brings goes on to the store
 * workers at once, and each recipient is answered when his worker has answered. */
struct transit_args {
    struct loop *loop;
    struct session_host session_host; /* copied */
    struct queue *queue;
    struct lookups *lookups;
    struct str hostname; /* this and the following strings: borrowed for the session's life */
    struct str domains;
    unsigned workers;
    uint64_t message_most; /* octets, as announced */
    struct str peer;       /* for the trace: "127.0.0.1", or empty: a Unix socket; copied */
    /* An LMTP session at store worker index; NULL: not there now. */
    struct stream *(*open_store)(void *owner, unsigned worker);
    void *store_owner;
    /* The peer has been silent, or takes nothing of what we say: frees the session. */
    void (*abort)(void *owner);
    /* The session is gone. */
    void (*on_free)(void *owner);
    void *owner;
};

enum { TRANSIT_SILENCE_MS = 5 * 60 * 1000, TRANSIT_TRACE_ROOM = 64 * 1024 };

struct session *transit_new(const struct transit_args *args);

#endif
