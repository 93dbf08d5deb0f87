/* Sockets whose system calls fail as a network makes them fail: recv() and sendmsg() are wrapped by the linker, and say what the test
 * wants, for as long as it wants. */
#include "net/loop.h"
#include "net/stream.h"

#include "ear.h"
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t __real_recv(int fd, void *p, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);

static int fails_with; /* errno; 0: it does not */
static int failures;
static int failures_most; /* then the network is there again */

static bool fails(void)
{
    if (fails_with == 0 || failures == failures_most) {
        return false;
    }
    failures++;
    errno = fails_with;
    return true;
}

ssize_t __wrap_recv(int fd, void *p, size_t n, int flags)
{
    return fails() ? -1 : __real_recv(fd, p, n, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
    return fails() ? -1 : __real_sendmsg(fd, m, flags);
}

struct world {
    struct loop *loop;
    struct ear near;
    int far;
};

static int setup(void **state)
{
    static struct world w;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    w = (struct world){.loop = loop_new(), .far = fds[1]};
    ear_put(&w.near, stream_from_fd(w.loop, fds[0]));
    fails_with = failures = 0;
    failures_most = 3;
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    ear_release(&w->near);
    (void)close(w->far);
    loop_free(&w->loop);
    return 0;
}

static void stop(void *owner)
{
    loop_stop(owner);
}

static void run(struct world *w)
{
    struct timer *t = timer_new(w->loop, stop, w->loop);
    timer_start(t, 50);
    loop_run(w->loop);
    timer_free(&t);
}

/* D13, D26: "unreachable" while a connection lives is no end of it (RFC 1122, 4.2.3.9): what is to be said is said later, what
 * is to be heard is heard later. */
static void test_unreachable_is_soft(void **state)
{
    static const int SOFT[] = {EHOSTUNREACH, ENETUNREACH, ENOBUFS, EINTR};
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(SOFT) / sizeof(SOFT[0]); i++) {
        char got[16];
        buf_clear(&w->near.heard);
        fails_with = SOFT[i];
        failures = 0;
        assert_int_equal(write(w->far, "ping", 4), 4);
        run(w);
        assert_int_equal(failures, failures_most);
        assert_str(buf_str(&w->near.heard), STR("ping"));
        failures = 0;
        stream_write(w->near.s, STR("pong"));
        run(w);
        assert_int_equal(failures, failures_most);
        assert_int_equal(read(w->far, got, sizeof(got)), 4);
        assert_int_equal(w->near.ended, 0);
    }
}

/* What is really over is told as such. */
static void test_reset_is_the_end(void **state)
{
    struct world *w = *state;
    fails_with = ECONNRESET;
    assert_int_equal(write(w->far, "ping", 4), 4);
    run(w);
    assert_int_equal(w->near.ended, 1);
    assert_int_equal(w->near.why, ERR_PEER_GONE);
}

static void test_timed_out_is_the_end(void **state)
{
    struct world *w = *state;
    fails_with = ETIMEDOUT;
    stream_write(w->near.s, STR("pong"));
    run(w);
    assert_int_equal(w->near.ended, 1);
    assert_int_equal(w->near.why, ERR_PEER_GONE);
}

static int connect_pair(int *client)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int port = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(port, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(port, 1), 0);
    assert_int_equal(getsockname(port, (struct sockaddr *)&at, &len), 0);
    *client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(*client, (struct sockaddr *)&at, sizeof(at)), 0);
    int fd = accept4(port, NULL, NULL, SOCK_NONBLOCK);
    assert_true(fd >= 0);
    (void)close(port);
    return fd;
}

/* What a peer's host has not confirmed is owed; an end of ours is not. */
static void test_owed(void **state)
{
    struct world *w = *state;
    static char much[256 * 1024];
    struct ear near;
    int client = -1;
    int small = 4096;
    int fd = connect_pair(&client);
    (void)setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    ear_put(&near, stream_from_fd(w->loop, fd));
    stream_write(near.s, STR("few"));
    run(w);
    assert_int_equal(stream_get_owed(near.s), 0);
    for (int i = 0; i < 64; i++) {
        stream_write(near.s, str_make(much, sizeof(much)));
    }
    run(w);
    assert_true(stream_get_owed(near.s) > stream_get_queued(near.s));
    ear_release(&near);
    (void)close(client);
    fd = connect_pair(&client);
    ear_put(&near, stream_from_fd(w->loop, fd));
    stream_write(near.s, STR("few"));
    stream_shutdown(near.s);
    run(w);
    assert_int_equal(stream_get_owed(near.s), 0);
    ear_release(&near);
    (void)close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unreachable_is_soft, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset_is_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timed_out_is_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
