/* The last moments of a role (limetta restart, and every stop): it is asked every few milliseconds whether something is still under
 * way. What is not done in time is cut off, which costs what a crash costs and no more: nothing that was acknowledged. */
#include "main/drain.h"

#include "base/log.h"

static void look(void *owner)
{
    struct drain *d = owner;
    bool is_busy = d->is_busy(d->owner);
    bool is_late = loop_now_ms(d->loop) >= d->until_ms;
    if (is_busy && !is_late) {
        timer_start(d->timer, DRAIN_LOOK_MS);
        return;
    }
    if (is_busy) {
        log_info("stopping, with something still under way");
    }
    loop_stop(d->loop);
}

void drain_begin(struct drain *d, struct loop *l, uint64_t most_ms, bool (*is_busy)(void *owner),
                 void *owner)
{
    if (d->timer != NULL) {
        return;
    }
    *d = (struct drain){.loop = l, .is_busy = is_busy, .owner = owner};
    d->until_ms = loop_now_ms(l) + most_ms;
    d->timer = timer_new(l, look, d);
    timer_start(d->timer, 1);
}

void drain_release(struct drain *d)
{
    if (d->timer != NULL) {
        timer_free(&d->timer);
    }
}
