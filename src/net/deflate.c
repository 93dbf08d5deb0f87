/* DEFLATE as a filter over a stream.
 *
 * Most compressed connections are phones that idle, so what zlib would keep for each, 256 KiB going out and 40 KiB coming in, must not
 * stay with them. RFC 1951 lets both go:
 *
 *     going out   after a flush to a whole octet the compressor may forget everything; it then only compresses worse
 *     coming in   between two blocks an inflater is nothing but its window: the last 32 KiB, at most, of what was inflated
 *
 * So compressors belong to the pool, a fixed number of them. Who writes has one; when all are taken the stream that wrote least
 * recently loses its own. A busy connection keeps its memory for long, an idle one costs nothing, all together are bounded.
 *
 * An inflater is borrowed for the call. Afterwards, between two blocks (where each flush of the peer ends), the window is copied
 * out, as long as what the peer has said so far, and put back the next time; the up to 7 bits of the last octet that were read and not
 * used are put back, too. A peer that stops amid a block keeps its inflater, for nothing else could continue.
 *
 * Bombs: octets are inflated PLAIN_SIZE at a time, and only while the user takes them. What is left waits in `pending` as it came, at most
 * what one read brought, and the stream below is paused.
 *
 * The end of the layer is nobody's hang-up: the peer's last block only means that what follows is not for us. It waits for
 * deflate_strip(). */
#include "net/deflate.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/loop_priv.h"
#include "net/stream_priv.h"

#define ZLIB_CONST
#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

enum {
    WINDOW_BITS_OUT = 13, /* with MEM_LEVEL 64 KiB a compressor; mail gains little from more */
    MEM_LEVEL = 6,
    WINDOW_BITS_IN = 15, /* RFC 1951 lets the peer refer back so far */
    WINDOW_MOST = 1 << WINDOW_BITS_IN,
    PLAIN_SIZE = 32 * 1024,
    PACKED_SIZE = 16 * 1024,
    SPARES_MOST = 4,
    TYPE_BITS = 7,     /* of z_stream.data_type: bits of the last octet that were not used */
    TYPE_LAST = 64,    /* in the last block, or behind it */
    TYPE_BETWEEN = 128 /* between two blocks */
};

struct compressor {
    struct list node;     /* in pool->compressors; the one that wrote last comes last */
    struct deflate *user; /* NULL: nobody's */
    z_stream z;
};

struct inflater {
    struct inflater *next; /* in pool->spares */
    z_stream z;
};

struct deflate_pool {
    struct loop *loop;
    size_t refs;
    struct list compressors;
    size_t compressor_count;
    size_t compressors_most;
    struct inflater *spares;
    size_t spare_count;
    char packed[PACKED_SIZE];
    char plain[PLAIN_SIZE];
};

struct deflate {
    struct stream base;
    struct deflate_pool *pool;
    struct stream *under;
    struct late flush;             /* due at the end of the turn */
    struct compressor *compressor; /* NULL: its memory is empty */
    struct inflater *inflater;     /* NULL between two blocks */
    struct str feed;        /* what may be inflated now; borrowed from a callback or from pending */
    struct backlog pending; /* came while the user was paused, or behind the last block */
    char *window;           /* what the peer may refer to, while there is no inflater */
    size_t window_len;
    unsigned char last_octet; /* that was inflated */
    unsigned bit_count;       /* of it, not used yet, while there is no inflater */
    unsigned bits;
    bool has_more;     /* the inflater may have more to say without more octets */
    bool is_over;      /* the peer's last block is done */
    bool is_broken;    /* the peer's octets make no sense */
    bool is_scheduled; /* a deferred run is due */
    bool is_ending;
    bool has_ended_out; /* our side of the layer is over */
    bool is_end_due;    /* the stream below has ended, behind pending */
};

static struct deflate *of(struct stream *s)
{
    return (struct deflate *)s;
}

/* ---- the pool ---- */

struct deflate_pool *deflate_pool_new(struct loop *l, size_t compressors_most)
{
    struct deflate_pool *p = mem_new(sizeof(*p));
    assert(compressors_most > 0);
    p->loop = l;
    p->refs = 1;
    p->compressors_most = compressors_most;
    list_init(&p->compressors);
    return p;
}

static void pool_unref(struct deflate_pool **p)
{
    struct deflate_pool *gone = *p;
    *p = NULL;
    if (gone == NULL || --gone->refs > 0) {
        return;
    }
    list_each_safe(node, &gone->compressors)
    {
        struct compressor *c = list_entry(node, struct compressor, node);
        (void)deflateEnd(&c->z);
        free(c);
    }
    while (gone->spares != NULL) {
        struct inflater *i = gone->spares;
        gone->spares = i->next;
        (void)inflateEnd(&i->z);
        free(i);
    }
    free(gone);
}

void deflate_pool_free(struct deflate_pool **p)
{
    pool_unref(p);
}

static void must(int result)
{
    if (result != Z_OK) {
        abort(); /* out of memory, or misused */
    }
}

static struct compressor *make_compressor(struct deflate_pool *p)
{
    struct compressor *c = mem_new(sizeof(*c));
    must(deflateInit2(&c->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -WINDOW_BITS_OUT, MEM_LEVEL,
                      Z_DEFAULT_STRATEGY));
    list_init(&c->node);
    p->compressor_count++;
    return c;
}

static void flush_now(struct deflate *d);

static void let_go(struct compressor *c)
{
    struct deflate *d = c->user;
    if (d != NULL) {
        flush_now(d);
        d->compressor = NULL;
        c->user = NULL;
    }
}

/* The compressor of d, moved to the end of the line: its own, a new one, or the one that was idle for longest. */
static struct compressor *take_compressor(struct deflate *d)
{
    struct deflate_pool *p = d->pool;
    struct compressor *c = d->compressor;
    if (c == NULL) {
        bool has_free = !list_is_empty(&p->compressors)
                        && list_entry(p->compressors.next, struct compressor, node)->user == NULL;
        if (!has_free && p->compressor_count < p->compressors_most) {
            c = make_compressor(p);
        } else {
            c = list_entry(p->compressors.next, struct compressor, node);
            let_go(c);
            must(deflateReset(&c->z));
        }
        c->user = d;
        d->compressor = c;
    }
    list_remove(&c->node);
    list_append(&p->compressors, &c->node);
    return c;
}

/* Its memory is of no use any more: the next one who needs a compressor takes this one. */
static void drop_compressor(struct deflate *d)
{
    struct compressor *c = d->compressor;
    if (c == NULL) {
        return;
    }
    d->compressor = NULL;
    c->user = NULL;
    list_remove(&c->node);
    c->node.next = d->pool->compressors.next;
    c->node.prev = &d->pool->compressors;
    c->node.next->prev = &c->node;
    c->node.prev->next = &c->node;
}

static void take_inflater(struct deflate *d)
{
    struct deflate_pool *p = d->pool;
    struct inflater *i = p->spares;
    if (i != NULL) {
        p->spares = i->next;
        p->spare_count--;
    } else {
        i = mem_new(sizeof(*i));
        must(inflateInit2(&i->z, -WINDOW_BITS_IN));
    }
    if (d->window_len > 0) {
        must(inflateSetDictionary(&i->z, (const Bytef *)d->window, (uInt)d->window_len));
    }
    if (d->bit_count > 0) {
        must(inflatePrime(&i->z, (int)d->bit_count, (int)d->bits));
    }
    d->inflater = i;
}

static void drop_inflater(struct deflate *d)
{
    struct deflate_pool *p = d->pool;
    struct inflater *i = d->inflater;
    d->inflater = NULL;
    if (i == NULL) {
        return;
    }
    if (p->spare_count == SPARES_MOST) {
        (void)inflateEnd(&i->z);
        free(i);
        return;
    }
    must(inflateReset(&i->z));
    i->next = p->spares;
    p->spares = i;
    p->spare_count++;
}

/* ---- coming in ---- */

/* Between two blocks: what the peer may still refer to is all that is kept. Else the inflater stays. */
static void rest(struct deflate *d)
{
    uInt n = 0;
    if (d->inflater == NULL || d->has_more || d->feed.n > 0) {
        return;
    }
    z_stream *z = &d->inflater->z;
    bool is_between = (z->data_type & (TYPE_BETWEEN | TYPE_LAST)) == TYPE_BETWEEN;
    if (!is_between && !d->is_over && !d->is_broken) {
        return;
    }
    must(inflateGetDictionary(z, NULL, &n));
    if (n != d->window_len) {
        free(d->window);
        d->window = n > 0 ? mem_new(n) : NULL;
        d->window_len = n;
    }
    if (n > 0) {
        must(inflateGetDictionary(z, (Bytef *)d->window, NULL));
    }
    d->bit_count = (unsigned)z->data_type & TYPE_BITS;
    d->bits = d->last_octet >> (8 - d->bit_count);
    drop_inflater(d);
}

/* Fills the pool's plain buffer from feed. Returns how much there is. */
static size_t inflate_some(struct deflate *d)
{
    if (d->inflater == NULL) {
        take_inflater(d);
    }
    z_stream *z = &d->inflater->z;
    z->next_in = (const Bytef *)d->feed.p;
    z->avail_in = (uInt)d->feed.n;
    z->next_out = (Bytef *)d->pool->plain;
    z->avail_out = PLAIN_SIZE;
    int result = inflate(z, Z_SYNC_FLUSH);
    size_t used = d->feed.n - z->avail_in;
    if (used > 0) {
        d->last_octet = (unsigned char)d->feed.p[used - 1];
    }
    d->feed = str_skip(d->feed, used);
    d->has_more = z->avail_out == 0;
    d->is_over = result == Z_STREAM_END;
    if (result != Z_STREAM_END && result != Z_OK && result != Z_BUF_ERROR) {
        log_info("deflate: %s", z->msg == NULL ? "the peer's octets make no sense" : z->msg);
        d->is_broken = true;
    }
    return PLAIN_SIZE - z->avail_out;
}

static bool can_run(const struct deflate *d)
{
    return stream_is_open(&d->base) && !d->is_broken && !d->is_over
           && (d->feed.n > 0 || d->has_more);
}

/* Goes on with what is in feed, as long as the user wants octets. */
static void run(struct deflate *d)
{
    bool is_alive = true;
    while (is_alive && can_run(d)) {
        size_t n = inflate_some(d);
        is_alive = n == 0 || stream_give_octets(&d->base, str_make(d->pool->plain, n));
    }
    if (!is_alive) {
        return;
    }
    rest(d);
    if (d->is_broken) {
        (void)stream_give_end(&d->base, ERR_SYNTAX);
    }
}

/* The stream below has ended in good order, and nothing that it brought is left. */
static void check_end(struct deflate *d)
{
    bool is_done = d->is_over || (backlog_len(&d->pending) == 0 && !d->has_more);
    if (!d->base.is_freed && d->is_end_due && is_done && !d->base.is_paused) {
        (void)stream_give_end(&d->base, ERR_OK);
    }
}

/* Works on what was kept, and keeps what is left. */
static void run_pending(struct deflate *d)
{
    struct backlog taken = d->pending;
    stream_hold(&d->base);
    backlog_init(&d->pending);
    d->feed = backlog_str(&taken);
    run(d);
    if (!d->base.is_freed && !d->is_broken) {
        backlog_add(&d->pending, d->feed);
    }
    d->feed = STR_EMPTY;
    backlog_release(&taken);
    if (stream_is_open(&d->base) && backlog_len(&d->pending) == 0 && !d->is_over) {
        stream_resume(d->under); /* on_octets() stopped it, if more came meanwhile */
    }
    check_end(d);
    (void)stream_drop(&d->base);
}

static void on_octets(void *owner, struct str octets)
{
    struct deflate *d = owner;
    if (d->is_broken) {
        return;
    }
    if (backlog_len(&d->pending) > 0 || d->is_over) {
        backlog_add(&d->pending, octets);
        stream_pause(d->under);
        return;
    }
    stream_hold(&d->base);
    d->feed = octets;
    run(d);
    if (!d->base.is_freed && d->feed.n > 0 && !d->is_broken) {
        backlog_add(&d->pending, d->feed);
    }
    d->feed = STR_EMPTY;
    (void)stream_drop(&d->base);
}

static void on_drained(void *owner)
{
    struct deflate *d = owner;
    d->base.is_over_high = true; /* it was: by what was below before the layer, or by a flush */
    (void)stream_check_water(&d->base);
}

static void on_end(void *owner, enum err why)
{
    struct deflate *d = owner;
    if (why != ERR_OK) {
        (void)stream_give_end(&d->base, why);
        return;
    }
    d->is_end_due = true;
    check_end(d);
}

static const struct stream_handler UNDER_HANDLER = {on_octets, on_drained, on_end};

static void on_deferred(void *owner)
{
    struct deflate *d = owner;
    d->is_scheduled = false;
    run_pending(d);
}

static void deflate_start(struct stream *s)
{
    struct deflate *d = of(s);
    if (s->is_paused) {
        return;
    }
    if (!d->is_over) {
        stream_resume(d->under);
    }
    if (!d->is_scheduled) {
        d->is_scheduled = true;
        loop_defer(d->pool->loop, on_deferred, d);
    }
}

static void deflate_pause(struct stream *s)
{
    stream_pause(of(s)->under);
}

/* ---- going out ---- */

static void pack(struct deflate *d, struct str octets, int flush)
{
    struct deflate_pool *p = d->pool;
    z_stream *z = &take_compressor(d)->z;
    z->next_in = (const Bytef *)octets.p;
    z->avail_in = (uInt)octets.n;
    do {
        z->next_out = (Bytef *)p->packed;
        z->avail_out = PACKED_SIZE;
        (void)deflate(z, flush); /* it cannot fail, but there may be nothing to do */
        stream_write(d->under, str_make(p->packed, PACKED_SIZE - z->avail_out));
    } while (z->avail_out == 0);
}

static void flush_now(struct deflate *d)
{
    if (!list_is_empty(&d->flush.node)) {
        late_cancel(&d->flush);
        pack(d, STR_EMPTY, Z_SYNC_FLUSH);
    }
}

static void on_turn_over(struct late *t)
{
    struct deflate *d = list_entry(t, struct deflate, flush);
    pack(d, STR_EMPTY, Z_SYNC_FLUSH);
}

static void deflate_write(struct stream *s, struct str octets)
{
    struct deflate *d = of(s);
    if (d->is_ending) {
        return;
    }
    if (d->has_ended_out) {
        stream_write(d->under, octets);
    } else {
        pack(d, octets, Z_NO_FLUSH);
        loop_late(d->pool->loop, LATE_FRAMES, &d->flush);
    }
    s->is_over_high = s->is_over_high || stream_get_queued(d->under) > STREAM_HIGH_WATER;
}

static size_t deflate_get_owed(const struct stream *s)
{
    return stream_get_owed(((const struct deflate *)s)->under);
}

static size_t deflate_get_queued(const struct stream *s)
{
    return stream_get_queued(((const struct deflate *)s)->under);
}

static void deflate_shutdown(struct stream *s)
{
    struct deflate *d = of(s);
    d->is_ending = true;
    flush_now(d);
    stream_shutdown(d->under);
}

/* ---- the end ---- */

static void deflate_close(struct stream *s)
{
    struct deflate *d = of(s);
    loop_cancel_deferred(d->pool->loop, d);
    late_cancel(&d->flush);
    drop_compressor(d);
    drop_inflater(d);
    free(d->window);
    d->window = NULL;
    backlog_release(&d->pending);
    stream_free(&d->under);
    pool_unref(&d->pool);
}

static void deflate_destroy(struct stream *s)
{
    free(of(s));
}

static const struct stream_ops DEFLATE_OPS = {
    .start = deflate_start,
    .write = deflate_write,
    .get_queued = deflate_get_queued,
    .get_owed = deflate_get_owed,
    .pause = deflate_pause,
    .resume = deflate_start,
    .shutdown = deflate_shutdown,
    .close = deflate_close,
    .destroy = deflate_destroy,
};

struct stream *deflate_new(struct deflate_pool *p, struct stream *under, struct str early)
{
    struct deflate *d = mem_new(sizeof(*d));
    d->base.ops = &DEFLATE_OPS;
    d->pool = p;
    p->refs++;
    d->under = under;
    late_init(&d->flush, on_turn_over);
    backlog_init(&d->pending);
    backlog_add(&d->pending, early);
    stream_set_handler(under, &UNDER_HANDLER, d);
    return &d->base;
}

/* A last block by itself, behind octets that have left, could reach a peer that thinks the layer over, because it has read its OK:
 * it would be taken for text. So the last block comes with the last octets, or not at all. */
void deflate_end(struct stream *s)
{
    struct deflate *d = of(s);
    d->has_ended_out = true;
    if (!list_is_empty(&d->flush.node)) {
        late_cancel(&d->flush);
        pack(d, STR_EMPTY, Z_FINISH);
    }
    drop_compressor(d);
}

struct stream *deflate_strip(struct stream **s, struct buf *rest_out)
{
    struct deflate *d = of(*s);
    struct stream *under = d->under;
    deflate_end(*s);
    buf_add(rest_out, backlog_str(&d->pending));
    stream_pause(under);
    d->under = NULL;
    stream_free(s);
    return under;
}
