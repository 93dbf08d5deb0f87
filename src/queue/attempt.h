#ifndef LIMETTA_QUEUE_ATTEMPT_H
#define LIMETTA_QUEUE_ATTEMPT_H

#include "base/arena.h"
#include "net/loop.h"
#include "net/stream.h"
#include "queue/queue.h"
#include "queue/route.h"
#include "smtp/client.h"

#include <stddef.h>

/* One attempt to bring one message to one place: the SMTP client core with a connection, a clock and the spooled octets. */
struct attempt;

/* How to get there. Borrowed. */
struct attempt_route {
    struct stream *lmtp; /* a session of a store worker; taken. Else: */
    struct routes *routes;
    struct str domain; /* of the recipients */
};

struct attempt_args {
    struct loop *loop;
    struct queue *queue;
    struct str hostname;
    const struct queue_message *message; /* borrowed while the attempt lives */
    struct spool *content;               /* NULL: it is in the queue. Borrowed */
    const struct mail_recipient *recipients;
    size_t recipient_count;
    struct attempt_route route;
    /* Every outcome is known; the attempt may be freed in the call. Never called from inside attempt_new(). */
    void (*on_done)(void *owner, struct attempt *a);
    void *owner;
};

struct attempt *attempt_new(const struct attempt_args *args);
void attempt_free(struct attempt **a);
struct smtp_outcome attempt_get_outcome(const struct attempt *a, size_t i);
/* The host that answered; empty: none. Borrowed while a lives. */
struct str attempt_get_host(const struct attempt *a);
/* No host could be spoken to, which is the destination's trouble, not the message's. */
bool attempt_is_unreachable(const struct attempt *a);

#endif
