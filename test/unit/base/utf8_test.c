/* Unit tests of wire/utf8 (RFC 3629). */
#include "base/utf8.h"

#include "unit.h"

static void test_malformed(void **state)
{
    (void)state;
    static const struct str bad[] = {
        {"\x80", 1},             /* continuation first */
        {"\xC0\x80", 2},         /* overlong NUL */
        {"\xC1\xBF", 2},         /* overlong */
        {"\xE0\x9F\xBF", 3},     /* overlong */
        {"\xF0\x8F\xBF\xBF", 4}, /* overlong */
        {"\xED\xA0\x80", 3},     /* U+D800 */
        {"\xED\xBF\xBF", 3},     /* U+DFFF */
        {"\xF4\x90\x80\x80", 4}, /* U+110000 */
        {"\xF8\x88\x80\x80\x80", 5},
        {"\xFF", 1},
        {"\xC3", 1}, /* cut short */
        {"\xE2\x82", 2},
        {"a\xE2\x28\xA1", 4},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(utf8_is_valid(bad[i]));
    }
    struct str s = STR("\xC3");
    uint32_t v = 7;
    assert_false(utf8_next(&s, &v));
    assert_int_equal(s.n, 1);
    assert_int_equal(v, 7);
}

static void test_every_code_point(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(16);
    for (uint32_t v = 0; v <= 0x10FFFF; v++) {
        if (v >= 0xD800 && v <= 0xDFFF) {
            continue;
        }
        buf_clear(&out);
        utf8_write(&out, v);
        struct str s = buf_str(&out);
        uint32_t got = 0;
        assert_true(utf8_next(&s, &got));
        assert_int_equal(got, v);
        assert_int_equal(s.n, 0);
    }
    buf_release(&out);
    assert_true(utf8_is_valid(STR_EMPTY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_every_code_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
