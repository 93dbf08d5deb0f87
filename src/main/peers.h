#ifndef LIMETTA_MAIN_PEERS_H
#define LIMETTA_MAIN_PEERS_H

#include "base/log.h"
#include "base/vec.h"
#include "main/boot.h"
#include "net/link.h"
#include "net/loop.h"

/* Sessions that a peer which is no edge may have with us: another role of the system, but maybe in other hands. */
enum { PEERS_SESSIONS_MOST = 16 * 1024 };

/* The links that a role has to its peers. The supervisor hands a new one in place of the old when a peer was started
 * again. */
struct peers {
    struct loop *loop;
    unsigned roles; /* bits by enum link_role: who may be one */
    const struct link_handler *handler;
    void *owner; /* of the handler */
    VEC(struct link *) links;
    struct log_pace pace; /* of lines about what a peer may not have */
};

/* Borrows everything for the life of p. handler must have on_down, which calls peers_drop(). */
void peers_init(struct peers *p, struct loop *l, unsigned roles, const struct link_handler *handler,
                void *owner);
/* Begins a link to peer over its descriptor (taken); the one to the same peer, if any, goes down first. Borrowed. NULL: a role that has no
 * business here; it was logged. */
struct link *peers_add(struct peers *p, const struct boot_peer *peer);
/* NULL: there is none. */
struct link *peers_find(const struct peers *p, enum link_role role, unsigned index);
/* The one of that role that has been there for longest. NULL: there is none. */
struct link *peers_find_any(const struct peers *p, enum link_role role);
/* Frees the link: for a handler's on_down. */
void peers_drop(struct peers *p, struct link *l);
/* The peer at the other end of l did what it may not ("asked for ..."). It can do so as often as it likes: one line a second is logged. */
void peers_log_presumption(struct peers *p, const struct link *l, const char *what);
/* All links go down. */
void peers_release(struct peers *p);

#endif
