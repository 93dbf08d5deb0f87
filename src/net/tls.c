/* TLS as a filter over a stream.
 *
 * OpenSSL wants to read and write a BIO. Ours has no buffers: reading takes from the octets that the stream below has
 * just handed us, writing goes straight into that stream's queue. So a connection that is idle between records owns
 * OpenSSL's state and nothing else, and a record is copied once on its way out. Writing through it never blocks, so the
 * only thing OpenSSL ever waits for is more input.
 *
 * Decoded octets go to the user from the loop's buffer, several records at a time. If the user pauses in between, what
 * is not decoded yet is kept in `pending` (at most what one read of the socket brought) and the stream below is paused.
 *
 * A server makes OpenSSL's object only when the client's ClientHello is whole (tls_hello.c), and, when it is held, when its
 * turn has come: so whoever stops amid it, or waits, costs his octets and no more.
 *
 * The end: close_notify is the orderly one. A peer that closes the connection without it may have been cut off by
 * somebody else, so that is ERR_PEER_GONE (RFC 8446, 6.1). */
#include "net/tls_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/loop_priv.h"
#include "net/stream_priv.h"
#include "net/tls_hello.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum { RECORD_MOST = 16 * 1024, EXPORTER_SIZE = 32, FINISHED_MOST = 64, LOG_EVERY_MS = 1000 };

struct tls {
    struct stream base;
    struct loop *loop;
    struct tls_context *context;
    SSL *ssl; /* NULL: a server that waits for the ClientHello, or with it */
    struct stream *under;
    struct str feed; /* what OpenSSL may read now; borrowed from a callback or from pending */
    struct backlog pending;        /* came while the user was paused, or before there was ssl */
    size_t hello_least;            /* of pending, before the ClientHello can be whole */
    struct backlog early;          /* written before the handshake was done */
    void (*on_ready)(void *owner); /* NULL: nobody waits for it */
    void (*on_hello)(void *owner); /* NULL: the handshake need not wait */
    bool is_held;                  /* the ClientHello is there, and must wait */
    bool is_ready;
    bool is_ending;
    bool has_said_end;
    bool has_under_ended;
    bool is_broken;
    enum err why; /* it is broken: what on_end says */
};

static struct tls *of(struct stream *s)
{
    return (struct tls *)s;
}

static const struct tls *of_const(const struct stream *s)
{
    return (const struct tls *)s;
}

static int bio_read(BIO *bio, char *to, size_t size, size_t *got)
{
    struct tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    struct str part = str_sub(t->feed, 0, size);
    if (part.n == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(to, part.p, part.n);
    t->feed = str_skip(t->feed, part.n);
    *got = part.n;
    return 1;
}

static int bio_write(BIO *bio, const char *from, size_t n, size_t *written)
{
    struct tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    stream_write(t->under, str_make(from, n));
    *written = n;
    return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *p)
{
    (void)bio;
    (void)number;
    (void)p;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *tls_bio_new(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");
    if (m != NULL) {
        (void)BIO_meth_set_read_ex(m, bio_read);
        (void)BIO_meth_set_write_ex(m, bio_write);
        (void)BIO_meth_set_ctrl(m, bio_ctrl);
    }
    return m;
}

/* ---- sessions to be resumed ---- */

static struct tls *of_ssl(const SSL *ssl)
{
    return BIO_get_data(SSL_get_rbio(ssl));
}

/* OpenSSL made a session. In TLS 1.2 that is at the end of each handshake, in TLS 1.3 when we asked for an id. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *t = of_ssl(ssl);
    if (SSL_version(ssl) >= TLS1_3_VERSION) {
        tls_sessions_add(t->context->sessions, session, loop_now_ms(t->loop));
    }
    return 0; /* the reference stays OpenSSL's */
}

static SSL_SESSION *on_find_session(SSL *ssl, const unsigned char *id, int len, int *has_to_ref)
{
    struct tls *t = of_ssl(ssl);
    *has_to_ref = 0;
    return tls_sessions_find(t->context->sessions, str_make((const char *)id, (size_t)len),
                             loop_now_ms(t->loop));
}

void tls_watch_sessions(struct tls_context *c)
{
    SSL_CTX_sess_set_new_cb(c->ssl, on_new_session);
    SSL_CTX_sess_set_get_cb(c->ssl, on_find_session);
}

void tls_keep_session(struct stream *s)
{
    struct tls *t = of(s);
    if (SSL_version(t->ssl) >= TLS1_3_VERSION) {
        (void)SSL_new_session_ticket(t->ssl);
    } else if (SSL_session_reused(t->ssl) == 0) {
        tls_sessions_add(t->context->sessions, SSL_get0_session(t->ssl), loop_now_ms(t->loop));
    }
}

/* A line a second at most: strangers must not fill the disk. */
static void log_failure(const struct tls *t, const char *what)
{
    uint64_t now_ms = loop_now_ms(t->loop);
    if (t->context->logged_ms != 0 && now_ms - t->context->logged_ms < LOG_EVERY_MS) {
        ERR_clear_error();
        return;
    }
    t->context->logged_ms = now_ms;
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    long verdict = t->ssl == NULL ? X509_V_OK : SSL_get_verify_result(t->ssl);
    if (verdict != X509_V_OK) {
        why = X509_verify_cert_error_string(verdict);
    }
    log_info("tls: %s: %s", what, why == NULL ? "the peer ended it" : why);
    ERR_clear_error();
}

/* What failed must not be resumed (RFC 5246, 7.2.2; RFC 8446, 6.2). */
static void drop_session(struct tls *t)
{
    if (t->context->sessions != NULL) {
        tls_sessions_drop(t->context->sessions, SSL_get0_session(t->ssl));
    }
}

static void fail(struct tls *t, enum err why)
{
    if (!t->is_broken) {
        t->is_broken = true;
        t->why = why;
        backlog_release(&t->early);
    }
    (void)stream_give_end(&t->base, t->why); /* once; later when there is no handler yet */
}

/* True when OpenSSL only waits for more. */
static bool is_waiting(const struct tls *t, int result)
{
    int e = SSL_get_error(t->ssl, result);
    return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
}

static void make_ssl(struct tls *t)
{
    t->ssl = SSL_new(t->context->ssl);
    BIO *bio = BIO_new(t->context->bio);
    if (t->ssl == NULL || bio == NULL) {
        abort(); /* out of memory */
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
}

/* A server's handshake begins when the ClientHello is whole, and whoever wants to say when has said so. False: not now. */
static bool begin(struct tls *t)
{
    struct str octets = backlog_str(&t->pending);
    if (t->is_held || t->is_broken || t->base.handler == NULL || octets.n < t->hello_least) {
        return false;
    }
    enum err e = tls_hello_look(octets, &t->hello_least);
    if (e != ERR_OK) {
        log_failure(t, "a ClientHello that is too long");
        fail(t, e);
        return false;
    }
    if (octets.n < t->hello_least || octets.n == 0) {
        return false;
    }
    void (*on_hello)(void *owner) = t->on_hello;
    if (on_hello != NULL) {
        t->on_hello = NULL;
        t->is_held = true;
        on_hello(t->base.owner);
        return false;
    }
    make_ssl(t);
    SSL_set_accept_state(t->ssl);
    return true;
}

static void write_now(struct tls *t, struct str octets)
{
    while (octets.n > 0) {
        size_t written = 0;
        ERR_clear_error();
        if (SSL_write_ex(t->ssl, octets.p, octets.n, &written) != 1) {
            return; /* the next read says why */
        }
        octets = str_skip(octets, written);
    }
}

static void say_end(struct tls *t)
{
    if (t->is_ending && !t->has_said_end && (t->is_ready || t->is_broken)) {
        t->has_said_end = true;
        ERR_clear_error();
        (void)(t->ssl == NULL ? 0 : SSL_shutdown(t->ssl));
        stream_shutdown(t->under);
    }
}

/* False: not done yet, or failed. */
static bool shake_hands(struct tls *t)
{
    ERR_clear_error();
    int result = SSL_do_handshake(t->ssl);
    if (result != 1) {
        if (!is_waiting(t, result)) {
            log_failure(t, "handshake");
            fail(t, ERR_TLS_FAILED);
        }
        return false;
    }
    t->is_ready = true;
    write_now(t, backlog_str(&t->early));
    backlog_release(&t->early);
    say_end(t);
    if (t->on_ready != NULL && t->base.handler != NULL) {
        t->on_ready(t->base.owner);
    }
    return !t->base.is_freed
           && stream_check_water(&t->base); /* the stream below may have taken all at once */
}

/* Decodes as much as fits into the loop's buffer. why: the end that was met, if *is_end. */
static size_t decode(struct tls *t, bool *is_end, enum err *why)
{
    size_t n = 0;
    while (LOOP_SCRATCH_SIZE - n >= RECORD_MOST) {
        size_t got = 0;
        ERR_clear_error();
        int result = SSL_read_ex(t->ssl, t->loop->plain + n, LOOP_SCRATCH_SIZE - n, &got);
        if (result == 1) {
            n += got;
            continue;
        }
        int e = SSL_get_error(t->ssl, result);
        if (e == SSL_ERROR_ZERO_RETURN) {
            *is_end = true;
            *why = ERR_OK;
        } else if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE) {
            *is_end = true;
            *why = ERR_TLS_FAILED;
            log_failure(t, "record");
            drop_session(t);
        }
        break;
    }
    return n;
}

/* Goes on with what is in feed, as long as the user wants octets. */
static void run(struct tls *t)
{
    stream_hold(&t->base);
    bool is_end = false;
    enum err why = ERR_OK;
    while ((t->is_ready || (!t->is_broken && shake_hands(t))) && stream_is_open(&t->base)
           && !t->is_broken) {
        size_t n = decode(t, &is_end, &why);
        if (n > 0 && !stream_give_octets(&t->base, str_make(t->loop->plain, n))) {
            break;
        }
        if (is_end && why != ERR_OK) {
            fail(t, why);
        } else if (is_end) {
            (void)stream_give_end(&t->base, ERR_OK);
        }
        if (n == 0) {
            break;
        }
    }
    (void)stream_drop(&t->base);
}

/* The stream below is done; nothing more can be decoded. */
static void check_under_end(struct tls *t)
{
    bool is_all = t->feed.n == 0 && (backlog_len(&t->pending) == 0 || t->ssl == NULL);
    if (t->has_under_ended && is_all && !t->base.is_paused && !t->base.has_ended) {
        fail(t, t->is_ready ? ERR_PEER_GONE : ERR_TLS_FAILED);
    }
}

/* Works on what was kept. */
static void run_pending(struct tls *t)
{
    if (t->ssl == NULL && !begin(t)) {
        return;
    }
    struct backlog taken = t->pending;
    backlog_init(&t->pending);
    t->feed = backlog_str(&taken);
    run(t);
    if (!t->base.is_freed) {
        backlog_add(&t->pending, t->feed);
    }
    t->feed = STR_EMPTY;
    backlog_release(&taken);
}

static void on_octets(void *owner, struct str octets)
{
    struct tls *t = owner;
    stream_hold(&t->base);
    if (t->ssl == NULL || backlog_len(&t->pending) > 0) {
        backlog_add(&t->pending, octets);
        run_pending(t);
    } else {
        t->feed = octets;
        run(t);
        if (!t->base.is_freed && t->feed.n > 0) {
            backlog_add(&t->pending, t->feed);
        }
        t->feed = STR_EMPTY;
    }
    if (!t->base.is_freed && t->is_held && backlog_len(&t->pending) > RECORD_MOST) {
        stream_pause(t->under); /* until tls_go_on(); who waits in peace may leave meanwhile */
    }
    (void)stream_drop(&t->base);
}

static void on_drained(void *owner)
{
    struct tls *t = owner;
    t->base.is_over_high = true; /* it was: maybe by what was below before the layer */
    (void)stream_check_water(&t->base);
}

static void on_end(void *owner, enum err why)
{
    struct tls *t = owner;
    t->has_under_ended = true;
    if (why != ERR_OK) {
        fail(t, t->is_ready ? why : ERR_TLS_FAILED);
        return;
    }
    check_under_end(t);
}

static const struct stream_handler UNDER_HANDLER = {on_octets, on_drained, on_end};

static void on_deferred(void *owner)
{
    struct tls *t = owner;
    stream_hold(&t->base);
    if (t->is_broken) {
        fail(t, t->why);
    } else {
        run_pending(t);
    }
    if (!t->base.is_freed) {
        check_under_end(t);
    }
    (void)stream_drop(&t->base);
}

static void tls_start(struct stream *s)
{
    struct tls *t = of(s);
    if (!s->is_paused && !t->is_held) {
        stream_resume(t->under);
        loop_defer(t->loop, on_deferred, t);
    }
}

static void tls_write(struct stream *s, struct str octets)
{
    struct tls *t = of(s);
    if (t->is_broken || t->is_ending) {
        return;
    }
    if (t->is_ready) {
        write_now(t, octets);
    } else {
        backlog_add(&t->early, octets);
    }
    s->is_over_high = s->is_over_high || stream_get_queued(s) > STREAM_HIGH_WATER;
}

static size_t tls_get_owed(const struct stream *s)
{
    const struct tls *t = of_const(s);
    return stream_get_owed(t->under) + backlog_len(&t->early);
}

static size_t tls_get_queued(const struct stream *s)
{
    const struct tls *t = of_const(s);
    return stream_get_queued(t->under) + backlog_len(&t->early);
}

static void tls_pause(struct stream *s)
{
    stream_pause(of(s)->under);
}

static void tls_shutdown(struct stream *s)
{
    struct tls *t = of(s);
    t->is_ending = true;
    say_end(t);
}

static void tls_close(struct stream *s)
{
    struct tls *t = of(s);
    loop_cancel_deferred(t->loop, t);
    SSL_free(t->ssl);
    t->ssl = NULL;
    stream_free(&t->under);
    backlog_release(&t->pending);
    backlog_release(&t->early);
    tls_context_unref(&t->context);
}

static void tls_destroy(struct stream *s)
{
    free(of(s));
}

static const struct stream_ops TLS_OPS = {
    .start = tls_start,
    .write = tls_write,
    .get_queued = tls_get_queued,
    .get_owed = tls_get_owed,
    .pause = tls_pause,
    .resume = tls_start,
    .shutdown = tls_shutdown,
    .close = tls_close,
    .destroy = tls_destroy,
};

static struct tls *make(struct loop *l, struct tls_context *c, struct stream *under)
{
    struct tls *t = mem_new(sizeof(*t));
    t->base.ops = &TLS_OPS;
    t->loop = l;
    t->context = c;
    c->refs++;
    t->under = under;
    backlog_init(&t->pending);
    backlog_init(&t->early);
    stream_resume(under);
    stream_set_handler(under, &UNDER_HANDLER, t);
    return t;
}

struct stream *tls_server_new(struct loop *l, struct tls_context *c, struct stream *under)
{
    return &make(l, c, under)->base;
}

/* An IP address is checked as one, and is not sent as a server name (RFC 6066, 3). */
static bool expect_host(SSL *ssl, struct str host)
{
    char name[256] = {0};
    if (host.n >= sizeof(name)) {
        return false;
    }
    memcpy(name, host.p, host.n);
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1) {
        return true;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct stream *tls_client_new(struct loop *l, struct tls_context *c, struct stream *under,
                              struct str host)
{
    struct tls *t = make(l, c, under);
    make_ssl(t);
    SSL_set_connect_state(t->ssl);
    if (host.n > 0 && !expect_host(t->ssl, host)) {
        t->is_broken = true;
        t->why = ERR_TLS_FAILED;
    }
    loop_defer(l, on_deferred, t); /* says hello */
    return &t->base;
}

void tls_on_ready(struct stream *s, void (*on_ready)(void *owner))
{
    of(s)->on_ready = on_ready;
}

/* ---- DANE ---- */

enum {
    DANE_TA = 2,
    DANE_EE = 3,
    SELECTOR_MOST = 1, /* 0: the certificate, 1: its key */
    SHA256_SIZE = 32,
    SHA512_SIZE = 64
};

bool tls_anchor_is_usable(const struct tls_anchor *a)
{
    static const size_t SIZES[] = {0, SHA256_SIZE, SHA512_SIZE}; /* by matching type; 0: whole */
    bool is_known = (a->usage == DANE_TA || a->usage == DANE_EE) && a->selector <= SELECTOR_MOST
                    && a->matching < sizeof(SIZES) / sizeof(SIZES[0]);
    return is_known && a->data.n > 0 && (a->matching == 0 || a->data.n == SIZES[a->matching]);
}

static bool believe(SSL *ssl, const struct tls_anchor *a)
{
    return tls_anchor_is_usable(a)
           && SSL_dane_tlsa_add(ssl, a->usage, a->selector, a->matching,
                                (const unsigned char *)a->data.p, a->data.n)
                  == 1;
}

/* False: none of them can be used. */
static bool believe_any(SSL *ssl, const struct tls_dane *dane)
{
    char name[256] = {0};
    bool is_usable = false;
    if (dane->host.n == 0 || dane->host.n >= sizeof(name) || dane->also.n >= sizeof(name)) {
        return false;
    }
    memcpy(name, dane->host.p, dane->host.n);
    if (SSL_dane_enable(ssl, name) != 1) {
        return false;
    }
    (void)SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS); /* RFC 7672, 3.1.1 */
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (dane->also.n > 0) {
        memset(name, 0, sizeof(name));
        memcpy(name, dane->also.p, dane->also.n);
        (void)SSL_add1_host(ssl, name);
    }
    for (size_t i = 0; i < dane->anchor_count; i++) {
        is_usable = believe(ssl, &dane->anchors[i]) || is_usable;
    }
    return is_usable;
}

struct stream *tls_client_new_dane(struct loop *l, struct tls_context *c, struct stream *under,
                                   const struct tls_dane *dane)
{
    struct tls *t = make(l, c, under);
    make_ssl(t);
    SSL_set_connect_state(t->ssl);
    ERR_clear_error();
    int mode = believe_any(t->ssl, dane) ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
    ERR_clear_error();
    SSL_set_verify(t->ssl, mode, NULL);
    loop_defer(l, on_deferred, t); /* says hello */
    return &t->base;
}

const SSL *tls_get_ssl(const struct stream *s)
{
    return of_const(s)->ssl;
}

bool tls_is_ready(const struct stream *s)
{
    return of_const(s)->is_ready;
}

bool tls_is_resumed(const struct stream *s)
{
    return SSL_session_reused(of_const(s)->ssl) == 1;
}

const char *tls_get_version(const struct stream *s)
{
    return SSL_get_version(of_const(s)->ssl);
}

bool tls_get_peer_certificate(const struct stream *s, struct buf *der)
{
    X509 *cert = SSL_get0_peer_certificate(of_const(s)->ssl);
    unsigned char *octets = NULL;
    int n = cert == NULL ? 0 : i2d_X509(cert, &octets);
    if (n > 0) {
        buf_add(der, str_make((const char *)octets, (size_t)n));
    }
    OPENSSL_free(octets);
    return n > 0;
}

int tls_get_verdict(const struct stream *s)
{
    return (int)SSL_get_verify_result(of_const(s)->ssl);
}

static bool add_exporter(SSL *ssl, struct buf *out)
{
    static const char LABEL[] = "EXPORTER-Channel-Binding";
    unsigned char data[EXPORTER_SIZE];
    if (SSL_export_keying_material(ssl, data, sizeof(data), LABEL, sizeof(LABEL) - 1, NULL, 0, 1)
        != 1) {
        return false;
    }
    buf_add(out, str_make((const char *)data, sizeof(data)));
    return true;
}

/* The first Finished message of the handshake: the client's, or, when a session was resumed, the server's. */
static bool add_unique(SSL *ssl, struct buf *out)
{
    unsigned char data[FINISHED_MOST];
    bool is_ours = (SSL_is_server(ssl) == 1) == (SSL_session_reused(ssl) == 1);
    size_t n = is_ours ? SSL_get_finished(ssl, data, sizeof(data))
                       : SSL_get_peer_finished(ssl, data, sizeof(data));
    if (n == 0 || n > sizeof(data)) {
        return false;
    }
    buf_add(out, str_make((const char *)data, n));
    return true;
}

bool tls_get_binding(const struct stream *s, struct str *type, struct buf *out)
{
    const struct tls *t = of_const(s);
    if (!t->is_ready) {
        return false;
    }
    if (SSL_version(t->ssl) >= TLS1_3_VERSION) {
        *type = STR("tls-exporter");
        return add_exporter(t->ssl, out);
    }
    *type = STR("tls-unique");
    return SSL_get_extms_support(t->ssl) == 1 && add_unique(t->ssl, out);
}

void tls_hold(struct stream *s, void (*on_hello)(void *owner))
{
    of(s)->on_hello = on_hello;
}

void tls_go_on(struct stream *s)
{
    struct tls *t = of(s);
    t->is_held = false;
    tls_start(s);
}
