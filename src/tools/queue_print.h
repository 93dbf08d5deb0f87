#ifndef LIMETTA_TOOLS_QUEUE_PRINT_H
#define LIMETTA_TOOLS_QUEUE_PRINT_H

#include "base/buf.h"
#include "net/fields.h"

#include <stdbool.h>
#include <stdint.h>

/* Blocks of the queue's answers (queue/admin.h), for people and for programs. */
struct queue_print {
    struct buf *out;
    uint64_t now_ms;
    bool is_json;
    bool has_message; /* JSON: a message is open */
    bool has_recipient;
};

/* Writes one block; "end" closes what is open. JSON: one object a line. */
void queue_print_block(struct queue_print *p, const struct fields *f);
/* "3d", "2h", "5m", "10s" */
void queue_print_time(struct buf *out, uint64_t ms);

#endif
