/* Unit tests of net/deflate (M-7): the layer over a pair in memory, with plain zlib or another layer at the far end. */
#include "net/deflate.h"

#include "ear.h"
#include "unit.h"

#include <malloc.h>
#include <stdlib.h>
#include <zlib.h>

enum { BIG = 300 * 1024, COMPRESSORS = 2 };

struct world {
    struct loop *loop;
    struct deflate_pool *pool;
    struct stream *far; /* under the layer */
    struct ear near;    /* the other end of the pair */
    struct ear user;    /* over the layer */
    z_stream out;       /* what near says is packed by */
};

static void init_deflate(z_stream *z)
{
    *z = (z_stream){0};
    assert_int_equal(deflateInit2(z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
}

static int setup(void **state)
{
    static struct world w;
    w = (struct world){.loop = loop_new_fake(0)};
    w.pool = deflate_pool_new(w.loop, COMPRESSORS);
    struct stream *near = NULL;
    stream_pair(w.loop, &near, &w.far);
    ear_put(&w.near, near);
    init_deflate(&w.out);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    (void)deflateEnd(&w->out);
    ear_release(&w->user);
    ear_release(&w->near);
    stream_free(&w->far);
    deflate_pool_free(&w->pool);
    loop_free(&w->loop);
    return 0;
}

static void start(struct world *w, struct str early)
{
    ear_put(&w->user, deflate_new(w->pool, w->far, early));
    w->far = NULL;
    loop_run(w->loop);
}

/* Packs s as zlib does; the caller releases. */
static struct buf pack(z_stream *z, struct str s, int flush)
{
    struct buf b = BUF_INIT(1 << 24);
    char part[4096];
    z->next_in = (Bytef *)(uintptr_t)s.p;
    z->avail_in = (uInt)s.n;
    do {
        z->next_out = (Bytef *)part;
        z->avail_out = sizeof(part);
        (void)deflate(z, flush);
        buf_add(&b, str_make(part, sizeof(part) - z->avail_out));
    } while (z->avail_out == 0);
    return b;
}

static void say(struct world *w, struct str s, int flush)
{
    struct buf b = pack(&w->out, s, flush);
    stream_write(w->near.s, buf_str(&b));
    buf_release(&b);
    loop_run(w->loop);
}

/* What the layer has said, unpacked by zlib. */
static struct buf heard(struct world *w, int *result)
{
    struct buf b = BUF_INIT(1 << 24);
    char part[4096];
    z_stream z = {0};
    assert_int_equal(inflateInit2(&z, -15), Z_OK);
    z.next_in = (Bytef *)w->near.heard.p;
    z.avail_in = (uInt)w->near.heard.len;
    do {
        z.next_out = (Bytef *)part;
        z.avail_out = sizeof(part);
        *result = inflate(&z, Z_SYNC_FLUSH);
        buf_add(&b, str_make(part, sizeof(part) - z.avail_out));
    } while (z.avail_out == 0);
    (void)inflateEnd(&z);
    return b;
}

static char *make_text(size_t n)
{
    char *text = malloc(n);
    unsigned x = 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1103515245U + 12345U;
        text[i] = (char)('a' + (x >> 16) % (i % 1000 < 500 ? 2U : 26U));
    }
    return text;
}

static void test_both_ways(void **state)
{
    struct world *w = *state;
    char *text = make_text(BIG);
    start(w, STR_EMPTY);
    for (size_t at = 0; at < BIG; at += BIG / 10) {
        say(w, str_make(text + at, BIG / 10), Z_SYNC_FLUSH);
        stream_write(w->user.s, str_make(text + at, BIG / 10));
        loop_run(w->loop);
    }
    assert_str(buf_str(&w->user.heard), str_make(text, BIG));
    int result = 0;
    struct buf b = heard(w, &result);
    assert_str(buf_str(&b), str_make(text, BIG));
    buf_release(&b);
    free(text);
}

/* All flushes end between two blocks, some with bits left over; the window survives them. */
static void test_flushes(void **state)
{
    static const int FLUSHES[] = {Z_SYNC_FLUSH, Z_PARTIAL_FLUSH, Z_FULL_FLUSH, Z_BLOCK, Z_NO_FLUSH};
    struct world *w = *state;
    char *text = make_text(BIG);
    stream_pair_set_piece(w->far, 1);
    start(w, STR_EMPTY);
    size_t at = 0;
    for (size_t i = 0; i < 500; i++) {
        size_t n = 1 + i % 97;
        say(w, str_make(text + at, n), FLUSHES[i % 5]);
        at += n;
    }
    say(w, STR("end"), Z_SYNC_FLUSH);
    assert_int_equal(w->user.heard.len, at + 3);
    assert_memory_equal(w->user.heard.p, text, at);
    free(text);
}

/* What a turn says leaves once, flushed; a turn in which nothing was said says nothing. */
static void test_one_flush_a_turn(void **state)
{
    struct world *w = *state;
    start(w, STR_EMPTY);
    for (int i = 0; i < 100; i++) {
        stream_write(w->user.s, STR("* 1 EXISTS\r\n"));
    }
    loop_run(w->loop);
    size_t n = w->near.heard.len;
    assert_in_range(n, 10, 60);
    loop_run(w->loop);
    assert_int_equal(w->near.heard.len, n);
}

static void test_early(void **state)
{
    struct world *w = *state;
    struct buf b = pack(&w->out, STR("early"), Z_SYNC_FLUSH);
    start(w, buf_str(&b));
    buf_release(&b);
    say(w, STR(" late"), Z_SYNC_FLUSH);
    assert_str(buf_str(&w->user.heard), STR("early late"));
}

static void test_nonsense(void **state)
{
    struct world *w = *state;
    start(w, STR_EMPTY);
    say(w, STR("sense"), Z_SYNC_FLUSH);
    stream_write(w->near.s, STR("\x07\x07\x07"));
    loop_run(w->loop);
    assert_str(buf_str(&w->user.heard), STR("sense"));
    assert_int_equal(w->user.ended, 1);
    assert_int_equal(w->user.why, ERR_SYNTAX);
    stream_write(w->user.s, STR("bye"));
    stream_finish(w->loop, &w->user.s);
    loop_run(w->loop);
    int result = 0;
    struct buf b = heard(w, &result);
    assert_str(buf_str(&b), STR("bye"));
    buf_release(&b);
}

static void on_octets_pause(void *owner, struct str octets)
{
    struct ear *e = owner;
    ear_on_octets(e, octets);
    stream_pause(e->s);
}

/* 64 MiB of nothing in 64 KiB: while the user takes it piece by piece nothing piles up. */
static void test_bomb(void **state)
{
    static const struct stream_handler PAUSING = {on_octets_pause, ear_on_drained, ear_on_end};
    enum { BOMB = 64 * 1024 * 1024 };
    struct world *w = *state;
    char *zeros = calloc(1, BOMB);
    struct buf b = pack(&w->out, str_make(zeros, BOMB), Z_SYNC_FLUSH);
    free(zeros);
    start(w, STR_EMPTY);
    stream_set_handler(w->user.s, &PAUSING, &w->user);
    stream_write(w->near.s, buf_str(&b));
    stream_shutdown(w->near.s);
    size_t total = 0;
    size_t before = mallinfo2().uordblks;
    size_t most = 0;
    while (w->user.ended == 0) {
        loop_run(w->loop);
        assert_true(w->user.heard.len <= 32 * 1024);
        total += w->user.heard.len;
        buf_clear(&w->user.heard);
        size_t now = mallinfo2().uordblks;
        most = now > before && now - before > most ? now - before : most;
        stream_resume(w->user.s);
    }
    assert_int_equal(total, BOMB);
    assert_int_equal(w->user.why, ERR_OK);
    assert_true(most < 512 * 1024);
    buf_release(&b);
}

/* Our last block comes with our last octets, or, when they have left, not at all; then what is written is plain. */
static void test_end(void **state)
{
    struct world *w = *state;
    int result = 0;
    start(w, STR_EMPTY);
    stream_write(w->user.s, STR("OK"));
    loop_run(w->loop);
    size_t n = w->near.heard.len;
    deflate_end(w->user.s);
    loop_run(w->loop);
    assert_int_equal(w->near.heard.len, n);
    stream_write(w->user.s, STR("plain"));
    loop_run(w->loop);
    assert_str(str_skip(buf_str(&w->near.heard), n), STR("plain"));
    ear_release(&w->user);
    ear_release(&w->near);
    struct stream *near = NULL;
    stream_pair(w->loop, &near, &w->far);
    ear_put(&w->near, near);
    start(w, STR_EMPTY);
    stream_write(w->user.s, STR("OK"));
    deflate_end(w->user.s);
    loop_run(w->loop);
    struct buf b = heard(w, &result);
    assert_str(buf_str(&b), STR("OK"));
    assert_int_equal(result, Z_STREAM_END);
    buf_release(&b);
}

/* The peer's last block: what follows is not ours. */
static void test_strip(void **state)
{
    struct world *w = *state;
    struct buf rest = BUF_INIT(1000);
    start(w, STR_EMPTY);
    say(w, STR("last"), Z_FINISH);
    stream_write(w->near.s, STR("plain"));
    loop_run(w->loop);
    assert_str(buf_str(&w->user.heard), STR("last"));
    assert_int_equal(w->user.ended, 0);
    struct stream *under = deflate_strip(&w->user.s, &rest);
    assert_str(buf_str(&rest), STR("plain"));
    buf_release(&w->user.heard);
    ear_put(&w->user, under);
    stream_resume(under);
    stream_write(w->near.s, STR(" talk"));
    loop_run(w->loop);
    assert_str(buf_str(&w->user.heard), STR(" talk"));
    buf_release(&rest);
}

/* More streams than compressors: they take them from each other, and every word arrives. */
static void test_crowd(void **state)
{
    enum { COUNT = 7 };
    struct world *w = *state;
    struct ear ends[COUNT];
    struct ear users[COUNT];
    for (int i = 0; i < COUNT; i++) {
        struct stream *a = NULL;
        struct stream *b = NULL;
        stream_pair(w->loop, &a, &b);
        ear_put(&ends[i], deflate_new(w->pool, a, STR_EMPTY));
        ear_put(&users[i], deflate_new(w->pool, b, STR_EMPTY));
    }
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < COUNT; i++) {
            stream_write(users[i].s, STR("some words "));
            stream_write(ends[(i * 3 + round) % COUNT].s, STR("and back "));
        }
        loop_run(w->loop);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(ends[i].heard.len, 50 * 11);
        assert_int_equal(users[i].heard.len, 50 * 9);
        ear_release(&users[i]);
        ear_release(&ends[i]);
    }
}

static void on_end_free(void *owner, enum err why)
{
    struct ear *e = owner;
    ear_on_end(e, why);
    stream_free(&e->s);
}

static void on_octets_free(void *owner, struct str octets)
{
    struct ear *e = owner;
    ear_on_octets(e, octets);
    stream_free(&e->s);
}

static void test_freed_inside(void **state)
{
    static const struct stream_handler AT_END = {ear_on_octets, ear_on_drained, on_end_free};
    static const struct stream_handler AT_ONCE = {on_octets_free, ear_on_drained, ear_on_end};
    struct world *w = *state;
    start(w, STR_EMPTY);
    stream_set_handler(w->user.s, &AT_ONCE, &w->user);
    say(w, STR("word"), Z_SYNC_FLUSH);
    assert_null(w->user.s);
    buf_release(&w->user.heard);
    stream_free(&w->near.s);
    stream_pair(w->loop, &w->near.s, &w->far);
    start(w, STR_EMPTY);
    stream_set_handler(w->user.s, &AT_END, &w->user);
    stream_free(&w->near.s);
    loop_run(w->loop);
    assert_null(w->user.s);
    assert_int_equal(w->user.why, ERR_OK);
}

/* More comes before what was kept for a user who paused was worked on: both come, and what comes later. */
static void test_goes_on(void **state)
{
    static const struct stream_handler PAUSING = {on_octets_pause, ear_on_drained, ear_on_end};
    struct world *w = *state;
    struct buf big = BUF_INIT(BIG);
    memset(buf_reserve(&big, BIG), 'x', BIG);
    buf_commit(&big, BIG);
    start(w, STR_EMPTY);
    stream_set_handler(w->user.s, &PAUSING, &w->user);
    say(w, buf_str(&big), Z_SYNC_FLUSH);
    say(w, STR("more"), Z_SYNC_FLUSH);
    assert_true(w->user.heard.len < BIG);
    stream_set_handler(w->user.s, &EAR_HANDLER, &w->user);
    stream_resume(w->user.s);
    loop_run(w->loop);
    assert_int_equal(w->user.heard.len, BIG + 4);
    say(w, STR(" and more"), Z_SYNC_FLUSH);
    assert_int_equal(w->user.heard.len, BIG + 13);
    buf_release(&big);
}

/* Who stops because of what was written before the layer began is told when that has left. */
static void test_drained(void **state)
{
    static char octets[BIG];
    struct world *w = *state;
    stream_write(w->far, str_make(octets, sizeof(octets)));
    ear_put(&w->user, deflate_new(w->pool, w->far, STR_EMPTY));
    w->far = NULL;
    assert_true(stream_get_queued(w->user.s) > STREAM_HIGH_WATER);
    loop_run(w->loop);
    assert_int_equal(stream_get_queued(w->user.s), 0);
    assert_int_equal(w->user.drained, 1);
}

/* An idle stream keeps what its peer has said, and little else. */
static void test_memory(void **state)
{
    enum { COUNT = 100 };
    struct world *w = *state;
    struct ear ends[COUNT];
    struct ear users[COUNT];
    start(w, STR_EMPTY);
    say(w, STR("warm"), Z_SYNC_FLUSH);
    for (int i = 0; i < COUNT; i++) {
        struct stream *a = NULL;
        struct stream *b = NULL;
        stream_pair(w->loop, &a, &b);
        ear_put(&ends[i], a);
        ear_put(&users[i], b);
    }
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < COUNT; i++) {
        z_stream z;
        init_deflate(&z);
        users[i].s = deflate_new(w->pool, users[i].s, STR_EMPTY);
        stream_set_handler(users[i].s, &EAR_HANDLER, &users[i]);
        struct buf b =
            pack(&z,
                 STR("a AUTHENTICATE and some other 100 octets of what a phone says before it "
                     "idles, as it would again"),
                 Z_SYNC_FLUSH);
        (void)deflateEnd(&z);
        stream_write(ends[i].s, buf_str(&b));
        stream_write(users[i].s, STR("+ idling\r\n"));
        buf_release(&b);
        loop_run(w->loop);
        assert_int_equal(users[i].heard.len, 96);
        buf_release(&users[i].heard);
        buf_release(&ends[i].heard);
    }
    size_t each = (mallinfo2().uordblks - before) / COUNT;
    print_message("an idle DEFLATE layer: %zu octets\n", each);
#if !defined(__SANITIZE_ADDRESS__)
    assert_true(each < 2048); /* the two compressors of the pool are in it */
#endif
    for (int i = 0; i < COUNT; i++) {
        ear_release(&users[i]);
        ear_release(&ends[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flushes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_flush_a_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_early, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bomb, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_crowd, setup, teardown),
        cmocka_unit_test_setup_teardown(test_freed_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drained, setup, teardown),
        cmocka_unit_test_setup_teardown(test_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
