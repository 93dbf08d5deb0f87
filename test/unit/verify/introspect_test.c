/* X-OAUTH: unit tests of verify/introspect: what an issuer's answer (RFC 7662, 2.2) is taken for. */
#include "verify/introspect.h"

#include "unit.h"

static const int64_t NOW_S = 1700000000;

static enum err read_as(const struct introspector_config *c, const char *json, struct buf *user)
{
    buf_clear(user);
    return introspect_read(c, str_from_c(json), NOW_S, user);
}

static void test_read(void **state)
{
    static const struct {
        const char *json;
        enum err e;
    } CASES[] = {
        {"{\"active\":true,\"username\":\"anna\"}", ERR_OK},
        {"{\"active\":true,\"username\":\"anna\",\"exp\":1700000001,\"nbf\":1700000000,\"x\":[{}]}",
         ERR_OK},
        {"{\"active\":false,\"username\":\"anna\"}", ERR_AUTH_FAILED},
        {"{\"active\":true,\"username\":\"anna\",\"exp\":1700000000}", ERR_AUTH_FAILED},
        {"{\"active\":true,\"username\":\"anna\",\"nbf\":1700000001}", ERR_AUTH_FAILED},
        {"{\"active\":true}", ERR_AUTH_FAILED},
        {"{\"active\":true,\"username\":\"\"}", ERR_AUTH_FAILED},
        {"{\"active\":true,\"username\":7}", ERR_AUTH_FAILED},
        {"{\"active\":true,\"sub\":\"anna\"}", ERR_AUTH_FAILED},
        {"{\"active\":\"true\",\"username\":\"anna\"}", ERR_SYNTAX},
        {"{\"active\":1,\"username\":\"anna\"}", ERR_SYNTAX},
        {"{\"active\":false,\"active\":true,\"username\":\"anna\"}", ERR_SYNTAX},
        {"{\"username\":\"anna\"}", ERR_SYNTAX},
        {"[true]", ERR_SYNTAX},
        {"true", ERR_SYNTAX},
        {"<html>", ERR_SYNTAX},
        {"", ERR_SYNTAX},
    };
    const struct introspector_config c = {.claim = STR("username")};
    struct buf user = BUF_INIT(1000);
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(read_as(&c, CASES[i].json, &user), CASES[i].e);
        assert_str(buf_str(&user), CASES[i].e == ERR_OK ? STR("anna") : STR_EMPTY);
    }
    buf_release(&user);
}

static void test_for_us(void **state)
{
    static const struct {
        const char *json;
        enum err e;
    } CASES[] = {
        {"{\"active\":true,\"sub\":\"a\",\"scope\":\"x mail y\",\"aud\":\"imap\"}", ERR_OK},
        {"{\"active\":true,\"sub\":\"a\",\"scope\":\"mail\",\"aud\":[\"web\",\"imap\"]}", ERR_OK},
        {"{\"active\":true,\"sub\":\"a\",\"scope\":\"email\",\"aud\":\"imap\"}", ERR_AUTH_FAILED},
        {"{\"active\":true,\"sub\":\"a\",\"aud\":\"imap\"}", ERR_AUTH_FAILED},
        {"{\"active\":true,\"sub\":\"a\",\"scope\":[\"mail\"],\"aud\":\"imap\"}", ERR_AUTH_FAILED},
        {"{\"active\":true,\"sub\":\"a\",\"scope\":\"mail\"}", ERR_AUTH_FAILED},
        {"{\"active\":true,\"sub\":\"a\",\"scope\":\"mail\",\"aud\":[\"imap2\",7]}",
         ERR_AUTH_FAILED},
    };
    const struct introspector_config c = {
        .claim = STR("sub"), .scope = STR("mail"), .audience = STR("imap")};
    struct buf user = BUF_INIT(1000);
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(read_as(&c, CASES[i].json, &user), CASES[i].e);
    }
    buf_release(&user);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_for_us),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
