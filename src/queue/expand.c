/* An alias in the runner: its recipient is replaced by the alias's targets, in one transaction, so that a crash leaves
 * either the alias or all of its targets.
 *
 * RFC 3461, 5.2.7: with one target the reports that were asked for go on with it. With several, reports of success would come
 * from each: so SUCCESS is not handed on, and the sender hears once that the message was expanded (5.2.7.3, c).
 *
 * The answer of the look-up is whole: aliases of aliases are resolved in it, and circles closed there. Should an answer
 * change under way so that a target becomes an alias again, the aliases that a recipient came out of are kept with it, and
 * nobody passes the same one twice. A target that is a recipient of this message already gets it once. */
#include "queue/runner_priv.h"

#include "base/log.h"

enum { DEPTH_MOST = 8, MEMORY_MOST = 32 * 1024 * 1024, KEY_MOST = 8 * 1024 };

struct expansion {
    struct job *job;
    struct queue_recipient *from;
    struct str via;
    unsigned notify; /* what the targets hand on */
    size_t count;
};

/* Has the recipient come out of this alias before, or out of too many? */
static bool is_circle(const struct queue_recipient *q)
{
    struct str via = q->via;
    size_t depth = 0;
    while (via.n > 0) {
        if (str_eq_nocase(str_split(&via, ' '), q->to.address) || ++depth >= DEPTH_MOST) {
            return true;
        }
    }
    return false;
}

/* ---- who gets the message already ---- */

static void write_key(struct buf *key, char kind, struct str name)
{
    buf_clear(key);
    buf_add_char(key, kind);
    for (size_t i = 0; i < name.n; i++) {
        buf_add_char(key, kind == 'a' ? ascii_lower(name.p[i]) : name.p[i]);
    }
}

static void put_there(struct job *j, struct str address, struct str user)
{
    CLEANUP(buf_release) struct buf key = BUF_INIT(KEY_MOST);
    write_key(&key, 'a', address);
    (void)map_put(j->there, buf_str(&key), j);
    if (user.n > 0) {
        write_key(&key, 'u', user);
        (void)map_put(j->there, buf_str(&key), j);
    }
}

static bool is_there(const struct job *j, struct str address, struct str user)
{
    CLEANUP(buf_release) struct buf key = BUF_INIT(KEY_MOST);
    write_key(&key, 'a', address);
    bool is_found = map_find(j->there, buf_str(&key)) != NULL;
    write_key(&key, 'u', user);
    return is_found || (user.n > 0 && map_find(j->there, buf_str(&key)) != NULL);
}

/* Reads them once for all aliases of the job, and anew when other jobs have added to them. */
static enum err read_there(struct job *j)
{
    struct runner *r = j->runner;
    if (j->there != NULL && j->there_at == r->expansions) {
        return ERR_OK;
    }
    struct queue_message m;
    struct arena *a = arena_new(MEMORY_MOST);
    enum err e = queue_load(r->args.queue, a, j->message.id, &m);
    if (e == ERR_OK) {
        map_free(&j->there);
        j->there = map_new();
        j->there_at = r->expansions;
        for (size_t i = 0; i < m.recipient_count; i++) {
            put_there(j, m.recipients[i].to.address, m.recipients[i].to.user);
        }
    }
    arena_free(&a);
    return e;
}

/* ---- the targets ---- */

static size_t count_targets(struct str targets)
{
    size_t count = 0;
    while (targets.n > 0) {
        (void)str_split(&targets, ' ');
        count++;
    }
    return count;
}

static enum err add_target(struct expansion *x, struct str address, struct str user)
{
    struct runner *r = x->job->runner;
    user = str_eq(user, STR(".")) ? STR_EMPTY : user;
    if (is_there(x->job, address, user)) {
        return ERR_OK;
    }
    struct queue_recipient to = {
        .to = {.address = address, .user = user, .orcpt = x->from->to.orcpt, .notify = x->notify},
        .next_ms = runner_now_ms(r),
        .is_delay_told = x->from->is_delay_told,
        .is_by_told = x->from->is_by_told,
        .via = x->via,
    };
    TRY(queue_add_recipient(r->args.queue, &x->job->message, &to));
    if (to.is_delay_told || to.is_by_told) {
        TRY(queue_update(r->args.queue, &to));
    }
    put_there(x->job, address, user);
    x->job->there_at = ++r->expansions;
    x->count++;
    return ERR_OK;
}

static enum err add_targets(struct expansion *x, const struct mail_found *found)
{
    struct str targets = found->targets;
    struct str users = found->users;
    while (targets.n > 0) {
        struct str address = str_split(&targets, ' ');
        TRY(add_target(x, address, str_split(&users, ' ')));
    }
    return ERR_OK;
}

static enum err replace(struct expansion *x, const struct mail_found *found)
{
    struct job *j = x->job;
    bool has_many = count_targets(found->targets) > 1;
    unsigned asked = x->from->to.notify;
    x->notify = has_many ? mail_get_notify_beyond(asked) : asked;
    x->via = x->from->via.n == 0 ? x->from->to.address
                                 : arena_printf(j->arena, "%.*s %.*s", STR_ARG(x->from->via),
                                                STR_ARG(x->from->to.address));
    TRY(add_targets(x, found));
    bool is_end = has_many || x->count == 0; /* nobody carries the wish for news of success on */
    struct verdict v = {
        .recipient = x->from,
        .is_over = true,
        .is_told = is_end && dsn_is_wanted(x->from->to.notify, DSN_EXPANDED),
        .entry = {.to = &x->from->to, .action = DSN_EXPANDED, .status = STR("2.0.0")},
    };
    return settle_write(j->runner, j->arena, &j->message, &v, 1);
}

enum err expand_job(struct job *j, struct queue_recipient *q, const struct mail_found *found)
{
    if (is_circle(q)) {
        return ERR_LOOP;
    }
    TRY(read_there(j));
    struct expansion x = {.job = j, .from = q};
    enum err e = replace(&x, found);
    if (e == ERR_OK) {
        log_info("queue: message %llu to <%.*s>, an alias of %zu: %zu are new to it",
                 (unsigned long long)j->message.id, STR_ARG(q->to.address),
                 count_targets(found->targets), x.count);
    }
    return e == ERR_LIMIT ? ERR_IO : e;
}
