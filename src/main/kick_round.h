#ifndef LIMETTA_MAIN_KICK_ROUND_H
#define LIMETTA_MAIN_KICK_ROUND_H

#include "base/list.h"
#include "main/peers.h"

/* Auth's part in ending the sessions of a user: every edge that is linked to it is asked (src/edge/kick.c), and what they say is told
 * together. */
struct kick_rounds {
    struct loop *loop;
    const struct peers *peers;
    /* The round that was begun as id is over. report: a message, imap= submission= sieve= and reached=, the edges that answered, as words
     * "host.number" by the names of their links. */
    void (*on_done)(void *owner, unsigned id, struct str report);
    void *owner;
    struct list rounds;
};

enum { KICK_PATIENCE_MS = 10 * 1000 }; /* of an edge that does not answer */

/* Borrows peers. */
void kick_rounds_init(struct kick_rounds *k, struct loop *l, const struct peers *peers,
                      void (*on_done)(void *owner, unsigned id, struct str report), void *owner);
/* Asks. service: one of the words of src/edge/kick.c, or empty for all. on_done is called from the loop, or, without an edge, at once. */
void kick_rounds_begin(struct kick_rounds *k, unsigned id, struct str service, struct str user);
/* Rounds under way are forgotten; to be said while the links are still there, or gone for good. */
void kick_rounds_release(struct kick_rounds *k);

#endif
