/* Unit tests of net/loop and of the streams that sit right on it: sockets and pairs. */
#include "net/loop.h"

#include "ear.h"
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

struct story {
    struct loop *loop;
    struct buf told;
    struct timer *timer;
    int count;
};

static void tell(struct story *s, const char *word)
{
    buf_addf(&s->told, "%s@%llu ", word, (unsigned long long)loop_now_ms(s->loop));
}

static void on_a(void *owner)
{
    tell(owner, "a");
}

static void on_b(void *owner)
{
    tell(owner, "b");
}

static void on_turn_end(void *owner)
{
    struct story *s = owner;
    s->count++;
}

static void test_timers_fire_in_order(void **state)
{
    struct story s = {.loop = loop_new_fake(5000), .told = BUF_INIT(4096)};
    struct timer *a = timer_new(s.loop, on_a, &s);
    struct timer *b = timer_new(s.loop, on_b, &s);
    (void)state;
    timer_start(a, 100);
    timer_start(b, 100);
    loop_advance(s.loop, 99);
    assert_int_equal(s.told.len, 0);
    loop_advance(s.loop, 1);
    assert_str(buf_str(&s.told), STR("a@100 b@100 "));
    buf_clear(&s.told);
    timer_start(a, 50); /* moved back, then forth */
    timer_start(a, 500);
    timer_start(b, 300);
    timer_start(a, 200);
    loop_advance(s.loop, 1000);
    assert_str(buf_str(&s.told), STR("a@300 b@400 "));
    buf_clear(&s.told);
    timer_start(a, 10);
    timer_start(b, 10);
    timer_stop(a);
    loop_advance(s.loop, 10);
    assert_str(buf_str(&s.told), STR("b@1110 "));
    assert_true(loop_wall_ms(s.loop) == 5000 + 1110);
    timer_free(&a);
    timer_free(&b);
    loop_free(&s.loop);
    buf_release(&s.told);
}

/* Many timers, started and moved at random, fire at their time and in order. */
static void test_timer_heap(void **state)
{
    enum { TIMERS = 200 };
    struct story s[TIMERS];
    struct loop *loop = loop_new_fake(0);
    uint64_t due[TIMERS];
    unsigned seed = 7;
    (void)state;
    for (int i = 0; i < TIMERS; i++) {
        s[i] = (struct story){.loop = loop, .told = BUF_INIT(64)};
        s[i].timer = timer_new(loop, on_a, &s[i]);
    }
    for (int i = 0; i < 20 * TIMERS; i++) {
        seed = seed * 1103515245U + 12345U;
        due[(seed >> 8) % TIMERS] = (seed >> 16) % 5000;
        timer_start(s[(seed >> 8) % TIMERS].timer, (seed >> 16) % 5000);
    }
    for (int i = 0; i < TIMERS; i += 3) {
        timer_stop(s[i].timer);
    }
    loop_advance(loop, 5000);
    for (int i = 0; i < TIMERS; i++) {
        char want[32];
        int n = snprintf(want, sizeof(want), "a@%llu ", (unsigned long long)due[i]);
        assert_str(buf_str(&s[i].told), i % 3 == 0 ? STR_EMPTY : str_make(want, (size_t)n));
        timer_free(&s[i].timer);
        buf_release(&s[i].told);
    }
    loop_free(&loop);
}

static void on_defer_again(void *owner)
{
    struct story *s = owner;
    tell(s, "once");
    loop_defer(s->loop, on_b, s);
}

static void test_deferred(void **state)
{
    struct story s = {.loop = loop_new_fake(0), .told = BUF_INIT(4096)};
    struct story gone = {.loop = s.loop, .told = BUF_INIT(4096)};
    (void)state;
    loop_set_turn_end(s.loop, on_turn_end, &s);
    loop_defer(s.loop, on_defer_again, &s);
    loop_defer(s.loop, on_a, &gone);
    loop_cancel_deferred(s.loop, &gone);
    assert_int_equal(s.told.len, 0);
    loop_run(s.loop);
    assert_str(buf_str(&s.told), STR("once@0 b@0 "));
    assert_int_equal(gone.told.len, 0);
    assert_true(s.count >= 2); /* what the first round caused had a turn end of its own */
    loop_free(&s.loop);
    buf_release(&s.told);
}

static void stop_loop(void *owner)
{
    struct story *s = owner;
    s->count++;
    loop_stop(s->loop);
}

static void test_real_timer_signal_work(void **state)
{
    struct story s = {.loop = loop_new()};
    struct timer *t = timer_new(s.loop, stop_loop, &s);
    struct signal_watch *w = signal_watch_new(s.loop, SIGUSR1, stop_loop, &s);
    (void)state;
    timer_start(t, 5);
    uint64_t before = loop_now_ms(s.loop);
    loop_run(s.loop);
    assert_int_equal(s.count, 1);
    assert_true(loop_now_ms(s.loop) >= before + 5);
    (void)raise(SIGUSR1);
    loop_run(s.loop);
    assert_int_equal(s.count, 2);
    loop_work(s.loop, on_turn_end, stop_loop, &s);
    loop_run(s.loop);
    assert_int_equal(s.count, 4);
    loop_defer(s.loop, stop_loop, &s);
    loop_run(s.loop);
    assert_int_equal(s.count, 5);
    signal_watch_free(&w);
    timer_free(&t);
    loop_free(&s.loop);
}

static void test_pair(void **state)
{
    struct loop *l = loop_new_fake(0);
    struct stream *a = NULL;
    struct stream *b = NULL;
    struct ear ea;
    struct ear eb;
    (void)state;
    stream_pair(l, &a, &b);
    ear_put(&ea, a);
    ear_put(&eb, b);
    stream_write(a, STR("hello"));
    assert_int_equal(eb.heard.len, 0); /* never inside the call */
    loop_run(l);
    assert_str(buf_str(&eb.heard), STR("hello"));
    stream_pause(b);
    stream_write(a, STR(" you"));
    stream_shutdown(a);
    loop_run(l);
    assert_int_equal(eb.heard.len, 5);
    assert_int_equal(eb.ended, 0);
    stream_resume(b);
    loop_run(l);
    assert_str(buf_str(&eb.heard), STR("hello you"));
    assert_int_equal(eb.ended, 1);
    stream_write(b, STR("bye"));
    loop_run(l);
    assert_str(buf_str(&ea.heard), STR("bye"));
    ear_release(&eb);
    loop_run(l);
    assert_int_equal(ea.ended, 1);
    assert_int_equal(ea.why, ERR_OK);
    ear_release(&ea);
    loop_free(&l);
}

static bool on_connect(void *owner, const struct sockaddr_storage *to, struct stream *s)
{
    struct stream **far = owner;
    (void)to;
    *far = s;
    return true;
}

static void on_connected(void *owner, enum err why)
{
    struct ear *e = owner;
    e->why = why;
    e->drained = 99;
}

static void test_fake_connect(void **state)
{
    struct loop *l = loop_new_fake(0);
    struct sockaddr_storage to = {.ss_family = AF_INET};
    struct stream *far = NULL;
    struct ear e = {.heard = BUF_INIT(100)};
    (void)state;
    struct stream *s = stream_connect(l, &to, 1000, on_connected, &e);
    loop_run(l);
    assert_int_equal(e.why, ERR_UNREACHABLE);
    stream_free(&s);
    stream_set_fake_connect(l, on_connect, &far);
    s = stream_connect(l, &to, 1000, on_connected, &e);
    stream_set_handler(s, &EAR_HANDLER, &e);
    stream_write(far, STR("220 hi"));
    loop_run(l);
    assert_int_equal(e.why, ERR_OK);
    assert_str(buf_str(&e.heard), STR("220 hi"));
    stream_free(&s);
    stream_free(&far);
    buf_release(&e.heard);
    loop_free(&l);
}

struct server {
    struct loop *loop;
    struct ear ear; /* echoes nothing, just hears */
    struct sockaddr_storage peer;
    int accepted;
};

static void on_accept(void *owner, int fd, const struct sockaddr_storage *peer)
{
    struct server *s = owner;
    s->accepted++;
    s->peer = *peer;
    ear_put(&s->ear, stream_from_fd(s->loop, fd));
    loop_stop(s->loop);
}

static int listen_somewhere(struct sockaddr_storage *at)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(*at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
    return fd;
}

static void on_tick(void *owner)
{
    loop_stop(owner);
}

/* Runs the real loop until ear e heard n octets or ended. */
static void run_until(struct loop *l, const struct ear *e, size_t n)
{
    struct timer *tick = timer_new(l, on_tick, l);
    for (int i = 0; i < 5000 && e->heard.len < n && e->ended == 0; i++) {
        timer_start(tick, 1);
        loop_run(l);
    }
    timer_free(&tick);
}

static void test_sockets(void **state)
{
    enum { BIG = 8 * 1024 * 1024 };
    struct server s = {.loop = loop_new()};
    struct sockaddr_storage at;
    struct ear client;
    struct ear answer = {.why = ERR_COUNT};
    (void)state;
    struct listener *listener = listener_new(s.loop, listen_somewhere(&at), on_accept, &s);
    ear_put(&client, stream_connect(s.loop, &at, 5000, on_connected, &answer));
    loop_run(s.loop);
    assert_int_equal(s.accepted, 1);
    assert_int_equal(s.peer.ss_family, AF_INET);
    /* Small and big writes, mixed: nothing is lost, doubled or turned around. */
    char *big = malloc(BIG);
    for (size_t i = 0; i < BIG; i++) {
        big[i] = (char)(unsigned char)(i * 7 + i / 251);
    }
    for (size_t i = 0, n = 1; i<BIG; i += n, n = n * 3 + 1> BIG / 3 ? 1 : n * 3 + 1) {
        n = n > BIG - i ? BIG - i : n;
        stream_write(client.s, str_make(big + i, n));
    }
    assert_true(stream_get_queued(client.s) > STREAM_HIGH_WATER);
    run_until(s.loop, &s.ear, BIG);
    assert_int_equal(answer.why, ERR_OK);
    assert_int_equal(s.ear.heard.len, BIG);
    assert_memory_equal(s.ear.heard.p, big, BIG);
    assert_true(client.drained >= 1);
    free(big);
    stream_shutdown(client.s);
    run_until(s.loop, &s.ear, BIG + 1);
    assert_int_equal(s.ear.ended, 1);
    assert_int_equal(s.ear.why, ERR_OK);
    stream_write(s.ear.s, STR("half open still speaks"));
    run_until(s.loop, &client, 22);
    assert_str(buf_str(&client.heard), STR("half open still speaks"));
    ear_release(&s.ear);
    ear_release(&client);
    listener_free(&listener);
    loop_free(&s.loop);
}

static void test_connect_refused(void **state)
{
    struct loop *l = loop_new();
    struct sockaddr_storage at;
    struct ear e = {.why = ERR_COUNT};
    (void)state;
    int fd = listen_somewhere(&at);
    (void)close(fd); /* now nobody is there */
    struct stream *s = stream_connect(l, &at, 5000, on_connected, &e);
    struct timer *tick = timer_new(l, on_tick, l);
    for (int i = 0; i < 1000 && e.why == ERR_COUNT; i++) {
        timer_start(tick, 1);
        loop_run(l);
    }
    assert_int_equal(e.why, ERR_UNREACHABLE);
    timer_free(&tick);
    stream_free(&s);
    loop_free(&l);
}

/* A reader that pauses stops the writer; resuming lets it go on. */
static void test_socket_backpressure(void **state)
{
    enum { CHUNK = 16 * 1024, CHUNKS = 200 };
    static char chunk[CHUNK];
    int fds[2];
    struct loop *l = loop_new();
    struct ear a;
    struct ear b;
    struct timer *tick = timer_new(l, on_tick, l);
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ear_put(&a, stream_from_fd(l, fds[0]));
    ear_put(&b, stream_from_fd(l, fds[1]));
    stream_pause(b.s);
    int sent = 0;
    for (int i = 0; i < 50; i++) {
        while (sent < CHUNKS && stream_get_queued(a.s) <= STREAM_HIGH_WATER) {
            stream_write(a.s, str_make(chunk, CHUNK));
            sent++;
        }
        timer_start(tick, 1);
        loop_run(l);
    }
    assert_true(sent < CHUNKS);
    assert_int_equal(b.heard.len, 0);
    stream_resume(b.s);
    while (b.heard.len < (size_t)CHUNKS * CHUNK) {
        while (sent < CHUNKS && stream_get_queued(a.s) <= STREAM_HIGH_WATER) {
            stream_write(a.s, str_make(chunk, CHUNK));
            sent++;
        }
        timer_start(tick, 1);
        loop_run(l);
    }
    assert_true(a.drained >= 1);
    ear_release(&b);
    run_until(l, &a, 1);
    assert_int_equal(a.ended, 1);
    ear_release(&a);
    timer_free(&tick);
    loop_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers_fire_in_order),
        cmocka_unit_test(test_timer_heap),
        cmocka_unit_test(test_deferred),
        cmocka_unit_test(test_real_timer_signal_work),
        cmocka_unit_test(test_pair),
        cmocka_unit_test(test_fake_connect),
        cmocka_unit_test(test_sockets),
        cmocka_unit_test(test_connect_refused),
        cmocka_unit_test(test_socket_backpressure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
