/* The shell around session cores.
 *
 * One idle session must cost next to nothing (a few hundred octets), a busy one must not hold up its neighbours, and no
 * reply may overtake its commit. So a runner is a small struct on up to two lists of its group: `ready` (step me) and
 * `said` (I have output). The loop's turn end works them off: everybody who is ready makes one step, the group commits,
 * everybody's output is written. A step that wants more puts its runner on the ready list again, behind the others;
 * the loop goes round until nobody is ready, and looks at its sockets in between when that takes long.
 *
 * Little output is not worth a turn, nor a frame and a TLS record, of its own: a step that said little and has more to say is
 * followed by the next one at once, for a few times.
 *
 * Output buffers come from a small pool and go back at the end of the turn: idle sessions own none.
 *
 * When a core says MARK, what it said and the mark are written, and it is not stepped until the peer's mark has come; what comes
 * in meanwhile goes back as it is (session.h).
 *
 * When a core says CLOSE, what it said is written, the core is freed at once, and the stream is left to
 * stream_finish(). When the peer ends in good order (it may have piped in all its commands and closed its side), the
 * session goes on until it asks for input. When the peer is gone, so is the session. */
#include "net/session_run.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

enum {
    SPARES_MOST = 16,
    SPARE_KEEP = 256 * 1024,
    OUTPUT_CAP = 64 * 1024 * 1024,
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
    enum session_want want;
    enum session_mark mark; /* with is_marked */
    bool is_marked;         /* between our mark and the peer's */
    bool is_peer_done;
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
    list_remove(&r->node);
    list_remove(&r->ready);
    list_remove(&r->said);
    r->group->count--;
    give_back(r->group, &r->out);
    if (r->core != NULL) {
        r->core->ops->free(&r->core);
    }
    stream_free(&r->stream);
    free(r);
}

static void on_octets(void *owner, struct str octets)
{
    struct session_runner *r = owner;
    if (r->core == NULL) {
        return;
    }
    if (r->is_marked) {
        stream_write(r->stream, octets);
        return;
    }
    r->core->ops->feed(r->core, octets);
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
    r->want = SESSION_OUTPUT;
    for (int i = 0; i < STEPS_MOST && r->want == SESSION_OUTPUT && r->out.len <= SMALL_OUTPUT;
         i++) {
        r->want = r->core->ops->step(r->core, &r->out);
    }
}

static void step(struct session_runner *r)
{
    struct session_group *g = r->group;
    if (stream_get_queued(r->stream) > STREAM_HIGH_WATER) {
        return; /* on_drained makes it ready again */
    }
    if (r->out.p == NULL && g->spares_count > 0) {
        r->out = g->spares[--g->spares_count];
    }
    step_core(r);
    bool is_done = r->want == SESSION_CLOSE || (r->want == SESSION_INPUT && r->is_peer_done);
    if (r->out.len > 0 || is_done || r->want == SESSION_MARK) {
        say(r);
    } else {
        give_back(g, &r->out);
        if (r->want == SESSION_OUTPUT) {
            make_ready(r); /* it works on what it will say */
        }
    }
    if (is_done) {
        r->want = SESSION_CLOSE;
        list_remove(&r->ready);
        return;
    }
    if (r->want == SESSION_OUTPUT) {
        make_ready(r);
    }
    if (r->core->ops->get_input_backlog(r->core) <= SESSION_BACKLOG_MOST / 2) {
        stream_resume(r->stream);
    }
}

static void say_mark(struct session_runner *r)
{
    struct buf rest = BUF_INIT(OUTPUT_CAP);
    r->mark = r->core->ops->take_mark(r->core, &rest);
    r->is_marked = true;
    list_remove(&r->ready);
    stream_mark(r->stream, (uint8_t)r->mark);
    stream_write(r->stream, buf_str(&rest));
    buf_release(&rest);
    stream_resume(r->stream);
}

static void write_out(struct session_runner *r)
{
    list_remove(&r->said);
    if (r->out.is_full) {
        log_error("a session said more than a session can say");
        r->want = SESSION_CLOSE;
    }
    stream_write(r->stream, buf_str(&r->out));
    give_back(r->group, &r->out);
    if (r->want == SESSION_MARK) {
        say_mark(r);
    }
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
    r->host.owner = r;
    r->group = g;
    r->stream = s;
    r->out = BUF_INIT(OUTPUT_CAP);
    list_init(&r->ready);
    list_init(&r->said);
    list_append(&g->runners, &r->node);
    g->count++;
    return r;
}

const struct session_host *session_runner_get_host(const struct session_runner *r)
{
    return &r->host;
}

void session_runner_start(struct session_runner *r, struct session *core)
{
    r->core = core;
    stream_set_handler(r->stream, &HANDLER, r);
    stream_on_mark(r->stream, on_mark);
    make_ready(r);
}

void session_runner_refuse(struct session_runner *r, struct str last)
{
    stream_write(r->stream, last);
    stream_finish(r->group->loop, &r->stream);
    runner_free(r);
}

void session_runner_abort(struct session_runner *r)
{
    runner_free(r);
}
