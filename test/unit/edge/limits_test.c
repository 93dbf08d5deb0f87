#include "edge/limits.h"
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };

static struct address make(const char *text)
{
    struct sockaddr_storage s = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&s;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&s;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
        v6->sin6_family = AF_INET6;
    }
    return address_from_sockaddr(&s);
}

static enum limits_verdict take(struct limits *l, const char *from, uint64_t now_ms)
{
    struct address a = make(from);
    return limits_take(l, &a, now_ms);
}

static void give(struct limits *l, const char *from, bool is_stranger)
{
    struct address a = make(from);
    limits_give(l, &a, is_stranger);
}

static const struct limits_bounds ANY = {.connections = 0};

/* At once: an address, and the prefix around it; of IPv6 a /64 and a /48. */
static void test_connections(void **state)
{
    static const struct limits_bounds TWO = {.connections = 2};
    static const struct limits_bounds FOUR = {.connections = 4};
    struct limits *l = limits_new(&TWO, &FOUR);
    (void)state;
    assert_int_equal(take(l, "192.0.2.1", 1), LIMITS_FINE);
    assert_int_equal(take(l, "192.0.2.1", 1), LIMITS_FINE);
    assert_int_equal(take(l, "192.0.2.1", 1), LIMITS_CONNECTIONS);
    assert_int_equal(take(l, "192.0.2.2", 1), LIMITS_FINE);
    assert_int_equal(take(l, "192.0.2.3", 1), LIMITS_FINE);
    assert_int_equal(take(l, "192.0.2.4", 1), LIMITS_CONNECTIONS);
    assert_int_equal(take(l, "192.0.3.4", 1), LIMITS_FINE);
    assert_int_equal(take(l, "2001:db8:1:2::1", 1), LIMITS_FINE);
    assert_int_equal(take(l, "2001:db8:1:2:ffff::9", 1), LIMITS_FINE);
    assert_int_equal(take(l, "2001:db8:1:2::1", 1), LIMITS_CONNECTIONS);
    assert_int_equal(take(l, "2001:db8:1:3::1", 1), LIMITS_FINE);
    assert_int_equal(take(l, "2001:db8:1:4::1", 1), LIMITS_FINE);
    assert_int_equal(take(l, "2001:db8:1:5::1", 1), LIMITS_CONNECTIONS);
    assert_int_equal(take(l, "2001:db8:2:5::1", 1), LIMITS_FINE);
    assert_int_equal(limits_get_count(l), 10);
    give(l, "192.0.2.1", true);
    assert_int_equal(take(l, "192.0.2.4", 1), LIMITS_FINE);
    static const char *const LEFT[] = {"192.0.2.1",       "192.0.2.2",       "192.0.2.3",
                                       "192.0.2.4",       "192.0.3.4",       "2001:db8:1:2::1",
                                       "2001:db8:1:2::1", "2001:db8:1:3::1", "2001:db8:1:4::1",
                                       "2001:db8:2:5::1"};
    for (size_t i = 0; i < sizeof(LEFT) / sizeof(LEFT[0]); i++) {
        give(l, LEFT[i], true);
    }
    assert_int_equal(limits_get_count(l), 0);
    limits_free(&l);
}

/* Who has logged in is no stranger; who comes back is one again. */
static void test_strangers(void **state)
{
    static const struct limits_bounds ONE = {.strangers = 1};
    struct limits *l = limits_new(&ONE, &ANY);
    struct address a = make("192.0.2.1");
    (void)state;
    assert_int_equal(limits_take(l, &a, 1), LIMITS_FINE);
    assert_int_equal(limits_take(l, &a, 1), LIMITS_STRANGERS);
    limits_note_login(l, &a);
    assert_int_equal(limits_take(l, &a, 1), LIMITS_FINE);
    limits_give(l, &a, true);
    limits_note_return(l, &a);
    assert_int_equal(limits_take(l, &a, 1), LIMITS_STRANGERS);
    limits_give(l, &a, true);
    limits_free(&l);
}

/* A bucket fills at once and leaks evenly. */
static void test_begun(void **state)
{
    static const struct limits_bounds SIX = {.begun_minute = 6};
    static const struct limits_bounds EIGHT = {.begun_minute = 8};
    struct limits *l = limits_new(&SIX, &EIGHT);
    uint64_t now = HOUR_MS;
    (void)state;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(take(l, "192.0.2.1", now), LIMITS_FINE);
        give(l, "192.0.2.1", true);
    }
    assert_int_equal(take(l, "192.0.2.1", now), LIMITS_OFTEN);
    assert_int_equal(take(l, "192.0.2.1", now + 9 * 1000), LIMITS_OFTEN);
    assert_int_equal(take(l, "192.0.2.1", now + 10 * 1000), LIMITS_FINE);
    give(l, "192.0.2.1", true);
    assert_int_equal(take(l, "192.0.2.1", now + 11 * 1000), LIMITS_OFTEN);
    /* The neighbours have what the prefix has left. */
    assert_int_equal(take(l, "192.0.2.2", now + 11 * 1000), LIMITS_FINE);
    give(l, "192.0.2.2", true);
    assert_int_equal(take(l, "192.0.2.3", now + 11 * 1000), LIMITS_FINE);
    give(l, "192.0.2.3", true);
    assert_int_equal(take(l, "192.0.2.4", now + 11 * 1000), LIMITS_OFTEN);
    limits_free(&l);
}

static void test_octets(void **state)
{
    static const struct limits_bounds THOUSAND = {.octets_minute = 1000};
    struct limits *l = limits_new(&THOUSAND, &ANY);
    struct address a = make("2001:db8::1");
    (void)state;
    assert_int_equal(limits_take(l, &a, 1), LIMITS_FINE);
    assert_true(limits_note_octets(l, &a, 900, 1));
    assert_true(limits_note_octets(l, &a, 200, 1)); /* what tips it over was said already */
    assert_false(limits_note_octets(l, &a, 1, 1));
    assert_int_equal(take(l, "2001:db8::2", 1), LIMITS_OCTETS);
    assert_true(limits_note_octets(l, &a, 1000000, MINUTE_MS));
    /* Twice the bound is the most that is held against anybody. */
    assert_int_equal(take(l, "2001:db8::2", 2 * MINUTE_MS - 1), LIMITS_OCTETS);
    assert_int_equal(take(l, "2001:db8::2", 3 * MINUTE_MS), LIMITS_FINE);
    limits_give(l, &a, true);
    limits_give(l, &a, true);
    limits_free(&l);
}

static void test_failures(void **state)
{
    static const struct limits_bounds THREE = {.failures_hour = 3};
    static const struct limits_bounds FIVE = {.failures_hour = 5};
    struct limits *l = limits_new(&THREE, &FIVE);
    struct address a = make("192.0.2.1");
    struct address b = make("192.0.2.2");
    (void)state;
    assert_int_equal(limits_take(l, &a, 1), LIMITS_FINE);
    assert_int_equal(limits_take(l, &b, 1), LIMITS_FINE);
    for (int i = 0; i < 3; i++) {
        limits_note_failure(l, &a, 1);
    }
    assert_int_equal(limits_take(l, &a, 1), LIMITS_FAILURES);
    assert_int_equal(take(l, "192.0.2.9", 1), LIMITS_FINE);
    limits_note_failure(l, &b, 1);
    limits_note_failure(l, &b, 1);
    assert_int_equal(take(l, "192.0.2.8", 1), LIMITS_FAILURES);
    assert_int_equal(take(l, "192.0.3.8", 1), LIMITS_FINE);
    assert_int_equal(take(l, "192.0.2.8", 1 + HOUR_MS), LIMITS_FINE);
    give(l, "192.0.2.8", true);
    give(l, "192.0.3.8", true);
    give(l, "192.0.2.9", true);
    limits_give(l, &a, true);
    limits_give(l, &b, true);
    limits_free(&l);
}

/* Addresses without end: memory has one, and who is connected is not forgotten. */
static void test_memory(void **state)
{
    static const struct limits_bounds TEN = {.begun_minute = 10, .connections = 1};
    struct limits *l = limits_new(&TEN, &ANY);
    char text[INET6_ADDRSTRLEN];
    (void)state;
    assert_int_equal(take(l, "192.0.2.1", 1), LIMITS_FINE);
    for (unsigned i = 0; i < 3 * LIMITS_REMEMBERED_MOST; i++) {
        (void)snprintf(text, sizeof(text), "2001:db8:%x:%x::1", i >> 8, i & 0xff);
        assert_int_equal(take(l, text, 1), LIMITS_FINE);
        give(l, text, true);
    }
    assert_true(limits_get_places(l) <= LIMITS_REMEMBERED_MOST + 8);
    assert_int_equal(take(l, "192.0.2.1", 1), LIMITS_CONNECTIONS);
    /* Those that nothing is known of any more go by and by. */
    for (unsigned i = 0; i < LIMITS_REMEMBERED_MOST; i++) {
        assert_int_equal(take(l, "192.0.2.1", HOUR_MS), LIMITS_CONNECTIONS);
    }
    assert_int_equal(limits_get_places(l), 2);
    give(l, "192.0.2.1", true);
    limits_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections), cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_begun),       cmocka_unit_test(test_octets),
        cmocka_unit_test(test_failures),    cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
