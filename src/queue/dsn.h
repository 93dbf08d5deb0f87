#ifndef LIMETTA_QUEUE_DSN_H
#define LIMETTA_QUEUE_DSN_H

#include "base/err.h"
#include "base/str.h"
#include "queue/queue.h"
#include "queue/spool.h"

#include <stddef.h>
#include <stdint.h>

/* Delivery status notifications (RFC 3464, RFC 3461, 6): what the sender is told about its recipients. */

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

struct dsn_recipient {
    const struct mail_recipient *to;
    enum dsn_action action;
    struct str status;     /* "5.1.1" */
    struct str reply;      /* the server's words, or ours; empty: none */
    struct str remote_mta; /* who said them; empty: nobody but us */
};

/* May the sender be told? RFC 3461, 5.2: by what NOTIFY asked for, or its absence. */
bool dsn_is_wanted(unsigned notify, enum dsn_action action);
/* The enhanced status in a reply such as "550 5.1.1 No such user", or "<class>.0.0". Borrows from reply, or static. */
struct str dsn_find_status(struct str reply);

struct dsn_args {
    struct str hostname;
    struct str unique; /* for Message-ID and the boundary: letters, digits, '.' */
    uint64_t now_ms;
    const struct queue_message *message;
    const struct dsn_recipient *recipients; /* at least one */
    size_t recipient_count;
    struct spool_reader *content; /* of the message; NULL: cannot be read */
    bool is_brief;                /* its header is enough, whatever was asked for */
};

/* Writes the report to s. Errors: those of spool_add(). */
MUST_USE enum err dsn_write(const struct dsn_args *args, struct spool *s);

#endif
