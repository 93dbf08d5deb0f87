#ifndef LIMETTA_EDGE_HANDSHAKES_H
#define LIMETTA_EDGE_HANDSHAKES_H

#include "base/list.h"
#include "base/str.h"
#include "net/loop.h"

/* Whose TLS handshake is next: so many a second, for each costs the processor a signature and a key exchange. */
struct handshakes;

enum { HANDSHAKES_PLACE_MOST = 16 };

/* a_second: handshakes; 0: any number. on_turn: node's owner may begin; node stands nowhere then. */
struct handshakes *handshakes_new(struct loop *l, unsigned a_second,
                                  void (*on_turn)(void *owner, struct list *node), void *owner);
/* Forgets who waits. */
void handshakes_free(struct handshakes **h);
/* node (initialised, in no list) waits for its turn, which may be now, within this call. list_remove() gives up. place: where it comes
 * from, at most HANDSHAKES_PLACE_MOST octets; places take turns. */
void handshakes_ask(struct handshakes *h, struct list *node, struct str place);

#endif
