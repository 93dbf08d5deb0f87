#ifndef LIMETTA_IMAP_PEER_PRIV_H
#define LIMETTA_IMAP_PEER_PRIV_H

#include "base/buf.h"
#include "imap/host.h"
#include "imap/peer.h"
#include "imap/session_priv.h"
#include "net/keep.h"
#include "net/link.h"

#include <stdbool.h>
#include <stddef.h>

/* The inside of a session in another account: for peer.c and peer_saved.c only. */

struct peer {
    struct imap_session *session; /* that has it */
    struct buf owner;             /* the place */
    struct buf prefix;
    struct session *core;  /* in this process; NULL: there is a stream, or it ended */
    bool is_due;           /* the core is to be stepped */
    struct stream *stream; /* at another worker; NULL: the core is here, it ended, or is_away */
    bool is_opening;       /* it has not said yet whether it could be opened */
    bool is_paused;
    bool is_ended;
    enum err err;
    struct buf in;
    size_t in_at;
    size_t given; /* octets of it that were given and not used: not enough for whoever reads */

    bool is_kept; /* outlives the process at its other end, and its state can be had */
    bool is_away; /* that process is gone, and the next one is not there yet */
    struct imap_peer_wait wait; /* for it */
    struct keep *keep;          /* of one at another worker; else NULL */
    struct buf state;           /* of one here, as peer_save() gives it */
    bool is_state_whole;        /* nothing came or went since */
    bool may_park;              /* with is_state_whole */
    bool is_unsaved;            /* there is something new since peer_note_saved() */
    struct buf head;            /* far borrows from it */
    struct session_far far;
};

/* Opens it, or with a state goes on; what was said and not heard comes behind. */
void peer_open(struct peer *p, struct str state);
/* Steps a core in this process once, if there is something to do. */
void peer_step(struct peer *p);
/* It is over, because of this. */
void peer_end(struct peer *p, enum err why);
void peer_wake(const struct peer *p);
/* Keeps it from now on, at another worker; state: what it goes on with. */
void peer_begin_keep(struct peer *p, struct str state);
/* Hears the states of its stream. */
void peer_hear_states(struct peer *p);
/* Its stream ended because the process at the other end did. False: it cannot go on. */
bool peer_go_away(struct peer *p);
/* Appends the open message. */
void peer_write_head(const struct peer *p, const struct imap_session_args *args, struct buf *out);

#endif
