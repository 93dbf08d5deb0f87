/* Timers, shared by both back ends.
 *
 * A server has a timer a connection, and moves it forward at every octet that arrives. So moving forward must cost
 * nothing: a timer in the heap has two times, `due_ms` (when it really goes off) and `place_ms` (what the heap is
 * ordered by, never later than due_ms). Starting it again for a later time only writes due_ms; when its place comes up,
 * it is moved to where it belongs. Ties fire in the order of starting, which makes tests repeatable. */
#include "base/mem.h"
#include "base/vec.h"
#include "net/loop_priv.h"

#include <assert.h>
#include <stdlib.h>

static const size_t NOWHERE = SIZE_MAX;

struct timer {
    struct loop *loop;
    void (*fn)(void *owner);
    void *owner;
    uint64_t due_ms;
    uint64_t place_ms;
    uint64_t order;
    size_t at; /* in the heap, or NOWHERE */
};

static bool is_before(const struct timer *a, const struct timer *b)
{
    return a->place_ms != b->place_ms ? a->place_ms < b->place_ms : a->order < b->order;
}

static void put(struct timer_heap *h, size_t at, struct timer *t)
{
    h->at[at] = t;
    t->at = at;
}

static void sift_up(struct timer_heap *h, struct timer *t)
{
    size_t at = t->at;
    while (at > 0 && is_before(t, h->at[(at - 1) / 2])) {
        put(h, at, h->at[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(h, at, t);
}

static void sift_down(struct timer_heap *h, struct timer *t)
{
    size_t at = t->at;
    for (size_t child = 2 * at + 1; child < h->count; child = 2 * at + 1) {
        if (child + 1 < h->count && is_before(h->at[child + 1], h->at[child])) {
            child++;
        }
        if (!is_before(h->at[child], t)) {
            break;
        }
        put(h, at, h->at[child]);
        at = child;
    }
    put(h, at, t);
}

static void insert(struct timer_heap *h, struct timer *t)
{
    vec_push(h, t);
    t->at = h->count - 1;
    sift_up(h, t);
}

static void take_out(struct timer_heap *h, struct timer *t)
{
    size_t at = t->at;
    struct timer *last = h->at[--h->count];
    t->at = NOWHERE;
    if (last != t) {
        put(h, at, last);
        sift_up(h, last);
        sift_down(h, last);
    }
}

struct timer *timer_new(struct loop *l, void (*fn)(void *owner), void *owner)
{
    struct timer *t = mem_new(sizeof(*t));
    t->loop = l;
    t->fn = fn;
    t->owner = owner;
    t->at = NOWHERE;
    return t;
}

void timer_start(struct timer *t, uint64_t after_ms)
{
    struct timer_heap *h = &t->loop->timers;
    t->due_ms = loop_now_ms(t->loop) + after_ms;
    t->order = h->next_order++;
    if (t->at != NOWHERE && t->due_ms > t->place_ms) {
        return; /* it is moved when its place comes up */
    }
    if (t->at != NOWHERE) {
        take_out(h, t);
    }
    t->place_ms = t->due_ms;
    insert(h, t);
}

void timer_stop(struct timer *t)
{
    if (t->at != NOWHERE) {
        take_out(&t->loop->timers, t);
    }
}

void timer_free(struct timer **t)
{
    if (*t != NULL) {
        timer_stop(*t);
        free(*t);
        *t = NULL;
    }
}

bool timers_next(const struct loop *l, uint64_t *due_ms)
{
    if (l->timers.count == 0) {
        return false;
    }
    *due_ms = l->timers.at[0]->place_ms;
    return true;
}

void timers_fire(struct loop *l, uint64_t now_ms)
{
    struct timer_heap *h = &l->timers;
    uint64_t order_end = h->next_order;
    while (h->count > 0 && h->at[0]->place_ms <= now_ms) {
        struct timer *t = h->at[0];
        if (t->due_ms > t->place_ms) {
            t->place_ms = t->due_ms;
            sift_down(h, t);
            continue;
        }
        if (t->order >= order_end) {
            return; /* started by a timer of this very call: the next turn */
        }
        take_out(h, t);
        t->fn(t->owner);
    }
}
