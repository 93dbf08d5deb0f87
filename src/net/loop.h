#ifndef LIMETTA_NET_LOOP_H
#define LIMETTA_NET_LOOP_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* The event loop: time, timers, file descriptors, signals, children. Two back ends: libuv, and a fake one with a
 * virtual clock for tests. Nothing else in the tree calls libuv, epoll, time or sleep. Single thread. */
struct loop;

struct loop *loop_new(void);
/* Virtual time, starting at wall_ms (Unix time, ms). Only loop_advance() moves it. */
struct loop *loop_new_fake(uint64_t wall_ms);
void loop_free(struct loop **l);

/* From now on what a socket read is wiped when its callback returned: for a process that hears passwords. */
void loop_wipe_reads(struct loop *l);

/* Monotonic milliseconds; cached for the turn. */
uint64_t loop_now_ms(const struct loop *l);
/* Monotonic microseconds, read anew: for how long something took. */
uint64_t loop_clock_us(const struct loop *l);
/* Unix time in milliseconds. */
uint64_t loop_wall_ms(const struct loop *l);

/* Runs until loop_stop(). The fake one runs until nothing is due at the current virtual time. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Fake only: moves time forward, firing timers in order and running what they cause. */
void loop_advance(struct loop *l, uint64_t ms);

/* Called once a turn, after all events of the turn were handled and before the loop sleeps: the place for group
 * commit and for flushing. One a loop; called on every turn in which anything happened. */
void loop_set_turn_end(struct loop *l, void (*fn)(void *owner), void *owner);
/* Calls fn once, in this turn or the next, outside the caller's stack. */
void loop_defer(struct loop *l, void (*fn)(void *owner), void *owner);
/* Takes back all deferred calls of owner. */
void loop_cancel_deferred(struct loop *l, void *owner);

/* One-shot timer. Starting it again moves it. */
struct timer;
struct timer *timer_new(struct loop *l, void (*fn)(void *owner), void *owner);
void timer_start(struct timer *t, uint64_t after_ms);
void timer_stop(struct timer *t);
void timer_free(struct timer **t);

/* Calls fn when fd is readable (for control sockets that carry descriptors). Borrows fd. */
struct fd_watch;
struct fd_watch *fd_watch_new(struct loop *l, int fd, void (*fn)(void *owner), void *owner);
void fd_watch_free(struct fd_watch **w);

struct signal_watch;
struct signal_watch *signal_watch_new(struct loop *l, int signum, void (*fn)(void *owner),
                                      void *owner);
void signal_watch_free(struct signal_watch **w);

/* Runs work(owner) on a helper thread, then done(owner) on the loop. For pure computation (password hashes) and for libraries
 * that only know how to wait; work must touch nothing that the loop's thread touches. The fake loop runs work at once. */
void loop_work(struct loop *l, void (*work)(void *owner), void (*done)(void *owner), void *owner);

/* Accepts connections on a listening descriptor (takes fd). on_accept takes fd, which is non-blocking and
 * close-on-exec. */
struct listener;
struct listener *listener_new(struct loop *l, int fd,
                              void (*on_accept)(void *owner, int fd,
                                                const struct sockaddr_storage *peer),
                              void *owner);
/* fn(owner of on_accept) is told each time that the system has no descriptors left for one who waits. It says whether it freed some:
 * then it is tried again at once, else a little later. */
void listener_on_exhausted(struct listener *s, bool (*fn)(void *owner));
/* Stops and resumes accepting (when connections run out). */
void listener_pause(struct listener *s);
void listener_resume(struct listener *s);
void listener_free(struct listener **s);

#endif
