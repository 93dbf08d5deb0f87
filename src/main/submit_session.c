/* The submission core asks; this answers. Content goes straight into a spool, so a message is never in memory as a whole;
 * when it is complete it joins the queue's transaction of this turn, and the client's 250 waits for the commit. Recipients
 * are looked up through the role, URLs fetched by its fetcher.
 *
 *     submission core --content_add--> spool --queue_add--> transaction --commit--> submission_on_queued()
 */
#include "main/submit_session.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"

struct submit_session {
    struct session base;
    struct submit_session_args args;
    struct submission_host host;
    struct session *core;
    struct buf unique; /* the id that the message's Received field has */
    struct spool *spool;
    struct fetch *fetch;       /* the one under way */
    VEC(struct fetch *) ahead; /* asked for before their turn, in order */
    struct queue_wait wait;
    struct queue_wait cancel;
};

enum { ENVELOPE_MOST = 16 * 1024 * 1024, RATE_KEY_MOST = 2048, UNIQUE_MOST = 128 };

static int64_t get_time_s(void *owner)
{
    struct submit_session *s = owner;
    return (int64_t)(loop_wall_ms(s->args.loop) / 1000);
}

static void write_unique(void *owner, struct buf *out)
{
    struct submit_session *s = owner;
    buf_clear(&s->unique);
    queue_write_unique(&s->unique);
    buf_add(out, buf_str(&s->unique));
}

static void on_found(void *asker, enum err e, const struct mail_found *found)
{
    struct submit_session *s = asker;
    submission_on_recipient(s->core, e, found->user);
}

static void find_recipient(void *owner, struct str address)
{
    struct submit_session *s = owner;
    s->args.find_recipient(s->args.owner, address, on_found, s);
}

static void on_checked(void *asker, enum err e, const struct mail_found *found)
{
    submission_on_sender(((struct submit_session *)asker)->core, e);
}

static void check_sender(void *owner, struct str address)
{
    struct submit_session *s = owner;
    s->args.check_sender(s->args.owner, s->args.submission.user, address, on_checked, s);
}

/* ---- content ---- */

static void content_start(void *owner)
{
    struct submit_session *s = owner;
    spool_free(&s->spool);
    s->spool = queue_spool_new(s->args.queue, s->args.message_most);
}

static enum err content_add(void *owner, struct str octets)
{
    struct submit_session *s = owner;
    return spool_add(s->spool, octets);
}

static void on_commit(struct queue_wait *w, enum err e)
{
    struct submit_session *s =
        (struct submit_session *)((char *)w - offsetof(struct submit_session, wait));
    if (e != ERR_OK) {
        log_warn("queue: message (%.*s) is not taken after all: %s", STR_ARG(buf_str(&s->unique)),
                 err_get_info(e)->meaning);
    }
    submission_on_queued(s->core, e);
}

static void count_message(struct submit_session *s, const struct queue_message *m);

static enum err enqueue(struct submit_session *s, const struct mail_envelope *envelope)
{
    uint64_t now_ms = loop_wall_ms(s->args.loop);
    uint64_t start_ms = envelope->terms.release_ms > now_ms ? envelope->terms.release_ms : now_ms;
    size_t count = envelope->recipient_count;
    struct queue_recipient *recipients = mem_new(count * sizeof(*recipients));
    for (size_t i = 0; i < count; i++) {
        recipients[i].to = envelope->recipients[i];
        recipients[i].next_ms = start_ms;
    }
    struct queue_message m = {
        .arrived_ms = now_ms,
        .return_path = envelope->return_path,
        .envid = envelope->envid,
        .ret = envelope->ret,
        .terms = envelope->terms,
        .sender = s->args.submission.user,
        .recipients = recipients,
        .recipient_count = count,
    };
    enum err e = queue_add(s->args.queue, &m, &s->spool);
    if (e == ERR_OK) {
        count_message(s, &m);
        log_info("queue: message %llu (%.*s) from <%.*s>, %llu octets, %zu recipients",
                 (unsigned long long)m.id, STR_ARG(buf_str(&s->unique)), STR_ARG(m.return_path),
                 (unsigned long long)m.size, count);
    }
    free(recipients);
    return e;
}

static void content_finish(void *owner, const struct mail_envelope *envelope)
{
    struct submit_session *s = owner;
    enum err e = enqueue(s, envelope);
    if (e != ERR_OK) {
        submission_on_queued(s->core, e);
        return;
    }
    queue_wait_commit(s->args.queue, &s->wait);
}

static void fetch_drop(void *owner)
{
    struct submit_session *s = owner;
    for (size_t i = 0; i < s->ahead.count; i++) {
        fetch_cancel(&s->ahead.at[i]);
    }
    vec_release(&s->ahead);
}

static void content_drop(void *owner)
{
    struct submit_session *s = owner;
    spool_free(&s->spool);
    fetch_cancel(&s->fetch);
    fetch_drop(s);
    queue_wait_cancel(&s->wait);
    queue_wait_cancel(&s->cancel);
    s->args.forget(s->args.owner, s);
}

/* ---- bounds, and held mail ---- */

static struct queue_held_range get_held(const struct submit_session *s, uint64_t after)
{
    return (struct queue_held_range){s->args.submission.user, loop_wall_ms(s->args.loop), after};
}

/* Who is counted: a user, or an address. */
static void write_rate_key(const struct submit_session *s, bool is_user, struct buf *key)
{
    buf_add(key, is_user ? STR("user ") : STR("from "));
    buf_add(key, is_user ? s->args.submission.user : s->args.submission.peer);
}

static enum err check_rate(struct submit_session *s, bool is_user,
                           const struct submission_load *load)
{
    const struct rates_sum *most = is_user ? &s->args.user_most : &s->args.address_most;
    struct rates_sum sum = {0};
    if (s->args.rates == NULL || most->messages + most->recipients + most->octets == 0) {
        return ERR_OK;
    }
    CLEANUP(buf_release) struct buf key = BUF_INIT(RATE_KEY_MOST);
    write_rate_key(s, is_user, &key);
    TRY(rates_get(s->args.rates, buf_str(&key), loop_wall_ms(s->args.loop), &sum));
    if (most->recipients > 0 && sum.recipients + load->recipients > most->recipients) {
        return ERR_RATE_RECIPIENTS;
    }
    bool is_over = (most->messages > 0 && sum.messages >= most->messages)
                   || (most->octets > 0 && sum.octets + load->octets > most->octets);
    return is_over ? ERR_RATE_MESSAGES : ERR_OK;
}

/* A message was taken. That it could not be counted is no reason to refuse it. */
static void count_message(struct submit_session *s, const struct queue_message *m)
{
    struct rates_sum one = {1, m->recipient_count, m->size};
    for (int is_user = 0; is_user < 2 && s->args.rates != NULL; is_user++) {
        CLEANUP(buf_release) struct buf key = BUF_INIT(RATE_KEY_MOST);
        write_rate_key(s, is_user == 1, &key);
        err_ignore(rates_add(s->args.rates, buf_str(&key), loop_wall_ms(s->args.loop), &one));
    }
}

static enum err check_load(void *owner, const struct submission_load *load)
{
    struct submit_session *s = owner;
    struct queue_held_range range = get_held(s, 0);
    uint64_t messages = 0;
    uint64_t octets = 0;
    TRY(check_rate(s, true, load));
    TRY(check_rate(s, false, load));
    if (!load->is_held) {
        return ERR_OK;
    }
    TRY(queue_sum_held(s->args.queue, &range, &messages, &octets));
    bool has_room =
        messages < s->args.held_messages && octets + load->octets <= s->args.held_octets;
    return has_room ? ERR_OK : ERR_HELD_FULL;
}

struct held_asker {
    void (*on_held)(void *asker, const struct submission_held *held);
    void *asker;
};

static enum err tell_held(struct submit_session *s, struct arena *a, uint64_t id,
                          const struct held_asker *to)
{
    struct queue_message m;
    enum err e = queue_load(s->args.queue, a, id, &m);
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    struct mail_recipient *recipients = mem_new((m.recipient_count + 1) * sizeof(*recipients));
    for (size_t i = 0; i < m.recipient_count; i++) {
        recipients[i] = m.recipients[i].to;
    }
    struct submission_held held = {id,      m.terms.release_ms, m.size,
                                   m.envid, recipients,         m.recipient_count};
    to->on_held(to->asker, &held);
    free(recipients);
    return ERR_OK;
}

static enum err list_held(void *owner, uint64_t after, unsigned most,
                          void (*on_held)(void *asker, const struct submission_held *held),
                          void *asker)
{
    struct submit_session *s = owner;
    struct queue_held_range range = get_held(s, after);
    struct held_asker to = {on_held, asker};
    uint64_t *ids = mem_new(most * sizeof(*ids));
    unsigned count = 0;
    struct arena *a = arena_new(ENVELOPE_MOST);
    enum err e = queue_find_held(s->args.queue, &range, most, ids, &count);
    for (unsigned i = 0; e == ERR_OK && i < count; i++) {
        e = tell_held(s, a, ids[i], &to);
        arena_clear(a);
    }
    arena_free(&a);
    free(ids);
    return e;
}

/* The message of that id goes when it is the user's and still held. */
static enum err remove_held(struct submit_session *s, struct arena *a, uint64_t id)
{
    struct queue_message m;
    TRY(queue_load(s->args.queue, a, id, &m));
    bool is_held = m.terms.release_ms > loop_wall_ms(s->args.loop);
    if (!is_held || !str_eq(m.sender, s->args.submission.user)) {
        return ERR_NOT_FOUND;
    }
    for (size_t i = 0; i < m.recipient_count; i++) {
        TRY(queue_remove(s->args.queue, id, m.recipients[i].id));
    }
    log_info("queue: message %llu was cancelled by its sender", (unsigned long long)id);
    return ERR_OK;
}

static void on_cancelled(struct queue_wait *w, enum err e)
{
    struct submit_session *s =
        (struct submit_session *)((char *)w - offsetof(struct submit_session, cancel));
    submission_on_cancelled(s->core, e);
}

static void cancel_held(void *owner, uint64_t id)
{
    struct submit_session *s = owner;
    struct arena *a = arena_new(ENVELOPE_MOST);
    enum err e = remove_held(s, a, id);
    arena_free(&a);
    if (e == ERR_OK) {
        queue_wait_commit(s->args.queue, &s->cancel);
    } else {
        submission_on_cancelled(s->core, e);
    }
}

/* ---- fetching ---- */

static enum err on_octets(void *owner, struct str octets)
{
    struct submit_session *s = owner;
    return submission_on_fetched(s->core, octets);
}

static void on_fetch_end(void *owner, enum err e)
{
    struct submit_session *s = owner;
    s->fetch = NULL;
    submission_on_fetch_end(s->core, e);
}

static const struct fetch_handler FETCH_HANDLER = {on_octets, on_fetch_end};

static void fetch_ahead(void *owner, const struct burl_target *target)
{
    struct submit_session *s = owner;
    vec_push(&s->ahead, fetch_ask(s->args.fetcher, target, &FETCH_HANDLER, s));
}

static void fetch(void *owner, const struct burl_target *target, uint64_t most)
{
    struct submit_session *s = owner;
    if (s->ahead.count > 0) {
        s->fetch = s->ahead.at[0];
        vec_remove(&s->ahead, 0);
    } else {
        s->fetch = fetch_ask(s->args.fetcher, target, &FETCH_HANDLER, s);
    }
    fetch_open(s->fetch, most);
}

/* ---- the session that others see ---- */

static void feed(struct session *base, struct str octets)
{
    struct session *core = ((struct submit_session *)base)->core;
    core->ops->feed(core, octets);
}

static size_t get_input_backlog(const struct session *base)
{
    const struct session *core = ((const struct submit_session *)base)->core;
    return core->ops->get_input_backlog(core);
}

static enum session_want step(struct session *base, struct buf *out)
{
    struct session *core = ((struct submit_session *)base)->core;
    return core->ops->step(core, out);
}

static bool save(struct session *base, struct session_save *out)
{
    struct session *core = ((struct submit_session *)base)->core;
    return core->ops->save(core, out);
}

static void free_session(struct session **base)
{
    struct submit_session *s = (struct submit_session *)*base;
    *base = NULL;
    s->core->ops->free(&s->core);
    buf_release(&s->unique);
    free(s);
}

static const struct session_ops submit_ops = {
    .feed = feed,
    .get_input_backlog = get_input_backlog,
    .step = step,
    .save = save,
    .is_saved_by_step = true,
    .free = free_session,
};

static void wake(void *owner)
{
    struct submit_session *s = owner;
    s->args.session_host.wake(s->args.session_host.owner);
}

static struct submit_session *make(const struct submit_session_args *args)
{
    struct submit_session *s = mem_new(sizeof(*s));
    s->base.ops = &submit_ops;
    s->args = *args;
    buf_init(&s->unique, UNIQUE_MOST);
    s->wait.on_commit = on_commit;
    list_init(&s->wait.node);
    s->cancel.on_commit = on_cancelled;
    list_init(&s->cancel.node);
    s->host = (struct submission_host){
        .base = {.wake = wake, .owner = s},
        .get_time_s = get_time_s,
        .write_unique = write_unique,
        .find_recipient = find_recipient,
        .check_sender = check_sender,
        .content_start = content_start,
        .content_add = content_add,
        .content_finish = content_finish,
        .content_drop = content_drop,
        .fetch_ahead = fetch_ahead,
        .fetch = fetch,
        .fetch_drop = fetch_drop,
        .check_load = check_load,
        .list_held = list_held,
        .cancel_held = cancel_held,
    };
    return s;
}

/* What the caller lent for the time of the call, the core has copied; nothing else of it may be looked at from here on. */
static void use_strings_of_core(struct submit_session *s)
{
    s->args.submission = (struct submission_args){
        .user = submission_get_user(s->core),
        .peer = submission_get_peer(s->core),
    };
}

struct session *submit_session_new(const struct submit_session_args *args)
{
    struct submit_session *s = make(args);
    s->core = submission_new(&args->submission, &s->host);
    use_strings_of_core(s);
    return &s->base;
}

enum err submit_session_resume(const struct submit_session_args *args,
                               const struct session_resume *r, struct session **out)
{
    struct submit_session *s = make(args);
    enum err e = submission_resume(&args->submission, &s->host, r, &s->core);
    if (e != ERR_OK) {
        buf_release(&s->unique);
        free(s);
        return e;
    }
    use_strings_of_core(s);
    *out = &s->base;
    return ERR_OK;
}
