/* Unit tests of net/tls_sessions: who may resume, how often, how long, and what it costs. The client is plain OpenSSL. */
#include "net/tls.h"

#include "cert.h"
#include "ear.h"
#include "unit.h"

#include <malloc.h>
#include <openssl/ssl.h>

enum { PLACES = 4, HOUR_MS = 60 * 60 * 1000 };

struct world {
    struct loop *loop;
    struct tls_context *server_context;
    SSL_CTX *client_context;
    SSL_SESSION *session; /* the newest that the client was given */
    size_t sent;          /* octets of the last handshake, either way */
    size_t received;
};

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct world *w = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION_free(w->session);
    w->session = session;
    return 1;
}

static struct tls_context *make_context(size_t places)
{
    struct buf cert = BUF_INIT(65536);
    struct buf key = BUF_INIT(65536);
    struct tls_context *c = NULL;
    cert_make("mail.example", &cert, &key);
    assert_int_equal(tls_server_context_new(buf_str(&cert), buf_str(&key), places, &c), ERR_OK);
    buf_release(&cert);
    buf_release(&key);
    return c;
}

static int setup(void **state)
{
    static struct world w;
    w = (struct world){.loop = loop_new_fake(0), .server_context = make_context(PLACES)};
    w.client_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(w.client_context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(w.client_context, on_session);
    (void)SSL_CTX_set_app_data(w.client_context, &w);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    SSL_SESSION_free(w->session);
    SSL_CTX_free(w->client_context);
    tls_context_free(&w->server_context);
    loop_free(&w->loop);
    return 0;
}

/* Carries octets between the client's BIOs and its end of the pair until nobody says anything. */
static void carry(struct world *w, SSL *ssl, struct ear *wire)
{
    char octets[4096];
    for (int quiet = 0; quiet < 3; quiet++) {
        int n = BIO_read(SSL_get_wbio(ssl), octets, sizeof(octets));
        if (n > 0) {
            stream_write(wire->s, str_make(octets, (size_t)n));
            w->sent += (size_t)n;
            quiet = 0;
        }
        loop_run(w->loop);
        if (wire->heard.len > 0) {
            (void)BIO_write(SSL_get_rbio(ssl), wire->heard.p, (int)wire->heard.len);
            w->received += wire->heard.len;
            buf_clear(&wire->heard);
            quiet = 0;
        }
        (void)SSL_read(ssl, octets, sizeof(octets)); /* shakes hands, too */
    }
}

/* One connection that offers session (may be NULL) and, if is_known, is one of a user. True: it was resumed. */
static bool visit(struct world *w, SSL_SESSION *session, bool is_known)
{
    struct stream *near = NULL;
    struct stream *far = NULL;
    struct ear wire;
    struct ear server;
    stream_pair(w->loop, &near, &far);
    ear_put(&wire, near);
    ear_put(&server, tls_server_new(w->loop, w->server_context, far));
    SSL *ssl = SSL_new(w->client_context);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl);
    if (session != NULL) {
        SSL_SESSION *copy = SSL_SESSION_dup(session); /* OpenSSL's client shows one only once */
        assert_int_equal(SSL_set_session(ssl, copy), 1);
        SSL_SESSION_free(copy);
    }
    w->sent = 0;
    w->received = 0;
    carry(w, ssl, &wire);
    assert_true(tls_is_ready(server.s));
    bool is_resumed = SSL_session_reused(ssl) == 1;
    if (is_known) {
        tls_keep_session(server.s);
        stream_write(server.s, STR("+"));
        carry(w, ssl, &wire);
    }
    /* Nothing is said, as when the radio is gone; else the client's OpenSSL would not resume what was cut off. */
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl);
    ear_release(&wire);
    ear_release(&server);
    return is_resumed;
}

/* A visit of a user; the session it leaves with. */
static SSL_SESSION *visit_and_keep(struct world *w)
{
    (void)visit(w, NULL, true);
    assert_non_null(w->session);
    SSL_SESSION *s = w->session;
    w->session = NULL;
    return s;
}

static void use_version(struct world *w, int version)
{
    (void)SSL_CTX_set_min_proto_version(w->client_context, version);
    (void)SSL_CTX_set_max_proto_version(w->client_context, version);
}

/* Also when the connection was cut off: visits never say good-bye. */
static void test_resumes(void **state)
{
    static const int VERSIONS[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct world *w = *state;
    for (size_t i = 0; i < 2; i++) {
        use_version(w, VERSIONS[i]);
        SSL_SESSION *s = visit_and_keep(w);
        assert_true(visit(w, s, true));
        SSL_SESSION_free(s);
    }
}

static void test_not_for_strangers(void **state)
{
    struct world *w = *state;
    use_version(w, TLS1_3_VERSION);
    assert_false(visit(w, NULL, false));
    assert_null(w->session); /* not even a ticket */
    use_version(w, TLS1_2_VERSION);
    assert_false(visit(w, NULL, false));
    assert_non_null(w->session);
    SSL_SESSION *s = SSL_SESSION_dup(w->session);
    assert_false(visit(w, s, false));
    SSL_SESSION_free(s);
}

/* The new id may have been lost with the connection: the old one is good for an hour. */
static void test_second_use(void **state)
{
    struct world *w = *state;
    use_version(w, TLS1_3_VERSION);
    SSL_SESSION *s = visit_and_keep(w);
    loop_advance(w->loop, 2 * HOUR_MS);
    assert_true(visit(w, s, false));
    loop_advance(w->loop, HOUR_MS - 1000);
    assert_true(visit(w, s, false));
    loop_advance(w->loop, 1000);
    assert_false(visit(w, s, false));
    SSL_SESSION_free(s);
}

static void test_expires(void **state)
{
    struct world *w = *state;
    SSL_SESSION *s = visit_and_keep(w);
    loop_advance(w->loop, 24ULL * HOUR_MS);
    assert_false(visit(w, s, false));
    SSL_SESSION_free(s);
}

/* Used ones make room first, then the oldest. */
static void test_room(void **state)
{
    struct world *w = *state;
    SSL_SESSION *s[PLACES + 1];
    for (size_t i = 0; i < PLACES; i++) {
        s[i] = visit_and_keep(w);
    }
    assert_true(visit(w, s[1], false));
    s[PLACES] = visit_and_keep(w); /* pushes out s[1], which was used */
    assert_false(visit(w, s[1], false));
    SSL_SESSION_free(visit_and_keep(w)); /* pushes out s[0] */
    assert_false(visit(w, s[0], false));
    assert_true(visit(w, s[PLACES], false));
    for (size_t i = 0; i <= PLACES; i++) {
        SSL_SESSION_free(s[i]);
    }
}

static void test_no_places(void **state)
{
    struct world *w = *state;
    tls_context_free(&w->server_context);
    w->server_context = make_context(0);
    use_version(w, TLS1_3_VERSION);
    SSL_SESSION *s = visit_and_keep(w); /* an id that nobody knows */
    assert_false(visit(w, s, false));
    SSL_SESSION_free(s);
}

/* Another edge, or this one after a restart: a full handshake, nothing worse. */
static void test_elsewhere(void **state)
{
    struct world *w = *state;
    SSL_SESSION *s = visit_and_keep(w);
    tls_context_free(&w->server_context);
    w->server_context = make_context(PLACES);
    assert_false(visit(w, s, false));
    SSL_SESSION_free(s);
}

/* A record that does not decrypt ends the session for good. */
static void test_failed_is_dropped(void **state)
{
    struct world *w = *state;
    struct stream *near = NULL;
    struct stream *far = NULL;
    struct ear wire;
    struct ear server;
    use_version(w, TLS1_3_VERSION);
    stream_pair(w->loop, &near, &far);
    ear_put(&wire, near);
    ear_put(&server, tls_server_new(w->loop, w->server_context, far));
    SSL *ssl = SSL_new(w->client_context);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl);
    carry(w, ssl, &wire);
    tls_keep_session(server.s);
    stream_write(server.s, STR("+"));
    carry(w, ssl, &wire);
    stream_write(wire.s, STR("\x17\x03\x03\x00\x14 twenty octets of noise"));
    loop_run(w->loop);
    assert_int_equal(server.why, ERR_TLS_FAILED);
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl);
    ear_release(&wire);
    ear_release(&server);
    assert_false(visit(w, w->session, false));
}

static void test_cost(void **state)
{
    enum { COUNT = 200 };
    struct world *w = *state;
    use_version(w, TLS1_3_VERSION);
    SSL_SESSION *s = visit_and_keep(w);
    assert_true(visit(w, s, true));
    print_message("a resumed handshake: %zu octets sent, %zu received\n", w->sent, w->received);
    assert_true(w->received < 340);
    SSL_SESSION_free(s);
    tls_context_free(&w->server_context);
    w->server_context = make_context(COUNT);
    for (size_t i = 0; i < 10; i++) {
        SSL_SESSION_free(visit_and_keep(w)); /* what OpenSSL allocates once */
    }
    size_t before = mallinfo2().uordblks;
    for (size_t i = 10; i < COUNT; i++) {
        SSL_SESSION_free(visit_and_keep(w));
    }
    size_t each = (mallinfo2().uordblks - before) / (COUNT - 10);
    print_message("a session kept: %zu octets\n", each);
#if !defined(__SANITIZE_ADDRESS__)
    assert_true(each < 512);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_resumes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_for_strangers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_use, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expires, setup, teardown),
        cmocka_unit_test_setup_teardown(test_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_elsewhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cost, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
