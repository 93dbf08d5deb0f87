/* Unit tests of net/tls: two TLS streams over a pair in memory. */
#include "net/tls.h"

#include "cert.h"
#include "ear.h"
#include "unit.h"

#include <malloc.h>

struct world {
    struct loop *loop;
    struct buf cert;
    struct buf key;
    struct tls_context *server_context;
    struct tls_context *client_context;
    struct stream *near; /* under the client */
    struct stream *far;  /* under the server */
    struct ear server;
    struct ear client;
};

static int setup(void **state)
{
    static struct world w;
    w = (struct world){.loop = loop_new_fake(0), .cert = BUF_INIT(65536), .key = BUF_INIT(65536)};
    cert_make("mail.example", &w.cert, &w.key);
    assert_int_equal(
        tls_server_context_new(buf_str(&w.cert), buf_str(&w.key), 0, &w.server_context), ERR_OK);
    assert_int_equal(tls_client_context_new(buf_str(&w.cert), &w.client_context), ERR_OK);
    stream_pair(w.loop, &w.near, &w.far);
    *state = &w;
    return 0;
}

static void start(struct world *w, struct str host)
{
    ear_put(&w->server, tls_server_new(w->loop, w->server_context, w->far));
    ear_put(&w->client, tls_client_new(w->loop, w->client_context, w->near, host));
    w->near = NULL;
    w->far = NULL;
}

static int teardown(void **state)
{
    struct world *w = *state;
    ear_release(&w->server);
    ear_release(&w->client);
    stream_free(&w->near);
    stream_free(&w->far);
    tls_context_free(&w->server_context);
    tls_context_free(&w->client_context);
    buf_release(&w->cert);
    buf_release(&w->key);
    loop_free(&w->loop);
    return 0;
}

static void test_bad_identities(void **state)
{
    struct world *w = *state;
    struct buf cert = BUF_INIT(65536);
    struct buf key = BUF_INIT(65536);
    struct tls_context *c = NULL;
    cert_make("other.example", &cert, &key);
    assert_int_equal(tls_server_context_new(STR(""), STR(""), 0, &c), ERR_SYNTAX);
    assert_int_equal(tls_server_context_new(buf_str(&w->cert), STR("junk"), 0, &c), ERR_SYNTAX);
    assert_int_equal(tls_server_context_new(buf_str(&w->cert), buf_str(&key), 0, &c), ERR_SYNTAX);
    assert_int_equal(tls_client_context_new(STR("junk"), &c), ERR_SYNTAX);
    assert_null(c);
    buf_release(&cert);
    buf_release(&key);
}

static void test_wrong_name(void **state)
{
    struct world *w = *state;
    start(w, STR("other.example"));
    stream_write(w->client.s, STR("secret"));
    loop_run(w->loop);
    assert_int_equal(w->client.ended, 1);
    assert_int_equal(w->client.why, ERR_TLS_FAILED);
    assert_int_equal(w->server.heard.len, 0);
    assert_int_equal(w->server.why, ERR_TLS_FAILED);
}

static void test_unknown_certificate(void **state)
{
    struct world *w = *state;
    struct buf cert = BUF_INIT(65536);
    struct buf key = BUF_INIT(65536);
    cert_make("mail.example", &cert, &key); /* the same name is not enough */
    tls_context_free(&w->client_context);
    assert_int_equal(tls_client_context_new(buf_str(&cert), &w->client_context), ERR_OK);
    start(w, STR("mail.example"));
    loop_run(w->loop);
    assert_int_equal(w->client.why, ERR_TLS_FAILED);
    buf_release(&cert);
    buf_release(&key);
}

static void test_host_too_long(void **state)
{
    struct world *w = *state;
    static char name[300];
    memset(name, 'a', sizeof(name));
    start(w, str_make(name, sizeof(name)));
    loop_run(w->loop);
    assert_int_equal(w->client.ended, 1);
    assert_int_equal(w->client.why, ERR_TLS_FAILED);
}

static void test_not_tls(void **state)
{
    struct world *w = *state;
    struct ear raw;
    ear_put(&w->server, tls_server_new(w->loop, w->server_context, w->far));
    ear_put(&raw, w->near);
    w->near = NULL;
    w->far = NULL;
    stream_write(raw.s, STR("a001 LOGIN ann secret\r\n"));
    loop_run(w->loop);
    assert_int_equal(w->server.ended, 1);
    assert_int_equal(w->server.why, ERR_TLS_FAILED);
    assert_int_equal(w->server.heard.len, 0);
    ear_release(&raw);
}

static void test_cut_off(void **state)
{
    struct world *w = *state;
    struct stream *near = w->near;
    start(w, STR("mail.example"));
    loop_run(w->loop);
    assert_true(tls_is_ready(w->server.s));
    stream_shutdown(near); /* the connection ends, but nobody said close_notify */
    loop_run(w->loop);
    assert_int_equal(w->server.ended, 1);
    assert_int_equal(w->server.why, ERR_PEER_GONE);
}

static void test_talk(void **state)
{
    static const char *const HOSTS[] = {"mail.example", "127.0.0.1", ""};
    enum { BIG = 1024 * 1024 };
    struct world *w = *state;
    char *big = malloc(BIG);
    for (size_t i = 0; i < BIG; i++) {
        big[i] = (char)(unsigned char)(i * 11 + i / 253);
    }
    for (size_t i = 0; i < 3; i++) {
        if (w->near == NULL) {
            stream_pair(w->loop, &w->near, &w->far);
        }
        stream_pair_set_piece(w->far, i == 1 ? 1 : 0); /* octet by octet */
        start(w, str_from_c(HOSTS[i]));
        size_t n = i == 1 ? 20000 : BIG;
        stream_write(w->client.s, STR("EHLO "));
        stream_write(w->client.s, str_make(big, n));
        loop_run(w->loop);
        assert_int_equal(w->server.heard.len, n + 5);
        assert_memory_equal(w->server.heard.p, "EHLO ", 5);
        assert_memory_equal(w->server.heard.p + 5, big, n);
        stream_write(w->server.s, STR("250 hello"));
        stream_shutdown(w->server.s);
        loop_run(w->loop);
        assert_str(buf_str(&w->client.heard), STR("250 hello"));
        assert_int_equal(w->client.ended, 1);
        assert_int_equal(w->client.why, ERR_OK);
        assert_string_equal(tls_get_version(w->client.s), "TLSv1.3");
        stream_shutdown(w->client.s);
        loop_run(w->loop);
        assert_int_equal(w->server.why, ERR_OK);
        if (i < 2) {
            ear_release(&w->server);
            ear_release(&w->client);
        }
    }
    free(big);
}

/* What was decoded or not when the user paused comes when it resumes, once and in order. */
/* What one side wrote, as it is or as records of three octets, one octet after the other. */
static void carry(struct world *w, struct ear *from, struct stream *to, bool is_cut)
{
    struct str octets = buf_str(&from->heard);
    struct buf out = BUF_INIT(1 << 20);
    for (size_t i = 5; is_cut && i < octets.n; i += 3) {
        struct str piece = str_sub(octets, i, 3);
        buf_add(&out, str_sub(octets, 0, 3));
        buf_add_char(&out, '\0');
        buf_add_char(&out, (char)piece.n);
        buf_add(&out, piece);
    }
    struct str all = is_cut ? buf_str(&out) : octets;
    for (size_t i = 0; i < all.n; i++) {
        stream_write(to, str_sub(all, i, 1));
        loop_run(w->loop);
    }
    buf_release(&out);
    buf_clear(&from->heard);
}

/* A ClientHello that comes in many records and many pieces (RFC 8446, 5.1); until it is whole nothing is made for it. */
static void test_hello_in_pieces(void **state)
{
    struct world *w = *state;
    struct stream *server_end = NULL;
    struct ear by_client = {0};
    struct ear by_server = {0};
    ear_put(&by_client, w->far);
    w->far = NULL;
    stream_pair(w->loop, &server_end, &w->far);
    ear_put(&by_server, server_end);
    start(w, STR("mail.example"));
    loop_run(w->loop);
    assert_true(by_client.heard.len > 100);
    carry(w, &by_client, by_server.s, true);
    for (int i = 0; i < 2; i++) {
        carry(w, &by_server, by_client.s, false);
        carry(w, &by_client, by_server.s, false);
    }
    assert_true(tls_is_ready(w->server.s));
    assert_true(tls_is_ready(w->client.s));
    ear_release(&by_client);
    ear_release(&by_server);
}

static void on_hello_count(void *owner)
{
    struct ear *e = owner;
    e->drained += 100;
}

/* Held: the turn comes when it is whole, once; whoever leaves before it is over. */
static void test_hold(void **state)
{
    struct world *w = *state;
    ear_put(&w->server, tls_server_new(w->loop, w->server_context, w->far));
    tls_hold(w->server.s, on_hello_count);
    w->far = NULL;
    loop_run(w->loop);
    assert_int_equal(w->server.drained, 0);
    ear_put(&w->client, tls_client_new(w->loop, w->client_context, w->near, STR("mail.example")));
    w->near = NULL;
    loop_run(w->loop);
    assert_int_equal(w->server.drained, 100);
    assert_false(tls_is_ready(w->client.s));
    tls_go_on(w->server.s);
    loop_run(w->loop);
    assert_true(tls_is_ready(w->client.s));
    assert_int_equal(w->server.drained, 100);
}

/* Half a ClientHello, then the end; and one that is announced to be too long. */
static void test_bad_hello(void **state)
{
    static const struct str CASES[] = {STR("\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03"),
                                       STR("\x16\x03\x01\x01\x00\x01\x10\x00\x00\x03\x03")};
    struct world *w = *state;
    for (size_t i = 0; i < 2; i++) {
        ear_put(&w->server, tls_server_new(w->loop, w->server_context, w->far));
        w->far = NULL;
        ear_put(&w->client, w->near);
        w->near = NULL;
        stream_write(w->client.s, CASES[i]);
        loop_run(w->loop);
        assert_int_equal(w->server.ended, (int)i);
        stream_shutdown(w->client.s);
        loop_run(w->loop);
        assert_int_equal(w->server.ended, 1);
        assert_int_equal(w->server.why, ERR_TLS_FAILED);
        ear_release(&w->server);
        ear_release(&w->client);
        stream_pair(w->loop, &w->near, &w->far);
    }
}

static void test_pause(void **state)
{
    struct world *w = *state;
    start(w, STR("mail.example"));
    loop_run(w->loop);
    stream_pause(w->server.s);
    for (int i = 0; i < 1000; i++) {
        stream_write(w->client.s, STR("0123456789"));
    }
    stream_shutdown(w->client.s);
    loop_run(w->loop);
    assert_int_equal(w->server.heard.len, 0);
    assert_int_equal(w->server.ended, 0);
    stream_resume(w->server.s);
    loop_run(w->loop);
    assert_int_equal(w->server.heard.len, 10000);
    assert_int_equal(w->server.ended, 1);
    assert_int_equal(w->server.why, ERR_OK);
}

static void on_octets_pause(void *owner, struct str octets)
{
    struct ear *e = owner;
    ear_on_octets(e, octets);
    stream_pause(e->s);
}

static void test_pause_inside(void **state)
{
    static const struct stream_handler PAUSING = {on_octets_pause, ear_on_drained, ear_on_end};
    enum { TOTAL = 300 * 1024 };
    static char octets[TOTAL];
    struct world *w = *state;
    start(w, STR("mail.example"));
    stream_set_handler(w->server.s, &PAUSING, &w->server);
    stream_write(w->client.s, str_make(octets, TOTAL));
    stream_shutdown(w->client.s);
    for (int i = 0; i < 100 && w->server.ended == 0; i++) {
        size_t before = w->server.heard.len;
        loop_run(w->loop);
        assert_true(w->server.heard.len - before <= 64 * 1024);
        stream_resume(w->server.s);
    }
    assert_int_equal(w->server.heard.len, TOTAL);
    assert_int_equal(w->server.why, ERR_OK);
}

static void test_binding(void **state)
{
    struct world *w = *state;
    struct buf ours = BUF_INIT(100);
    struct buf theirs = BUF_INIT(100);
    struct str type = STR_EMPTY;
    start(w, STR("mail.example"));
    assert_false(tls_get_binding(w->server.s, &type, &ours));
    loop_run(w->loop);
    assert_true(tls_get_binding(w->server.s, &type, &ours));
    assert_str(type, STR("tls-exporter"));
    assert_true(tls_get_binding(w->client.s, &type, &theirs));
    assert_int_equal(ours.len, 32);
    assert_str(buf_str(&ours), buf_str(&theirs));
    buf_release(&ours);
    buf_release(&theirs);
}

/* An idle connection costs less than 24 KiB, streams and all. */
static void test_memory(void **state)
{
    enum { COUNT = 50 };
    struct world *w = *state;
    struct ear servers[COUNT];
    struct ear clients[COUNT];
    start(w, STR("mail.example"));
    loop_run(w->loop);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < COUNT; i++) {
        struct stream *near = NULL;
        struct stream *far = NULL;
        stream_pair(w->loop, &near, &far);
        ear_put(&servers[i], tls_server_new(w->loop, w->server_context, far));
        ear_put(&clients[i], tls_client_new(w->loop, w->client_context, near, STR("mail.example")));
        loop_run(w->loop);
        assert_true(tls_is_ready(servers[i].s));
    }
    size_t both = mallinfo2().uordblks - before;
    for (int i = 0; i < COUNT; i++) {
        ear_release(&clients[i]);
    }
    size_t clients_part = both - (mallinfo2().uordblks - before);
    size_t each = (both - clients_part) / COUNT;
    print_message("an idle TLS server stream: %zu octets\n", each);
    for (int i = 0; i < COUNT; i++) {
        ear_release(&servers[i]);
    }
#if !defined(__SANITIZE_ADDRESS__)
    assert_true(each < 24 * 1024);
#endif
}

/* ---- DANE (RFC 7672) ---- */

enum { DIGEST_SIZE = 32 };

/* The server's certificate, whole, or the digest of its key. */
static struct str make_anchor_data(struct world *w, bool is_key_digest, struct buf *out)
{
    BIO *bio = BIO_new_mem_buf(w->cert.p, (int)w->cert.len);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    unsigned char *der = NULL;
    int n = is_key_digest ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der) : i2d_X509(x, &der);
    unsigned char digest[DIGEST_SIZE];
    assert_true(n > 0);
    if (is_key_digest) {
        assert_int_equal(EVP_Digest(der, (size_t)n, digest, NULL, EVP_sha256(), NULL), 1);
        buf_add(out, str_make((const char *)digest, sizeof(digest)));
    } else {
        buf_add(out, str_make((const char *)der, (size_t)n));
    }
    OPENSSL_free(der);
    X509_free(x);
    BIO_free(bio);
    return buf_str(out);
}

static enum err start_dane(struct world *w, struct str host, struct str also,
                           struct tls_anchor anchor)
{
    struct tls_dane dane = {host, also, &anchor, 1};
    stream_free(&w->near);
    stream_free(&w->far);
    stream_pair(w->loop, &w->near, &w->far);
    tls_context_free(&w->client_context);
    assert_int_equal(tls_client_context_new_opportunistic(&w->client_context), ERR_OK);
    ear_put(&w->server, tls_server_new(w->loop, w->server_context, w->far));
    ear_put(&w->client, tls_client_new_dane(w->loop, w->client_context, w->near, &dane));
    w->near = w->far = NULL;
    stream_write(w->client.s, STR("hello"));
    loop_run(w->loop);
    bool has_heard = w->server.heard.len == 5;
    enum err e = w->client.ended > 0 ? w->client.why : ERR_OK;
    assert_int_equal(e == ERR_OK, has_heard);
    ear_release(&w->server);
    ear_release(&w->client);
    return e;
}

static void test_dane(void **state)
{
    struct world *w = *state;
    CLEANUP(buf_release) struct buf key = BUF_INIT(65536);
    CLEANUP(buf_release) struct buf whole = BUF_INIT(65536);
    struct str digest = make_anchor_data(w, true, &key);
    struct str cert = make_anchor_data(w, false, &whole);
    struct str wrong = STR("01234567890123456789012345678901");
    struct str name = STR("mail.example");
    struct str other = STR("other.example");
    /* Usage 3: the key alone decides. */
    assert_int_equal(start_dane(w, name, STR_EMPTY, (struct tls_anchor){3, 1, 1, digest}), ERR_OK);
    assert_int_equal(start_dane(w, other, STR_EMPTY, (struct tls_anchor){3, 1, 1, digest}), ERR_OK);
    assert_int_equal(start_dane(w, name, STR_EMPTY, (struct tls_anchor){3, 1, 1, wrong}),
                     ERR_TLS_FAILED);
    /* Usage 2 is about an authority, which the certificate itself is not. */
    assert_int_equal(start_dane(w, name, STR_EMPTY, (struct tls_anchor){2, 0, 0, cert}),
                     ERR_TLS_FAILED);
    /* Unusable: encrypted for whoever answers. */
    assert_int_equal(start_dane(w, name, STR_EMPTY, (struct tls_anchor){1, 1, 1, wrong}), ERR_OK);
    assert_false(tls_anchor_is_usable(&(struct tls_anchor){0, 1, 1, digest}));
    assert_false(tls_anchor_is_usable(&(struct tls_anchor){3, 2, 1, digest}));
    assert_false(tls_anchor_is_usable(&(struct tls_anchor){3, 1, 2, digest}));
    assert_false(tls_anchor_is_usable(&(struct tls_anchor){3, 1, 9, digest}));
    assert_false(tls_anchor_is_usable(&(struct tls_anchor){3, 0, 0, STR_EMPTY}));
}

struct writer {
    struct loop *loop;
    struct ear ear;
};

static void on_drained_stop(void *owner)
{
    struct writer *w = owner;
    w->ear.drained++;
    loop_stop(w->loop);
}

static void on_end_stop(void *owner, enum err why)
{
    struct writer *w = owner;
    w->ear.why = why;
    loop_stop(w->loop);
}

/* What was written before the handshake leaves at once, and the stream below never was full: it is told all the same. */
static void test_early_drained(void **state)
{
    enum { EARLY = 100 * 1024 };
    static const struct stream_handler WRITER = {ear_on_octets, on_drained_stop, on_end_stop};
    static char octets[EARLY];
    struct world *w = *state;
    struct loop *l = loop_new();
    struct writer client = {.loop = l};
    struct ear server;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ear_put(&server, tls_server_new(l, w->server_context, stream_from_fd(l, fds[0])));
    client.ear.s =
        tls_client_new(l, w->client_context, stream_from_fd(l, fds[1]), STR("mail.example"));
    stream_set_handler(client.ear.s, &WRITER, &client);
    stream_write(client.ear.s, str_make(octets, sizeof(octets)));
    loop_run(l);
    assert_int_equal(client.ear.drained, 1);
    ear_release(&client.ear);
    ear_release(&server);
    loop_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_early_drained, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_identities, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dane, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_certificate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_host_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_talk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hello_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_hello, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pause, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pause_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_binding, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
