#ifndef LIMETTA_NET_STREAM_H
#define LIMETTA_NET_STREAM_H

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* A two-way run of octets with backpressure. Kinds stack: a socket, TLS over any stream, one session of a link, an
 * in-memory pair for tests, DEFLATE. All speak the verbs below; a filter owns the stream under it. */
struct stream;

/* What the user of a stream hears. Callbacks may free the stream. */
struct stream_handler {
    /* Octets arrived; they are borrowed for the call and must all be taken (pause to get no more). */
    void (*on_octets)(void *owner, struct str octets);
    /* What was queued for sending fell below the low-water mark after being above the high one. */
    void (*on_drained)(void *owner);
    /* The peer is done (ERR_OK: orderly end) or the stream failed (ERR_PEER_GONE, ERR_TLS_FAILED ...). No octets
     * follow. After an orderly end one may still write, so on_drained and one failure may follow; after a failure
     * nothing does. The stream must still be freed. */
    void (*on_end)(void *owner, enum err why);
};

enum { STREAM_HIGH_WATER = 64 * 1024, STREAM_LOW_WATER = 16 * 1024 };

/* A connected socket (takes fd). Reading starts when a handler is set. Sets TCP_NODELAY, never SO_KEEPALIVE. */
struct stream *stream_from_fd(struct loop *l, int fd);
/* Connects a TCP socket, or a Unix one; on_connected hears ERR_OK or why not: ERR_UNREACHABLE (refused, no way at
 * all), ERR_NO_ROUTE (a router on the way says so: RFC 1122, 4.2.3.9, takes that for soft, so try again later), ERR_TIMEOUT.
 * Freeing the stream gives up. */
struct stream *stream_connect(struct loop *l, const struct sockaddr_storage *to,
                              uint64_t timeout_ms, void (*on_connected)(void *owner, enum err why),
                              void *owner);
/* Two ends of one pipe in memory, delivered through the loop. Freeing one end is an orderly end for the other, after
 * what was written before. */
void stream_pair(struct loop *l, struct stream **a, struct stream **b);
/* For tests: what arrives at this end of a pair comes in pieces of at most so many octets. */
void stream_pair_set_piece(struct stream *s, size_t octets);
/* For tests on the fake loop: what stream_connect() reaches. on_connect takes the far end and returns true, or refuses
 * with false (then it must not keep it); without a hook every address is unreachable. */
void stream_set_fake_connect(struct loop *l,
                             bool (*on_connect)(void *owner, const struct sockaddr_storage *to,
                                                struct stream *s),
                             void *owner);

/* h is borrowed for the stream's life. Setting it again hands the stream to a new owner: octets that arrived
 * meanwhile (while paused) go to the new one. */
void stream_set_handler(struct stream *s, const struct stream_handler *h, void *owner);
/* Queues octets (copies). Never blocks, never fails: failure comes as on_end. */
void stream_write(struct stream *s, struct str octets);
/* Sends a mark in the order of the octets; only sessions of a link carry any. One at a time: a second one, before the first
 * could leave, is a failure (ERR_SYNTAX). */
void stream_mark(struct stream *s, uint8_t mark);
/* Who hears the peer's marks, between the octets that it wrote before and after; the handler's owner is told. Without this a mark is
 * a failure (ERR_SYNTAX). To be said after stream_set_handler(). */
void stream_on_mark(struct stream *s, void (*on_mark)(void *owner, uint8_t mark));
/* Octets queued and not yet taken by the layer below. Above STREAM_HIGH_WATER stop writing until on_drained. */
size_t stream_get_queued(const struct stream *s);
/* The same, and what the layers below took and the peer's host has not yet confirmed to have: 0 says that it heard all. On a socket this
 * asks the kernel. */
size_t stream_get_owed(const struct stream *s);
/* For how long TCP repeats what is not confirmed before it gives up, and some more (RFC 1122, 4.2.3.5: at least 100 s; Linux's 15
 * repetitions take 924 s and more). Nothing of ours that octets wait for ends a connection earlier (RFC 5383, 4.2: D23). */
enum { STREAM_PATIENCE_MS = 960 * 1000 };
/* No on_octets until resumed: the peer's data stays in the kernel or with the peer. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);
/* Sends what is queued, then an orderly end; on_end follows when the peer is done, too. */
void stream_shutdown(struct stream *s);
/* True once on_end was called. */
bool stream_has_ended(const struct stream *s);
/* Takes the stream and sets *s to NULL: sends what is queued, ends, waits a while for the peer to be done, frees. For the
 * last words of a conversation. At most STREAM_FINISHERS_MOST a loop: then the one that has waited longest is freed. */
enum { STREAM_FINISHERS_MOST = 2048 };
void stream_finish(struct loop *l, struct stream **s);
/* Closes at once, dropping what is queued. No callback after it. */
void stream_free(struct stream **s);

#endif
