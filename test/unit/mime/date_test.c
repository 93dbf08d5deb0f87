/* Unit tests of mime/date: what is no date, the grammar of RFC 5322 with its obsolete forms, and days there and back. */
#include "mime/date.h"

#include "unit.h"

static void test_no_dates(void **state)
{
    (void)state;
    static const char *const CASES[] = {
        "",
        "x",
        "Mon",
        "Mon,",
        "1 Jan 2024",
        "1 Jan 2024 10",
        "1 Jan 2024 24:00",
        "1 Jan 2024 10:60",
        "1 Jan 2024 10:00:61",
        "31 Feb 2024 10:00",
        "29 Feb 2023 10:00",
        "0 Jan 2024 10:00",
        "32 Jan 2024 10:00",
        "1 Foo 2024 10:00",
        "1 Jan 99999999999 10:00",
        "Jan 1 10:00",
        "99999999999999999999 Jan 2024 10:00",
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        int64_t unix_s = 0;
        int32_t zone_s = 0;
        assert_int_equal(date_parse(str_from_c(CASES[i]), &unix_s, &zone_s), ERR_SYNTAX);
    }
}

static const struct {
    const char *value;
    int64_t unix_s;
    int32_t zone_s;
} DATES[] = {
    {"Thu, 1 Jan 1970 00:00:00 +0000", 0, 0},
    {"Mon, 01 Jan 2024 10:00:00 +0100", 1704099600, 3600},
    {"Mon, 01 Jan 2024 10:00:00 -0830 (comment (nested))", 1704133800, -30600},
    {"1 Jan 2024 10:00 +0100", 1704099600, 3600},
    {"Mon , (a) 1 (b) Jan(c)2024 10 : 00 :\t00 +0100", 1704099600, 3600},
    {"1 Jan 24 10:00:00 EST", 1704121200, -18000},
    {"1 Jan 99 10:00:00 PDT", 915210000, -25200},
    {"1 Jan 124 10:00:00 gmt", 1704103200, 0},
    {"1 Jan 2024 10:00:00 Z", 1704103200, 0},
    {"1 Jan 2024 10:00:00", 1704103200, 0},
    {"1 Jan 2024 10:00:00 -0000", 1704103200, 0},
    {"Monday, 1-January-2024 10.00.00 UT", 1704103200, 0},
    {"Mon Jan  1 10:00:00 2024", 1704103200, 0},
    {"Mon Jan  1 10:00:00 EST 2024", 1704121200, -18000},
    {"31 Dec 2016 23:59:60 +0000", 1483228799, 0},
    {"29 Feb 2024 00:00:00 +0000", 1709164800, 0},
    {"1 Jan 1900 00:00:00 +0000", -2208988800, 0},
};

static void test_dates(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(DATES) / sizeof(DATES[0]); i++) {
        int64_t unix_s = 0;
        int32_t zone_s = 1;
        assert_int_equal(date_parse(str_from_c(DATES[i].value), &unix_s, &zone_s), ERR_OK);
        assert_int_equal(unix_s, DATES[i].unix_s);
        assert_int_equal(zone_s, DATES[i].zone_s);
    }
}

static void test_days(void **state)
{
    (void)state;
    assert_int_equal(date_to_days((struct civil){1970, 1, 1}), 0);
    assert_int_equal(date_to_days((struct civil){2000, 3, 1}), 11017);
    for (int64_t day = -200000; day < 200000; day += 37) {
        struct civil c = date_from_days(day);
        assert_true(date_is_real(c));
        assert_int_equal(date_to_days(c), day);
    }
    assert_false(date_is_real((struct civil){1900, 2, 29}));
    assert_true(date_is_real((struct civil){2000, 2, 29}));
    assert_int_equal(date_find_month(STR("dEc")), 12);
    assert_int_equal(date_find_month(STR("Decem")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_dates),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
