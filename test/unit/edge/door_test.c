/* Unit tests of who may come in, and what a stranger may take: on the fake clock, with addresses of all sorts. */
#include "house.h"

enum { GUESTS = 12 };

static struct edge_settings make_settings(void)
{
    struct edge_settings s = SETTINGS;
    s.connections_most = 100;
    s.strangers_most = 100;
    s.per_address = (struct limits_bounds){.connections = 50};
    return s;
}

static void release_all(struct world *w, struct ear *guests)
{
    for (int i = 0; i < GUESTS; i++) {
        ear_release(&guests[i]);
    }
    loop_run(w->loop);
}

static uint64_t count_shed(const struct world *w, enum edge_shed why)
{
    return edge_get_counts(w->edge).shed[why];
}

/* An address full of strangers: its own longest silent one makes room, so that others behind the address still get in. */
static void test_neighbours_make_room(void **state)
{
    struct world *w = *state;
    struct ear guests[GUESTS] = {{0}};
    struct edge_settings s = make_settings();
    s.per_address.strangers = 3;
    s.per_prefix.strangers = 4;
    open_edge(w, s);
    connect_as(w, &guests[0], SERVICE_IMAP, "203.0.113.1");
    for (int i = 1; i < 4; i++) {
        loop_advance(w->loop, SECOND);
        connect_as(w, &guests[i], SERVICE_IMAP, "198.51.100.1");
    }
    say(w, &guests[1], "a NOOP\r\n");
    connect_as(w, &guests[4], SERVICE_IMAP, "198.51.100.1");
    assert_true(has_heard(&guests[4], "* OK"));
    assert_true(has_heard(&guests[2], "* BYE [UNAVAILABLE]"));
    assert_int_equal(guests[0].ended + guests[1].ended + guests[3].ended, 0);
    /* The prefix: another address of it may, but no more than four of all. */
    connect_as(w, &guests[5], SERVICE_IMAP, "198.51.100.2");
    assert_true(has_heard(&guests[5], "* OK"));
    connect_as(w, &guests[6], SERVICE_IMAP, "198.51.100.3");
    assert_true(has_heard(&guests[6], "* OK"));
    assert_true(has_heard(&guests[3], "* BYE [UNAVAILABLE]"));
    assert_int_equal(guests[0].ended, 0);
    assert_int_equal(count_shed(w, SHED_ADDRESS), 2);
    release_all(w, guests);
}

/* Strangers have a bound of their own, and who logged in is none. */
static void test_house_full_of_strangers(void **state)
{
    struct world *w = *state;
    struct ear guests[GUESTS] = {{0}};
    struct edge_settings s = make_settings();
    s.strangers_most = 2;
    open_edge(w, s);
    (void)log_in(w, &w->client, "ann");
    for (int i = 0; i < 4; i++) {
        loop_advance(w->loop, SECOND);
        connect_as(w, &guests[i], SERVICE_IMAP, "198.51.100.1");
        assert_true(has_heard(&guests[i], "* OK"));
    }
    assert_int_equal(guests[0].ended + guests[1].ended, 2);
    assert_int_equal(guests[2].ended + guests[3].ended + w->client.ended, 0);
    assert_int_equal(count_shed(w, SHED_IDLE), 2);
    release_all(w, guests);
}

static void test_too_often(void **state)
{
    struct world *w = *state;
    struct ear guests[GUESTS] = {{0}};
    struct edge_settings s = make_settings();
    s.per_address.begun_minute = 2;
    open_edge(w, s);
    for (int i = 0; i < 3; i++) {
        connect_as(w, &guests[i], SERVICE_SUBMIT, "198.51.100.1");
    }
    assert_true(has_heard(&guests[1], "220 "));
    assert_heard(&guests[2], "421 4.3.2 mail.example Temporarily unavailable; try again\r\n");
    assert_int_equal(count_shed(w, SHED_OFTEN), 1);
    loop_advance(w->loop, 30 * SECOND);
    connect_as(w, &guests[3], SERVICE_SUBMIT, "198.51.100.1");
    assert_true(has_heard(&guests[3], "220 "));
    for (int i = 4; i < 8; i++) { /* those who are exempt */
        connect_as(w, &guests[i], SERVICE_SUBMIT, "127.0.0.9");
        assert_true(has_heard(&guests[i], "220 "));
    }
    release_all(w, guests);
}

/* Commands keep a stranger's silence short, but do not make him a guest. Who logged in and out (RFC 8437) has as much time again. */
static void test_login_time(void **state)
{
    struct world *w = *state;
    struct edge_settings s = make_settings();
    s.login_time_ms = 600 * SECOND;
    open_edge(w, s);
    connect_as(w, &w->client, SERVICE_IMAP, "198.51.100.1");
    for (int i = 0; i < 5; i++) {
        loop_advance(w->loop, 100 * SECOND);
        say(w, &w->client, "a NOOP\r\n");
        assert_heard(&w->client, "a OK Nothing done\r\n");
    }
    loop_advance(w->loop, 101 * SECOND);
    assert_true(has_heard(&w->client, "* BYE [UNAVAILABLE] Timed out"));
    assert_int_equal(count_shed(w, SHED_LATE), 1);
    ear_release(&w->client);
    (void)log_in(w, &w->client, "ann");
    loop_advance(w->loop, HOUR);
    assert_int_equal(w->client.ended, 0); /* D15: no session ends for its age */
}

static void test_octets(void **state)
{
    struct world *w = *state;
    struct ear guests[GUESTS] = {{0}};
    struct edge_settings s = make_settings();
    s.login_octets_most = 100;
    open_edge(w, s);
    connect_as(w, &guests[0], SERVICE_IMAP, "127.0.0.1");
    for (int i = 0; i < 12; i++) {
        say(w, &guests[0], "a NOOP\r\n");
    }
    assert_heard(&guests[0], "a OK Nothing done\r\n");
    say(w, &guests[0], "a NOOP\r\n");
    assert_true(has_heard(&guests[0], "* BYE [LIMIT]"));
    assert_int_equal(count_shed(w, SHED_OCTETS), 1);
    s.login_octets_most = 1000000;
    s.per_address.octets_minute = 100;
    release_all(w, guests);
    open_edge(w, s);
    /* One may say more than its share; then all of the address wait. */
    connect_as(w, &guests[0], SERVICE_IMAP, "198.51.100.1");
    connect_as(w, &guests[1], SERVICE_IMAP, "198.51.100.1");
    for (int i = 0; i < 13; i++) {
        say(w, &guests[0], "a NOOP\r\n");
    }
    say(w, &guests[1], "a NOOP\r\n");
    assert_true(has_heard(&guests[1], "* BYE [LIMIT]"));
    connect_as(w, &guests[2], SERVICE_IMAP, "198.51.100.1");
    assert_true(has_heard(&guests[2], "* BYE [UNAVAILABLE]"));
    connect_as(w, &guests[3], SERVICE_IMAP, "198.51.100.2");
    assert_true(has_heard(&guests[3], "* OK"));
    release_all(w, guests);
}

static void test_failures(void **state)
{
    struct world *w = *state;
    struct ear guests[GUESTS] = {{0}};
    struct edge_settings s = make_settings();
    s.per_address.failures_hour = 2;
    s.plaintext = EDGE_PLAINTEXT_ALWAYS;
    open_edge(w, s);
    connect_as(w, &guests[0], SERVICE_IMAP, "198.51.100.1");
    for (int i = 0; i < 2; i++) {
        say(w, &guests[0], "a LOGIN u p\r\n");
        reply_no(&w->auth, "AUTH_FAILED");
        loop_run(w->loop);
    }
    assert_true(has_heard(&guests[0], "a NO [AUTHENTICATIONFAILED]"));
    connect_as(w, &guests[1], SERVICE_IMAP, "198.51.100.1");
    assert_true(has_heard(&guests[1], "* BYE [UNAVAILABLE]"));
    assert_int_equal(count_shed(w, SHED_FAILURES), 1);
    /* Auth being away is nobody's failure. */
    connect_as(w, &guests[2], SERVICE_IMAP, "198.51.100.2");
    for (int i = 0; i < 4; i++) {
        say(w, &guests[2], "a LOGIN u p\r\n");
        reply_no(&w->auth, "UNAVAILABLE");
        loop_run(w->loop);
    }
    connect_as(w, &guests[3], SERVICE_IMAP, "198.51.100.2");
    assert_true(has_heard(&guests[3], "* OK"));
    release_all(w, guests);
}

/* Who hangs up before he hears the "no" has failed all the same: a "yes" would have been there. */
static void test_failures_unheard(void **state)
{
    static const char *const MECHANISMS[] = {"a LOGIN u p\r\n",
                                             "a AUTHENTICATE OAUTHBEARER eA==\r\n"};
    struct world *w = *state;
    struct ear guests[GUESTS] = {{0}};
    struct edge_settings s = make_settings();
    s.per_address.failures_hour = 2;
    s.plaintext = EDGE_PLAINTEXT_ALWAYS;
    s.has_tokens = true;
    open_edge(w, s);
    for (int i = 0; i < 2; i++) {
        connect_as(w, &guests[0], SERVICE_IMAP, "198.51.100.1");
        assert_true(has_heard(&guests[0], "* OK"));
        say(w, &guests[0], MECHANISMS[i]);
        if (i == 1) { /* its token was judged: auth counts what is cancelled now */
            link_reply(w->auth.link, w->auth.ask_id, STR("result=challenge\nexchange=5\ndata=x\n"));
            loop_run(w->loop);
            say(w, &guests[0], "*\r\n");
        }
        edge_say_bye(w->edge);
        loop_run(w->loop);
        ear_release(&guests[0]);
        assert_int_equal(edge_get_count(w->edge), 0);
        reply_no(&w->auth, "AUTH_FAILED");
        loop_run(w->loop);
    }
    connect_as(w, &guests[0], SERVICE_IMAP, "198.51.100.1");
    assert_true(has_heard(&guests[0], "* BYE [UNAVAILABLE]"));
    assert_int_equal(count_shed(w, SHED_FAILURES), 1);
    connect_as(w, &guests[1], SERVICE_IMAP,
               "198.51.100.2"); /* and who goes is not counted otherwise */
    for (int i = 0; i < 3; i++) {
        say(w, &guests[1], "a LOGIN u p\r\n");
        link_free(&w->auth.link);
        loop_run(w->loop);
        connect_role(w, &w->auth, ROLE_AUTH, 0);
        loop_run(w->loop);
        ear_release(&guests[1]);
        loop_run(w->loop);
        reply_no(&w->auth, "UNAVAILABLE");
        loop_run(w->loop);
        connect_as(w, &guests[1], SERVICE_IMAP, "198.51.100.2");
        assert_true(has_heard(&guests[1], "* OK"));
    }
    say(w, &guests[1], "a LOGIN u p\r\n"); /* unanswered when the edge ends */
    release_all(w, guests);
    edge_free(&w->edge);
}

/* No descriptors left: strangers go, silent ones first; who is logged in stays. */
static void test_no_descriptors(void **state)
{
    struct world *w = *state;
    struct ear guests[GUESTS] = {{0}};
    open_edge(w, make_settings());
    (void)log_in(w, &w->client, "ann");
    for (int i = 0; i < 4; i++) {
        connect_as(w, &guests[i], SERVICE_IMAP, "198.51.100.1");
    }
    edge_note_no_descriptors(w->edge);
    loop_run(w->loop);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(guests[i].ended, 1);
    }
    assert_int_equal(w->client.ended, 0);
    assert_int_equal(count_shed(w, SHED_DESCRIPTORS), 4);
    edge_note_no_descriptors(w->edge);
    assert_int_equal(w->client.ended, 0);
    release_all(w, guests);
}

/* So many handshakes a second; who waits has got nothing but time. */
static void test_handshakes_wait(void **state)
{
    struct world *w = *state;
    struct ear guests[GUESTS] = {{0}};
    struct edge_settings s = make_settings();
    s.handshakes_second = 1;
    open_edge(w, s);
    for (int i = 0; i < GUESTS; i++) {
        connect_as(w, &guests[i], SERVICE_IMAP, "198.51.100.1");
        say(w, &guests[i], "a STARTTLS\r\n");
        struct stream *plain = guests[i].s;
        buf_release(&guests[i].heard);
        guests[i].s = NULL;
        ear_put(&guests[i], tls_client_new(w->loop, w->client_tls, plain, STR("mail.example")));
        loop_run(w->loop);
        assert_true(tls_is_ready(guests[i].s) == (i < 8));
    }
    ear_release(&guests[8]);
    loop_advance(w->loop, 1100);
    assert_true(tls_is_ready(guests[9].s));
    assert_false(tls_is_ready(guests[10].s));
    loop_advance(w->loop, 5000);
    assert_true(tls_is_ready(guests[11].s));
    say(w, &guests[11], "a CAPABILITY\r\n");
    assert_true(has_heard(&guests[11], "a OK"));
    release_all(w, guests);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_neighbours_make_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_house_full_of_strangers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_often, setup, teardown),
        cmocka_unit_test_setup_teardown(test_login_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_octets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_unheard, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_handshakes_wait, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
