/* Unit tests of edge/line. */
#include "edge/line.h"
#include "unit.h"

enum { SEATS = 400, WALL_MS = 1000000, PORTION = 64 };

struct world {
    struct loop *loop;
    struct line *line;
    struct line_seat seats[SEATS];
    int order[4 * SEATS]; /* whose turn it was */
    int turns;
    bool is_gone; /* who is asked is not there: the line is closed from inside */
};

static void on_turn(void *owner, struct line_seat *s)
{
    struct world *w = owner;
    assert_true(s->is_out);
    if (w->is_gone) {
        line_close(w->line);
        line_put_back(w->line, s, 0, false);
        return;
    }
    w->order[w->turns++] = (int)(s - w->seats);
}

static void open_world(struct world *w)
{
    *w = (struct world){.loop = loop_new_fake(WALL_MS)};
    w->line = line_new(w->loop, on_turn, w);
    for (int i = 0; i < SEATS; i++) {
        line_init_seat(&w->seats[i]);
    }
}

static void close_world(struct world *w)
{
    for (int i = 0; i < SEATS; i++) {
        line_leave(w->line, &w->seats[i]);
        line_leave(w->line, &w->seats[i]);
    }
    assert_int_equal(line_get_waiting(w->line), 0);
    line_free(&w->line);
    loop_free(&w->loop);
}

/* Nobody goes before it is open; then all do, in portions, the rows in turn. */
static void test_closed(void **state)
{
    struct world w;
    (void)state;
    open_world(&w);
    for (int i = 0; i < 100; i++) {
        line_ask(w.line, &w.seats[i], STR("many"), 0);
    }
    line_ask(w.line, &w.seats[100], STR("one"), 0);
    line_leave(w.line, &w.seats[1]);
    loop_advance(w.loop, 100000);
    assert_int_equal(w.turns, 0);
    assert_int_equal(line_get_waiting(w.line), 100);
    line_open(w.line);
    assert_int_equal(w.turns, PORTION);
    assert_int_equal(w.order[0], 0);
    assert_int_equal(w.order[1], 100);
    assert_int_equal(w.order[2], 2);
    loop_advance(w.loop, 9);
    assert_int_equal(w.turns, PORTION);
    loop_advance(w.loop, 1);
    assert_int_equal(w.turns, 100);
    assert_int_equal(line_get_waiting(w.line), 0);
    close_world(&w);
}

/* Of one place so many at once; the others, when these are done. */
static void test_out(void **state)
{
    struct world w;
    (void)state;
    open_world(&w);
    line_open(w.line);
    for (int i = 0; i < LINE_OUT_MOST + 2; i++) {
        line_ask(w.line, &w.seats[i], STR("x"), 0);
        loop_advance(w.loop, 1);
    }
    assert_int_equal(w.turns, LINE_OUT_MOST);
    line_ask(w.line, &w.seats[300], STR("y"), 0);
    assert_int_equal(w.turns, LINE_OUT_MOST + 1);
    line_leave(w.line, &w.seats[0]);
    assert_int_equal(w.turns, LINE_OUT_MOST + 2);
    assert_int_equal(w.order[LINE_OUT_MOST + 1], LINE_OUT_MOST);
    line_leave(w.line, &w.seats[LINE_OUT_MOST + 1]); /* gives up */
    line_leave(w.line, &w.seats[2]);
    assert_int_equal(w.turns, LINE_OUT_MOST + 2);
    close_world(&w);
}

/* "Later" to one row, and to all. */
static void test_put_back(void **state)
{
    struct world w;
    (void)state;
    open_world(&w);
    line_open(w.line);
    for (int i = 0; i < 3; i++) {
        line_ask(w.line, &w.seats[i], STR("x"), 0);
    }
    line_put_back(w.line, &w.seats[2], 250, false);
    line_put_back(w.line, &w.seats[1], 250, false);
    line_ask(w.line, &w.seats[3], STR("x"), 0);
    line_ask(w.line, &w.seats[4], STR("y"), 0);
    assert_int_equal(w.turns, 4);
    assert_int_equal(w.order[3], 4);
    loop_advance(w.loop, 249);
    assert_int_equal(w.turns, 4);
    loop_advance(w.loop, 1);
    assert_int_equal(w.turns, 7);
    assert_int_equal(w.order[4], 1);
    assert_int_equal(w.order[5], 2);
    assert_int_equal(w.order[6], 3);
    line_put_back(w.line, &w.seats[4], 100, true);
    line_ask(w.line, &w.seats[5], STR("z"), 0);
    loop_advance(w.loop, 99);
    assert_int_equal(w.turns, 7);
    loop_advance(w.loop, 1);
    assert_int_equal(w.turns, 9);
    line_put_back(w.line, &w.seats[4], 100000, true);
    line_close(w.line);
    line_open(w.line); /* somebody else, who has not said so */
    assert_int_equal(w.turns, 10);
    close_world(&w);
}

/* Who went first is first again, in whatever order "later" came; those that came meanwhile are behind them. */
static void test_order(void **state)
{
    static const int BACK[] = {0, 2, 1, 3};
    struct world w;
    (void)state;
    open_world(&w);
    line_open(w.line);
    for (int i = 0; i < 4; i++) {
        line_ask(w.line, &w.seats[i], STR("x"), 0);
    }
    for (int i = 0; i < 4; i++) {
        line_put_back(w.line, &w.seats[BACK[i]], 250, false);
        line_ask(w.line, &w.seats[4 + i], STR("x"), 0);
    }
    assert_int_equal(w.turns, 4);
    loop_advance(w.loop, 250);
    assert_int_equal(w.turns, 12);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(w.order[4 + i], i);
    }
    close_world(&w);
}

/* A pause that comes with a question; a row in the round keeps its place there when more of it come. */
static void test_pause(void **state)
{
    struct world w;
    (void)state;
    open_world(&w);
    line_open(w.line);
    line_ask(w.line, &w.seats[0], STR("x"), 250);
    line_leave(w.line, &w.seats[0]);
    line_ask(w.line, &w.seats[0], STR("x"), 0); /* nobody was left who remembers */
    assert_int_equal(w.turns, 1);
    line_ask(w.line, &w.seats[1], STR("x"), 250);
    line_ask(w.line, &w.seats[2], STR("x"), 0);
    assert_int_equal(w.turns, 1);
    loop_advance(w.loop, 250);
    assert_int_equal(w.turns, 3);
    line_close(w.line);
    line_ask(w.line, &w.seats[3], STR("x"), 0);
    line_ask(w.line, &w.seats[4], STR("y"), 0);
    line_ask(w.line, &w.seats[5], STR("x"), 0);
    line_open(w.line);
    assert_int_equal(w.order[3], 3);
    assert_int_equal(w.order[4], 4);
    assert_int_equal(w.order[5], 5);
    close_world(&w);
}

static void test_closed_from_inside(void **state)
{
    struct world w;
    (void)state;
    open_world(&w);
    w.is_gone = true;
    line_open(w.line);
    for (int i = 0; i < 3; i++) {
        line_ask(w.line, &w.seats[i], STR("x"), 0);
    }
    assert_false(line_is_open(w.line));
    assert_int_equal(line_get_waiting(w.line), 3);
    w.is_gone = false;
    line_open(w.line);
    assert_int_equal(w.turns, 3);
    assert_int_equal(w.order[0], 0);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed),   cmocka_unit_test(test_out),
        cmocka_unit_test(test_put_back), cmocka_unit_test(test_order),
        cmocka_unit_test(test_pause),    cmocka_unit_test(test_closed_from_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
