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
    ROLE_VERIFY,
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
    /* The peer opens a session with a state that was kept; else as on_open. */
    void (*on_resume)(void *owner, struct link *l, struct str head, struct str state,
                      struct stream *s);
    /* The peer has a parked session, id, and asks to be told (link_wake()) when something comes for it, or may have come. */
    void (*on_park)(void *owner, struct link *l, uint32_t id, struct str head, struct str state);
    /* The peer does not want to be told of this one any more; or of a session that it does not have any more. */
    void (*on_forget)(void *owner, struct link *l, uint32_t id);
    /* Something came for a parked session of ours; whose: as link_keep() was told. It is not parked any more. */
    void (*on_wake)(void *owner, struct link *l, void *whose);
};

/* Takes s (a socketpair end, or TLS later). peer and index: who is at the other end, as the supervisor said. */
struct link *link_new(struct loop *loop, struct stream *s, enum link_role peer, unsigned index,
                      const struct link_handler *h, void *owner);
/* Streams that are still there hear on_end(ERR_PEER_GONE) from the loop and stay their users' to free; outstanding
 * requests hear ERR_UNAVAILABLE before it returns (cancel those whose owner is gone). */
void link_free(struct link **l);
enum link_role link_get_peer(const struct link *l);
unsigned link_get_index(const struct link *l);
/* Which host the peer lives on, as the supervisor said: of a link between hosts it stands in the certificate, so the
 * peer cannot choose it. Tickets and sealed states are bound to it. Copies; at most LINK_NAME_MOST octets count. */
void link_set_name(struct link *l, struct str name);
/* Borrowed for the link's life; empty: nobody said. */
struct str link_get_name(const struct link *l);
/* At most so many sessions at once, in place of a million; one more that the peer opens ends the link. */
void link_set_sessions_most(struct link *l, size_t most);
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

/* ---- sessions that outlive their process (docs/dormancy.md) ----
 *
 * The side that runs a session sends its state with the octets that it speaks of (link_save()). The side that has the
 * client keeps it, and opens the session with it again, elsewhere or later (link_resume()). */

enum { LINK_STATE_MOST = 130 * 1024, LINK_SAVE_MOST = 64 * 1024 };

struct link_save {
    uint64_t
        used; /* octets of input that the state accounts for; counted from the last mark, or from the beginning */
    uint64_t literal; /* so many that come next need not be kept */
    struct str state; /* at most LINK_STATE_MOST octets; empty: what was kept is void */
    bool is_same;     /* with an empty state: the last one that was not empty holds, from here on */
    bool may_park;
    uint8_t
        mark; /* comes right behind it, as by stream_mark(); the state holds from there on. 0: none */
    uint16_t heartbeat_s; /* session_save.heartbeat_s; 0: nothing new is said of it */
};

/* Who keeps states of a session. */
struct link_keeper {
    /* Behind the octets that it came with. save is borrowed. */
    void (*on_save)(void *owner, const struct link_save *save);
    /* The peer has forgotten the session: the last state holds. To be answered by link_keep(). */
    void (*on_park)(void *owner);
};

/* True for sessions of a link. */
bool link_can_save(const struct stream *s);
/* Sends octets and then the state, at once or not at all: the last LINK_SAVE_MOST octets and the state never come apart. */
void link_save(struct stream *s, const struct link_save *save, struct str octets);
/* Takes the session from its process: the last state that was sent holds, and link_wake() may be told the id. False
 * (then nothing happened): octets or states are still waiting for the road. */
bool link_park(struct stream **s, uint32_t *id);
/* Tells the peer that something came for its parked session. */
void link_wake(struct link *l, uint32_t id);

/* Hears the states of s from now on, with the owner of its handler; to be said after stream_set_handler(). What came
 * before the link broke is then given to the last octet, also when s is paused. */
void link_set_keeper(struct stream *s, const struct link_keeper *k);
/* True when s ended because its link did, and not by its peer's wish. */
bool link_was_cut(const struct stream *s);
/* Opens a session with a state. head and state: at most LINK_OPEN_MOST and LINK_STATE_MOST octets. Else as link_open(). */
struct stream *link_resume(struct link *l, struct str head, struct str state);
/* Takes a session that its peer has parked; whose hears on_wake(). Returns its id. */
uint32_t link_keep(struct stream **s, void *whose);
/* The same for a session whose process is gone: asks the peer, who may be its successor, to wake it. l must be up. */
uint32_t link_keep_again(struct link *l, struct str head, struct str state, void *whose);
/* A parked session is not parked any more. */
void link_forget(struct link *l, uint32_t id);

#endif
