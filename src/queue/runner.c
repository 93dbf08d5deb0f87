/* From due rows to attempts and back. A job is what one attempt serves: recipients of one message with one destination,
 *
 *     an account here      -> LMTP session of the store worker that owns it
 *     a local address whose account is not known yet (reports to senders)  -> ask auth, note the account, then as above
 *     any other address    -> SMTP to the relay host
 *
 * so a message for three workers and the world makes four jobs, each with its own fate. Recipients in a job are busy and
 * are not started again. What an outcome means is in settle(): gone, later, or given up, with a report when the sender wants
 * one; and it is all written into one transaction, which the role commits at the end of the loop turn: a recipient leaves the
 * queue in the same commit in which the report about it enters.
 *
 * If that commit fails, the rows are as they were, although the message may have been delivered: then everything pauses, and
 * the recipients that were served are remembered here and taken out before anything else is started: a full disk must
 * not make a thousand copies. Only the end of the process before that delivers twice. */
#include "queue/runner.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "net/ticket.h"
#include "queue/attempt.h"
#include "queue/dsn.h"
#include "queue/schedule.h"

enum {
    JOBS_MOST = 64,
    RELAY_JOBS_MOST = 20,
    JOB_RECIPIENTS_MOST = 100,
    DUE_MOST = 500,
    JOB_MEMORY_MOST = 8 * 1024 * 1024,
    ACCOUNT_MOST = 4096,
    REPORT_MOST = 128 * 1024 * 1024,
    PAUSE_MS = 30 * 1000
};

enum { NOBODY_WORKER = 0xffffffff };

enum destination_kind { TO_WORKER, TO_LOOKUP, TO_RELAY };

struct destination {
    enum destination_kind kind;
    unsigned worker;
};

struct job {
    struct list node;
    struct runner *runner;
    struct arena *arena;
    struct queue_message message;
    struct destination to;
    struct queue_recipient **recipients; /* of message */
    struct mail_recipient *envelope;     /* the same, as the next hop is told */
    size_t count;
    struct attempt *attempt;
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
    struct list jobs;
    size_t job_count;
    size_t relay_count;
    struct map *busy; /* recipient id -> job */
    VEC(struct due) due;
    bool is_paused;
    bool is_running;
};

static void run(struct runner *r);

bool runner_is_local(struct str domains, struct str address)
{
    size_t at = str_find_last_char(address, '@');
    struct str domain = str_skip(address, at + 1);
    while (domains.n > 0) {
        struct str one = str_split(&domains, ' ');
        if (one.n > 0 && str_eq_nocase(one, domain)) {
            return true;
        }
    }
    return false;
}

static uint64_t now_ms(const struct runner *r)
{
    return loop_wall_ms(r->args.loop);
}

static struct destination find_destination(const struct runner *r, const struct mail_recipient *m)
{
    if (m->user.n > 0) {
        return (struct destination){TO_WORKER, ticket_get_worker(m->user, r->args.workers)};
    }
    bool is_local = runner_is_local(r->args.domains, m->address);
    return (struct destination){is_local ? TO_LOOKUP : TO_RELAY, NOBODY_WORKER};
}

static bool is_same(struct destination a, struct destination b)
{
    return a.kind == b.kind && a.worker == b.worker && a.kind != TO_LOOKUP;
}

/* ---- the end of a job ---- */

static void job_free(struct job *j)
{
    struct runner *r = j->runner;
    for (size_t i = 0; i < j->count; i++) {
        (void)map_remove(r->busy, map_id(&j->recipients[i]->id));
    }
    r->relay_count -= j->to.kind == TO_RELAY;
    r->job_count--;
    list_remove(&j->node);
    attempt_free(&j->attempt);
    arena_free(&j->arena);
    free(j);
}

/* What one outcome is to the sender: nothing, or an entry in the report. */
struct verdict {
    bool is_over; /* the recipient leaves the queue */
    bool is_told;
    struct dsn_recipient entry;
};

static struct verdict judge_later(struct job *j, struct queue_recipient *q, struct str reply)
{
    struct runner *r = j->runner;
    uint64_t now = now_ms(r);
    struct verdict v = {.entry = {.to = &q->to, .reply = reply}};
    q->attempts++;
    q->last_reply = reply;
    uint32_t random = 0;
    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
    q->next_ms = now + schedule_get_wait_ms(q->attempts, j->to.kind != TO_RELAY, random);
    if (now >= j->message.expires_ms) {
        v.is_over = true;
        v.entry.action = DSN_FAILED;
        v.entry.status = STR("4.4.7"); /* RFC 3463, 3.5: delivery time expired */
        v.is_told = dsn_is_wanted(q->to.notify, DSN_FAILED);
    } else if (!q->is_delay_told && now - j->message.arrived_ms >= SCHEDULE_DELAY_TOLD_MS) {
        q->is_delay_told = true;
        v.entry.action = DSN_DELAYED;
        v.entry.status = dsn_find_status(reply);
        v.is_told = dsn_is_wanted(q->to.notify, DSN_DELAYED);
    }
    return v;
}

static struct verdict judge(struct job *j, struct queue_recipient *q, const struct smtp_outcome *o)
{
    if (o->kind == SMTP_OUTCOME_LATER || o->kind == SMTP_OUTCOME_OPEN) {
        return judge_later(j, q, o->reply);
    }
    struct verdict v = {.is_over = true, .entry = {.to = &q->to, .reply = o->reply}};
    v.entry.status = dsn_find_status(o->reply);
    v.entry.action = DSN_FAILED;
    if (o->kind == SMTP_OUTCOME_DONE) {
        bool is_relayed = j->to.kind == TO_RELAY;
        v.entry.action = is_relayed ? DSN_RELAYED : DSN_DELIVERED;
        if (is_relayed && o->is_dsn_with_him) {
            return v; /* RFC 3461, 5.2.2: the next host reports */
        }
    }
    v.is_told = dsn_is_wanted(q->to.notify, v.entry.action);
    return v;
}

static void log_outcome(const struct job *j, const struct queue_recipient *q,
                        const struct smtp_outcome *o)
{
    static const char *const words[] = {"open", "delivered", "later", "failed"};
    log_info("queue: message %llu to <%.*s> %s: %.*s", (unsigned long long)j->message.id,
             STR_ARG(q->to.address), words[o->kind], STR_ARG(o->reply));
}

static enum err queue_report(struct job *j, const struct dsn_recipient *entries, size_t count)
{
    struct runner *r = j->runner;
    CLEANUP(buf_release) struct buf unique = BUF_INIT(64);
    queue_write_unique(&unique);
    struct spool_reader *content = NULL;
    if (queue_read(r->args.queue, j->message.id, &content) != ERR_OK) {
        log_error("queue: the content of message %llu cannot be read",
                  (unsigned long long)j->message.id);
    }
    struct dsn_args args = {
        r->args.hostname, buf_str(&unique), now_ms(r), &j->message, entries, count, content};
    struct spool *s = queue_spool_new(r->args.queue, REPORT_MOST);
    enum err e = dsn_write(&args, s);
    spool_reader_free(&content);
    struct queue_recipient to = {
        .to = {.address = j->message.return_path, .notify = SMTP_NOTIFY_NEVER},
        .next_ms = now_ms(r),
    };
    struct queue_message m = {
        .arrived_ms = now_ms(r),
        .expires_ms = now_ms(r) + SCHEDULE_LIFETIME_MS,
        .recipients = &to,
        .recipient_count = 1,
    };
    if (e == ERR_OK) {
        return queue_add(r->args.queue, &m, &s);
    }
    spool_free(&s);
    return e;
}

/* ---- served, and not yet noted ---- */

/* What was to be taken out is still there: it stays busy, so that nobody is served again. */
static void keep_served(struct runner *r)
{
    for (size_t i = 0; i < r->served.count; i++) {
        vec_push(&r->unsettled, r->served.at[i]);
        (void)map_put(r->busy, map_id(&r->served.at[i].recipient_id), r);
    }
    vec_clear(&r->served);
}

static void on_commit(struct queue_wait *w, enum err e)
{
    struct runner *r = (struct runner *)((char *)w - offsetof(struct runner, wait));
    if (e != ERR_OK) {
        keep_served(r);
        return;
    }
    for (size_t i = 0; i < r->served.count; i++) {
        struct str id = map_id(&r->served.at[i].recipient_id);
        if (map_find(r->busy, id) == r) {
            (void)map_remove(r->busy, id);
        }
    }
    vec_clear(&r->served);
}

static void add_served(struct runner *r, struct due due)
{
    queue_wait_cancel(&r->wait);
    queue_wait_commit(r->args.queue, &r->wait);
    vec_push(&r->served, due);
}

/* Takes out what could not be taken out before. Twice does no harm: ids are never used again. */
static enum err settle_old(struct runner *r)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < r->unsettled.count; i++) {
        struct due due = r->unsettled.at[i];
        e = e == ERR_OK ? queue_remove(r->args.queue, due.message_id, due.recipient_id) : e;
        add_served(r, due);
    }
    vec_clear(&r->unsettled);
    if (e != ERR_OK) {
        keep_served(r);
    }
    return e;
}

/* Writes what became of the recipients; outcomes in their order. */
static enum err settle(struct job *j, const struct smtp_outcome *outcomes)
{
    struct runner *r = j->runner;
    for (size_t i = 0; i < j->count; i++) {
        if (outcomes[i].kind == SMTP_OUTCOME_DONE) {
            add_served(r, (struct due){j->message.id, j->recipients[i]->id});
        }
    }
    struct dsn_recipient *entries = arena_array(j->arena, struct dsn_recipient, j->count);
    size_t entry_count = 0;
    bool *is_over = arena_array(j->arena, bool, j->count);
    if (entries == NULL || is_over == NULL) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < j->count; i++) {
        struct queue_recipient *q = j->recipients[i];
        log_outcome(j, q, &outcomes[i]);
        struct verdict v = judge(j, q, &outcomes[i]);
        bool is_remote = j->to.kind == TO_RELAY && outcomes[i].is_from_server;
        v.entry.remote_mta = is_remote ? attempt_get_host(j->attempt) : STR_EMPTY;
        if (v.is_told) {
            entries[entry_count++] = v.entry;
        }
        is_over[i] = v.is_over;
    }
    if (entry_count > 0 && j->message.return_path.n > 0) {
        TRY(queue_report(j, entries, entry_count));
    } else if (entry_count > 0) {
        log_warn("queue: message %llu has no return path to report to",
                 (unsigned long long)j->message.id);
    }
    for (size_t i = 0; i < j->count; i++) {
        struct queue_recipient *q = j->recipients[i];
        TRY(is_over[i] ? queue_remove(r->args.queue, j->message.id, q->id)
                       : queue_update(r->args.queue, q));
    }
    return ERR_OK;
}

static void finish_job(struct job *j, const struct smtp_outcome *outcomes)
{
    struct runner *r = j->runner;
    enum err e = settle(j, outcomes);
    if (e != ERR_OK) {
        log_error("queue: cannot note what became of message %llu",
                  (unsigned long long)j->message.id);
        runner_pause(r);
    }
    job_free(j);
    if (e != ERR_OK) {
        keep_served(r);
    }
    runner_wake(r);
}

/* All recipients meet the same fate, by our own word. */
static void finish_alike(struct job *j, enum smtp_outcome_kind kind, enum err e)
{
    const struct err_info *info = err_get_info(e);
    struct str reply = arena_printf(j->arena, "%d %s %s", info->smtp, info->enhanced, info->text);
    struct smtp_outcome *outcomes = arena_array(j->arena, struct smtp_outcome, j->count);
    for (size_t i = 0; outcomes != NULL && i < j->count; i++) {
        outcomes[i] = (struct smtp_outcome){.kind = kind, .reply = reply};
    }
    if (outcomes != NULL) {
        finish_job(j, outcomes);
    }
}

static void on_attempt_done(void *owner, struct attempt *a)
{
    struct job *j = owner;
    struct smtp_outcome *outcomes = arena_array(j->arena, struct smtp_outcome, j->count);
    if (outcomes == NULL) {
        runner_pause(j->runner);
        job_free(j);
        return;
    }
    for (size_t i = 0; i < j->count; i++) {
        outcomes[i] = attempt_get_outcome(a, i);
    }
    finish_job(j, outcomes);
}

/* ---- the start of a job ---- */

static void on_user(void *asker, enum err e, struct str user)
{
    struct job *j = asker;
    struct runner *r = j->runner;
    if (e == ERR_NO_USER) {
        finish_alike(j, SMTP_OUTCOME_FAILED, e);
        return;
    }
    if (e != ERR_OK) {
        finish_alike(j, SMTP_OUTCOME_LATER, e);
        return;
    }
    if (queue_set_user(r->args.queue, j->recipients[0]->id, user) != ERR_OK) {
        runner_pause(r);
    }
    job_free(j);
    runner_wake(r);
}

/* Decided from a fresh stack. */
static void refuse_no_worker(void *owner)
{
    finish_alike(owner, SMTP_OUTCOME_LATER, ERR_UNAVAILABLE);
}

static void look_up(void *owner)
{
    struct job *j = owner;
    const struct runner_host *h = &j->runner->args.host;
    h->find_user(h->owner, j->recipients[0]->to.address, on_user, j);
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

static void start_relay(struct job *j)
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
    struct stream *s = args->host.open_store(args->host.owner, j->to.worker);
    if (s == NULL) {
        loop_defer(args->loop, refuse_no_worker, j);
        return;
    }
    struct attempt_route route = {.lmtp = s};
    start_attempt(j, &route);
}

/* What the next hop is told about q: a worker gets the account, and the address as the original recipient. */
static struct mail_recipient make_envelope(struct job *j, const struct queue_recipient *q)
{
    struct mail_recipient m = q->to;
    if (j->to.kind == TO_WORKER) {
        CLEANUP(buf_release) struct buf path = BUF_INIT(ACCOUNT_MOST);
        size_t at = str_find_last_char(q->to.user, '@');
        smtp_address_write(&path, str_sub(q->to.user, 0, at), str_skip(q->to.user, at + 1));
        m.address = arena_str(j->arena, buf_str(&path));
        m.orcpt = arena_printf(j->arena, "rfc822;%.*s", STR_ARG(q->to.address));
    }
    return m;
}

static void take_recipients(struct job *j, uint64_t now)
{
    struct runner *r = j->runner;
    for (size_t i = 0; i < j->message.recipient_count && j->count < JOB_RECIPIENTS_MOST; i++) {
        struct queue_recipient *q = &j->message.recipients[i];
        struct destination to = find_destination(r, &q->to);
        bool is_free = q->next_ms <= now && map_find(r->busy, map_id(&q->id)) == NULL;
        bool is_ours =
            j->count == 0 ? to.kind == j->to.kind && to.worker == j->to.worker : is_same(to, j->to);
        if (is_free && is_ours) {
            j->envelope[j->count] = make_envelope(j, q);
            j->recipients[j->count++] = q;
            (void)map_put(r->busy, map_id(&q->id), j);
        }
    }
}

static struct job *job_new(struct runner *r, uint64_t message_id)
{
    struct job *j = mem_new(sizeof(*j));
    j->runner = r;
    j->arena = arena_new(JOB_MEMORY_MOST);
    list_append(&r->jobs, &j->node);
    r->job_count++;
    j->to.kind = TO_WORKER;
    enum err e = queue_load(r->args.queue, j->arena, message_id, &j->message);
    j->recipients = arena_array(j->arena, struct queue_recipient *, JOB_RECIPIENTS_MOST);
    j->envelope = arena_array(j->arena, struct mail_recipient, JOB_RECIPIENTS_MOST);
    if (e != ERR_OK || j->recipients == NULL || j->envelope == NULL) {
        job_free(j);
        return NULL;
    }
    return j;
}

static bool may_start(const struct runner *r, struct destination to)
{
    return r->job_count < JOBS_MOST && (to.kind != TO_RELAY || r->relay_count < RELAY_JOBS_MOST);
}

static void start_job(struct runner *r, uint64_t message_id, struct destination to, uint64_t now)
{
    struct job *j = job_new(r, message_id);
    if (j == NULL) {
        return;
    }
    j->to = to;
    r->relay_count += to.kind == TO_RELAY;
    take_recipients(j, now);
    if (j->count == 0) {
        job_free(j);
    } else if (to.kind == TO_RELAY) {
        start_relay(j);
    } else if (to.kind == TO_WORKER) {
        start_worker(j);
    } else {
        loop_defer(r->args.loop, look_up, j);
    }
}

static void on_due(void *owner, uint64_t message_id, uint64_t recipient_id)
{
    struct runner *r = owner;
    if (map_find(r->busy, map_id(&recipient_id)) == NULL) {
        vec_push(&r->due, (struct due){message_id, recipient_id});
    }
}

/* The recipient's destination, from its row. False: it is gone. */
static bool find_due_destination(struct runner *r, struct due due, struct destination *to)
{
    struct arena *a = arena_new(JOB_MEMORY_MOST);
    struct queue_message m;
    bool is_found = false;
    if (queue_load(r->args.queue, a, due.message_id, &m) == ERR_OK) {
        for (size_t i = 0; i < m.recipient_count && !is_found; i++) {
            is_found = m.recipients[i].id == due.recipient_id;
            *to = is_found ? find_destination(r, &m.recipients[i].to) : *to;
        }
    }
    arena_free(&a);
    return is_found;
}

static void run_due(struct runner *r, bool is_local, uint64_t now)
{
    vec_clear(&r->due);
    unsigned most = DUE_MOST + (unsigned)map_get_count(r->busy);
    if (queue_find_due(r->args.queue, is_local, now, most, on_due, r) != ERR_OK) {
        runner_pause(r);
        return;
    }
    uint64_t held_back =
        0; /* a message that waits for the relay: the rest of its recipients does, too */
    for (size_t i = 0; i < r->due.count && r->job_count < JOBS_MOST; i++) {
        struct due due = r->due.at[i];
        struct destination to = {TO_RELAY, NOBODY_WORKER};
        bool is_busy = map_find(r->busy, map_id(&due.recipient_id)) != NULL;
        if (is_busy || due.message_id == held_back || !find_due_destination(r, due, &to)) {
            continue;
        }
        if (may_start(r, to)) {
            start_job(r, due.message_id, to, now);
        } else {
            held_back = due.message_id;
        }
    }
}

static void run(struct runner *r)
{
    uint64_t now = now_ms(r);
    run_due(r, true, now);
    run_due(r, false, now);
    uint64_t next = UINT64_MAX;
    if (queue_get_next_ms(r->args.queue, now, &next) == ERR_OK && next != UINT64_MAX
        && !r->is_paused) {
        timer_start(r->timer, next > now ? next - now : 1);
    }
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
    r->is_paused = false;
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

void runner_pause(struct runner *r)
{
    r->is_paused = true;
    timer_start(r->timer, PAUSE_MS);
}

void runner_on_worker(struct runner *r, unsigned worker)
{
    log_debug("queue: store worker %u is there", worker);
    if (queue_hurry_local(r->args.queue, now_ms(r)) != ERR_OK) {
        log_warn("queue: local recipients keep their times");
    }
    runner_wake(r);
}

struct runner *runner_new(const struct runner_args *args)
{
    struct runner *r = mem_new(sizeof(*r));
    r->args = *args;
    list_init(&r->jobs);
    r->busy = map_new();
    r->wait.on_commit = on_commit;
    list_init(&r->wait.node);
    r->timer = timer_new(args->loop, on_timer, r);
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
    list_each_safe(node, &gone->jobs)
    {
        struct job *j = (struct job *)node;
        gone->args.host.forget(gone->args.host.owner, j);
        loop_cancel_deferred(gone->args.loop, j);
        job_free(j);
    }
    loop_cancel_deferred(gone->args.loop, gone);
    queue_wait_cancel(&gone->wait);
    vec_release(&gone->served);
    vec_release(&gone->unsettled);
    timer_free(&gone->timer);
    map_free(&gone->busy);
    vec_release(&gone->due);
    free(gone);
}
