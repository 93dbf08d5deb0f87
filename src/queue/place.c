/* Destinations at work. Each recipient has exactly one, by its address and our configuration:
 *
 *     store/<n>      an account here: the worker that owns it
 *     lookup         an address of ours whose account is not known yet
 *     hop/<words>    any other: the next hop, as route.h knows it
 *
 * Words are kept with the recipient. When the configuration changes (more workers, another relay), the words in the queue
 * are old; a job compares before it starts, and moves what stands in the wrong line (job.c).
 *
 * A destination that cannot be reached waits as a whole: its failures in a row set the time, and when it is over one
 * attempt goes first, before the others follow. Mail that is answered 4yz waits by itself; that is not the host's trouble.
 *
 * Attempts to the world and attempts to ourselves have bounds of their own, so that a hundred slow hosts do not keep
 * local mail waiting; and of the world's, one destination may have only so many: few, until one has reached it. */
#include "queue/runner_priv.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/ticket.h"
#include "queue/schedule.h"

enum {
    LOCAL_JOBS_MOST = 64,
    LOCAL_PLACE_JOBS_MOST = 32,
    UNKNOWN_PLACE_JOBS_MOST = 4, /* of the world: nobody has reached it yet */
    KEY_MOST = 1024,
    WORKERS_MOST = 4096
};

void place_write_key(void *runner, const struct mail_recipient *to, struct buf *key)
{
    const struct runner *r = runner;
    if (to->user.n > 0) {
        buf_addf(key, "store/%u", ticket_get_worker(to->user, r->args.workers));
    } else if (runner_is_local(r->args.domains, to->address)) {
        buf_add(key, STR("lookup"));
    } else {
        struct str domain = str_skip(to->address, str_find_last_char(to->address, '@') + 1);
        buf_add(key, STR("hop/"));
        if (routes_write_key(r->args.routes, domain, key) != ERR_OK) {
            buf_clear(key);
            buf_add(key, STR("hop/")); /* the attempt will say that it is not taken */
        }
    }
}

static void read_key(struct place *p, struct str key)
{
    uint64_t worker = 0;
    if (p->id == QUEUE_UNSORTED) {
        p->kind = PLACE_UNSORTED;
    } else if (str_starts(key, STR("store/"))
               && str_to_u64(str_skip(key, 6), WORKERS_MOST, &worker)) {
        p->kind = PLACE_WORKER;
        p->worker = (unsigned)worker;
    } else {
        p->kind = str_eq(key, STR("lookup")) ? PLACE_LOOKUP : PLACE_HOP;
    }
}

struct place *place_get(struct runner *r, const struct queue_destination *d)
{
    struct place *p = map_find(r->places, map_id(&d->id));
    if (p == NULL) {
        p = mem_new(sizeof(*p));
        p->id = d->id;
        buf_init(&p->key, KEY_MOST);
        buf_add(&p->key, d->key);
        read_key(p, d->key);
        (void)map_put(r->places, map_id(&p->id), p);
    }
    p->failures = d->failures;
    p->wait_ms = d->wait_ms;
    return p;
}

static void place_free(struct place *p)
{
    buf_release(&p->key);
    free(p);
}

void place_drop(struct runner *r, struct place *p)
{
    if (p->jobs == 0) {
        (void)map_remove(r->places, map_id(&p->id));
        place_free(p);
    }
}

void place_free_all(struct runner *r)
{
    size_t at = 0;
    struct str id;
    void *p = NULL;
    while (map_next(r->places, &at, &id, &p)) {
        place_free(p);
    }
    map_free(&r->places);
}

static bool is_remote(const struct place *p)
{
    return p->kind == PLACE_HOP;
}

bool place_may_start(const struct runner *r, const struct place *p)
{
    unsigned most = is_remote(p) ? r->args.jobs_per_destination : LOCAL_PLACE_JOBS_MOST;
    bool is_unknown = is_remote(p) && !p->is_reached;
    most = is_unknown && most > UNKNOWN_PLACE_JOBS_MOST ? UNKNOWN_PLACE_JOBS_MOST : most;
    most = p->failures > 0 ? 1 : most;
    bool has_room =
        is_remote(p) ? r->remote_jobs < r->args.jobs_most : r->local_jobs < LOCAL_JOBS_MOST;
    return has_room && p->jobs < most;
}

void place_add_job(struct runner *r, struct place *p)
{
    p->jobs++;
    r->remote_jobs += is_remote(p);
    r->local_jobs += !is_remote(p);
}

void place_remove_job(struct runner *r, struct place *p, size_t recipients)
{
    p->jobs--;
    p->busy -= recipients;
    r->remote_jobs -= is_remote(p);
    r->local_jobs -= !is_remote(p);
    place_drop(r, p);
}

enum err place_fail(struct runner *r, struct place *p, struct str reply)
{
    uint64_t now = runner_now_ms(r);
    if (p->failures > 0 && now < p->wait_ms) {
        return ERR_OK; /* one of several that were under way */
    }
    bool is_local = !is_remote(p);
    p->failures++;
    p->is_reached = false;
    uint64_t wait =
        schedule_get_wait_ms(&r->args.schedule, p->failures, is_local, runner_get_random());
    wait = is_local && wait > SCHEDULE_MOST_LOCAL_MS ? SCHEDULE_MOST_LOCAL_MS : wait;
    p->wait_ms = now + wait;
    log_info("queue: %.*s waits for %llu s after %u failures: %.*s", STR_ARG(buf_str(&p->key)),
             (unsigned long long)(wait / 1000), p->failures, STR_ARG(reply));
    return queue_set_wait(r->args.queue, p->id, p->failures, p->wait_ms, reply);
}

enum err place_succeed(struct runner *r, struct place *p)
{
    p->is_reached = true;
    if (p->failures == 0) {
        return ERR_OK;
    }
    p->failures = 0;
    p->wait_ms = 0;
    return queue_set_wait(r->args.queue, p->id, 0, 0, STR_EMPTY);
}
