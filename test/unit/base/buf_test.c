/* Unit tests of base/buf. */
#include "base/buf.h"

#include "unit.h"

static void test_cap_is_sticky(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf b = BUF_INIT(5);
    buf_add(&b, STR("abc"));
    buf_add(&b, STR("def"));
    assert_int_equal(buf_err(&b), ERR_LIMIT);
    buf_add(&b, STR("g"));
    assert_str(buf_str(&b), STR("abc"));
    buf_clear(&b);
    buf_add(&b, STR("12345"));
    assert_int_equal(buf_err(&b), ERR_OK);
    assert_string_equal(b.p, "12345");
}

static void test_verbs(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf b = BUF_INIT(1000);
    buf_add_u64(&b, UINT64_MAX);
    buf_add_char(&b, ' ');
    buf_addf(&b, "%d-%s", 7, "x");
    assert_str(buf_str(&b), STR("18446744073709551615 7-x"));
    buf_consume(&b, 21);
    assert_str(buf_str(&b), STR("7-x"));
    buf_truncate(&b, 1);
    assert_str(buf_str(&b), STR("7"));
    buf_clear(&b);
    buf_add_le32(&b, 0x01020304);
    assert_str(buf_str(&b), STR("\x04\x03\x02\x01"));
    buf_clear(&b);
    buf_add_quoted(&b, STR("a \"b\" \\c"));
    buf_add_quoted(&b, STR(""));
    assert_str(buf_str(&b), STR("\"a \\\"b\\\" \\\\c\"\"\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cap_is_sticky),
        cmocka_unit_test(test_verbs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
