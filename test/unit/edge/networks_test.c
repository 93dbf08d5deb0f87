/* Unit tests of edge/networks: what is made of what was seen. */
#include "edge/networks.h"

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static const uint64_t SECOND = 1000;
static const uint64_t DAY = 86400 * 1000;
static const uint64_t FULL = 6900 * 1000;

static struct address make(const char *ip)
{
    struct sockaddr_storage a = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1) {
        memcpy(&a, &v4, sizeof(v4));
    } else {
        assert_int_equal(inet_pton(AF_INET6, ip, &v6.sin6_addr), 1);
        memcpy(&a, &v6, sizeof(v6));
    }
    return address_from_sockaddr(&a);
}

static uint64_t get_ms(struct networks *n, const struct address *a, uint64_t now_ms)
{
    return networks_get_rung_ms(n, networks_get_rung(n, a, now_ms));
}

/* D38: shortened to just under what was seen, for that network alone, when it was seen three times. */
static void test_shortens(void **state)
{
    struct networks *n = networks_new(FULL, DAY, 100);
    struct address a = make("192.0.2.1");
    struct address near = make("192.0.2.200");
    struct address far = make("192.0.3.1");
    for (int i = 0; i < 2; i++) {
        networks_note_forgotten(n, i == 0 ? &a : &near, 1740 * SECOND, 0);
        assert_int_equal(get_ms(n, &a, 1), FULL);
    }
    networks_note_forgotten(n, &a, 1900 * SECOND, 0);
    assert_in_range(get_ms(n, &near, 1), 1740 * SECOND * 3 / 4, 1740 * SECOND - 1);
    assert_int_equal(get_ms(n, &far, 1), FULL);
    /* Not yet short enough: twice is enough now. */
    networks_note_forgotten(n, &a, 1300 * SECOND, 0);
    networks_note_forgotten(n, &a, 1300 * SECOND, 0);
    assert_in_range(get_ms(n, &a, 1), 900 * SECOND, 1300 * SECOND - 1);
    for (int i = 0; i < 100; i++) {
        networks_note_forgotten(n, &a, 61 * SECOND, 0);
    }
    assert_in_range(get_ms(n, &a, 1), 60 * SECOND, 80 * SECOND); /* the last rung */
    networks_free(&n);
    n = networks_new(FULL, DAY, 100);
    struct address v6 = make("2001:db8:1:2::3");
    struct address v6_near = make("2001:db8:1:ffff::3");
    struct address v6_far = make("2001:db8:2:2::3");
    for (int i = 0; i < 3; i++) {
        networks_note_forgotten(n, &v6, 600 * SECOND, 0);
    }
    assert_true(get_ms(n, &v6_near, 1) < 600 * SECOND);
    assert_int_equal(get_ms(n, &v6_far, 1), FULL);
    networks_free(&n);
}

/* One that was silent for longer and lives: what was seen before was a phone that was switched off. */
static void test_is_outvoted(void **state)
{
    struct networks *n = networks_new(FULL, DAY, 100);
    struct address a = make("192.0.2.1");
    for (int i = 0; i < 20; i++) {
        networks_note_forgotten(n, &a, 1740 * SECOND, 0);
        networks_note_forgotten(n, &a, 1740 * SECOND, 0);
        networks_note_survived(n, &a, 300 * SECOND, 0); /* says nothing */
        assert_int_equal(networks_get_count(n), 1);
        networks_note_survived(n, &a, 1740 * SECOND, 0);
        assert_int_equal(networks_get_count(n), 0);
    }
    networks_free(&n);
}

/* A day later one connection is tried one rung higher; step by step all come back to where they should be, and the entry goes. */
static void test_probes_upwards(void **state)
{
    struct networks *n = networks_new(FULL, DAY, 100);
    struct address a = make("192.0.2.1");
    for (int i = 0; i < 3; i++) {
        networks_note_forgotten(n, &a, 3000 * SECOND, 0);
    }
    uint64_t now = 0;
    uint64_t ms = get_ms(n, &a, now);
    assert_int_equal(get_ms(n, &a, DAY - 1), ms);
    for (unsigned steps = 0; ms < FULL; steps++) {
        assert_true(steps < 5);
        now += DAY;
        uint64_t tried = get_ms(n, &a, now);
        assert_true(tried > ms);
        assert_int_equal(get_ms(n, &a, now), ms); /* the others not yet */
        networks_note_survived(n, &a, tried, now + tried);
        now += tried;
        assert_int_equal(get_ms(n, &a, now), tried);
        ms = tried;
    }
    assert_int_equal(networks_get_count(n), 0);
    networks_free(&n);
}

/* When it has not become better, the next try is later: at most eight days. */
static void test_probes_less_and_less(void **state)
{
    static const uint64_t DAYS[] = {1, 2, 4, 8, 8, 8};
    struct networks *n = networks_new(FULL, DAY, 100);
    struct address a = make("192.0.2.1");
    uint64_t now = 0;
    for (int i = 0; i < 3; i++) {
        networks_note_forgotten(n, &a, 1000 * SECOND, now);
    }
    uint64_t ms = get_ms(n, &a, now);
    for (size_t i = 0; i < sizeof(DAYS) / sizeof(DAYS[0]); i++) {
        assert_int_equal(get_ms(n, &a, now + DAYS[i] * DAY - 1), ms);
        now += DAYS[i] * DAY;
        uint64_t tried = get_ms(n, &a, now);
        assert_true(tried > ms);
        networks_note_forgotten(n, &a, tried, now);
        assert_int_equal(get_ms(n, &a, now), ms); /* one failure of a try shortens nothing */
    }
    networks_free(&n);
}

/* The table is bounded: who was not heard of for longest is forgotten. */
static void test_bounded(void **state)
{
    struct networks *n = networks_new(FULL, DAY, 3);
    struct address first = make("192.0.0.1");
    for (int i = 0; i < 3; i++) {
        networks_note_forgotten(n, &first, 1000 * SECOND, 0);
    }
    for (int i = 1; i < 100; i++) {
        char ip[32];
        (void)snprintf(ip, sizeof(ip), "192.0.%d.1", i);
        struct address a = make(ip);
        networks_note_forgotten(n, &a, 1000 * SECOND, 0);
        assert_true(networks_get_count(n) <= 3);
    }
    assert_int_equal(get_ms(n, &first, 0), FULL);
    networks_free(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shortens),       cmocka_unit_test(test_is_outvoted),
        cmocka_unit_test(test_probes_upwards), cmocka_unit_test(test_probes_less_and_less),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
