/* The authentication server, from request to reply, on the virtual clock. */
#include "auth/aliases.h"
#include "auth/auth.h"
#include "auth/delays.h"
#include "auth/shares.h"
#include "net/fields.h"

#include "scram_client.h"
#include "unit.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct verifier_cost CHEAP = {1, 8192 * 1024, 4096};
static const uint64_t WALL_MS = 1700000000000;

struct fixture {
    char folder[32];
    char path[64];
    struct loop *loop;
    struct users *users; /* auth's own handle */
    struct users *tool;  /* `limetta user`'s */
    struct ticket_signer *signer;
    struct ticket_checker *checker;
    struct auth *auth;
    struct auth_outside outside;
    struct buf asked; /* what was asked outside, since the last answer */
    void (*answer)(void *asker, enum err e, struct str body);
    void *asker; /* NULL: nobody waits for one */
    struct auth_asker edge;
    struct auth_asker submit;
    /* the last reply */
    unsigned replies;
    uint32_t id;
    struct fields said;
};

static struct fixture *current; /* replies come to a link, which is only a number here */

static void on_reply(void *peer, uint32_t id, struct str body)
{
    if (current->replies > 0) {
        fields_release(&current->said);
    }
    current->replies++;
    current->id = id;
    assert_int_equal(fields_parse(body, &current->said), ERR_OK);
}

static void set_password(struct users *u, struct str name, struct str password, bool is_new)
{
    struct verifier v;
    assert_int_equal(verifier_make(password, &CHEAP, &v), ERR_OK);
    assert_int_equal(is_new ? users_add(u, name, USER_PERSON, &v) : users_set(u, name, &v), ERR_OK);
}

static void ask_outside(void *owner, struct str body,
                        void (*answer)(void *asker, enum err e, struct str body), void *asker)
{
    struct fixture *f = owner;
    buf_clear(&f->asked);
    buf_add(&f->asked, body);
    f->answer = answer;
    f->asker = asker;
}

static void cancel_outside(void *owner, void *asker)
{
    struct fixture *f = owner;
    assert_ptr_equal(f->asker, asker);
    f->asker = NULL;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct buf private_pem = BUF_INIT(4096);
    struct buf public_pem = BUF_INIT(4096);
    assert_non_null(f);
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/auth-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->path, sizeof(f->path), "%s/users.db", f->folder);
    f->loop = loop_new_fake(WALL_MS);
    assert_int_equal(users_open(f->path, &f->users), ERR_OK);
    assert_int_equal(users_open(f->path, &f->tool), ERR_OK);
    set_password(f->tool, STR("anna"), STR("pencil"), true);
    assert_int_equal(ticket_make_keys(&private_pem, &public_pem), ERR_OK);
    assert_int_equal(ticket_signer_new(buf_str(&private_pem), &f->signer), ERR_OK);
    assert_int_equal(ticket_checker_new(buf_str(&public_pem), &f->checker), ERR_OK);
    struct auth_options o = {
        .loop = f->loop,
        .users = f->users,
        .signer = f->signer,
        .addresses = {.domains = STR("example.org"), .delimiters = STR("+")},
        .senders_of_all = STR("root boss"),
        .is_alias_shared = true,
        .plaintext = PLAINTEXT_LOOPBACK,
        .cost = CHEAP,
        .outside = &f->outside,
    };
    f->asked = BUF_INIT(LINK_MESSAGE_MOST);
    f->outside = (struct auth_outside){
        .scope = STR("mail"), .ask = ask_outside, .cancel = cancel_outside, .owner = f};
    assert_int_equal(auth_new(&o, &f->auth), ERR_OK);
    f->edge = (struct auth_asker){&f->edge, ROLE_EDGE, STR("edge-1"), on_reply};
    f->submit = (struct auth_asker){&f->submit, ROLE_SUBMIT, STR("edge-1"), on_reply};
    buf_release(&private_pem);
    buf_release(&public_pem);
    current = f;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->replies > 0) {
        fields_release(&f->said);
    }
    auth_free(&f->auth);
    assert_null(f->asker);
    buf_release(&f->asked);
    ticket_signer_free(&f->signer);
    ticket_checker_free(&f->checker);
    users_close(&f->users);
    users_close(&f->tool);
    loop_free(&f->loop);
    (void)unlink(f->path);
    (void)rmdir(f->folder);
    free(f);
    return 0;
}

/* One request; runs what is due, but moves no time. */
static void ask(struct fixture *f, const struct auth_asker *asker, struct str body)
{
    static uint32_t id;
    unsigned before = f->replies;
    auth_request(f->auth, asker, ++id, body);
    loop_run(f->loop);
    if (f->replies > before) {
        assert_int_equal(f->id, id);
    }
}

static void add_start(struct buf *b, const char *mechanism, struct str data, const char *peer)
{
    buf_clear(b);
    fields_add(b, STR("op"), STR("start"));
    fields_add(b, STR("service"), STR("imap"));
    fields_add(b, STR("mechanism"), str_from_c(mechanism));
    fields_add(b, STR("tls"), STR("1"));
    fields_add(b, STR("peer"), str_from_c(peer));
    fields_add(b, STR("nonce"), STR("0123456789abcdef"));
    if (data.n > 0) {
        fields_add(b, STR("has_initial"), STR("1"));
        fields_add(b, STR("data"), data);
    }
}

static void login(struct fixture *f, struct str message, const char *peer)
{
    struct buf b = BUF_INIT(8192);
    add_start(&b, "PLAIN", message, peer);
    ask(f, &f->edge, buf_str(&b));
    buf_release(&b);
}

static bool is_ok(const struct fixture *f)
{
    return str_eq(fields_get(&f->said, STR("result")), STR("ok"));
}

static void assert_no(const struct fixture *f, const char *code)
{
    assert_str(fields_get(&f->said, STR("result")), STR("no"));
    assert_str(fields_get(&f->said, STR("code")), str_from_c(code));
    assert_false(fields_has(&f->said, STR("ticket")));
}

static void assert_later(const struct fixture *f, const char *all)
{
    assert_str(fields_get(&f->said, STR("result")), STR("later"));
    assert_str(fields_get(&f->said, STR("all")), str_from_c(all));
    assert_true(fields_get_u64(&f->said, STR("wait_ms"), 0) > 0);
}

static void test_bad_requests(void **state)
{
    static const struct {
        const char *body;
        const char *code;
    } CASES[] = {
        {"", "UNKNOWN_COMMAND"},
        {"garbage", "SYNTAX"},
        {"op=\n", "UNKNOWN_COMMAND"},
        {"op=lookup\naddress=anna%40example.org\n", "UNKNOWN_COMMAND"}, /* not the edge's to ask */
        {"op=start\n", "SYNTAX"},
        {"op=start\nservice=imap\nmechanism=PLAIN\nnonce=short\n", "SYNTAX"},
        {"op=start\nservice=ftp\nmechanism=PLAIN\nnonce=0123456789abcdef\n", "SYNTAX"},
        {"op=start\nservice=imap\nmechanism=CRAM-MD5\nnonce=0123456789abcdef\n", "UNSUPPORTED"},
        {"op=start\nservice=imap\nmechanism=SCRAM-SHA-256-PLUS\nnonce=0123456789abcdef\n",
         "UNSUPPORTED"},
        {"op=start\nservice=imap\nmechanism=PLAIN\nnonce=0123456789abcdef\n", "TLS_REQUIRED"},
        {"op=start\nservice=imap\nmechanism=LOGIN\ntls=0\nnonce=0123456789abcdef\n",
         "TLS_REQUIRED"},
        {"op=continue\nexchange=1\ndata=x\n", "TIMEOUT"},
        {"op=cancel\nexchange=1\n", "AUTH_CANCELLED"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        unsigned before = f->replies;
        ask(f, &f->edge, str_from_c(CASES[i].body));
        assert_int_equal(f->replies, before + 1);
        assert_no(f, CASES[i].code);
    }
}

/* D42: the answer, its form and its time say nothing about who exists. */
static void test_same_answer(void **state)
{
    static const struct {
        const char *message;
        size_t n;
    } CASES[] = {
        {"\0anna\0wrong", 11}, {"\0nobody\0pencil", 14}, {"\0a/b\0pencil", 11}, {"\0anna\0\0", 7},
        {"garbage", 7},        {"\0anna\0\xff", 7},      {"\0\0pencil", 8},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char peer[32];
        (void)snprintf(peer, sizeof(peer), "10.%zu.0.1", i);
        unsigned before = f->replies;
        login(f, str_make(CASES[i].message, CASES[i].n), peer);
        loop_advance(f->loop, 249);
        assert_int_equal(f->replies, before); /* held back */
        loop_advance(f->loop, 1);
        assert_int_equal(f->replies, before + 1);
        assert_no(f, "AUTH_FAILED");
        assert_int_equal(f->said.count, 3);
    }
}

static void test_growing_delay(void **state)
{
    struct fixture *f = *state;
    uint64_t delay_ms = 250;
    for (unsigned i = 0; i < 5; i++, delay_ms *= 2) {
        unsigned before = f->replies;
        login(f, STR("\0anna\0wrong"), "192.0.2.1");
        loop_advance(f->loop, delay_ms - 1);
        assert_int_equal(f->replies, before);
        loop_advance(f->loop, 1);
        assert_int_equal(f->replies, before + 1);
    }
    /* who knows the password does not wait, even behind the same address */
    unsigned before = f->replies;
    login(f, STR("\0anna\0pencil"), "192.0.2.1");
    assert_int_equal(f->replies, before + 1);
    assert_true(is_ok(f));
}

static void test_ticket(void **state)
{
    struct fixture *f = *state;
    struct ticket t;
    login(f, STR("anna\0Anna\0pencil"), "192.0.2.1");
    assert_true(is_ok(f));
    struct str octets = fields_get(&f->said, STR("ticket"));
    uint64_t now_ms = loop_wall_ms(f->loop);
    struct ticket_use use = {SERVICE_SUBMIT, STR("edge-1"), (const uint8_t *)"0123456789abcdef",
                             now_ms};
    assert_int_equal(ticket_check(f->checker, octets, &use, &t), ERR_TICKET);
    use.service = SERVICE_IMAP;
    use.now_ms = now_ms + TICKET_LIFE_MS + 1;
    assert_int_equal(ticket_check(f->checker, octets, &use, &t), ERR_TICKET);
    use.now_ms = now_ms;
    assert_int_equal(ticket_check(f->checker, octets, &use, &t), ERR_OK);
    assert_str(t.user, STR("anna"));
    assert_str(t.auth_user, STR("anna"));
}

static void test_authorization_id(void **state)
{
    struct fixture *f = *state;
    set_password(f->tool, STR("bert"), STR("pen"), true);
    login(f, STR("bert\0anna\0pencil"), "192.0.2.1");
    assert_no(f, "NOT_AUTHORIZED");
    /* without the password the same words as ever */
    login(f, STR("bert\0anna\0wrong"), "192.0.2.1");
    loop_advance(f->loop, 250);
    assert_no(f, "AUTH_FAILED");
}

/* A remembered check answers in the same turn, and does not outlive the password or the user. */
static void test_remembered(void **state)
{
    struct fixture *f = *state;
    login(f, STR("\0anna\0pencil"), "192.0.2.1");
    assert_true(is_ok(f));
    struct buf b = BUF_INIT(8192);
    add_start(&b, "PLAIN", STR("\0anna\0pencil"), "192.0.2.1");
    unsigned before = f->replies;
    auth_request(f->auth, &f->edge, 9, buf_str(&b)); /* the loop does not run: no Argon2id */
    assert_int_equal(f->replies, before + 1);
    assert_true(is_ok(f));

    set_password(f->tool, STR("anna"), STR("crayon"), false);
    login(f, STR("\0anna\0pencil"), "192.0.2.1");
    loop_advance(f->loop, 250);
    assert_no(f, "AUTH_FAILED");
    login(f, STR("\0anna\0crayon"), "192.0.2.1");
    assert_true(is_ok(f));

    assert_int_equal(users_delete(f->tool, STR("anna")), ERR_OK);
    login(f, STR("\0anna\0crayon"), "192.0.2.1");
    loop_advance(f->loop, 250);
    assert_no(f, "AUTH_FAILED");
    buf_release(&b);
}

static void go_on(struct fixture *f, const struct auth_asker *asker, struct str exchange,
                  struct str data)
{
    struct buf b = BUF_INIT(8192);
    fields_add(&b, STR("op"), STR("continue"));
    fields_add(&b, STR("exchange"), exchange);
    fields_add(&b, STR("data"), data);
    ask(f, asker, buf_str(&b));
    buf_release(&b);
}

/* Runs SCRAM-SHA-256 to its end. */
static void scram(struct fixture *f, struct str user, struct str password)
{
    struct scram_client c;
    struct buf said = BUF_INIT(8192);
    struct buf b = BUF_INIT(8192);
    scram_client_init(&c, STR("n,,"), STR_EMPTY, user, password);
    scram_client_first(&c, &said);
    add_start(&b, "SCRAM-SHA-256", buf_str(&said), "192.0.2.9");
    ask(f, &f->edge, buf_str(&b));
    assert_str(fields_get(&f->said, STR("result")), STR("challenge"));
    buf_clear(&said);
    scram_client_final(&c, fields_get(&f->said, STR("data")), &said);
    buf_clear(&b);
    buf_add(&b, fields_get(&f->said, STR("exchange")));
    go_on(f, &f->edge, buf_str(&b), buf_str(&said));
    if (is_ok(f)) {
        assert_true(scram_client_is_server(&c, fields_get(&f->said, STR("data"))));
    }
    scram_client_release(&c);
    buf_release(&said);
    buf_release(&b);
}

static void test_scram(void **state)
{
    struct fixture *f = *state;
    unsigned before = f->replies;
    scram(f, STR("anna"), STR("wrong"));
    assert_int_equal(f->replies, before + 1); /* the challenge; the "no" is held back */
    loop_advance(f->loop, 250);
    assert_int_equal(f->replies, before + 2);
    assert_no(f, "AUTH_FAILED");
    scram(f, STR("nobody"), STR("pencil"));
    loop_advance(f->loop, 500);
    assert_no(f, "AUTH_FAILED");
    scram(f, STR("anna"), STR("pencil"));
    assert_true(is_ok(f));
}

/* Takes the salt and the iterations that the server says for user. */
static void get_parameters(struct fixture *f, const char *user, struct buf *out)
{
    struct buf first = BUF_INIT(1024);
    struct buf b = BUF_INIT(8192);
    buf_addf(&first, "n,,n=%s,r=abcdefgh", user);
    add_start(&b, "SCRAM-SHA-256", buf_str(&first), "192.0.2.9");
    ask(f, &f->edge, buf_str(&b));
    struct str said = fields_get(&f->said, STR("data"));
    (void)str_split(&said, ',');
    buf_clear(out);
    buf_add(out, said);
    buf_release(&first);
    buf_release(&b);
}

/* Somebody unknown has a salt like everybody: the same each time, and another for another name. */
static void test_made_up_salt(void **state)
{
    struct fixture *f = *state;
    struct buf anna = BUF_INIT(1024);
    struct buf one = BUF_INIT(1024);
    struct buf again = BUF_INIT(1024);
    struct buf other = BUF_INIT(1024);
    get_parameters(f, "anna", &anna);
    get_parameters(f, "nobody", &one);
    get_parameters(f, "nobody", &again);
    get_parameters(f, "another", &other);
    assert_str(buf_str(&one), buf_str(&again));
    assert_int_equal(one.len, anna.len);
    assert_false(str_eq(buf_str(&one), buf_str(&other)));
    buf_release(&anna);
    buf_release(&one);
    buf_release(&again);
    buf_release(&other);
}

static void test_exchange_life(void **state)
{
    struct fixture *f = *state;
    struct auth_asker other = {&other, ROLE_EDGE, STR("edge-2"), on_reply};
    struct buf b = BUF_INIT(8192);
    struct buf exchange = BUF_INIT(64);
    add_start(&b, "PLAIN", STR_EMPTY, "192.0.2.1");
    ask(f, &f->edge, buf_str(&b));
    assert_str(fields_get(&f->said, STR("result")), STR("challenge"));
    assert_str(fields_get(&f->said, STR("data")), STR_EMPTY);
    buf_add(&exchange, fields_get(&f->said, STR("exchange")));
    /* another link's exchange is out of reach */
    go_on(f, &other, buf_str(&exchange), STR("\0anna\0pencil"));
    assert_no(f, "TIMEOUT");
    go_on(f, &f->edge, buf_str(&exchange), STR("\0anna\0pencil"));
    assert_true(is_ok(f));
    go_on(f, &f->edge, buf_str(&exchange), STR("\0anna\0pencil"));
    assert_no(f, "TIMEOUT");

    ask(f, &f->edge, buf_str(&b));
    buf_clear(&exchange);
    buf_add(&exchange, fields_get(&f->said, STR("exchange")));
    loop_advance(f->loop, AUTH_EXCHANGE_TIMEOUT_MS);
    go_on(f, &f->edge, buf_str(&exchange), STR("\0anna\0pencil"));
    assert_no(f, "TIMEOUT");

    ask(f, &f->edge, buf_str(&b));
    buf_clear(&b);
    fields_add(&b, STR("op"), STR("cancel"));
    fields_add(&b, STR("exchange"), fields_get(&f->said, STR("exchange")));
    ask(f, &f->edge, buf_str(&b));
    assert_no(f, "AUTH_CANCELLED");
    buf_release(&b);
    buf_release(&exchange);
}

static void test_forgotten_link(void **state)
{
    struct fixture *f = *state;
    login(f, STR("\0anna\0wrong"), "192.0.2.1");
    unsigned before = f->replies;
    auth_forget(f->auth, f->edge.peer);
    loop_advance(f->loop, 60000);
    assert_int_equal(f->replies, before);
}

static void test_bound(void **state)
{
    struct fixture *f = *state;
    struct buf b = BUF_INIT(8192);
    add_start(&b, "PLAIN", STR_EMPTY, "192.0.2.1");
    for (unsigned i = 0; i < AUTH_ATTEMPTS_MOST; i++) {
        auth_request(f->auth, &f->edge, i, buf_str(&b));
        assert_str(fields_get(&f->said, STR("result")), STR("challenge"));
    }
    uint64_t last = fields_get_u64(&f->said, STR("exchange"), 0);
    login(f, STR("\0anna\0pencil"),
          "192.0.2.1"); /* the client that has been silent for longest makes room */
    assert_true(is_ok(f));
    buf_clear(&b);
    buf_addf(&b, "op=continue\nexchange=%llu\ndata=%%00anna%%00pencil\n",
             (unsigned long long)last - AUTH_ATTEMPTS_MOST + 1);
    ask(f, &f->edge, buf_str(&b));
    assert_no(f, "TIMEOUT");
    buf_clear(&b);
    buf_addf(&b, "op=continue\nexchange=%llu\ndata=%%00anna%%00pencil\n", (unsigned long long)last);
    ask(f, &f->edge, buf_str(&b));
    assert_true(is_ok(f));
    buf_release(&b);
}

/* A crowd of guessers hears its answers early, and keeps nobody out. */
static void test_bound_of_held_back(void **state)
{
    struct fixture *f = *state;
    char peer[32];
    for (unsigned i = 0; i < AUTH_ATTEMPTS_MOST; i++) {
        struct buf b = BUF_INIT(8192);
        (void)snprintf(peer, sizeof(peer), "10.%u.%u.1", i >> 8, i & 0xff);
        add_start(&b, "SCRAM-SHA-256", STR("garbage"), peer);
        auth_request(f->auth, &f->edge, i, buf_str(&b));
        buf_release(&b);
    }
    assert_int_equal(f->replies, 0);
    auth_request(f->auth, &f->edge, AUTH_ATTEMPTS_MOST, STR("op=cancel\n"));
    assert_int_equal(f->replies, 1);
    struct buf b = BUF_INIT(8192);
    add_start(&b, "PLAIN", STR("\0anna\0pencil"), "192.0.2.1");
    auth_request(f->auth, &f->edge, AUTH_ATTEMPTS_MOST + 1, buf_str(&b));
    assert_int_equal(f->id, 0); /* the first of the crowd */
    assert_no(f, "AUTH_FAILED");
    loop_run(f->loop);
    assert_int_equal(f->id, AUTH_ATTEMPTS_MOST + 1);
    assert_true(is_ok(f));
    buf_release(&b);
}

/* The line for Argon2id is not one address's alone. */
static void test_bound_of_checks(void **state)
{
    struct fixture *f = *state;
    unit_skip_if_slow();
    struct buf b = BUF_INIT(8192);
    add_start(&b, "PLAIN", STR("\0anna\0wrong"), "192.0.2.1");
    for (unsigned i = 0; i < AUTH_CHECKS_MOST; i++) {
        auth_request(f->auth, &f->edge, i, buf_str(&b));
    }
    assert_int_equal(f->replies, 0);
    auth_request(f->auth, &f->edge, AUTH_CHECKS_MOST, buf_str(&b));
    assert_later(f, "0");
    add_start(&b, "PLAIN", STR("\0anna\0wrong"), "192.0.2.2");
    auth_request(f->auth, &f->edge, AUTH_CHECKS_MOST + 1, buf_str(&b));
    assert_int_equal(f->replies, 1);
    loop_run(f->loop); /* the checks end, and the answers are held back */
    buf_release(&b);
}

/* One guesser cannot fill the table: his address waits, others are served. */
static void test_bound_of_an_address(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < AUTH_HELD_BACK_MOST; i++) {
        login(f, STR("\0anna\0wrong"), "2001:db8::1");
    }
    assert_int_equal(f->replies, 0);
    login(f, STR("\0anna\0pencil"), "2001:db8::ffff");
    assert_later(f, "0");
    login(f, STR("\0anna\0pencil"), "2001:db8:0:1::1");
    assert_true(is_ok(f));
    loop_advance(f->loop, 60000);
    login(f, STR("\0anna\0pencil"), "2001:db8::ffff");
    assert_true(is_ok(f));
}

/* D42: whatever is wrong, edge hears the same octets after the same work: one Argon2id run in the same line, one answer
 * held back for as long. */
static void test_same_shape(void **state)
{
    static const char *const NAMES[] = {"anna", "nobody", "a-name-that-is-longer-than-any-other"};
    struct fixture *f = *state;
    size_t size = 0;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        struct buf b = BUF_INIT(8192);
        struct buf message = BUF_INIT(256);
        char peer[32];
        (void)snprintf(peer, sizeof(peer), "10.%zu.0.1", i);
        buf_add_char(&message, '\0');
        buf_add_c(&message, NAMES[i]);
        buf_add(&message, STR("\0wrong"));
        add_start(&b, "PLAIN", buf_str(&message), peer);
        unsigned before = f->replies;
        auth_request(f->auth, &f->edge, 9, buf_str(&b));
        assert_int_equal(f->replies, before); /* nobody is answered before the check */
        loop_run(f->loop);
        assert_int_equal(f->replies, before);
        loop_advance(f->loop, 250);
        assert_int_equal(f->replies, before + 1);
        assert_no(f, "AUTH_FAILED");
        size = i == 0 ? f->said.octets.len : size;
        assert_int_equal(f->said.octets.len, size);
        buf_release(&b);
        buf_release(&message);
    }
}

/* An edge that says another address each time does not guess faster for it, and other accounts and edges are served. */
static void test_bound_of_an_account(void **state)
{
    struct fixture *f = *state;
    struct auth_asker other = {&other, ROLE_EDGE, STR("edge-2"), on_reply};
    struct buf b = BUF_INIT(8192);
    for (unsigned i = 0; i < AUTH_HELD_BACK_PER_ACCOUNT; i++) {
        char peer[32];
        (void)snprintf(peer, sizeof(peer), "10.0.%u.1", i);
        login(f, STR("\0anna\0wrong"), peer);
    }
    unsigned before = f->replies;
    login(f, STR("\0anna\0pencil"), "10.1.0.1");
    assert_int_equal(f->replies, before + 1);
    assert_later(f, "0");
    login(f, STR("\0bert\0wrong"), "10.1.0.1");
    assert_int_equal(f->replies, before + 1); /* looked at, and held back like any */
    add_start(&b, "PLAIN", STR("\0anna\0pencil"), "10.1.0.2");
    ask(f, &other, buf_str(&b));
    assert_true(is_ok(f));
    login(f, STR("\0anna\0pencil"), "10.1.0.3"); /* the check is remembered now */
    assert_true(is_ok(f));
    buf_release(&b);
}

/* Through one edge a thousand guesses wait; a login through another one is checked next but some. */
static void test_edges_take_turns(void **state)
{
    struct shares *s = shares_new(2);
    struct share *bad = shares_get(s, STR("bad"));
    struct share *good = shares_get(s, STR("good"));
    struct list flood[100];
    struct list login_node;
    for (size_t i = 0; i < 100; i++) {
        list_append(&bad->waiting, &flood[i]);
    }
    list_append(&good->waiting, &login_node);
    (void)shares_next(s);
    assert_ptr_equal(shares_next(s), &login_node);
    assert_ptr_equal(shares_next(s), &flood[1]);
    assert_ptr_equal(shares_get(s, STR("bad")), bad);
    bad->attempts = 3;
    assert_ptr_equal(shares_find_largest(s), bad);
    assert_true(shares_begin(s, bad, 0) == 0);
    assert_true(shares_begin(s, bad, 1000) == 0);
    assert_true(shares_begin(s, bad, 2000)
                == 28001); /* a half-minute each, and two seconds are gone */
    assert_true(shares_begin(s, good, 2000) == 0);
    assert_true(shares_begin(s, bad, 30000) == 0);
    assert_true(shares_begin(s, bad, 30001) > 0);
    shares_free(&s);
}

/* Logins that succeed hardly count, however many they are. */
static void test_storm_of_the_good(void **state)
{
    enum { MOST = 100, GOOD = 15 * MOST };
    struct shares *s = shares_new(MOST);
    struct share *edge = shares_get(s, STR("edge"));
    (void)state;
    for (unsigned i = 0; i < GOOD; i++) {
        assert_true(shares_begin(s, edge, 1000) == 0);
        shares_note_success(s, edge, 1000);
    }
    unsigned begun = 0;
    while (shares_begin(s, edge, 1000) == 0) {
        begun++;
    }
    assert_in_range(begun, MOST / 16 - 1, MOST / 16 + 1);
    shares_take_back(s, edge, 1000); /* as if the last one had not begun */
    assert_true(shares_begin(s, edge, 1000) == 0);
    assert_true(shares_begin(s, edge, 1000) > 0);
    shares_note_success(s, edge, 1000 + 120 * 1000); /* long after: nothing is left to give back */
    for (unsigned i = 0; i < MOST; i++) {
        assert_true(shares_begin(s, edge, 1000 + 120 * 1000) == 0);
    }
    assert_true(shares_begin(s, edge, 1000 + 120 * 1000) > 0);
    shares_free(&s);
}

/* A ticket that came too late: another one, for the same session, for a while. */
static void test_again(void **state)
{
    struct fixture *f = *state;
    struct buf b = BUF_INIT(8192);
    struct buf first = BUF_INIT(4096);
    struct auth_asker other = {&other, ROLE_EDGE, STR("edge-2"), on_reply};
    struct ticket was;
    struct ticket is;
    login(f, STR("\0anna\0pencil"), "192.0.2.1");
    assert_true(is_ok(f));
    buf_add(&first, fields_get(&f->said, STR("ticket")));
    assert_int_equal(ticket_read(buf_str(&first), &was), ERR_OK);
    fields_add(&b, STR("op"), STR("again"));
    fields_add(&b, STR("ticket"), buf_str(&first));
    loop_advance(f->loop, TICKET_RENEW_MS);
    ask(f, &f->edge, buf_str(&b));
    assert_true(is_ok(f));
    assert_int_equal(ticket_read(fields_get(&f->said, STR("ticket")), &is), ERR_OK);
    assert_str(is.user, STR("anna"));
    assert_memory_equal(is.nonce, was.nonce, sizeof(is.nonce));
    assert_memory_not_equal(is.id, was.id, sizeof(is.id));
    assert_true(is.since_ms == was.since_ms);
    assert_true(is.expires_ms == was.expires_ms + TICKET_RENEW_MS);
    ask(f, &other, buf_str(&b)); /* another edge's */
    assert_no(f, "UNAVAILABLE");
    loop_advance(f->loop, 1);
    ask(f, &f->edge, buf_str(&b)); /* too late */
    assert_no(f, "UNAVAILABLE");
    ask(f, &f->edge, STR("op=again\nticket=x\n"));
    assert_no(f, "UNAVAILABLE");
    login(f, STR("\0anna\0pencil"), "192.0.2.1");
    buf_clear(&b);
    fields_add(&b, STR("op"), STR("again"));
    fields_add(&b, STR("ticket"), fields_get(&f->said, STR("ticket")));
    ask(f, &f->edge, buf_str(&b));
    assert_true(is_ok(f));
    auth_drop_user(f->auth,
                   STR("anna")); /* the operator ends her sessions: this was one in the making */
    ask(f, &f->edge, buf_str(&b));
    assert_no(f, "UNAVAILABLE");
    buf_release(&first);
    buf_release(&b);
}

/* Before it ends: what was begun ends, what comes is for its successor. */
static void test_stop(void **state)
{
    struct fixture *f = *state;
    login(f, STR("\0anna\0wrong"), "192.0.2.1");
    assert_int_equal(f->replies, 0);
    auth_stop(f->auth);
    assert_int_equal(f->replies, 1);
    assert_no(f, "AUTH_FAILED");
    login(f, STR("\0anna\0pencil"), "192.0.2.2");
    assert_later(f, "1");
    assert_int_equal(auth_get_counts(f->auth).attempts, 0);
    assert_int_equal(auth_get_counts(f->auth).postponed, 1);
}

static void test_lookup(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(alias_add(f->tool, STR("team"), STR("anna")), ERR_OK);
    assert_int_equal(alias_add(f->tool, STR("team"), STR("bob@elsewhere.org")), ERR_OK);
    ask(f, &f->submit, STR("op=lookup\naddress=anna+x%40example.org\n"));
    assert_true(is_ok(f));
    assert_str(fields_get(&f->said, STR("user")), STR("anna"));
    assert_str(fields_get(&f->said, STR("detail")), STR("x"));
    ask(f, &f->submit, STR("op=lookup\naddress=team%40example.org\n"));
    assert_true(is_ok(f));
    assert_str(fields_get(&f->said, STR("user")), STR_EMPTY);
    assert_str(fields_get(&f->said, STR("targets")), STR("anna@example.org bob@elsewhere.org"));
    assert_str(fields_get(&f->said, STR("users")), STR("anna ."));
    ask(f, &f->submit, STR("op=sender\nuser=anna\naddress=team%40example.org\n"));
    assert_true(is_ok(f));
    ask(f, &f->submit, STR("op=sender\nuser=anna\naddress=bob%40elsewhere.org\n"));
    assert_str(fields_get(&f->said, STR("result")), STR("no"));
    ask(f, &f->submit, STR("op=sender\nuser=boss\naddress=bob%40elsewhere.org\n"));
    assert_true(is_ok(f)); /* one of senders_of_all */
    ask(f, &f->submit, STR("op=lookup\naddress=bert%40example.org\n"));
    assert_str(fields_get(&f->said, STR("result")), STR("no"));
    ask(f, &f->submit, STR("op=start\n")); /* submit logs nobody in */
    assert_no(f, "UNKNOWN_COMMAND");
}

/* ---- somebody else knows: X-LDAP, X-OAUTH ---- */

static void answer(struct fixture *f, enum err e, const char *body)
{
    void *asker = f->asker;
    assert_non_null(asker);
    f->asker = NULL;
    f->answer(asker, e, str_from_c(body));
    loop_run(f->loop);
}

static void add_outside_user(struct fixture *f, struct str name)
{
    struct verifier v;
    assert_int_equal(verifier_make_outside(&v), ERR_OK);
    assert_true(verifier_is_outside(&v));
    assert_int_equal(users_add(f->tool, name, USER_PERSON, &v), ERR_OK);
}

static struct str get_user(struct fixture *f)
{
    struct ticket t;
    assert_true(is_ok(f));
    assert_int_equal(ticket_read(fields_get(&f->said, STR("ticket")), &t), ERR_OK);
    return t.user;
}

static void test_outside_password(void **state)
{
    struct fixture *f = *state;
    add_outside_user(f, STR("otto"));
    login(f, STR("\0otto\0beer"), "10.0.0.1"); /* nobody else is there to ask */
    loop_advance(f->loop, DELAY_FIRST_MS);
    assert_no(f, "AUTH_FAILED");
    f->outside.has_passwords = true;
    login(f, STR("\0anna\0pencil"), "10.0.0.2"); /* ours stay ours */
    assert_str(get_user(f), STR("anna"));
    assert_null(f->asker);
    login(f, STR("\0otto\0"), "10.0.0.3"); /* an empty one is never asked about */
    assert_null(f->asker);
    loop_advance(f->loop, DELAY_FIRST_MS);
    assert_no(f, "AUTH_FAILED");
    login(f, STR("\0otto\0beer"), "10.0.0.4");
    assert_str(buf_str(&f->asked), STR("op=password\nuser=otto\npassword=beer\n"));
    answer(f, ERR_OK, "result=ok\n");
    assert_str(get_user(f), STR("otto"));
    login(f, STR("\0otto\0beer"), "10.0.0.4"); /* asked anew: it may have been taken back */
    answer(f, ERR_OK, "result=no\n");
    loop_advance(f->loop, DELAY_FIRST_MS);
    assert_no(f, "AUTH_FAILED");
    login(f, STR("\0otto\0beer"), "10.0.0.5");
    answer(f, ERR_OK, "result=later\n");
    assert_no(f, "UNAVAILABLE");
    login(f, STR("\0otto\0beer"), "10.0.0.5");
    answer(f, ERR_UNAVAILABLE, ""); /* verify went */
    assert_later(f, "0");
    login(f, STR("bob\0otto\0beer"), "10.0.0.6");
    answer(f, ERR_OK, "result=ok\n");
    assert_no(f, "NOT_AUTHORIZED");
}

/* Who is not one of ours gets in only where the operator says so. */
static void test_outside_users(void **state)
{
    struct fixture *f = *state;
    f->outside.has_passwords = true;
    login(f, STR("\0new\0beer"), "10.0.0.1");
    answer(f, ERR_OK, "result=ok\n");
    loop_advance(f->loop, DELAY_FIRST_MS);
    assert_no(f, "AUTH_FAILED");
    f->outside.makes_users = true;
    login(f, STR("\0new\0beer"), "10.0.0.2");
    answer(f, ERR_OK, "result=ok\n");
    assert_str(get_user(f), STR("new"));
    assert_int_equal(users_find(f->tool, STR("new"), NULL, NULL), ERR_OK);
    login(f, STR("\0anna\0wrong"), "10.0.0.3"); /* a password here is not overruled */
    assert_null(f->asker);
    loop_advance(f->loop, DELAY_FIRST_MS);
    assert_no(f, "AUTH_FAILED");
}

/* D42: a failure is answered at the same times after the question, however long somebody else thought about it. */
static void test_outside_time(void **state)
{
    struct fixture *f = *state;
    f->outside.has_passwords = true;
    login(f, STR("\0anna\0wrong"), "10.1.0.1");
    login(f, STR("\0nobody\0wrong"), "10.2.0.1");
    loop_advance(f->loop, 140);
    answer(f, ERR_OK, "result=no\n");
    loop_advance(f->loop, DELAY_FIRST_MS - 140);
    assert_int_equal(f->replies, 1);
    loop_advance(f->loop, DELAY_FIRST_MS - 1);
    assert_int_equal(f->replies, 1);
    loop_advance(f->loop, 1);
    assert_int_equal(f->replies, 2);
    assert_no(f, "AUTH_FAILED");
}

static void bring_token(struct fixture *f, const char *mechanism, struct str message,
                        const char *peer)
{
    struct buf b = BUF_INIT(8192);
    add_start(&b, mechanism, message, peer);
    ask(f, &f->edge, buf_str(&b));
    buf_release(&b);
}

/* The token does not do: the client hears why, says something, and fails. */
static void assert_refused_token(struct fixture *f)
{
    struct buf b = BUF_INIT(200);
    assert_str(fields_get(&f->said, STR("result")), STR("challenge"));
    assert_str(fields_get(&f->said, STR("data")),
               STR("{\"status\":\"invalid_token\",\"scope\":\"mail\"}"));
    buf_addf(&b, "op=continue\ndata=%%01\nexchange=%llu\n",
             (unsigned long long)fields_get_u64(&f->said, STR("exchange"), 0));
    ask(f, &f->edge, buf_str(&b));
    loop_advance(f->loop, DELAY_MOST_MS);
    assert_no(f, "AUTH_FAILED");
    buf_release(&b);
}

static void test_token(void **state)
{
    static const struct {
        struct str message;
        const char *answer;
        const char *user; /* NULL: refused */
    } CASES[] = {
        {STR("n,,\1auth=Bearer x\1\1"), "result=ok\nuser=anna\n", "anna"},
        {STR("n,,\1auth=Bearer x\1\1"), "result=ok\nuser=anna%40example.org\n", "anna"},
        {STR("n,a=anna@example.org,\1auth=Bearer x\1\1"), "result=ok\nuser=anna\n", "anna"},
        {STR("n,a=otto,\1auth=Bearer x\1\1"), "result=ok\nuser=anna\n", NULL},
        {STR("n,a=anna,\1auth=Bearer x\1\1"), "result=ok\nuser=anna%40elsewhere.org\n", NULL},
        {STR("n,,\1auth=Bearer x\1\1"), "result=ok\nuser=anna%40elsewhere.org\n", NULL},
        {STR("n,,\1auth=Bearer x\1\1"), "result=ok\nuser=info%40example.org\n", NULL},
        {STR("n,,\1auth=Bearer x\1\1"), "result=ok\nuser=anna%2Bx%40example.org\n", NULL},
        {STR("n,,\1auth=Bearer x\1\1"), "result=ok\nuser=machine\n", NULL},
        {STR("n,,\1auth=Bearer x\1\1"), "result=ok\nuser=a%2Fb\n", NULL},
        {STR("n,,\1auth=Bearer x\1\1"), "result=ok\n", NULL},
        {STR("n,,\1auth=Bearer x\1\1"), "result=no\nuser=anna\n", NULL},
    };
    struct fixture *f = *state;
    struct verifier v;
    f->outside.has_tokens = true;
    assert_int_equal(alias_add(f->tool, STR("info"), STR("anna")), ERR_OK);
    assert_int_equal(alias_add(f->tool, STR("@example.org"), STR("anna")), ERR_OK);
    assert_int_equal(verifier_make_outside(&v), ERR_OK);
    assert_int_equal(users_add(f->tool, STR("machine"), USER_ENTITY, &v), ERR_OK);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        bring_token(f, "OAUTHBEARER", CASES[i].message, "10.0.0.1");
        assert_str(buf_str(&f->asked), STR("op=token\ntoken=x\n"));
        answer(f, ERR_OK, CASES[i].answer);
        if (CASES[i].user != NULL) {
            assert_str(get_user(f), str_from_c(CASES[i].user));
        } else {
            assert_refused_token(f);
        }
    }
    bring_token(f, "XOAUTH2", STR("user=anna\1auth=Bearer y\1\1"), "10.0.0.1");
    answer(f, ERR_OK, "result=ok\nuser=anna\n");
    assert_str(get_user(f), STR("anna"));
    bring_token(f, "XOAUTH2", STR("user=anna\1auth=Bearer y\1\1"), "10.0.0.1");
    answer(f, ERR_UNAVAILABLE, ""); /* verify went */
    assert_later(f, "0");
}

/* Whoever goes when his token was refused, and does not wait for the "no", has failed all the same. */
static void test_token_cancelled(void **state)
{
    struct fixture *f = *state;
    f->outside.has_tokens = true;
    bring_token(f, "OAUTHBEARER", STR("n,,\1auth=Bearer x\1\1"), "10.0.0.1");
    answer(f, ERR_OK, "result=no\n");
    struct buf b = BUF_INIT(200);
    buf_addf(&b, "op=cancel\nexchange=%llu\n",
             (unsigned long long)fields_get_u64(&f->said, STR("exchange"), 0));
    assert_int_equal(auth_get_counts(f->auth).failed, 0);
    ask(f, &f->edge, buf_str(&b));
    assert_int_equal(auth_get_counts(f->auth).failed, 1);
    assert_int_equal(auth_get_counts(f->auth).attempts, 1); /* its place is taken for a while */
    loop_advance(f->loop, DELAY_MOST_MS);
    assert_int_equal(auth_get_counts(f->auth).attempts, 0);
    buf_release(&b);
}

/* Logins that find nobody outside come again, and do not use up what the edge has for them. */
static void test_outside_is_away(void **state)
{
    struct fixture *f = *state;
    struct auth_options o = {.loop = f->loop,
                             .users = f->users,
                             .signer = f->signer,
                             .edge_minute_most = 1,
                             .plaintext = PLAINTEXT_LOOPBACK,
                             .cost = CHEAP,
                             .outside = &f->outside};
    auth_free(&f->auth);
    assert_int_equal(auth_new(&o, &f->auth), ERR_OK);
    f->outside.has_passwords = true;
    for (int i = 0; i < 3; i++) {
        login(f, STR("\0nobody\0beer"), "10.0.0.1");
        answer(f, ERR_UNAVAILABLE, "");
        assert_later(f, "0");
    }
    login(f, STR("\0nobody\0beer"), "10.0.0.1");
    answer(f, ERR_OK, "result=no\n");
    loop_advance(f->loop, DELAY_FIRST_MS);
    assert_no(f, "AUTH_FAILED");
    login(f, STR("\0nobody\0beer"), "10.0.0.1");
    assert_later(f, "1"); /* that one counts */
}

/* The client goes while somebody is asked: the answer is nobody's. */
static void test_outside_forgotten(void **state)
{
    struct fixture *f = *state;
    f->outside.has_passwords = true;
    login(f, STR("\0nobody\0beer"), "10.0.0.1");
    assert_non_null(f->asker);
    auth_forget(f->auth, f->edge.peer);
    assert_null(f->asker);
    login(f, STR("\0nobody\0beer"), "10.0.0.1"); /* and that auth goes */
    assert_non_null(f->asker);
}

/* Logins of a user that are under way come to nothing, in each of their states; others go on. */
static void test_dropped_user(void **state)
{
    struct fixture *f = *state;
    struct scram_client c;
    struct buf said = BUF_INIT(8192);
    struct buf b = BUF_INIT(8192);
    set_password(f->tool, STR("bob"), STR("crayon"), true);
    /* Argon2id runs. */
    add_start(&b, "PLAIN", STR("\0anna\0pencil"), "10.0.0.1");
    auth_request(f->auth, &f->edge, 901, buf_str(&b));
    auth_drop_user(f->auth, STR("anna"));
    assert_int_equal(f->id, 901);
    assert_no(f, "UNAVAILABLE");
    unsigned before = f->replies;
    loop_run(f->loop);
    assert_int_equal(f->replies, before);
    /* The client has a challenge. */
    scram_client_init(&c, STR("n,,"), STR_EMPTY, STR("anna"), STR("pencil"));
    scram_client_first(&c, &said);
    add_start(&b, "SCRAM-SHA-256", buf_str(&said), "10.0.0.2");
    ask(f, &f->edge, buf_str(&b));
    buf_clear(&said);
    scram_client_final(&c, fields_get(&f->said, STR("data")), &said);
    buf_clear(&b);
    buf_add(&b, fields_get(&f->said, STR("exchange")));
    auth_drop_user(f->auth, STR("bob")); /* somebody else */
    before = f->replies;
    auth_drop_user(f->auth, STR("anna"));
    assert_int_equal(f->replies, before); /* nothing was asked */
    go_on(f, &f->edge, buf_str(&b), buf_str(&said));
    assert_no(f, "TIMEOUT");
    scram_client_release(&c);
    /* Somebody else is asked. */
    add_outside_user(f, STR("otto"));
    f->outside.has_passwords = true;
    login(f, STR("\0otto\0beer"), "10.0.0.3");
    assert_non_null(f->asker);
    auth_drop_user(f->auth, STR("otto"));
    assert_null(f->asker);
    assert_no(f, "UNAVAILABLE");
    /* A "no" that is held back stays what it is. */
    login(f, STR("\0anna\0wrong"), "10.0.0.4");
    before = f->replies;
    auth_drop_user(f->auth, STR("anna"));
    assert_int_equal(f->replies, before);
    loop_advance(f->loop, 60 * 1000);
    assert_no(f, "AUTH_FAILED");
    login(f, STR("\0anna\0pencil"), "10.0.0.5");
    assert_true(is_ok(f));
    assert_int_equal(auth_get_counts(f->auth).attempts, 0);
    buf_release(&said);
    buf_release(&b);
}

/* Auth goes while a helper thread checks a password: what that holds goes when it is done. */
static void test_gone_amid_a_check(void **state)
{
    struct fixture *f = *state;
    struct buf b = BUF_INIT(8192);
    add_start(&b, "PLAIN", STR("\0anna\0beer"), "10.0.0.1");
    auth_request(f->auth, &f->edge, 1, buf_str(&b));
    buf_release(&b);
    auth_free(&f->auth);
    loop_run(f->loop);
    assert_int_equal(f->replies, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bound_of_held_back),
        TEST(test_bound_of_checks),
        TEST(test_bad_requests),
        TEST(test_gone_amid_a_check),
        TEST(test_dropped_user),
        TEST(test_same_answer),
        TEST(test_growing_delay),
        TEST(test_ticket),
        TEST(test_remembered),
        TEST(test_scram),
        TEST(test_authorization_id),
        TEST(test_made_up_salt),
        TEST(test_exchange_life),
        TEST(test_bound_of_an_address),
        TEST(test_forgotten_link),
        TEST(test_bound),
        TEST(test_lookup),
        TEST(test_outside_password),
        TEST(test_outside_users),
        TEST(test_outside_time),
        TEST(test_token),
        TEST(test_token_cancelled),
        TEST(test_outside_is_away),
        TEST(test_outside_forgotten),
        TEST(test_same_shape),
        TEST(test_bound_of_an_account),
        TEST(test_edges_take_turns),
        TEST(test_storm_of_the_good),
        TEST(test_again),
        TEST(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
