/* Unit tests of base/base64. */
#include "base/base64.h"

#include "unit.h"

static void test_round_trip(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf coded = BUF_INIT(1000);
    CLEANUP(buf_release) struct buf plain = BUF_INIT(1000);
    for (size_t n = 0; n < 200; n++) {
        char raw[200];
        for (size_t i = 0; i < n; i++) {
            raw[i] = (char)(i * 37 + n);
        }
        buf_clear(&coded);
        buf_clear(&plain);
        base64_write(&coded, str_make(raw, n));
        assert_int_equal(base64_parse(buf_str(&coded), &plain), ERR_OK);
        assert_str(buf_str(&plain), str_make(raw, n));
    }
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const BAD[] = {"A",    "AA",   "AAA",      "A===", "AA=A",  "=AAA",
                                      "AB==", "AAB=", "AA==AAAA", "AA A", "AAA\n", "A\0AA"};
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(100);
        assert_int_equal(base64_parse(str_from_c(BAD[i]), &out), ERR_SYNTAX);
    }
}

static void test_hex(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = BUF_INIT(100);
    hex_write(&out, STR("\x00\x7f\xff"));
    assert_str(buf_str(&out), STR("007fff"));
    CLEANUP(buf_release) struct buf raw = BUF_INIT(100);
    assert_int_equal(hex_parse(STR("007fFF"), &raw), ERR_OK);
    assert_str(buf_str(&raw), STR("\x00\x7f\xff"));
    assert_int_equal(hex_parse(STR("0"), &raw), ERR_SYNTAX);
    assert_int_equal(hex_parse(STR("0g"), &raw), ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
