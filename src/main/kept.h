#ifndef LIMETTA_MAIN_KEPT_H
#define LIMETTA_MAIN_KEPT_H

#include "base/err.h"
#include "net/fields.h"
#include "net/link.h"
#include "net/session_run.h"
#include "net/ticket.h"

#include <stdint.h>

/* Sessions whose state an edge keeps: what store workers and submit share (docs/dormancy.md). A state leaves sealed, with the user and
 * the time in it, for one session of one edge; what comes back is checked. */
struct kept_desk;

struct kept_settings {
    struct str seal_key; /* hexadecimal */
    uint64_t life_ms;    /* states older than that are refused */
    /* A session was parked at the other end of l, as id. save: what wakes it; without its state. NULL: nothing wakes any. */
    void (*on_park)(void *owner, struct link *l, struct str user, const struct session_save *save,
                    uint32_t id);
    uint64_t (*wall_ms)(void *owner);
    void *owner;
};

/* Errors: those of seal_new(). */
MUST_USE enum err kept_desk_new(const struct kept_settings *s, struct kept_desk **out);
void kept_desk_free(struct kept_desk **d);

/* What a state says. Plain value: kept_state_release(). */
struct kept_state {
    struct str user;
    struct session_resume resume; /* as head and state have it */
    struct session_save watch;    /* what wakes it; the rest is empty */
    uint64_t sealed_ms;           /* Unix time */
    struct buf octets;            /* what the others borrow from */
};
/* Opens a state that came over l. Refusals are logged. Errors: ERR_TICKET. */
MUST_USE enum err kept_open(struct kept_desk *d, const struct link *l, const struct fields *head,
                            struct str sealed, struct kept_state *out);
void kept_state_release(struct kept_state *s);

/* Lets the session of r outlive this process: to be said before it starts. head: of the message that opened or resumed it, over l; from:
 * what it is resumed from, or NULL. A session without a nonce is not kept. Another runner that has the same session (service, edge,
 * nonce) is aborted. */
void kept_attach(struct kept_desk *d, struct session_runner *r, struct link *l, struct str user,
                 const struct fields *head, const struct kept_state *from);

#endif
