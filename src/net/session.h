#ifndef LIMETTA_NET_SESSION_H
#define LIMETTA_NET_SESSION_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/* A protocol core without I/O: octets in, octets out. IMAP, submission and LMTP sessions implement it; store worker,
 * submit role, script tests and fuzzers drive it, all through these verbs. */
struct session;

/* What the session waits for after a step. */
enum session_want {
    SESSION_INPUT,  /* the peer: feed it */
    SESSION_OUTPUT, /* more to say: take the output, then step again */
    SESSION_EVENT, /* something else (a commit, another host): it calls host->wake() when that came */
    SESSION_CLOSE /* send the output, then end */
};

/* What a session may ask of whoever runs it. */
struct session_host {
    /* The session wants to be stepped again soon. Must not step it from inside the call. */
    void (*wake)(void *owner);
    void *owner;
};

struct session_ops {
    /* Hands in octets (copies what it keeps). The caller stops feeding while get_input_backlog() is above
     * SESSION_BACKLOG_MOST. */
    void (*feed)(struct session *s, struct str octets);
    /* Octets fed and not yet used. */
    size_t (*get_input_backlog)(const struct session *s);
    /* Goes on: appends at most about SESSION_OUTPUT_MOST octets to out. */
    enum session_want (*step)(struct session *s, struct buf *out);
    /* The peer is gone; only free may follow. */
    void (*free)(struct session **s);
};

/* Every session struct begins with this. */
struct session {
    const struct session_ops *ops;
};

enum { SESSION_BACKLOG_MOST = 64 * 1024, SESSION_OUTPUT_MOST = 32 * 1024 };

#endif
