/* Unit tests of base/scan. */
#include "base/scan.h"

#include "base/buf.h"

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

static void test_varints(void **state)
{
    (void)state;
    static const uint64_t NUMBERS[] = {0, 1, 127, 128, 16384, UINT32_MAX, UINT64_MAX};
    struct buf b = BUF_INIT(100);
    for (size_t i = 0; i < sizeof(NUMBERS) / sizeof(NUMBERS[0]); i++) {
        buf_add_varint(&b, NUMBERS[i]);
    }
    struct scan c = scan_make(buf_str(&b));
    for (size_t i = 0; i < sizeof(NUMBERS) / sizeof(NUMBERS[0]); i++) {
        assert_int_equal(scan_varint(&c, UINT64_MAX), NUMBERS[i]);
    }
    assert_true(scan_is_ok(&c) && scan_is_end(&c));
    c = scan_make(STR("\x80\x01"));
    (void)scan_varint(&c, 127);
    assert_int_equal(scan_get_err(&c), ERR_CORRUPT);
    c = scan_make(STR("\x80"));
    (void)scan_varint(&c, UINT64_MAX);
    assert_int_equal(scan_get_err(&c), ERR_CORRUPT);
    c = scan_make(STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));
    (void)scan_varint(&c, UINT64_MAX);
    assert_int_equal(scan_get_err(&c), ERR_CORRUPT);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_stick),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_varints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
