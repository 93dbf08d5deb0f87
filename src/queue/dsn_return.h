#ifndef LIMETTA_QUEUE_DSN_RETURN_H
#define LIMETTA_QUEUE_DSN_RETURN_H

#include "base/err.h"
#include "queue/queue.h"
#include "queue/spool.h"

#include <stdbool.h>
#include <stdint.h>

/* What of a message goes back to its sender with a report (RFC 3461, 4.3 and 6.2). */
enum {
    DSN_FULL_MOST = 10 * 1024 * 1024, /* whole, when it was asked for (RET=FULL) */
    DSN_UNASKED_MOST = 64 * 1024      /* whole, when nothing was said */
};

struct dsn_return {
    bool is_full;
    bool is_8bit;
    bool is_recoded; /* binary content, as 8bit */
    uint64_t size;   /* of the header, or the message, in octets */
};

/* may_be_full: the report is about a failure, and nothing else speaks against the whole. Errors: ERR_IO. */
MUST_USE enum err dsn_return_choose(const struct queue_message *m, bool may_be_full,
                                    struct spool_reader *content, struct dsn_return *out);
/* Errors: those of spool_add(), ERR_IO, ERR_CORRUPT (the content is shorter than it was). */
MUST_USE enum err dsn_return_write(const struct dsn_return *what, struct spool_reader *content,
                                   struct spool *s);

#endif
