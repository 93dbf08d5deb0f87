/* The fetcher against scripted IMAP servers, on a virtual clock (S-5, S-14, S-15, S-19, X-BURL-HOSTS). */
#include "smtp/fetcher.h"

#include "base/buf.h"
#include "base/vec.h"
#include "net/stream.h"

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

enum { BODY = 200 * 1024, JOBS = 24 };

enum manner {
    HONEST,
    DEAD_WHEN_KEPT, /* closes on the second URLFETCH of a connection */
    SILENT,         /* from the first URLFETCH on */
    MUTE,           /* says nothing at all */
    BACKWARDS,      /* the last question first */
    WITHOUT_END,    /* closes inside the literal */
    LIAR,           /* the literal is longer than its size */
    GARBAGE
};

/* One connection to the server. */
struct peer {
    struct stream *s;
    struct buf in;
    unsigned fetches;
    struct buf held; /* BACKWARDS: answers, the last one first */
    unsigned held_count;
    bool is_over;
};

static struct {
    enum manner manner;
    bool is_refusing;
    uint16_t port; /* of the last connection */
    size_t open;   /* connections at once */
    unsigned connections;
    unsigned logins;
    unsigned fetches;
    unsigned rounds; /* pieces of input that asked for URLs */
    VEC(struct peer *) peers;
} server;

static struct loop *loop;
static struct fetcher *fetcher;

/* What a test asks for. */
struct job {
    struct fetch *fetch;
    struct buf got;
    enum err ended; /* ERR_COUNT: not yet */
    enum err refusal;
};

static struct job jobs[JOBS];

/* ---- the server ---- */

static void say(struct peer *p, struct str octets)
{
    stream_write(p->s, octets);
}

static void close_peer(struct peer *p)
{
    if (!p->is_over) {
        p->is_over = true;
        stream_free(&p->s);
        server.open--;
    }
}

/* "big" names BODY octets, "bad" nothing, others "hello <url>". */
static void write_answer(struct buf *out, struct str tag, struct str url)
{
    static char body[BODY];
    struct str text = STR("hello ");
    if (str_find_str(url, STR("bad")) < url.n) {
        buf_addf(out, "* URLFETCH %.*s NIL\r\n%.*s OK done\r\n", STR_ARG(url), STR_ARG(tag));
        return;
    }
    bool is_big = str_find_str(url, STR("big")) < url.n;
    memset(body, 'b', sizeof(body));
    size_t n = is_big ? sizeof(body) : text.n + url.n;
    buf_addf(out, "* URLFETCH %.*s {%zu}\r\n", STR_ARG(url), server.manner == LIAR ? n - 3 : n);
    buf_add(out, is_big ? str_make(body, sizeof(body)) : text);
    buf_add(out, is_big ? STR_EMPTY : url);
    if (server.manner == WITHOUT_END) {
        buf_truncate(out, out->len - 3);
        return;
    }
    buf_addf(out, "\r\n%.*s OK done\r\n", STR_ARG(tag));
}

static void answer_fetch(struct peer *p, struct str tag, struct str url)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
    server.fetches++;
    p->fetches++;
    if (server.manner == DEAD_WHEN_KEPT && p->fetches == 2) {
        close_peer(p);
        return;
    }
    if (server.manner == GARBAGE) {
        say(p, STR("\x00)(* URLFETCH {999999999999}\r\n\xff\r\n"));
        return;
    }
    write_answer(&out, tag, url);
    if (server.manner == BACKWARDS) {
        buf_add(&out, buf_str(&p->held));
        buf_clear(&p->held);
        buf_add(&p->held, buf_str(&out));
        return;
    }
    if (server.manner != SILENT) {
        say(p, buf_str(&out));
    }
    if (server.manner == WITHOUT_END) {
        close_peer(p);
    }
}

static void take_line(struct peer *p, struct str line)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(4096);
    struct str rest = line;
    struct str tag = str_split(&rest, ' ');
    struct str verb = str_split(&rest, ' ');
    if (str_eq(verb, STR("URLFETCH"))) {
        answer_fetch(p, tag, str_sub(rest, 1, rest.n - 2));
        return;
    }
    if (str_eq(verb, STR("CAPABILITY"))) {
        say(p, STR("* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n"));
    }
    server.logins += str_eq(verb, STR("AUTHENTICATE"));
    buf_addf(&out, "%.*s OK [CAPABILITY IMAP4rev1] done\r\n", STR_ARG(tag));
    say(p, buf_str(&out));
}

static void on_octets(void *owner, struct str octets)
{
    struct peer *p = owner;
    unsigned before = server.fetches;
    buf_add(&p->in, octets);
    size_t n = str_find_str(buf_str(&p->in), STR("\r\n"));
    while (n < p->in.len && !p->is_over && server.manner != MUTE) {
        take_line(p, str_sub(buf_str(&p->in), 0, n));
        buf_consume(&p->in, n + 2);
        n = str_find_str(buf_str(&p->in), STR("\r\n"));
    }
    server.rounds += server.fetches > before;
    if (!p->is_over && p->held.len > 0) {
        say(p, buf_str(&p->held));
        buf_clear(&p->held);
    }
}

static void on_drained(void *owner)
{
}

static void on_end(void *owner, enum err why)
{
    close_peer(owner);
}

static bool on_connect(void *owner, const struct sockaddr_storage *to, struct stream *s)
{
    static const struct stream_handler HANDLER = {on_octets, on_drained, on_end};
    if (server.is_refusing) {
        return false;
    }
    struct peer *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    p->s = s;
    p->in = BUF_INIT(1 << 20);
    p->held = BUF_INIT(1 << 22);
    vec_push(&server.peers, p);
    server.port = ntohs(((const struct sockaddr_in *)to)->sin_port);
    server.connections++;
    server.open++;
    stream_set_handler(s, &HANDLER, p);
    if (server.manner != MUTE) {
        say(p, STR("* OK hello\r\n"));
    }
    return true;
}

/* ---- the owner of fetches ---- */

static enum err take_octets(void *owner, struct str octets)
{
    struct job *j = owner;
    buf_add(&j->got, octets);
    return j->refusal;
}

static void end_fetch(void *owner, enum err e)
{
    struct job *j = owner;
    assert_int_equal(j->ended, ERR_COUNT);
    j->fetch = NULL;
    j->ended = e;
}

/* The fetches of one run have one owner; so that each finds its job, the first of jobs takes what is heard in turn. */
static enum err take_next_octets(void *owner, struct str octets)
{
    struct job *j = owner;
    while (j->ended != ERR_COUNT) {
        j++;
    }
    return take_octets(j, octets);
}

static void end_next(void *owner, enum err e)
{
    struct job *j = owner;
    while (j->ended != ERR_COUNT) {
        j++;
    }
    end_fetch(j, e);
}

static void ask_with(struct job *j, const char *url, const struct burl_host *host,
                     const struct fetch_handler *h, void *owner)
{
    struct burl_target target = {
        .url = str_from_c(url), .host = host, .address = STR("127.0.0.1"), .port = 143};
    buf_clear(&j->got);
    j->ended = ERR_COUNT;
    j->fetch = fetch_ask(fetcher, &target, h, owner);
}

static void ask(struct job *j, const char *url)
{
    static const struct fetch_handler HANDLER = {take_octets, end_fetch};
    ask_with(j, url, NULL, &HANDLER, j);
}

/* As part of one message with the jobs before it. */
static void ask_next(struct job *j, const char *url)
{
    static const struct fetch_handler HANDLER = {take_next_octets, end_next};
    ask_with(j, url, NULL, &HANDLER, jobs);
}

static enum err run(struct job *j, uint64_t most)
{
    fetch_open(j->fetch, most);
    loop_run(loop);
    return j->ended;
}

static enum err fetch(const char *url, uint64_t most)
{
    ask(&jobs[0], url);
    return run(&jobs[0], most);
}

static int set_up(void **state)
{
    loop = loop_new_fake(1700000000000);
    memset(&server, 0, sizeof(server));
    stream_set_fake_connect(loop, on_connect, NULL);
    for (size_t i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.got = BUF_INIT(1 << 20), .ended = ERR_COUNT};
    }
    struct fetcher_args args = {.loop = loop, .user = STR("u"), .password = STR("p")};
    fetcher = fetcher_new(&args);
    return 0;
}

static int tear_down(void **state)
{
    fetcher_free(&fetcher);
    for (size_t i = 0; i < server.peers.count; i++) {
        struct peer *p = server.peers.at[i];
        close_peer(p);
        buf_release(&p->in);
        buf_release(&p->held);
        free(p);
    }
    vec_release(&server.peers);
    for (size_t i = 0; i < JOBS; i++) {
        buf_release(&jobs[i].got);
    }
    loop_run(loop);
    loop_free(&loop);
    return 0;
}

/* ---- tests ---- */

static void test_fetch_and_keep(void **state)
{
    assert_int_equal(fetch("good", 100), ERR_OK);
    assert_str(buf_str(&jobs[0].got), STR("hello good"));
    assert_int_equal(fetch("bad", 100), ERR_BAD_URL);
    assert_int_equal(jobs[0].got.len, 0);
    assert_int_equal(fetch("good", 100), ERR_OK);
    assert_int_equal(server.connections, 1);
    assert_int_equal(server.logins, 1);
    assert_int_equal(server.fetches, 3);
    loop_advance(loop, FETCH_KEEP_MS);
    assert_int_equal(server.open, 0);
    assert_int_equal(fetch("good", 100), ERR_OK);
    assert_int_equal(server.connections, 2);
}

/* Five URLs of one message: one login, one round trip, the octets in order, each only when it is opened. */
static void test_one_round(void **state)
{
    static const char *const URLS[] = {"a", "big", "c", "a", "e"};
    for (size_t i = 0; i < 5; i++) {
        ask_next(&jobs[i], URLS[i]);
    }
    loop_run(loop);
    assert_int_equal(server.fetches, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(jobs[i].got.len, 0);
        assert_int_equal(run(&jobs[i], BODY), ERR_OK);
        assert_true(i == 4 || jobs[i + 1].got.len == 0);
    }
    assert_int_equal(server.connections, 1);
    assert_int_equal(server.rounds, 1);
    assert_int_equal(jobs[1].got.len, BODY);
    assert_str(buf_str(&jobs[2].got), STR("hello c"));
    assert_str(buf_str(&jobs[3].got), STR("hello a"));
    assert_str(buf_str(&jobs[4].got), STR("hello e"));
}

/* More than may be asked at once, and some that come later, while the first is read. */
static void test_many(void **state)
{
    char url[JOBS][8];
    for (size_t i = 0; i < JOBS; i++) {
        (void)snprintf(url[i], sizeof(url[i]), "u%zu", i);
        ask_next(&jobs[i], url[i]);
        if (i == 3) {
            assert_int_equal(run(&jobs[0], 100), ERR_OK);
        }
    }
    for (size_t i = 1; i < JOBS; i++) {
        assert_int_equal(run(&jobs[i], 100), ERR_OK);
        assert_str(str_skip(buf_str(&jobs[i].got), 6), str_from_c(url[i]));
    }
    assert_int_equal(server.connections, 1);
    assert_true(server.rounds <= 12);
}

/* A URL that names nothing fails alone. */
static void test_one_is_bad(void **state)
{
    ask_next(&jobs[0], "a");
    ask_next(&jobs[1], "bad");
    ask_next(&jobs[2], "c");
    assert_int_equal(run(&jobs[0], 100), ERR_OK);
    assert_int_equal(run(&jobs[1], 100), ERR_BAD_URL);
    assert_int_equal(run(&jobs[2], 100), ERR_OK);
    assert_str(buf_str(&jobs[2].got), STR("hello c"));
}

static void test_kept_one_is_dead(void **state)
{
    server.manner = DEAD_WHEN_KEPT;
    assert_int_equal(fetch("good", 100), ERR_OK);
    assert_int_equal(fetch("good", 100), ERR_OK);
    assert_str(buf_str(&jobs[0].got), STR("hello good"));
    assert_int_equal(server.connections, 2);
}

/* What a server answers in another order is not mixed up; it is asked again, one by one. */
static void test_other_order(void **state)
{
    server.manner = BACKWARDS;
    ask_next(&jobs[0], "a");
    ask_next(&jobs[1], "b");
    ask_next(&jobs[2], "c");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(run(&jobs[i], 100), ERR_OK);
        assert_int_equal(jobs[i].got.len, 7);
        assert_int_equal(jobs[i].got.p[6], 'a' + (int)i);
    }
    assert_int_equal(server.connections, 2);
    /* that is remembered */
    ask_next(&jobs[3], "d");
    ask_next(&jobs[4], "e");
    assert_int_equal(run(&jobs[3], 100), ERR_OK);
    assert_int_equal(run(&jobs[4], 100), ERR_OK);
    assert_int_equal(server.connections, 2);
}

static void test_bad_servers(void **state)
{
    static const enum manner MANNERS[] = {WITHOUT_END, LIAR, GARBAGE};
    for (size_t i = 0; i < sizeof(MANNERS) / sizeof(MANNERS[0]); i++) {
        server.manner = MANNERS[i];
        ask_next(&jobs[0], "a");
        ask_next(&jobs[1], "b");
        assert_int_equal(run(&jobs[0], 100), ERR_UNREACHABLE);
        assert_true(jobs[0].got.len < 7);
        assert_int_equal(run(&jobs[1], 100), ERR_UNREACHABLE);
        assert_int_equal(jobs[1].got.len, 0);
        server.manner = HONEST;
        assert_int_equal(fetch("good", 100), ERR_OK);
        loop_advance(loop, FETCH_KEEP_MS);
        assert_int_equal(server.open, 0);
    }
}

/* S-19: whatever the server does not say, the owner hears within 100 seconds. */
static void test_timeout(void **state)
{
    static const enum manner MANNERS[] = {SILENT, MUTE};
    for (size_t i = 0; i < sizeof(MANNERS) / sizeof(MANNERS[0]); i++) {
        server.manner = MANNERS[i];
        assert_int_equal(fetch("good", 100), ERR_COUNT);
        loop_advance(loop, FETCH_MOST_MS - 1);
        assert_int_equal(jobs[0].ended, ERR_COUNT);
        loop_advance(loop, 1);
        assert_int_equal(jobs[0].ended, ERR_UNREACHABLE);
        assert_int_equal(server.open, 0);
    }
}

static void test_bounds(void **state)
{
    assert_int_equal(fetch("good", 9), ERR_TOO_BIG);
    assert_int_equal(jobs[0].got.len, 0);
    jobs[0].refusal = ERR_NO_SPACE;
    assert_int_equal(fetch("good", 100), ERR_NO_SPACE);
    jobs[0].refusal = ERR_OK;
    assert_int_equal(fetch("good", 10), ERR_OK);
}

static void test_nobody_there(void **state)
{
    server.is_refusing = true;
    assert_int_equal(fetch("good", 100), ERR_UNREACHABLE);
}

/* The store is ours, so it is on this host; anything else would be sent our password. */
static void test_not_our_address(void **state)
{
    static const struct fetch_handler HANDLER = {take_octets, end_fetch};
    struct burl_target target = {.url = STR("good"), .address = STR("192.0.2.77"), .port = 143};
    jobs[0].fetch = fetch_ask(fetcher, &target, &HANDLER, &jobs[0]);
    assert_int_equal(run(&jobs[0], 100), ERR_UNREACHABLE);
    assert_int_equal(server.connections, 0);
}

/* X-BURL-HOSTS: a host of the list is connected to where the configuration says; without TLS only when told so. */
static void test_hosts(void **state)
{
    static const struct fetch_handler HANDLER = {take_octets, end_fetch};
    struct burl_host host = {.name = STR("imap.example.org"),
                             .port = 1143,
                             .address = STR("192.0.2.9"),
                             .tls = BURL_TLS_OFF,
                             .user = STR("submit"),
                             .password = STR("p")};
    ask_with(&jobs[0], "good", &host, &HANDLER, &jobs[0]);
    assert_int_equal(run(&jobs[0], 100), ERR_OK);
    assert_int_equal(server.port, 1143);
    assert_int_equal(server.logins, 1);
    struct burl_host strict = host;
    strict.tls = BURL_TLS_REQUIRED;
    ask_with(&jobs[0], "good", &strict, &HANDLER, &jobs[0]);
    assert_int_equal(run(&jobs[0], 100), ERR_UNREACHABLE);
    assert_int_equal(server.logins, 1);
}

/* Connections to a host are bounded; the others wait their turn, and not for ever. */
static void test_pool(void **state)
{
    server.manner = SILENT;
    for (size_t i = 0; i < JOBS; i++) {
        ask(&jobs[i], "good");
        fetch_open(jobs[i].fetch, 100);
    }
    loop_run(loop);
    assert_int_equal(server.open, FETCH_CONNECTIONS_MOST);
    server.manner = HONEST;
    for (size_t i = 0; i < FETCH_CONNECTIONS_MOST; i++) {
        fetch_cancel(&jobs[i].fetch);
    }
    loop_run(loop);
    for (size_t i = FETCH_CONNECTIONS_MOST; i < JOBS; i++) {
        assert_int_equal(jobs[i].ended, ERR_OK);
    }
    assert_int_equal(server.open, FETCH_CONNECTIONS_UNUSED);
}

static void test_waiting_times_out(void **state)
{
    server.manner = SILENT;
    for (size_t i = 0; i <= FETCH_CONNECTIONS_MOST; i++) {
        ask(&jobs[i], "good");
    }
    fetch_open(jobs[FETCH_CONNECTIONS_MOST].fetch, 100);
    loop_run(loop);
    loop_advance(loop, FETCH_MOST_MS);
    assert_int_equal(jobs[FETCH_CONNECTIONS_MOST].ended, ERR_UNREACHABLE);
    for (size_t i = 0; i < FETCH_CONNECTIONS_MOST; i++) {
        fetch_cancel(&jobs[i].fetch);
    }
}

static void test_cancel(void **state)
{
    ask(&jobs[0], "good");
    fetch_cancel(&jobs[0].fetch);
    assert_null(jobs[0].fetch);
    assert_int_equal(fetch("good", 100), ERR_OK);
    assert_int_equal(server.fetches, 1);
    /* in the middle of a run: what was asked with it is asked again */
    ask_next(&jobs[0], "a");
    ask_next(&jobs[1], "b");
    loop_run(loop);
    fetch_cancel(&jobs[0].fetch);
    jobs[0].ended = ERR_OK;
    assert_int_equal(run(&jobs[1], 100), ERR_OK);
    assert_str(buf_str(&jobs[1].got), STR("hello b"));
    /* what a cancelled one would have said is nobody's */
    ask(&jobs[2], "big");
    loop_run(loop);
    fetch_cancel(&jobs[2].fetch);
    assert_int_equal(fetch("good", 100), ERR_OK);
    assert_str(buf_str(&jobs[0].got), STR("hello good"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fetch_and_keep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_round, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_is_bad, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kept_one_is_dead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_servers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_timeout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_our_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hosts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pool, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_waiting_times_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
