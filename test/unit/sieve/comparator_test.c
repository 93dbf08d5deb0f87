/* Tests of sieve/comparator: keys, orders, globs and what their wildcards stand for. MD-7 */
#include "unit.h"

#include "sieve/comparator.h"

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(sieve_comparator_find(STR("i;octet")), SIEVE_OCTET);
    assert_int_equal(sieve_comparator_find(STR("i;unicode-casemap")), SIEVE_UNICODE);
    assert_int_equal(sieve_comparator_find(STR("I;octet")), SIEVE_COMPARATOR_COUNT);
    assert_int_equal(sieve_comparator_find(STR("")), SIEVE_COMPARATOR_COUNT);
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void test_orders(void **state)
{
    static const struct {
        enum sieve_comparator comparator;
        const char *a;
        const char *b;
        int order;
    } cases[] = {
        {SIEVE_OCTET, "a", "A", 1},
        {SIEVE_CASEMAP, "a", "A", 0},
        {SIEVE_CASEMAP, "a", "_", -1}, /* letters are compared as upper case (RFC 4790, 9.2.1) */
        {SIEVE_CASEMAP, "\xc3\xa9", "\xc3\x89", 1},
        {SIEVE_UNICODE, "\xc3\xa9", "\xc3\x89", 0},
        {SIEVE_UNICODE, "\xff", "\xff", 0}, /* no UTF-8: octets */
        {SIEVE_UNICODE, "\xff", "\xfe", 1},
        {SIEVE_NUMERIC, "10", "9", 1},
        {SIEVE_NUMERIC, "010", "10x", 0},
        {SIEVE_NUMERIC, "0", "000", 0},
        {SIEVE_NUMERIC, "-1", "99999999999999999999999", 1}, /* no digit: infinity */
        {SIEVE_NUMERIC, "x", "y", 0},
        {SIEVE_NUMERIC, "", "5", 1},
        {SIEVE_NUMERIC, "18446744073709551616", "18446744073709551615", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str a = str_from_c(cases[i].a);
        struct str b = str_from_c(cases[i].b);
        assert_int_equal(sign(sieve_comparator_compare(cases[i].comparator, a, b)), cases[i].order);
        assert_int_equal(sign(sieve_comparator_compare(cases[i].comparator, b, a)),
                         -cases[i].order);
    }
}

static void test_contains(void **state)
{
    (void)state;
    assert_true(sieve_comparator_contains(SIEVE_OCTET, STR("abc"), STR("")));
    assert_true(sieve_comparator_contains(SIEVE_OCTET, STR(""), STR("")));
    assert_false(sieve_comparator_contains(SIEVE_OCTET, STR(""), STR("a")));
    assert_true(sieve_comparator_contains(SIEVE_CASEMAP, STR("aBc"), STR("bC")));
    assert_false(sieve_comparator_contains(SIEVE_OCTET, STR("aBc"), STR("bC")));
    assert_true(sieve_comparator_contains(SIEVE_OCTET, STR("a\0b"), STR("\0b")));
}

/* wildcards: what they stand for, between bars; NULL: no match */
static void test_globs(void **state)
{
    static const struct {
        enum sieve_comparator comparator;
        const char *pattern;
        const char *value;
        const char *wildcards;
    } cases[] = {
        {SIEVE_OCTET, "", "", ""},
        {SIEVE_OCTET, "", "a", NULL},
        {SIEVE_OCTET, "*", "", "|"},
        {SIEVE_OCTET, "**", "ab", "||ab"},
        {SIEVE_OCTET, "?*", "ab", "|a|b"},
        {SIEVE_OCTET, "a*b*c", "aXbYbZc", "|X|YbZ"},
        {SIEVE_OCTET, "a*?", "ab", "||b"},
        {SIEVE_OCTET, "a*?", "a", NULL},
        {SIEVE_OCTET, "*ab", "aab", "|a"},
        {SIEVE_OCTET, "*a?c*", "aacabcabc", "||a|abcabc"},
        {SIEVE_OCTET, "\\*\\?\\\\\\a", "*?\\a", ""},
        {SIEVE_OCTET, "a\\", "a\\", ""},
        {SIEVE_OCTET, "?", "\xc3\xa9", NULL}, /* a character is an octet (RFC 5228, 2.7.1) */
        {SIEVE_OCTET, "??", "\xc3\xa9", "|\xc3|\xa9"},
        {SIEVE_CASEMAP, "A*c", "abC", "|b"},
        {SIEVE_UNICODE, "?", "\xc3\xa9", "|\xc3\xa9"},
        {SIEVE_UNICODE, "caf*", "CAF\xc3\x89 x", "|\xc3\x89 x"},
        {SIEVE_UNICODE, "cafe*", "caf\xc3\xa9", NULL}, /* no wildcard begins within a character */
        {SIEVE_UNICODE, "*\xc3\xa9", "xx\xc3\x89", "|xx"},
        {SIEVE_UNICODE, "?x", "\xffx", "|\xff"},
        {SIEVE_UNICODE, "*", "\xc3", "|\xc3"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sieve_glob_match m = {.cost = 1000};
        bool is_match = sieve_glob(cases[i].comparator, str_from_c(cases[i].pattern),
                                   str_from_c(cases[i].value), &m);
        assert_int_equal(is_match, cases[i].wildcards != NULL);
        struct buf got = BUF_INIT(1000);
        for (uint32_t k = 0; is_match && k < m.count; k++) {
            buf_add_char(&got, '|');
            buf_add(&got, m.wildcards[k]);
        }
        assert_str(buf_str(&got), str_from_c(cases[i].wildcards));
        buf_release(&got);
    }
}

/* The pattern that takes others exponential time, and one with more wildcards than are kept. */
static void test_cost(void **state)
{
    (void)state;
    struct buf pattern = BUF_INIT(10000);
    struct buf value = BUF_INIT(10000);
    for (int i = 0; i < 1000; i++) {
        buf_add_c(&pattern, "*a");
        buf_add_c(&value, "a");
    }
    buf_add_c(&pattern, "b");
    struct sieve_glob_match m = {.cost = 2000000};
    assert_false(sieve_glob(SIEVE_CASEMAP, buf_str(&pattern), buf_str(&value), &m));
    assert_true(m.cost > 0);
    buf_add_c(&value, "b");
    assert_true(sieve_glob(SIEVE_CASEMAP, buf_str(&pattern), buf_str(&value), &m));
    assert_int_equal(m.count, SIEVE_WILDCARDS_MOST);
    m.cost = 10;
    assert_false(sieve_glob(SIEVE_CASEMAP, buf_str(&pattern), buf_str(&value), &m));
    assert_int_equal(m.cost, 0);
    buf_release(&pattern);
    buf_release(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),    cmocka_unit_test(test_orders),
        cmocka_unit_test(test_contains), cmocka_unit_test(test_globs),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
