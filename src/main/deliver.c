/* Local delivery inside a store worker.
 *
 * The LMTP core speaks; this is the world around it: a recipient is an account here, the content is streamed to a writer
 * for each of them, the recipient's scripts say what becomes of it (filter/filter.h), and "delivered" means that the account's commit
 * is done. So the submission server hears 250 for a recipient when, and only when, the message is on disk (or what was asked for
 * instead is), and an IDLE session hears of it in the same turn.
 *
 * Each copy begins with Return-Path and Delivered-To (RFC 5321, 4.4), which make it the recipient's own. A message that was
 * delivered there before is returned or left out (passage.h).
 *
 *     LMTP session --octets--> recipient 0: writer --filter--> mailboxes, outbox --commit--> lmtp_on_delivered(0)
 *                         '--> recipient 1: writer ...
 */
#include "main/deliver.h"

#include "base/log.h"
#include "base/vec.h"
#include "main/passage.h"
#include "net/ticket.h"
#include "smtp/lmtp.h"

#include <stdlib.h>

enum { TRACE_MOST = 4096 };

struct delivery;

struct recipient {
    struct delivery *delivery; /* borrowed */
    size_t index;
    struct account *account;    /* counted */
    struct body_writer *writer; /* NULL: content did not begin */
    struct buf address;
    unsigned notify; /* as RCPT said */
    enum err err;
    size_t trace_size; /* octets of the Return-Path line */
    struct filter_outcome outcome;
    struct commit_wait commit;
};

/* A session: the core and its host. */
struct delivery {
    struct session base;
    struct deliver_args args;
    struct lmtp_host host;
    struct session *core;
    struct buf return_path;
    struct passage *passage;
    VEC(struct recipient *) recipients;
};

static void recipient_free(struct recipient **r)
{
    commit_wait_cancel(&(*r)->commit);
    if ((*r)->writer != NULL) {
        body_writer_free(&(*r)->writer);
    }
    account_unref(&(*r)->account);
    buf_release(&(*r)->address);
    buf_release(&(*r)->outcome.refusal);
    free(*r);
    *r = NULL;
}

static void on_commit(struct commit_wait *w, enum err e)
{
    struct recipient *r = list_entry(w, struct recipient, commit);
    struct delivery *d = r->delivery;
    if (e == ERR_OK && r->outcome.has_outgoing) {
        d->args.on_outgoing(d->args.owner, account_get_user(r->account));
    }
    if (e == ERR_OK && r->outcome.refusal.len > 0) {
        lmtp_on_answered(d->core, r->index, buf_str(&r->outcome.refusal));
    } else {
        lmtp_on_delivered(d->core, r->index, e);
    }
    d->args.session_host.wake(d->args.session_host.owner);
}

/* Whether a full account is a reason to come again is for the operator to say. */
static enum err explain(const struct delivery *d, enum err e)
{
    return e == ERR_OVER_QUOTA && d->args.is_full_later ? ERR_QUOTA_LATER : e;
}

static enum err add_recipient(void *owner, struct str user, struct str address)
{
    struct delivery *d = owner;
    struct account *a = NULL;
    if (ticket_get_worker(user, d->args.workers) != d->args.index) {
        log_warn("a delivery to an account of another worker is refused");
        return ERR_NO_USER;
    }
    TRY(store_open_account(d->args.store, user, true, &a));
    enum err e = account_check_quota(a, 1, 0);
    if (e != ERR_OK) {
        account_unref(&a);
        return explain(d, e);
    }
    struct recipient *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        abort();
    }
    r->delivery = d;
    r->index = d->recipients.count;
    r->account = a;
    r->address = BUF_INIT(TRACE_MOST);
    r->outcome.refusal = BUF_INIT(FILTER_REFUSAL_MOST);
    buf_add(&r->address, address);
    r->notify = lmtp_get_wishes(d->core).notify;
    r->commit.on_commit = on_commit;
    list_init(&r->commit.node);
    vec_push(&d->recipients, r);
    return ERR_OK;
}

static enum err begin_copy(struct recipient *r, struct str return_path)
{
    TRY(body_writer_new(r->account, &r->writer));
    struct buf trace = BUF_INIT(TRACE_MOST);
    buf_addf(&trace, "Return-Path: <%.*s>\r\n", STR_ARG(return_path));
    r->trace_size = trace.len;
    if (r->address.len > 0) {
        buf_addf(&trace, "Delivered-To: %.*s\r\n", STR_ARG(buf_str(&r->address)));
    }
    enum err e = body_writer_add(r->writer, buf_str(&trace));
    buf_release(&trace);
    return e;
}

static void content_start(void *owner, struct str return_path)
{
    struct delivery *d = owner;
    buf_clear(&d->return_path);
    buf_add(&d->return_path, return_path);
    passage_clear(d->passage);
    for (size_t i = 0; i < d->recipients.count; i++) {
        struct recipient *r = d->recipients.at[i];
        r->err = begin_copy(r, return_path);
    }
}

static enum err content_add(void *owner, struct str octets)
{
    struct delivery *d = owner;
    passage_add(d->passage, octets);
    for (size_t i = 0; i < d->recipients.count; i++) {
        struct recipient *r = d->recipients.at[i];
        if (r->err == ERR_OK) {
            r->err = body_writer_add(r->writer, octets);
        }
    }
    return ERR_OK;
}

static struct str find_detail(const struct recipient *r)
{
    struct str address = buf_str(&r->address);
    struct str local = str_sub(address, 0, str_find_last_char(address, '@'));
    size_t i = 0;
    while (i < local.n
           && str_find_char(r->delivery->args.delimiters, local.p[i])
                  == r->delivery->args.delimiters.n) {
        i++;
    }
    return str_skip(local, i);
}

static enum err filter_copy(struct recipient *r)
{
    TRY(body_writer_finish(r->writer));
    struct lmtp_wishes wishes = lmtp_get_wishes(r->delivery->core);
    struct filter_delivery delivery = {
        .account = r->account,
        .writer = r->writer,
        .return_path = buf_str(&r->delivery->return_path),
        .address = buf_str(&r->address),
        .trace_size = r->trace_size,
        .notify = r->notify,
        .ret = wishes.ret,
        .envid = wishes.envid,
        .is_tls_required = wishes.is_tls_required,
    };
    return filter_deliver(r->delivery->args.filter, &delivery, &r->outcome);
}

/* A second copy is taken, and left out. */
static enum err deliver_copy(struct recipient *r)
{
    const struct delivery *d = r->delivery;
    int64_t now_s = (int64_t)(d->args.wall_ms(d->args.owner) / 1000);
    bool is_duplicate = false;
    TRY(r->err);
    /* Nobody would hear of it: it goes on, and what a script would send on once more is kept (filter/plan.c). */
    TRY(d->return_path.len > 0 ? passage_check_loop(d->passage, buf_str(&r->address)) : ERR_OK);
    TRY(passage_is_duplicate(d->passage, r->account, find_detail(r), now_s, &is_duplicate));
    if (is_duplicate) {
        log_info("a second copy for <%.*s> is left out", STR_ARG(buf_str(&r->address)));
        return ERR_OK;
    }
    TRY(filter_copy(r));
    return r->outcome.refusal.len > 0
               ? ERR_OK
               : passage_remember(d->passage, r->account, find_detail(r), now_s);
}

static void content_finish(void *owner)
{
    struct delivery *d = owner;
    passage_finish(d->passage);
    for (size_t i = 0; i < d->recipients.count; i++) {
        struct recipient *r = d->recipients.at[i];
        enum err e = deliver_copy(r);
        if (e == ERR_OK) {
            account_wait_commit(r->account, &r->commit);
        } else {
            lmtp_on_delivered(d->core, i, explain(d, e));
        }
    }
}

static void reset(void *owner)
{
    struct delivery *d = owner;
    for (size_t i = 0; i < d->recipients.count; i++) {
        recipient_free(&d->recipients.at[i]);
    }
    vec_clear(&d->recipients);
}

/* ---- the session that others see ---- */

static void deliver_feed(struct session *base, struct str octets)
{
    struct session *core = ((struct delivery *)base)->core;
    core->ops->feed(core, octets);
}

static size_t deliver_get_input_backlog(const struct session *base)
{
    const struct session *core = ((const struct delivery *)base)->core;
    return core->ops->get_input_backlog(core);
}

static enum session_want deliver_step(struct session *base, struct buf *out)
{
    struct session *core = ((struct delivery *)base)->core;
    return core->ops->step(core, out);
}

static void deliver_free(struct session **base)
{
    struct delivery *d = (struct delivery *)*base;
    *base = NULL;
    reset(d);
    vec_release(&d->recipients);
    buf_release(&d->return_path);
    passage_free(&d->passage);
    d->core->ops->free(&d->core);
    free(d);
}

static const struct session_ops deliver_ops = {
    .feed = deliver_feed,
    .get_input_backlog = deliver_get_input_backlog,
    .step = deliver_step,
    .free = deliver_free,
};

static void wake(void *owner)
{
    struct delivery *d = owner;
    d->args.session_host.wake(d->args.session_host.owner);
}

struct session *deliver_new(const struct deliver_args *args)
{
    struct delivery *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        abort();
    }
    d->base.ops = &deliver_ops;
    d->args = *args;
    buf_init(&d->return_path, TRACE_MOST);
    d->passage = passage_new(args->duplicate_s);
    d->host = (struct lmtp_host){
        .base = {.wake = wake, .owner = d},
        .add_recipient = add_recipient,
        .content_start = content_start,
        .content_add = content_add,
        .content_finish = content_finish,
        .reset = reset,
    };
    d->core = lmtp_new(args->hostname, args->message_most, &d->host);
    return &d->base;
}
