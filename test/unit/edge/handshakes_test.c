#include "edge/handshakes.h"
#include "unit.h"

#include "base/buf.h"

enum { PLACES = 64, WALL_MS = 1000000 };

struct world {
    struct loop *loop;
    struct handshakes *h;
    struct list places[PLACES];
    int order[PLACES]; /* whose turn it was */
    int turns;
};

static void on_turn(void *owner, struct list *node)
{
    struct world *w = owner;
    assert_true(list_is_empty(node));
    w->order[w->turns++] = (int)(node - w->places);
}

static void open_world(struct world *w, unsigned a_second)
{
    *w = (struct world){.loop = loop_new_fake(WALL_MS)};
    w->h = handshakes_new(w->loop, a_second, on_turn, w);
    for (int i = 0; i < PLACES; i++) {
        list_init(&w->places[i]);
    }
}

static void close_world(struct world *w)
{
    handshakes_free(&w->h);
    loop_free(&w->loop);
}

static void test_any_number(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, 0);
    for (int i = 0; i < PLACES; i++) {
        handshakes_ask(w.h, &w.places[i], i % 2 == 0 ? STR("x") : STR("y"));
    }
    assert_int_equal(w.turns, PLACES);
    close_world(&w);
}

/* A few at once, then so many a second, in the order of asking; who gave up is passed over. */
static void test_rate(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, 10);
    for (int i = 0; i < 20; i++) {
        handshakes_ask(w.h, &w.places[i], STR("x"));
    }
    assert_int_equal(w.turns, 8);
    list_remove(&w.places[9]);
    loop_advance(w.loop, 50);
    assert_int_equal(w.turns, 8);
    loop_advance(w.loop, 60);
    assert_int_equal(w.turns, 9);
    loop_advance(w.loop, 500);
    assert_true(w.turns >= 13 && w.turns <= 14);
    loop_advance(w.loop, 10000);
    assert_int_equal(w.turns, 19);
    for (int i = 0; i < 19; i++) {
        assert_int_equal(w.order[i], i < 9 ? i : i + 1);
    }
    /* Quiet for long: as many at once as in the beginning, not more. */
    loop_advance(w.loop, 100000);
    for (int i = 20; i < 40; i++) {
        handshakes_ask(w.h, &w.places[i], STR("x"));
    }
    assert_int_equal(w.turns, 19 + 8);
    close_world(&w);
}

/* Places take turns: a storm from two of them leaves a third its share. */
static void test_turns(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, 10);
    for (int i = 0; i < 50; i++) {
        handshakes_ask(w.h, &w.places[i], i < 40 ? STR("storm") : STR("wind"));
    }
    assert_int_equal(w.turns, 8);
    for (int i = 50; i < 53; i++) {
        handshakes_ask(w.h, &w.places[i], STR("quiet"));
    }
    list_remove(&w.places[51]);
    for (int i = 0; i < 12; i++) {
        loop_advance(w.loop, 100);
    }
    static const int ORDER[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 40, 50, 9, 41, 52, 10, 42, 11, 43};
    assert_true(w.turns >= 18);
    for (int i = 0; i < 18; i++) {
        assert_int_equal(w.order[i], ORDER[i]);
    }
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_number),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
