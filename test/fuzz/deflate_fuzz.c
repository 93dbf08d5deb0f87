/* Fuzzes net/deflate from the peer's side: octets in pieces, to a user that pauses now and then and answers. Whatever comes, each
 * piece that is given is bounded, the end is heard at most once, nothing comes behind it, and taking the layer off leaves a stream. */
#include "fuzz.h"

#include "net/deflate.h"

#include <assert.h>
#include <stdbool.h>

enum { PIECE_MOST = 32 * 1024, TOTAL_MOST = 4 * 1024 * 1024 };

struct user {
    struct stream *s;
    size_t total;
    unsigned pieces;
    bool is_over;
};

static void on_octets(void *owner, struct str octets)
{
    struct user *u = owner;
    assert(octets.n > 0 && octets.n <= PIECE_MOST && !u->is_over);
    u->total += octets.n;
    stream_write(u->s, str_sub(octets, 0, 100));
    if (++u->pieces % 3 == 0 || u->total > TOTAL_MOST) {
        stream_pause(u->s);
    }
}

static void on_drained(void *owner)
{
    (void)owner;
}

static void on_end(void *owner, enum err why)
{
    struct user *u = owner;
    assert(!u->is_over || why != ERR_OK);
    u->is_over = true;
}

static const struct stream_handler USER = {on_octets, on_drained, on_end};

static void on_raw(void *owner, struct str octets)
{
    (void)owner;
    (void)octets;
}

static void on_raw_end(void *owner, enum err why)
{
    (void)owner;
    (void)why;
}

static const struct stream_handler RAW = {on_raw, on_drained, on_raw_end};

/* Takes the layer off, as UNAUTHENTICATE does. */
static void strip(struct user *u)
{
    struct buf rest = BUF_INIT(1 << 20);
    struct stream *under = deflate_strip(&u->s, &rest);
    assert(!rest.is_full);
    buf_release(&rest);
    stream_free(&under);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct user u = {.s = NULL};
    struct loop *loop = loop_new_fake(0);
    struct deflate_pool *pool = deflate_pool_new(loop, 1);
    struct stream *raw = NULL;
    struct stream *under = NULL;
    struct str octets = str_make((const char *)data, size);
    stream_pair(loop, &raw, &under);
    stream_pair_set_piece(under, size > 0 ? 1 + data[0] % 64 : 1);
    stream_set_handler(raw, &RAW, NULL);
    octets = str_skip(octets, 1);
    size_t early = octets.n > 0 ? (unsigned char)octets.p[0] % (octets.n + 1) : 0;
    u.s = deflate_new(pool, under, str_sub(octets, 0, early));
    stream_set_handler(u.s, &USER, &u);
    stream_write(raw, str_skip(octets, early));
    for (int i = 0; i < 8; i++) {
        loop_run(loop);
        if (u.total <= TOTAL_MOST) {
            stream_resume(u.s);
        }
    }
    if (size % 2 == 0) {
        stream_free(&raw);
        loop_run(loop);
    }
    if (size % 3 == 0) {
        strip(&u);
    }
    stream_free(&u.s);
    stream_free(&raw);
    deflate_pool_free(&pool);
    loop_free(&loop);
    return 0;
}
