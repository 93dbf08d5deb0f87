#ifndef LIMETTA_TOOLS_QUEUE_LINK_H
#define LIMETTA_TOOLS_QUEUE_LINK_H

#include "base/buf.h"
#include "net/fields.h"
#include "queue/queue.h"

#include <stdbool.h>
#include <stdint.h>

/* The queue from outside: through the running server's control socket, or, when no server runs, opened by the tool itself. */
struct queue_link {
    int fd;              /* -1: none */
    struct queue *queue; /* or this */
    struct str hostname; /* borrowed */
};

/* state: the state folder. lifetime_ms: of reports. Returns an exit code after one clear line on standard error. */
int queue_link_open(const char *state, struct str hostname, uint64_t lifetime_ms,
                    struct queue_link *l);
void queue_link_close(struct queue_link *l);
/* One request and its answer (queue/admin.h), whole. Returns an exit code likewise, also when the answer is "no". */
int queue_link_ask(struct queue_link *l, struct str request, struct buf *answer);

#endif
