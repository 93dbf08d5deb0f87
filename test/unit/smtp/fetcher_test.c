/* The fetcher over real sockets on loopback, against scripted IMAP servers (S-5, S-15). */
#include "smtp/fetcher.h"

#include "base/buf.h"
#include "net/stream.h"

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GIVE_UP_MS = 20 * 1000 };

/* A server that answers commands by their first letters. */
struct server {
    struct listener *listener;
    uint16_t port;
    struct stream *s;
    struct buf in;
    unsigned connections;
    unsigned logins;
    unsigned fetches;
    bool is_dead_when_kept; /* closes on the second fetch of a connection */
    unsigned fetches_here;
};

static struct loop *loop;
static struct server server;
static struct fetcher *fetcher;
static struct buf got;
static enum err ended;
static enum err refusal;

static void say(const char *tag_and_more)
{
    stream_write(server.s, str_from_c(tag_and_more));
}

static void answer_fetch(struct str tag, struct str url)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(4096);
    server.fetches++;
    server.fetches_here++;
    if (server.is_dead_when_kept && server.fetches_here == 2) {
        stream_free(&server.s);
        return;
    }
    bool is_bad = str_find_str(url, STR("bad")) < url.n;
    buf_addf(&out, "* URLFETCH %.*s %s\r\n%.*s OK done\r\n", STR_ARG(url),
             is_bad ? "NIL" : "{5}\r\nhello", STR_ARG(tag));
    stream_write(server.s, buf_str(&out));
}

static void take_line(struct str line)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(4096);
    struct str rest = line;
    struct str tag = str_split(&rest, ' ');
    struct str verb = str_split(&rest, ' ');
    if (str_eq(verb, STR("CAPABILITY"))) {
        say("* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n");
    } else if (str_eq(verb, STR("AUTHENTICATE"))) {
        server.logins++;
    } else if (str_eq(verb, STR("URLFETCH"))) {
        answer_fetch(tag, rest);
        return;
    }
    buf_addf(&out, "%.*s OK done\r\n", STR_ARG(tag));
    stream_write(server.s, buf_str(&out));
}

static void on_octets(void *owner, struct str octets)
{
    buf_add(&server.in, octets);
    size_t n = str_find_str(buf_str(&server.in), STR("\r\n"));
    while (n < server.in.len && server.s != NULL) {
        take_line(str_sub(buf_str(&server.in), 0, n));
        buf_consume(&server.in, n + 2);
        n = str_find_str(buf_str(&server.in), STR("\r\n"));
    }
}

static void on_drained(void *owner)
{
}

static void on_end(void *owner, enum err why)
{
    stream_free(&server.s);
}

static void on_accept(void *owner, int fd, const struct sockaddr_storage *peer)
{
    static const struct stream_handler HANDLER = {on_octets, on_drained, on_end};
    if (server.s != NULL) {
        stream_free(&server.s);
    }
    server.connections++;
    server.fetches_here = 0;
    buf_clear(&server.in);
    server.s = stream_from_fd(loop, fd);
    stream_set_handler(server.s, &HANDLER, NULL);
    say("* OK hello\r\n");
}

static enum err take_octets(void *owner, struct str octets)
{
    buf_add(&got, octets);
    return refusal;
}

static void end_fetch(void *owner, enum err e)
{
    ended = e;
    loop_stop(loop);
}

static void give_up(void *owner)
{
    loop_stop(loop);
}

static enum err fetch_from(uint16_t port, const char *url, uint64_t most)
{
    static const struct fetch_handler HANDLER = {take_octets, end_fetch};
    struct burl_target target = {str_from_c(url), STR("127.0.0.1"), port, false};
    ended = ERR_COUNT;
    buf_clear(&got);
    (void)fetch_start(fetcher, &target, most, &HANDLER, NULL);
    loop_run(loop);
    return ended;
}

static enum err fetch(const char *url, uint64_t most)
{
    return fetch_from(server.port, url, most);
}

static int set_up(void **state)
{
    loop = loop_new();
    server = (struct server){.in = BUF_INIT(1 << 16)};
    got = BUF_INIT(1 << 16);
    refusal = ERR_OK;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(fd, 10), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    server.port = ntohs(a.sin_port);
    server.listener = listener_new(loop, fd, on_accept, NULL);
    struct fetcher_args args = {.loop = loop, .user = STR("u"), .password = STR("p")};
    fetcher = fetcher_new(&args);
    struct timer *watchdog = timer_new(loop, give_up, NULL);
    timer_start(watchdog, GIVE_UP_MS);
    *state = watchdog;
    return 0;
}

static int tear_down(void **state)
{
    struct timer *watchdog = *state;
    fetcher_free(&fetcher);
    timer_free(&watchdog);
    if (server.s != NULL) {
        stream_free(&server.s);
    }
    listener_free(&server.listener);
    loop_free(&loop);
    buf_release(&server.in);
    buf_release(&got);
    return 0;
}

static void test_fetch_and_keep(void **state)
{
    assert_int_equal(fetch("imap://good", 100), ERR_OK);
    assert_str(buf_str(&got), STR("hello"));
    assert_int_equal(fetch("imap://bad", 100), ERR_BAD_URL);
    assert_int_equal(got.len, 0);
    assert_int_equal(fetch("imap://good", 100), ERR_OK);
    assert_int_equal(server.connections, 1);
    assert_int_equal(server.logins, 1);
    assert_int_equal(server.fetches, 3);
}

static void test_kept_one_is_dead(void **state)
{
    server.is_dead_when_kept = true;
    assert_int_equal(fetch("imap://good", 100), ERR_OK);
    assert_int_equal(fetch("imap://good", 100), ERR_OK);
    assert_str(buf_str(&got), STR("hello"));
    assert_int_equal(server.connections, 2);
}

static void test_bounds(void **state)
{
    assert_int_equal(fetch("imap://good", 4), ERR_TOO_BIG);
    assert_int_equal(got.len, 0);
    refusal = ERR_NO_SPACE;
    assert_int_equal(fetch("imap://good", 100), ERR_NO_SPACE);
    refusal = ERR_OK;
    assert_int_equal(fetch("imap://good", 5), ERR_OK);
}

static void test_nobody_there(void **state)
{
    uint16_t port = server.port;
    listener_free(&server.listener);
    assert_int_equal(fetch_from(port, "imap://good", 100), ERR_UNREACHABLE);
}

static void test_cancel(void **state)
{
    static const struct fetch_handler HANDLER = {take_octets, end_fetch};
    struct burl_target target = {STR("imap://good"), STR("127.0.0.1"), server.port, false};
    struct fetch *f = fetch_start(fetcher, &target, 100, &HANDLER, NULL);
    fetch_cancel(&f);
    assert_null(f);
    assert_int_equal(fetch("imap://good", 100), ERR_OK);
    assert_int_equal(server.fetches, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fetch_and_keep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kept_one_is_dead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
