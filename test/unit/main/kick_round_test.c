/* Unit tests of auth's rounds of asking edges: what is told when some answer, some say no, some go, some say nothing. */
#include "main/kick_round.h"

#include "base/buf.h"
#include "main/control.h"
#include "net/fields.h"
#include "unit.h"

enum { EDGES = 4 };

struct edge {
    struct link *near; /* auth's end */
    struct link *far;
    uint32_t asked_id;
    int asks;
    struct buf asked;
};

struct world {
    struct loop *loop;
    struct peers peers;
    struct kick_rounds rounds;
    struct edge edges[EDGES];
    struct edge other; /* submit, which is none */
    int done;
    unsigned id;
    struct buf report;
};

static void on_request(void *owner, struct link *l, uint32_t id, struct str body)
{
    struct edge *e = owner;
    (void)l;
    e->asked_id = id;
    e->asks++;
    buf_clear(&e->asked);
    buf_add(&e->asked, body);
}

static const struct link_handler FAR = {.on_request = on_request};
static const struct link_handler NEAR = {.on_request = NULL};

static void on_done(void *owner, unsigned id, struct str report)
{
    struct world *w = owner;
    w->done++;
    w->id = id;
    buf_clear(&w->report);
    buf_add(&w->report, report);
}

/* A link of auth's to a role, whose end is e's. Returns auth's end. */
static struct link *join(struct world *w, enum link_role role, unsigned index, const char *name,
                         struct edge *e)
{
    struct stream *a = NULL;
    struct stream *b = NULL;
    stream_pair(w->loop, &a, &b);
    struct link *near = link_new(w->loop, a, role, index, &NEAR, w);
    link_set_name(near, str_from_c(name));
    e->far = link_new(w->loop, b, ROLE_AUTH, 0, &FAR, e);
    vec_push(&w->peers.links, near);
    return near;
}

static int set_up(void **state)
{
    static struct world w;
    static const char *const NAMES[EDGES] = {"local", "local", "dmz.example", "dmz2"};
    w = (struct world){.loop = loop_new_fake(1000), .report = BUF_INIT(CONTROL_PART_MOST)};
    for (unsigned i = 0; i < EDGES; i++) {
        struct edge *e = &w.edges[i];
        e->asked = BUF_INIT(LINK_MESSAGE_MOST);
        e->near = join(&w, ROLE_EDGE, i, NAMES[i], e);
    }
    w.other.near = join(&w, ROLE_SUBMIT, 0, "local", &w.other);
    kick_rounds_init(&w.rounds, w.loop, &w.peers, on_done, &w);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    kick_rounds_release(&w->rounds);
    for (unsigned i = 0; i < EDGES; i++) {
        link_free(&w->edges[i].near);
        link_free(&w->edges[i].far);
        buf_release(&w->edges[i].asked);
    }
    assert_int_equal(w->other.asks, 0);
    link_free(&w->other.near);
    link_free(&w->other.far);
    vec_release(&w->peers.links);
    buf_release(&w->report);
    loop_free(&w->loop);
    return 0;
}

static void reply(struct world *w, unsigned edge, const char *body)
{
    link_reply(w->edges[edge].far, w->edges[edge].asked_id, str_from_c(body));
    loop_run(w->loop);
}

static void begin(struct world *w, unsigned id, const char *service, const char *user)
{
    kick_rounds_begin(&w->rounds, id, str_from_c(service), str_from_c(user));
    loop_run(w->loop);
}

static void assert_report(const struct world *w, unsigned id, const char *want)
{
    assert_int_equal(w->done, 1);
    assert_int_equal(w->id, id);
    assert_str(buf_str(&w->report), str_from_c(want));
}

static void test_all_answer(void **state)
{
    struct world *w = *state;
    begin(w, 7, "sieve", "a=b c");
    for (unsigned i = 0; i < EDGES; i++) {
        assert_int_equal(w->edges[i].asks, 1);
        assert_str(buf_str(&w->edges[i].asked), STR("op=kick\nuser=a=b%20c\nservice=sieve\n"));
        assert_int_equal(w->done, 0);
        reply(w, i, i == 2 ? "result=ok\nimap=5\n" : "result=ok\nimap=1\nsubmission=2\nsieve=3\n");
    }
    assert_report(
        w, 7,
        "imap=8\nsubmission=6\nsieve=9\nreached=local.0%20local.1%20dmz.example.2%20dmz2.3%20\n");
    loop_advance(w->loop, 2 * KICK_PATIENCE_MS);
    assert_int_equal(w->done, 1);
}

/* One says no, one nonsense, one goes, one says nothing: then the round is over all the same, and says whom it reached. */
static void test_some_answer(void **state)
{
    struct world *w = *state;
    begin(w, 0, "", "ann");
    reply(w, 0, "result=no\nimap=9\n");
    reply(w, 1, "no message");
    link_free(&w->edges[2].near);
    vec_remove(&w->peers.links, 2);
    loop_advance(w->loop, KICK_PATIENCE_MS - 1);
    assert_int_equal(w->done, 0);
    loop_advance(w->loop, 1);
    assert_report(w, 0, "imap=0\nsubmission=0\nsieve=0\nreached=\n");
    reply(w, 3, "result=ok\nimap=1\n"); /* too late, and no harm */
    assert_int_equal(w->done, 1);
}

/* Two rounds at once do not mix. */
static void test_two_rounds(void **state)
{
    struct world *w = *state;
    begin(w, 1, "", "ann");
    uint32_t first = w->edges[0].asked_id;
    begin(w, 2, "", "bob");
    for (unsigned i = 1; i < EDGES; i++) {
        reply(w, i, "result=ok\nimap=1\n");
    }
    reply(w, 0, "result=ok\nimap=1\n");
    assert_report(
        w, 2,
        "imap=4\nsubmission=0\nsieve=0\nreached=local.1%20dmz.example.2%20dmz2.3%20local.0%20\n");
    link_reply(w->edges[0].far, first, STR("result=ok\nimap=3\n"));
    loop_run(w->loop);
    assert_int_equal(w->done, 1);
    loop_advance(w->loop, KICK_PATIENCE_MS);
    assert_int_equal(w->done, 2);
    assert_int_equal(w->id, 1);
    assert_str(buf_str(&w->report), STR("imap=3\nsubmission=0\nsieve=0\nreached=local.0%20\n"));
}

/* Without an edge it is over at once. One under way may be forgotten. */
static void test_none(void **state)
{
    struct world *w = *state;
    begin(w, 3, "", "ann");
    for (unsigned i = 0; i < EDGES; i++) {
        link_free(&w->edges[i].far);
    }
    loop_run(w->loop);
    assert_report(w, 3, "imap=0\nsubmission=0\nsieve=0\nreached=\n");
    begin(w, 4, "", "ann");
    assert_int_equal(w->done, 2);
    assert_int_equal(w->id, 4);
}

static void test_forgotten(void **state)
{
    struct world *w = *state;
    begin(w, 5, "", "ann");
    kick_rounds_release(&w->rounds);
    reply(w, 0, "result=ok\nimap=1\n");
    loop_advance(w->loop, 2 * KICK_PATIENCE_MS);
    assert_int_equal(w->done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_some_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_rounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forgotten, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
