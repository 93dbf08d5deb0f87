#ifndef LIMETTA_MAIN_PARKED_H
#define LIMETTA_MAIN_PARKED_H

#include "base/str.h"
#include "net/link.h"
#include "net/loop.h"
#include "net/session.h"

#include <stddef.h>
#include <stdint.h>

/* The wake table of a store worker: which parked sessions want to hear of what. All that a worker has of them. */
struct parked;

/* Of one link, as a store worker has it: as many as a link may have sessions. */
enum { PARKED_MOST = 1024 * 1024 };

/* most: entries of one link; a session for which there is no room is woken at once. l is borrowed. */
struct parked *parked_new(struct loop *l, size_t most);
void parked_free(struct parked **p);

/* A session of user is parked at the other end of l as id, and is to be woken by what save says; SESSION_WATCH_NONE: by nothing, and
 * nothing is noted. far: save->far is in an account of the worker there (up; borrowed until parked_forget_link()), who is asked to
 * wake it; NULL: save->far is in an account here, or there is none. */
void parked_add(struct parked *p, struct link *l, struct str user, const struct session_save *save,
                uint32_t id, struct link *far);
/* A worker woke what parked_add() asked it to: the whose of its link's on_wake. */
void parked_note_far(struct parked *p, void *whose);
/* It is not parked any more; nothing, if it is not there. */
void parked_forget(struct parked *p, const struct link *l, uint32_t id);
/* The link is going. Who was to be woken by the worker at its other end is doubtful now. */
void parked_forget_link(struct parked *p, const struct link *l);
/* Something was committed in user's account: in a mailbox, or (0) elsewhere. Wakes whom it concerns, once: they are forgotten. */
void parked_note_change(struct parked *p, struct str user, uint64_t mailbox_id);
size_t parked_get_count(const struct parked *p);

/* A session of which we do not know well enough what would wake it, parked at the other end of l as id: it is woken from the loop, by
 * and by with all others like it. */
void parked_doubt(struct parked *p, struct link *l, uint32_t id);

#endif
