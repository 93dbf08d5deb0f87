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
    SESSION_OUTPUT, /* more to say: take the output, if there is any, then step again */
    SESSION_EVENT, /* something else (a commit, another host): it calls host->wake() when that came */
    SESSION_MARK, /* send the output; what comes behind it means something else: take_mark() */
    SESSION_CLOSE /* send the output, then end */
};

/* What changes at a mark, behind the output so far and behind the input that was used so far. On a link (stream_mark()) the
 * session's side says it, then gives back octets that came too early; the edge answers with the same mark, the session's side
 * closes what it gave back with the mark once more, and goes on. So both sides know which octets are which, and a client that
 * did not wait loses nothing. */
enum session_mark {
    SESSION_MARK_COMPRESS = 1,      /* DEFLATE both ways (RFC 4978); the session goes on */
    SESSION_MARK_UNAUTHENTICATE = 2 /* the dialogue before login; the session closes (RFC 8437) */
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
    /* After SESSION_MARK, once: says which, appends the input that was fed and not used to rest and forgets it. Step it again when
     * input means the new thing. NULL: it never wants that. */
    enum session_mark (*take_mark)(struct session *s, struct buf *rest);
    /* The peer is gone; only free may follow. */
    void (*free)(struct session **s);
};

/* Every session struct begins with this. */
struct session {
    const struct session_ops *ops;
};

enum { SESSION_BACKLOG_MOST = 64 * 1024, SESSION_OUTPUT_MOST = 32 * 1024 };

#endif
