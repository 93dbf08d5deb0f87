/* A pipe in memory: two streams, each the other's far end.
 *
 * Tests put it where a socket would be, so it must be no kinder than one: octets arrive from the loop and never inside
 * stream_write(), a paused end stores nothing more than was written, an end that was freed is an end for the other, and
 * a test may have the octets cut into pieces of any size. On the fake loop it also stands in for connecting: a hook
 * gets the far end.
 *
 * Each end owns the octets that travel towards it. `peer` is NULL once the other end was freed. */
#include "base/mem.h"
#include "net/loop_priv.h"
#include "net/stream_priv.h"

#include <stdlib.h>

struct pair {
    struct stream base;
    struct loop *loop;
    struct pair *peer;
    struct backlog in;
    size_t piece;    /* 0: whole */
    bool is_end_due; /* behind what is in `in` comes the end */
    bool has_said_end;
    bool is_scheduled;
    void (*on_connected)(void *owner, enum err why); /* NULL, or an answer is due */
    void *connect_owner;
    enum err connect_result;
};

static struct pair *of(struct stream *s)
{
    return (struct pair *)s;
}

static void schedule(struct pair *p);

static void answer_connect(struct pair *p)
{
    void (*fn)(void *owner, enum err why) = p->on_connected;
    p->on_connected = NULL;
    p->base.has_ended = p->connect_result != ERR_OK;
    p->base.has_failed = p->base.has_ended;
    fn(p->connect_owner, p->connect_result);
}

static void deliver_octets(struct pair *p)
{
    struct backlog taken = p->in;
    size_t n = backlog_len(&taken);
    backlog_init(&p->in);
    if (p->piece > 0 && n > p->piece) {
        n = p->piece;
        backlog_add(&p->in, str_skip(backlog_str(&taken), n));
    }
    (void)stream_give_octets(&p->base, str_sub(backlog_str(&taken), 0, n));
    backlog_release(&taken);
    if (p->peer != NULL) {
        schedule(p->peer); /* maybe it drained */
    }
}

static void deliver(void *owner)
{
    struct pair *p = owner;
    p->is_scheduled = false;
    stream_hold(&p->base);
    if (p->on_connected != NULL) {
        answer_connect(p);
    }
    if (stream_is_open(&p->base) && backlog_len(&p->in) > 0) {
        deliver_octets(p);
    }
    if (!p->base.is_freed) {
        (void)stream_check_water(&p->base);
    }
    if (stream_is_open(&p->base) && backlog_len(&p->in) == 0 && p->is_end_due) {
        (void)stream_give_end(&p->base, ERR_OK);
    }
    if (stream_is_open(&p->base) && backlog_len(&p->in) > 0) {
        schedule(p);
    }
    (void)stream_drop(&p->base);
}

static void schedule(struct pair *p)
{
    if (!p->is_scheduled && !p->base.is_freed) {
        p->is_scheduled = true;
        loop_defer(p->loop, deliver, p);
    }
}

static void pair_start(struct stream *s)
{
    schedule(of(s));
}

static void pair_pause(struct stream *s)
{
    (void)s;
}

static size_t pair_get_queued(const struct stream *s)
{
    const struct pair *p = (const struct pair *)s;
    return p->peer == NULL ? 0 : backlog_len(&p->peer->in);
}

static void pair_write(struct stream *s, struct str octets)
{
    struct pair *p = of(s);
    if (p->peer == NULL || p->has_said_end) {
        return;
    }
    backlog_add(&p->peer->in, octets);
    s->is_over_high = s->is_over_high || backlog_len(&p->peer->in) > STREAM_HIGH_WATER;
    schedule(p->peer);
}

static void pair_shutdown(struct stream *s)
{
    struct pair *p = of(s);
    if (p->peer != NULL && !p->has_said_end) {
        p->has_said_end = true;
        p->peer->is_end_due = true;
        schedule(p->peer);
    }
}

static void pair_close(struct stream *s)
{
    struct pair *p = of(s);
    pair_shutdown(s);
    loop_cancel_deferred(p->loop, p);
    if (p->peer != NULL) {
        p->peer->peer = NULL;
        schedule(p->peer); /* what it had written waits no more */
    }
    p->peer = NULL;
    backlog_release(&p->in);
}

static void pair_destroy(struct stream *s)
{
    free(of(s));
}

static const struct stream_ops PAIR_OPS = {
    .start = pair_start,
    .write = pair_write,
    .get_queued = pair_get_queued,
    .pause = pair_pause,
    .resume = pair_start,
    .shutdown = pair_shutdown,
    .close = pair_close,
    .destroy = pair_destroy,
};

static struct pair *make(struct loop *l)
{
    struct pair *p = mem_new(sizeof(*p));
    p->base.ops = &PAIR_OPS;
    p->loop = l;
    backlog_init(&p->in);
    return p;
}

void stream_pair(struct loop *l, struct stream **a, struct stream **b)
{
    struct pair *left = make(l);
    struct pair *right = make(l);
    left->peer = right;
    right->peer = left;
    *a = &left->base;
    *b = &right->base;
}

void stream_pair_set_piece(struct stream *s, size_t octets)
{
    of(s)->piece = octets;
}

void stream_set_fake_connect(struct loop *l,
                             bool (*on_connect)(void *owner, const struct sockaddr_storage *to,
                                                struct stream *s),
                             void *owner)
{
    l->on_connect = on_connect;
    l->connect_owner = owner;
}

struct stream *pair_connect(struct loop *l, const struct sockaddr_storage *to,
                            void (*on_connected)(void *owner, enum err why), void *owner)
{
    struct stream *near = NULL;
    struct stream *far = NULL;
    stream_pair(l, &near, &far);
    bool is_reached = l->on_connect != NULL && l->on_connect(l->connect_owner, to, far);
    if (!is_reached) {
        stream_free(&far);
    }
    of(near)->on_connected = on_connected;
    of(near)->connect_owner = owner;
    of(near)->connect_result = is_reached ? ERR_OK : ERR_UNREACHABLE;
    schedule(of(near));
    return near;
}
