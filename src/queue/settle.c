/* From outcomes to rows: gone, later, or given up, with a report when the sender wants one; all of it in one transaction,
 * which the role commits at the end of the loop turn. A recipient leaves the queue in the same commit in which the report
 * about it enters, and recipients of a message that meet their fate in the same moment share one report.
 *
 * If that commit fails, the rows are as they were, although the message may have been delivered: then everything pauses, and
 * the recipients that were served are remembered here and taken out before anything else is started: a full disk must
 * not make a thousand copies. Only the end of the process before that delivers twice. */
#include "queue/runner_priv.h"

#include "base/log.h"
#include "queue/report.h"
#include "queue/schedule.h"

/* ---- served, and not yet noted ---- */

void settle_keep_served(struct runner *r)
{
    for (size_t i = 0; i < r->served.count; i++) {
        vec_push(&r->unsettled, r->served.at[i]);
        (void)map_put(r->busy, map_id(&r->served.at[i].recipient_id), r);
    }
    vec_clear(&r->served);
}

void settle_on_commit(struct queue_wait *w, enum err e)
{
    struct runner *r = (struct runner *)((char *)w - offsetof(struct runner, wait));
    if (e != ERR_OK) {
        settle_keep_served(r);
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

/* Twice does no harm: ids are never used again. */
enum err settle_old(struct runner *r)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < r->unsettled.count; i++) {
        struct due due = r->unsettled.at[i];
        e = e == ERR_OK ? queue_remove(r->args.queue, due.message_id, due.recipient_id) : e;
        add_served(r, due);
    }
    vec_clear(&r->unsettled);
    if (e != ERR_OK) {
        settle_keep_served(r);
    }
    return e;
}

/* ---- verdicts ---- */

/* What is known about why q is not delivered: its own last reply, or why its destination waits. */
static struct str find_reply(struct runner *r, struct arena *a, const struct queue_recipient *q)
{
    struct queue_destination d = {.id = 0};
    bool is_alone = q->last_reply.n > 0
                    || queue_load_destination(r->args.queue, a, q->destination, &d) != ERR_OK
                    || d.failures == 0;
    return is_alone ? q->last_reply : d.reply;
}

struct verdict settle_by_time(struct runner *r, struct arena *a, const struct queue_message *m,
                              struct queue_recipient *q)
{
    struct verdict v = {.recipient = q, .entry = {.to = &q->to, .reply = find_reply(r, a, q)}};
    v.entry.remote_mta = q->last_reply.n > 0 ? q->last_host : STR_EMPTY; /* RFC 3461, 6.3 (h) */
    switch (schedule_judge(&r->args.schedule, m, q, runner_now_ms(r))) {
    case SCHEDULE_EXPIRED: /* RFC 3463, 3.5: delivery time expired */
        v.is_over = true;
        v.entry.action = DSN_FAILED;
        v.entry.status = STR("4.4.7");
        break;
    case SCHEDULE_BY_RETURNED: /* RFC 2852, 4.1.4.1 */
        v.is_over = true;
        v.entry.action = DSN_FAILED;
        v.entry.status = STR("5.4.7");
        break;
    case SCHEDULE_BY_DELAYED:
        q->is_by_told = true;
        v.entry.action = DSN_DELAYED;
        v.entry.status = STR("4.4.7");
        break;
    case SCHEDULE_DELAYED:
        q->is_delay_told = true;
        v.entry.action = DSN_DELAYED;
        v.entry.status = v.entry.reply.n > 0 ? dsn_find_status(v.entry.reply) : STR("4.4.1");
        break;
    case SCHEDULE_NOTHING:
        q->tell_ms = schedule_get_tell_ms(&r->args.schedule, m, q);
        return v;
    }
    q->tell_ms = schedule_get_tell_ms(&r->args.schedule, m, q);
    v.is_told = dsn_is_wanted(q->to.notify, v.entry.action);
    return v;
}

static struct verdict judge_later(struct job *j, struct queue_recipient *q,
                                  const struct smtp_outcome *o)
{
    struct runner *r = j->runner;
    q->attempts++;
    q->last_reply = o->reply;
    q->last_host = job_get_remote(j, o);
    bool is_local = j->place->kind != PLACE_HOP;
    q->next_ms =
        runner_now_ms(r)
        + schedule_get_wait_ms(&r->args.schedule, q->attempts, is_local, runner_get_random());
    return settle_by_time(r, j->arena, &j->message, q);
}

/* RFC 2852, 4.1.4: each hop is to tell, or nobody after us keeps the time; whether reports of success were wanted or not. */
static bool must_tell_of_relaying(const struct job *j, const struct queue_recipient *q,
                                  const struct smtp_outcome *o)
{
    const struct mail_terms *t = &j->message.terms;
    bool is_time_lost = t->by == SMTP_BY_NOTIFY && !o->is_by_with_him
                        && runner_now_ms(j->runner) < t->deliver_by_ms;
    bool has_time = t->by != SMTP_BY_NONE;
    return has_time && (t->is_by_traced || is_time_lost) && q->to.notify != SMTP_NOTIFY_NEVER;
}

static struct verdict judge(struct job *j, struct queue_recipient *q, const struct smtp_outcome *o)
{
    if (o->kind == SMTP_OUTCOME_LATER || o->kind == SMTP_OUTCOME_OPEN) {
        return judge_later(j, q, o);
    }
    struct verdict v = {
        .recipient = q,
        .is_over = true,
        .entry = {.to = &q->to, .reply = o->reply, .remote_mta = job_get_remote(j, o)},
    };
    v.entry.status = dsn_find_status(o->reply);
    v.entry.action = DSN_FAILED;
    if (o->kind == SMTP_OUTCOME_DONE) {
        bool is_relayed = j->place->kind == PLACE_HOP && !o->is_delivery;
        v.entry.action = is_relayed ? DSN_RELAYED : DSN_DELIVERED;
        if (is_relayed && must_tell_of_relaying(j, q, o)) {
            v.is_told = true;
            return v;
        }
        if (j->place->kind == PLACE_HOP && o->is_dsn_with_him) {
            return v; /* RFC 3461, 5.2.1: the next host reports, also one that delivers by LMTP */
        }
    }
    v.is_told = dsn_is_wanted(q->to.notify, v.entry.action);
    return v;
}

static void count_outcome(struct runner *r, const struct verdict *v)
{
    uint64_t *counts = r->outcomes;
    if (!v->is_over) {
        return;
    }
    switch (v->entry.action) {
    case DSN_DELIVERED:
        counts[RUNNER_DELIVERED]++;
        break;
    case DSN_RELAYED:
        counts[RUNNER_RELAYED]++;
        break;
    case DSN_EXPANDED:
        counts[RUNNER_EXPANDED]++;
        break;
    case DSN_FAILED:
    case DSN_DELAYED:
        counts[RUNNER_FAILED]++;
        break;
    }
}

static void log_outcome(const struct job *j, const struct queue_recipient *q,
                        const struct smtp_outcome *o)
{
    static const char *const words[] = {"open", "delivered", "later", "failed"};
    log_info("queue: message %llu to <%.*s> %s: %.*s", (unsigned long long)j->message.id,
             STR_ARG(q->to.address), words[o->kind], STR_ARG(o->reply));
}

/* ---- writing ---- */

static enum err report(struct runner *r, struct arena *a, const struct queue_message *m,
                       const struct verdict *verdicts, size_t count)
{
    struct dsn_recipient *entries = arena_array(a, struct dsn_recipient, count);
    size_t entry_count = 0;
    if (entries == NULL) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        if (verdicts[i].is_told) {
            entries[entry_count++] = verdicts[i].entry;
        }
    }
    if (entry_count == 0) {
        return ERR_OK;
    }
    if (m->return_path.n == 0) {
        log_warn("queue: message %llu has no return path to report to", (unsigned long long)m->id);
        return ERR_OK;
    }
    struct report_args args = {r->args.queue, r->args.hostname, runner_now_ms(r)};
    return report_add(&args, m, entries, entry_count);
}

enum err settle_write(struct runner *r, struct arena *a, const struct queue_message *m,
                      const struct verdict *verdicts, size_t count)
{
    TRY(report(r, a, m, verdicts, count));
    for (size_t i = 0; i < count; i++) {
        count_outcome(r, &verdicts[i]);
        struct queue_recipient *q = verdicts[i].recipient;
        TRY(verdicts[i].is_over ? queue_remove(r->args.queue, m->id, q->id)
                                : queue_update(r->args.queue, q));
    }
    return ERR_OK;
}

enum err settle_job(struct job *j, const struct smtp_outcome *outcomes)
{
    struct runner *r = j->runner;
    for (size_t i = 0; i < j->count; i++) {
        if (outcomes[i].kind == SMTP_OUTCOME_DONE) {
            add_served(r, (struct due){j->message.id, j->recipients[i]->id});
        }
    }
    struct verdict *verdicts = arena_array(j->arena, struct verdict, j->count);
    if (verdicts == NULL) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < j->count; i++) {
        log_outcome(j, j->recipients[i], &outcomes[i]);
        verdicts[i] = judge(j, j->recipients[i], &outcomes[i]);
        r->outcomes[RUNNER_DEFERRED] += !verdicts[i].is_over;
    }
    return settle_write(r, j->arena, &j->message, verdicts, j->count);
}
