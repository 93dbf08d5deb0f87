#ifndef LIMETTA_MAIN_FAR_DESK_H
#define LIMETTA_MAIN_FAR_DESK_H

#include "base/list.h"
#include "imap/host.h"
#include "main/boot.h"
#include "main/peers.h"
#include "net/link.h"
#include "net/loop.h"
#include "net/session_run.h"

/* Where the accounts of others are, for a store worker: sessions that its own sessions have there (imap/peer.h), and what happens to them
 * when the worker there is away. */
struct far_desk {
    struct loop *loop;
    struct peers *peers;
    unsigned index;   /* of this worker, */
    unsigned workers; /* of so many */
    uint64_t late_ms;
    struct list waits; /* of struct imap_peer_wait, those that have waited longest first */
    struct timer *late;
    struct timer *up;
};

/* Borrows all. Reads workers and resume_wait_s. */
void far_desk_init(struct far_desk *d, const struct boot *b, struct loop *l, struct peers *p);
/* All zero is fine, too. Who still waits hears nothing. */
void far_desk_release(struct far_desk *d);

/* As imap_host.open_peer. A worker that is away: the stream ends at once. */
struct stream *far_desk_open(struct far_desk *d, struct str user, struct str head,
                             struct str state);
/* As imap_host.await_peer. */
void far_desk_await(struct far_desk *d, struct str user, struct imap_peer_wait *w);
/* There is a new link to a worker. */
void far_desk_note_link(struct far_desk *d);
/* The link to the worker that has user's account; NULL: it is not there. *is_here: this worker has it, and there is none. */
struct link *far_desk_find(const struct far_desk *d, struct str user, bool *is_here);
/* What another worker has in an account here says where it stands (docs/dormancy.md); to be said before it starts. */
void far_desk_keep(struct session_runner *r);

#endif
