/* Lists of networks. */
#include "net/network.h"

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static struct sockaddr_storage make(const char *ip)
{
    struct sockaddr_storage out;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    memset(&out, 0, sizeof(out));
    if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1) {
        memcpy(&out, &v4, sizeof(v4));
    } else {
        assert_int_equal(inet_pton(AF_INET6, ip, &v6.sin6_addr), 1);
        memcpy(&out, &v6, sizeof(v6));
    }
    return out;
}

static void test_members(void **state)
{
    static const struct {
        const char *list;
        const char *ip;
        bool is_inside;
    } CASES[] = {
        {"127.0.0.0/8 ::1", "127.1.2.3", true},
        {"127.0.0.0/8 ::1", "::1", true},
        {"127.0.0.0/8 ::1", "::ffff:127.0.0.1", true},
        {"127.0.0.0/8 ::1", "128.0.0.1", false},
        {"127.0.0.0/8 ::1", "::2", false},
        {"192.0.2.129/25", "192.0.2.200", true},
        {"192.0.2.129/25", "192.0.2.100", false},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"0.0.0.0/0", "203.0.113.1", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"", "127.0.0.1", false},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct sockaddr_storage at = make(CASES[i].ip);
        assert_int_equal(network_has(str_from_c(CASES[i].list), &at), CASES[i].is_inside);
    }
    struct sockaddr_storage local = {.ss_family = AF_UNIX};
    assert_false(network_has(STR("::/0 0.0.0.0/0"), &local));
}

static void test_bad_lists(void **state)
{
    static const char *const BAD[] = {"127.0.0.1/33",
                                      "x",
                                      "127.0.0.1/",
                                      "::1/129",
                                      "10.0.0/8",
                                      "127.0.0.1/8/8",
                                      "::ffff:192.0.2.128:1111:2222:3333:4444:55"};
    struct str bad = STR_EMPTY;
    assert_true(network_check(STR(" 127.0.0.1  ::1/128 10.0.0.0/0 "), &bad));
    assert_true(network_check(STR(""), &bad));
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        assert_false(network_check(str_from_c(BAD[i]), &bad));
        assert_str(bad, str_from_c(BAD[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_bad_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
