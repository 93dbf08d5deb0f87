#ifndef LIMETTA_NET_STREAM_PRIV_H
#define LIMETTA_NET_STREAM_PRIV_H

/* What the kinds of stream share: socket.c, pair.c, tls.c, deflate.c, link_session.c. Nobody else includes this. */
#include "base/buf.h"
#include "net/stream.h"

/* One kind of stream. close gives up what it holds; no callback may come from it afterwards. destroy frees the memory,
 * maybe later than close, when the stream was freed inside one of its own callbacks. */
struct stream_ops {
    void (*start)(struct stream *s); /* a handler was set */
    void (*write)(struct stream *s, struct str octets);
    size_t (*get_queued)(const struct stream *s);
    size_t (*get_owed)(const struct stream *s); /* NULL: as get_queued */
    void (*pause)(struct stream *s);
    void (*resume)(struct stream *s);
    void (*shutdown)(struct stream *s);
    void (*mark)(struct stream *s, uint8_t mark); /* NULL: carries none */
    void (*close)(struct stream *s);
    void (*destroy)(struct stream *s);
};

/* Every kind begins with this. */
struct stream {
    const struct stream_ops *ops;
    const struct stream_handler *handler; /* NULL until set */
    void *owner;
    void (*on_mark)(void *owner, uint8_t mark); /* NULL: expects none */
    unsigned holds;                             /* callbacks and functions that still look at it */
    bool is_freed;                              /* by its user; memory stays while held */
    bool is_paused;                             /* by its user */
    bool has_ended;                             /* on_end was called */
    bool has_failed;                            /* with a failure: nothing follows */
    bool is_over_high;                          /* owes an on_drained */
};

/* Keeps the memory of s until stream_drop(). */
static inline void stream_hold(struct stream *s)
{
    s->holds++;
}

/* False: the stream was freed meanwhile, and its memory is gone now or soon. */
bool stream_drop(struct stream *s);

/* True when octets may be given to the user now. */
static inline bool stream_is_open(const struct stream *s)
{
    return s->handler != NULL && !s->is_freed && !s->is_paused && !s->has_ended;
}

/* Callbacks to the user. False: the user freed the stream in it. The caller holds s or does not touch it when false. */
bool stream_give_octets(struct stream *s, struct str octets);
bool stream_give_mark(struct stream *s, uint8_t mark);
bool stream_give_end(struct stream *s, enum err why);
/* Looks at the queue: notes that it is over the high-water mark, or tells that it fell below the low one. */
bool stream_check_water(struct stream *s);

/* stream_connect() on the fake loop. */
struct stream *pair_connect(struct loop *l, const struct sockaddr_storage *to,
                            void (*on_connected)(void *owner, enum err why), void *owner);

/* Octets waiting, as a buffer that is eaten from the front without moving the rest each time. */
struct backlog {
    struct buf octets;
    size_t at; /* octets before it are gone */
};

/* Memory is bounded by the writers, who stop at the high-water mark; this only keeps sums from overflowing. */
enum { QUEUE_CAP = 1 << 30 };

static inline void backlog_init(struct backlog *q)
{
    buf_init(&q->octets, QUEUE_CAP);
    q->at = 0;
}

static inline struct str backlog_str(const struct backlog *q)
{
    return str_skip(buf_str(&q->octets), q->at);
}

static inline size_t backlog_len(const struct backlog *q)
{
    return q->octets.len - q->at;
}

void backlog_add(struct backlog *q, struct str octets);
/* Drops the first n octets; gives memory back when it is empty. */
void backlog_eat(struct backlog *q, size_t n);
void backlog_release(struct backlog *q);

#endif
