/* MD-8: the ManageSieve dialogue before login (RFC 5804), as conversations. */
#include "talk.h"

#define CAPABILITIES(sasl, starttls)                                                               \
    "\"IMPLEMENTATION\" \"Limetta\"\r\n\"SIEVE\" \"fileinto vacation\"\r\n\"SASL\" \"" sasl        \
    "\"\r\n" starttls "\"NOTIFY\" \"mailto\"\r\n\"MAXREDIRECTS\" \"4\"\r\n\"UNAUTHENTICATE\"\r\n"  \
    "\"LANGUAGE\" \"en\"\r\n\"VERSION\" \"1.0\"\r\n"
#define STARTTLS_LINE "\"STARTTLS\"\r\n"
#define UNKNOWN "NO \"Unknown command, or one that needs a login first\"\r\n"

/* The greeting is the list of capabilities (RFC 5804, 1.7). */
static void test_greeting(void **state)
{
    static const struct {
        enum tls_policy tls;
        bool has_certificate;
        bool may_plaintext;
        const char *capabilities;
    } CASES[] = {
        {TLS_OFF, true, false, CAPABILITIES("SCRAM-SHA-256", "")},
        {TLS_OFF, true, true, CAPABILITIES("PLAIN LOGIN SCRAM-SHA-256", "")},
        {TLS_OFFERED, true, false, CAPABILITIES("SCRAM-SHA-256", STARTTLS_LINE)},
        {TLS_OFFERED, false, true, CAPABILITIES("PLAIN LOGIN SCRAM-SHA-256", "")},
        {TLS_REQUIRED, true, true, CAPABILITIES("", STARTTLS_LINE)},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct talk t;
        char want[1024];
        struct dialogue_args args = OFFERED;
        args.tls = CASES[i].tls;
        args.has_certificate = CASES[i].has_certificate;
        args.may_plaintext = CASES[i].may_plaintext;
        begin(&t, dialogue_new_sieve, args);
        (void)snprintf(want, sizeof(want), "%sOK \"mail.example Limetta is ready\"\r\n",
                       CASES[i].capabilities);
        assert_str(buf_str(&t.out), str_from_c(want));
        end(&t);
    }
}

static void test_commands(void **state)
{
    struct talk t;
    (void)state;
    begin(&t, dialogue_new_sieve, OFFERED);
    say(&t, "CAPABILITY\r\n",
        CAPABILITIES("SCRAM-SHA-256", STARTTLS_LINE) "OK \"Capabilities listed\"\r\n",
        DIALOGUE_INPUT);
    say(&t, "noop\r\nNoOp \"a \\\"tag\\\"\"\r\nNOOP {3",
        "OK \"Nothing done\"\r\n"
        "OK (TAG \"a \\\"tag\\\"\") \"Nothing done\"\r\n",
        DIALOGUE_INPUT);
    say(&t, "+}\r\na\nb\r\n", "OK (TAG {3}\r\na\nb) \"Nothing done\"\r\n", DIALOGUE_INPUT);
    say(&t, "LISTSCRIPTS\r\n", UNKNOWN, DIALOGUE_INPUT);
    say(&t, "PUTSCRIPT \"a\" {5+}\r\nkeep;\r\nUNAUTHENTICATE\r\n", UNKNOWN UNKNOWN, DIALOGUE_INPUT);
    say(&t, "NOOP x\r\n", "NO \"at octet 6: expected a string\"\r\n", DIALOGUE_INPUT);
    say(&t, "\r\n", "NO \"at octet 1: expected the name of a command\"\r\n", DIALOGUE_INPUT);
    say(&t, "CAPABILITY \"x\"\r\n", "NO \"at octet 11: expected the end\"\r\n", DIALOGUE_INPUT);
    say(&t, "LOGOUT\r\nNOOP\r\n", "OK \"Good-bye\"\r\n", DIALOGUE_CLOSE);
    end(&t);
}

/* "{n}" is no literal of a client here: whether its sender waits cannot be known. */
static void test_literals(void **state)
{
    struct talk t;
    (void)state;
    begin(&t, dialogue_new_sieve, OFFERED);
    say(&t, "NOOP {4}\r\nLOGOUT\r\n",
        "BYE \"Literals are announced by {n+} here, and sent at once\"\r\n", DIALOGUE_CLOSE);
    end(&t);
    begin(&t, dialogue_new_sieve, OFFERED);
    say(&t, "NOOP ~{4+}\r\nabcd\r\nNOOP\r\n", "NO \"Syntax error\"\r\nOK \"Nothing done\"\r\n",
        DIALOGUE_INPUT);
    /* larger than anything before login: gone by unread; much larger: the end */
    dialogue_feed(t.d, STR("PUTSCRIPT \"a\" {30000+}\r\n"));
    static char octets[30001];
    memset(octets, 'x', sizeof(octets) - 1);
    dialogue_feed(t.d, str_from_c(octets));
    say(&t, "\r\nNOOP\r\n",
        "NO (QUOTA/MAXSIZE) \"Larger than this server accepts\"\r\nOK \"Nothing done\"\r\n",
        DIALOGUE_INPUT);
    say(&t, "PUTSCRIPT \"a\" {4000000000+}\r\n",
        "BYE (QUOTA/MAXSIZE) \"Larger than this server accepts\"\r\n", DIALOGUE_CLOSE);
    end(&t);
}

static void test_patience(void **state)
{
    struct talk t;
    struct dialogue_args args = OFFERED;
    (void)state;
    begin(&t, dialogue_new_sieve, args);
    for (int i = 0; i < 19; i++) {
        say(&t, "FOO\r\n", UNKNOWN, DIALOGUE_INPUT);
    }
    dialogue_feed(t.d, STR("FOO\r\n"));
    step(&t);
    assert_true(has(&t, "BYE "));
    assert_int_equal(t.want, DIALOGUE_CLOSE);
    end(&t);
    args.may_plaintext = true;
    begin(&t, dialogue_new_sieve, args);
    for (int i = 0; i < 5; i++) {
        say(&t, "AUTHENTICATE \"PLAIN\" \"AGEAYg==\"\r\n", "", DIALOGUE_ASK);
        dialogue_on_no(t.d, ERR_AUTH_FAILED);
        step(&t);
        assert_true(has(&t, "NO \"Authentication failed\"\r\n"));
        assert_int_equal(t.want, i < 4 ? DIALOGUE_INPUT : DIALOGUE_CLOSE);
    }
    assert_true(has(&t, "BYE \"Authentication failed\"\r\n"));
    end(&t);
}

/* What came in plain text behind STARTTLS is forgotten; capabilities come again, unasked (RFC 5804, 2.2). */
static void test_starttls(void **state)
{
    struct talk t;
    struct dialogue_args args = OFFERED;
    (void)state;
    begin(&t, dialogue_new_sieve, args);
    say(&t, "STARTTLS \"x\"\r\n", "NO \"at octet 9: expected the end\"\r\n", DIALOGUE_INPUT);
    say(&t, "STARTTLS\r\nNOOP \"injected\"\r\nLOGOUT\r\n", "OK \"Begin TLS now\"\r\n",
        DIALOGUE_TLS);
    step(&t);
    assert_int_equal(t.want, DIALOGUE_WAIT); /* nothing is said during the handshake */
    assert_int_equal(t.out.len, 0);
    dialogue_on_tls(t.d, true);
    say(&t, "",
        CAPABILITIES("PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS", "") "OK \"TLS is active\"\r\n",
        DIALOGUE_INPUT);
    say(&t, "STARTTLS\r\n", "NO \"Not allowed now\"\r\n", DIALOGUE_INPUT);
    end(&t);
    args.has_certificate = false;
    begin(&t, dialogue_new_sieve, args);
    say(&t, "STARTTLS\r\n", "NO (TRYLATER) \"TLS not available\"\r\n", DIALOGUE_INPUT);
    end(&t);
    args.tls = TLS_OFF;
    begin(&t, dialogue_new_sieve, args);
    say(&t, "STARTTLS\r\n", "NO \"Unknown command\"\r\n", DIALOGUE_INPUT);
    end(&t);
}

static void test_required(void **state)
{
    struct talk t;
    struct dialogue_args args = OFFERED;
    (void)state;
    args.tls = TLS_REQUIRED;
    args.may_plaintext = true;
    begin(&t, dialogue_new_sieve, args);
    say(&t, "AUTHENTICATE \"PLAIN\" \"AGEAYg==\"\r\n",
        "NO (ENCRYPT-NEEDED) \"Use STARTTLS first\"\r\n", DIALOGUE_INPUT);
    say(&t, "AUTHENTICATE \"SCRAM-SHA-256\" \"biws\"\r\n", "NO \"Not supported here\"\r\n",
        DIALOGUE_INPUT);
    end(&t);
}

static void test_authenticate(void **state)
{
    struct talk t;
    (void)state;
    begin(&t, dialogue_new_sieve, OFFERED);
    say(&t, "AUTHENTICATE \"CRAM-MD5\"\r\n", "NO \"Not supported here\"\r\n", DIALOGUE_INPUT);
    say(&t, "AUTHENTICATE PLAIN\r\n", "NO \"at octet 14: expected a string\"\r\n", DIALOGUE_INPUT);
    say(&t, "AUTHENTICATE \"SCRAM-SHA-256\" \"!!\"\r\n", "NO \"That is no base64\"\r\n",
        DIALOGUE_INPUT);
    say(&t, "authenticate \"scram-sha-256\" \"biwsbj1h\"\r\n", "", DIALOGUE_ASK);
    assert_str(dialogue_get_question(t.d).data, STR("n,,n=a"));
    dialogue_on_challenge(t.d, STR("r=x"));
    say(&t, "", "\"cj14\"\r\n", DIALOGUE_INPUT);
    say(&t, "{8+}\r\nYz1iaXdz\r\n", "", DIALOGUE_ASK);
    assert_int_equal(dialogue_get_question(t.d).op, LOGIN_CONTINUE);
    assert_str(dialogue_get_question(t.d).data, STR("c=biws"));
    dialogue_on_yes(t.d, STR("v=y"));
    say(&t, "", "\"dj15\"\r\n", DIALOGUE_INPUT);
    say(&t, "\"\"\r\nLISTSCRIPTS\r\n", "", DIALOGUE_OPEN); /* the OK is the session's to say */
    assert_str(dialogue_get_name(t.d), STR("SCRAM-SHA-256"));
    assert_str(dialogue_get_rest(t.d), STR("LISTSCRIPTS\r\n"));
    dialogue_on_open_failed(t.d);
    say(&t, "", "NO (TRYLATER) \"Temporarily unavailable; try again\"\r\n" UNKNOWN, DIALOGUE_INPUT);
    end(&t);
}

/* An initial response, empty or not; none; cancelled; not a string (RFC 5804, 2.1). */
static void test_exchange(void **state)
{
    struct talk t;
    struct dialogue_args args = OFFERED;
    (void)state;
    args.may_plaintext = true;
    begin(&t, dialogue_new_sieve, args);
    say(&t, "AUTHENTICATE \"PLAIN\" {8+}\r\nAGEAYg==\r\nNOOP\r\n", "", DIALOGUE_ASK);
    assert_str(dialogue_get_question(t.d).data, STR("\0a\0b"));
    dialogue_on_no(t.d, ERR_UNAVAILABLE);
    say(&t, "", "NO (TRYLATER) \"Temporarily unavailable; try again\"\r\nOK \"Nothing done\"\r\n",
        DIALOGUE_INPUT);
    say(&t, "AUTHENTICATE \"SCRAM-SHA-256\" \"\"\r\n", "", DIALOGUE_ASK);
    dialogue_on_challenge(t.d, STR_EMPTY);
    say(&t, "", "\"\"\r\n", DIALOGUE_INPUT);
    dialogue_feed(t.d, STR("\"*\"\r\nNOOP\r\n"));
    step(&t);
    assert_str(buf_str(&t.out), STR("NO \"Authentication cancelled\"\r\n"));
    assert_int_equal(t.want, DIALOGUE_CANCEL);
    say(&t, "", "OK \"Nothing done\"\r\n", DIALOGUE_INPUT);
    say(&t, "AUTHENTICATE \"SCRAM-SHA-256\"\r\n", "\"\"\r\n", DIALOGUE_INPUT);
    say(&t, "LOGOUT\r\n", "NO \"at octet 1: expected a string\"\r\n", DIALOGUE_CANCEL);
    say(&t, "LOGOUT\r\n", "OK \"Good-bye\"\r\n", DIALOGUE_CLOSE);
    end(&t);
}

/* After UNAUTHENTICATE nobody is greeted. */
static void test_back(void **state)
{
    struct talk t;
    struct dialogue_args args = OFFERED;
    (void)state;
    args.is_back = true;
    begin(&t, dialogue_new_sieve, args);
    dialogue_on_tls(t.d, true);
    say(&t, "NOOP\r\n", "OK \"Nothing done\"\r\n", DIALOGUE_INPUT);
    say(&t, "AUTHENTICATE \"PLAIN\" \"AGEAYg==\"\r\n", "", DIALOGUE_ASK);
    dialogue_on_yes(t.d, STR_EMPTY);
    step(&t);
    assert_int_equal(t.want, DIALOGUE_OPEN);
    assert_str(dialogue_get_name(t.d), STR("PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS"));
    end(&t);
}

static void test_bye(void **state)
{
    struct buf b = BUF_INIT(1000);
    (void)state;
    dialogue_write_bye(&b, SERVICE_SIEVE, STR("h"), ERR_TIMEOUT);
    assert_str(buf_str(&b), STR("BYE (TRYLATER) \"Timed out\"\r\n"));
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greeting),     cmocka_unit_test(test_commands),
        cmocka_unit_test(test_literals),     cmocka_unit_test(test_patience),
        cmocka_unit_test(test_starttls),     cmocka_unit_test(test_required),
        cmocka_unit_test(test_authenticate), cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_back),         cmocka_unit_test(test_bye),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
