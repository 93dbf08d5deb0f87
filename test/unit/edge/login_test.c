/* Unit tests of edge/login. */
#include "edge/login.h"

#include "unit.h"

static const struct login_offer ALL = {true, true, true, false};
static const struct login_offer PLAIN_TEXT = {true, true, false, false};
static const struct login_offer NO_PLAIN = {false, true, false, false};
static const struct login_offer TOKENS = {true, false, false, true};
static const struct login_offer NOTHING = {false, false, false, false};

static void test_offers(void **state)
{
    struct buf b = BUF_INIT(1000);
    (void)state;
    login_write_mechanisms(&b, NOTHING, STR("AUTH="));
    assert_str(buf_str(&b), STR_EMPTY);
    login_write_mechanisms(&b, NO_PLAIN, STR("AUTH="));
    assert_str(buf_str(&b), STR("AUTH=SCRAM-SHA-256"));
    buf_clear(&b);
    login_write_mechanisms(&b, PLAIN_TEXT, STR("AUTH="));
    assert_str(buf_str(&b), STR("AUTH=PLAIN AUTH=LOGIN AUTH=SCRAM-SHA-256"));
    buf_clear(&b);
    login_write_mechanisms(&b, ALL, STR_EMPTY);
    assert_str(buf_str(&b), STR("PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS"));
    buf_clear(&b);
    login_write_mechanisms(&b, TOKENS, STR_EMPTY);
    assert_str(buf_str(&b), STR("PLAIN LOGIN OAUTHBEARER XOAUTH2"));
    buf_release(&b);
}

static void test_refused(void **state)
{
    static const struct {
        struct str mechanism;
        struct login_offer offer;
        enum err e;
    } CASES[] = {
        {STR("PLAIN"), {false, true, false, false}, ERR_TLS_REQUIRED},
        {STR("login"), {false, true, false, false}, ERR_TLS_REQUIRED},
        {STR("SCRAM-SHA-256"), {false, false, false, false}, ERR_UNSUPPORTED},
        {STR("SCRAM-SHA-256-PLUS"), {true, true, false, false}, ERR_UNSUPPORTED},
        {STR("OAUTHBEARER"), {true, true, true, false}, ERR_UNSUPPORTED},
        {STR("xoauth2"), {true, true, true, false}, ERR_UNSUPPORTED},
        {STR("CRAM-MD5"), {true, true, true, false}, ERR_UNSUPPORTED},
        {STR(""), {true, true, true, false}, ERR_UNSUPPORTED},
    };
    struct login l;
    (void)state;
    login_init(&l);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(login_begin(&l, CASES[i].offer, CASES[i].mechanism, false, STR_EMPTY),
                         LOGIN_FAILED);
        assert_int_equal(l.err, CASES[i].e);
    }
    assert_int_equal(login_begin_password(&l, NO_PLAIN, STR("a"), STR("b")), LOGIN_FAILED);
    assert_int_equal(l.err, ERR_TLS_REQUIRED);
    assert_int_equal(login_begin_password(&l, ALL, STR("a\0b"), STR("c")), LOGIN_FAILED);
    assert_int_equal(l.err, ERR_AUTH_FAILED);
    login_release(&l);
}

static void assert_question(const struct login *l, enum login_op op, struct str mechanism,
                            struct str data)
{
    struct login_question q = login_get_question(l);
    assert_int_equal(q.op, op);
    assert_str(q.mechanism, mechanism);
    assert_str(q.data, data);
}

static void test_plain(void **state)
{
    struct login l;
    (void)state;
    login_init(&l);
    assert_int_equal(login_begin(&l, ALL, STR("plain"), true, STR("\0a\0b")), LOGIN_ASK);
    assert_question(&l, LOGIN_START, STR("PLAIN"), STR("\0a\0b"));
    assert_int_equal(login_on_no(&l, ERR_AUTH_FAILED), LOGIN_FAILED);
    assert_int_equal(l.err, ERR_AUTH_FAILED);

    assert_int_equal(login_begin(&l, ALL, STR("PLAIN"), false, STR_EMPTY), LOGIN_SAY);
    assert_str(login_get_challenge(&l), STR_EMPTY);
    assert_int_equal(login_answer(&l, STR("\0a\0b")), LOGIN_ASK);
    assert_question(&l, LOGIN_START, STR("PLAIN"), STR("\0a\0b"));
    assert_int_equal(login_on_yes(&l, STR_EMPTY), LOGIN_SUCCEEDED);
    login_release(&l);
}

/* LOGIN becomes PLAIN before auth hears of it. */
static void test_login(void **state)
{
    struct login l;
    (void)state;
    login_init(&l);
    assert_int_equal(login_begin(&l, ALL, STR("LOGIN"), false, STR_EMPTY), LOGIN_SAY);
    assert_str(login_get_challenge(&l), STR("Username:"));
    assert_int_equal(login_answer(&l, STR("ann")), LOGIN_SAY);
    assert_str(login_get_challenge(&l), STR("Password:"));
    assert_int_equal(login_answer(&l, STR("pass")), LOGIN_ASK);
    assert_question(&l, LOGIN_START, STR("PLAIN"), STR("\0ann\0pass"));
    assert_int_equal(login_on_no(&l, ERR_AUTH_FAILED), LOGIN_FAILED);

    assert_int_equal(login_begin(&l, ALL, STR("LOGIN"), true, STR("bob")), LOGIN_SAY);
    assert_str(login_get_challenge(&l), STR("Password:"));
    assert_int_equal(login_answer(&l, STR("word")), LOGIN_ASK);
    assert_question(&l, LOGIN_START, STR("PLAIN"), STR("\0bob\0word"));
    login_release(&l);
}

/* The server's last message is heard and answered with nothing. */
static void test_final(void **state)
{
    struct login l;
    (void)state;
    login_init(&l);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(login_begin(&l, ALL, STR("SCRAM-SHA-256"), true, STR("n,,n=a,r=x")),
                         LOGIN_ASK);
        assert_int_equal(login_on_challenge(&l, STR("r=xy,s=,i=1")), LOGIN_SAY);
        assert_int_equal(login_answer(&l, STR("c=biws,r=xy,p=z")), LOGIN_ASK);
        assert_int_equal(login_on_yes(&l, STR("v=abc")), LOGIN_SAY);
        assert_str(login_get_challenge(&l), STR("v=abc"));
        assert_int_equal(login_answer(&l, i == 0 ? STR_EMPTY : STR("x")),
                         i == 0 ? LOGIN_SUCCEEDED : LOGIN_FAILED);
    }
    assert_int_equal(l.err, ERR_AUTH_FAILED);
    login_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offers), cmocka_unit_test(test_refused), cmocka_unit_test(test_plain),
        cmocka_unit_test(test_login),  cmocka_unit_test(test_final),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
