/* X-OAUTH: unit tests of auth/bearer: RFC 7628 and XOAUTH2. */
#include "auth/bearer.h"

#include "unit.h"

#define OAUTH(text)                                                                                \
    {                                                                                              \
        STR(text), false                                                                           \
    }
#define XOAUTH(text)                                                                               \
    {                                                                                              \
        STR(text), true                                                                            \
    }

static void test_read(void **state)
{
    static const struct {
        struct str message;
        bool is_x;
        struct str user;
        struct str token;
    } CASES[] = {
        /* RFC 7628, 4.1, with another token */
        {STR("n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer "
             "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1"),
         false, STR("user@example.com"), STR("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==")},
        {STR("n,,\1auth=Bearer x\1\1"), false, STR(""), STR("x")},
        {STR("y,a=a=2Cb=3Dc,\1auth=bearer  x\1\1"), false, STR("a,b=c"), STR("x")},
        {STR("n,,\1later=anything = at all\1auth=Bearer a-._~+/9\1\1"), false, STR(""),
         STR("a-._~+/9")},
        {STR("user=someuser@example.com\1auth=Bearer ya29.x\1\1"), true,
         STR("someuser@example.com"), STR("ya29.x")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct bearer b;
        assert_int_equal(bearer_parse(CASES[i].message, CASES[i].is_x, &b), ERR_OK);
        assert_str(b.user, CASES[i].user);
        assert_str(b.token, CASES[i].token);
    }
}

static void test_refused(void **state)
{
    static const struct {
        struct str message;
        bool is_x;
    } CASES[] = {
        OAUTH(""),
        OAUTH("n,,"),
        OAUTH("n,,\1"),
        OAUTH("n,,\1\1"),
        OAUTH("n,,\1auth=Bearer x\1"),
        OAUTH("n,,\1auth=Bearer x"),
        OAUTH("n,,\1auth=Bearer x\1\1more"),
        OAUTH("n,,\1auth=Bearer \1\1"),
        OAUTH("n,,\1auth=Bearer ==\1\1"),
        OAUTH("n,,\1auth=Bearer a b\1\1"),
        OAUTH("n,,\1auth=Basic eDp5\1\1"),
        OAUTH("n,,\1auth=Bearer x\1auth=Bearer y\1\1"),
        OAUTH("n,,\1auth\1\1"),
        OAUTH("n,,\1=x\1auth=Bearer x\1\1"),
        OAUTH("p=tls-exporter,,\1auth=Bearer x\1\1"), /* it has no channel binding */
        OAUTH("n,b=x,\1auth=Bearer x\1\1"),
        OAUTH("n,a=,\1auth=Bearer x\1\1"),
        OAUTH("n,a=x=2,\1auth=Bearer x\1\1"),
        OAUTH("n,a=x=00,\1auth=Bearer x\1\1"),
        OAUTH("n,a=a\0b,\1auth=Bearer x\1\1"),
        OAUTH("user=a\1auth=Bearer x\1\1"),
        XOAUTH("n,,\1auth=Bearer x\1\1"),
        XOAUTH("user=a\0b\1auth=Bearer x\1\1"),
        XOAUTH("user=a\1\1"),
        XOAUTH("\1"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct bearer b;
        assert_int_equal(bearer_parse(CASES[i].message, CASES[i].is_x, &b), ERR_SYNTAX);
    }
}

static void test_long(void **state)
{
    char text[2048] = "user=";
    struct bearer b;
    (void)state;
    memset(text + 5, 'a', BEARER_USER_MOST + 1);
    memcpy(text + 5 + BEARER_USER_MOST + 1, "\1auth=Bearer x\1\1", 16);
    struct str message = str_make(text, 5 + BEARER_USER_MOST + 1 + 16);
    assert_int_equal(bearer_parse(message, true, &b), ERR_TOO_LONG);
}

static void test_refusal(void **state)
{
    struct buf b = BUF_INIT(1000);
    (void)state;
    bearer_write_refusal(&b, false, STR("mail"), STR("https://id.example.org/x"));
    assert_str(buf_str(&b), STR("{\"status\":\"invalid_token\",\"scope\":\"mail\","
                                "\"openid-configuration\":\"https://id.example.org/x\"}"));
    buf_clear(&b);
    bearer_write_refusal(&b, true, STR_EMPTY, STR_EMPTY);
    assert_str(buf_str(&b), STR("{\"status\":\"401\",\"schemes\":\"bearer\"}"));
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
