/* Unit tests of base/str. */
#include "base/str.h"

#include "unit.h"

static void test_compares(void **state)
{
    (void)state;
    assert_true(str_eq_nocase(STR("InBox"), STR("INBOX")));
    assert_false(str_eq(STR("a"), STR("ab")));
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_ends_nocase(STR("x.EML"), STR(".eml")));
    assert_true(str_eq_secret(STR("abc"), STR("abc")));
    assert_false(str_eq_secret(STR("abc"), STR("abd")));
}

static void test_splits(void **state)
{
    (void)state;
    struct str s = STR("a,b,,c");
    assert_str(str_split(&s, ','), STR("a"));
    assert_str(str_split(&s, ','), STR("b"));
    assert_str(str_split(&s, ','), STR(""));
    assert_str(str_split(&s, ','), STR("c"));
    assert_int_equal(s.n, 0);
    assert_str(str_trim(STR(" \tx y\r\n")), STR("x y"));
    assert_int_equal(str_find_str(STR("hello"), STR("lo")), 3);
    assert_int_equal(str_count_char(STR("hello"), 'l'), 2);
    assert_int_equal(str_count_char(STR("a\nb\n"), '\n'), 2);
    assert_int_equal(str_count_char(STR(""), 'l'), 0);
}

static void test_words(void **state)
{
    (void)state;
    assert_true(str_has_word(STR("a bc  d"), STR("a")));
    assert_true(str_has_word(STR("a bc  d"), STR("bc")));
    assert_true(str_has_word(STR("a bc  d"), STR("d")));
    assert_false(str_has_word(STR("a bc  d"), STR("b")));
    assert_false(str_has_word(STR("a bc  d"), STR("a bc")));
    assert_false(str_has_word(STR("a bc  d"), STR("")));
    assert_false(str_has_word(STR(""), STR("")));
    assert_false(str_has_word(STR("a bc  d"), STR("BC")));
    assert_true(str_has_word_nocase(STR("a bc  d"), STR("BC")));
}

static void test_numbers(void **state)
{
    (void)state;
    uint64_t v = 0;
    assert_true(str_to_u64(STR("18446744073709551615"), UINT64_MAX, &v));
    assert_true(v == UINT64_MAX);
    assert_false(str_to_u64(STR("18446744073709551616"), UINT64_MAX, &v));
    assert_false(str_to_u64(STR("-1"), UINT64_MAX, &v));
    assert_false(str_to_u64(STR(""), UINT64_MAX, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compares),
        cmocka_unit_test(test_splits),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
