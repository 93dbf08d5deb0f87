/* Unit tests of edge/address and edge/limits. */
#include "edge/address.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
