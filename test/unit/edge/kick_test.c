/* Unit tests of edge: ending a user's sessions, whatever they are doing. The test plays auth, and the workers. */
#include "house.h"

enum { CLIENTS_MOST = 8 };

static struct ear clients[CLIENTS_MOST];
static int client_count;
static struct buf answer;

static int set_up(void **state)
{
    int failed = setup(state);
    struct edge_settings s = SETTINGS;
    s.plaintext = EDGE_PLAINTEXT_ALWAYS;
    s.connections_most = 100;
    s.limits_exempt = STR("0.0.0.0/0");
    open_edge(*state, s);
    answer = BUF_INIT(LINK_MESSAGE_MOST);
    return failed;
}

static int tear_down(void **state)
{
    while (client_count > 0) {
        ear_release(&clients[--client_count]);
    }
    buf_release(&answer);
    return teardown(state);
}

static void on_reply(void *owner, enum err e, struct str body)
{
    (void)owner;
    buf_clear(&answer);
    if (e == ERR_OK) {
        buf_add(&answer, body);
    }
}

static void ask(struct world *w, struct role *from, const char *body)
{
    buf_clear(&answer);
    link_request(from->link, str_from_c(body), on_reply, NULL);
    loop_run(w->loop);
}

static void assert_answer(const char *want)
{
    assert_str(buf_str(&answer), str_from_c(want));
}

static struct role *home(struct world *w, const char *user)
{
    return &w->stores[ticket_get_worker(str_from_c(user), WORKERS)];
}

static struct ear *begin(struct world *w, enum service service)
{
    struct ear *c = &clients[client_count++];
    assert_true(client_count <= CLIENTS_MOST);
    connect_as(w, c, service, "198.51.100.1");
    return c;
}

/* Logged in by IMAP, with a state. */
static struct ear *enter(struct world *w, const char *user)
{
    struct ear *c = begin(w, SERVICE_IMAP);
    struct link_save s = {.may_park = true, .state = STR("state")};
    say(w, c, "a LOGIN u p\r\n");
    reply_yes(w, user, STR_EMPTY);
    link_save(home(w, user)->session.s, &s, STR("a OK in\r\n"));
    loop_run(w->loop);
    buf_clear(&c->heard);
    return c;
}

/* Somebody whose account another worker has, which remembers one session at a time. */
static const char *find_neighbour(struct world *w)
{
    static const char *const NAMES[] = {"bob", "carl", "dora", "eve", "fay", "gus", "hal"};
    size_t i = 0;
    while (home(w, NAMES[i]) == home(w, "ann")) {
        i++;
        assert_true(i < sizeof(NAMES) / sizeof(NAMES[0]));
    }
    return NAMES[i];
}

static void assert_bye(const struct ear *c)
{
    assert_heard(c, "* BYE The administrator has ended this session\r\n");
    assert_int_equal(c->ended, 1);
}

/* Live ones and parked ones; their roles hear it. Others stay. */
static void test_live_and_parked(void **state)
{
    struct world *w = *state;
    struct role *r = home(w, "ann");
    struct ear *parked = enter(w, "ann");
    assert_true(link_park(&r->session.s, &r->parked));
    loop_run(w->loop);
    struct ear *live = enter(w, "ann");
    struct ear *other = enter(w, find_neighbour(w));
    ask(w, &w->auth, "op=kick\nuser=ann\nservice=\n");
    assert_answer("result=ok\nimap=2\nsubmission=0\nsieve=0\n");
    assert_bye(parked);
    assert_bye(live);
    assert_int_equal(r->forgotten, 1);
    assert_int_equal(edge_get_counts(w->edge).of[SERVICE_IMAP].sessions, 1);
    assert_int_equal(edge_get_counts(w->edge).of[SERVICE_IMAP].parked, 0);
    assert_heard(other, "");
    assert_int_equal(other->ended, 0);
    ask(w, &w->auth, "op=kick\nuser=ann\nservice=\n");
    assert_answer("result=ok\nimap=0\nsubmission=0\nsieve=0\n");
    (void)enter(w, "ann"); /* it is no ban */
    ask(w, &w->auth, "op=kick\nuser=ann\n");
    assert_answer("result=ok\nimap=1\nsubmission=0\nsieve=0\n");
}

/* The worker is gone: one sleeps, one waits for the next worker, one has not heard the end of its login. */
static void test_without_worker(void **state)
{
    struct world *w = *state;
    struct role *r = home(w, "ann");
    struct ear *asleep = enter(w, "ann");
    assert_true(link_park(&r->session.s, &r->parked));
    loop_run(w->loop);
    struct ear *waiting = enter(w, "ann");
    link_free(&r->link);
    ear_release(&r->session);
    loop_run(w->loop);
    say(w, waiting, "b NOOP\r\n");
    ask(w, &w->auth, "op=kick\nuser=ann\nservice=imap\n");
    assert_answer("result=ok\nimap=2\nsubmission=0\nsieve=0\n");
    assert_bye(asleep);
    assert_bye(waiting);
    connect_role(w, r, ROLE_STORE, ticket_get_worker(STR("ann"), WORKERS));
    loop_advance(w->loop, 1000);
    assert_int_equal(r->resumes + r->parks, 0); /* nobody is shown to it */
}

/* The session is open, and has not answered the login. */
static void test_opening(void **state)
{
    struct world *w = *state;
    struct ear *c = begin(w, SERVICE_IMAP);
    say(w, c, "a LOGIN u p\r\n");
    reply_yes(w, "ann", STR_EMPTY);
    buf_clear(&c->heard);
    ask(w, &w->auth, "op=kick\nuser=ann\nservice=\n");
    assert_answer("result=ok\nimap=1\nsubmission=0\nsieve=0\n");
    assert_bye(c);
    assert_int_equal(home(w, "ann")->session.ended, 1);
}

/* Auth said yes, and the client has yet to confirm the server's last message: the ticket would still be good. */
static void test_about_to_be(void **state)
{
    struct world *w = *state;
    struct ear *his = begin(w, SERVICE_IMAP);
    say(w, his, "a AUTHENTICATE SCRAM-SHA-256 biws\r\n");
    reply_yes(w, "ann", STR("v=proof"));
    struct ear *another = begin(w, SERVICE_IMAP);
    say(w, another, "a AUTHENTICATE SCRAM-SHA-256 biws\r\n");
    reply_yes(w, "bob", STR("v=proof"));
    struct ear *asking = begin(w, SERVICE_IMAP); /* auth's to refuse */
    say(w, asking, "a LOGIN u p\r\n");
    buf_clear(&his->heard);
    buf_clear(&another->heard);
    ask(w, &w->auth, "op=kick\nuser=ann\nservice=\n");
    assert_answer("result=ok\nimap=1\nsubmission=0\nsieve=0\n");
    assert_bye(his);
    say(w, another, "\r\n");
    assert_int_equal(home(w, "bob")->opens, 1);
    assert_int_equal(asking->ended, 0);
}

static void test_services(void **state)
{
    struct world *w = *state;
    struct ear *imap = enter(w, "ann");
    struct ear *smtp = begin(w, SERVICE_SUBMIT);
    say(w, smtp, "EHLO h\r\nAUTH PLAIN AHUAcA==\r\n");
    reply_yes(w, "ann", STR_EMPTY);
    buf_clear(&smtp->heard);
    ask(w, &w->auth, "op=kick\nuser=ann\nservice=submission\n");
    assert_answer("result=ok\nimap=0\nsubmission=1\nsieve=0\n");
    assert_heard(smtp, "421 4.7.0 mail.example The administrator has ended this session\r\n");
    assert_int_equal(smtp->ended, 1);
    assert_int_equal(imap->ended, 0);
    struct ear *sieve = begin(w, SERVICE_SIEVE);
    say(w, sieve, "AUTHENTICATE \"PLAIN\" \"AHUAcA==\"\r\n");
    reply_yes(w, "ann", STR_EMPTY);
    buf_clear(&sieve->heard);
    ask(w, &w->auth, "op=kick\nuser=ann\nservice=sieve\n");
    assert_answer("result=ok\nimap=0\nsubmission=0\nsieve=1\n");
    assert_heard(sieve, "BYE (TRYLATER) \"The administrator has ended this session\"\r\n");
    assert_int_equal(sieve->ended, 1);
}

/* After UNAUTHENTICATE a connection is nobody's. */
static void test_nobody(void **state)
{
    struct world *w = *state;
    struct role *r = home(w, "ann");
    struct ear *c = enter(w, "ann");
    say(w, c, "u UNAUTHENTICATE\r\n");
    stream_mark(r->session.s, 2);
    loop_run(w->loop);
    stream_mark(r->session.s, 2);
    loop_run(w->loop);
    ask(w, &w->auth, "op=kick\nuser=ann\nservice=\n");
    assert_answer("result=ok\nimap=0\nsubmission=0\nsieve=0\n");
    assert_int_equal(c->ended, 0);
    say(w, c, "a LOGIN u p\r\n");
    reply_yes(w, "bob", STR_EMPTY);
    ask(w, &w->auth, "op=kick\nuser=bob\nservice=\n");
    assert_answer("result=ok\nimap=1\nsubmission=0\nsieve=0\n");
}

/* Only auth may ask, and only that. */
static void test_refused(void **state)
{
    struct world *w = *state;
    struct ear *c = enter(w, "ann");
    static const char *const WRONG[] = {"op=kick\nuser=\nservice=\n",
                                        "op=kick\nservice=\n",
                                        "op=kick\nuser=ann\nservice=pop\n",
                                        "op=list\nuser=ann\n",
                                        "user=ann\n",
                                        "nonsense",
                                        ""};
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        ask(w, &w->auth, WRONG[i]);
        assert_true(str_starts(buf_str(&answer), STR("result=no\n")));
    }
    ask(w, home(w, "ann"), "op=kick\nuser=ann\nservice=\n");
    assert_answer("result=no\n");
    ask(w, &w->submit, "op=kick\nuser=ann\nservice=\n");
    assert_answer("result=no\n");
    assert_int_equal(c->ended, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_live_and_parked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_worker, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_opening, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_about_to_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_services, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
