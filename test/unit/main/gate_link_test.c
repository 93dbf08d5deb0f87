/* Two gates over TLS in memory, on the virtual clock: what opens a link, what goes through it, what ends it (D45, D24). */
#include "main/gate_link.h"

#include "base/buf.h"
#include "main/link_ca.h"
#include "net/tls.h"

#include "unit.h"

enum { PING_MS = 60 * 1000, DEAD_MS = 600 * 1000 };

/* One side. */
struct side {
    struct loop *loop;
    struct gate_link *link;
    struct stream *role; /* the other end of what the gate was given */
    struct wish heard;
    struct buf got; /* by the role */
    const char *why;
    bool is_ready_wanted;
    bool is_hello_wanted;
};

struct world {
    struct loop *loop;
    struct tls_context *client;
    struct tls_context *server;
    struct tls_context *foreign; /* a client of another authority */
    struct side near;
    struct side far;
};

static void on_role_octets(void *owner, struct str octets)
{
    buf_add(&((struct side *)owner)->got, octets);
}

static void on_role_drained(void *owner)
{
}

static void on_role_end(void *owner, enum err why)
{
}

static const struct stream_handler ROLE = {on_role_octets, on_role_drained, on_role_end};

static bool on_ready(void *owner, struct gate_link *l)
{
    CLEANUP(buf_release) struct buf uris = BUF_INIT(1024);
    struct side *s = owner;
    struct link_identity who;
    assert_int_equal(tls_get_peer_uris(gate_link_get_far(l), &uris), ERR_OK);
    assert_int_equal(link_identity_parse(buf_str(&uris), &who), ERR_OK);
    assert_string_equal(who.name, "host");
    return s->is_ready_wanted;
}

static bool on_hello(void *owner, struct gate_link *l, const struct wish *w)
{
    struct side *s = owner;
    s->heard = *w;
    return s->is_hello_wanted;
}

static struct stream *on_open(void *owner, struct gate_link *l)
{
    struct side *s = owner;
    struct stream *given = NULL;
    stream_pair(s->loop, &given, &s->role);
    stream_set_handler(s->role, &ROLE, s);
    return given;
}

static void on_over(void *owner, struct gate_link *l, const char *why)
{
    struct side *s = owner;
    s->why = why;
    gate_link_free(&s->link);
}

static const struct gate_link_handler LINK = {on_ready, on_hello, on_open, on_over};

static struct tls_context *make_context(const struct link_ca *ca, struct str trusted,
                                        bool is_server)
{
    static const struct link_identity HOST = {"host", 1 << ROLE_EDGE};
    struct buf cert = BUF_INIT(16384);
    struct buf key = BUF_INIT(16384);
    struct tls_context *c = NULL;
    assert_int_equal(link_ca_issue(ca, &HOST, 1, &cert, &key), ERR_OK);
    struct tls_mutual m = {buf_str(&cert), buf_str(&key), trusted};
    assert_int_equal(tls_mutual_context_new(&m, is_server, &c), ERR_OK);
    buf_release(&cert);
    buf_release(&key);
    return c;
}

static int set_up(void **state)
{
    static struct world w;
    struct buf ca[4];
    for (size_t i = 0; i < 4; i++) {
        ca[i] = BUF_INIT(16384);
    }
    assert_int_equal(link_ca_make(1, &ca[0], &ca[1]), ERR_OK);
    assert_int_equal(link_ca_make(1, &ca[2], &ca[3]), ERR_OK);
    struct link_ca ours = {buf_str(&ca[0]), buf_str(&ca[1])};
    struct link_ca theirs = {buf_str(&ca[2]), buf_str(&ca[3])};
    w = (struct world){.loop = loop_new_fake(0)};
    w.client = make_context(&ours, ours.cert_pem, false);
    w.server = make_context(&ours, ours.cert_pem, true);
    w.foreign = make_context(&theirs, ours.cert_pem, false);
    w.near = (struct side){.loop = w.loop, .is_ready_wanted = true, .is_hello_wanted = true};
    w.far = w.near;
    buf_init(&w.near.got, 1 << 24);
    buf_init(&w.far.got, 1 << 24);
    for (size_t i = 0; i < 4; i++) {
        buf_release(&ca[i]);
    }
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    struct side *const sides[] = {&w->near, &w->far};
    for (size_t i = 0; i < 2; i++) {
        gate_link_free(&sides[i]->link);
        stream_free(&sides[i]->role);
        buf_release(&sides[i]->got);
    }
    tls_context_free(&w->client);
    tls_context_free(&w->server);
    tls_context_free(&w->foreign);
    loop_free(&w->loop);
    return 0;
}

static void start(struct world *w, struct side *s, struct stream *far, const struct wish *hello)
{
    struct gate_link_args a = {.loop = w->loop,
                               .far = far,
                               .hello = hello,
                               .ping_ms = PING_MS,
                               .dead_ms = DEAD_MS,
                               .handler = &LINK,
                               .owner = s};
    s->link = gate_link_new(&a);
}

/* Both gates, as far as they come by themselves. */
static void join(struct world *w, struct tls_context *client)
{
    static const struct wish WISH = {ROLE_EDGE, 0, ROLE_STORE, 3};
    struct stream *a = NULL;
    struct stream *b = NULL;
    stream_pair(w->loop, &a, &b);
    start(w, &w->far, tls_server_new(w->loop, w->server, b), NULL);
    start(w, &w->near, tls_client_new(w->loop, client, a, STR_EMPTY), &WISH);
    loop_run(w->loop);
}

static void test_open(void **state)
{
    struct world *w = *state;
    join(w, w->client);
    assert_true(gate_link_is_open(w->near.link));
    assert_true(gate_link_is_open(w->far.link));
    assert_int_equal(w->far.heard.here, ROLE_STORE);
    assert_int_equal(w->far.heard.here_index, 3);
    assert_int_equal(w->far.heard.there, ROLE_EDGE);
    struct buf much = BUF_INIT(1 << 22);
    for (unsigned i = 0; much.len < 3U * 1024 * 1024; i++) {
        buf_add_u64(&much, i);
    }
    stream_write(w->near.role, buf_str(&much));
    stream_write(w->far.role, STR("short"));
    loop_run(w->loop);
    assert_true(str_eq(buf_str(&w->far.got), buf_str(&much)));
    assert_true(str_eq(buf_str(&w->near.got), STR("short")));
    stream_free(&w->near.role); /* a role that dies ends the link for both */
    loop_run(w->loop);
    assert_non_null(w->near.why);
    assert_non_null(w->far.why);
    buf_release(&much);
}

/* Days of silence cost a question a minute, and nothing else. */
static void test_silence(void **state)
{
    struct world *w = *state;
    join(w, w->client);
    for (unsigned i = 0; i < 2 * 24 * 60; i++) {
        loop_advance(w->loop, PING_MS);
    }
    assert_true(gate_link_is_open(w->near.link));
    assert_true(gate_link_is_open(w->far.link));
}

static void test_refused(void **state)
{
    struct world *w = *state;
    w->far.is_hello_wanted = false;
    join(w, w->client);
    assert_null(w->near.link);
    assert_null(w->far.link);
    assert_null(w->near.role);
    assert_null(w->far.role);
}

static void test_not_wanted(void **state)
{
    struct world *w = *state;
    w->far.is_ready_wanted = false;
    join(w, w->client);
    assert_null(w->near.link);
    assert_null(w->far.link);
    assert_int_equal(w->far.heard.here, 0); /* its words were not read */
}

static void test_foreign(void **state)
{
    struct world *w = *state;
    join(w, w->foreign);
    assert_null(w->far.link);
    assert_null(w->near.link);
    assert_null(w->near.role);
}

/* ---- against somebody who is no gate ---- */

static void play(struct world *w, struct stream **other)
{
    struct stream *a = NULL;
    struct stream *b = NULL;
    stream_pair(w->loop, &a, &b);
    start(w, &w->far, tls_server_new(w->loop, w->server, b), NULL);
    *other = tls_client_new(w->loop, w->client, a, STR_EMPTY);
    stream_set_handler(*other, &ROLE, &w->near);
    loop_run(w->loop);
}

static const char HELLO_TEXT[] = "version=1\nrole=edge\nindex=0\nto=store\nto_index=3\n";

static void say_hello(struct world *w, struct stream *other)
{
    char header[4] = {1, (char)(sizeof(HELLO_TEXT) - 1), 0, 0};
    stream_write(other, str_make(header, 4));
    stream_write(other, str_make(HELLO_TEXT, sizeof(HELLO_TEXT) - 1));
    loop_run(w->loop);
}

static void test_out_of_turn(void **state)
{
    static const struct {
        const char *octets;
        size_t n;
        bool is_after_hello;
    } CASES[] = {
        {"\0\0\0\0", 4, false},    {"\4\1\0\0x", 5, false},        {"\1\0\0\0", 4, false},
        {"\1\1\4\0", 4, false},    {"\2\0\0\0", 4, false},         {"\5\0\0\0", 4, false},
        {"\1\3\0\0a=b", 7, false}, {"\xff\xff\xff\xff", 4, false}, {"\1\3\0\0a=b", 7, true},
        {"\4\0\0\0", 4, true},     {"\4\1\0\1", 4, true},          {"\5\1\0\0x", 5, true},
        {"\7\0\0\0", 4, true},     {"\2\0\0\0", 4, true},
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct stream *other = NULL;
        w->far.why = NULL;
        play(w, &other);
        if (CASES[i].is_after_hello) {
            say_hello(w, other);
            assert_true(gate_link_is_open(w->far.link));
        }
        stream_write(other, str_make(CASES[i].octets, CASES[i].n));
        loop_run(w->loop);
        assert_non_null(w->far.why);
        assert_null(w->far.link);
        stream_free(&other);
        stream_free(&w->far.role);
        loop_run(w->loop);
    }
}

/* Who says nothing at all is sent away; who falls silent later is asked, and given up after DEAD_MS. */
static void test_nobody_there(void **state)
{
    struct world *w = *state;
    struct stream *other = NULL;
    play(w, &other);
    loop_advance(w->loop, GATE_SHAKE_MS - 1);
    assert_null(w->far.why);
    loop_advance(w->loop, 1);
    assert_string_equal(w->far.why, "it says nothing");
    stream_free(&other);

    w->far.why = NULL;
    play(w, &other);
    say_hello(w, other);
    buf_clear(&w->near.got);
    loop_advance(w->loop, PING_MS);
    assert_int_equal(w->near.got.len, 4);
    assert_memory_equal(w->near.got.p, "\5\0\0\0", 4);
    stream_write(other, STR("\6\0\0\0"));
    loop_advance(w->loop, DEAD_MS - PING_MS);
    assert_null(w->far.why);
    loop_advance(w->loop, 2 * PING_MS);
    assert_string_equal(w->far.why, "the other host does not answer");
    stream_free(&other);
    stream_free(&w->far.role);
    loop_run(w->loop);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open),    TEST(test_silence),     TEST(test_refused),     TEST(test_not_wanted),
        TEST(test_foreign), TEST(test_out_of_turn), TEST(test_nobody_there)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
