/* Auth asks all edges to end a user's sessions.
 *
 *     supervisor --CONTROL_KICK--> auth --request--> edge, edge, ...
 *                <-CONTROL_KICKED-      <--reply---
 *
 * It is auth who asks, because it has a link to every edge, also on other hosts, and because no login can slip through: first those that
 * it has in hand are dropped (auth_drop_user()), and what it said yes to is on the same link before the question.
 *
 * An edge whose link is down, breaks, or says nothing for KICK_PATIENCE_MS is not among those reached; the supervisor knows which
 * edges there should be. */
#include "main/kick_round.h"

#include "base/buf.h"
#include "base/mem.h"
#include "main/control.h"
#include "net/fields.h"

#include <stdlib.h>

enum { SERVICE_COUNT = 3, REPORT_MOST = CONTROL_PART_MOST, REQUEST_MOST = 2048 };

static const char *const SERVICES[SERVICE_COUNT] = {"imap", "submission", "sieve"};

struct round {
    struct list node;
    struct kick_rounds *rounds;
    struct timer *timer;
    struct list questions;
    uint64_t counts[SERVICE_COUNT];
    struct buf reached;
    unsigned id;
};

/* To one edge, not answered yet. */
struct question {
    struct list node;
    struct round *round;
    struct link *link;
};

static void free_question(struct question *q)
{
    list_remove(&q->node);
    free(q);
}

static void free_round(struct round *r)
{
    list_remove(&r->node);
    list_each_safe(node, &r->questions)
    {
        struct question *q = list_entry(node, struct question, node);
        link_cancel(q->link, q);
        free_question(q);
    }
    timer_free(&r->timer);
    buf_release(&r->reached);
    free(r);
}

static void finish(struct round *r)
{
    struct kick_rounds *k = r->rounds;
    CLEANUP(buf_release) struct buf report = BUF_INIT(REPORT_MOST);
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        fields_add_u64(&report, str_from_c(SERVICES[i]), r->counts[i]);
    }
    fields_add(&report, STR("reached"), buf_str(&r->reached));
    unsigned id = r->id;
    free_round(r);
    k->on_done(k->owner, id, buf_str(&report));
}

static void note_answer(struct round *r, const struct link *l, struct str body)
{
    struct fields f;
    if (fields_parse(body, &f) != ERR_OK) {
        return;
    }
    if (str_eq(fields_get(&f, STR("result")), STR("ok"))) {
        buf_addf(&r->reached, "%.*s.%u ", STR_ARG(link_get_name(l)), link_get_index(l));
        for (size_t i = 0; i < SERVICE_COUNT; i++) {
            r->counts[i] += fields_get_u64(&f, str_from_c(SERVICES[i]), 0);
        }
    }
    fields_release(&f);
}

static void on_reply(void *owner, enum err e, struct str body)
{
    struct question *q = owner;
    struct round *r = q->round;
    if (e == ERR_OK) {
        note_answer(r, q->link, body);
    }
    free_question(q);
    if (list_is_empty(&r->questions)) {
        finish(r);
    }
}

static void on_late(void *owner)
{
    finish(owner);
}

void kick_rounds_init(struct kick_rounds *k, struct loop *l, const struct peers *peers,
                      void (*on_done)(void *owner, unsigned id, struct str report), void *owner)
{
    *k = (struct kick_rounds){.loop = l, .peers = peers, .on_done = on_done, .owner = owner};
    list_init(&k->rounds);
}

static void ask(struct round *r, struct link *l, struct str request)
{
    struct question *q = mem_new(sizeof(*q));
    q->round = r;
    q->link = l;
    list_append(&r->questions, &q->node);
    link_request(l, request, on_reply, q);
}

void kick_rounds_begin(struct kick_rounds *k, unsigned id, struct str service, struct str user)
{
    CLEANUP(buf_release) struct buf request = BUF_INIT(REQUEST_MOST);
    struct round *r = mem_new(sizeof(*r));
    r->rounds = k;
    r->id = id;
    r->reached = BUF_INIT(REPORT_MOST);
    r->timer = timer_new(k->loop, on_late, r);
    list_init(&r->questions);
    list_append(&k->rounds, &r->node);
    fields_add(&request, STR("op"), STR("kick"));
    fields_add(&request, STR("user"), user);
    fields_add(&request, STR("service"), service);
    for (size_t i = 0; i < k->peers->links.count; i++) {
        struct link *l = k->peers->links.at[i];
        if (link_get_peer(l) == ROLE_EDGE && link_is_up(l)) {
            ask(r, l, buf_str(&request));
        }
    }
    if (list_is_empty(&r->questions)) {
        finish(r);
        return;
    }
    timer_start(r->timer, KICK_PATIENCE_MS);
}

void kick_rounds_release(struct kick_rounds *k)
{
    list_each_safe(node, &k->rounds)
    {
        free_round(list_entry(node, struct round, node));
    }
}
