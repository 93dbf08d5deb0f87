/* BODY[section] against the plain reading of the octets (RFC 3501, 6.4.5), on messages with long lines and many fields. */
#include "unit.h"

#include "../store/store_fixture.h"

#include "base/arena.h"
#include "imap/section.h"

#include <stdio.h>

enum { LINE_LONG = 40000, ROUNDS = 60, HEADER_MOST = 1 << 20 };

/* A message in the store, its shape and a reader. */
struct stored {
    struct shown shown;
    struct arena *arena;
    struct shape shape;
};

static void stored_open(struct fixture *f, struct str octets, struct stored *out)
{
    struct message m;
    struct str serialised;
    struct uid uid = fixture_append(f->inbox, octets, 0);
    assert_int_equal(fixture_commit(f), ERR_OK);
    struct view *v = fixture_view(f->inbox);
    assert_int_equal(view_get(v, view_find_uid(v, uid), &m), ERR_OK);
    assert_int_equal(account_get_shape(f->account, m.body_id, &serialised), ERR_OK);
    out->arena = arena_new(SHAPE_ARENA_MOST + SHAPE_MOST);
    serialised = arena_str(out->arena, serialised);
    assert_int_equal(shape_parse(out->arena, serialised, &out->shape), ERR_OK);
    assert_int_equal(shown_open(&out->shown, f->account, &m), ERR_OK);
    assert_int_equal(shown_set_shape(&out->shown, out->arena, &out->shape), ERR_OK);
}

static void stored_close(struct stored *m)
{
    shown_close(&m->shown);
    arena_free(&m->arena);
}

/* What BODY[spec]<offset.length> gives; false: NIL. */
static bool read_section(struct stored *m, const char *spec, uint64_t offset, uint64_t length,
                         struct buf *out)
{
    struct section section;
    struct section_octets o = {0};
    bool is_found = false;
    assert_int_equal(section_parse(m->arena, str_from_c(spec), &section), ERR_OK);
    assert_int_equal(section_find(&m->shown, &section, &o, &is_found), ERR_OK);
    section_cut(&o, offset, length);
    uint64_t size = o.size;
    buf_clear(out);
    for (;;) {
        struct str octets;
        assert_int_equal(section_read(&m->shown, &o, 700, &octets), ERR_OK);
        if (octets.n == 0) {
            break;
        }
        buf_add(out, octets);
    }
    assert_int_equal(out->len, size);
    section_release(&o);
    return is_found;
}

static void test_missing(void **state)
{
    struct fixture *f = *state;
    struct stored m = {0};
    struct buf out = BUF_INIT(4096);
    stored_open(f, STR("Subject: a\r\n\r\nbody"), &m);
    assert_false(read_section(&m, "2", 0, 100, &out));
    assert_false(read_section(&m, "1.1", 0, 100, &out));
    assert_false(read_section(&m, "1.HEADER", 0, 100, &out));
    assert_false(read_section(&m, "1.TEXT", 0, 100, &out));
    assert_true(read_section(&m, "TEXT", 4, 100, &out));
    assert_int_equal(out.len, 0);
    assert_true(read_section(&m, "TEXT", UINT64_MAX, UINT64_MAX, &out));
    assert_int_equal(out.len, 0);
    assert_true(read_section(&m, "1", 1, 2, &out));
    assert_str(buf_str(&out), STR("od"));
    buf_release(&out);
    stored_close(&m);
}

/* A header without an empty line, a line that is no field, bare line feeds, a name with a space before the colon. */
static void test_odd_headers(void **state)
{
    struct fixture *f = *state;
    struct stored m = {0};
    struct buf out = BUF_INIT(4096);
    stored_open(f, STR("A: 1\n b\njunk\nB : 2\n\nbody"), &m);
    assert_true(read_section(&m, "HEADER.FIELDS (a)", 0, 100, &out));
    assert_str(buf_str(&out), STR("A: 1\n b\n\n"));
    assert_true(read_section(&m, "HEADER.FIELDS (b)", 0, 100, &out));
    assert_str(buf_str(&out), STR("B : 2\n\n"));
    assert_true(read_section(&m, "HEADER.FIELDS.NOT (a b)", 0, 100, &out));
    assert_str(buf_str(&out), STR("junk\n\n"));
    stored_close(&m);
    stored_open(f, STR("A: 1\r\nB: 2"), &m);
    assert_true(read_section(&m, "HEADER.FIELDS (B)", 0, 100, &out));
    assert_str(buf_str(&out), STR("B: 2"));
    stored_close(&m);
    buf_release(&out);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

/* A field X<n> with continuation lines, some of them longer than any window. */
static void add_field(struct buf *out, uint32_t *seed, unsigned n)
{
    buf_addf(out, "X%u:", n);
    unsigned lines = 1 + next_random(seed) % 3;
    for (unsigned i = 0; i < lines; i++) {
        size_t size =
            next_random(seed) % 20 == 0 ? next_random(seed) % LINE_LONG : next_random(seed) % 60;
        buf_add_char(out, ' ');
        for (size_t k = 0; k < size; k++) {
            buf_add_char(out, (char)('a' + k % 26));
        }
        buf_add(out, STR("\r\n"));
    }
}

/* Random headers: fields X0..X4 go into `even` or `odd` by their number, as HEADER.FIELDS (X0 X2 X4) and .NOT must. */
static void test_random_headers(void **state)
{
    struct fixture *f = *state;
    uint32_t seed = 7;
    for (int round = 0; round < ROUNDS; round++) {
        struct buf message = BUF_INIT(HEADER_MOST);
        struct buf sides[2] = {BUF_INIT(HEADER_MOST), BUF_INIT(HEADER_MOST)};
        struct buf got = BUF_INIT(HEADER_MOST);
        unsigned fields = next_random(&seed) % 40;
        for (unsigned i = 0; i < fields; i++) {
            unsigned n = next_random(&seed) % 5;
            size_t before = message.len;
            add_field(&message, &seed, n);
            buf_add(&sides[n % 2], str_skip(buf_str(&message), before));
        }
        buf_add(&message, STR("\r\nbody\r\n"));
        buf_add(&sides[0], STR("\r\n"));
        buf_add(&sides[1], STR("\r\n"));
        struct stored m = {0};
        stored_open(f, buf_str(&message), &m);
        assert_true(read_section(&m, "HEADER.FIELDS (x0 X2 X4)", 0, UINT64_MAX, &got));
        assert_str(buf_str(&got), buf_str(&sides[0]));
        assert_true(read_section(&m, "HEADER.FIELDS.NOT (X0 x2 X4)", 0, UINT64_MAX, &got));
        assert_str(buf_str(&got), buf_str(&sides[1]));
        uint64_t offset = next_random(&seed) % (sides[0].len + 2);
        uint64_t length = 1 + next_random(&seed) % 5000;
        assert_true(read_section(&m, "HEADER.FIELDS (X0 X2 X4)", offset, length, &got));
        assert_str(buf_str(&got), str_sub(buf_str(&sides[0]), offset, length));
        stored_close(&m);
        buf_release(&message);
        buf_release(&sides[0]);
        buf_release(&sides[1]);
        buf_release(&got);
    }
}

static struct fixture the_fixture;

static int setup(void **state)
{
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
        cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random_headers, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
