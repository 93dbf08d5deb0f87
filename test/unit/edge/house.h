#ifndef LIMETTA_TEST_UNIT_EDGE_HOUSE_H
#define LIMETTA_TEST_UNIT_EDGE_HOUSE_H

/* A whole edge on the fake loop, with a fake auth, a fake submit and fake store workers behind links. */
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
    /* sessions that come back: opens counts them, too */
    int resumes;
    struct buf state; /* the last one came with */
    int parks;        /* sessions we are asked to wake */
    uint32_t parked;  /* the last of them */
    int forgotten;
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

static inline void on_open(void *owner, struct link *l, struct str head, struct stream *s)
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

static inline void reply_no(struct role *r, const char *code)
{
    struct buf b = BUF_INIT(1000);
    fields_add(&b, STR("result"), STR("no"));
    fields_add(&b, STR("code"), str_from_c(code));
    link_reply(r->link, r->ask_id, buf_str(&b));
    buf_release(&b);
}

static inline void on_request(void *owner, struct link *l, uint32_t id, struct str body)
{
    struct role *r = owner;
    (void)l;
    if (r->asks++ > 0) {
        fields_release(&r->asked);
    }
    assert_int_equal(fields_parse(body, &r->asked), ERR_OK);
    r->ask_id = id;
}

static inline void on_resume(void *owner, struct link *l, struct str head, struct str state,
                             struct stream *s)
{
    struct role *r = owner;
    on_open(owner, l, head, s);
    r->resumes++;
    buf_clear(&r->state);
    r->state.cap = LINK_STATE_MOST;
    buf_add(&r->state, state);
}

static inline void on_park(void *owner, struct link *l, uint32_t id, struct str head,
                           struct str state)
{
    struct role *r = owner;
    (void)l;
    (void)head;
    r->parks++;
    r->parked = id;
    buf_clear(&r->state);
    r->state.cap = LINK_STATE_MOST;
    buf_add(&r->state, state);
}

static inline void on_forget(void *owner, struct link *l, uint32_t id)
{
    struct role *r = owner;
    (void)l;
    r->forgotten++;
    assert_int_equal(id, r->parked);
}

static const struct link_handler HANDLER = {
    .on_open = on_open,
    .on_request = on_request,
    .on_resume = on_resume,
    .on_park = on_park,
    .on_forget = on_forget,
};

static inline void connect_role(struct world *w, struct role *r, enum link_role role,
                                unsigned index)
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
    .second_ms = SECOND,
    .max_idle_ms = 7200 * SECOND,
    .idle_timeout_ms = 10800 * SECOND,
    .submission_timeout_ms = 1200 * SECOND,
    .resume_wait_ms = 60 * SECOND,
    .connections_most = 4,
    .strangers_most = 4,
    .per_address = {.connections = 2},
    .limits_exempt = {"127.0.0.0/8", 11},
    .login_octets_most = 262144,
};

/* An edge with settings s, and everybody behind it. */
static inline void open_edge(struct world *w, struct edge_settings s)
{
    s.tls_context = w->tls;
    edge_free(&w->edge);
    w->edge = edge_new(w->loop, &s);
    connect_role(w, &w->auth, ROLE_AUTH, 0);
    connect_role(w, &w->submit, ROLE_SUBMIT, 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        connect_role(w, &w->stores[i], ROLE_STORE, i);
    }
}

static inline int setup(void **state)
{
    static struct world w;
    struct buf private_pem = BUF_INIT(4096);
    struct buf public_pem = BUF_INIT(4096);
    w = (struct world){
        .loop = loop_new_fake(1000), .cert = BUF_INIT(65536), .key = BUF_INIT(65536)};
    cert_make("mail.example", &w.cert, &w.key);
    assert_int_equal(tls_server_context_new(buf_str(&w.cert), buf_str(&w.key), 10, &w.tls), ERR_OK);
    assert_int_equal(tls_client_context_new(buf_str(&w.cert), &w.client_tls), ERR_OK);
    open_edge(&w, SETTINGS);
    assert_int_equal(ticket_make_keys(&private_pem, &public_pem), ERR_OK);
    assert_int_equal(ticket_signer_new(buf_str(&private_pem), &w.signer), ERR_OK);
    buf_release(&private_pem);
    buf_release(&public_pem);
    *state = &w;
    return 0;
}

static inline void release_role(struct role *r)
{
    link_free(&r->link);
    ear_release(&r->session);
    buf_release(&r->state);
    if (r->opens > 0) {
        fields_release(&r->head);
    }
    if (r->asks > 0) {
        fields_release(&r->asked);
    }
}

static inline int teardown(void **state)
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

static inline struct sockaddr_storage address(const char *ip, uint16_t port)
{
    struct sockaddr_storage a = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a;
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    assert_int_equal(inet_pton(AF_INET, ip, &v4->sin_addr), 1);
    return a;
}

static inline void connect_as(struct world *w, struct ear *client, enum service service,
                              const char *ip)
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

static inline void say(struct world *w, struct ear *client, const char *line)
{
    buf_clear(&client->heard);
    stream_write(client->s, str_from_c(line));
    loop_run(w->loop);
}

static inline void assert_heard(const struct ear *e, const char *want)
{
    if (!str_eq(buf_str(&e->heard), str_from_c(want))) {
        print_error("heard: %.*s\nwant:  %s\n", STR_ARG(buf_str(&e->heard)), want);
        fail();
    }
}

static inline bool has_heard(const struct ear *e, const char *word)
{
    return str_find_str(buf_str(&e->heard), str_from_c(word)) < e->heard.len;
}

/* Auth says yes with a ticket for the connection of that nonce. */
static inline void reply_ticket(struct world *w, const char *user, struct str nonce,
                                struct str data)
{
    struct buf octets = BUF_INIT(4096);
    struct buf b = BUF_INIT(8192);
    struct ticket t = {
        .user = str_from_c(user),
        .auth_user = str_from_c(user),
        .service = SERVICE_IMAP,
        .edge_id = STR("edge"),
        .expires_ms = 1,
    };
    memcpy(t.nonce, nonce.p, sizeof(t.nonce));
    assert_int_equal(ticket_issue(w->signer, &t, &octets), ERR_OK);
    fields_add(&b, STR("result"), STR("ok"));
    fields_add(&b, STR("ticket"), buf_str(&octets));
    fields_add(&b, STR("data"), data);
    link_reply(w->auth.link, w->auth.ask_id, buf_str(&b));
    buf_release(&b);
    buf_release(&octets);
    loop_run(w->loop);
}

/* Auth says yes to what was asked last. */
static inline void reply_yes(struct world *w, const char *user, struct str data)
{
    struct str nonce = fields_get(&w->auth.asked, STR("nonce"));
    assert_int_equal(nonce.n, TICKET_NONCE_SIZE);
    reply_ticket(w, user, nonce, data);
}

/* The same to a ticket that is to be changed for another. */
static inline void reply_again(struct world *w, const char *user)
{
    struct ticket was;
    assert_str(fields_get(&w->auth.asked, STR("op")), STR("again"));
    assert_int_equal(ticket_read(fields_get(&w->auth.asked, STR("ticket")), &was), ERR_OK);
    reply_ticket(w, user, str_make((const char *)was.nonce, sizeof(was.nonce)), STR_EMPTY);
}

static inline struct role *log_in(struct world *w, struct ear *client, const char *user)
{
    connect_as(w, client, SERVICE_IMAP, "127.0.0.1");
    say(w, client, "a LOGIN u p\r\n");
    reply_yes(w, user, STR_EMPTY);
    return &w->stores[ticket_get_worker(str_from_c(user), WORKERS)];
}

static inline void start_tls(struct world *w, struct ear *client, const char *command)
{
    say(w, client, command);
    struct stream *plain = client->s;
    client->s = NULL;
    buf_release(&client->heard);
    ear_put(client, tls_client_new(w->loop, w->client_tls, plain, STR("mail.example")));
    loop_run(w->loop);
    assert_true(tls_is_ready(client->s));
}

#endif
