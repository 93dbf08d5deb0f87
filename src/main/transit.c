/* From a mail server in front of us to the workers behind us.
 *
 * The LMTP core speaks with the other server; this is the world around it. The message waits in a spool, never in memory as
 * a whole, until its last octet is there. Then it goes to the workers of its recipients, to all of them side by side, by
 * the same client that the queue uses; a worker's answer about a recipient is our answer, after that recipient's commit.
 * Nothing is kept here: what a worker does not take, the other server keeps, and comes again.
 *
 *     RCPT --auth--> account: worker n                     .--> worker 0: anna, bert
 *               '--> alias of several: queue       spool --+--> worker 3: carl
 *                                                          '--> queue, one commit
 *
 * An alias with several targets cannot have one answer from several places: some may take the message and some not. So its
 * address goes to the queue, which answers for it from the commit on, and expands it. The queue comes last, for it takes the
 * spool over.
 *
 * One account under two addresses gets one copy, if both have the same detail, and both get its answer. */
#include "main/transit.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "net/ticket.h"
#include "queue/attempt.h"
#include "queue/runner.h"
#include "smtp/header_fix.h"
#include "smtp/lmtp.h"
#include "smtp/trace_scan.h"
#include "wire/smtp_scan.h"

#include <stdlib.h>

enum { ENVELOPE_MOST = 8 * 1024 * 1024, TRACE_MOST = 4096, LAST_WORDS_MS = 60 * 1000 };

struct recipient {
    struct str address; /* as RCPT named it */
    struct str user;    /* empty: it goes to the queue */
    struct str detail;
    unsigned worker;
    size_t same_as; /* an earlier recipient that gets the copy, or its own number */
    bool is_answered;
};

struct transit;

/* What goes to one worker. */
struct batch {
    struct transit *transit;
    unsigned worker;
    struct mail_recipient *envelope; /* in the arena */
    size_t *indexes;                 /* of the recipients, likewise */
    size_t count;
    struct attempt *attempt;
};

struct transit {
    struct session base;
    struct transit_args args;
    struct lmtp_host host;
    struct session *core;
    struct buf peer;
    struct timer *timer;
    bool is_dying; /* the last words were said */

    struct arena *arena; /* of the transaction */
    VEC(struct recipient) recipients;
    struct str candidate; /* auth is asked about it */
    struct queue_message message;
    struct spool *spool;
    enum err trace_err; /* our own line did not fit */
    struct trace_scan scan;
    VEC(struct batch) batches;
    size_t open_batches;
    struct queue_wait wait;
};

/* ---- recipients ---- */

static bool is_same(const struct recipient *a, const struct recipient *b)
{
    return a->user.n > 0 ? str_eq(a->user, b->user) && str_eq(a->detail, b->detail)
                         : b->user.n == 0 && str_eq_nocase(a->address, b->address);
}

/* The first recipient that gets the same copy; a new number when there is none. */
static size_t find_same(const struct transit *t, const struct recipient *r)
{
    size_t i = 0;
    while (i < t->recipients.count && !is_same(r, &t->recipients.at[i])) {
        i++;
    }
    return i;
}

static enum err add_recipient(struct transit *t, const struct mail_found *found)
{
    struct recipient r = {
        .address = t->candidate,
        .user = arena_str(t->arena, found->user),
        .detail = arena_str(t->arena, found->detail),
    };
    if ((found->user.n > 0 && r.user.n == 0) || (found->detail.n > 0 && r.detail.n == 0)) {
        return ERR_LIMIT;
    }
    if (r.user.n > 0) {
        r.worker = ticket_get_worker(r.user, t->args.workers);
    }
    r.same_as = find_same(t, &r);
    vec_push(&t->recipients, r);
    return ERR_OK;
}

static void on_found(void *asker, enum err e, const struct mail_found *found)
{
    struct transit *t = asker;
    lmtp_on_recipient(t->core, e == ERR_OK ? add_recipient(t, found) : e);
}

static void find_recipient(void *owner, struct str address)
{
    struct transit *t = owner;
    t->candidate = arena_str(t->arena, address);
    if (t->candidate.n == 0) {
        lmtp_on_recipient(t->core, ERR_LIMIT);
    } else if (!runner_is_local(t->args.domains, address)) {
        lmtp_on_recipient(t->core, ERR_NOT_LOCAL);
    } else {
        lookups_find(t->args.lookups, t->candidate, on_found, t);
    }
}

/* ---- content ---- */

/* The trace line that every host adds (RFC 5321, 4.4; RFC 3848; RFC 6531, 4.3). */
static void write_trace(struct transit *t, struct buf *out)
{
    struct str peer = buf_str(&t->peer);
    bool is_v6 = str_find_char(peer, ':') < peer.n; /* RFC 5321, 4.1.3 */
    buf_addf(out, "Received: from %.*s", STR_ARG(lmtp_get_helo(t->core)));
    if (peer.n > 0) {
        buf_addf(out, " ([%s%.*s])", is_v6 ? "IPv6:" : "", STR_ARG(peer));
    }
    buf_addf(out, "\r\n\tby %.*s with %sLMTP id ", STR_ARG(t->args.hostname),
             lmtp_is_utf8(t->core) ? "UTF8" : "");
    queue_write_unique(out);
    buf_add(out, STR(";\r\n\t"));
    header_write_date(out, (int64_t)(loop_wall_ms(t->args.loop) / 1000));
    buf_add(out, STR("\r\n"));
}

static enum err content_add(void *owner, struct str octets)
{
    struct transit *t = owner;
    TRY(t->trace_err);
    trace_scan_add(&t->scan, octets);
    TRY(trace_scan_get_hops(&t->scan) > TRACE_SCAN_HOPS_MOST ? ERR_LOOP : ERR_OK);
    return spool_add(t->spool, octets);
}

static void content_start(void *owner, struct str return_path)
{
    struct transit *t = owner;
    CLEANUP(buf_release) struct buf line = BUF_INIT(TRACE_MOST);
    t->message.return_path = arena_str(t->arena, return_path);
    t->message.terms.is_utf8 = lmtp_is_utf8(t->core);
    t->spool = queue_spool_new(t->args.queue, t->args.message_most + TRANSIT_TRACE_ROOM);
    write_trace(t, &line);
    t->trace_err = spool_add(t->spool, buf_str(&line));
}

/* ---- answers ---- */

/* The answer about recipient i, also for those who share its copy. reply empty: e. */
static void answer(struct transit *t, size_t i, enum err e, struct str reply)
{
    for (size_t k = i; k < t->recipients.count; k++) {
        if (t->recipients.at[k].same_as != i || t->recipients.at[k].is_answered) {
            continue;
        }
        t->recipients.at[k].is_answered = true;
        if (reply.n > 0) {
            lmtp_on_answered(t->core, k, reply);
        } else {
            lmtp_on_delivered(t->core, k, e);
        }
    }
}

static void answer_queued(struct transit *t, enum err e)
{
    for (size_t i = 0; i < t->recipients.count; i++) {
        if (t->recipients.at[i].user.n == 0) {
            answer(t, i, e,
                   e == ERR_OK ? STR("250 2.1.5 Queued for all that the alias names") : STR_EMPTY);
        }
    }
}

static void on_commit(struct queue_wait *w, enum err e)
{
    answer_queued(list_entry(w, struct transit, wait), e);
}

/* Puts the addresses that are aliases into the queue. */
static enum err enqueue(struct transit *t)
{
    uint64_t now_ms = loop_wall_ms(t->args.loop);
    struct queue_recipient *to = arena_array(t->arena, struct queue_recipient, t->recipients.count);
    if (to == NULL) {
        return ERR_LIMIT;
    }
    t->message.arrived_ms = now_ms;
    t->message.recipients = to;
    t->message.sender = STR("lmtp");
    for (size_t i = 0; i < t->recipients.count; i++) {
        const struct recipient *r = &t->recipients.at[i];
        if (r->user.n == 0 && r->same_as == i) {
            to[t->message.recipient_count++] =
                (struct queue_recipient){.to = {.address = r->address}, .next_ms = now_ms};
        }
    }
    if (t->message.recipient_count == 0) {
        return ERR_OK;
    }
    TRY(queue_add(t->args.queue, &t->message, &t->spool));
    log_info("queue: message %llu from <%.*s>, %llu octets, %zu recipients by LMTP",
             (unsigned long long)t->message.id, STR_ARG(t->message.return_path),
             (unsigned long long)t->message.size, t->message.recipient_count);
    queue_wait_commit(t->args.queue, &t->wait);
    return ERR_OK;
}

static void end_batches(struct transit *t)
{
    enum err e = enqueue(t);
    if (e != ERR_OK) {
        answer_queued(t, e);
    }
}

static void log_answer(const struct transit *t, const struct recipient *r, struct str reply)
{
    log_info("lmtp: from <%.*s> to <%.*s>: %.*s", STR_ARG(t->message.return_path),
             STR_ARG(r->address), STR_ARG(reply));
}

static void on_attempt_done(void *owner, struct attempt *a)
{
    struct batch *b = owner;
    struct transit *t = b->transit;
    for (size_t i = 0; i < b->count; i++) {
        struct smtp_outcome o = attempt_get_outcome(a, i);
        log_answer(t, &t->recipients.at[b->indexes[i]], o.reply);
        answer(t, b->indexes[i], ERR_UNAVAILABLE, o.is_from_server ? o.lines : STR_EMPTY);
    }
    attempt_free(&b->attempt);
    if (--t->open_batches == 0) {
        end_batches(t);
    }
}

/* ---- to the workers ---- */

/* A worker gets the account, and the address as the original recipient. */
static bool make_envelope(struct transit *t, const struct recipient *r, struct mail_recipient *out)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(TRACE_MOST);
    size_t at = str_find_last_char(r->user, '@');
    smtp_address_write(&path, str_sub(r->user, 0, at), str_skip(r->user, at + 1));
    *out = (struct mail_recipient){
        .address = arena_str(t->arena, buf_str(&path)),
        .user = r->user,
        .orcpt = arena_printf(t->arena, "%.*s;%.*s", STR_ARG(smtp_orcpt_get_type(r->address)),
                              STR_ARG(r->address)),
    };
    return out->address.n > 0 && out->orcpt.n > 0;
}

static struct batch *find_batch(struct transit *t, unsigned worker)
{
    for (size_t i = 0; i < t->batches.count; i++) {
        if (t->batches.at[i].worker == worker) {
            return &t->batches.at[i];
        }
    }
    struct batch b = {
        .transit = t,
        .worker = worker,
        .envelope = arena_array(t->arena, struct mail_recipient, t->recipients.count),
        .indexes = arena_array(t->arena, size_t, t->recipients.count),
    };
    if (b.envelope == NULL || b.indexes == NULL) {
        return NULL;
    }
    vec_push(&t->batches, b);
    return &t->batches.at[t->batches.count - 1];
}

static void make_batches(struct transit *t)
{
    for (size_t i = 0; i < t->recipients.count; i++) {
        const struct recipient *r = &t->recipients.at[i];
        if (r->user.n == 0 || r->same_as != i) {
            continue;
        }
        struct batch *b = find_batch(t, r->worker);
        if (b == NULL || !make_envelope(t, r, &b->envelope[b->count])) {
            answer(t, i, ERR_LIMIT, STR_EMPTY);
            continue;
        }
        b->indexes[b->count++] = i;
    }
}

static void start_batch(struct transit *t, struct batch *b)
{
    struct stream *s = b->count > 0 ? t->args.open_store(t->args.store_owner, b->worker) : NULL;
    if (s == NULL) {
        for (size_t i = 0; i < b->count; i++) {
            answer(t, b->indexes[i], ERR_UNAVAILABLE, STR_EMPTY);
        }
        return;
    }
    struct attempt_args args = {
        .loop = t->args.loop,
        .queue = t->args.queue,
        .hostname = t->args.hostname,
        .message = &t->message,
        .content = t->spool,
        .recipients = b->envelope,
        .recipient_count = b->count,
        .route = {.lmtp = s},
        .on_done = on_attempt_done,
        .owner = b,
    };
    t->open_batches++;
    b->attempt = attempt_new(&args);
}

static void content_finish(void *owner)
{
    struct transit *t = owner;
    t->message.kind = content_get_kind(spool_get_scan(t->spool));
    t->message.size = spool_get_size(t->spool);
    trace_scan_finish(&t->scan);
    t->message.terms.is_tls_optional = trace_scan_is_tls_optional(&t->scan); /* RFC 8689, 4.1 */
    make_batches(t);
    t->open_batches = 1; /* until all have begun */
    for (size_t i = 0; i < t->batches.count; i++) {
        start_batch(t, &t->batches.at[i]);
    }
    if (--t->open_batches == 0) {
        end_batches(t);
    }
}

static void reset(void *owner)
{
    struct transit *t = owner;
    lookups_forget(t->args.lookups, t);
    queue_wait_cancel(&t->wait);
    for (size_t i = 0; i < t->batches.count; i++) {
        attempt_free(&t->batches.at[i].attempt);
    }
    vec_clear(&t->batches);
    vec_clear(&t->recipients);
    t->open_batches = 0;
    t->message = (struct queue_message){.id = 0};
    spool_free(&t->spool);
    trace_scan_release(&t->scan);
    trace_scan_init(&t->scan);
    arena_clear(t->arena);
}

/* ---- the session that others see ---- */

/* Silence counts while it is the peer's turn; a worker's turn has limits of its own (queue/attempt.c). */
static void on_silence(void *owner)
{
    struct transit *t = owner;
    if (t->open_batches > 0) {
        timer_start(t->timer, TRANSIT_SILENCE_MS);
    } else if (t->is_dying) {
        t->args.abort(t->args.owner);
    } else {
        t->is_dying = true;
        timer_start(t->timer, LAST_WORDS_MS);
        lmtp_on_silence(t->core);
    }
}

static void feed(struct session *base, struct str octets)
{
    struct transit *t = (struct transit *)base;
    timer_start(t->timer, TRANSIT_SILENCE_MS);
    t->core->ops->feed(t->core, octets);
}

static size_t get_input_backlog(const struct session *base)
{
    const struct session *core = ((const struct transit *)base)->core;
    return core->ops->get_input_backlog(core);
}

static enum session_want step(struct session *base, struct buf *out)
{
    struct session *core = ((struct transit *)base)->core;
    return core->ops->step(core, out);
}

static void free_session(struct session **base)
{
    struct transit *t = (struct transit *)*base;
    *base = NULL;
    t->core->ops->free(&t->core);
    reset(t);
    timer_free(&t->timer);
    vec_release(&t->batches);
    vec_release(&t->recipients);
    trace_scan_release(&t->scan);
    arena_free(&t->arena);
    buf_release(&t->peer);
    t->args.on_free(t->args.owner);
    free(t);
}

static const struct session_ops TRANSIT_OPS = {
    .feed = feed,
    .get_input_backlog = get_input_backlog,
    .step = step,
    .free = free_session,
};

static void wake(void *owner)
{
    struct transit *t = owner;
    t->args.session_host.wake(t->args.session_host.owner);
}

struct session *transit_new(const struct transit_args *args)
{
    struct transit *t = mem_new(sizeof(*t));
    t->base.ops = &TRANSIT_OPS;
    t->args = *args;
    t->peer = BUF_INIT(TRACE_MOST);
    buf_add(&t->peer, args->peer);
    t->arena = arena_new(ENVELOPE_MOST);
    trace_scan_init(&t->scan);
    t->wait.on_commit = on_commit;
    list_init(&t->wait.node);
    t->host = (struct lmtp_host){
        .base = {.wake = wake, .owner = t},
        .content_start = content_start,
        .content_add = content_add,
        .content_finish = content_finish,
        .reset = reset,
        .find_recipient = find_recipient,
    };
    t->core = lmtp_new(args->hostname, args->message_most, &t->host);
    lmtp_be_strict(t->core);
    t->timer = timer_new(args->loop, on_silence, t);
    timer_start(t->timer, TRANSIT_SILENCE_MS);
    return &t->base;
}
