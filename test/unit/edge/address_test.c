/* Unit tests of edge/address and edge/limits. */
#include "edge/address.h"
#include "edge/limits.h"

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static struct address make(const char *text)
{
    struct sockaddr_storage a = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(143);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(143);
    }
    return address_from_sockaddr(&a);
}

static void test_text(void **state)
{
    static const struct {
        const char *in;
        const char *out;
    } CASES[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"2001:DB8::0001", "2001:db8::1"},
        {"::1", "::1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct buf b = BUF_INIT(100);
        struct address a = make(CASES[i].in);
        address_write(&b, &a);
        assert_str(buf_str(&b), str_from_c(CASES[i].out));
        assert_int_equal(a.port, 143);
        buf_release(&b);
    }
}

static void test_loopback(void **state)
{
    static const struct {
        const char *peer;
        const char *local;
        bool is_loopback;
    } CASES[] = {
        {"192.0.2.1", "192.0.2.2", false},     {"192.0.2.1", "192.0.2.1", true},
        {"127.0.0.1", "127.0.0.1", true},      {"127.9.9.9", "127.0.0.1", true},
        {"128.0.0.1", "127.0.0.1", false},     {"::1", "::1", true},
        {"2001:db8::1", "2001:db8::2", false}, {"2001:db8::1", "2001:db8::1", true},
        {"::ffff:127.0.0.1", "::1", true},     {"::2", "::1", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct address peer = make(CASES[i].peer);
        struct address local = make(CASES[i].local);
        assert_int_equal(address_is_loopback(&peer, &local), CASES[i].is_loopback);
    }
    /* What is no address is nobody's, and surely not ours. */
    struct sockaddr_storage none = {.ss_family = AF_UNIX};
    struct address unknown = address_from_sockaddr(&none);
    assert_false(address_is_loopback(&unknown, &unknown));
}

static void test_limits(void **state)
{
    struct limits *l = limits_new(2, 0);
    struct address v4 = make("192.0.2.1");
    struct address neighbour = make("192.0.2.2");
    struct address v6 = make("2001:db8:1:2::1");
    struct address same_site = make("2001:db8:1:2:ffff::9");
    struct address other_site = make("2001:db8:1:3::1");
    (void)state;
    assert_true(limits_take(l, &v4, 1));
    assert_true(limits_take(l, &v4, 1));
    assert_false(limits_take(l, &v4, 1));
    assert_true(limits_take(l, &neighbour, 1));
    assert_true(limits_take(l, &v6, 1));
    assert_true(limits_take(l, &same_site, 1));
    assert_false(limits_take(l, &v6, 1));
    assert_true(limits_take(l, &other_site, 1));
    assert_int_equal(limits_get_count(l), 6);
    limits_give(l, &v4);
    assert_true(limits_take(l, &v4, 1));
    limits_give(l, &v4);
    limits_give(l, &v4);
    limits_give(l, &neighbour);
    limits_give(l, &v6);
    limits_give(l, &v6);
    limits_give(l, &other_site);
    assert_int_equal(limits_get_count(l), 0);
    limits_free(&l);
    /* Within a minute: who comes and goes comes too often, and is heard again in the next one. */
    l = limits_new(10, 2);
    for (uint64_t minute = 1; minute < 3; minute++) {
        assert_true(limits_take(l, &v4, minute * 60000));
        limits_give(l, &v4);
        assert_true(limits_take(l, &v4, minute * 60000 + 30000));
        assert_false(limits_take(l, &v4, minute * 60000 + 59999));
        assert_true(limits_take(l, &neighbour, minute * 60000 + 59999));
        limits_give(l, &v4);
        limits_give(l, &neighbour);
    }
    assert_int_equal(limits_get_count(l), 0);
    limits_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
