#ifndef LIMETTA_NET_LINK_H
#define LIMETTA_NET_LINK_H

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/stream.h"

#include <stdbool.h>
#include <stdint.h>

/* One link joins two roles and carries many sessions, each a stream with its own flow control (a credit window), and
 * short request/reply messages. The supervisor makes links as socket pairs, so who is at the other end is known and
 * cannot be pretended. Every field that arrives is checked as if hostile; a broken frame ends the link.
 * See link.c for the byte table of frames. */
struct link;

enum link_role {
    ROLE_EDGE,
    ROLE_AUTH,
    ROLE_STORE,
    ROLE_SUBMIT,
    ROLE_CONVERT,
    ROLE_GATE, /* joins hosts; at no end of a link itself */
    ROLE_SUPERVISOR,
    ROLE_COUNT
};

enum {
    LINK_OPEN_MOST = 32 * 1024,
    LINK_MESSAGE_MOST = 64 * 1024,
    LINK_WINDOW = 128 * 1024,
    LINK_NAME_MOST = 63
};

/* Callbacks may be NULL: sessions are then reset, and a request ends the link. They may free the link. */
struct link_handler {
    /* The peer opens a session: head is the open message (ticket and what goes with it), s the new stream (taken by the
     * callee, who sets a handler, or frees it to refuse). */
    void (*on_open)(void *owner, struct link *l, struct str head, struct stream *s);
    /* A request; answer now or later with link_reply(id). */
    void (*on_request)(void *owner, struct link *l, uint32_t id, struct str body);
    /* The link broke; its streams hear on_end(ERR_PEER_GONE), its requests have heard ERR_UNAVAILABLE. All that is
     * left to do with it is link_free(). */
    void (*on_down)(void *owner, struct link *l);
};

/* Takes s (a socketpair end, or TLS later). peer and index: who is at the other end, as the supervisor said. */
struct link *link_new(struct loop *loop, struct stream *s, enum link_role peer, unsigned index,
                      const struct link_handler *h, void *owner);
/* Streams that are still there hear on_end(ERR_PEER_GONE) from the loop and stay their users' to free; outstanding
 * requests hear ERR_UNAVAILABLE before it returns (cancel those whose owner is gone). */
void link_free(struct link **l);
enum link_role link_get_peer(const struct link *l);
unsigned link_get_index(const struct link *l);
/* Which host the peer lives on, as the supervisor said: of a link between hosts it stands in the certificate, so the peer cannot choose it.
 * Tickets and sealed states are bound to it. Copies; at most LINK_NAME_MOST octets count. */
void link_set_name(struct link *l, struct str name);
/* Borrowed for the link's life; empty: nobody said. */
struct str link_get_name(const struct link *l);
/* False once it broke (and for NULL). */
bool link_is_up(const struct link *l);

/* Opens a session. head: at most LINK_OPEN_MOST octets, copied. Data may be written at once. On a link that is down
 * the stream ends with ERR_PEER_GONE. */
struct stream *link_open(struct link *l, struct str head);

/* Sends a request of at most LINK_MESSAGE_MOST octets; on_reply hears, from the loop, ERR_OK and the body (borrowed for
 * the call), or ERR_UNAVAILABLE. */
void link_request(struct link *l, struct str body,
                  void (*on_reply)(void *owner, enum err e, struct str body), void *owner);
/* Forgets the outstanding requests of owner. */
void link_cancel(struct link *l, void *owner);
void link_reply(struct link *l, uint32_t id, struct str body);

#endif
