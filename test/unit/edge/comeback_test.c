/* Unit tests of what is learnt when somebody comes back: whole connections on the fake clock. A network that forgets is a stream that is
 * paused: what is sent there is never confirmed. */
#include "house.h"

enum { MINUTE = 60 * SECOND, FULL = 6900 * SECOND, SESSIONS_MOST = 200 };

static const char *const NETWORK = "198.51.100.1";

static struct ear sessions[SESSIONS_MOST];
static int session_count;

static int tear_down(void **state)
{
    while (session_count > 0) {
        ear_release(&sessions[--session_count]);
    }
    return teardown(state);
}

static int set_up(void **state)
{
    int failed = setup(state);
    struct world *w = *state;
    struct edge_settings s = SETTINGS;
    s.plaintext = EDGE_PLAINTEXT_ALWAYS;
    s.is_adaptive = true;
    s.connections_most = 100;
    s.limits_exempt = STR("0.0.0.0/0");
    s.heartbeats = STR("eve:300 ann2:60 broken bob:5 zoe:9000");
    open_edge(w, s);
    return failed;
}

static void log_in_from(struct world *w, struct ear *client, const char *user, const char *ip)
{
    connect_as(w, client, SERVICE_IMAP, ip);
    say(w, client, "a LOGIN u p\r\n");
    reply_yes(w, user, STR_EMPTY);
    struct role *store = &w->stores[ticket_get_worker(str_from_c(user), WORKERS)];
    stream_write(store->session.s, STR("a OK Logged in\r\n"));
    /* It stays when the worker's ear hears the next one. */
    assert_true(session_count < SESSIONS_MOST);
    struct stream *s = store->session.s;
    store->session.s = NULL;
    ear_put(&sessions[session_count++], s);
    loop_run(w->loop);
    buf_clear(&client->heard);
}

/* After how long a new connection from ip hears the keep-alive. */
static uint64_t measure(struct world *w, const char *user, const char *ip)
{
    struct ear client;
    uint64_t ms = 0;
    log_in_from(w, &client, user, ip);
    while (client.heard.len == 0 && ms < 8000 * SECOND) {
        loop_advance(w->loop, SECOND);
        ms += SECOND;
    }
    assert_heard(&client, "* OK Still here\r\n");
    ear_release(&client);
    loop_run(w->loop);
    return ms;
}

enum what { FORGETS, LIVES, RESETS, MOVES };

/* ann sleeps for silent_ms, then comes back, while her old connection is what it is. */
static void come_back(struct world *w, uint64_t silent_ms, enum what what)
{
    struct ear old;
    struct ear again;
    log_in_from(w, &old, "ann", NETWORK);
    loop_advance(w->loop, silent_ms);
    assert_int_equal(old.heard.len, 0);
    if (what == FORGETS || what == MOVES) {
        stream_pause(old.s);
    }
    log_in_from(w, &again, "ann", what == MOVES ? "203.0.113.1" : NETWORK);
    loop_advance(w->loop, SECOND);
    if (what == RESETS) {
        ear_release(&old);
    } else if (what == LIVES) {
        assert_heard(&old, "* OK Still here\r\n");
    }
    for (int i = 0; i < 3; i++) {
        stream_write(again.s, STR("n NOOP\r\n"));
        loop_advance(w->loop, 30 * SECOND);
    }
    if (what != RESETS) {
        ear_release(&old);
    }
    ear_release(&again);
    loop_run(w->loop);
}

/* D38: three times seen, and the network's keep-alive is just under what was seen. Others pay nothing. */
static void test_forgets(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(edge_get_counts(w->edge).keepalives, i);
        come_back(w, 1740 * SECOND, FORGETS);
    }
    assert_in_range(measure(w, "bob", "198.51.100.77"), 1300 * SECOND, 1740 * SECOND - 1);
    assert_int_equal(measure(w, "bob", "203.0.113.1"), FULL);
}

/* What is no forgetting: the old connection works, its host knows nothing of it, the phone is somewhere else. */
static void test_false_alarms(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 10; i++) {
        come_back(w, 1740 * SECOND, LIVES);
        come_back(w, 1740 * SECOND, RESETS);
        come_back(w, 1740 * SECOND, MOVES);
        come_back(w, 30 * SECOND, RESETS);
    }
    assert_int_equal(measure(w, "ann", NETWORK), FULL);
}

/* Nobody comes back: a phone that is switched off, over and over. */
static void test_switched_off(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 10; i++) {
        struct ear old;
        log_in_from(w, &old, "ann", NETWORK);
        stream_pause(old.s);
        loop_advance(w->loop, 3 * HOUR); /* our keep-alive is not confirmed, TCP gives up */
        ear_release(&old);
        loop_run(w->loop);
    }
    assert_int_equal(measure(w, "ann", NETWORK), FULL);
}

/* Twice forgotten, once survived for longer, twice forgotten: nothing. */
static void test_outvoted(void **state)
{
    struct world *w = *state;
    struct ear sleeper;
    for (int i = 0; i < 4; i++) {
        come_back(w, 1740 * SECOND, FORGETS);
        come_back(w, 1740 * SECOND, FORGETS);
        log_in_from(w, &sleeper, "bob", NETWORK);
        loop_advance(w->loop, 1800 * SECOND);
        stream_write(sleeper.s, STR("b NOOP\r\n"));
        loop_run(w->loop);
        ear_release(&sleeper);
        loop_run(w->loop);
    }
    assert_int_equal(measure(w, "ann", NETWORK), FULL);
}

/* News that nobody confirms, and the client comes back a little later. */
static void test_news_are_lost(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3; i++) {
        struct ear old;
        struct ear again;
        log_in_from(w, &old, "ann", NETWORK);
        stream_pause(old.s);
        loop_advance(w->loop, FULL + 5 * MINUTE); /* that is the keep-alive */
        log_in_from(w, &again, "ann", NETWORK);
        loop_advance(w->loop, 2 * MINUTE);
        ear_release(&old);
        ear_release(&again);
        loop_run(w->loop);
    }
    assert_in_range(measure(w, "bob", NETWORK), FULL * 7 / 10, FULL - 1);
}

/* heartbeats: for those named, as often as it says, and never less often than for all. */
static void test_heartbeats(void **state)
{
    struct world *w = *state;
    assert_int_equal(measure(w, "eve", NETWORK), 300 * SECOND);
    assert_int_equal(measure(w, "ann2", NETWORK), 60 * SECOND);
    assert_int_equal(measure(w, "bob", NETWORK), FULL);
    assert_int_equal(measure(w, "zoe", NETWORK), FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_forgets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_false_alarms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_switched_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_outvoted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_news_are_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_heartbeats, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
