#ifndef LIMETTA_QUEUE_RUNNER_PRIV_H
#define LIMETTA_QUEUE_RUNNER_PRIV_H

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "base/vec.h"
#include "queue/attempt.h"
#include "queue/dsn.h"
#include "queue/runner.h"

/* What the files of the runner share: runner.c (turns), place.c (destinations), job.c (attempts), settle.c (outcomes),
 * deadline.c (time). */

enum place_kind { PLACE_UNSORTED, PLACE_WORKER, PLACE_LOOKUP, PLACE_HOP };

/* A destination while something is under way to it. */
struct place {
    uint64_t id;
    struct buf key;
    enum place_kind kind;
    unsigned worker;
    unsigned jobs;
    size_t busy; /* recipients in them */
    uint32_t failures;
    uint64_t wait_ms;
    bool is_reached; /* by one of the jobs, lately */
};

/* A question to auth about one recipient of a job. */
struct look {
    struct job *job;
    enum err err; /* what the answer means for it; ERR_OK: it has left the line */
    bool is_open;
};

/* What one attempt serves: recipients of one message that stand in one line. */
struct job {
    struct list node;
    struct runner *runner;
    struct place *place;
    struct arena *arena;
    struct queue_message message;
    struct queue_recipient **recipients; /* of message */
    struct mail_recipient *envelope;     /* the same, as the next hop is told */
    size_t count;
    struct attempt *attempt;
    struct look *looks; /* one a recipient */
    size_t open_looks;
    enum err err;      /* something could not be noted */
    struct map *there; /* who gets the message already (expand.c); NULL: not read */
    uint64_t there_at; /* runner->expansions when it was read */
};

struct due {
    uint64_t message_id;
    uint64_t recipient_id;
};

struct runner {
    struct runner_args args;
    struct queue_wait wait;
    VEC(struct due) served;    /* taken out in the transaction that is open */
    VEC(struct due) unsettled; /* served, but the row is still there; they stay busy */
    struct timer *timer;
    struct timer *sweeper;
    struct list jobs;
    unsigned local_jobs;
    unsigned remote_jobs;
    struct map *busy;   /* recipient id -> job */
    struct map *places; /* destination id -> place */
    VEC(struct due) due;
    uint64_t outcomes[RUNNER_OUTCOMES];
    uint64_t tell_from_ms; /* after a start everything is tried before anything is given up */
    uint64_t expansions;   /* recipients added so far */
    bool is_paused;
    bool is_stopping; /* paused for good */
    bool is_running;
};

static inline uint64_t runner_now_ms(const struct runner *r)
{
    return loop_wall_ms(r->args.loop);
}

static inline bool runner_is_busy(const struct runner *r, uint64_t recipient_id)
{
    return map_find(r->busy, map_id(&recipient_id)) != NULL;
}

uint32_t runner_get_random(void);
/* The recipients that the question found and that are not busy. */
void runner_note_due(void *owner, uint64_t message_id, uint64_t recipient_id);

/* place.c */

/* The key of the destination of a recipient: "store/<worker>", "lookup", "hop/<words of route.h>". */
void place_write_key(void *runner, const struct mail_recipient *to, struct buf *key);
/* The place of a destination, made when it is not there: to be dropped again. */
struct place *place_get(struct runner *r, const struct queue_destination *d);
/* Frees it when nothing is under way. */
void place_drop(struct runner *r, struct place *p);
void place_free_all(struct runner *r);
bool place_may_start(const struct runner *r, const struct place *p);
void place_add_job(struct runner *r, struct place *p);
void place_remove_job(struct runner *r, struct place *p, size_t recipients);
/* Nobody was there: the whole line waits. reply: why. Pending. */
MUST_USE enum err place_fail(struct runner *r, struct place *p, struct str reply);
/* Somebody was there. Pending. */
MUST_USE enum err place_succeed(struct runner *r, struct place *p);

/* job.c */

/* Starts the next job of the message in the place's line. False: there was nothing to do. */
bool job_start(struct runner *r, struct place *p, uint64_t message_id);
void job_free(struct job *j);
/* Takes its questions back, and what it has deferred. */
void job_forget(struct job *j);

/* settle.c */

/* What became of one recipient. */
struct verdict {
    struct queue_recipient *recipient;
    bool is_over; /* it leaves the queue */
    bool is_told; /* the sender hears of it: */
    struct dsn_recipient entry;
};
/* What the time says about q; notes in q what is told. Words are in a. */
struct verdict settle_by_time(struct runner *r, struct arena *a, const struct queue_message *m,
                              struct queue_recipient *q);
/* Takes the recipients out or notes their state, and adds one report about all of which the sender hears. Pending. */
MUST_USE enum err settle_write(struct runner *r, struct arena *a, const struct queue_message *m,
                               const struct verdict *verdicts, size_t count);
/* Writes what became of the job's recipients; outcomes in their order. */
/* The host outside that spoke this outcome of the job's attempt; empty: nobody did, or one of us. Borrowed from the attempt. */
struct str job_get_remote(const struct job *j, const struct smtp_outcome *o);
MUST_USE enum err settle_job(struct job *j, const struct smtp_outcome *outcomes);
/* What was to be taken out is still there: it stays busy, so that nobody is served again. */
void settle_keep_served(struct runner *r);
/* Takes out what could not be taken out before. */
MUST_USE enum err settle_old(struct runner *r);
void settle_on_commit(struct queue_wait *w, enum err e);

/* expand.c */

/* Puts the targets of an alias in the place of the job's recipient q. Pending. Errors: ERR_LOOP, ERR_LIMIT (the message has more
 * recipients than can be compared now; nothing is changed); others of the queue. */
MUST_USE enum err expand_job(struct job *j, struct queue_recipient *q,
                             const struct mail_found *found);

/* deadline.c */

/* Tells senders, and gives up, what the time says. Pending. */
MUST_USE enum err deadline_run(struct runner *r, uint64_t now_ms);

#endif
