/* The turn: the part of the event loop that the real and the fake back end share.
 *
 * A server that commits in groups needs to know when "all events of now" are over. So time is cut into turns:
 *
 *     events and timers -> deferred calls -> turn end (group commit) -> links flush -> sockets write -> sleep
 *
 * Everything that a callback writes stays queued until the sockets' stage, so a turn costs one write a socket however
 * many replies it makes, and no reply can overtake the commit it reports. What the later stages cause (a stream that
 * broke, a session that woke up in the commit) is deferred and runs in another round of the same turn, before the
 * loop sleeps: an event is answered without waiting for the next one. Rounds are bounded, so that sessions that always
 * have more to say cannot keep the loop from its other sockets.
 *
 * Invariants: fn of a deferred call or late entry runs outside every other callback; an entry is taken off its list
 * before it runs, so it may come again or free its owner. Timers: loop_timer.c. Descriptors: loop_uv.c. */
#include "base/mem.h"
#include "net/loop_priv.h"

#include <assert.h>
#include <stdlib.h>

enum { ROUNDS_MOST = 32 };

struct deferred {
    struct list node;
    void (*fn)(void *owner);
    void *owner;
};

static struct loop *make(bool is_fake)
{
    struct loop *l = mem_new(sizeof(*l));
    l->is_fake = is_fake;
    list_init(&l->deferred);
    list_init(&l->finishers);
    for (int stage = 0; stage < LATE_STAGES; stage++) {
        list_init(&l->late[stage]);
    }
    l->scratch = mem_new(LOOP_SCRATCH_SIZE);
    l->plain = mem_new(LOOP_SCRATCH_SIZE);
    return l;
}

struct loop *loop_new(void)
{
    struct loop *l = make(false);
    loop_uv_init(l);
    return l;
}

struct loop *loop_new_fake(uint64_t wall_ms)
{
    struct loop *l = make(true);
    l->wall_ms = wall_ms;
    return l;
}

static void free_deferred(struct deferred *d)
{
    list_remove(&d->node);
    free(d);
}

void loop_free(struct loop **l)
{
    if (*l == NULL) {
        return;
    }
    finish_all(*l);
    list_each_safe(node, &(*l)->deferred)
    {
        free_deferred(list_entry(node, struct deferred, node));
    }
    if (!(*l)->is_fake) {
        loop_uv_release(*l);
    }
    assert((*l)->timers.count == 0);
    free((*l)->timers.at);
    free((*l)->scratch);
    free((*l)->plain);
    free(*l);
    *l = NULL;
}

void loop_wipe_reads(struct loop *l)
{
    l->wipes_reads = true;
}

void loop_set_turn_end(struct loop *l, void (*fn)(void *owner), void *owner)
{
    l->on_turn_end = fn;
    l->turn_end_owner = owner;
}

void loop_defer(struct loop *l, void (*fn)(void *owner), void *owner)
{
    struct deferred *d = mem_new(sizeof(*d));
    d->fn = fn;
    d->owner = owner;
    list_append(&l->deferred, &d->node);
}

void loop_cancel_deferred(struct loop *l, void *owner)
{
    list_each_safe(node, &l->deferred)
    {
        struct deferred *d = list_entry(node, struct deferred, node);
        if (d->owner == owner) {
            free_deferred(d);
        }
    }
}

void late_init(struct late *t, void (*fn)(struct late *t))
{
    list_init(&t->node);
    t->fn = fn;
}

void loop_late(struct loop *l, enum late_stage stage, struct late *t)
{
    if (list_is_empty(&t->node)) {
        list_append(&l->late[stage], &t->node);
    }
}

void late_cancel(struct late *t)
{
    list_remove(&t->node);
}

/* Runs those that were deferred before the call. A marker divides them from the ones they cause; it stays in the
 * list, so that loop_cancel_deferred() finds both. */
static void run_deferred(struct loop *l)
{
    struct deferred marker = {0};
    if (list_is_empty(&l->deferred)) {
        return;
    }
    list_append(&l->deferred, &marker.node);
    while (l->deferred.next != &marker.node) {
        struct deferred *d = list_entry(l->deferred.next, struct deferred, node);
        void (*fn)(void *owner) = d->fn;
        void *owner = d->owner;
        free_deferred(d);
        fn(owner);
    }
    list_remove(&marker.node);
}

static void run_late(struct loop *l, enum late_stage stage)
{
    while (!list_is_empty(&l->late[stage])) {
        struct late *t = list_entry(l->late[stage].next, struct late, node);
        list_remove(&t->node);
        t->fn(t);
    }
}

static bool is_quiet(const struct loop *l)
{
    return list_is_empty(&l->deferred) && list_is_empty(&l->late[LATE_FRAMES])
           && list_is_empty(&l->late[LATE_SOCKETS]);
}

bool loop_finish_turn(struct loop *l)
{
    for (int round = 0; round < ROUNDS_MOST; round++) {
        run_deferred(l);
        if (l->on_turn_end != NULL) {
            l->on_turn_end(l->turn_end_owner);
        }
        run_late(l, LATE_FRAMES);
        run_late(l, LATE_SOCKETS);
        if (is_quiet(l)) {
            return true;
        }
    }
    return false;
}
