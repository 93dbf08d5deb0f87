/* Where sessions are that are in no process: parked ones, and those whose worker died.
 *
 *            PARK                         link down
 *     LIVE ----------> PARKED -----------------------> ADRIFT
 *      ^  \              |  WAKE, input, its client's end  |  link up: "wake this one, too" -> PARKED
 *      |   link down     v                                 |  input
 *      '------------ WAITING <-----------------------------'
 *        link up: RESUME
 *
 * Each worker (and submit) is a home with a list for each stage. When its link is back, those that wait go first, for clients want
 * something of them; then logins whose session could not be opened; then those adrift are shown to the worker, who knows
 * nothing of them yet and will look, without hurry, whether something came for them meanwhile. Both in small portions: a
 * worker that has just started is not to drown in its past.
 *
 * A client that wants something and whose worker does not come back within resume_wait_ms hears good-bye. One that sleeps does not: it
 * has lost nothing yet, and its worker may come back (RFC 5383, 5: D27). A session that does not get to a state of its own in TRIES_MOST
 * processes may be what kills them, and is given up. */
#include "edge/connection_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/fields.h"

#include <stdlib.h>

enum { PORTION = 64, PORTION_MS = 10, TRIES_MOST = 8 };

struct home {
    struct list stages[KEEP_STAGES]; /* KEEP_LIVE: not used */
    struct list logins;              /* whose session cannot be opened yet (question.c) */
};

struct resume {
    struct edge *edge;
    struct home *homes; /* a worker each, and submit */
    unsigned count;
    struct timer *pace;
    struct timer *patience;
};

static void step(void *owner);
static void lose_patience(void *owner);

struct resume *resume_new(struct edge *e)
{
    struct resume *r = mem_new(sizeof(*r));
    r->edge = e;
    r->count = e->settings.workers + 1;
    r->homes = mem_new(r->count * sizeof(*r->homes));
    for (unsigned i = 0; i < r->count; i++) {
        for (unsigned s = 0; s < KEEP_STAGES; s++) {
            list_init(&r->homes[i].stages[s]);
        }
        list_init(&r->homes[i].logins);
    }
    r->pace = timer_new(e->loop, step, r);
    r->patience = timer_new(e->loop, lose_patience, r);
    return r;
}

void resume_free(struct resume **r)
{
    struct resume *gone = *r;
    if (gone == NULL) {
        return;
    }
    *r = NULL;
    timer_free(&gone->pace);
    timer_free(&gone->patience);
    free(gone->homes);
    free(gone);
}

static struct link *find_link(const struct edge *e, unsigned home)
{
    return home < e->settings.workers ? e->stores[home] : e->submit;
}

static struct connection *find_connection(struct list *node)
{
    struct keep_place *p = list_entry(node, struct keep_place, node);
    return p->whose;
}

static void move(struct connection *c, enum keep_stage stage)
{
    struct edge *e = c->edge;
    struct keep_place *p = keep_get_place(c->keep);
    struct edge_count *count = &e->counts.of[c->service];
    count->parked -= p->stage == KEEP_LIVE || p->stage == KEEP_WAITING ? 0 : 1;
    count->parked += stage == KEEP_LIVE || stage == KEEP_WAITING ? 0 : 1;
    list_remove(&p->node);
    if (p->stage == KEEP_PARKED && stage != KEEP_ADRIFT) {
        struct link *l = find_link(e, p->home);
        if (link_is_up(l)) {
            link_forget(l, p->id);
        }
    }
    p->stage = stage;
    if (stage != KEEP_LIVE) {
        list_append(&e->resume->homes[p->home].stages[stage], &p->node);
    }
}

void resume_leave(struct connection *c)
{
    if (c->keep != NULL && keep_get_place(c->keep)->stage != KEEP_LIVE) {
        move(c, KEEP_LIVE);
    }
}

static void go_on(struct connection *c, struct link *l)
{
    struct buf head = BUF_INIT(LINK_OPEN_MOST);
    move(c, KEEP_LIVE);
    if (keep_get_tries(c->keep) >= TRIES_MOST) {
        log_error("a session that %d processes did not survive is given up", TRIES_MOST);
        buf_release(&head);
        connection_say_bye(c, ERR_UNAVAILABLE);
        return;
    }
    connection_write_place(c, &head);
    keep_write_fields(c->keep, &head);
    keep_begin(c->keep);
    c->edge->counts.resumes++;
    struct stream *s = link_resume(l, buf_str(&head), keep_get_state(c->keep));
    buf_release(&head);
    relay_resume(c, s);
}

static void show(struct connection *c, struct link *l)
{
    struct buf head = BUF_INIT(LINK_OPEN_MOST);
    connection_write_place(c, &head);
    keep_write_fields(c->keep, &head);
    move(c, KEEP_PARKED);
    keep_get_place(c->keep)->id = link_keep_again(l, buf_str(&head), keep_get_state(c->keep), c);
    buf_release(&head);
}

/* A portion of a home's sessions. False: that was all. */
static bool step_home(struct resume *r, unsigned i)
{
    struct link *l = find_link(r->edge, i);
    struct list *waiting = &r->homes[i].stages[KEEP_WAITING];
    struct list *logins = &r->homes[i].logins;
    struct list *adrift = &r->homes[i].stages[KEEP_ADRIFT];
    for (int n = 0; n < PORTION && link_is_up(l); n++) {
        if (!list_is_empty(waiting)) {
            go_on(find_connection(waiting->next), l);
        } else if (!list_is_empty(logins)) {
            question_renew(list_entry(logins->next, struct stranger, home)->connection, false);
        } else if (!list_is_empty(adrift)) {
            show(find_connection(adrift->next), l);
        } else {
            return false;
        }
    }
    return link_is_up(l);
}

static void step(void *owner)
{
    struct resume *r = owner;
    bool has_more = false;
    for (unsigned i = 0; i < r->count; i++) {
        has_more = step_home(r, i) || has_more;
    }
    if (has_more) {
        timer_start(r->pace, PORTION_MS);
    }
}

void resume_note_link(struct edge *e)
{
    timer_start(e->resume->pace, 0);
}

void resume_hold(struct edge *e, unsigned home, struct list *node)
{
    list_append(&e->resume->homes[home].logins, node);
    if (link_is_up(find_link(e, home))) {
        timer_start(e->resume->pace, PORTION_MS);
    }
}

void resume_note_down(struct edge *e, unsigned home)
{
    struct list *parked = &e->resume->homes[home].stages[KEEP_PARKED];
    while (!list_is_empty(parked)) {
        move(find_connection(parked->next), KEEP_ADRIFT);
    }
}

void resume_session(struct connection *c)
{
    struct edge *e = c->edge;
    struct keep_place *p = keep_get_place(c->keep);
    struct link *l = find_link(e, p->home);
    struct list *waiting = &e->resume->homes[p->home].stages[KEEP_WAITING];
    if (p->stage == KEEP_WAITING) {
        return;
    }
    e->counts.wakeups += p->stage == KEEP_LIVE ? 0 : 1;
    if (link_is_up(l) && list_is_empty(waiting)) {
        go_on(c, l);
        return;
    }
    p->since_ms = loop_now_ms(e->loop);
    move(c, KEEP_WAITING);
    if (waiting->next == &p->node) {
        timer_start(e->resume->patience, e->settings.resume_wait_ms);
    }
    if (link_is_up(l)) {
        timer_start(e->resume->pace, 0);
    }
}

void resume_note_cut(struct connection *c)
{
    keep_note_cut(c->keep);
    if (keep_is_dormant(c->keep) && !c->is_peer_done) {
        keep_rest(c->keep);
        move(c, KEEP_ADRIFT);
        resume_note_link(c->edge);
        return;
    }
    resume_session(c);
}

void resume_note_park(struct connection *c)
{
    keep_get_place(c->keep)->id = link_keep(&c->session, c);
    move(c, KEEP_PARKED);
    if (keep_is_dormant(c->keep) && !c->is_peer_done) {
        keep_rest(c->keep);
        return;
    }
    resume_session(c); /* something is on its way to a process that forgot it */
}

/* Sends away whose worker is gone for too long. */
static void lose_patience(void *owner)
{
    struct resume *r = owner;
    uint64_t now_ms = loop_now_ms(r->edge->loop);
    uint64_t most_ms = r->edge->settings.resume_wait_ms;
    uint64_t next_ms = UINT64_MAX;
    for (unsigned i = 0; i < r->count; i++) {
        struct list *waiting = &r->homes[i].stages[KEEP_WAITING];
        while (!list_is_empty(waiting)) {
            struct connection *c = find_connection(waiting->next);
            uint64_t due_ms = keep_get_place(c->keep)->since_ms + most_ms;
            if (due_ms > now_ms) {
                next_ms = due_ms < next_ms ? due_ms : next_ms;
                break;
            }
            r->edge->counts.resumes_late++;
            log_info("a client has waited for its worker for too long");
            connection_say_bye(c, ERR_UNAVAILABLE);
        }
    }
    if (next_ms != UINT64_MAX) {
        timer_start(r->patience, next_ms - now_ms);
    }
}
