/* IMAP events in Sieve (RFC 6785). A command's change becomes a *job*: a mailbox, UIDs, why, and for whom. It waits for the change's
 * commit, then its messages are looked at, a few in a step, so that a COPY of 100,000 holds up nobody:
 *
 *     command --change pending--> job --commit--> ready --step: script, plan, pending--> commit --> ready ... gone
 *
 * What is different from a delivery (filter.c): the message is there already and cannot change, so a kept one stays where it is, perhaps
 * with other flags, and one that is not kept is marked \Deleted, for its owner's clients to expunge (2.2.4). A copy that a script
 * wants is a copy in the store, unless it changed the header. There is no envelope; what is redirected is sent by the mailbox's
 * owner. Nothing that a script does is an event again.
 *
 * A job is in memory only: a worker that dies forgets which messages it has not looked at. A script that fails leaves its message alone
 * and a note, as at delivery. */
#include "filter/events.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/numset.h"
#include "filter/filter_priv.h"
#include "store/annotation.h"
#include "store/script.h"

enum {
    JOBS_MOST = 1000,
    MESSAGES_A_STEP = 8,
    LOOKS_A_STEP = 2000, /* at messages whose flags did not change after all */
    NAME_MOST = 4096,
    FLAGS_MOST = 64,
    EVENT_ARENA_MOST = 128 * 1024 * 1024
};

struct job {
    struct list node; /* in waiting or ready */
    struct filter_events *events;
    struct mailbox *mailbox; /* counted */
    struct account *account; /* counted */
    enum imap_cause cause;
    struct buf user;
    struct buf script; /* its name */
    struct numset uids;
    struct view *before; /* FLAG: as it was; counted */
    struct commit_wait wait;
    bool has_outgoing;
};

struct filter_events {
    struct filter *filter;
    struct filter_events_host host;
    struct list waiting;
    struct list ready;
    size_t count;
};

static void job_free(struct job *j)
{
    j->events->count--;
    commit_wait_cancel(&j->wait);
    list_remove(&j->node);
    view_unref(&j->before);
    mailbox_unref(&j->mailbox);
    account_unref(&j->account);
    numset_release(&j->uids);
    buf_release(&j->user);
    buf_release(&j->script);
    free(j);
}

static void on_commit(struct commit_wait *w, enum err e)
{
    struct job *j = list_entry(w, struct job, wait);
    const struct filter_events_host *host = &j->events->host;
    if (e == ERR_OK && j->has_outgoing) {
        host->on_outgoing(host->owner, account_get_user(j->account));
    }
    j->has_outgoing = false;
    if (e != ERR_OK || numset_is_empty(&j->uids)) {
        job_free(j);
        return;
    }
    list_remove(&j->node);
    list_append(&j->events->ready, &j->node);
    host->wake(host->owner);
}

/* ---- which script ---- */

/* "The selection of which metadata entry to use happens before any examination of the contents" (2.3.1). */
static enum err find_script(struct mailbox *m, struct buf *name)
{
    static const struct str ENTRY = {"/shared/imapsieve/script", 24};
    struct account *a = mailbox_get_account(m);
    struct str user = account_get_user(a);
    bool has_value = false;
    TRY(account_get_annotation(a, m, user, ENTRY, name, &has_value));
    return has_value ? ERR_OK : account_get_annotation(a, NULL, user, ENTRY, name, &has_value);
}

void filter_events_add(struct filter_events *v, const struct imap_event *e)
{
    struct buf name = BUF_INIT(NAME_MOST);
    struct view *before = NULL;
    struct account *a = mailbox_get_account(e->mailbox);
    bool is_wanted = a != NULL && find_script(e->mailbox, &name) == ERR_OK && name.len > 0
                     && mailbox_get_view(e->mailbox, &before) == ERR_OK;
    if (!is_wanted || v->count == JOBS_MOST) {
        buf_release(&name);
        return;
    }
    struct job *j = mem_new(sizeof(*j));
    j->events = v;
    v->count++;
    j->mailbox = e->mailbox;
    mailbox_ref(j->mailbox);
    j->account = a;
    account_ref(a);
    j->cause = e->cause;
    j->script = name;
    buf_init(&j->user, NAME_MOST);
    buf_add(&j->user, e->user);
    numset_copy(&j->uids, e->uids);
    j->before = e->cause == IMAP_CAUSE_FLAG ? view_ref(before) : NULL;
    j->wait.on_commit = on_commit;
    list_init(&j->wait.node);
    list_init(&j->node);
    list_append(&v->waiting, &j->node);
    account_wait_commit(a, &j->wait);
}

/* ---- one message ---- */

struct look {
    struct job *job;
    struct run *r;
    struct message msg;
    uint64_t changed; /* flags */
    struct body_reader *reader;
    bool is_kept;
};

/* Names of flags, in the run's arena. */
static struct sieve_strings write_flags(struct look *l, uint64_t flags)
{
    static const char *const SYSTEM[] = {"\\Seen", "\\Answered", "\\Flagged", "\\Deleted",
                                         "\\Draft"};
    static const uint64_t BITS[] = {FLAG_SEEN, FLAG_ANSWERED, FLAG_FLAGGED, FLAG_DELETED,
                                    FLAG_DRAFT};
    struct str *names = arena_array(l->r->a, struct str, FLAGS_MOST + 5);
    struct sieve_strings out = {names, 0};
    for (size_t i = 0; names != NULL && i < sizeof(BITS) / sizeof(BITS[0]); i++) {
        if ((flags & BITS[i]) != 0) {
            names[out.count++] = str_from_c(SYSTEM[i]);
        }
    }
    for (unsigned bit = KEYWORD_FIRST; names != NULL && bit < FLAGS_MOST; bit++) {
        struct str name =
            (flags >> bit & 1) != 0 ? mailbox_get_keyword_name(l->job->mailbox, bit) : STR_EMPTY;
        if (name.n > 0) {
            names[out.count++] = arena_str(l->r->a, name);
        }
    }
    return out;
}

static bool find_message(struct look *l, struct uid uid)
{
    struct view *now = NULL;
    struct message was;
    if (mailbox_is_deleted(l->job->mailbox) || mailbox_get_view(l->job->mailbox, &now) != ERR_OK) {
        return false;
    }
    struct seq seq = view_find_uid(now, uid);
    if (seq.v == 0 || view_get(now, seq, &l->msg) != ERR_OK) {
        return false;
    }
    if (l->job->cause != IMAP_CAUSE_FLAG) {
        return true;
    }
    seq = view_find_uid(l->job->before, uid);
    if (seq.v == 0) {
        return false;
    }
    view_get_hot(l->job->before, seq, &was);
    l->changed = was.flags ^ l->msg.flags;
    return l->changed != 0;
}

static enum err read_message(struct look *l)
{
    struct run *r = l->r;
    struct str serialised;
    TRY(body_reader_new(r->account, l->msg.body_id, &l->reader));
    TRY(body_reader_map(l->reader, &r->octets));
    TRY(account_get_shape(r->account, l->msg.body_id, &serialised));
    struct str copy = arena_str(r->a, serialised);
    TRY(copy.p == NULL ? ERR_LIMIT : ERR_OK);
    return shape_parse(r->a, copy, &r->shape);
}

/* The line that a delivery put on top. */
static size_t measure_trace(struct str octets)
{
    return str_starts(octets, STR("Return-Path:")) ? str_find_char(octets, '\n') + 1 : 0;
}

/* The main address of the one who gave the command. */
static struct str find_email(struct run *r, struct str user)
{
    struct str domains = r->f->config.domains;
    struct str first = str_split(&domains, ' ');
    return str_find_char(user, '@') < user.n
               ? user
               : arena_printf(r->a, "%.*s@%.*s", STR_ARG(user), STR_ARG(first));
}

static enum err set_up(struct look *l)
{
    static const enum sieve_cause CAUSES[] = {[IMAP_CAUSE_APPEND] = SIEVE_APPEND,
                                              [IMAP_CAUSE_COPY] = SIEVE_COPY,
                                              [IMAP_CAUSE_FLAG] = SIEVE_FLAG};
    struct run *r = l->r;
    struct sieve_item *items = make_items(r);
    TRY(items == NULL ? ERR_LIMIT : ERR_OK);
    r->env = (struct sieve_env){
        .items = items,
        .item_count = FILTER_ITEMS,
        .message = r->octets,
        .shape = &r->shape,
        .delimiters = r->f->config.delimiters,
        .now_s = r->now_s,
        .zone_s = find_zone_s(r),
        .user = account_get_user(r->account),
        .addresses = {r->addresses.at, (uint32_t)r->addresses.count},
        .cause = CAUSES[l->job->cause],
        .mailbox = mailbox_get_name(l->job->mailbox),
        .changed_flags = write_flags(l, l->changed),
        .flags = write_flags(l, l->msg.flags),
        .imap_user = buf_str(&l->job->user),
        .imap_email = find_email(r, buf_str(&l->job->user)),
        .host = &FILTER_HOST,
        .owner = r,
        .limits = &r->f->limits,
        .config = &r->f->sieve,
    };
    return ERR_OK;
}

/* ---- carrying it out ---- */

static void on_pair(void *owner, struct copy_pair p)
{
    *(struct uid *)owner = p.to;
}

/* A copy beside the original. */
static enum err file_copy(struct look *l, const struct copy *copy)
{
    struct mailbox *to = NULL;
    struct uid uid = {0};
    CLEANUP(numset_release) struct numset one = NUMSET_INIT;
    TRY(find_or_create(l->r, copy->target, &to));
    uint64_t flags = find_flags(to, &copy->target->flags);
    enum err e = ERR_OK;
    if (copy->writer != NULL) {
        struct append_args args = {.flags = flags, .internaldate_s = l->msg.internaldate_s};
        e = mailbox_append(to, copy->writer, &args, &uid);
    } else {
        numset_add(&one, l->msg.uid.v, l->msg.uid.v);
        e = mailbox_copy(l->job->mailbox, &one, to, false, on_pair, &uid);
    }
    if (e == ERR_OK && copy->writer == NULL && copy->target->has_flags && uid.v != 0) {
        numset_clear(&one);
        numset_add(&one, uid.v, uid.v);
        e = mailbox_store_flags(to, &one, FLAG_OP_SET, flags, UINT64_MAX, NULL);
    }
    mailbox_unref(&to);
    return e;
}

static enum err store_flags(struct look *l, enum flag_op op, uint64_t flags)
{
    CLEANUP(numset_release) struct numset one = NUMSET_INIT;
    numset_add(&one, l->msg.uid.v, l->msg.uid.v);
    return mailbox_store_flags(l->job->mailbox, &one, op, flags, UINT64_MAX, NULL);
}

static enum err apply_one(struct look *l, const struct copy *copy)
{
    if (!copy->is_keep) {
        enum err e = copy->is_message || copy->writer != NULL ? file_copy(l, copy) : ERR_OK;
        if (e == ERR_OVER_QUOTA || e == ERR_LIMIT) {
            add_note(l->r, STR("the script of a mailbox"), 0, str_from_c(err_get_info(e)->meaning));
            l->is_kept = true;
            return ERR_OK;
        }
        return e;
    }
    l->is_kept = true;
    return copy->target->has_flags
               ? store_flags(l, FLAG_OP_SET, find_flags(l->job->mailbox, &copy->target->flags))
               : ERR_OK;
}

static enum err apply(struct look *l)
{
    struct run *r = l->r;
    for (size_t i = 0; i < r->copies.count; i++) {
        TRY(apply_one(l, &r->copies.at[i]));
    }
    uint64_t waiting = 0;
    TRY(r->letters.count > 0 ? account_count_outgoing(r->account, &waiting) : ERR_OK);
    if (waiting + r->letters.count > OUTBOX_MOST) {
        vec_clear(&r->letters); /* nothing is sent, so nothing goes */
        l->is_kept = true;
    }
    TRY(apply_rest(r, true));
    l->job->has_outgoing = l->job->has_outgoing || r->letters.count > 0;
    return l->is_kept ? ERR_OK : store_flags(l, FLAG_OP_ADD, FLAG_DELETED);
}

/* ---- running ---- */

static enum err run_script(struct look *l, struct str text)
{
    struct run *r = l->r;
    const struct compiled *c = scripts_get(r->f, text);
    struct str what = arena_printf(r->a, "your script \"%.*s\" for mailbox \"%.*s\"",
                                   STR_ARG(buf_str(&l->job->script)), STR_ARG(r->env.mailbox));
    if (c->script == NULL) {
        add_note(r, what, c->error.line, str_from_c(c->error.text));
        l->is_kept = true;
        return ERR_OK;
    }
    struct sieve_result result;
    TRY(sieve_run(c->script, &r->env, r->a, &result));
    if (result.is_failed) {
        add_note(r, what, result.error.line, str_from_c(result.error.text));
        l->is_kept = true;
        return ERR_OK;
    }
    for (uint32_t i = 0; i < result.count; i++) {
        vec_push(&r->actions, &result.actions[i]);
    }
    return plan_actions(r);
}

static enum err look_at(struct look *l, struct str text)
{
    struct str detail;
    TRY(read_message(l));
    find_addresses(l->r, &detail);
    struct filter_delivery d = {
        .account = l->r->account,
        .return_path = l->r->addresses.at[0],
        .address = l->r->addresses.at[0],
        .trace_size = measure_trace(l->r->octets),
    };
    l->r->d = &d;
    enum err e = set_up(l);
    e = e == ERR_OK ? run_script(l, text) : e;
    e = e == ERR_OK ? apply(l) : e;
    l->r->d = NULL;
    return e;
}

/* *has_run: there was something to look at. */
static enum err look_at_uid(struct job *j, struct uid uid, struct str text, bool *has_run)
{
    static const struct filter_delivery NOBODY = {.trace_size = 0};
    struct filter *f = j->events->filter;
    struct run r = {.f = f, .d = &NOBODY, .account = j->account};
    struct look l = {.job = j, .r = &r};
    *has_run = find_message(&l, uid);
    if (!*has_run) {
        return ERR_OK;
    }
    r.a = arena_new(EVENT_ARENA_MOST);
    r.body_id = l.msg.body_id;
    r.now_s = (int64_t)(f->config.wall_ms(f->config.owner) / 1000);
    enum err e = look_at(&l, text);
    body_reader_free(&l.reader);
    run_release(&r);
    return e;
}

/* Takes the next UID that a message has; false: there is none. A command may have named all numbers there are. */
static bool take_uid(struct job *j, struct uid *out)
{
    struct view *now = NULL;
    if (mailbox_is_deleted(j->mailbox) || mailbox_get_view(j->mailbox, &now) != ERR_OK) {
        return false;
    }
    while (!numset_is_empty(&j->uids)) {
        struct uid first = {j->uids.at[0].first};
        struct seq seq = view_find_uid_from(now, first);
        if (seq.v > view_get_count(now)) {
            return false;
        }
        struct message msg;
        view_get_hot(now, seq, &msg);
        bool is_wanted = numset_has(&j->uids, msg.uid.v);
        numset_remove(&j->uids, first.v, msg.uid.v);
        if (is_wanted) {
            *out = msg.uid;
            return true;
        }
    }
    return false;
}

static enum err look_at_some(struct job *j, struct str text)
{
    int runs = 0;
    for (int i = 0; i < LOOKS_A_STEP && runs < MESSAGES_A_STEP; i++) {
        struct uid uid;
        bool has_run = false;
        if (!take_uid(j, &uid)) {
            numset_clear(&j->uids);
            break;
        }
        TRY(look_at_uid(j, uid, text, &has_run));
        runs += has_run;
    }
    return ERR_OK;
}

/* Looks at the next messages; what happened is pending, or the turn is spoilt for this account. */
static void step(struct job *j)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(SCRIPT_TEXT_MOST);
    enum err e = account_script_get(j->account, buf_str(&j->script), &text);
    scripts_trim(j->events->filter);
    e = e == ERR_OK ? look_at_some(j, buf_str(&text)) : e;
    if (e == ERR_NOT_FOUND || e == ERR_SCRIPT_NAME) {
        numset_clear(&j->uids); /* "no Sieve script will be invoked" (2.3.1) */
    } else if (e != ERR_OK) {
        log_warn("filter: %.*s: an event is dropped: %s", STR_ARG(account_get_user(j->account)),
                 err_get_info(e)->meaning);
        err_ignore(account_abandon(j->account, e));
    }
    list_remove(&j->node);
    list_append(&j->events->waiting, &j->node);
    account_wait_commit(j->account, &j->wait);
}

bool filter_events_step(struct filter_events *v)
{
    if (!list_is_empty(&v->ready)) {
        step(list_entry(v->ready.next, struct job, node));
    }
    return !list_is_empty(&v->ready);
}

struct filter_events *filter_events_new(struct filter *f, const struct filter_events_host *host)
{
    struct filter_events *v = mem_new(sizeof(*v));
    v->filter = f;
    v->host = *host;
    list_init(&v->waiting);
    list_init(&v->ready);
    return v;
}

static void free_all(struct list *jobs)
{
    list_each_safe(node, jobs)
    {
        job_free(list_entry(node, struct job, node));
    }
}

void filter_events_free(struct filter_events **v)
{
    if (*v != NULL) {
        free_all(&(*v)->waiting);
        free_all(&(*v)->ready);
        free(*v);
        *v = NULL;
    }
}
