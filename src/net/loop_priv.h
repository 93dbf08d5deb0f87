#ifndef LIMETTA_NET_LOOP_PRIV_H
#define LIMETTA_NET_LOOP_PRIV_H

/* What the files of net/ share about the loop. Nobody else includes this. */
#include "base/list.h"
#include "net/loop.h"

#include <uv.h>

struct stream;

/* Stages of the end of a turn, after the turn end call: what links and filters held back goes to the sockets, then
 * the sockets write. */
enum late_stage { LATE_FRAMES, LATE_SOCKETS, LATE_STAGES };

/* Something to do at the end of this turn, once. Embedded in its owner; initialise with late_init(). */
struct late {
    struct list node;
    void (*fn)(struct late *t);
};

/* Timers in a binary heap, soonest first. */
struct timer_heap {
    struct timer **at;
    size_t count;
    size_t size;
    uint64_t next_order; /* timers due at the same time fire in the order they were started */
};

/* Readiness of a descriptor (real loop only). Borrows fd, which must outlive it. All zeros: none. */
struct io {
    struct loop *loop;
    void (*fn)(void *owner, unsigned events);
    void *owner;
    int fd;
    uint8_t events; /* that it waits for */
};

enum { LOOP_SCRATCH_SIZE = 64 * 1024 };

struct loop {
    bool is_fake;
    bool is_stopped;
    bool wipes_reads; /* see loop_wipe_reads() */
    uint64_t now_ms;
    uint64_t wall_ms; /* fake only: Unix time at now_ms == 0 */
    struct list deferred;
    struct list late[LATE_STAGES];
    struct timer_heap timers;
    struct list finishers; /* streams on their last words, in order of their beginning: finish.c */
    size_t finisher_count;
    void (*on_turn_end)(void *owner);
    void *turn_end_owner;
    char *scratch; /* LOOP_SCRATCH_SIZE octets: what a socket read, until its callback returns */
    char *plain;   /* as much, for what a filter decoded from it */
    /* Fake only: see stream_set_fake_connect(). */
    bool (*on_connect)(void *owner, const struct sockaddr_storage *to, struct stream *s);
    void *connect_owner;
    /* The rest: real only. */
    struct io_batch *batch; /* what is being told of descriptors; NULL: nothing */
    int epoll;
    struct io uv_io; /* of uv's own set */
    uv_loop_t uv;
    bool is_uv_due; /* uv was given something that it has yet to look at */
};

void late_init(struct late *t, void (*fn)(struct late *t));
void loop_late(struct loop *l, enum late_stage stage, struct late *t);
void late_cancel(struct late *t);

/* Runs what is deferred, the turn end, and what is late, until nothing is left or the turn was long enough.
 * False: there is more to do, do not sleep. */
bool loop_finish_turn(struct loop *l);

/* Drops all streams that are on their last words. */
void finish_all(struct loop *l);

/* When the next timer is due. False: there is none. */
bool timers_next(const struct loop *l, uint64_t *due_ms);
/* Fires what is due at now_ms and was started before this call. */
void timers_fire(struct loop *l, uint64_t now_ms);

enum { IO_READ = 1, IO_WRITE = 2 };
void io_init(struct io *io, struct loop *l, int fd, void (*fn)(void *owner, unsigned events),
             void *owner);
/* fn is not called any more. */
void io_release(struct io *io);
struct io *io_new(struct loop *l, int fd, void (*fn)(void *owner, unsigned events), void *owner);
/* Which events to hear from now on: IO_READ, IO_WRITE, both or 0. */
void io_set(struct io *io, unsigned events);
void io_free(struct io **io);

void loop_io_init(struct loop *l);
/* Sleeps until something is ready, at most so long (-1: for ever), and tells it. */
void loop_io_wait(struct loop *l, int most_ms);
void loop_io_release(struct loop *l);
void loop_look_at_clock(struct loop *l);
void loop_uv_init(struct loop *l);
void loop_uv_release(struct loop *l);

#endif
