/* Unit tests of edge: sessions that outlive their processes. The test plays the store worker: it saves, parks, dies, wakes. */
#include "house.h"

#include "net/keep.h"
#include "net/deflate.h"
#include "net/session.h"

static const char *const USER = "anna";

static unsigned home(void)
{
    return ticket_get_worker(str_from_c(USER), WORKERS);
}

/* Says octets, with the state behind them. */
static void save(struct world *w, struct role *r, const char *octets, const char *state,
                 uint64_t used, bool may_park)
{
    struct link_save s = {.used = used, .may_park = may_park, .state = str_from_c(state)};
    link_save(r->session.s, &s, str_from_c(octets));
    loop_run(w->loop);
}

/* A client logged in, whose session has said where it is: state "one". */
static struct role *begin(struct world *w)
{
    struct role *r = log_in(w, &w->client, USER);
    save(w, r, "a OK in\r\n", "one", 0, true);
    buf_clear(&w->client.heard);
    return r;
}

/* The worker dies. */
static void die(struct world *w, struct role *r)
{
    link_free(&r->link);
    ear_release(&r->session);
    loop_run(w->loop);
}

static void come_back(struct world *w, struct role *r)
{
    connect_role(w, r, ROLE_STORE, home());
    loop_run(w->loop);
    loop_advance(w->loop, 100);
}

static void park(struct world *w, struct role *r)
{
    assert_true(link_park(&r->session.s, &r->parked));
    loop_run(w->loop);
    assert_null(r->session.s);
}

static void assert_resumed(struct role *r, int times, const char *state, const char *log)
{
    assert_int_equal(r->resumes, times);
    assert_str(buf_str(&r->state), str_from_c(state));
    assert_heard(&r->session, log);
    buf_clear(&r->session.heard);
}

static uint64_t head_of(const struct role *r, const char *key)
{
    return fields_get_u64(&r->head, str_from_c(key), 99);
}

/* ---- parking ---- */

static void test_parked_and_woken_by_input(void **state)
{
    struct world *w = *state;
    struct role *r = begin(w);
    park(w, r);
    assert_int_equal(edge_get_counts(w->edge).of[SERVICE_IMAP].parked, 1);
    say(w, &w->client, "b NOOP\r\n");
    assert_resumed(r, 1, "one", "b NOOP\r\n");
    assert_int_equal(head_of(r, "heard"), 0);
    assert_int_equal(head_of(r, "said"), 0);
    assert_int_equal(fields_get(&r->head, STR("nonce")).n, TICKET_NONCE_SIZE);
    assert_int_equal(r->forgotten, 1); /* and need not be woken */
    assert_int_equal(edge_get_counts(w->edge).of[SERVICE_IMAP].parked, 0);
    save(w, r, "b OK\r\n", "two", 8, true);
    assert_heard(&w->client, "b OK\r\n");
    park(w, r);
    link_wake(r->link, r->parked);
    loop_run(w->loop);
    assert_resumed(r, 2, "two", "");
    assert_int_equal(edge_get_counts(w->edge).wakeups, 2);
}

/* What the client said while PARK was under way has not been heard by anybody, and is said again. */
static void test_input_while_parking(void **state)
{
    struct world *w = *state;
    struct role *r = begin(w);
    stream_write(w->client.s, STR("b NOOP\r\n"));
    assert_true(link_park(&r->session.s, &r->parked));
    loop_run(w->loop);
    assert_resumed(r, 1, "one", "b NOOP\r\n");
    assert_int_equal(head_of(r, "heard"), 0);
}

/* Who is asleep and hangs up is gone without a word to anybody; in the middle of a command the session hears it. */
static void test_parked_client_goes(void **state)
{
    struct world *w = *state;
    struct role *r = begin(w);
    park(w, r);
    stream_shutdown(w->client.s);
    loop_run(w->loop);
    assert_int_equal(r->resumes, 0);
    assert_int_equal(r->forgotten, 1);
    ear_release(&w->client);
    loop_run(w->loop);
    assert_int_equal(edge_get_count(w->edge), 0);
}

/* ---- death ---- */

/* Nobody notices but the worker that comes; it learns how much was heard and said. */
static void test_died_in_a_command(void **state)
{
    struct world *w = *state;
    struct role *r = begin(w);
    say(w, &w->client, "b FETCH 1:* FLAGS\r\n");
    stream_write(r->session.s, STR("* 1 FETCH\r\n* 2 F"));
    loop_run(w->loop);
    die(w, r);
    stream_write(w->client.s, STR("c NOOP\r\n"));
    loop_run(w->loop);
    assert_heard(&w->client, "* 1 FETCH\r\n* 2 F");
    assert_int_equal(w->client.ended, 0);
    come_back(w, r);
    assert_resumed(r, 1, "one", "b FETCH 1:* FLAGS\r\nc NOOP\r\n");
    assert_int_equal(head_of(r, "heard"), 19);
    assert_int_equal(head_of(r, "said"), 16);
    assert_str(fields_get(&r->head, STR("tail")), STR("* 1 FETCH\r\n* 2 F"));
    save(w, r, "ETCH\r\nb OK\r\nc OK\r\n", "two", 27, true);
    assert_heard(&w->client, "* 1 FETCH\r\n* 2 FETCH\r\nb OK\r\nc OK\r\n");
    die(w, r); /* twice, without a state between: what was said adds up */
    come_back(w, r);
    loop_run(w->loop);
    assert_int_equal(r->parks, 1); /* nothing was under way: it sleeps on */
    link_wake(r->link, r->parked);
    loop_run(w->loop);
    assert_resumed(r, 2, "two", "");
}

static void test_died_twice(void **state)
{
    struct world *w = *state;
    struct role *r = begin(w);
    say(w, &w->client, "b FETCH\r\n");
    stream_write(r->session.s, STR("* 1"));
    loop_run(w->loop);
    die(w, r);
    come_back(w, r);
    stream_write(r->session.s, STR(" FETCH"));
    loop_run(w->loop);
    say(w, &w->client, "more");
    die(w, r);
    come_back(w, r);
    assert_resumed(r, 2, "one", "b FETCH\r\nmore");
    assert_int_equal(head_of(r, "said"), 9);
    assert_str(fields_get(&r->head, STR("tail")), STR("* 1 FETCH"));
    assert_int_equal(head_of(r, "heard"), 13);
}

/* A literal that streams is not kept: it is counted, and the rest of it comes. */
static void test_died_in_a_literal(void **state)
{
    struct world *w = *state;
    struct role *r = begin(w);
    say(w, &w->client, "b APPEND x {20}\r\n12345");
    struct link_save s = {.used = 17, .literal = 20, .state = STR("literal")};
    link_save(r->session.s, &s, STR("+ go\r\n"));
    loop_run(w->loop);
    say(w, &w->client, "67890");
    die(w, r);
    say(w, &w->client, "abcde");
    come_back(w, r);
    assert_resumed(r, 1, "literal", "");
    assert_int_equal(head_of(r, "literal_gone"), 15);
    say(w, &w->client, "fghij\r\nc NOOP\r\n");
    assert_heard(&r->session, "fghij\r\nc NOOP\r\n");
    die(w, r);
    buf_clear(&r->session.heard);
    come_back(w, r);
    assert_resumed(r, 2, "literal", "\r\nc NOOP\r\n");
    assert_int_equal(head_of(r, "literal_gone"), 20);
    save(w, r, "b NO\r\nc OK\r\n", "two", 10, true);
    say(w, &w->client, "d NOOP\r\n");
    die(w, r);
    buf_clear(&r->session.heard);
    come_back(w, r);
    assert_resumed(r, 3, "two", "d NOOP\r\n");
}

/* A parked session is shown to the new worker, which wakes it when something came. Input does not wait for that. */
static void test_died_while_parked(void **state)
{
    struct world *w = *state;
    struct role *r = begin(w);
    park(w, r);
    die(w, r);
    loop_advance(w->loop, 3600 * SECOND); /* who sleeps is not sent away */
    assert_int_equal(w->client.ended, 0);
    come_back(w, r);
    assert_int_equal(r->parks, 1);
    assert_str(buf_str(&r->state), STR("one"));
    assert_int_equal(r->resumes, 0);
    die(w, r);
    say(w, &w->client, "b NOOP\r\n");
    come_back(w, r);
    assert_resumed(r, 1, "one", "b NOOP\r\n");
    assert_int_equal(r->parks, 1);
}

/* Whoever wants something does not wait for ever. */
static void test_never_comes_back(void **state)
{
    struct world *w = *state;
    struct role *r = begin(w);
    say(w, &w->client, "b NOOP\r\n");
    die(w, r);
    loop_advance(w->loop, 59 * SECOND);
    assert_int_equal(w->client.ended, 0);
    loop_advance(w->loop, 2 * SECOND);
    assert_true(has_heard(&w->client, "* BYE "));
    assert_int_equal(edge_get_count(w->edge), 0);
    assert_int_equal(edge_get_counts(w->edge).resumes_late, 1);
}

/* A session that said no state yet dies with its process. */
static void test_without_a_state(void **state)
{
    struct world *w = *state;
    struct role *r = log_in(w, &w->client, USER);
    stream_write(r->session.s, STR("a OK in\r\n"));
    loop_run(w->loop);
    die(w, r);
    assert_true(has_heard(&w->client, "* BYE "));
    assert_int_equal(edge_get_count(w->edge), 0);
}

/* The worker dies before it answered the login: the next one is asked, with another ticket, and hears all that the client said. */
static void test_died_at_login(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    say(w, &w->client, "a LOGIN u p\r\nb NOOP\r\n");
    reply_yes(w, USER, STR_EMPTY);
    struct role *r = &w->stores[home()];
    say(w, &w->client, "c NOOP\r\n");
    assert_heard(&r->session, "b NOOP\r\nc NOOP\r\n");
    die(w, r);
    say(w, &w->client, "d NOOP\r\n");
    assert_heard(&w->client, "");
    assert_int_equal(edge_get_counts(w->edge).of[SERVICE_IMAP].sessions, 0);
    assert_int_equal(edge_get_counts(w->edge).of[SERVICE_IMAP].strangers, 1);
    come_back(w, r);
    reply_again(w, USER);
    assert_int_equal(r->opens, 2);
    assert_heard(&r->session, "b NOOP\r\nc NOOP\r\nd NOOP\r\n");
    assert_str(fields_get(&r->head, STR("tag")), STR("a"));
    assert_int_equal(edge_get_counts(w->edge).of[SERVICE_IMAP].logins, 1);
    save(w, r, "a OK in\r\n", "one", 0, true);
    assert_heard(&w->client, "a OK in\r\n");
    die(w, r); /* from here on its state holds */
    assert_heard(&w->client, "a OK in\r\n");
    assert_int_equal(edge_get_counts(w->edge).of[SERVICE_IMAP].sessions, 1);
}

/* No worker survives it: the login fails, and the client may try again where it is. */
static void test_deadly_at_login(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    say(w, &w->client, "a LOGIN u p\r\nb NOOP\r\n");
    reply_yes(w, USER, STR_EMPTY);
    struct role *r = &w->stores[home()];
    for (int i = 0; i < 9; i++) {
        assert_int_equal(r->opens, i + 1);
        assert_heard(&w->client, "");
        die(w, r);
        come_back(w, r);
        if (i < 8) {
            reply_again(w, USER);
        }
    }
    assert_true(has_heard(&w->client, "a NO [UNAVAILABLE] "));
    assert_true(has_heard(&w->client, "\r\nb OK "));
    assert_int_equal(r->opens, 9);
    say(w, &w->client, "d LOGIN u p\r\n");
    reply_yes(w, USER, STR_EMPTY);
    save(w, r, "d OK in\r\n", "one", 0, true);
    assert_heard(&w->client, "d OK in\r\n");
}

/* The worker was started after the ticket was made. */
static void test_old_ticket(void **state)
{
    struct world *w = *state;
    connect_as(w, &w->client, SERVICE_IMAP, "127.0.0.1");
    say(w, &w->client, "a LOGIN u p\r\nb NOOP\r\n");
    reply_yes(w, USER, STR_EMPTY);
    struct role *r = &w->stores[home()];
    int asks = w->auth.asks;
    stream_mark(r->session.s, SESSION_MARK_AGAIN);
    stream_shutdown(r->session.s);
    loop_run(w->loop);
    assert_int_equal(w->auth.asks, asks);
    loop_advance(w->loop, 250);
    assert_int_equal(w->auth.asks, asks + 1);
    reply_again(w, USER);
    assert_int_equal(r->opens, 2);
    assert_heard(&r->session, "b NOOP\r\n");
    assert_heard(&w->client, "");
    save(w, r, "a OK in\r\n", "one", 0, true);
    stream_mark(r->session.s, SESSION_MARK_AGAIN); /* too late for that */
    loop_run(w->loop);
    assert_true(has_heard(&w->client, "* BYE "));
}

/* The new worker does not take the state. */
static void test_refused(void **state)
{
    struct world *w = *state;
    struct role *r = begin(w);
    say(w, &w->client, "b NOOP\r\n");
    die(w, r);
    come_back(w, r);
    stream_free(&r->session.s);
    loop_run(w->loop);
    assert_true(has_heard(&w->client, "* BYE "));
    assert_int_equal(edge_get_counts(w->edge).resumes_refused, 1);
}

/* A session that kills whoever takes it is given up. */
static void test_deadly(void **state)
{
    struct world *w = *state;
    struct role *r = begin(w);
    say(w, &w->client, "b NOOP\r\n");
    for (int i = 0; i < 8; i++) {
        die(w, r);
        come_back(w, r);
        assert_int_equal(r->resumes, i + 1);
    }
    die(w, r);
    come_back(w, r);
    assert_int_equal(r->resumes, 8);
    assert_true(has_heard(&w->client, "* BYE "));
}

/* The client that waits may say much; it is stopped, and goes on. */
static void test_waiting_client_is_stopped(void **state)
{
    enum { PIECE = 64 * 1024 };
    static char octets[16 * PIECE];
    struct world *w = *state;
    struct role *r = begin(w);
    memset(octets, 'x', sizeof(octets));
    say(w, &w->client, "b ");
    die(w, r);
    for (size_t i = 0; i < sizeof(octets); i += PIECE) {
        stream_write(w->client.s, str_make(octets, PIECE));
        loop_run(w->loop);
    }
    assert_true(stream_get_queued(w->client.s) > sizeof(octets) / 2);
    come_back(w, r);
    assert_int_equal(r->session.heard.len, sizeof(octets) + 2);
    assert_int_equal(w->client.ended, 0);
    die(w, r); /* so much behind a state is not kept */
    assert_true(has_heard(&w->client, "* BYE "));
}

/* An older worker's link that is still up is replaced. */
static void test_replaced(void **state)
{
    struct world *w = *state;
    struct role *r = begin(w);
    say(w, &w->client, "b NOOP\r\n");
    struct link *old = r->link;
    ear_release(&r->session);
    ear_put(&r->session, link_open(r->link, STR("nobody")));
    r->link = NULL;
    come_back(w, r);
    assert_int_equal(r->resumes, 1);
    assert_int_equal(w->client.ended, 0);
    link_free(&old);
}

/* ---- marks ---- */

static void mark(struct world *w, struct role *r, uint8_t value, const char *state)
{
    struct link_save s = {.used = 12, .mark = value, .state = str_from_c(state)};
    link_save(r->session.s, &s, STR("b OK\r\n"));
    loop_run(w->loop);
}

/* The worker dies while a layer is changed: the layer is changed, and the session goes on behind it. */
static void test_died_at_compress(void **state)
{
    struct world *w = *state;
    struct role *r = begin(w);
    struct deflate_pool *pool = deflate_pool_new(w->loop, 1);
    say(w, &w->client, "b COMPRESS\r\n");
    mark(w, r, 1, "compressed");
    assert_heard(&w->client, "b OK\r\n");
    die(w, r);
    struct stream *plain = w->client.s;
    w->client.s = NULL;
    buf_release(&w->client.heard);
    ear_put(&w->client, deflate_new(pool, plain, STR_EMPTY));
    stream_write(w->client.s, STR("c NOOP\r\n"));
    loop_run(w->loop);
    come_back(w, r);
    assert_resumed(r, 1, "compressed", "c NOOP\r\n");
    stream_write(r->session.s, STR("c OK\r\n"));
    loop_run(w->loop);
    assert_heard(&w->client, "c OK\r\n");
    deflate_pool_free(&pool);
}

/* What a mark's client said too early was kept once, in its old form. */
static void test_counted_from_the_mark(void **state)
{
    struct world *w = *state;
    struct role *r = begin(w);
    struct deflate_pool *pool = deflate_pool_new(w->loop, 1);
    say(w, &w->client, "b COMPRESS\r\n");
    mark(w, r, 1, "compressed");
    stream_mark(r->session.s, 1);
    loop_run(w->loop);
    struct stream *plain = w->client.s;
    w->client.s = NULL;
    buf_release(&w->client.heard);
    ear_put(&w->client, deflate_new(pool, plain, STR_EMPTY));
    stream_write(w->client.s, STR("c NOOP\r\n"));
    loop_run(w->loop);
    buf_clear(&r->session.heard);
    save(w, r, "c OK\r\n", "two", 8, true);
    stream_write(w->client.s, STR("d NOOP\r\n"));
    loop_run(w->loop);
    die(w, r);
    come_back(w, r);
    assert_resumed(r, 1, "two", "d NOOP\r\n");
    deflate_pool_free(&pool);
}

/* It dies while it gives the connection back: the client is back in the dialogue. */
static void test_died_at_unauthenticate(void **state)
{
    struct world *w = *state;
    struct role *r = begin(w);
    say(w, &w->client, "b UNAUTHEN\r\nc NOOP\r\n");
    mark(w, r, 2, "");
    die(w, r);
    assert_true(has_heard(&w->client, "b OK\r\n"));
    assert_true(has_heard(&w->client, "c OK"));
    assert_int_equal(edge_get_counts(w->edge).of[SERVICE_IMAP].strangers, 1);
    assert_int_equal(edge_get_counts(w->edge).of[SERVICE_IMAP].sessions, 0);
}

/* ---- the bookkeeping by itself ---- */

static void test_impossible_states(void **state)
{
    static const uint8_t NONCE[TICKET_NONCE_SIZE] = {1};
    static const struct link_save WRONG[] = {
        {.used = 4, .state = {"s", 1}},          /* more than there was */
        {.used = UINT64_MAX, .state = {"s", 1}}, /* and much more */
        {.used = 0, .literal = UINT64_MAX, .state = {"s", 1}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        struct keep *k = keep_new(NONCE);
        struct link_save good = {.used = 1, .state = STR("good")};
        keep_note_input(k, STR("123"));
        assert_true(keep_take(k, &good));
        assert_false(keep_take(k, &WRONG[i]));
        assert_false(keep_has_state(k));
        struct link_save late = {.used = 2, .state = STR("late")};
        assert_false(keep_take(k, &late)); /* the octet behind it is gone */
        struct link_save whole = {.used = 3, .state = STR("whole")};
        assert_true(keep_take(k, &whole));
        assert_str(keep_get_state(k), STR("whole"));
        keep_free(&k);
    }
}

/* A state holds on, also behind a gap in which none did. */
static void test_same_state(void **state)
{
    static const uint8_t NONCE[TICKET_NONCE_SIZE] = {1};
    static char much[KEEP_LOG_MOST];
    struct keep *k = keep_new(NONCE);
    struct link_save same = {.used = 2, .may_park = true, .is_same = true};
    struct link_save first = {.used = 1, .state = STR("first")};
    struct link_save none = {.used = 3};
    (void)state;
    keep_note_input(k, STR("123"));
    assert_false(keep_take(k, &same)); /* as which? */
    assert_false(keep_has_state(k));
    keep_free(&k);
    k = keep_new(NONCE);
    keep_note_input(k, STR("123"));
    assert_true(keep_take(k, &first));
    keep_note_output(k, STR("said"));
    assert_false(keep_is_dormant(k));
    assert_true(keep_take(k, &same));
    assert_str(keep_get_state(k), STR("first"));
    assert_str(keep_get_log(k), STR("3"));
    assert_true(keep_is_quiet(k));
    assert_true(keep_take(k, &none));
    assert_false(keep_has_state(k));
    assert_false(keep_is_dormant(k));
    same.used = 3;
    assert_true(keep_take(k, &same));
    assert_true(keep_has_state(k));
    assert_true(keep_is_dormant(k));
    keep_note_input(k, STR("x"));
    keep_note_input(k, str_make(much, sizeof(much))); /* more than is kept */
    assert_false(keep_has_state(k));
    same.used = 4 + sizeof(much);
    assert_true(keep_take(k, &same));
    assert_str(keep_get_state(k), STR("first"));
    assert_true(keep_is_dormant(k));
    keep_note_input(k, STR("x"));
    keep_note_input(k, str_make(much, sizeof(much)));
    struct link_save second = {.used = same.used + 1, .state = STR("second")};
    assert_false(keep_take(k, &second)); /* what came behind it is gone */
    assert_false(keep_has_state(k));
    same.used += 1 + sizeof(much);
    assert_true(keep_take(k, &same));
    assert_str(keep_get_state(k), STR("second")); /* and not what was before it */
    keep_free(&k);
}

/* A state may need octets that an earlier one said to be of no use: then it is of no use itself. */
static void test_literal_taken_back(void **state)
{
    static const uint8_t NONCE[TICKET_NONCE_SIZE] = {1};
    struct keep *k = keep_new(NONCE);
    struct link_save literal = {.used = 0, .literal = 100, .state = STR("s")};
    (void)state;
    assert_true(keep_take(k, &literal));
    keep_note_input(k, STR("1234567890"));
    assert_int_equal(keep_get_log(k).n, 0);
    struct link_save half = {.used = 5, .literal = 2, .state = STR("s")};
    assert_false(keep_take(k, &half));
    keep_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_parked_and_woken_by_input, setup, teardown),
        cmocka_unit_test_setup_teardown(test_input_while_parking, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parked_client_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_died_in_a_command, setup, teardown),
        cmocka_unit_test_setup_teardown(test_died_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_died_in_a_literal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_died_while_parked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_never_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_a_state, setup, teardown),
        cmocka_unit_test_setup_teardown(test_died_at_login, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deadly_at_login, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_ticket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deadly, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waiting_client_is_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_died_at_compress, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counted_from_the_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(test_died_at_unauthenticate, setup, teardown),
        cmocka_unit_test(test_impossible_states),
        cmocka_unit_test(test_same_state),
        cmocka_unit_test(test_literal_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
