/* MD-9: which URLs scripts may post to, and where their hosts may be. */
#include "wire/webhook.h"

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define LIST                                                                                       \
    STR("https://hooks.example.org/limetta https://all.example.org:8443/ "                         \
        "https://[2001:db8::1]/x/ https://192.168.7.7/ 10.1.2.3 fd00::5")

static void test_allowed(void **state)
{
    static const struct {
        const char *url;
        bool is_allowed;
    } CASES[] = {
        {"https://hooks.example.org/limetta", true},
        {"HTTPS://Hooks.Example.ORG/limetta", true},
        {"https://hooks.example.org:443/limetta/ann", true},
        {"https://hooks.example.org/limetta?to=ann&x=../y", true},
        {"https://all.example.org:8443", true},
        {"https://all.example.org:8443/any/thing", true},
        {"https://[2001:db8::1]/x/y", true},
        {"https://192.168.7.7/z", true},
        /* another place */
        {"https://hooks.example.org/limettas", false},
        {"https://hooks.example.org/Limetta", false},
        {"https://hooks.example.org/", false},
        {"https://hooks.example.org:444/limetta", false},
        {"https://all.example.org/any", false},
        {"https://hooks.example.org.evil.example/limetta", false},
        {"https://[2001:db8::1]/xy", false},
        {"https://10.1.2.3/", false},
        /* what two readers may read differently */
        {"http://hooks.example.org/limetta", false},
        {"https://hooks.example.org@evil.example/limetta", false},
        {"https://evil.example#hooks.example.org/limetta", false},
        {"https://hooks.example.org/limetta/../admin", false},
        {"https://hooks.example.org/limetta/./x", false},
        {"https://hooks.example.org/limetta/%2e%2e/admin", false},
        {"https://hooks.example.org/limetta%2fx", false},
        {"https://hooks.example.org/limetta/%252e%252e/x", false},
        {"https://hooks.example.org/limetta\\..\\x", false},
        {"https://hooks.example.org/limetta/%0d%0aHost:x", false},
        {"https://hooks.example.org/limetta/%", false},
        {"https://hooks.example.org./limetta", false},
        {"https://hooks.example.org:/limetta", false},
        {"https://hooks.example.org:0443x/limetta", false},
        {"https://hooks.example.org:0/limetta", false},
        {"https://hooks.example.org/limetta x", false},
        {"https://hooks.example.org/limetta\r\nX: y", false},
        {"https://h\xc3\xb6oks.example.org/limetta", false},
        {"https:///limetta", false},
        {"https://", false},
        {"", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        if (webhook_is_allowed(LIST, str_from_c(CASES[i].url)) != CASES[i].is_allowed) {
            fail_msg("%s", CASES[i].url);
        }
    }
    assert_false(webhook_is_allowed(STR_EMPTY, STR("https://hooks.example.org/limetta")));
    char url[WEBHOOK_URL_MOST + 2] = "https://all.example.org:8443/";
    memset(url + strlen(url), 'x', sizeof(url) - strlen(url) - 1);
    assert_false(webhook_is_allowed(LIST, str_make(url, WEBHOOK_URL_MOST + 1)));
    assert_true(webhook_is_allowed(LIST, str_make(url, WEBHOOK_URL_MOST)));
}

static struct sockaddr_storage make(const char *text)
{
    struct sockaddr_storage at = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&at;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&at;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
        v6->sin6_family = AF_INET6;
    }
    return at;
}

static void test_addresses(void **state)
{
    static const struct {
        const char *address;
        bool is_reachable;
    } CASES[] = {
        {"8.8.8.8", true},
        {"172.32.0.1", true},
        {"100.128.0.1", true},
        {"2a00:1450::1", true},
        {"127.0.0.1", false},
        {"10.0.0.1", false},
        {"10.1.2.3", true},
        {"192.168.7.7", true},
        {"192.168.7.8", false},
        {"172.16.0.1", false},
        {"172.31.255.255", false},
        {"169.254.169.254", false},
        {"100.64.0.1", false},
        {"0.0.0.0", false},
        {"224.0.0.1", false},
        {"255.255.255.255", false},
        {"::1", false},
        {"::", false},
        {"fe80::1", false},
        {"fd00::1", false},
        {"fd00::5", true},
        {"::ffff:127.0.0.1", false},
        {"::ffff:10.1.2.3", true},
        {"::ffff:8.8.8.8", true},
        {"64:ff9b::7f00:1", false},
        {"2002:7f00:1::", false},
        {"2001:db8::1", true},
        {"2001:db8::2", false},
        {"ff02::1", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct sockaddr_storage at = make(CASES[i].address);
        if (webhook_may_reach(LIST, &at) != CASES[i].is_reachable) {
            fail_msg("%s", CASES[i].address);
        }
    }
    struct sockaddr_storage none = {0};
    assert_false(webhook_may_reach(LIST, &none));
}

static void test_sound(void **state)
{
    struct str bad;
    (void)state;
    assert_true(webhook_is_sound(LIST, &bad));
    assert_true(webhook_is_sound(STR_EMPTY, &bad));
    assert_false(webhook_is_sound(STR("https://a.example/ http://b.example/"), &bad));
    assert_str(bad, STR("http://b.example/"));
    assert_false(webhook_is_sound(STR("10.0.0.0/8"), &bad));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allowed),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
