#ifndef LIMETTA_NET_SESSION_RUN_H
#define LIMETTA_NET_SESSION_RUN_H

#include "net/loop.h"
#include "net/session.h"
#include "net/stream.h"

#include <stddef.h>

/* Drives session cores (net/session.h) over streams, in loop turns:
 *
 *     octets, wake-ups -> step what is ready -> commit() -> write what they said
 *
 * so that no reply leaves before the commit it speaks of. What the commit wakes is stepped in the same turn. A session
 * whose reader is slow is not stepped, one whose backlog is full is not fed.
 *
 * A role has one group. It takes the loop's turn end (loop_set_turn_end). */
struct session_group;
struct session_runner;

/* commit: called at every turn end, after the steps; cheap when there is nothing to commit. NULL: none. */
struct session_group *session_group_new(struct loop *l, void (*commit)(void *owner), void *owner);
/* Sessions whose core says that they may leave (session_save.may_park), and that were silent for so long, do; 0: none does. */
void session_group_set_park(struct session_group *g, uint64_t after_ms);
/* News that nobody asked for (session_host.wake_soon) gather for so long before the session is stepped; 0: they do not. */
void session_group_set_news_window(struct session_group *g, uint64_t window_ms);
/* The process is to end: sessions whose core says that they may leave do so as soon as they are at rest. */
void session_group_drain(struct session_group *g);
/* Is there a session that works on something, has something to say, or is about to leave? */
bool session_group_is_busy(const struct session_group *g);
/* Ends all sessions at once. */
void session_group_free(struct session_group **g);
size_t session_group_get_count(const struct session_group *g);

/* Begins a session on s (taken). What it logs is about the connection that log_about() says now. Make the core with the
 * runner's host, then session_runner_start(). The runner frees the core and itself when the session or the peer is done; do
 * not keep it. */
struct session_runner *session_runner_new(struct session_group *g, struct stream *s);
/* For the core: valid until the core is freed. */
const struct session_host *session_runner_get_host(const struct session_runner *r);
/* What lets a session outlive this process: who makes its states fit to leave it. */
struct session_keeper {
    /* Appends what is to be kept to out, at most LINK_STATE_MOST octets; nothing, when what was appended last says all that save does.
     * False: this state cannot be kept. */
    bool (*seal)(void *owner, const struct session_save *save, struct buf *out);
    /* The session has left: link_wake() with id when what save (without its state) watches changes. free follows. NULL: it does
     * not leave by itself. */
    void (*on_park)(void *owner, const struct session_save *save, uint32_t id);
    /* The runner is gone. */
    void (*free)(void *owner);
};
/* Before the start, of a session on a link; takes owner. */
void session_runner_keep(struct session_runner *r, const struct session_keeper *k, void *owner);
/* Takes core; it is first stepped at this turn's end. */
void session_runner_start(struct session_runner *r, struct session *core);
/* The same for a core that was made again: what it has to say without being asked may be news that gather. */
void session_runner_resume(struct session_runner *r, struct session *core);
/* Instead of starting: the session is refused. Writes last (may be empty), then ends. Takes r. */
void session_runner_refuse(struct session_runner *r, struct str last);
/* The same for want of a fresh ticket: the edge may come again with one (SESSION_MARK_AGAIN). Takes r. */
void session_runner_send_back(struct session_runner *r);
/* Ends a session whose peer has been given up: frees core, stream and runner. Not from inside the core's own verbs. */
void session_runner_abort(struct session_runner *r);

#endif
