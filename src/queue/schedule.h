#ifndef LIMETTA_QUEUE_SCHEDULE_H
#define LIMETTA_QUEUE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* When to try again, and when to stop (RFC 5321, 4.5.4.1). */
enum {
    SCHEDULE_FIRST_MS = 15 * 1000,        /* after the first failure, for a relay */
    SCHEDULE_FIRST_LOCAL_MS = 2 * 1000,   /* for a store worker, which is soon back */
    SCHEDULE_MOST_MS = 60 * 60 * 1000,    /* never further apart */
    SCHEDULE_DELAY_TOLD_MS = 4 * 3600000, /* the sender hears of the delay */
    SCHEDULE_LIFETIME_MS = 5 * 24 * 3600000
};

/* Milliseconds until the next attempt. attempts: failed ones so far, at least 1. random: any 32 bits; they spread the
 * result by a fifth to both sides, so that what failed together does not come back together. */
uint64_t schedule_get_wait_ms(uint32_t attempts, bool is_local, uint32_t random);

#endif
