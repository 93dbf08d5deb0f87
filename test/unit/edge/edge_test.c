/* Unit tests of edge: whole connections on the fake loop, with a fake auth and fake store workers behind links. */
#include "edge/edge.h"

#include "../net/cert.h"
#include "../net/ear.h"
#include "net/fields.h"
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

enum { WORKERS = 3, SECOND = 1000, HOUR = 3600 * SECOND };

/* A role behind a link. */
struct role {
    struct link *link;
    struct ear session; /* the last one opened */
    struct fields head; /* what it was opened with */
    int opens;
    /* auth */
    struct fields asked;
    uint32_t ask_id;
    int asks;
    bool is_silent;
};

struct world {
    struct loop *loop;
    struct edge *edge;
    struct role auth;
    struct role submit;
    struct role stores[WORKERS];
    struct ticket_signer *signer;
    struct buf cert;
    struct buf key;
    struct tls_context *tls;
    struct tls_context *client_tls;
    struct ear client;
};

static void on_open(void *owner, struct link *l, struct str head, struct stream *s)
{
    struct role *r = owner;
    (void)l;
    if (r->opens++ > 0) {
        fields_release(&r->head);
    }
    assert_int_equal(fields_parse(head, &r->head), ERR_OK);
    ear_release(&r->session);
    ear_put(&r->session, s);
}

static void reply_no(struct role *r, const char *code)
{
    struct buf b = BUF_INIT(1000);
    fields_add(&b, STR("result"), STR("no"));
    fields_add(&b, STR("code"), str_from_c(code));
    link_reply(r->link, r->ask_id, buf_str(&b));
    buf_release(&b);
}

static void on_request(void *owner, struct link *l, uint32_t id, struct str body)
{
    struct role *r = owner;
    (void)l;
    if (r->asks++ > 0) {
        fields_release(&r->asked);
    }
    assert_int_equal(fields_parse(body, &r->asked), ERR_OK);
    r->ask_id = id;
}

static const struct link_handler HANDLER = {on_open, on_request, NULL};

static void connect_role(struct world *w, struct role *r, enum link_role role, unsigned index)
{
    struct stream *near = NULL;
    struct stream *far = NULL;
    link_free(&r->link);
    stream_pair(w->loop, &near, &far);
    edge_add_peer(w->edge, role, index, near);
    r->link = link_new(w->loop, far, ROLE_EDGE, 0, &HANDLER, r);
}

static const struct edge_settings SETTINGS = {
    .hostname = {"mail.example", 12},
    .tls = TLS_OFFERED,
    .plaintext = EDGE_PLAINTEXT_LOOPBACK,
    .workers = WORKERS,
    .message_most = 1000,
    .login_timeout_ms = 180 * SECOND,
    .idle_timeout_ms = 7500 * SECOND,
    .submission_timeout_ms = 600 * SECOND,
    .connections_most = 4,
    .connections_per_neighbour = 2,
};

static int setup(void **state)
{
    static struct world w;
    struct buf private_pem = BUF_INIT(4096);
    struct buf public_pem = BUF_INIT(4096);
    w = (struct world){
        .loop = loop_new_fake(1000), .cert = BUF_INIT(65536), .key = BUF_INIT(65536)};
    cert_make("mail.example", &w.cert, &w.key);
    assert_int_equal(tls_server_context_new(buf_str(&w.cert), buf_str(&w.key), 10, &w.tls), ERR_OK);
    assert_int_equal(tls_client_context_new(buf_str(&w.cert), &w.client_tls), ERR_OK);
    struct edge_settings s = SETTINGS;
    s.tls_context = w.tls;
    w.edge = edge_new(w.loop, &s);
    connect_role(&w, &w.auth, ROLE_AUTH, 0);
    connect_role(&w, &w.submit, ROLE_SUBMIT, 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        connect_role(&w, &w.stores[i], ROLE_STORE, i);
    }
    assert_int_equal(ticket_make_keys(&private_pem, &public_pem), ERR_OK);
    assert_int_equal(ticket_signer_new(buf_str(&private_pem), &w.signer), ERR_OK);
    buf_release(&private_pem);
    buf_release(&public_pem);
    *state = &w;
    return 0;
}

static void release_role(struct role *r)
{
    link_free(&r->link);
    ear_release(&r->session);
    if (r->opens > 0) {
        fields_release(&r->head);
    }
    if (r->asks > 0) {
        fields_release(&r->asked);
    }
}

static int teardown(void **state)
{
    struct world *w = *state;
    edge_free(&w->edge);
    ear_release(&w->client);
    release_role(&w->auth);
    release_role(&w->submit);
    for (unsigned i = 0; i < WORKERS; i++) {
        release_role(&w->stores[i]);
    }
    ticket_signer_free(&w->signer);
    tls_context_free(&w->tls);
    tls_context_free(&w->client_tls);
    buf_release(&w->cert);
    buf_release(&w->key);
    loop_free(&w->loop);
    return 0;
}

static struct sockaddr_storage address(const char *ip, uint16_t port)
{
    struct sockaddr_storage a = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a;
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    assert_int_equal(inet_pton(AF_INET, ip, &v4->sin_addr), 1);
    return a;
}

static void connect_as(struct world *w, struct ear *client, enum service service, const char *ip)
{
    struct stream *near = NULL;
    struct stream *far = NULL;
    struct sockaddr_storage peer = address(ip, 5000);
    struct sockaddr_storage local = address("192.0.2.1", service == SERVICE_IMAP ? 143 : 587);
    stream_pair(w->loop, &near, &far);
    ear_put(client, near);
    edge_accept(w->edge, service, far, &peer, &local);
    loop_run(w->loop);
}

static void say(struct world *w, struct ear *client, const char *line)
{
    buf_clear(&client->heard);
    stream_write(client->s, str_from_c(line));
    loop_run(w->loop);
}

static void assert_heard(const struct ear *e, const char *want)
{
    if (!str_eq(buf_str(&e->heard), str_from_c(want))) {
        print_error("heard: %.*s\nwant:  %s\n", STR_ARG(buf_str(&e->heard)), want);
        fail();
    }
}

static bool has_heard(const struct ear *e, const char *word)
{
    return str_find_str(buf_str(&e->heard), str_from_c(word)) < e->heard.len;
}

/* Auth says yes to what was asked last. */
static void reply_yes(struct world *w, const char *user, struct str data)
{
    struct buf octets = BUF_INIT(4096);
    struct buf b = BUF_INIT(8192);
    struct str nonce = fields_get(&w->auth.asked, STR("nonce"));
    struct ticket t = {
        .user = str_from_c(user),
        .auth_user = str_from_c(user),
        .service = SERVICE_IMAP,
        .edge_id = STR("edge"),
        .expires_ms = 1,
    };
    memcpy(t.nonce, nonce.p, nonce.n);
    assert_int_equal(ticket_issue(w->signer, &t, &octets), ERR_OK);
    fields_add(&b, STR("result"), STR("ok"));
    fields_add(&b, STR("ticket"), buf_str(&octets));
    fields_add(&b, STR("data"), data);
    link_reply(w->auth.link, w->auth.ask_id, buf_str(&b));
    buf_release(&b);
    buf_release(&octets);
    loop_run(w->loop);
}

static struct role *log_in(struct world *w, struct ear *client, const char *user)
{
    connect_as(w, client, SERVICE_IMAP, "127.0.0.1");
    say(w, client, "a LOGIN u p\r\n");
    reply_yes(w, user, STR_EMPTY);
    return &w->stores[ticket_get_worker(str_from_c(user), WORKERS)];
}

static void test_imap_session(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    assert_true(has_heard(&w->client, "* OK [CAPABILITY IMAP4rev1"));
    say(w, &w->client, "a1 LOGIN ann pass\r\nb SELECT INBOX\r\n");
    assert_heard(&w->client, "");
    assert_int_equal(w->auth.asks, 1);
    assert_str(fields_get(&w->auth.asked, STR("op")), STR("start"));
    assert_str(fields_get(&w->auth.asked, STR("service")), STR("imap"));
    assert_str(fields_get(&w->auth.asked, STR("mechanism")), STR("PLAIN"));
    assert_str(fields_get(&w->auth.asked, STR("data")), STR("\0ann\0pass"));
    assert_str(fields_get(&w->auth.asked, STR("tls")), STR("0"));
    assert_str(fields_get(&w->auth.asked, STR("loopback")), STR("1"));
    assert_str(fields_get(&w->auth.asked, STR("peer")), STR("127.0.0.1"));
    assert_int_equal(fields_get(&w->auth.asked, STR("nonce")).n, TICKET_NONCE_SIZE);
    reply_yes(w, "ann", STR_EMPTY);
    struct role *store = &w->stores[ticket_get_worker(STR("ann"), WORKERS)];
    assert_int_equal(store->opens, 1);
    assert_str(fields_get(&store->head, STR("service")), STR("imap"));
    assert_str(fields_get(&store->head, STR("tag")), STR("a1"));
    assert_str(fields_get(&store->head, STR("local")), STR("192.0.2.1"));
    assert_str(fields_get(&store->head, STR("port")), STR("143"));
    assert_str(fields_get(&store->head, STR("nonce")), fields_get(&w->auth.asked, STR("nonce")));
    struct ticket t;
    assert_int_equal(ticket_read(fields_get(&store->head, STR("ticket")), &t), ERR_OK);
    assert_str(t.user, STR("ann"));
    assert_heard(&store->session, "b SELECT INBOX\r\n"); /* what came behind the login */
    stream_write(store->session.s, STR("a1 OK Logged in\r\n"));
    loop_run(w->loop);
    assert_heard(&w->client, "a1 OK Logged in\r\n");
    say(w, &w->client, "c LOGOUT\r\n");
    assert_heard(&store->session, "b SELECT INBOX\r\nc LOGOUT\r\n");
    stream_write(store->session.s, STR("* BYE\r\nc OK\r\n"));
    stream_shutdown(store->session.s);
    loop_run(w->loop);
    assert_heard(&w->client, "* BYE\r\nc OK\r\n");
    assert_int_equal(w->client.ended, 1);
    assert_int_equal(edge_get_count(w->edge), 0);
}

static void test_login_fails(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    say(w, &w->client, "a LOGIN ann bad\r\n");
    reply_no(&w->auth, "AUTH_FAILED");
    loop_run(w->loop);
    assert_heard(&w->client, "a NO [AUTHENTICATIONFAILED] Authentication failed\r\n");
    say(w, &w->client, "b LOGIN ann bad\r\n");
    reply_no(&w->auth, "NO SUCH CODE");
    loop_run(w->loop);
    assert_heard(&w->client, "b NO [UNAVAILABLE] Temporarily unavailable; try again\r\n");
    say(w, &w->client, "c NOOP\r\n");
    assert_heard(&w->client, "c OK Nothing done\r\n");
}

/* Nobody may listen in: from elsewhere PLAIN needs TLS. */
static void test_plaintext_from_afar(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "198.51.100.1");
    assert_true(has_heard(&w->client, "LOGINDISABLED"));
    say(w, &w->client, "a LOGIN ann pass\r\n");
    assert_heard(&w->client, "a NO [PRIVACYREQUIRED] Use STARTTLS first\r\n");
    assert_int_equal(w->auth.asks, 0);
}

static void start_tls(struct world *w, struct ear *client, const char *command)
{
    say(w, client, command);
    struct stream *plain = client->s;
    client->s = NULL;
    buf_release(&client->heard);
    ear_put(client, tls_client_new(w->loop, w->client_tls, plain, STR("mail.example")));
    loop_run(w->loop);
    assert_true(tls_is_ready(client->s));
}

/* SCRAM through TLS: auth is told the channel binding, the client hears the server's last message. */
static void test_tls_and_scram(void **state)
{
    struct world *w = *state;
    struct buf b = BUF_INIT(1000);
    struct str type = STR_EMPTY;
    connect_as(w, &w->client, SERVICE_IMAP, "198.51.100.1");
    start_tls(w, &w->client, "a STARTTLS\r\n");
    say(w, &w->client, "b CAPABILITY\r\n");
    assert_true(has_heard(&w->client, "AUTH=SCRAM-SHA-256-PLUS\r\n"));
    assert_false(has_heard(&w->client, "STARTTLS"));
    say(w, &w->client, "c AUTHENTICATE SCRAM-SHA-256-PLUS eA==\r\n");
    assert_str(fields_get(&w->auth.asked, STR("tls")), STR("1"));
    assert_str(fields_get(&w->auth.asked, STR("cb_type")), STR("tls-exporter"));
    assert_true(tls_get_binding(w->client.s, &type, &b));
    assert_str(fields_get(&w->auth.asked, STR("cb")), buf_str(&b));
    buf_clear(&b);
    buf_add_c(&b, "result=challenge\nexchange=77\ndata=what\n");
    link_reply(w->auth.link, w->auth.ask_id, buf_str(&b));
    loop_run(w->loop);
    assert_heard(&w->client, "+ d2hhdA==\r\n");
    struct str nonce = fields_get(&w->auth.asked, STR("nonce"));
    char kept[TICKET_NONCE_SIZE];
    memcpy(kept, nonce.p, sizeof(kept));
    say(w, &w->client, "eQ==\r\n");
    assert_str(fields_get(&w->auth.asked, STR("op")), STR("continue"));
    assert_str(fields_get(&w->auth.asked, STR("exchange")), STR("77"));
    assert_str(fields_get(&w->auth.asked, STR("data")), STR("y"));
    fields_release(&w->auth.asked);
    buf_clear(&b);
    fields_add(&b, STR("nonce"), str_make(kept, sizeof(kept)));
    assert_int_equal(fields_parse(buf_str(&b), &w->auth.asked), ERR_OK);
    reply_yes(w, "bob", STR("v=1"));
    assert_heard(&w->client, "+ dj0x\r\n");
    struct role *store = &w->stores[ticket_get_worker(STR("bob"), WORKERS)];
    assert_int_equal(store->opens, 0);
    say(w, &w->client, "\r\n");
    assert_int_equal(store->opens, 1);
    assert_str(fields_get(&store->head, STR("tls")), STR("1"));
    buf_release(&b);
}

/* A cancelled exchange is cancelled at auth, too; so is one whose client went away. */
static void test_cancel(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 2; i++) {
        connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
        say(w, &w->client, "a AUTHENTICATE SCRAM-SHA-256 =\r\n");
        link_reply(w->auth.link, w->auth.ask_id, STR("result=challenge\nexchange=5\ndata=\n"));
        loop_run(w->loop);
        assert_heard(&w->client, "+ \r\n");
        if (i == 0) {
            say(w, &w->client, "*\r\nb NOOP\r\n");
            assert_heard(&w->client, "a BAD Authentication cancelled\r\nb OK Nothing done\r\n");
        }
        ear_release(&w->client);
        loop_run(w->loop);
        assert_str(fields_get(&w->auth.asked, STR("op")), STR("cancel"));
        assert_str(fields_get(&w->auth.asked, STR("exchange")), STR("5"));
        assert_int_equal(w->auth.asks, 2 * (i + 1));
        assert_int_equal(edge_get_count(w->edge), 0);
    }
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    say(w, &w->client, "a LOGIN u p\r\n");
    ear_release(&w->client); /* done while auth thinks: the session hears both at once */
    loop_run(w->loop);
    reply_yes(w, "ann", STR_EMPTY);
    struct role *store = &w->stores[ticket_get_worker(STR("ann"), WORKERS)];
    assert_int_equal(store->session.ended, 1);
    stream_shutdown(store->session.s);
    loop_run(w->loop);
    assert_int_equal(edge_get_count(w->edge), 0);
}

static void test_submission(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_SUBMIT, "127.0.0.1");
    assert_heard(&w->client, "220 mail.example ESMTP Limetta\r\n");
    say(w, &w->client, "EHLO phone\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@b>\r\n");
    assert_str(fields_get(&w->auth.asked, STR("service")), STR("submit"));
    reply_yes(w, "ann", STR_EMPTY);
    assert_int_equal(w->submit.opens, 1);
    assert_str(fields_get(&w->submit.head, STR("service")), STR("submit"));
    assert_str(fields_get(&w->submit.head, STR("helo")), STR("phone"));
    assert_heard(&w->submit.session, "MAIL FROM:<a@b>\r\n");
    stream_write(w->submit.session.s, STR("235 2.7.0 Welcome\r\n250 2.1.0 Ok\r\n"));
    loop_run(w->loop);
    assert_true(has_heard(&w->client, "235 2.7.0 Welcome\r\n250 2.1.0 Ok\r\n"));
    loop_advance(w->loop, 599 * SECOND);
    assert_int_equal(w->client.ended, 0);
    loop_advance(w->loop, 2 * SECOND);
    assert_true(has_heard(&w->client, "421 4.4.2 mail.example Timed out\r\n"));
    assert_int_equal(w->client.ended, 1);
    assert_int_equal(w->submit.session.why, ERR_PEER_GONE);
}

static void test_roles_are_down(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    say(w, &w->client, "a LOGIN u p\r\n");
    link_free(&w->auth.link); /* auth dies while it thinks */
    loop_run(w->loop);
    assert_heard(&w->client, "a NO [UNAVAILABLE] Temporarily unavailable; try again\r\n");
    say(w, &w->client, "b LOGIN u p\r\n");
    assert_heard(&w->client, "b NO [UNAVAILABLE] Temporarily unavailable; try again\r\n");
    connect_role(w, &w->auth, ROLE_AUTH, 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        link_free(&w->stores[i].link);
    }
    link_free(&w->submit.link);
    loop_run(w->loop);
    say(w, &w->client, "c LOGIN u p\r\nd NOOP\r\n");
    reply_yes(w, "ann", STR_EMPTY);
    assert_heard(&w->client, "c NO [UNAVAILABLE] Temporarily unavailable; try again\r\n"
                             "d OK Nothing done\r\n");
    for (unsigned i = 0; i < WORKERS; i++) {
        connect_role(w, &w->stores[i], ROLE_STORE, i);
    }
    say(w, &w->client, "e LOGIN u p\r\n");
    reply_yes(w, "ann", STR_EMPTY);
    assert_int_equal(w->stores[ticket_get_worker(STR("ann"), WORKERS)].opens, 1);
    ear_release(&w->client);
    connect_as(w, &w->client, SERVICE_SUBMIT, "127.0.0.1");
    say(w, &w->client, "EHLO x\r\nAUTH PLAIN AGEAYg==\r\n");
    buf_clear(&w->client.heard);
    reply_yes(w, "ann", STR_EMPTY);
    assert_heard(&w->client, "454 4.3.0 Temporarily unavailable; try again\r\n");
}

/* The worker dies in the middle of a session: a good-bye, and the connection ends. */
static void test_worker_dies(void **state)
{
    struct world *w = *state;
    struct role *store = log_in(w, &w->client, "ann");
    link_free(&store->link);
    loop_run(w->loop);
    assert_true(has_heard(&w->client, "* BYE [UNAVAILABLE]"));
    assert_int_equal(w->client.ended, 1);
    assert_int_equal(edge_get_count(w->edge), 0);
}

/* A client that stops reading stops its session; the edge holds no more than its marks. */
static void test_backpressure(void **state)
{
    enum { CHUNK = 32 * 1024, CHUNKS = 200 };
    static char chunk[CHUNK];
    struct world *w = *state;
    struct role *store = log_in(w, &w->client, "ann");
    stream_pause(w->client.s);
    int sent = 0;
    for (int i = 0; i < 100; i++) {
        while (sent < CHUNKS && stream_get_queued(store->session.s) <= STREAM_HIGH_WATER) {
            stream_write(store->session.s, str_make(chunk, CHUNK));
            sent++;
        }
        loop_run(w->loop);
    }
    assert_true(sent * CHUNK < 2 * LINK_WINDOW + 4 * STREAM_HIGH_WATER);
    buf_clear(&w->client.heard);
    stream_resume(w->client.s);
    for (int i = 0; i < 1000 && w->client.heard.len < (size_t)CHUNKS * CHUNK; i++) {
        while (sent < CHUNKS && stream_get_queued(store->session.s) <= STREAM_HIGH_WATER) {
            stream_write(store->session.s, str_make(chunk, CHUNK));
            sent++;
        }
        loop_run(w->loop);
    }
    assert_int_equal(w->client.heard.len, (size_t)CHUNKS * CHUNK);
    /* And the other way round. */
    stream_pause(store->session.s);
    sent = 0;
    for (int i = 0; i < 100; i++) {
        while (sent < CHUNKS && stream_get_queued(w->client.s) <= STREAM_HIGH_WATER) {
            stream_write(w->client.s, str_make(chunk, CHUNK));
            sent++;
        }
        loop_run(w->loop);
    }
    assert_true(sent * CHUNK < 2 * LINK_WINDOW + 4 * STREAM_HIGH_WATER);
    buf_clear(&store->session.heard);
    stream_resume(store->session.s);
    loop_run(w->loop);
    assert_int_equal(store->session.heard.len, (size_t)sent * CHUNK);
}

/* D15, D16, D17: silence ends a session after more than two hours, age never does. */
static void test_idle(void **state)
{
    struct world *w = *state;
    struct role *store = log_in(w, &w->client, "ann");
    for (int i = 0; i < 90 * 12; i++) { /* 90 days */
        loop_advance(w->loop, 2 * HOUR);
        if (i % 2 == 0) {
            stream_write(w->client.s, STR("n NOOP\r\n"));
        } else {
            stream_write(store->session.s, STR("* OK Still here\r\n"));
        }
        loop_run(w->loop);
        assert_int_equal(w->client.ended, 0);
    }
    loop_advance(w->loop, 7499 * SECOND);
    assert_int_equal(w->client.ended, 0);
    buf_clear(&w->client.heard);
    loop_advance(w->loop, 2 * SECOND);
    assert_heard(&w->client, "* BYE [UNAVAILABLE] Timed out\r\n");
    assert_int_equal(w->client.ended, 1);
    assert_int_equal(store->session.ended, 1);
}

/* Single octets keep no stranger in; commands do. */
static void test_login_timeout(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    for (int i = 0; i < 10; i++) {
        loop_advance(w->loop, 100 * SECOND);
        say(w, &w->client, "a NOOP\r\n");
        assert_heard(&w->client, "a OK Nothing done\r\n");
    }
    for (int i = 0; i < 17; i++) {
        loop_advance(w->loop, 10 * SECOND);
        say(w, &w->client, "x");
        assert_int_equal(w->client.ended, 0);
    }
    loop_advance(w->loop, 11 * SECOND);
    assert_heard(&w->client, "* BYE [UNAVAILABLE] Timed out\r\n");
    assert_int_equal(w->client.ended, 1);
}

/* Somebody whose account is at the worker. */
static const char *find_user(unsigned worker, char name[16])
{
    int i = 0;
    do {
        (void)snprintf(name, 16, "user%d", i++);
    } while (ticket_get_worker(str_from_c(name), WORKERS) != worker);
    return name;
}

/* D21: the longest silent stranger goes, never one who is logged in. */
static void test_full_house(void **state)
{
    struct world *w = *state;
    struct ear guests[4];
    char name[16];
    (void)log_in(w, &w->client, "ann");
    for (int i = 0; i < 3; i++) {
        connect_as(w, &guests[i], SERVICE_IMAP, "127.0.0.1");
        loop_advance(w->loop, SECOND);
    }
    say(w, &guests[0], "a NOOP\r\n");
    connect_as(w, &guests[3], SERVICE_SUBMIT, "127.0.0.1");
    assert_true(has_heard(&guests[1], "* BYE [UNAVAILABLE]"));
    assert_int_equal(guests[1].ended, 1);
    assert_int_equal(guests[0].ended, 0);
    assert_int_equal(guests[2].ended, 0);
    assert_true(has_heard(&guests[3], "220 "));
    assert_int_equal(w->client.ended, 0);
    assert_int_equal(edge_get_count(w->edge), 4);
    for (int i = 0; i < 4; i++) {
        ear_release(&guests[i]);
    }
    loop_run(w->loop);
    assert_int_equal(edge_get_count(w->edge), 1);
    unsigned worker = ticket_get_worker(STR("ann"), WORKERS);
    (void)log_in(w, &guests[0], find_user((worker + 1) % WORKERS, name));
    (void)log_in(w, &guests[1], find_user((worker + 2) % WORKERS, name));
    connect_as(w, &guests[2], SERVICE_SUBMIT, "127.0.0.1");
    say(w, &guests[2], "EHLO x\r\nAUTH PLAIN AGEAYg==\r\n");
    reply_yes(w, "ann", STR_EMPTY);
    assert_int_equal(edge_get_count(w->edge), 4);
    connect_as(w, &guests[3], SERVICE_SUBMIT, "127.0.0.1"); /* all are logged in */
    assert_heard(&guests[3], "421 4.3.2 mail.example Temporarily unavailable; try again\r\n");
    assert_int_equal(guests[3].ended, 1);
    for (int i = 0; i < 4; i++) {
        ear_release(&guests[i]);
    }
    loop_run(w->loop);
}

static void test_per_neighbour(void **state)
{
    struct world *w = *state;
    struct ear guests[4];
    connect_as(w, &guests[0], SERVICE_IMAP, "198.51.100.1");
    connect_as(w, &guests[1], SERVICE_IMAP, "198.51.100.1");
    connect_as(w, &guests[2], SERVICE_IMAP, "198.51.100.1");
    assert_heard(&guests[2], "* BYE [UNAVAILABLE] Temporarily unavailable; try again\r\n");
    connect_as(w, &guests[3], SERVICE_IMAP, "198.51.100.2");
    assert_true(has_heard(&guests[3], "* OK"));
    ear_release(&guests[0]);
    ear_release(&guests[2]);
    loop_run(w->loop);
    connect_as(w, &guests[0], SERVICE_IMAP, "198.51.100.1");
    assert_true(has_heard(&guests[0], "* OK"));
    ear_release(&guests[0]);
    ear_release(&guests[1]);
    ear_release(&guests[3]);
    loop_run(w->loop);
}

/* Everything piped in, then the client's end: all is answered. */
/* D21: a neighbour who has all he may have cannot send others away by knocking. */
static void test_full_house_and_neighbour(void **state)
{
    struct world *w = *state;
    struct ear guests[6];
    connect_as(w, &guests[0], SERVICE_IMAP, "127.0.0.1");
    connect_as(w, &guests[1], SERVICE_IMAP, "127.0.0.1");
    loop_advance(w->loop, SECOND);
    connect_as(w, &guests[2], SERVICE_IMAP, "198.51.100.1");
    connect_as(w, &guests[3], SERVICE_IMAP, "198.51.100.1");
    connect_as(w, &guests[4], SERVICE_IMAP, "198.51.100.1");
    assert_true(has_heard(&guests[4], "* BYE [UNAVAILABLE]"));
    assert_int_equal(guests[0].ended, 0);
    assert_int_equal(guests[1].ended, 0);
    connect_as(w, &guests[5], SERVICE_IMAP, "198.51.100.2");
    assert_true(has_heard(&guests[5], "* OK"));
    assert_int_equal(guests[0].ended, 1); /* he was silent for longest */
    for (int i = 0; i < 6; i++) {
        ear_release(&guests[i]);
    }
    loop_run(w->loop);
    assert_int_equal(edge_get_count(w->edge), 0);
}

static void test_half_close(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    stream_write(w->client.s, STR("a LOGIN u p\r\nb NOOP\r\n"));
    stream_shutdown(w->client.s);
    loop_run(w->loop);
    reply_yes(w, "ann", STR_EMPTY);
    struct role *store = &w->stores[ticket_get_worker(STR("ann"), WORKERS)];
    assert_heard(&store->session, "b NOOP\r\n");
    assert_int_equal(store->session.ended, 1);
    assert_int_equal(store->session.why, ERR_OK);
    stream_write(store->session.s, STR("a OK\r\nb OK\r\n"));
    stream_shutdown(store->session.s);
    loop_run(w->loop);
    assert_true(has_heard(&w->client, "a OK\r\nb OK\r\n"));
    assert_int_equal(w->client.ended, 1);
    ear_release(&w->client);
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    stream_shutdown(w->client.s);
    loop_run(w->loop);
    assert_int_equal(w->client.ended, 1);
    assert_int_equal(edge_get_count(w->edge), 0);
}

/* D46 over the wire: what was injected is not answered inside TLS. */
static void test_injection(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "198.51.100.1");
    start_tls(w, &w->client, "a STARTTLS\r\nb NOOP\r\nc LOGOUT\r\n");
    assert_heard(&w->client, "");
    say(w, &w->client, "d NOOP\r\n");
    assert_heard(&w->client, "d OK Nothing done\r\n");
}

/* Who asks for TLS and does not begin it, or stops within the handshake, is let go of at once when time is up. */
static void test_half_open_tls(void **state)
{
    static const char *const BEGUN[] = {"", "\x16", "\x16\x03\x01\x01"};
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(BEGUN) / sizeof(BEGUN[0]); i++) {
        connect_as(w, &w->client, SERVICE_IMAP, "198.51.100.1");
        say(w, &w->client, "a STARTTLS\r\n");
        assert_true(has_heard(&w->client, "a OK Begin TLS now"));
        stream_write(w->client.s, str_from_c(BEGUN[i]));
        loop_advance(w->loop, 179 * SECOND);
        assert_int_equal(w->client.ended, 0);
        stream_write(w->client.s, STR("\x2"));
        loop_advance(w->loop, 2 * SECOND);
        assert_int_equal(w->client.ended, 1);
        assert_int_equal(edge_get_count(w->edge), 0);
        ear_release(&w->client);
    }
}

static void test_say_bye(void **state)
{
    struct world *w = *state;
    struct ear guest;
    struct role *store = log_in(w, &w->client, "ann");
    connect_as(w, &guest, SERVICE_SUBMIT, "127.0.0.1");
    edge_say_bye(w->edge);
    loop_run(w->loop);
    assert_true(has_heard(&w->client, "* BYE "));
    assert_true(has_heard(&guest, "\r\n421 "));
    assert_int_equal(store->session.ended, 1);
    assert_int_equal(edge_get_count(w->edge), 0);
    ear_release(&guest);
    loop_run(w->loop);
}

/* A session may speak of layers, but only in its turn: else it is broken, and the client may come back. */
static void test_marks_out_of_turn(void **state)
{
    struct world *w = *state;
    static const uint8_t WRONG[] = {0, 3, 255};
    for (size_t i = 0; i < sizeof(WRONG); i++) {
        struct role *store = log_in(w, &w->client, "ann");
        buf_clear(&w->client.heard);
        stream_mark(store->session.s, WRONG[i]);
        loop_run(w->loop);
        assert_true(has_heard(&w->client, "* BYE [UNAVAILABLE]"));
        assert_int_equal(edge_get_count(w->edge), 0);
        ear_release(&w->client);
    }
}

/* A session that asks for DEFLATE and goes away before it is there. */
static void test_session_dies_at_a_mark(void **state)
{
    struct world *w = *state;
    struct role *store = log_in(w, &w->client, "ann");
    buf_clear(&w->client.heard);
    stream_write(store->session.s, STR("c OK\r\n"));
    stream_mark(store->session.s, 1);
    loop_run(w->loop);
    say(w, &w->client, "too early");
    stream_free(&store->session.s);
    loop_run(w->loop);
    assert_true(has_heard(&w->client, "* BYE [UNAVAILABLE]"));
    assert_int_equal(edge_get_count(w->edge), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_imap_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_login_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_plaintext_from_afar, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tls_and_scram, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_submission, setup, teardown),
        cmocka_unit_test_setup_teardown(test_roles_are_down, setup, teardown),
        cmocka_unit_test_setup_teardown(test_worker_dies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backpressure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idle, setup, teardown),
        cmocka_unit_test_setup_teardown(test_login_timeout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_house, setup, teardown),
        cmocka_unit_test_setup_teardown(test_per_neighbour, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_house_and_neighbour, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_injection, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_open_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marks_out_of_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_session_dies_at_a_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(test_say_bye, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
