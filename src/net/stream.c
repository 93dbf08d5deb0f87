/* The verbs that all kinds of stream share, and the rules that none of them may break.
 *
 * A callback may free the stream that called it, and anything above and below it. So a kind never frees its memory in
 * stream_free() while one of its own functions is still on the stack: whoever calls a callback holds the stream, and
 * the last one to let go destroys it. on_end comes once and last; nothing comes after stream_free().
 *
 * Octets that are not taken off the kernel yet cost nothing, so pausing is the cheap way to say "later": a paused
 * socket is not even watched. */
#include "net/stream_priv.h"

#include <assert.h>

bool stream_drop(struct stream *s)
{
    bool is_alive = !s->is_freed;
    if (--s->holds == 0 && !is_alive) {
        s->ops->destroy(s);
    }
    return is_alive;
}

bool stream_give_octets(struct stream *s, struct str octets)
{
    stream_hold(s);
    s->handler->on_octets(s->owner, octets);
    return stream_drop(s);
}

bool stream_give_mark(struct stream *s, uint8_t mark)
{
    if (s->on_mark == NULL) {
        return stream_give_end(s, ERR_SYNTAX);
    }
    stream_hold(s);
    s->on_mark(s->owner, mark);
    return stream_drop(s);
}

bool stream_give_end(struct stream *s, enum err why)
{
    if (s->has_failed || (s->has_ended && why == ERR_OK) || s->is_freed || s->handler == NULL) {
        return !s->is_freed;
    }
    s->has_ended = true;
    s->has_failed = why != ERR_OK;
    stream_hold(s);
    s->handler->on_end(s->owner, why);
    return stream_drop(s);
}

bool stream_check_water(struct stream *s)
{
    size_t queued = s->ops->get_queued(s);
    if (queued > STREAM_HIGH_WATER) {
        s->is_over_high = true;
    }
    if (!s->is_over_high || queued >= STREAM_LOW_WATER || s->handler == NULL || s->has_failed) {
        return true;
    }
    s->is_over_high = false;
    stream_hold(s);
    s->handler->on_drained(s->owner);
    return stream_drop(s);
}

void stream_set_handler(struct stream *s, const struct stream_handler *h, void *owner)
{
    s->handler = h;
    s->owner = owner;
    s->on_mark = NULL;
    s->ops->start(s);
}

void stream_write(struct stream *s, struct str octets)
{
    if (octets.n > 0) {
        s->ops->write(s, octets);
    }
}

void stream_mark(struct stream *s, uint8_t mark)
{
    assert(s->ops->mark != NULL);
    s->ops->mark(s, mark);
}

void stream_on_mark(struct stream *s, void (*on_mark)(void *owner, uint8_t mark))
{
    s->on_mark = on_mark;
}

size_t stream_get_queued(const struct stream *s)
{
    return s->ops->get_queued(s);
}

size_t stream_get_owed(const struct stream *s)
{
    return s->ops->get_owed != NULL ? s->ops->get_owed(s) : s->ops->get_queued(s);
}

void stream_pause(struct stream *s)
{
    if (!s->is_paused) {
        s->is_paused = true;
        s->ops->pause(s);
    }
}

void stream_resume(struct stream *s)
{
    if (s->is_paused) {
        s->is_paused = false;
        s->ops->resume(s);
    }
}

void stream_shutdown(struct stream *s)
{
    s->ops->shutdown(s);
}

bool stream_has_ended(const struct stream *s)
{
    return s->has_ended;
}

void stream_free(struct stream **s)
{
    struct stream *gone = *s;
    if (gone == NULL) {
        return;
    }
    *s = NULL;
    gone->is_freed = true;
    stream_hold(gone);
    gone->ops->close(gone);
    (void)stream_drop(gone);
}

void backlog_add(struct backlog *q, struct str octets)
{
    if (q->at > 0 && q->at >= backlog_len(q)) {
        buf_consume(&q->octets, q->at);
        q->at = 0;
    }
    buf_add(&q->octets, octets);
}

void backlog_eat(struct backlog *q, size_t n)
{
    q->at += n;
    if (q->at < q->octets.len) {
        return;
    }
    backlog_release(q); /* idle connections own none */
}

void backlog_release(struct backlog *q)
{
    buf_release(&q->octets);
    q->at = 0;
}
