/* Unit tests of net/fields. */
#include "net/fields.h"

#include "unit.h"

static void test_refused(void **state)
{
    static const struct {
        struct str message;
        enum err e;
    } CASES[] = {
        {STR("a"), ERR_SYNTAX},
        {STR("a=b"), ERR_SYNTAX},
        {STR("=b\n"), ERR_SYNTAX},
        {STR("A=b\n"), ERR_SYNTAX},
        {STR("a=b c\n"), ERR_SYNTAX},
        {STR("a=%\n"), ERR_SYNTAX},
        {STR("a=%4\n"), ERR_SYNTAX},
        {STR("a=%4g\n"), ERR_SYNTAX},
        {STR("a=%4a\n"), ERR_SYNTAX},
        {STR("a=1\na=2\n"), ERR_SYNTAX},
        {STR("a=1\n\nb=2\n"), ERR_SYNTAX},
        {STR("a=\x80\n"), ERR_SYNTAX},
        {STR("a=1\r\n"), ERR_SYNTAX},
        {STR("a=\0\n"), ERR_SYNTAX},
        {STR("abcdefghijklmnopqrstuvwxyz0123456=1\n"), ERR_SYNTAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct fields f;
        assert_int_equal(fields_parse(CASES[i].message, &f), CASES[i].e);
    }
}

static void test_bounds(void **state)
{
    struct buf b = BUF_INIT(4 * FIELDS_OCTETS_MOST);
    struct fields f;
    (void)state;
    for (int i = 0; i <= FIELDS_MOST; i++) {
        buf_addf(&b, "k%d=v\n", i);
    }
    assert_int_equal(fields_parse(buf_str(&b), &f), ERR_LIMIT);
    buf_clear(&b);
    buf_add_c(&b, "k=");
    for (int i = 0; i < FIELDS_OCTETS_MOST; i++) {
        buf_add_char(&b, 'v');
    }
    buf_add_c(&b, "\n");
    assert_int_equal(fields_parse(buf_str(&b), &f), ERR_LIMIT);
    buf_release(&b);
}

/* What is written is read back, for every octet. */
static void test_round_trip(void **state)
{
    char all[256];
    struct buf b = BUF_INIT(4096);
    struct fields f;
    (void)state;
    for (size_t i = 0; i < sizeof(all); i++) {
        all[i] = (char)(unsigned char)i;
    }
    fields_add(&b, STR("all"), str_make(all, sizeof(all)));
    fields_add(&b, STR("empty"), STR_EMPTY);
    fields_add_u64(&b, STR("n"), UINT64_MAX);
    fields_add(&b, STR("word"), STR("x=y"));
    assert_int_equal(buf_err(&b), ERR_OK);
    assert_int_equal(fields_parse(buf_str(&b), &f), ERR_OK);
    assert_int_equal(f.count, 4);
    assert_str(fields_get(&f, STR("all")), str_make(all, sizeof(all)));
    assert_true(fields_has(&f, STR("empty")));
    assert_str(fields_get(&f, STR("empty")), STR_EMPTY);
    assert_true(fields_get_u64(&f, STR("n"), 7) == UINT64_MAX);
    assert_true(fields_get_u64(&f, STR("word"), 7) == 7);
    assert_str(fields_get(&f, STR("word")), STR("x=y"));
    assert_false(fields_has(&f, STR("wor")));
    assert_true(fields_get_u64(&f, STR("none"), 9) == 9);
    fields_release(&f);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
