#ifndef LIMETTA_QUEUE_REPORT_H
#define LIMETTA_QUEUE_REPORT_H

#include "queue/dsn.h"
#include "queue/queue.h"

/* Reports to senders as messages of the queue. */
struct report_args {
    struct queue *queue;
    struct str hostname;
    uint64_t now_ms;
};

/* Adds a report about m to the queue, addressed to its return path, which must not be empty. Pending.
 * Errors: ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err report_add(const struct report_args *args, const struct queue_message *m,
                             const struct dsn_recipient *entries, size_t count);

#endif
