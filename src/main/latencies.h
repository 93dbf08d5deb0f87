#ifndef LIMETTA_MAIN_LATENCIES_H
#define LIMETTA_MAIN_LATENCIES_H

#include "base/buf.h"
#include "base/str.h"

#include <stdint.h>

/* How long commands took, as histograms for GET /metrics: one for each group of commands. */
enum { LATENCY_GROUPS = 10, LATENCY_BUCKETS = 11 };

struct latencies {
    struct latency {
        uint64_t
            counts[LATENCY_BUCKETS
                   + 1]; /* by bucket, each without the smaller ones; the last: above all bounds */
        uint64_t sum_us;
    } of[LATENCY_GROUPS];
};

/* command: a name in capitals. Those that wait for something (IDLE) are not counted. */
void latencies_add(struct latencies *l, struct str command, uint64_t took_us);
/* Appends the family limetta_command_seconds; groups that nobody used are left out. */
void latencies_write(const struct latencies *l, unsigned worker, struct buf *out);

#endif
