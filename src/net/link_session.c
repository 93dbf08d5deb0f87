/* One session of a link, as a stream.
 *
 * Many sessions share one socket, so a reader that stops must stop its own writer and nobody else. Each direction has a
 * window: a side may send LINK_WINDOW octets before it hears CREDIT, and CREDIT is sent when the user took the octets,
 * not when they arrived. What came for a paused session is kept here, at most one window. Credit goes back in
 * quarters of the window, so a big transfer never waits for it and a small one costs no extra frame.
 *
 * Going out, octets wait in `out` when the window is used up or the socket is full; sessions that wait for the socket
 * stand in a line and send at most a window each, so a download does not starve a login.
 *
 * A mark keeps its place among the octets, in both backlogs; a side has one under way at most. So do states: link_save.c.
 *
 * The end: CLOSE says "no more from me", each side says it once; RESET says "forget it", and may come at any time. Frames
 * for a session that is gone were on their way and are dropped without a word. */
#include "base/mem.h"
#include "net/link_priv.h"

#include <stdlib.h>

enum { CREDIT_STEP = LINK_WINDOW / 4 };

static struct link_session *of(struct stream *s)
{
    return (struct link_session *)s;
}

static bool is_detached(const struct link_session *s)
{
    return s->link == NULL;
}

void link_session_detach(struct link_session *s)
{
    struct link *l = s->link;
    if (l == NULL) {
        return;
    }
    uint64_t key = s->id;
    (void)map_remove(l->sessions, map_id(&key));
    if (l->to == s) {
        l->to = NULL;
    }
    list_remove(&s->wait);
    backlog_release(&s->out);
    link_saves_release(s);
    s->link = NULL;
}

static void detach_when_done(struct link_session *s)
{
    if (s->has_said_end && s->has_heard_end) {
        link_session_detach(s);
    }
}

static void give_credit(struct link_session *s, size_t n)
{
    s->used += (uint32_t)n;
    if (is_detached(s) || s->has_heard_end || s->used < CREDIT_STEP) {
        return;
    }
    char raw[4];
    for (size_t i = 0; i < sizeof(raw); i++) {
        raw[i] = (char)(unsigned char)(s->used >> (8 * i));
    }
    s->window += s->used;
    s->used = 0;
    link_send(s->link, FRAME_CREDIT, s->id, str_make(raw, sizeof(raw)));
}

static void deliver(void *owner);

static void schedule(struct link_session *s)
{
    if (!s->is_scheduled) {
        s->is_scheduled = true;
        loop_defer(s->loop, deliver, s);
    }
}

/* Gives the first n octets that came, and keeps the others. */
static void give_first(struct link_session *s, size_t n)
{
    struct backlog taken = s->in;
    backlog_init(&s->in);
    if (n < backlog_len(&taken)) {
        backlog_add(&s->in, str_skip(backlog_str(&taken), n));
    }
    if (stream_give_octets(&s->base, str_sub(backlog_str(&taken), 0, n))) {
        give_credit(s, n);
    }
    backlog_release(&taken);
}

/* A state goes before the mark that came behind it. */
static bool is_save_next(const struct link_session *s)
{
    return link_has_save_in(s) && (!s->mark_in.is_there || s->mark_in.saves > 0);
}

/* The octets of a state were given: it follows, for they must not come apart. */
static bool may_give(const struct link_session *s, bool is_forced)
{
    const struct stream *b = &s->base;
    bool is_wanted = !b->is_paused || is_forced || (is_save_next(s) && s->save_in->at == 0);
    return b->handler != NULL && !b->is_freed && !b->has_ended && is_wanted;
}

static void give_next(struct link_session *s)
{
    struct mark *mark = &s->mark_in;
    bool is_save = is_save_next(s);
    size_t n = is_save ? s->save_in->at : mark->is_there ? mark->at : backlog_len(&s->in);
    if (n > 0) {
        if (link_has_save_in(s)) {
            s->save_in->at -= n;
        }
        mark->at -= mark->is_there ? n : 0;
        give_first(s, n);
    } else if (is_save) {
        mark->saves = 0;
        link_saves_give(s);
    } else {
        mark->is_there = false;
        (void)stream_give_mark(&s->base, mark->value);
    }
}

void link_session_give(struct link_session *s, bool is_forced)
{
    while (link_session_has_waiting(s) && may_give(s, is_forced)) {
        give_next(s);
    }
    if (s->is_park_due && !link_session_has_waiting(s) && may_give(s, true)) {
        s->is_park_due = false;
        s->keeper->on_park(s->base.owner);
    }
}

/* Hands over what came while the user did not want it. */
static void deliver(void *owner)
{
    struct link_session *s = owner;
    s->is_scheduled = false;
    stream_hold(&s->base);
    bool is_kept = s->is_cut && s->keeper != NULL;
    s->is_park_due = s->is_park_due && !s->is_cut;
    if (!s->is_end_due || s->end == ERR_OK || is_kept) {
        link_session_give(s, is_kept);
    }
    bool is_waiting = s->base.is_paused && !s->base.has_ended;
    bool is_end_now = s->is_end_due && (s->end != ERR_OK || !is_waiting);
    if (!s->base.is_freed && is_end_now) {
        (void)stream_give_end(&s->base, s->end);
    }
    if (!s->base.is_freed && is_end_now && s->is_reset) {
        (void)stream_give_end(&s->base, ERR_PEER_GONE);
    }
    (void)stream_drop(&s->base);
}

bool link_session_expect(struct link_session *s, uint32_t n)
{
    if (n > s->window || s->has_heard_end) {
        return false;
    }
    s->window -= n;
    return true;
}

void link_session_receive(struct link_session *s, struct str octets)
{
    if (!stream_is_open(&s->base) || link_session_has_waiting(s)) {
        backlog_add(&s->in, octets);
        return;
    }
    stream_hold(&s->base);
    if (stream_give_octets(&s->base, octets)) {
        give_credit(s, octets.n);
    }
    (void)stream_drop(&s->base);
}

bool link_session_hear_mark(struct link_session *s, uint8_t mark)
{
    if (s->mark_in.is_there || s->has_heard_end) {
        return false;
    }
    s->mark_in = (struct mark){.at = backlog_len(&s->in),
                               .saves = link_has_save_in(s) ? 1 : 0,
                               .value = mark,
                               .is_there = true};
    stream_hold(&s->base);
    link_session_give(s, false);
    (void)stream_drop(&s->base);
    return true;
}

void link_session_hear_end(struct link_session *s)
{

    s->has_heard_end = true;
    s->is_end_due = true;
    s->end = ERR_OK;
    detach_when_done(s);
    schedule(s);
}

void link_session_fail(struct link_session *s, enum err why)
{

    link_session_detach(s);
    if (s->is_end_due && s->end == ERR_OK) {
        s->is_reset = true; /* the orderly end came first, and is told first */
    } else {
        s->is_end_due = true;
        s->end = why;
    }
    schedule(s);
}

bool link_session_add_credit(struct link_session *s, uint32_t n)
{
    if (n > LINK_WINDOW || s->credit > LINK_WINDOW - n) {
        return false;
    }
    s->credit += n;
    link_session_pump(s);
    return true;
}

size_t link_session_send(struct link_session *s, struct str octets)
{
    size_t n = octets.n < s->credit ? octets.n : s->credit;
    n = n < FRAME_DATA_MOST ? n : FRAME_DATA_MOST;
    if (n == 0 || !link_is_free(s->link)) {
        return 0;
    }
    s->credit -= (uint32_t)n;
    link_send(s->link, FRAME_DATA, s->id, str_sub(octets, 0, n));
    return n;
}

/* Stands in line when it is the road that is missing, not the credit. */
static void wait_for_road(struct link_session *s)
{
    bool has_octets = backlog_len(&s->out) > 0 && s->credit > 0;
    bool is_waiting = (has_octets || s->saves_out.count > 0) && !link_is_free(s->link);
    if (is_waiting && list_is_empty(&s->wait)) {
        list_append(&s->link->waiting, &s->wait);
    }
    if (!is_waiting) {
        list_remove(&s->wait);
    }
}

static void say_end(struct link_session *s)
{
    if (s->is_ending && !s->has_said_end && backlog_len(&s->out) == 0 && s->saves_out.count == 0) {
        s->has_said_end = true;
        link_send(s->link, FRAME_CLOSE, s->id, STR_EMPTY);
        detach_when_done(s);
    }
}

static void send_mark(struct link_session *s, uint8_t mark)
{
    char raw = (char)mark;
    s->mark_out.is_there = false;
    link_send(s->link, FRAME_MARK, s->id, str_make(&raw, 1));
}

/* Sends one frame of what waits. False: not now, or there is nothing. */
static bool send_waiting(struct link_session *s)
{
    struct mark *mark = &s->mark_out;
    bool is_mark_next = mark->is_there && mark->saves == 0;
    if (!is_mark_next && s->saves_out.count > 0) {
        return link_saves_send_first(s);
    }
    struct str octets = backlog_str(&s->out);
    size_t sent = link_session_send(s, is_mark_next ? str_sub(octets, 0, mark->at) : octets);
    backlog_eat(&s->out, sent);
    link_saves_note_sent(s, sent);
    if (is_mark_next && mark->at == 0) {
        send_mark(s, mark->value);
        return true;
    }
    return sent > 0;
}

void link_session_pump(struct link_session *s)
{
    if (is_detached(s)) {
        return;
    }
    stream_hold(&s->base);
    while (send_waiting(s)) {
        ;
    }
    wait_for_road(s);
    say_end(s);
    (void)stream_check_water(&s->base);
    (void)stream_drop(&s->base);
}

static void session_start(struct stream *s)
{
    struct link_session *k = of(s);
    if (link_session_has_waiting(k) || k->is_park_due || k->is_end_due) {
        schedule(k);
    }
}

static void session_write(struct stream *s, struct str octets)
{
    struct link_session *k = of(s);
    if (is_detached(k) || k->is_ending) {
        return;
    }
    while (octets.n > 0 && backlog_len(&k->out) == 0 && k->saves_out.count == 0
           && !k->mark_out.is_there) {
        size_t sent = link_session_send(k, octets);
        octets = str_skip(octets, sent);
        if (sent == 0) {
            break;
        }
    }
    if (octets.n > 0) {
        backlog_add(&k->out, octets);
        link_session_pump(k); /* the road may be free again for what waited */
    }
}

static void session_mark(struct stream *s, uint8_t mark)
{
    struct link_session *k = of(s);
    if (is_detached(k) || k->is_ending) {
        return;
    }
    if (k->mark_out.is_there) {
        link_send(k->link, FRAME_RESET, k->id, STR_EMPTY);
        link_session_fail(k, ERR_SYNTAX);
    } else if (backlog_len(&k->out) == 0 && k->saves_out.count == 0) {
        send_mark(k, mark);
    } else {
        k->mark_out = (struct mark){.at = backlog_len(&k->out),
                                    .saves = k->saves_out.count,
                                    .value = mark,
                                    .is_there = true};
    }
}

static size_t session_get_queued(const struct stream *s)
{
    const struct link_session *k = (const struct link_session *)s;
    return backlog_len(&k->out);
}

static void session_pause(struct stream *s)
{
    (void)s;
}

static void session_shutdown(struct stream *s)
{
    struct link_session *k = of(s);
    k->is_ending = true;
    if (!is_detached(k)) {
        say_end(k);
    }
}

static void session_close(struct stream *s)
{
    struct link_session *k = of(s);
    loop_cancel_deferred(k->loop, k);
    if (!is_detached(k)) {
        link_send(k->link, FRAME_RESET, k->id, STR_EMPTY);
        link_session_detach(k);
    }
    backlog_release(&k->in);
    backlog_release(&k->out);
    link_saves_release(k);
    if (k->save_in != NULL) {
        buf_release(&k->save_in->state);
        free(k->save_in);
        k->save_in = NULL;
    }
}

static void session_destroy(struct stream *s)
{
    free(of(s));
}

static const struct stream_ops SESSION_OPS = {
    .start = session_start,
    .write = session_write,
    .get_queued = session_get_queued,
    .pause = session_pause,
    .resume = session_start,
    .shutdown = session_shutdown,
    .mark = session_mark,
    .close = session_close,
    .destroy = session_destroy,
};

bool link_can_save(const struct stream *s)
{
    return s->ops == &SESSION_OPS;
}

struct link_session *link_session_new(struct link *l, struct loop *loop, uint32_t id)
{
    struct link_session *s = mem_new(sizeof(*s));
    uint64_t key = id;
    s->base.ops = &SESSION_OPS;
    s->loop = loop;
    s->id = id;
    s->credit = LINK_WINDOW;
    s->window = LINK_WINDOW;
    backlog_init(&s->in);
    backlog_init(&s->out);
    list_init(&s->wait);
    if (l == NULL) {
        s->is_end_due = true;
        s->is_cut = true;
        s->end = ERR_PEER_GONE;
        return s;
    }
    s->link = l;
    (void)map_put(l->sessions, map_id(&key), s);
    return s;
}
