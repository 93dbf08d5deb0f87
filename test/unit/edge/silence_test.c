/* Unit tests of edge/silence: lists of who is silent, on the fake clock. */
#include "edge/silence.h"

#include "base/mem.h"
#include "unit.h"

#include <stdlib.h>

enum { RULE_SHORT, RULE_LONG, CROWD = 2000 };

struct sleeper {
    struct silence_place place;
    int told;
    uint64_t told_ms;
};

struct world {
    struct loop *loop;
    struct silence *silence;
    struct sleeper sleepers[CROWD];
    int told;
    bool notes_again;
};

static void on_silent(void *owner, struct silence_place *p)
{
    struct world *w = owner;
    struct sleeper *s = list_entry(p, struct sleeper, place);
    s->told++;
    s->told_ms = loop_now_ms(w->loop);
    w->told++;
    if (w->notes_again) {
        silence_note(w->silence, p, p->rule);
    }
}

static int setup(void **state)
{
    struct world *w = mem_new(sizeof(*w));
    w->loop = loop_new_fake(0);
    w->silence = silence_new(w->loop, on_silent, w);
    silence_set_rule(w->silence, RULE_SHORT, 1000);
    silence_set_rule(w->silence, RULE_LONG, 60000);
    for (int i = 0; i < CROWD; i++) {
        silence_init_place(&w->sleepers[i].place);
    }
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    silence_free(&w->silence);
    loop_free(&w->loop);
    free(w);
    return 0;
}

static void test_due_in_time(void **state)
{
    struct world *w = *state;
    struct sleeper *s = w->sleepers;
    silence_note(w->silence, &s[0].place, RULE_LONG);
    loop_advance(w->loop, 500);
    silence_note(w->silence, &s[1].place, RULE_SHORT); /* later, and due earlier */
    assert_ptr_equal(silence_find_longest(w->silence, RULE_SHORT), &s[1].place);
    loop_advance(w->loop, 999);
    assert_int_equal(w->told, 0);
    loop_advance(w->loop, 1);
    assert_int_equal(s[1].told, 1);
    assert_null(silence_find_longest(w->silence, RULE_SHORT));
    loop_advance(w->loop, 58499);
    assert_int_equal(s[0].told, 0);
    loop_advance(w->loop, 1);
    assert_int_equal(s[0].told, 1);
    assert_int_equal(s[0].told_ms, 60000);
    loop_advance(w->loop, 1000000);
    assert_int_equal(w->told, 2); /* each once */
}

/* Who speaks is last in line; who is taken out is never told. */
static void test_notes_and_removes(void **state)
{
    struct world *w = *state;
    struct sleeper *s = w->sleepers;
    silence_note(w->silence, &s[0].place, RULE_SHORT);
    silence_note(w->silence, &s[1].place, RULE_SHORT);
    silence_note(w->silence, &s[2].place, RULE_SHORT);
    for (int i = 0; i < 10; i++) {
        loop_advance(w->loop, 900);
        silence_note(w->silence, &s[0].place, RULE_SHORT);
    }
    assert_int_equal(s[0].told, 0);
    assert_int_equal(s[1].told, 1);
    silence_note(w->silence, &s[1].place, RULE_SHORT);
    silence_remove(&s[1].place);
    silence_remove(&s[1].place); /* nowhere: nothing happens */
    loop_advance(w->loop, 10000);
    assert_int_equal(s[0].told, 1);
    assert_int_equal(s[1].told, 1);
    silence_note(w->silence, &s[0].place, RULE_LONG);
    silence_note(w->silence, &s[0].place, RULE_SHORT); /* the other rule now */
    loop_advance(w->loop, 1000);
    assert_int_equal(s[0].told, 2);
    loop_advance(w->loop, 100000);
    assert_int_equal(s[0].told, 2);
}

/* More than a portion, due in the same moment: all are told in it, and again when they are noted again. */
static void test_crowd(void **state)
{
    struct world *w = *state;
    w->notes_again = true;
    for (int i = 0; i < CROWD; i++) {
        silence_note(w->silence, &w->sleepers[i].place, i % 2 == 0 ? RULE_SHORT : RULE_LONG);
    }
    loop_advance(w->loop, 60000);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(w->sleepers[i].told, i % 2 == 0 ? 60 : 1);
        assert_int_equal(w->sleepers[i].told_ms, 60000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_due_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_notes_and_removes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_crowd, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
