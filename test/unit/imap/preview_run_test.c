/* X-PREVIEW: LAZY gives up where a preview would take more than a moment (RFC 8970, 4.1), and only there. */
#include "unit.h"

#include "../store/store_fixture.h"

#include "base/arena.h"
#include "imap/preview_run.h"

#include <stdio.h>

enum { MESSAGE_CAP = 4 << 20 };

/* A HTML message with so many octets of style before its words; its preview. */
static bool make(struct fixture *f, size_t style, bool is_lazy, struct buf *out)
{
    struct buf octets = BUF_INIT(MESSAGE_CAP);
    struct preview_run run = {0};
    struct body_reader *r = NULL;
    struct message m;
    struct shape shape;
    struct str serialised;
    struct str text = STR_EMPTY;
    bool is_known = false;
    buf_add_c(&octets, "Content-Type: text/html\r\n\r\n<style>");
    while (octets.len < style) {
        buf_add_c(&octets, "p { margin: 0 }\r\n");
    }
    buf_add_c(&octets, "</style>words");
    struct uid uid = fixture_append(f->inbox, buf_str(&octets), 0);
    assert_int_equal(fixture_commit(f), ERR_OK);
    struct view *v = fixture_view(f->inbox);
    struct arena *a = arena_new(SHAPE_ARENA_MOST);
    assert_int_equal(view_get(v, view_find_uid(v, uid), &m), ERR_OK);
    assert_int_equal(account_get_shape(f->account, m.body_id, &serialised), ERR_OK);
    assert_int_equal(shape_parse(a, arena_str(a, serialised), &shape), ERR_OK);
    assert_int_equal(body_reader_new(f->account, m.body_id, &r), ERR_OK);
    enum step step = STEP_MORE;
    while (step == STEP_MORE) {
        step = preview_run_step(&run, &shape, r, is_lazy, &text, &is_known);
    }
    assert_int_equal(step, STEP_DONE);
    buf_clear(out);
    buf_add(out, text);
    preview_run_clear(&run);
    body_reader_free(&r);
    arena_free(&a);
    buf_release(&octets);
    return is_known;
}

static void test_lazy(void **state)
{
    struct fixture *f = *state;
    CLEANUP(buf_release) struct buf out = BUF_INIT(1000);
    static const size_t SIZES[] = {10, 20000, 100000};
    for (size_t i = 0; i < 3; i++) {
        assert_true(make(f, SIZES[i], false, &out));
        assert_str(buf_str(&out), STR("words"));
        bool is_near = SIZES[i] < 30000;
        assert_int_equal(make(f, SIZES[i], true, &out), is_near);
        assert_str(buf_str(&out), is_near ? STR("words") : STR_EMPTY);
    }
}

/* What no honest message has in front of its words ends the search for them. */
static void test_bound(void **state)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(1000);
    assert_true(make(*state, 2000000, false, &out));
    assert_int_equal(out.len, 0);
}

static int setup(void **state)
{
    static struct fixture the_fixture;
    fixture_open(&the_fixture);
    *state = &the_fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_close(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lazy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
