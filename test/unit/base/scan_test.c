/* Unit tests of base/scan. */
#include "base/scan.h"

#include "unit.h"

static void test_errors_stick(void **state)
{
    (void)state;
    struct scan c = scan_make(STR("12 x"));
    assert_int_equal(scan_number(&c, 100, "a number"), 12);
    scan_require(&c, ' ', "a space");
    (void)scan_number(&c, 100, "a number");
    scan_require(&c, 'x', "an x");
    assert_int_equal(scan_get_err(&c), ERR_SYNTAX);
    assert_int_equal(c.err_at, 3);
    assert_string_equal(c.expected, "a number");
}

static void test_bounds(void **state)
{
    (void)state;
    struct scan c = scan_make(STR("101"));
    (void)scan_number(&c, 100, "a small number");
    assert_int_equal(scan_get_err(&c), ERR_SYNTAX);
    c = scan_make(STR("\x01\x02"));
    assert_int_equal(scan_le16(&c), 0x0201);
    (void)scan_le16(&c);
    assert_int_equal(scan_get_err(&c), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_stick),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
