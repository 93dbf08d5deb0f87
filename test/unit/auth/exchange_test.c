/* SASL exchanges, with a client of the test's own. */
#include "auth/exchange.h"

#include "scram_client.h"
#include "unit.h"

static const struct verifier_cost CHEAP = {1, 8192 * 1024, 4096};

struct fixture {
    struct sasl *sasl;
    struct verifier anna;
    struct verifier nobody;
};

static void find(void *owner, struct str name, struct verifier *out)
{
    struct fixture *f = owner;
    *out = str_eq(name, STR("anna")) ? f->anna : f->nobody;
}

static int set_up(void **state)
{
    static struct fixture f;
    if (verifier_make(STR("pencil"), &CHEAP, &f.anna) != ERR_OK
        || verifier_make_dummy(&CHEAP, &f.nobody) != ERR_OK) {
        return -1;
    }
    f.sasl = sasl_new(find, &f);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    sasl_free(&f->sasl);
    return 0;
}

struct scram_case {
    const char *mechanism;
    const char *cb_type; /* what the server has */
    const char *cb;
    const char *gs2; /* what the client says */
    const char *client_cb;
    const char *user;
    const char *password;
    enum exchange_state want;
    bool is_refused_at_once;
};

static void run_scram(const struct fixture *f, const struct scram_case *k)
{
    struct exchange *x = NULL;
    struct scram_client c;
    struct buf said = BUF_INIT(8192);
    struct buf heard = BUF_INIT(8192);
    assert_int_equal(exchange_new(f->sasl, str_from_c(k->mechanism), str_from_c(k->cb_type),
                                  str_from_c(k->cb), &x),
                     ERR_OK);
    scram_client_init(&c, str_from_c(k->gs2), str_from_c(k->client_cb), str_from_c(k->user),
                      str_from_c(k->password));
    scram_client_first(&c, &said);
    enum exchange_state state = exchange_step(x, buf_str(&said), &heard);
    if (k->is_refused_at_once) {
        assert_int_equal(state, EXCHANGE_NO);
    } else {
        assert_int_equal(state, EXCHANGE_CHALLENGE);
        buf_clear(&said);
        scram_client_final(&c, buf_str(&heard), &said);
        buf_clear(&heard);
        state = exchange_step(x, buf_str(&said), &heard);
        assert_int_equal(state, k->want);
        if (state == EXCHANGE_YES) {
            assert_true(scram_client_is_server(&c, buf_str(&heard)));
            assert_str(exchange_get_user(x), STR("anna"));
        }
    }
    exchange_free(&x);
    scram_client_release(&c);
    buf_release(&said);
    buf_release(&heard);
}

static void test_scram(void **state)
{
    static const struct scram_case CASES[] = {
        {"SCRAM-SHA-256", "", "", "n,,", "", "anna", "Pencil", EXCHANGE_NO, false},
        {"SCRAM-SHA-256", "", "", "n,,", "", "nobody", "pencil", EXCHANGE_NO, false},
        {"SCRAM-SHA-256", "", "", "n,,", "", "a/b", "pencil", EXCHANGE_NO, false},
        /* D31: somebody cut -PLUS from the list */
        {"SCRAM-SHA-256", "tls-exporter", "0123456789abcdef", "y,,", "", "anna", "pencil",
         EXCHANGE_NO, true},
        /* the binding of another channel */
        {"SCRAM-SHA-256-PLUS", "tls-exporter", "0123456789abcdef", "p=tls-exporter,,",
         "0123456789abcdeX", "anna", "pencil", EXCHANGE_NO, false},
        {"SCRAM-SHA-256-PLUS", "tls-exporter", "0123456789abcdef", "n,,", "", "anna", "pencil",
         EXCHANGE_NO, true},
        {"SCRAM-SHA-256-PLUS", "tls-exporter", "0123456789abcdef", "p=tls-unique,,",
         "0123456789abcdef", "anna", "pencil", EXCHANGE_NO, true},
        {"SCRAM-SHA-256", "", "", "n,,", "", "anna", "pencil", EXCHANGE_YES, false},
        {"SCRAM-SHA-256", "", "", "y,,", "", "anna", "pencil", EXCHANGE_YES, false},
        {"SCRAM-SHA-256", "tls-exporter", "0123456789abcdef", "n,,", "", "Anna", "pencil",
         EXCHANGE_YES, false},
        {"SCRAM-SHA-256", "", "", "n,a=bert,", "", "anna", "pencil", EXCHANGE_YES, false},
        {"SCRAM-SHA-256-PLUS", "tls-exporter", "0123456789abcdef", "p=tls-exporter,,",
         "0123456789abcdef", "anna", "pencil", EXCHANGE_YES, false},
        {"SCRAM-SHA-256-PLUS", "tls-unique", "0123456789ab", "p=tls-unique,,", "0123456789ab",
         "anna", "pencil", EXCHANGE_YES, false},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        run_scram(*state, &CASES[i]);
    }
}

static void test_garbage(void **state)
{
    static const char *const MECHANISMS[] = {"PLAIN", "SCRAM-SHA-256"};
    static const char *const MESSAGES[] = {
        "x",
        "n",
        "n,",
        "n,,",
        "n,,r=x",
        "n,,n=anna,r=",
        "n,,m=x,n=anna,r=abc",
        "q,,n=anna,r=abc",

        "\xff\xfe",
        "anna",
    };
    struct fixture *f = *state;
    for (size_t m = 0; m < 2; m++) {
        for (size_t i = 0; i < sizeof(MESSAGES) / sizeof(MESSAGES[0]); i++) {
            struct exchange *x = NULL;
            struct buf out = BUF_INIT(8192);
            assert_int_equal(
                exchange_new(f->sasl, str_from_c(MECHANISMS[m]), STR_EMPTY, STR_EMPTY, &x), ERR_OK);
            assert_int_equal(exchange_step(x, str_from_c(MESSAGES[i]), &out), EXCHANGE_NO);
            assert_int_equal(out.len, 0);
            exchange_free(&x);
            buf_release(&out);
        }
    }
}

/* M-21: "=" is an empty initial response (RFC 4959, 3), which is an answer: the client is not asked again */
static void test_empty(void **state)
{
    static const char *const MECHANISMS[] = {"PLAIN", "SCRAM-SHA-256"};
    struct fixture *f = *state;
    for (size_t i = 0; i < 2 * sizeof(MECHANISMS) / sizeof(MECHANISMS[0]); i++) {
        struct exchange *x = NULL;
        struct buf out = BUF_INIT(EXCHANGE_MESSAGE_MOST);
        struct str mechanism = str_from_c(MECHANISMS[i / 2]);
        assert_int_equal(exchange_new(f->sasl, mechanism, STR_EMPTY, STR_EMPTY, &x), ERR_OK);
        if (i % 2 == 0) {
            exchange_begin_unasked(x);
        } else {
            assert_int_equal(exchange_step(x, STR_EMPTY, &out), EXCHANGE_CHALLENGE);
        }
        assert_int_equal(exchange_step(x, STR_EMPTY, &out), EXCHANGE_NO);
        exchange_free(&x);
        buf_release(&out);
    }
}

static void test_oversize(void **state)
{
    struct fixture *f = *state;
    struct exchange *x = NULL;
    struct buf out = BUF_INIT(8192);
    char *big = calloc(1, EXCHANGE_MESSAGE_MOST + 1);
    assert_non_null(big);
    assert_int_equal(exchange_new(f->sasl, STR("PLAIN"), STR_EMPTY, STR_EMPTY, &x), ERR_OK);
    assert_int_equal(exchange_step(x, str_make(big, EXCHANGE_MESSAGE_MOST + 1), &out), EXCHANGE_NO);
    exchange_free(&x);
    free(big);
}

static void test_unknown(void **state)
{
    struct fixture *f = *state;
    struct exchange *x = NULL;
    static const char *const NAMES[] = {"", "CRAM-MD5", "ANONYMOUS", "SCRAM-SHA-1", "PLAINS"};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        assert_int_equal(exchange_new(f->sasl, str_from_c(NAMES[i]), STR_EMPTY, STR_EMPTY, &x),
                         ERR_UNSUPPORTED);
    }
    assert_int_equal(exchange_new(f->sasl, STR("SCRAM-SHA-256-PLUS"), STR_EMPTY, STR_EMPTY, &x),
                     ERR_UNSUPPORTED);
    assert_int_equal(
        exchange_new(f->sasl, STR("SCRAM-SHA-256-PLUS"), STR("tls-other"), STR("x"), &x),
        ERR_UNSUPPORTED);
    assert_null(x);
}

static void test_plain(void **state)
{
    struct fixture *f = *state;
    struct exchange *x = NULL;
    struct buf out = BUF_INIT(8192);
    assert_int_equal(exchange_new(f->sasl, STR("plain"), STR_EMPTY, STR_EMPTY, &x), ERR_OK);
    assert_int_equal(exchange_step(x, STR_EMPTY, &out), EXCHANGE_CHALLENGE);
    assert_int_equal(exchange_step(x, STR("bert\0Anna\0pencil"), &out), EXCHANGE_PASSWORD);
    assert_str(exchange_get_user(x), STR("anna"));
    assert_str(exchange_get_authzid(x), STR("bert"));
    assert_str(exchange_get_password(x), STR("pencil"));
    assert_int_equal(out.len, 0);
    exchange_free(&x);
    buf_release(&out);
}

static void test_login(void **state)
{
    struct fixture *f = *state;
    struct exchange *x = NULL;
    struct buf out = BUF_INIT(8192);
    assert_int_equal(exchange_new(f->sasl, STR("LOGIN"), STR_EMPTY, STR_EMPTY, &x), ERR_OK);
    assert_int_equal(exchange_step(x, STR_EMPTY, &out), EXCHANGE_CHALLENGE);
    assert_int_equal(exchange_step(x, STR("anna"), &out), EXCHANGE_CHALLENGE);
    assert_int_equal(exchange_step(x, STR("pencil"), &out), EXCHANGE_PASSWORD);
    assert_str(exchange_get_user(x), STR("anna"));
    assert_str(exchange_get_authzid(x), STR("anna"));
    assert_str(exchange_get_password(x), STR("pencil"));
    exchange_free(&x);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scram),   cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_empty),   cmocka_unit_test(test_oversize),
        cmocka_unit_test(test_unknown), cmocka_unit_test(test_plain),
        cmocka_unit_test(test_login),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
