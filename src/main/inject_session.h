#ifndef LIMETTA_MAIN_INJECT_SESSION_H
#define LIMETTA_MAIN_INJECT_SESSION_H

#include "net/loop.h"
#include "net/session.h"
#include "queue/queue.h"

#include <stdint.h>

/* Takes a message that an account sends by itself into the queue, from the store worker that has it in its outbox (store/outbox.h).
 * What it is told at the beginning, and what it answers, stands in docs/architecture.md ("inject"). */
struct inject_args {
    struct loop *loop;
    struct session_host session_host; /* copied */
    struct queue *queue;
    uint64_t message_most; /* octets */
    struct str hostname;   /* borrowed for the session's life */
};

/* head: the open message. */
struct session *inject_session_new(const struct inject_args *args, struct str head);

#endif
