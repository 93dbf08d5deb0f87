/* One attempt's worth of work: recipients of one message that stand in one line and are due. They are busy until the attempt's
 * outcome is written, and are not started again meanwhile.
 *
 *     store/<n>  an LMTP session of the worker
 *     hop/...    an attempt that asks route.h
 *     lookup     a question to auth each: its answer names the account, and the recipient changes lines; or the targets of an alias
 *
 * Whoever stands in the wrong line (the configuration changed, or it has none yet) is moved instead. */
#include "queue/runner_priv.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"

enum {
    RECIPIENTS_MOST = 100,
    MEMORY_MOST = 32 * 1024 * 1024, /* what is under way is read, too */
    ACCOUNT_MOST = 4096,
    KEY_MOST = 1024,
    POSTPONE_MS = 60 * 60 * 1000
};

/* ---- the end ---- */

void job_free(struct job *j)
{
    struct runner *r = j->runner;
    for (size_t i = 0; i < j->count; i++) {
        (void)map_remove(r->busy, map_id(&j->recipients[i]->id));
    }
    list_remove(&j->node);
    attempt_free(&j->attempt);
    place_remove_job(r, j->place, j->count);
    map_free(&j->there);
    arena_free(&j->arena);
    free(j);
}

static void end(struct job *j, enum err e)
{
    struct runner *r = j->runner;
    if (e != ERR_OK) {
        log_error("queue: cannot note what became of message %llu",
                  (unsigned long long)j->message.id);
        runner_pause(r);
    }
    job_free(j);
    if (e != ERR_OK) {
        settle_keep_served(r);
    }
    runner_wake(r);
}

static void finish(struct job *j, const struct smtp_outcome *outcomes)
{
    enum err e = place_succeed(j->runner, j->place);
    end(j, e == ERR_OK ? settle_job(j, outcomes) : e);
}

struct str job_get_remote(const struct job *j, const struct smtp_outcome *o)
{
    bool is_remote = j->place->kind == PLACE_HOP && o->is_from_server;
    return is_remote ? attempt_get_host(j->attempt) : STR_EMPTY;
}

/* Nobody was there: the line waits, and these recipients say why. Their own count of attempts is not touched. */
static enum err note_unreachable(struct job *j, struct str reply, struct str host)
{
    TRY(place_fail(j->runner, j->place, reply));
    for (size_t i = 0; i < j->count; i++) {
        j->recipients[i]->last_reply = reply;
        j->recipients[i]->last_host = host;
        TRY(queue_update(j->runner->args.queue, j->recipients[i]));
    }
    return ERR_OK;
}

static struct str write_reply(struct arena *a, enum err e)
{
    const struct err_info *info = err_get_info(e);
    return arena_printf(a, "%d %s %s", info->smtp, info->enhanced, info->text);
}

static void on_attempt_done(void *owner, struct attempt *a)
{
    struct job *j = owner;
    struct smtp_outcome *outcomes = arena_array(j->arena, struct smtp_outcome, j->count);
    if (outcomes == NULL) {
        end(j, ERR_LIMIT);
        return;
    }
    for (size_t i = 0; i < j->count; i++) {
        outcomes[i] = attempt_get_outcome(a, i);
    }
    if (attempt_is_unreachable(a)) {
        log_info("queue: message %llu waits: %.*s", (unsigned long long)j->message.id,
                 STR_ARG(outcomes[0].reply));
        end(j, note_unreachable(j, outcomes[0].reply, job_get_remote(j, &outcomes[0])));
    } else {
        finish(j, outcomes);
    }
}

/* ---- look-ups ---- */

static enum err note_found(struct job *j, struct queue_recipient *q, const struct mail_found *found)
{
    if (found->user.n == 0) {
        return expand_job(j, q, found);
    }
    TRY(queue_set_user(j->runner->args.queue, q->id, found->user));
    struct mail_recipient to = q->to;
    to.user = found->user;
    CLEANUP(buf_release) struct buf key = BUF_INIT(KEY_MOST);
    place_write_key(j->runner, &to, &key);
    return queue_sort(j->runner->args.queue, q, buf_str(&key));
}

static bool is_about_recipient(enum err e)
{
    return e == ERR_NO_USER || e == ERR_LOOP || e == ERR_LIMIT;
}

/* Those who could not be asked about wait with their line. */
static enum err note_unanswered(struct job *j)
{
    struct runner *r = j->runner;
    struct str reply = write_reply(j->arena, ERR_UNAVAILABLE);
    bool is_down = false;
    for (size_t i = 0; i < j->count; i++) {
        struct queue_recipient *q = j->recipients[i];
        if (j->looks[i].err != ERR_OK && !is_about_recipient(j->looks[i].err)) {
            is_down = true;
            q->last_reply = reply;
            q->last_host = STR_EMPTY;
            TRY(queue_update(r->args.queue, q));
        }
    }
    return is_down ? place_fail(r, j->place, reply) : place_succeed(r, j->place);
}

/* What is left to tell about some; the others leave the job. */
static enum err settle_looks(struct job *j)
{
    struct smtp_outcome *outcomes = arena_array(j->arena, struct smtp_outcome, j->count);
    if (outcomes == NULL) {
        return ERR_LIMIT;
    }
    TRY(note_unanswered(j));
    size_t kept = 0;
    for (size_t i = 0; i < j->count; i++) {
        struct queue_recipient *q = j->recipients[i];
        enum err e = j->looks[i].err;
        if (!is_about_recipient(e)) {
            (void)map_remove(j->runner->busy, map_id(&q->id));
            j->place->busy--;
            continue;
        }
        outcomes[kept] = (struct smtp_outcome){
            .kind = e == ERR_LIMIT ? SMTP_OUTCOME_LATER : SMTP_OUTCOME_FAILED,
            .reply = write_reply(j->arena, e),
        };
        j->recipients[kept++] = q;
    }
    j->count = kept;
    return settle_job(j, outcomes);
}

static void drop_look(struct job *j)
{
    j->open_looks--;
    if (j->open_looks == 0) {
        end(j, j->err == ERR_OK ? settle_looks(j) : j->err);
    }
}

static void on_found(void *asker, enum err e, const struct mail_found *found)
{
    struct look *l = asker;
    struct job *j = l->job;
    size_t i = (size_t)(l - j->looks);
    l->is_open = false;
    l->err = e == ERR_OK || e == ERR_NO_USER ? e : ERR_UNAVAILABLE;
    if (e == ERR_OK && j->err == ERR_OK) {
        e = note_found(j, j->recipients[i], found);
        bool is_about_it = e == ERR_LOOP || e == ERR_LIMIT;
        l->err = is_about_it ? e : ERR_OK;
        j->err = is_about_it ? ERR_OK : e;
    }
    drop_look(j);
}

/* All at once, so that what is unknown is reported together; the answers may come from inside the question. */
static void look_up(void *owner)
{
    struct job *j = owner;
    const struct runner_host *h = &j->runner->args.host;
    j->open_looks = j->count + 1;
    for (size_t i = 0; i < j->count; i++) {
        j->looks[i] = (struct look){.job = j, .is_open = true};
        h->find_user(h->owner, j->recipients[i]->to.address, on_found, &j->looks[i]);
    }
    drop_look(j);
}

void job_forget(struct job *j)
{
    const struct runner_host *h = &j->runner->args.host;
    for (size_t i = 0; i < j->count; i++) {
        if (j->looks[i].is_open) {
            h->forget(h->owner, &j->looks[i]);
        }
    }
    loop_cancel_deferred(j->runner->args.loop, j);
}

/* ---- the start ---- */

/* Decided from a fresh stack. */
static void note_no_worker(void *owner)
{
    struct job *j = owner;
    end(j, note_unreachable(j, write_reply(j->arena, ERR_UNAVAILABLE), STR_EMPTY));
}

static void start_attempt(struct job *j, const struct attempt_route *route)
{
    struct runner *r = j->runner;
    struct attempt_args args = {
        .loop = r->args.loop,
        .queue = r->args.queue,
        .hostname = r->args.hostname,
        .message = &j->message,
        .recipients = j->envelope,
        .recipient_count = j->count,
        .route = *route,
        .on_done = on_attempt_done,
        .owner = j,
    };
    j->attempt = attempt_new(&args);
}

static void start_hop(struct job *j)
{
    struct str address = j->recipients[0]->to.address;
    struct attempt_route route = {
        .routes = j->runner->args.routes,
        .domain = str_skip(address, str_find_last_char(address, '@') + 1),
    };
    start_attempt(j, &route);
}

static void start_worker(struct job *j)
{
    const struct runner_args *args = &j->runner->args;
    struct stream *s = args->host.open_store(args->host.owner, j->place->worker);
    if (s == NULL) {
        loop_defer(args->loop, note_no_worker, j);
        return;
    }
    struct attempt_route route = {.lmtp = s};
    start_attempt(j, &route);
}

/* What the next hop is told about q: a worker gets the account, and the address as the original recipient. */
static struct mail_recipient make_envelope(struct job *j, const struct queue_recipient *q)
{
    struct mail_recipient m = q->to;
    if (j->place->kind == PLACE_WORKER) {
        CLEANUP(buf_release) struct buf path = BUF_INIT(ACCOUNT_MOST);
        size_t at = str_find_last_char(q->to.user, '@');
        smtp_address_write(&path, str_sub(q->to.user, 0, at), str_skip(q->to.user, at + 1));
        m.address = arena_str(j->arena, buf_str(&path));
        m.orcpt = arena_printf(j->arena, "%.*s;%.*s", STR_ARG(smtp_orcpt_get_type(q->to.address)),
                               STR_ARG(q->to.address));
    }
    return m;
}

/* Takes what is free into the job; what stands in the wrong line is moved. */
static enum err take_recipients(struct job *j, size_t *moved)
{
    struct runner *r = j->runner;
    struct str line = buf_str(&j->place->key);
    CLEANUP(buf_release) struct buf key = BUF_INIT(KEY_MOST);
    for (size_t i = 0; i < j->message.recipient_count && j->count < RECIPIENTS_MOST; i++) {
        struct queue_recipient *q = &j->message.recipients[i];
        if (runner_is_busy(r, q->id)) {
            continue;
        }
        buf_clear(&key);
        place_write_key(r, &q->to, &key);
        if (j->place->kind == PLACE_UNSORTED || !str_eq(buf_str(&key), line)) {
            TRY(queue_sort(r->args.queue, q, buf_str(&key)));
            ++*moved;
            continue;
        }
        j->envelope[j->count] = make_envelope(j, q);
        j->recipients[j->count++] = q;
        j->place->busy++;
        (void)map_put(r->busy, map_id(&q->id), j);
    }
    return ERR_OK;
}

static struct job *job_new(struct runner *r, struct place *p)
{
    struct job *j = mem_new(sizeof(*j));
    j->runner = r;
    j->place = p;
    j->arena = arena_new(MEMORY_MOST);
    list_append(&r->jobs, &j->node);
    place_add_job(r, p);
    return j;
}

static enum err load(struct job *j, uint64_t message_id)
{
    struct runner *r = j->runner;
    struct queue_line line = {message_id, j->place->id, runner_now_ms(r)};
    size_t most = RECIPIENTS_MOST + j->place->busy + r->unsettled.count;
    TRY(queue_load_due(r->args.queue, j->arena, &line, most, &j->message));
    j->recipients = arena_array(j->arena, struct queue_recipient *, RECIPIENTS_MOST);
    j->envelope = arena_array(j->arena, struct mail_recipient, RECIPIENTS_MOST);
    j->looks = arena_array(j->arena, struct look, RECIPIENTS_MOST);
    bool is_full = j->recipients == NULL || j->envelope == NULL || j->looks == NULL;
    return is_full ? ERR_LIMIT : ERR_OK;
}

/* A message that cannot be read must not stand at the head of the line for ever. */
static void postpone(struct runner *r, uint64_t message_id, enum err e)
{
    uint64_t count = 0;
    log_error("queue: message %llu cannot be read: %s", (unsigned long long)message_id,
              err_get_info(e)->meaning);
    if (queue_postpone(r->args.queue, message_id, runner_now_ms(r) + POSTPONE_MS, &count)
        != ERR_OK) {
        runner_pause(r);
    }
}

static void start(struct job *j)
{
    if (j->place->kind == PLACE_HOP) {
        start_hop(j);
    } else if (j->place->kind == PLACE_WORKER) {
        start_worker(j);
    } else {
        loop_defer(j->runner->args.loop, look_up, j);
    }
}

bool job_start(struct runner *r, struct place *p, uint64_t message_id)
{
    struct job *j = job_new(r, p);
    size_t moved = 0;
    enum err e = load(j, message_id);
    if (e == ERR_OK) {
        e = take_recipients(j, &moved);
    } else {
        postpone(r, message_id, e);
    }
    bool has_done = j->count > 0 || moved > 0;
    if (e != ERR_OK || j->count == 0) {
        job_free(j);
        return e == ERR_OK && has_done;
    }
    start(j);
    return true;
}
