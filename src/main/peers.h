#ifndef LIMETTA_MAIN_PEERS_H
#define LIMETTA_MAIN_PEERS_H

#include "base/vec.h"
#include "net/link.h"
#include "net/loop.h"

/* The links that a role has to its peers. The supervisor hands a new one in place of the old when a peer was started again. */
struct peers {
    VEC(struct link *) links;
};

/* Begins a link over fd (taken); the one to the same peer, if any, is dropped first. h and owner: as link_new(). */
void peers_add(struct peers *p, struct loop *l, enum link_role role, unsigned index, int fd,
               const struct link_handler *h, void *owner);
/* NULL: there is none. */
struct link *peers_find(const struct peers *p, enum link_role role, unsigned index);
/* Frees the link: for a handler's on_down. */
void peers_drop(struct peers *p, struct link *l);
void peers_release(struct peers *p);

#endif
