/* Unit tests of the edge's idle rules on the fake clock: what a silent client hears, and when. Asserted are octets as they arrive, with
 * the time of their arrival, never timers. */
#include "house.h"

enum { MINUTE = 60 * SECOND, DAY = 24 * HOUR, KEEP_ALIVE = 6900 * SECOND, NOTES_MOST = 32 };

/* What a client heard, and when. */
struct diary {
    struct loop *loop;
    struct stream *s;
    struct buf last;
    uint64_t at_ms[NOTES_MOST];
    int count;
    int ended;
};

static void diary_on_octets(void *owner, struct str octets)
{
    struct diary *d = owner;
    uint64_t now = loop_now_ms(d->loop);
    if (d->count == 0 || d->at_ms[d->count - 1] != now) {
        assert_true(d->count < NOTES_MOST);
        d->at_ms[d->count++] = now;
        buf_clear(&d->last);
    }
    buf_add(&d->last, octets);
}

static void diary_on_drained(void *owner)
{
    (void)owner;
}

static void diary_on_end(void *owner, enum err why)
{
    struct diary *d = owner;
    (void)why;
    d->ended++;
}

static const struct stream_handler DIARY = {diary_on_octets, diary_on_drained, diary_on_end};

/* From now on the client's octets are noted in d. */
static void keep_diary(struct world *w, struct diary *d)
{
    *d = (struct diary){.loop = w->loop, .s = w->client.s, .last = BUF_INIT(100000)};
    w->client.s = NULL;
    stream_set_handler(d->s, &DIARY, d);
}

static void close_diary(struct world *w, struct diary *d)
{
    stream_free(&d->s);
    buf_release(&d->last);
    ear_release(&w->client);
    loop_run(w->loop);
}

/* ann is logged in, and has heard it. */
static struct role *begin(struct world *w, struct diary *d)
{
    struct role *store = log_in(w, &w->client, "ann");
    stream_write(store->session.s, STR("a OK Logged in\r\n"));
    loop_run(w->loop);
    keep_diary(w, d);
    return store;
}

static void assert_last(const struct diary *d, const char *want)
{
    assert_str(buf_str(&d->last), str_from_c(want));
}

/* D18, D25: one keep-alive just under two hours after the last octet either way, and nothing else. */
static void test_keep_alive(void **state)
{
    struct world *w = *state;
    struct diary d;
    struct role *store = begin(w, &d);
    uint64_t start = loop_now_ms(w->loop);
    loop_advance(w->loop, KEEP_ALIVE - 1);
    assert_int_equal(d.count, 0);
    loop_advance(w->loop, HOUR);
    assert_int_equal(d.count, 1);
    assert_int_equal(d.at_ms[0] - start, KEEP_ALIVE);
    assert_last(&d, "* OK Still here\r\n");
    assert_str(buf_str(&store->session.heard), STR_EMPTY); /* the session was not asked */
    /* The client's octets count, though they are no command yet. */
    loop_advance(w->loop, 1000 * SECOND);
    stream_write(d.s, STR("b NO"));
    loop_run(w->loop);
    start = loop_now_ms(w->loop);
    loop_advance(w->loop, 2 * HOUR);
    assert_int_equal(d.count, 2);
    assert_int_equal(d.at_ms[1] - start, KEEP_ALIVE);
    /* So do ours. */
    stream_write(store->session.s, STR("* 5 EXISTS\r\n"));
    loop_run(w->loop);
    assert_int_equal(d.count, 3);
    start = loop_now_ms(w->loop);
    loop_advance(w->loop, 2 * HOUR);
    assert_int_equal(d.count, 4);
    assert_int_equal(d.at_ms[3] - start, KEEP_ALIVE);
    assert_int_equal(edge_get_counts(w->edge).keepalives, 3);
    assert_int_equal(d.ended, 0);
    close_diary(w, &d);
}

/* D28: an idle day costs at most 13 exchanges; D16, D17: who is there and says nothing for 90 days stays. */
static void test_idle_days(void **state)
{
    struct world *w = *state;
    struct diary d;
    (void)begin(w, &d);
    for (int day = 0; day < 90; day++) {
        d.count = 0;
        loop_advance(w->loop, DAY);
        assert_in_range(d.count, 12, 13);
    }
    assert_int_equal(d.ended, 0);
    close_diary(w, &d);
}

/* D15: age ends nothing: 90 days with a NOOP every 25 minutes, and nothing is heard but the answers. */
static void test_age(void **state)
{
    struct world *w = *state;
    struct diary d;
    struct role *store = begin(w, &d);
    for (int i = 0; i < 90 * (DAY / MINUTE) / 25; i++) {
        loop_advance(w->loop, 25 * MINUTE);
        d.count = 0;
        stream_write(d.s, STR("n NOOP\r\n"));
        loop_run(w->loop);
        stream_write(store->session.s, STR("n OK Done\r\n"));
        loop_run(w->loop);
        assert_int_equal(d.count, 1);
        assert_last(&d, "n OK Done\r\n");
    }
    assert_int_equal(d.ended, 0);
    assert_int_equal(edge_get_counts(w->edge).keepalives, 0);
    close_diary(w, &d);
}

/* A shorter max_idle_s: the keep-alive comes a 24th of it before its end. */
static void test_shorter(void **state)
{
    struct world *w = *state;
    struct edge_settings s = SETTINGS;
    struct diary d;
    s.max_idle_ms = 2400 * SECOND;
    open_edge(w, s);
    (void)begin(w, &d);
    uint64_t start = loop_now_ms(w->loop);
    loop_advance(w->loop, 2400 * SECOND);
    assert_int_equal(d.count, 1);
    assert_int_equal(d.at_ms[0] - start, 2300 * SECOND);
    close_diary(w, &d);
}

/* D19: operators may allow more, or all; then silence is nothing at all, until the autologout. */
static void test_longer(void **state)
{
    struct world *w = *state;
    struct edge_settings s = SETTINGS;
    struct diary d;
    s.max_idle_ms = 8 * HOUR;
    s.idle_timeout_ms = 9 * HOUR;
    open_edge(w, s);
    (void)begin(w, &d);
    loop_advance(w->loop, 8 * HOUR - 301 * SECOND);
    assert_int_equal(d.count, 0);
    loop_advance(w->loop, HOUR);
    assert_int_equal(d.count, 1);
    assert_last(&d, "* OK Still here\r\n");
    close_diary(w, &d);
    s.max_idle_ms = 0;
    s.idle_timeout_ms = 7 * DAY;
    open_edge(w, s);
    struct role *store = begin(w, &d);
    loop_advance(w->loop, 7 * DAY - 1);
    assert_int_equal(d.count, 0);
    loop_advance(w->loop, 1);
    assert_int_equal(d.count, 1);
    assert_last(&d, "* BYE [UNAVAILABLE] Timed out\r\n");
    assert_int_equal(d.ended, 1);
    assert_int_equal(store->session.ended, 1);
    close_diary(w, &d);
}

/* Octets that the client's host has not confirmed are repeated by TCP; we add nothing, and wait for longer than it (D16, D22). */
static void test_out_of_reach(void **state)
{
    struct world *w = *state;
    struct diary d;
    struct role *store = begin(w, &d);
    stream_pause(d.s);
    stream_write(store->session.s, STR("* 1 EXISTS\r\n"));
    loop_advance(w->loop, 7 * HOUR / 2); /* longer than the autologout */
    assert_int_equal(d.ended, 0);
    stream_resume(d.s);
    loop_run(w->loop);
    assert_last(&d, "* 1 EXISTS\r\n");
    loop_advance(w->loop,
                 2 * HOUR); /* it came back: heard within a minute, silence counts from there */
    assert_int_equal(d.count, 2);
    assert_last(&d, "* OK Still here\r\n");
    assert_in_range(d.at_ms[1] - d.at_ms[0], KEEP_ALIVE, KEEP_ALIVE + MINUTE);
    stream_pause(d.s);
    stream_write(store->session.s, STR("* 2 EXISTS\r\n"));
    loop_advance(w->loop, 6 * HOUR - MINUTE);
    assert_int_equal(edge_get_count(w->edge), 1);
    loop_advance(w->loop, 2 * MINUTE);
    assert_int_equal(edge_get_count(w->edge), 0);
    assert_int_equal(store->session.ended, 1);
    close_diary(w, &d);
}

/* In the middle of an answer nothing may be put in: a session that stops there is logged out. */
static void test_not_at_rest(void **state)
{
    struct world *w = *state;
    struct diary d;
    struct role *store = begin(w, &d);
    stream_write(store->session.s, STR("* 1 FETCH (BODY[] {1000}\r\nhalf"));
    loop_run(w->loop);
    assert_int_equal(d.count, 1);
    loop_advance(w->loop, 3 * HOUR - 1);
    assert_int_equal(d.count, 1);
    loop_advance(w->loop, MINUTE);
    assert_int_equal(d.count, 2);
    assert_last(&d, "* BYE [UNAVAILABLE] Timed out\r\n");
    assert_int_equal(d.ended, 1);
    close_diary(w, &d);
}

/* Through TLS, too. */
static void test_keep_alive_tls(void **state)
{
    struct world *w = *state;
    struct diary d;
    connect_as(w, &w->client, SERVICE_IMAP, "198.51.100.1");
    start_tls(w, &w->client, "a STARTTLS\r\n");
    say(w, &w->client, "a LOGIN ann pass\r\n");
    reply_yes(w, "ann", STR_EMPTY);
    struct role *store = &w->stores[ticket_get_worker(STR("ann"), WORKERS)];
    stream_write(store->session.s, STR("a OK Logged in\r\n"));
    loop_run(w->loop);
    keep_diary(w, &d);
    uint64_t start = loop_now_ms(w->loop);
    loop_advance(w->loop, 2 * HOUR);
    assert_int_equal(d.count, 1);
    assert_int_equal(d.at_ms[0] - start, KEEP_ALIVE);
    assert_last(&d, "* OK Still here\r\n");
    close_diary(w, &d);
}

static void log_in_sieve(struct world *w)
{
    connect_as(w, &w->client, SERVICE_SIEVE, "127.0.0.1");
    say(w, &w->client, "AUTHENTICATE \"PLAIN\" \"AGFubgBw\"\r\n");
    reply_yes(w, "ann", STR_EMPTY);
    struct role *store = &w->stores[ticket_get_worker(STR("ann"), WORKERS)];
    stream_write(store->session.s, STR("OK\r\n"));
    loop_run(w->loop);
}

/* D16: a ManageSieve server cannot speak first, so it ends what would be silent for two hours; never before half an hour. */
static void test_sieve(void **state)
{
    struct world *w = *state;
    struct edge_settings s = SETTINGS;
    struct diary d;
    log_in_sieve(w);
    keep_diary(w, &d);
    uint64_t start = loop_now_ms(w->loop);
    loop_advance(w->loop, DAY);
    assert_int_equal(d.count, 1);
    assert_int_equal(d.at_ms[0] - start, KEEP_ALIVE);
    assert_true(str_starts(buf_str(&d.last), STR("BYE ")));
    assert_int_equal(d.ended, 1);
    close_diary(w, &d);
    s.max_idle_ms = 600 * SECOND;
    open_edge(w, s);
    log_in_sieve(w);
    keep_diary(w, &d);
    start = loop_now_ms(w->loop);
    loop_advance(w->loop, DAY);
    assert_int_equal(d.count, 1);
    assert_int_equal(d.at_ms[0] - start, HOUR / 2);
    close_diary(w, &d);
}

/* D16: submission has its own time-out, and no keep-alive: there is none in SMTP. */
static void test_submission(void **state)
{
    struct world *w = *state;
    struct diary d;
    connect_as(w, &w->client, SERVICE_SUBMIT, "127.0.0.1");
    say(w, &w->client, "EHLO phone\r\nAUTH PLAIN AGEAYg==\r\n");
    reply_yes(w, "ann", STR_EMPTY);
    stream_write(w->submit.session.s, STR("235 2.7.0 Welcome\r\n"));
    loop_run(w->loop);
    keep_diary(w, &d);
    for (int i = 0; i < 100; i++) {
        loop_advance(w->loop, 1199 * SECOND);
        assert_int_equal(d.count, 0);
        stream_write(d.s, STR("x"));
        loop_run(w->loop);
    }
    uint64_t start = loop_now_ms(w->loop);
    loop_advance(w->loop, DAY);
    assert_int_equal(d.count, 1);
    assert_int_equal(d.at_ms[0] - start, 1200 * SECOND);
    assert_last(&d, "421 4.4.2 mail.example Timed out\r\n");
    assert_int_equal(d.ended, 1);
    close_diary(w, &d);
}

/* Who owes TCP's confirmation of our octets is given as long as TCP gives it, whatever the time-out (D23). */
static void test_patience(void **state)
{
    struct world *w = *state;
    struct edge_settings s = SETTINGS;
    struct diary d;
    s.submission_timeout_ms = 300 * SECOND;
    open_edge(w, s);
    connect_as(w, &w->client, SERVICE_SUBMIT, "127.0.0.1");
    say(w, &w->client, "EHLO phone\r\nAUTH PLAIN AGEAYg==\r\n");
    reply_yes(w, "ann", STR_EMPTY);
    keep_diary(w, &d);
    stream_pause(d.s);
    stream_write(w->submit.session.s, STR("235 2.7.0 Welcome\r\n"));
    loop_advance(w->loop, 959 * SECOND);
    assert_int_equal(edge_get_count(w->edge), 1);
    loop_advance(w->loop, MINUTE);
    assert_int_equal(edge_get_count(w->edge), 0);
    close_diary(w, &d);
}

/* time_unit_ms: the rules' seconds shrink together. */
static void test_short_seconds(void **state)
{
    struct world *w = *state;
    struct edge_settings s = SETTINGS;
    struct diary d;
    s.second_ms = 10;
    s.max_idle_ms = 7200 * s.second_ms;
    s.idle_timeout_ms = 10800 * s.second_ms;
    open_edge(w, s);
    (void)begin(w, &d);
    uint64_t start = loop_now_ms(w->loop);
    loop_advance(w->loop, 72 * SECOND);
    assert_int_equal(d.count, 1);
    assert_int_equal(d.at_ms[0] - start, 69 * SECOND);
    close_diary(w, &d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keep_alive, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idle_days, setup, teardown),
        cmocka_unit_test_setup_teardown(test_age, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shorter, setup, teardown),
        cmocka_unit_test_setup_teardown(test_longer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_reach, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_at_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keep_alive_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sieve, setup, teardown),
        cmocka_unit_test_setup_teardown(test_submission, setup, teardown),
        cmocka_unit_test_setup_teardown(test_patience, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_seconds, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
