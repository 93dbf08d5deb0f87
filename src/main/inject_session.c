/* The receiving end of the outboxes. A worker says who sends what to whom, then the octets; the answer is one line after the queue's
 * commit, and then the worker takes the item out of its outbox.
 *
 *     worker: open, token and envelope --octets--> spool --token and message, one commit--> "ok"
 *
 * Either side may die at any moment, and the worker then begins again. So the token is committed together with the message: with
 * one that is known nothing is queued, and the answer is "ok". Tokens are kept for longer than an outbox keeps trying.
 *
 * The message gets a Received line here, like any that comes to us; what else must be in its header, who made it has put there. */
#include "main/inject_session.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/fields.h"
#include "smtp/header_fix.h"
#include "smtp/trace_scan.h"

#include <stdlib.h>

enum { FIELD_CAP = 4096 };

enum inject_state { INJECT_OCTETS, INJECT_QUEUED, INJECT_OVER };

struct inject {
    struct session base;
    struct inject_args args;
    struct fields f; /* a copy */
    enum inject_state state;
    uint64_t size; /* as announced */
    uint64_t got;
    struct spool *spool;
    struct trace_scan scan;
    enum err err;
    struct queue_wait wait;
};

static void on_commit(struct queue_wait *w, enum err e)
{
    struct inject *s = list_entry(w, struct inject, wait);
    s->err = e;
    s->state = INJECT_OVER;
    s->args.session_host.wake(s->args.session_host.owner);
}

static int8_t get_priority(const struct fields *f)
{
    uint64_t above = fields_get_u64(f, STR("priority"), 9); /* above -9 */
    return (int8_t)(above > 18 ? 0 : (int)above - 9);
}

static void note_arrival(const struct queue_message *m)
{
    log_info("queue: message %llu from <%.*s>, %llu octets, by %.*s", (unsigned long long)m->id,
             STR_ARG(m->return_path), (unsigned long long)m->size, STR_ARG(m->sender));
}

static enum err enqueue(struct inject *s)
{
    const struct fields *f = &s->f;
    uint64_t now_ms = loop_wall_ms(s->args.loop);
    struct queue_recipient to = {
        .to = {.address = fields_get(f, STR("to")),
               .orcpt = fields_get(f, STR("orcpt")),
               .notify = (unsigned)fields_get_u64(f, STR("notify"), 0)},
        .next_ms = now_ms,
    };
    struct queue_message m = {
        .arrived_ms = now_ms,
        .return_path = fields_get(f, STR("from")),
        .envid = fields_get(f, STR("envid")),
        .ret = (enum smtp_ret)fields_get_u64(f, STR("ret"), SMTP_RET_NONE),
        .terms = {.is_utf8 = fields_get_u64(f, STR("utf8"), 0) == 1,
                  .is_tls_required = fields_get_u64(f, STR("tls_required"), 0) == 1,
                  .is_tls_optional = trace_scan_is_tls_optional(&s->scan), /* RFC 8689, 6 */
                  .priority = get_priority(f)},
        .sender = fields_get(f, STR("user")),
        .token = fields_get(f, STR("token")),
        .recipients = &to,
        .recipient_count = 1,
    };
    TRY(queue_add(s->args.queue, &m, &s->spool));
    if (m.id != 0) {
        note_arrival(&m);
    }
    return ERR_OK;
}

static void end_octets(struct inject *s)
{
    trace_scan_finish(&s->scan);
    s->err = s->err == ERR_OK ? enqueue(s) : s->err;
    if (s->err == ERR_OK) {
        s->state = INJECT_QUEUED;
        queue_wait_commit(s->args.queue, &s->wait);
        return;
    }
    s->state = INJECT_OVER;
}

/* ---- the session's verbs ---- */

static void feed(struct session *base, struct str octets)
{
    struct inject *s = (struct inject *)base;
    if (s->state != INJECT_OCTETS) {
        return;
    }
    octets = str_sub(octets, 0, (size_t)(s->size - s->got));
    s->got += octets.n;
    if (s->err == ERR_OK) {
        trace_scan_add(&s->scan, octets);
        s->err = spool_add(s->spool, octets);
    }
}

static size_t get_input_backlog(const struct session *base)
{
    return 0;
}

static void answer(const struct inject *s, struct buf *out)
{
    if (s->err == ERR_OK) {
        buf_add(out, STR("ok\n"));
    } else {
        buf_add(out, err_get_info(s->err)->smtp >= 500 ? STR("no ") : STR("later "));
        buf_add_c(out, err_get_info(s->err)->name);
        buf_add_char(out, '\n');
    }
}

static enum session_want step(struct session *base, struct buf *out)
{
    struct inject *s = (struct inject *)base;
    if (s->state == INJECT_OCTETS && s->got == s->size) {
        end_octets(s);
    }
    if (s->state == INJECT_OVER) {
        answer(s, out);
        return SESSION_CLOSE;
    }
    return s->state == INJECT_QUEUED ? SESSION_EVENT : SESSION_INPUT;
}

static void free_session(struct session **base)
{
    struct inject *s = (struct inject *)*base;
    *base = NULL;
    queue_wait_cancel(&s->wait);
    spool_free(&s->spool);
    trace_scan_release(&s->scan);
    fields_release(&s->f);
    free(s);
}

static const struct session_ops OPS = {
    .feed = feed,
    .get_input_backlog = get_input_backlog,
    .step = step,
    .free = free_session,
};

/* The trace line that every host adds (RFC 5321, 4.4). */
static enum err begin_content(struct inject *s)
{
    CLEANUP(buf_release) struct buf line = BUF_INIT(FIELD_CAP);
    buf_addf(&line, "Received: by %.*s (Limetta) id ", STR_ARG(s->args.hostname));
    buf_add(&line, str_sub(fields_get(&s->f, STR("token")), 0, 16));
    buf_add(&line, STR(";\r\n\t"));
    header_write_date(&line, (int64_t)(loop_wall_ms(s->args.loop) / 1000));
    buf_add(&line, STR("\r\n"));
    s->spool = queue_spool_new(s->args.queue, s->args.message_most);
    TRY(buf_err(&line));
    return spool_add(s->spool, buf_str(&line));
}

static enum err begin(struct inject *s, struct str head)
{
    TRY(fields_parse(head, &s->f));
    s->size = fields_get_u64(&s->f, STR("size"), 0);
    bool is_whole = fields_get(&s->f, STR("token")).n > 0 && fields_get(&s->f, STR("to")).n > 0;
    return is_whole ? begin_content(s) : ERR_SYNTAX;
}

struct session *inject_session_new(const struct inject_args *args, struct str head)
{
    struct inject *s = mem_new(sizeof(*s));
    s->base.ops = &OPS;
    s->args = *args;
    s->wait.on_commit = on_commit;
    list_init(&s->wait.node);
    trace_scan_init(&s->scan);
    s->err = begin(s, head);
    return &s->base;
}
