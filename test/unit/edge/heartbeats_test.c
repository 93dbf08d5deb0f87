/* Unit tests of heartbeats (X-ID): whole connections on the fake clock; exactly when a client hears that the server is still here, by what
 * it said of itself with ID, before its login or after it. */
#include "house.h"

#include "wire/heartbeats.h"

enum { FULL = 6900 * SECOND };

static int set_up(void **state)
{
    int failed = setup(state);
    struct world *w = *state;
    struct edge_settings s = SETTINGS;
    s.heartbeats = STR("eve:200 zoe:9000");
    s.heartbeat_clients = STR("old?phone/1.*:300 old?phone:900 slow:9000 broken:1");
    open_edge(w, s);
    return failed;
}

/* ann, or who it is, begins to log in, having said before. */
static void log_in_with(struct world *w, const char *user, const char *before)
{
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    say(w, &w->client, before);
    say(w, &w->client, "a LOGIN u p\r\n");
    reply_yes(w, user, STR_EMPTY);
}

static struct role *get_role(struct world *w, const char *user)
{
    return &w->stores[ticket_get_worker(str_from_c(user), WORKERS)];
}

/* The session says octets with its state; heartbeat_s: what it knows of its client. */
static void save(struct world *w, struct role *r, const char *octets, uint16_t heartbeat_s)
{
    struct link_save s = {.may_park = true, .state = STR("state"), .heartbeat_s = heartbeat_s};
    link_save(r->session.s, &s, str_from_c(octets));
    loop_run(w->loop);
}

/* After ms the client hears that the server is here, and not before; and so it goes on. */
static void assert_beats(struct world *w, uint64_t ms)
{
    buf_clear(&w->client.heard);
    for (int i = 0; i < 3; i++) {
        loop_advance(w->loop, ms - 1);
        assert_heard(&w->client, "");
        loop_advance(w->loop, 1);
        assert_heard(&w->client, "* OK Still here\r\n");
        buf_clear(&w->client.heard);
    }
}

/* What is said before the login: each client on a connection of its own. */
static void test_before_login(void **state)
{
    static const struct {
        const char *user;
        const char *id;
        uint64_t ms;
    } CASES[] = {
        {"ann", "i NOOP\r\n", FULL},
        {"ann", "i ID NIL\r\n", FULL},
        {"ann", "i ID (\"name\" \"Old Phone\" \"version\" \"1.7\")\r\n", 300 * SECOND},
        {"ann", "i ID (\"version\" \"2\" \"NAME\" \"old phone\")\r\n", 900 * SECOND},
        {"ann", "i ID (\"name\" \"new phone\")\r\n", FULL},
        {"ann", "i ID (\"name\" \"broken\")\r\n", FULL},
        {"ann", "i ID (\"name\" \"slow\")\r\n", FULL},     /* never less often than for all */
        {"ann", "i ID (\"name\" \"old phone\"\r\n", FULL}, /* a BAD is no ID */
        {"ann", "i ID (\"name\" {9+}\r\nold phone)\r\n", 900 * SECOND},
        /* The last one counts. */
        {"ann", "i ID (\"name\" \"old phone\")\r\nj ID (\"name\" \"new\")\r\n", FULL},
        /* The shorter of the user's and the client's. */
        {"eve", "i ID (\"name\" \"old phone\")\r\n", 200 * SECOND},
        {"eve", "i ID (\"name\" \"new phone\")\r\n", 200 * SECOND},
        {"zoe", "i ID (\"name\" \"old phone\")\r\n", 900 * SECOND},
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        log_in_with(w, CASES[i].user, CASES[i].id);
        save(w, get_role(w, CASES[i].user), "a OK in\r\n", 0);
        assert_beats(w, CASES[i].ms);
        ear_release(&w->client);
        loop_run(w->loop);
    }
}

/* Whoever is in between can say anything before TLS is there, so that is forgotten. */
static void test_before_tls(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    say(w, &w->client, "i ID (\"name\" \"old phone\")\r\n");
    start_tls(w, &w->client, "s STARTTLS\r\n");
    say(w, &w->client, "a LOGIN u p\r\n");
    reply_yes(w, "ann", STR_EMPTY);
    save(w, get_role(w, "ann"), "a OK in\r\n", 0);
    assert_beats(w, FULL);
    ear_release(&w->client);
    loop_run(w->loop);
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    start_tls(w, &w->client, "s STARTTLS\r\n");
    say(w, &w->client, "i ID (\"name\" \"old phone\")\r\n");
    say(w, &w->client, "a LOGIN u p\r\n");
    reply_yes(w, "ann", STR_EMPTY);
    save(w, get_role(w, "ann"), "a OK in\r\n", 0);
    assert_beats(w, 900 * SECOND);
}

/* After the login the session hears it, and says so with its states; in IDLE, which goes on, too. */
static void test_after_login(void **state)
{
    struct world *w = *state;
    log_in_with(w, "ann", "n NOOP\r\n");
    struct role *r = get_role(w, "ann");
    save(w, r, "a OK in\r\n", 0);
    loop_advance(w->loop, 299 * SECOND);
    save(w, r, "* ID NIL\r\ni OK\r\n", 300);
    assert_beats(w, 300 * SECOND);
    save(w, r, "+ idling\r\n", 300);
    assert_beats(w, 300 * SECOND);
    save(w, r, "* 7 EXISTS\r\n", 300);
    assert_beats(w, 300 * SECOND);
    /* A length that is in no list of ours: the other host has other settings. */
    save(w, r, "i OK\r\n", 77);
    assert_beats(w, 77 * SECOND);
    save(w, r, "i OK\r\n", HEARTBEAT_NONE);
    assert_beats(w, FULL);
    save(w, r, "i OK\r\n", 59); /* no length */
    assert_beats(w, FULL);
}

/* What it said holds for as long as it is connected: its session may leave its process, be woken, lose it, and log out of the account. */
static void test_outlives(void **state)
{
    struct world *w = *state;
    log_in_with(w, "ann", "n NOOP\r\n");
    struct role *r = get_role(w, "ann");
    save(w, r, "a OK in\r\n", 0);
    save(w, r, "i OK\r\n", 300);
    assert_true(link_park(&r->session.s, &r->parked));
    loop_run(w->loop);
    assert_beats(w, 300 * SECOND);
    assert_int_equal(r->resumes, 0); /* and wakes nobody */
    link_wake(r->link, r->parked);
    loop_run(w->loop);
    assert_int_equal(r->resumes, 1);
    save(w, r, "* 8 EXISTS\r\n", 0); /* a session that was made again has heard nothing */
    assert_beats(w, 300 * SECOND);
    link_free(&r->link);
    ear_release(&r->session);
    loop_run(w->loop);
    assert_beats(w, 300 * SECOND);
    connect_role(w, r, ROLE_STORE, ticket_get_worker(STR("ann"), WORKERS));
    loop_run(w->loop);
    loop_advance(w->loop, 100);
    link_wake(r->link, r->parked);
    loop_run(w->loop);
    assert_int_equal(r->resumes, 2);
    save(w, r, "* 9 EXISTS\r\n", 0);
    assert_beats(w, 300 * SECOND);
    stream_on_mark(r->session.s, NULL);
    say(w, &w->client, "u UNAUTHENTICATE\r\n");
    stream_mark(r->session.s, 2);
    loop_run(w->loop);
    stream_mark(r->session.s, 2);
    loop_run(w->loop);
    say(w, &w->client, "a LOGIN u p\r\n");
    reply_yes(w, "bob", STR_EMPTY);
    save(w, get_role(w, "bob"), "a OK in\r\n", 0);
    assert_beats(w, 300 * SECOND);
}

/* The worker died before it answered the login, and auth gives no other ticket: what was said before holds for the next login. */
static void test_failed_login(void **state)
{
    struct world *w = *state;
    log_in_with(w, "ann", "i ID (\"name\" \"old phone\")\r\n");
    struct role *r = get_role(w, "ann");
    link_free(&r->link);
    ear_release(&r->session);
    loop_run(w->loop);
    connect_role(w, r, ROLE_STORE, ticket_get_worker(STR("ann"), WORKERS));
    loop_advance(w->loop, 100);
    reply_no(&w->auth, "UNAVAILABLE");
    loop_run(w->loop);
    assert_true(has_heard(&w->client, "a NO [UNAVAILABLE]"));
    say(w, &w->client, "b LOGIN u p\r\n");
    reply_yes(w, "ann", STR_EMPTY);
    save(w, r, "b OK in\r\n", 0);
    assert_beats(w, 900 * SECOND);
}

/* Without keep-alives for all, a client can have them alone; and a silent one of another kind is logged out as ever. */
static void test_without_max_idle(void **state)
{
    struct world *w = *state;
    struct edge_settings s = SETTINGS;
    s.max_idle_ms = 0;
    s.heartbeat_clients = STR("old?phone:900");
    open_edge(w, s);
    log_in_with(w, "ann", "i ID (\"name\" \"old phone\")\r\n");
    save(w, get_role(w, "ann"), "a OK in\r\n", 0);
    assert_beats(w, 900 * SECOND);
    save(w, get_role(w, "ann"), "i OK\r\n", HEARTBEAT_NONE);
    buf_clear(&w->client.heard);
    loop_advance(w->loop, 10799 * SECOND);
    assert_heard(&w->client, "");
    loop_advance(w->loop, SECOND);
    assert_true(has_heard(&w->client, "* BYE"));
}

/* It is nobody's default. */
static void test_off(void **state)
{
    struct world *w = *state;
    open_edge(w, SETTINGS);
    log_in_with(w, "ann", "i ID (\"name\" \"old phone\" \"version\" \"1.7\")\r\n");
    save(w, get_role(w, "ann"), "a OK in\r\n", 0);
    assert_beats(w, FULL);
}

/* There are more lengths than rules. */
static void test_many(void **state)
{
    struct world *w = *state;
    struct edge_settings s = SETTINGS;
    s.heartbeat_clients =
        STR("a:101 a:102 a:103 a:104 a:105 a:106 a:107 a:108 a:109 a:110 a:111 a:112 a:113 a:114 "
            "a:115 p:116 q:117 r:116");
    open_edge(w, s);
    static const struct {
        const char *id;
        uint64_t ms;
    } CASES[] = {
        {"i ID (\"name\" \"p\")\r\n", 116 * SECOND},
        {"i ID (\"name\" \"q\")\r\n", FULL},
        {"i ID (\"name\" \"r\")\r\n", 116 * SECOND},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        log_in_with(w, "ann", CASES[i].id);
        save(w, get_role(w, "ann"), "a OK in\r\n", 0);
        assert_beats(w, CASES[i].ms);
        ear_release(&w->client);
        loop_run(w->loop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_before_login, set_up, teardown),
        cmocka_unit_test_setup_teardown(test_before_tls, set_up, teardown),
        cmocka_unit_test_setup_teardown(test_after_login, set_up, teardown),
        cmocka_unit_test_setup_teardown(test_outlives, set_up, teardown),
        cmocka_unit_test_setup_teardown(test_failed_login, set_up, teardown),
        cmocka_unit_test_setup_teardown(test_without_max_idle, set_up, teardown),
        cmocka_unit_test_setup_teardown(test_off, set_up, teardown),
        cmocka_unit_test_setup_teardown(test_many, set_up, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
