#ifndef LIMETTA_MAIN_QUEUE_DESK_H
#define LIMETTA_MAIN_QUEUE_DESK_H

#include "base/str.h"
#include "net/loop.h"
#include "queue/queue.h"
#include "queue/runner.h"

/* Where the operator's tool speaks to the running queue: a Unix socket in the state folder. */
struct queue_desk;

struct queue_desk_args {
    struct loop *loop;
    struct queue *queue;
    struct runner *runner;
    struct str hostname;
};

/* Borrowed while it lives. */
struct queue_desk *queue_desk_new(const struct queue_desk_args *args);
/* A listening Unix socket; taken. */
void queue_desk_add(struct queue_desk *d, int fd);
void queue_desk_free(struct queue_desk **d);

#endif
