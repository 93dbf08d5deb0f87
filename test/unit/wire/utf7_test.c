/* Unit tests of wire/utf7 (RFC 3501, 5.1.3). */
#include "wire/utf7.h"

#include "random.h"
#include "unit.h"
#include "base/utf8.h"

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "&",          /* no end */
        "a&AOk",      /* no end */
        "&AOk-&AOk-", /* two shifts in a row */
        "&AGE-",      /* "a" needs no shift */
        "&ACY-",      /* nor does "&" */
        "&AGEA6Q-",   /* "a" within */
        "&AAA-",      /* U+0000 */
        "&AOl-",      /* bits left over */
        "&AOkA-",     /* a digit too many */
        "&2D0-",      /* high surrogate alone */
        "&3gA-",      /* low surrogate alone */
        "&2D3YPQ-",   /* high, high */
        "&2D0A6Q-",   /* high, no low */
        "&A-",        /* not a unit */
        "&AO/-",      /* "/" is no digit */
        "&AOk=-",     /* padding */
        "\xC3\xA9",   /* 8-bit */
        "a\tb",       /* control */
        "\x7F",
    };
    struct buf out = BUF_INIT(100);
    buf_add_c(&out, "kept");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(utf7_parse(str_from_c(bad[i]), &out), ERR_SYNTAX);
        assert_str(buf_str(&out), STR("kept"));
    }
    assert_int_equal(utf7_write(&out, STR("a\xFF")), ERR_SYNTAX);
    assert_int_equal(utf7_write(&out, STR("a\0b")), ERR_SYNTAX);
    assert_str(buf_str(&out), STR("kept"));
    buf_release(&out);
}

static void test_pairs(void **state)
{
    (void)state;
    static const struct {
        const char *utf7;
        const char *utf8;
    } cases[] = {
        {"", ""},
        {"INBOX", "INBOX"},
        {"a&-b", "a&b"},
        {"&-&-", "&&"},
        {"&AOk-&-&AOk-", "é&é"},
        {"Entw&APw-rfe", "Entwürfe"},
        {"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"},
        {"&2D3eAA-", "😀"},
        {"&AAEAfw-", "\x01\x7F"},
    };
    struct buf out = BUF_INIT(100);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_clear(&out);
        assert_int_equal(utf7_parse(str_from_c(cases[i].utf7), &out), ERR_OK);
        assert_str(buf_str(&out), str_from_c(cases[i].utf8));
        buf_clear(&out);
        assert_int_equal(utf7_write(&out, str_from_c(cases[i].utf8)), ERR_OK);
        assert_str(buf_str(&out), str_from_c(cases[i].utf7));
    }
    buf_release(&out);
}

static void test_cap(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4);
    assert_int_equal(utf7_parse(STR("abcde"), &out), ERR_LIMIT);
    buf_release(&out);
}

static uint32_t random_code_point(struct random *r)
{
    static const uint32_t most[] = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
    uint32_t v = 1 + random_below(r, most[random_below(r, 4)]);
    return v >= 0xD800 && v <= 0xDFFF ? '&' : v;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct random r = {42};
    struct buf name = BUF_INIT(1000);
    struct buf spelt = BUF_INIT(1000);
    struct buf back = BUF_INIT(1000);
    for (int i = 0; i < 20000; i++) {
        buf_clear(&name);
        buf_clear(&spelt);
        buf_clear(&back);
        for (uint32_t n = random_below(&r, 12); n > 0; n--) {
            utf8_write(&name, random_code_point(&r));
        }
        assert_int_equal(utf7_write(&spelt, buf_str(&name)), ERR_OK);
        assert_int_equal(utf7_parse(buf_str(&spelt), &back), ERR_OK);
        assert_str(buf_str(&back), buf_str(&name));
    }
    buf_release(&name);
    buf_release(&spelt);
    buf_release(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
