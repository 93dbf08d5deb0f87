#ifndef LIMETTA_MAIN_DRAIN_H
#define LIMETTA_MAIN_DRAIN_H

#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>

/* A role that was told to stop finishes what is under way, for a bounded time, and then ends its loop. */
struct drain {
    struct loop *loop;
    struct timer *timer; /* NULL: not begun */
    bool (*is_busy)(void *owner);
    void *owner;
    uint64_t until_ms;
};

enum { DRAIN_MOST_MS = 5000, DRAIN_LOOK_MS = 20 };

/* Begins. is_busy is asked now and then; when it says no, or most_ms are over, loop_stop(). */
void drain_begin(struct drain *d, struct loop *l, uint64_t most_ms, bool (*is_busy)(void *owner),
                 void *owner);
void drain_release(struct drain *d);

#endif
