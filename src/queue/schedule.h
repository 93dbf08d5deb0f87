#ifndef LIMETTA_QUEUE_SCHEDULE_H
#define LIMETTA_QUEUE_SCHEDULE_H

#include "queue/queue.h"

#include <stdbool.h>
#include <stdint.h>

/* When to try again, when to speak to the sender, and when to stop (RFC 5321, 4.5.4.1). */
struct schedule {
    uint64_t first_ms;    /* after the first failure, for a next hop */
    uint64_t most_ms;     /* never further apart */
    uint64_t delay_ms;    /* the sender hears of a delay; 0: never */
    uint64_t lifetime_ms; /* then it is given up */
};

enum {
    SCHEDULE_FIRST_MS = 15 * 1000,
    SCHEDULE_FIRST_LOCAL_MS = 2 * 1000, /* for a store worker, which is soon back */
    SCHEDULE_MOST_MS = 60 * 60 * 1000,
    SCHEDULE_MOST_LOCAL_MS = 60 * 1000, /* while a process of ours is not there */
    SCHEDULE_DELAY_MS = 4 * 3600000,
    SCHEDULE_LIFETIME_MS = 5 * 24 * 3600000
};
#define SCHEDULE_DEFAULT                                                                           \
    ((struct schedule){SCHEDULE_FIRST_MS, SCHEDULE_MOST_MS, SCHEDULE_DELAY_MS,                     \
                       SCHEDULE_LIFETIME_MS})

/* Milliseconds until the next attempt. attempts: failed ones so far, at least 1. random: any 32 bits; they spread the
 * result by a fifth to both sides, so that what failed together does not come back together. */
uint64_t schedule_get_wait_ms(const struct schedule *s, uint32_t attempts, bool is_local,
                              uint32_t random);

/* When the clock of a message starts: its arrival, or its release (RFC 4865, 4.1). */
uint64_t schedule_get_start_ms(const struct queue_message *m);
/* When the time next says something about a recipient of m: schedule_judge() then does. */
uint64_t schedule_get_tell_ms(const struct schedule *s, const struct queue_message *m,
                              const struct queue_recipient *r);

enum schedule_word {
    SCHEDULE_NOTHING,
    SCHEDULE_DELAYED, /* the sender should hear of the delay */
    SCHEDULE_BY_DELAYED, /* the sender's own time is over, and it wants to hear so (RFC 2852, BY=...;N) */
    SCHEDULE_BY_RETURNED, /* it is over, and the message is to come back (BY=...;R) */
    SCHEDULE_EXPIRED      /* given up */
};
/* What the time says at now_ms; DELAYED and BY_DELAYED only to whom it was not yet said. */
enum schedule_word schedule_judge(const struct schedule *s, const struct queue_message *m,
                                  const struct queue_recipient *r, uint64_t now_ms);

#endif
