/* The queue at work, in turns. A turn asks which destinations have somebody due and do not wait, and starts attempts to
 * each of them in rounds, those with the fewest first, as far as the bounds allow (place.c). What an attempt serves is a
 * job (job.c); what became of it goes into the transaction of the loop turn (settle.c), whose commit wakes the next turn. What
 * the time demands is looked at in the same turns (deadline.c). Nothing here depends on how much waits.
 *
 *     find destinations due  ->  first in their lines  ->  job  ->  attempt  ->  outcomes  ->  rows and reports  ->  commit
 */
#include "queue/runner_priv.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/mem.h"

enum {
    PLACES_MOST = 128, /* destinations that a turn looks at, besides those at work */
    MOVES_MOST =
        500, /* starts of a turn: what is moved to its line starts nothing and is not bounded otherwise */
    TURN_MEMORY_MOST = 4 * 1024 * 1024,
    KEY_MOST = 64,
    SWEEP_MOST = 500,
    SWEEP_PAUSE_MS = 20,
    PAUSE_MS = 30 * 1000
};

/* A destination in the rounds of a turn. */
struct candidate {
    struct queue_destination destination; /* key: in the turn's arena */
    unsigned jobs;
    bool is_done;
};

struct turn {
    struct runner *runner;
    struct arena *arena;
    VEC(struct candidate) candidates;
};

bool runner_is_local(struct str domains, struct str address)
{
    size_t at = str_find_last_char(address, '@');
    struct str domain = str_skip(address, at + 1);
    return str_has_word_nocase(domains, domain);
}

uint32_t runner_get_random(void)
{
    uint32_t random = 0;
    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
    return random;
}

void runner_note_due(void *owner, uint64_t message_id, uint64_t recipient_id)
{
    struct runner *r = owner;
    if (!runner_is_busy(r, recipient_id)) {
        vec_push(&r->due, (struct due){message_id, recipient_id});
    }
}

static void note_destination(void *owner, const struct queue_destination *d)
{
    struct turn *t = owner;
    const struct place *p = map_find(t->runner->places, map_id(&d->id));
    struct candidate c = {.destination = *d, .jobs = p != NULL ? p->jobs : 0};
    c.destination.key = arena_str(t->arena, d->key);
    vec_push(&t->candidates, c);
}

/* The next job for a destination. False: nobody is due, or there is no room. */
static bool start_next(struct runner *r, const struct queue_destination *d)
{
    struct place *p = place_get(r, d);
    bool has_started = false;
    if (place_may_start(r, p)) {
        vec_clear(&r->due);
        unsigned most = (unsigned)(p->busy + r->unsettled.count) + 1;
        enum err e =
            queue_find_due(r->args.queue, d->id, runner_now_ms(r), most, runner_note_due, r);
        if (e != ERR_OK) {
            runner_pause(r);
        }
        if (e == ERR_OK && r->due.count > 0) {
            p->jobs++; /* so that it stays while the job is made */
            has_started = job_start(r, p, r->due.at[0].message_id);
            p->jobs--;
        }
    }
    place_drop(r, p);
    return has_started;
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    return (x->jobs > y->jobs) - (x->jobs < y->jobs);
}

static void run_rounds(struct turn *t)
{
    struct runner *r = t->runner;
    unsigned moves = 0;
    bool has_more = true;
    while (has_more) {
        has_more = false;
        for (size_t i = 0; i < t->candidates.count && !r->is_paused; i++) {
            struct candidate *c = &t->candidates.at[i];
            c->is_done = c->is_done || moves++ >= MOVES_MOST || !start_next(r, &c->destination);
            has_more = has_more || !c->is_done;
        }
    }
}

/* Ourselves by name: were they asked for by time only, very many hops that are due but have no room would hide them. */
static enum err find_places(struct turn *t, uint64_t now)
{
    struct queue *q = t->runner->args.queue;
    unsigned most = (unsigned)map_get_count(t->runner->places) + PLACES_MOST;
    TRY(queue_find_named(q, STR("store/"), now, PLACES_MOST, note_destination, t));
    TRY(queue_find_named(q, STR("lookup"), now, PLACES_MOST, note_destination, t));
    return queue_find_destinations(q, now, most, note_destination, t);
}

static void run_due(struct runner *r, uint64_t now)
{
    struct turn t = {r, arena_new(TURN_MEMORY_MOST), VEC_INIT};
    enum err e = find_places(&t, now);
    if (e == ERR_OK && t.candidates.count > 0) {
        qsort(t.candidates.at, t.candidates.count, sizeof(struct candidate), compare_candidates);
        run_rounds(&t);
    } else if (e != ERR_OK) {
        runner_pause(r);
    }
    vec_release(&t.candidates);
    arena_free(&t.arena);
}

static void set_timer(struct runner *r, uint64_t now)
{
    uint64_t next = UINT64_MAX;
    if (r->is_paused || queue_get_next_ms(r->args.queue, now, &next) != ERR_OK) {
        return;
    }
    next = now < r->tell_from_ms && r->tell_from_ms < next ? r->tell_from_ms : next;
    if (next != UINT64_MAX) {
        timer_start(r->timer, next > now ? next - now : 1);
    }
}

static void run(struct runner *r)
{
    uint64_t now = runner_now_ms(r);
    if (now >= r->tell_from_ms && deadline_run(r, now) != ERR_OK) {
        runner_pause(r);
        return;
    }
    run_due(r, now);
    set_timer(r, now);
}

static void on_deferred(void *owner)
{
    struct runner *r = owner;
    r->is_running = false;
    /* What is not committed is not there yet: the role wakes us after the commit. */
    if (!r->is_paused && !queue_has_pending(r->args.queue)) {
        run(r);
    }
}

static void on_timer(void *owner)
{
    struct runner *r = owner;
    r->is_paused = r->is_stopping;
    if (settle_old(r) != ERR_OK) {
        runner_pause(r);
    }
    runner_wake(r);
}

void runner_wake(struct runner *r)
{
    if (!r->is_running) {
        r->is_running = true;
        loop_defer(r->args.loop, on_deferred, r);
    }
}

void runner_stop(struct runner *r)
{
    r->is_stopping = true;
    r->is_paused = true;
}

void runner_pause(struct runner *r)
{
    r->is_paused = true;
    timer_start(r->timer, PAUSE_MS);
}

static void end_wait(struct runner *r, struct str key)
{
    if (queue_end_wait(r->args.queue, key) != ERR_OK) {
        log_warn("queue: %.*s keeps waiting", STR_ARG(key));
    }
    runner_wake(r);
}

void runner_on_worker(struct runner *r, unsigned worker)
{
    CLEANUP(buf_release) struct buf key = BUF_INIT(KEY_MOST);
    buf_addf(&key, "store/%u", worker);
    end_wait(r, buf_str(&key));
}

void runner_on_auth(struct runner *r)
{
    end_wait(r, STR("lookup"));
}

static void sweep(void *owner)
{
    struct runner *r = owner;
    if (queue_sweep(r->args.queue, SWEEP_MOST)) {
        timer_start(r->sweeper, SWEEP_PAUSE_MS);
    }
}

static uint64_t get_tell_ms(void *owner, const struct queue_message *m,
                            const struct queue_recipient *q)
{
    return schedule_get_tell_ms(&((struct runner *)owner)->args.schedule, m, q);
}

struct runner *runner_new(const struct runner_args *args)
{
    struct runner *r = mem_new(sizeof(*r));
    r->args = *args;
    list_init(&r->jobs);
    r->busy = map_new();
    r->places = map_new();
    r->tell_from_ms = loop_wall_ms(args->loop) + QUEUE_GRACE_MS;
    r->wait.on_commit = settle_on_commit;
    list_init(&r->wait.node);
    r->timer = timer_new(args->loop, on_timer, r);
    r->sweeper = timer_new(args->loop, sweep, r);
    timer_start(r->sweeper, SWEEP_PAUSE_MS);
    queue_set_rules(args->queue, &(struct queue_rules){place_write_key, get_tell_ms,
                                                       args->schedule.lifetime_ms, r});
    runner_wake(r);
    return r;
}

void runner_free(struct runner **r)
{
    if (*r == NULL) {
        return;
    }
    struct runner *gone = *r;
    *r = NULL;
    queue_set_rules(gone->args.queue, NULL);
    list_each_safe(node, &gone->jobs)
    {
        struct job *j = (struct job *)node;
        job_forget(j);
        job_free(j);
    }
    loop_cancel_deferred(gone->args.loop, gone);
    queue_wait_cancel(&gone->wait);
    vec_release(&gone->served);
    vec_release(&gone->unsettled);
    timer_free(&gone->timer);
    timer_free(&gone->sweeper);
    map_free(&gone->busy);
    place_free_all(gone);
    vec_release(&gone->due);
    free(gone);
}
