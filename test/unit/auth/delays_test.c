/* Delays grow, shrink, and stay bounded. */
#include "auth/delays.h"

#include "unit.h"

#include <stdio.h>

static void test_growth(void **state)
{
    struct delays *d = delays_new();
    uint64_t want_ms = DELAY_FIRST_MS;
    for (int i = 0; i < 40; i++) {
        assert_int_equal(delays_fail(d, STR("192.0.2.1"), 1000), want_ms);
        want_ms = want_ms * 2 > DELAY_MOST_MS ? DELAY_MOST_MS : want_ms * 2;
    }
    /* the same host by its IPv4-mapped name */
    assert_int_equal(delays_fail(d, STR("::ffff:192.0.2.1"), 1000), DELAY_MOST_MS);
    /* somebody elsewhere is not touched, a neighbour is, a little */
    assert_int_equal(delays_fail(d, STR("198.51.100.1"), 1000), DELAY_FIRST_MS);
    assert_int_equal(delays_fail(d, STR("192.0.2.77"), 1000), DELAY_FIRST_MS * 4);
    delays_free(&d);
}

static void test_ipv6(void **state)
{
    struct delays *d = delays_new();
    assert_int_equal(delays_fail(d, STR("2001:db8:1:2::1"), 0), DELAY_FIRST_MS);
    assert_int_equal(delays_fail(d, STR("2001:db8:1:2:ffff::9"), 0), DELAY_FIRST_MS * 2);
    assert_int_equal(delays_fail(d, STR("2001:db8:1:3::1"), 0), DELAY_FIRST_MS);
    delays_free(&d);
}

static void test_forgetting(void **state)
{
    struct delays *d = delays_new();
    uint64_t hour_ms = 60 * 60 * 1000;
    for (int i = 0; i < 4; i++) {
        (void)delays_fail(d, STR("192.0.2.1"), 1000);
    }
    /* half after a quarter of an hour, nearly nothing after an hour */
    assert_int_equal(delays_fail(d, STR("192.0.2.1"), 1000 + hour_ms / 4), DELAY_FIRST_MS * 4);
    assert_int_equal(delays_fail(d, STR("192.0.2.1"), 1000 + hour_ms * 2), DELAY_FIRST_MS);
    (void)delays_fail(d, STR("192.0.2.1"), 1000 + hour_ms * 2);
    delays_succeed(d, STR("192.0.2.1"));
    assert_int_equal(delays_fail(d, STR("192.0.2.1"), 1000 + hour_ms * 2), DELAY_FIRST_MS);
    delays_free(&d);
}

static void test_no_address(void **state)
{
    struct delays *d = delays_new();
    assert_int_equal(delays_fail(d, STR_EMPTY, 0), DELAY_FIRST_MS);
    assert_int_equal(
        delays_fail(d, STR("not an address at all, and a very long one at that, too"), 0),
        DELAY_FIRST_MS * 2);
    delays_free(&d);
}

/* A guesser with a million addresses costs bounded memory, and meets his prefixes again. */
static void test_bound(void **state)
{
    struct delays *d = delays_new();
    char address[32];
    uint64_t last_ms = 0;
    for (unsigned i = 0; i < 3 * DELAYS_TABLE_MOST; i++) {
        (void)snprintf(address, sizeof(address), "10.%u.%u.%u", 0U, (i >> 8) & 3, i & 255);
        last_ms = delays_fail(d, str_from_c(address), 0);
        (void)snprintf(address, sizeof(address), "2001:db8:%x:%x::1", i >> 16, i & 0xffff);
        (void)delays_fail(d, str_from_c(address), 0);
    }
    assert_int_equal(last_ms, DELAY_MOST_MS);
    delays_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth),     cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_forgetting), cmocka_unit_test(test_no_address),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
