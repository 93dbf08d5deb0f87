#ifndef LIMETTA_QUEUE_RUNNER_H
#define LIMETTA_QUEUE_RUNNER_H

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/stream.h"
#include "queue/queue.h"
#include "queue/route.h"
#include "queue/schedule.h"

#include <stdint.h>

/* Works the queue off: starts attempts for what is due, notes their outcomes, reports to senders, sets the next times. */
struct runner;

enum { RUNNER_JOBS_MOST = 100, RUNNER_JOBS_PER_DESTINATION = 20 }; /* unless configured */

struct runner_host {
    /* A new LMTP session at store worker index; NULL: not there now. */
    struct stream *(*open_store)(void *owner, unsigned worker);
    /* Who has this local address? answer is called once, perhaps at once: ERR_OK and found, borrowed for the call, ERR_NO_USER,
     * ERR_UNAVAILABLE. */
    void (*find_user)(void *owner, struct str address,
                      void (*answer)(void *asker, enum err e, const struct mail_found *found),
                      void *asker);
    /* asker wants no answers any more. */
    void (*forget)(void *owner, void *asker);
    void *owner;
};

/* Borrowed while the runner lives. */
struct runner_args {
    struct loop *loop;
    struct queue *queue;
    struct str hostname;
    struct str domains;    /* space-separated: addresses there are local */
    unsigned workers;      /* store workers */
    struct routes *routes; /* to everywhere else */
    struct schedule schedule;
    unsigned jobs_most;            /* attempts to next hops at once */
    unsigned jobs_per_destination; /* of these, to one */
    struct runner_host host;
};

struct runner *runner_new(const struct runner_args *args);
/* Attempts under way are given up; their recipients stay in the queue. */
void runner_free(struct runner **r);
/* Something may be due: after each commit, and when a store worker or the relay is back. */
void runner_wake(struct runner *r);
/* A commit failed: what was noted is lost. Stops for a while, so as not to deliver again and again. */
void runner_pause(struct runner *r);
/* No new attempts from now on; those under way go on. */
void runner_stop(struct runner *r);
/* The store worker is back: its recipients need not wait. */
void runner_on_worker(struct runner *r, unsigned worker);

/* The account look-up is back. */
void runner_on_auth(struct runner *r);

/* What is going on, and what became of recipients since the start. */
enum runner_outcome {
    RUNNER_DELIVERED,
    RUNNER_RELAYED,
    RUNNER_EXPANDED,
    RUNNER_DEFERRED, /* attempts in vain */
    RUNNER_FAILED,
    RUNNER_OUTCOMES
};
struct runner_status {
    unsigned local_jobs;
    unsigned remote_jobs;
    size_t busy; /* recipients in them */
    uint64_t outcomes[RUNNER_OUTCOMES];
};
struct runner_status runner_get_status(const struct runner *r);
/* Has an attempt this recipient in its hands? */
bool runner_has(const struct runner *r, uint64_t recipient_id);
/* The same and the queue's sizes as OpenMetrics families. */
void runner_write_metrics(struct runner *r, struct buf *out);

/* Is the address's domain one of the space-separated domains? */
bool runner_is_local(struct str domains, struct str address);

#endif
