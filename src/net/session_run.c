/* The shell around session cores.
 *
 * One idle session must cost next to nothing (a few hundred octets), a busy one must not hold up its neighbours, and no
 * reply may overtake its commit. So a runner is a small struct on lists of its group, of which two make a turn: `ready`
 * (step me) and `said` (I have output). The loop's turn end works them off: everybody who is ready makes one step, the group commits,
 * everybody's output is written. A step that wants more puts its runner on the ready list again, behind the others;
 * the loop goes round until nobody is ready, and looks at its sockets in between when that takes long.
 *
 * Little output is not worth a turn, nor a frame and a TLS record, of its own: a step that said little and has more to say is
 * followed by the next one at once, for a few times.
 *
 * News that nobody asked for may wait a moment for more of them (the list `gathering`), unless something else
 * comes for the session.
 *
 * Output buffers come from a small pool and go back at the end of the turn: idle sessions own none.
 *
 * When a core says MARK, what it said and the mark are written, and it is not stepped until the peer's mark has come; what comes
 * in meanwhile goes back as it is (session.h).
 *
 * A session that is kept says after its steps, behind the commit, where another process would have to go on (core's save);
 * that leaves with the output, in one piece (net/link.h). One that has nothing under way stands on the list `resting`, the one
 * silent for longest first, and is parked after a while, or at once when the process is to end: the core is freed, the peer has the last
 * state.
 *
 * When a core says CLOSE, what it said is written, the core is freed at once, and the stream is left to
 * stream_finish(). When the peer ends in good order (it may have piped in all its commands and closed its side), the
 * session goes on until it asks for input. When the peer is gone, so is the session. */
#include "net/session_run.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/link.h"

#include <stdlib.h>

enum {
    SPARES_MOST = 16,
    SPARE_KEEP = 256 * 1024,
    OUTPUT_CAP = 64 * 1024 * 1024,
    DRAIN_MS = 1,
    STEPS_MOST = 4, /* of one session in one turn */
    SMALL_OUTPUT = SESSION_OUTPUT_MOST / 4
};

struct session_group {
    struct loop *loop;
    void (*commit)(void *owner);
    void *owner;
    struct list runners;
    struct list ready;
    struct list said;
    struct list resting;   /* could be parked, in the order of their last life */
    struct list gathering; /* have news, in the order in which the first came */
    struct timer *news;
    uint64_t news_window_ms; /* 0: news do not wait */
    struct timer *park;
    uint64_t park_after_ms; /* 0: never */
    struct buf state;       /* room to work in */
    struct buf sealed;
    size_t count;
    struct buf spares[SPARES_MOST];
    size_t spares_count;
    bool is_turn_due; /* a call is deferred so that the loop comes round */
};

struct session_runner {
    struct session_host host;
    struct session_group *group;
    struct stream *stream;
    struct session *core; /* NULL until started */
    struct buf out;
    struct list node;
    struct list ready;
    struct list said;
    struct list resting;
    const struct session_keeper *keeper; /* NULL: dies with this process */
    void *keeper_owner;
    uint32_t about;            /* for the log: whose connection */
    uint64_t fed;              /* octets, since the last mark */
    uint64_t rest_ms;          /* since when it rests, or gathers */
    struct session_save saved; /* the last one; may_park: and nothing happened since */
    enum session_want want;
    enum session_mark mark; /* with is_marked */
    bool is_marked;         /* between our mark and the peer's */
    bool is_peer_done;
    bool is_gathering; /* news: in group->gathering, since rest_ms */
};

static void on_turn_due(void *owner)
{
    struct session_group *g = owner;
    g->is_turn_due = false; /* the turn end follows */
}

static void make_ready(struct session_runner *r)
{
    struct session_group *g = r->group;
    if (r->is_marked) {
        return;
    }
    list_remove(&r->resting);
    r->is_gathering = false;
    if (list_is_empty(&r->ready)) {
        list_append(&g->ready, &r->ready);
    }
    if (!g->is_turn_due) {
        g->is_turn_due = true;
        loop_defer(g->loop, on_turn_due, g);
    }
}

static void on_wake(void *owner)
{
    struct session_runner *r = owner;
    if (r->core == NULL || r->want == SESSION_CLOSE) {
        return; /* not begun, or over: it must not be stepped */
    }
    if (r->want == SESSION_EVENT) {
        r->want = SESSION_INPUT; /* what it waited for may be there */
    }
    make_ready(r);
}

/* ---- news ---- */

static void watch_news(struct session_group *g)
{
    if (list_is_empty(&g->gathering)) {
        return;
    }
    struct session_runner *first = list_entry(g->gathering.next, struct session_runner, resting);
    uint64_t now_ms = loop_now_ms(g->loop);
    uint64_t due_ms = first->rest_ms + g->news_window_ms;
    timer_start(g->news, due_ms > now_ms ? due_ms - now_ms : 0);
}

static void on_news_due(void *owner)
{
    struct session_group *g = owner;
    uint64_t now_ms = loop_now_ms(g->loop);
    while (!list_is_empty(&g->gathering)) {
        struct session_runner *r = list_entry(g->gathering.next, struct session_runner, resting);
        if (r->rest_ms + g->news_window_ms > now_ms) {
            break;
        }
        make_ready(r);
    }
    watch_news(g);
}

/* Steps it when the window is over, or when something else does before. */
static void gather(struct session_runner *r)
{
    struct session_group *g = r->group;
    bool is_first = list_is_empty(&g->gathering);
    r->is_gathering = true;
    r->rest_ms = loop_now_ms(g->loop);
    list_remove(&r->resting);
    list_append(&g->gathering, &r->resting);
    if (is_first) {
        watch_news(g);
    }
}

static void on_wake_soon(void *owner)
{
    struct session_runner *r = owner;
    bool is_waiting =
        r->core != NULL && r->want == SESSION_INPUT && !r->is_marked && list_is_empty(&r->ready);
    if (r->group->news_window_ms == 0 || !is_waiting) {
        on_wake(owner);
    } else if (!r->is_gathering) {
        gather(r);
    }
}

static void give_back(struct session_group *g, struct buf *b)
{
    if (b->p == NULL || b->size > SPARE_KEEP || g->spares_count == SPARES_MOST) {
        buf_release(b);
        return;
    }
    buf_clear(b);
    g->spares[g->spares_count++] = *b;
    *b = BUF_INIT(OUTPUT_CAP);
}

static void runner_free(struct session_runner *r)
{
    CLEANUP(log_restore) uint32_t before = log_about(r->about);
    list_remove(&r->node);
    list_remove(&r->ready);
    list_remove(&r->said);
    list_remove(&r->resting);
    r->group->count--;
    give_back(r->group, &r->out);
    if (r->core != NULL) {
        r->core->ops->free(&r->core);
    }
    stream_free(&r->stream);
    if (r->keeper != NULL) {
        r->keeper->free(r->keeper_owner);
    }
    free(r);
}

static void on_octets(void *owner, struct str octets)
{
    struct session_runner *r = owner;
    CLEANUP(log_restore) uint32_t before = log_about(r->about);
    if (r->core == NULL) {
        return;
    }
    if (r->is_marked) {
        stream_write(r->stream, octets);
        return;
    }
    r->core->ops->feed(r->core, octets);
    r->fed += octets.n;
    r->saved.may_park = false;
    if (r->core->ops->get_input_backlog(r->core) > SESSION_BACKLOG_MOST) {
        stream_pause(r->stream);
    }
    if (r->want != SESSION_EVENT) {
        make_ready(r);
    }
}

static void on_drained(void *owner)
{
    struct session_runner *r = owner;
    if (r->core != NULL && r->want != SESSION_EVENT) {
        make_ready(r);
    }
}

static void on_end(void *owner, enum err why)
{
    struct session_runner *r = owner;
    if (why != ERR_OK) {
        runner_free(r);
        return;
    }
    r->is_peer_done = true;
    r->is_marked = false; /* no answer comes any more, and nobody is left to tell apart */
    if (r->core != NULL && r->want != SESSION_EVENT) {
        make_ready(r);
    }
}

/* The edge knows: what it sends from now on means the new thing. */
static void on_mark(void *owner, uint8_t mark)
{
    struct session_runner *r = owner;
    CLEANUP(log_restore) uint32_t before = log_about(r->about);
    if (!r->is_marked || mark != r->mark) {
        log_error("a mark that was not asked for");
        runner_free(r);
        return;
    }
    r->is_marked = false;
    stream_mark(r->stream, mark);
    r->want = SESSION_INPUT;
    make_ready(r);
}

static const struct stream_handler HANDLER = {on_octets, on_drained, on_end};

static void say(struct session_runner *r)
{
    if (list_is_empty(&r->said)) {
        list_append(&r->group->said, &r->said);
    }
}

static void step_core(struct session_runner *r)
{
    CLEANUP(log_restore) uint32_t before = log_about(r->about);
    r->want = SESSION_OUTPUT;
    size_t most = r->keeper != NULL && r->core->ops->is_saved_by_step ? 0 : SMALL_OUTPUT;
    for (int i = 0; i < STEPS_MOST && r->want == SESSION_OUTPUT && r->out.len <= most; i++) {
        r->want = r->core->ops->step(r->core, &r->out);
    }
}

static void step(struct session_runner *r)
{
    struct session_group *g = r->group;
    if (stream_get_queued(r->stream) > STREAM_HIGH_WATER) {
        r->want =
            SESSION_OUTPUT; /* whatever it waited for is there: on_drained makes it ready again */
        return;
    }
    if (r->out.p == NULL && g->spares_count > 0) {
        r->out = g->spares[--g->spares_count];
    }
    step_core(r);
    bool is_done = r->want == SESSION_CLOSE || (r->want == SESSION_INPUT && r->is_peer_done);
    bool is_kept = r->keeper != NULL && r->want != SESSION_OUTPUT;
    if (r->out.len > 0 || is_done || is_kept || r->want == SESSION_MARK) {
        say(r);
    } else {
        give_back(g, &r->out);
    }
    if (is_done) {
        r->want = SESSION_CLOSE;
        list_remove(&r->ready);
        return;
    }
    if (r->want == SESSION_OUTPUT) {
        make_ready(r); /* it says more, or works on what it will say */
    }
    bool has_room = r->core->ops->get_input_backlog(r->core) <= SESSION_BACKLOG_MOST / 2;
    if (has_room || r->want == SESSION_INPUT) {
        stream_resume(r->stream); /* what it has is not enough for it, however much it is */
    }
}

/* Asks the core where it stands. False: it does not say, or that cannot be kept. */
static bool ask_state(struct session_runner *r)
{
    struct session_group *g = r->group;
    struct session_save save = {.state = &g->state};
    buf_clear(&g->state);
    buf_clear(&g->sealed);
    if (r->core->ops->save == NULL || !r->core->ops->save(r->core, &save) || g->state.is_full
        || !r->keeper->seal(r->keeper_owner, &save, &g->sealed) || g->sealed.is_full) {
        r->saved.heartbeat_s = save.heartbeat_s;
        return false;
    }
    r->saved = save;
    return true;
}

/* Writes what was said. unused: octets of the input so far that the core has not used; mark: follows, or 0. */
static void write_said(struct session_runner *r, size_t unused, uint8_t mark)
{
    struct session_group *g = r->group;
    bool is_kept = r->keeper != NULL && r->want != SESSION_CLOSE;
    bool has_state = is_kept && ask_state(r);
    r->saved.may_park = r->saved.may_park && (has_state || r->out.len == 0);
    if (is_kept && (has_state || mark != 0)) {
        struct link_save save = {
            .used = r->fed - unused,
            .literal = has_state ? r->saved.literal : 0,
            .state = has_state ? buf_str(&g->sealed) : STR_EMPTY,
            .is_same = has_state && g->sealed.len == 0,
            .may_park = r->saved.may_park,
            .mark = mark,
            .heartbeat_s = r->saved.heartbeat_s,
        };
        link_save(r->stream, &save, buf_str(&r->out));
        return;
    }
    stream_write(r->stream, buf_str(&r->out));
    if (mark != 0) {
        stream_mark(r->stream, mark);
    }
}

static void write_mark(struct session_runner *r)
{
    struct buf rest = BUF_INIT(OUTPUT_CAP);
    r->mark = r->core->ops->take_mark(r->core, &rest);
    write_said(r, rest.len, (uint8_t)r->mark);
    r->is_marked = !r->is_peer_done; /* who is done says no marks any more: see on_end() */
    r->fed = 0;
    list_remove(&r->ready);
    stream_write(r->stream, buf_str(&rest));
    buf_release(&rest);
    stream_resume(r->stream);
    if (!r->is_marked) {
        make_ready(r);
    }
}

/* ---- rest ---- */

static void watch_rest(struct session_group *g)
{
    if (list_is_empty(&g->resting)) {
        return;
    }
    struct session_runner *first = list_entry(g->resting.next, struct session_runner, resting);
    uint64_t now_ms = loop_now_ms(g->loop);
    uint64_t due_ms = first->rest_ms + g->park_after_ms;
    timer_start(g->park, due_ms > now_ms ? due_ms - now_ms : 0);
}

/* It may have come to rest. */
static void note_rest(struct session_runner *r)
{
    struct session_group *g = r->group;
    bool is_at_rest = r->keeper != NULL && r->keeper->on_park != NULL && r->saved.may_park
                      && r->want == SESSION_INPUT && !r->is_marked && !r->is_peer_done
                      && list_is_empty(&r->ready) && !r->is_gathering;
    if (g->park_after_ms == 0 || !is_at_rest) {
        return;
    }
    bool is_first = list_is_empty(&g->resting);
    r->rest_ms = loop_now_ms(g->loop);
    list_remove(&r->resting);
    list_append(&g->resting, &r->resting);
    if (is_first) {
        watch_rest(g);
    }
}

static void park(struct session_runner *r)
{
    uint32_t id;
    list_remove(&r->resting);
    if (!link_park(&r->stream, &id)) {
        note_rest(r); /* the road is full */
        return;
    }
    r->saved.state = NULL;
    r->keeper->on_park(r->keeper_owner, &r->saved, id);
    runner_free(r);
}

static void on_park_due(void *owner)
{
    struct session_group *g = owner;
    uint64_t now_ms = loop_now_ms(g->loop);
    while (!list_is_empty(&g->resting)) {
        struct session_runner *r = list_entry(g->resting.next, struct session_runner, resting);
        if (r->rest_ms + g->park_after_ms > now_ms) {
            break;
        }
        park(r);
    }
    watch_rest(g);
}

void session_group_set_news_window(struct session_group *g, uint64_t window_ms)
{
    g->news_window_ms = window_ms;
}

void session_group_set_park(struct session_group *g, uint64_t after_ms)
{
    g->park_after_ms = after_ms;
}

void session_group_drain(struct session_group *g)
{
    g->park_after_ms = DRAIN_MS;
    list_each_safe(node, &g->runners)
    {
        struct session_runner *r = list_entry(node, struct session_runner, node);
        if (r->core != NULL) {
            note_rest(r);
        }
    }
    watch_rest(g);
}

bool session_group_is_busy(const struct session_group *g)
{
    list_each(node, &g->runners)
    {
        const struct session_runner *r = list_entry(node, struct session_runner, node);
        bool is_working = r->want == SESSION_OUTPUT || r->want == SESSION_EVENT
                          || r->want == SESSION_MARK || !list_is_empty(&r->ready);
        bool is_fed = r->core != NULL && r->core->ops->get_input_backlog(r->core) > 0;
        if (is_working || is_fed || !list_is_empty(&r->resting)
            || stream_get_queued(r->stream) > 0) {
            return true;
        }
    }
    return false;
}

static void write_out(struct session_runner *r)
{
    list_remove(&r->said);
    if (r->out.is_full) {
        log_error("a session said more than a session can say");
        r->want = SESSION_CLOSE;
    }
    if (r->want == SESSION_MARK) {
        write_mark(r);
    } else {
        write_said(r, r->core->ops->get_input_backlog(r->core), 0);
    }
    give_back(r->group, &r->out);
    note_rest(r);
    if (r->want == SESSION_CLOSE) {
        stream_finish(r->group->loop, &r->stream);
        runner_free(r);
    }
}

static struct list take_all(struct list *from)
{
    struct list l = *from;
    list_init(from);
    return l;
}

/* Moves all of from behind the head to, which is empty. */
static void move_all(struct list *to, struct list *from)
{
    if (list_is_empty(from)) {
        return;
    }
    *to = take_all(from);
    to->next->prev = to;
    to->prev->next = to;
}

static void on_turn_end(void *owner)
{
    struct session_group *g = owner;
    struct list now;
    list_init(&now);
    move_all(&now, &g->ready);
    while (!list_is_empty(&now)) {
        struct session_runner *r = list_entry(now.next, struct session_runner, ready);
        list_remove(&r->ready);
        step(r);
    }
    if (g->commit != NULL) {
        g->commit(g->owner);
    }
    while (!list_is_empty(&g->said)) {
        write_out(list_entry(g->said.next, struct session_runner, said));
    }
}

struct session_group *session_group_new(struct loop *l, void (*commit)(void *owner), void *owner)
{
    struct session_group *g = mem_new(sizeof(*g));
    g->loop = l;
    g->commit = commit;
    g->owner = owner;
    list_init(&g->runners);
    list_init(&g->ready);
    list_init(&g->said);
    list_init(&g->resting);
    list_init(&g->gathering);
    g->park = timer_new(l, on_park_due, g);
    g->news = timer_new(l, on_news_due, g);
    g->state = BUF_INIT(SESSION_STATE_MOST);
    g->sealed = BUF_INIT(LINK_STATE_MOST);
    loop_set_turn_end(l, on_turn_end, g);
    return g;
}

void session_group_free(struct session_group **g)
{
    if (*g == NULL) {
        return;
    }
    list_each_safe(node, &(*g)->runners)
    {
        runner_free(list_entry(node, struct session_runner, node));
    }
    timer_free(&(*g)->park);
    timer_free(&(*g)->news);
    buf_release(&(*g)->state);
    buf_release(&(*g)->sealed);
    loop_set_turn_end((*g)->loop, NULL, NULL);
    loop_cancel_deferred((*g)->loop, *g);
    for (size_t i = 0; i < (*g)->spares_count; i++) {
        buf_release(&(*g)->spares[i]);
    }
    free(*g);
    *g = NULL;
}

size_t session_group_get_count(const struct session_group *g)
{
    return g->count;
}

struct session_runner *session_runner_new(struct session_group *g, struct stream *s)
{
    struct session_runner *r = mem_new(sizeof(*r));
    r->host.wake = on_wake;
    r->host.wake_soon = on_wake_soon;
    r->host.owner = r;
    r->about = log_get_about();
    r->group = g;
    r->stream = s;
    r->out = BUF_INIT(OUTPUT_CAP);
    list_init(&r->ready);
    list_init(&r->said);
    list_init(&r->resting);
    list_append(&g->runners, &r->node);
    g->count++;
    return r;
}

const struct session_host *session_runner_get_host(const struct session_runner *r)
{
    return &r->host;
}

void session_runner_keep(struct session_runner *r, const struct session_keeper *k, void *owner)
{
    r->keeper = k;
    r->keeper_owner = owner;
}

void session_runner_start(struct session_runner *r, struct session *core)
{
    r->core = core;
    stream_set_handler(r->stream, &HANDLER, r);
    stream_on_mark(r->stream, on_mark);
    make_ready(r);
}

void session_runner_resume(struct session_runner *r, struct session *core)
{
    session_runner_start(r, core);
    if (r->group->news_window_ms > 0) {
        list_remove(&r->ready);
        gather(r);
    }
}

void session_runner_refuse(struct session_runner *r, struct str last)
{
    stream_write(r->stream, last);
    stream_finish(r->group->loop, &r->stream);
    runner_free(r);
}

void session_runner_send_back(struct session_runner *r)
{
    stream_mark(r->stream, SESSION_MARK_AGAIN);
    stream_finish(r->group->loop, &r->stream);
    runner_free(r);
}

void session_runner_abort(struct session_runner *r)
{
    runner_free(r);
}
