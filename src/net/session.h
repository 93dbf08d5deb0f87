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
    SESSION_MARK_COMPRESS = 1,       /* DEFLATE both ways (RFC 4978); the session goes on */
    SESSION_MARK_UNAUTHENTICATE = 2, /* the dialogue before login; the session closes (RFC 8437) */
    SESSION_MARK_AGAIN =
        3 /* not said by cores: the session is not begun, its ticket is older than this process */
};

/* What a session may ask of whoever runs it. */
struct session_host {
    /* The session wants to be stepped again soon. Must not step it from inside the call. */
    void (*wake)(void *owner);
    void *owner;
    /* The same for news that nobody asked for: the host may let more gather for a moment, so that one packet carries them
     * all (RFC 5383, 5: one radio wake-up). NULL: as wake. */
    void (*wake_soon)(void *owner);
};

/* What wakes a session that has left its process. */
enum session_watch {
    SESSION_WATCH_NONE,    /* only its input */
    SESSION_WATCH_MAILBOX, /* changes of one mailbox, too */
    SESSION_WATCH_ACCOUNT  /* any commit of its account */
};

enum { SESSION_STATE_MOST = 128 * 1024, SESSION_SAID_TAIL_MOST = 64 };

/* A part of a session that is in another account, maybe at another process (imap/peer.h), and what wakes the whole there. */
struct session_far {
    struct str user;  /* whose account; empty: something came since */
    struct str head;  /* for link_keep_again() to where the account is, */
    struct str state; /* and the state of that part */
    enum session_watch watch;
    uint64_t mailbox_id; /* with SESSION_WATCH_MAILBOX */
};

/* What a core saves: all that another process needs to go on behind the output so far (docs/dormancy.md). */
struct session_save {
    /* Append the state to it: at most SESSION_STATE_MOST octets, the first a version. */
    struct buf *state;
    /* Octets of input that come next and are not needed again if this process dies: of a literal that is streamed; else 0. */
    uint64_t literal;
    /* Nothing is under way: it can leave this process until input or a change comes. */
    bool may_park;
    enum session_watch watch; /* with may_park */
    uint64_t mailbox_id;      /* with SESSION_WATCH_MAILBOX */
    /* How often the client is to hear something, by what it said of itself (wire/heartbeats.h); 0: it said nothing to this core. Not a
     * part of the state, but for the edge, which remembers it. */
    uint16_t heartbeat_s;
    /* With may_park: it is woken by this, too. NULL: there is no such part. Borrows from the core, for its life;
     * what it points to borrows, too. */
    const struct session_far *far;
};

/* What a core is made of again; an argument of x_session_resume(). The state is as it was saved, but maybe by another version of
 * this program: ERR_UNSUPPORTED if its version is not known.
 *
 * When a process died (heard > 0, or said > 0, or literal_gone > 0): a command that begins within the first heard octets and
 * only reads is run again; the first said octets of its output are dropped (said_tail must agree), the others follow. One that may
 * have changed something is answered tagged NO [UNAVAILABLE] (behind a CRLF, if said_tail ends in the middle of a line). If the
 * tail does not agree: at the beginning of a line NO [UNAVAILABLE], else the session ends. A literal under way is swallowed to its
 * end. */
struct session_resume {
    struct str state;
    uint64_t literal_gone; /* octets of session_save.literal that came and are gone */
    uint64_t said;         /* octets of output behind the state that the client has got already */
    struct str said_tail;  /* the last of them, at most SESSION_SAID_TAIL_MOST */
    /* So many octets of the input that is fed first had reached the process that died: commands in them may have been done. */
    uint64_t heard;
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
    /* Says what another process needs to go on, behind ALL output given so far and all input used so far (fed, less the
     * backlog), at the beginning of a line of the output. Called after steps, unless it works on what it will say, and when its
     * mark was taken (then: as it will be behind the mark). out is zero but for the buffer. False: nothing new since it was
     * last asked, or it cannot be said now (in the middle of a command, say); what was appended to out->state is then of no
     * use. A core that was at rest and is stepped without input and without saying anything is still at rest. NULL: it dies
     * with its process. */
    bool (*save)(struct session *s, struct session_save *out);
    /* With save: what a step said is saved before the next one. For a core whose commands wait for others: then no output
     * is ever behind the state that a process leaves when it dies. */
    bool is_saved_by_step;
    /* The peer is gone; only free may follow. */
    void (*free)(struct session **s);
};

/* Every session struct begins with this. */
struct session {
    const struct session_ops *ops;
};

enum { SESSION_BACKLOG_MOST = 64 * 1024, SESSION_OUTPUT_MOST = 32 * 1024 };

#endif
