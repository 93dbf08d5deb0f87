#ifndef LIMETTA_SEARCH_THREAD_TREE_H
#define LIMETTA_SEARCH_THREAD_TREE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "search/order.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Threads out of messages (RFC 5256, BASE.6.4.THREAD), without the store: messages go in one by one, by rising sequence number, a
 * forest comes out. */

enum thread_algorithm {
    THREAD_ORDEREDSUBJECT,
    THREAD_REFERENCES,
    THREAD_REFS /* as REFERENCES, without joining by subject; threads by their latest message */
};

/* What matters of a message. Borrowed while it is added. */
struct thread_message {
    uint32_t seq;
    int64_t date_s;        /* sent date */
    int64_t arrival_s;     /* internal date */
    struct str subject;    /* collation key of the base subject (mime/collate.h) */
    bool is_reply;         /* as the subject says */
    struct str message_id; /* the fields, raw and unfolded; empty: absent */
    struct str references;
    struct str in_reply_to;
};

/* Node 0 is above all threads; as a child or a sibling it means none. */
struct thread_node {
    uint32_t seq; /* 0: a message that is not there (a dummy) */
    uint32_t parent;
    uint32_t child; /* first */
    uint32_t last;  /* child */
    uint32_t next;  /* sibling */
    /* the algorithm's */
    uint32_t subject;     /* number of the subject; 0: empty */
    uint32_t child_count; /* while linking: how many have it as parent */
    uint32_t top;         /* dummy: what it was joined with; REFS: towards the top of the thread */
    bool is_reply;
    bool is_placed; /* dummy: it stands among the threads */
    int64_t latest; /* REFS: internal date, then of the thread's latest message */
};

struct thread_tree {
    enum thread_algorithm algorithm;
    VEC(struct thread_node) nodes;
    VEC(struct order_item) dated; /* of messages; goes to order */
    struct order order;
    struct map *ids;      /* message id to node */
    struct map *subjects; /* key to number */
    VEC(uint32_t) roots;  /* in order of date */
    uint32_t *table;      /* subject to node */
    struct buf id;        /* scratch */
    uint64_t work;        /* units done beside what is counted */
    uint64_t walked;      /* steps of walks, for the message being added */
    uint64_t octets;      /* taken by nodes, with their ids */
    unsigned phase;
    size_t at; /* of the phase */
};

void thread_tree_init(struct thread_tree *t, enum thread_algorithm algorithm);
void thread_tree_release(struct thread_tree *t);
/* Errors: ERR_LIMIT: more messages and references than one command may have. */
MUST_USE enum err thread_tree_add(struct thread_tree *t, const struct thread_message *m);
/* All messages are in: makes the threads, until the budget is used; true: nodes are a forest in order. */
bool thread_tree_step(struct thread_tree *t, uint64_t *budget);

#endif
