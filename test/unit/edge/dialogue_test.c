/* Unit tests of both dialogues before login, as conversations. */
#include "talk.h"

#include <stdlib.h>

/* ---- IMAP ---- */

static void test_imap_greeting(void **state)
{
    static const struct {
        enum tls_policy tls;
        bool may_plaintext;
        const char *capabilities;
    } CASES[] = {
        {TLS_OFF, false, " LOGINDISABLED AUTH=SCRAM-SHA-256"},
        {TLS_OFF, true, " AUTH=PLAIN AUTH=LOGIN AUTH=SCRAM-SHA-256"},
        {TLS_OFFERED, false, " STARTTLS LOGINDISABLED AUTH=SCRAM-SHA-256"},
        {TLS_OFFERED, true, " STARTTLS AUTH=PLAIN AUTH=LOGIN AUTH=SCRAM-SHA-256"},
        {TLS_REQUIRED, false, " STARTTLS LOGINDISABLED"}, /* D45 */
        {TLS_REQUIRED, true, " STARTTLS LOGINDISABLED"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct talk t;
        char want[512];
        struct dialogue_args args = OFFERED;
        args.tls = CASES[i].tls;
        args.may_plaintext = CASES[i].may_plaintext;
        begin(&t, dialogue_new_imap, args);
        (void)snprintf(
            want, sizeof(want),
            "* OK [CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE%s] mail.example "
            "Limetta is ready\r\n",
            CASES[i].capabilities);
        assert_str(buf_str(&t.out), str_from_c(want));
        end(&t);
    }
}

static void test_imap_commands(void **state)
{
    struct talk t;
    (void)state;
    begin(&t, dialogue_new_imap, OFFERED);
    say(&t, "a NOOP\r\nb n", "a OK Nothing done\r\n", DIALOGUE_INPUT);
    say(&t, "oop\r\n", "b OK Nothing done\r\n", DIALOGUE_INPUT);
    say(&t, "c CAPABILITY\r\n",
        "* CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE STARTTLS LOGINDISABLED "
        "AUTH=SCRAM-SHA-256\r\nc OK Capabilities listed\r\n",
        DIALOGUE_INPUT);
    say(&t, "d ID (\"name\" \"x\" \"version\" NIL)\r\n",
        "* ID (\"name\" \"Limetta\")\r\nd OK Pleased to meet you\r\n", DIALOGUE_INPUT);
    say(&t, "e ID NIL\r\n", "* ID (\"name\" \"Limetta\")\r\ne OK Pleased to meet you\r\n",
        DIALOGUE_INPUT);
    say(&t, "f LOGOUT\r\ng NOOP\r\n", "* BYE Good-bye\r\nf OK Logged out\r\n", DIALOGUE_CLOSE);
    end(&t);
}

/* BAD says where and what; the connection stays. */
static void test_imap_bad(void **state)
{
    struct talk t;
    (void)state;
    begin(&t, dialogue_new_imap, OFFERED);
    say(&t, "a NOOP x\r\n", "a BAD at octet 7: expected the end\r\n", DIALOGUE_INPUT);
    say(&t, "a SELECT INBOX\r\n", "a BAD Unknown command, or one that needs a login first\r\n",
        DIALOGUE_INPUT);
    say(&t, "a UID NOOP\r\n", "a BAD Unknown command, or one that needs a login first\r\n",
        DIALOGUE_INPUT);
    say(&t, "a LOGIN ann\r\n", "a BAD at octet 12: expected a space\r\n", DIALOGUE_INPUT);
    say(&t, "a ID (\"x\")\r\n", "a BAD at octet 10: expected a space\r\n", DIALOGUE_INPUT);
    say(&t, "a AUTHENTICATE SCRAM-SHA-256 !!\r\n", "a BAD at octet 30: expected the end\r\n",
        DIALOGUE_INPUT);
    dialogue_feed(t.d, STR("\r\n"));
    step(&t);
    assert_true(has(&t, "* BAD at octet 1: expected"));
    end(&t);
}

static void test_imap_too_long(void **state)
{
    struct talk t;
    static char line[200 * 1024];
    memset(line, 'x', sizeof(line) - 1);
    (void)state;
    begin(&t, dialogue_new_imap, OFFERED);
    say(&t, "a LOGIN {3000}\r\n", "a NO [TOOBIG] Larger than this server accepts\r\n",
        DIALOGUE_INPUT);
    say(&t, "b NOOP\r\n", "b OK Nothing done\r\n", DIALOGUE_INPUT);
    line[20000] = '\0';
    dialogue_feed(t.d, STR("c "));
    dialogue_feed(t.d, str_from_c(line));
    say(&t, "\r\nd NOOP\r\n", "c BAD Line too long\r\nd OK Nothing done\r\n", DIALOGUE_INPUT);
    line[20000] = 'x';
    dialogue_feed(t.d, STR("e LOGIN {4000000000+}\r\n"));
    step(&t);
    assert_true(has(&t, "* BYE [TOOBIG]"));
    assert_int_equal(t.want, DIALOGUE_CLOSE);
    end(&t);
    begin(&t, dialogue_new_imap, OFFERED);
    dialogue_feed(t.d, str_from_c(line)); /* more than we swallow */
    step(&t);
    assert_true(has(&t, "* BYE [TOOBIG]"));
    assert_int_equal(t.want, DIALOGUE_CLOSE);
    end(&t);
}

/* What fills our patience ends in BYE. */
static void test_imap_patience(void **state)
{
    struct talk t;
    (void)state;
    begin(&t, dialogue_new_imap, OFFERED);
    for (int i = 0; i < 19; i++) {
        say(&t, "a FOO\r\n", "a BAD Unknown command, or one that needs a login first\r\n",
            DIALOGUE_INPUT);
    }
    dialogue_feed(t.d, STR("a FOO\r\n"));
    step(&t);
    assert_true(has(&t, "* BYE "));
    assert_int_equal(t.want, DIALOGUE_CLOSE);
    end(&t);
    struct dialogue_args args = OFFERED;
    args.may_plaintext = true;
    begin(&t, dialogue_new_imap, args);
    for (int i = 0; i < 5; i++) {
        say(&t, "a LOGIN ann x\r\n", "", DIALOGUE_ASK);
        dialogue_on_no(t.d, ERR_AUTH_FAILED);
        step(&t);
        assert_true(has(&t, "a NO [AUTHENTICATIONFAILED]"));
        assert_int_equal(t.want, i < 4 ? DIALOGUE_INPUT : DIALOGUE_CLOSE);
    }
    end(&t);
}

/* D46: nothing that came in plain text behind STARTTLS is remembered. */
static void test_imap_starttls(void **state)
{
    struct talk t;
    (void)state;
    begin(&t, dialogue_new_imap, OFFERED);
    say(&t, "a STARTTLS x\r\n", "a BAD at octet 11: expected the end\r\n", DIALOGUE_INPUT);
    say(&t, "a STARTTLS\r\nb NOOP\r\nc LOGOUT\r\n", "a OK Begin TLS now\r\n", DIALOGUE_TLS);
    dialogue_on_tls(t.d, true);
    step(&t);
    assert_int_equal(t.out.len, 0);
    assert_int_equal(t.want, DIALOGUE_INPUT);
    say(&t, "d CAPABILITY\r\n",
        "* CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE AUTH=PLAIN AUTH=LOGIN "
        "AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS\r\nd OK Capabilities listed\r\n",
        DIALOGUE_INPUT);
    say(&t, "e STARTTLS\r\n", "e BAD [CLIENTBUG] Not allowed now\r\n", DIALOGUE_INPUT);
    end(&t);
    struct dialogue_args args = OFFERED;
    args.has_certificate = false;
    begin(&t, dialogue_new_imap, args);
    say(&t, "a STARTTLS\r\n", "a NO TLS not available\r\n", DIALOGUE_INPUT);
    end(&t);
    args.tls = TLS_OFF;
    begin(&t, dialogue_new_imap, args);
    say(&t, "a STARTTLS\r\n", "a BAD Unknown command\r\n", DIALOGUE_INPUT);
    end(&t);
}

/* D45: with TLS required nothing but the way to it. */
static void test_imap_required(void **state)
{
    struct talk t;
    struct dialogue_args args = OFFERED;
    (void)state;
    args.tls = TLS_REQUIRED;
    args.may_plaintext = true;
    begin(&t, dialogue_new_imap, args);
    say(&t, "a LOGIN ann secret\r\n", "a NO [PRIVACYREQUIRED] Use STARTTLS first\r\n",
        DIALOGUE_INPUT);
    say(&t, "b AUTHENTICATE PLAIN AGEAYg==\r\n", "b NO [PRIVACYREQUIRED] Use STARTTLS first\r\n",
        DIALOGUE_INPUT);
    say(&t, "c AUTHENTICATE SCRAM-SHA-256 biws\r\n", "c NO [CANNOT] Not supported here\r\n",
        DIALOGUE_INPUT);
    say(&t, "d NOOP\r\ne STARTTLS\r\n", "d OK Nothing done\r\ne OK Begin TLS now\r\n",
        DIALOGUE_TLS);
    dialogue_on_tls(t.d, false);
    say(&t, "f LOGIN ann secret\r\n", "", DIALOGUE_ASK);
    end(&t);
}

static void test_imap_login(void **state)
{
    struct talk t;
    (void)state;
    begin(&t, dialogue_new_imap, OFFERED);
    say(&t, "a LOGIN ann x\r\n", "a NO [PRIVACYREQUIRED] Use STARTTLS first\r\n", DIALOGUE_INPUT);
    dialogue_on_tls(t.d, false);
    say(&t, "b LOGIN {3}\r\n", "+ Ready\r\n", DIALOGUE_INPUT);
    say(&t, "ann {6+}\r\nse", "", DIALOGUE_INPUT);
    dialogue_feed(t.d, STR("cret\r\nc SELECT INBOX\r\nd IDLE\r\n"));
    step(&t);
    assert_int_equal(t.want, DIALOGUE_ASK);
    assert_str(dialogue_get_question(t.d).data, STR("\0ann\0secret"));
    assert_str(dialogue_get_question(t.d).mechanism, STR("PLAIN"));
    step(&t);
    assert_int_equal(t.want, DIALOGUE_WAIT);
    dialogue_on_yes(t.d, STR_EMPTY);
    step(&t);
    assert_int_equal(t.want, DIALOGUE_OPEN);
    assert_int_equal(t.out.len, 0); /* the OK is the session's to say */
    assert_str(dialogue_get_name(t.d), STR("b"));
    assert_str(dialogue_get_rest(t.d), STR("c SELECT INBOX\r\nd IDLE\r\n"));
    dialogue_on_open_failed(t.d);
    say(&t, "",
        "b NO [UNAVAILABLE] Temporarily unavailable; try again\r\n"
        "c BAD Unknown command, or one that needs a login first\r\n"
        "d BAD Unknown command, or one that needs a login first\r\n",
        DIALOGUE_INPUT);
    end(&t);
}

static void test_imap_authenticate(void **state)
{
    struct talk t;
    (void)state;
    begin(&t, dialogue_new_imap, OFFERED);
    say(&t, "a AUTHENTICATE CRAM-MD5\r\n", "a NO [CANNOT] Not supported here\r\n", DIALOGUE_INPUT);
    say(&t, "a AUTHENTICATE SCRAM-SHA-256-PLUS\r\n", "a NO [CANNOT] Not supported here\r\n",
        DIALOGUE_INPUT);
    say(&t, "a authenticate scram-sha-256 biwsbj1h\r\n", "", DIALOGUE_ASK);
    assert_str(dialogue_get_question(t.d).data, STR("n,,n=a"));
    dialogue_on_challenge(t.d, STR("r=x"));
    say(&t, "", "+ cj14\r\n", DIALOGUE_INPUT);
    say(&t, "Yz1iaXdz\r\n", "", DIALOGUE_ASK);
    assert_int_equal(dialogue_get_question(t.d).op, LOGIN_CONTINUE);
    assert_str(dialogue_get_question(t.d).data, STR("c=biws"));
    dialogue_on_yes(t.d, STR("v=y"));
    say(&t, "", "+ dj15\r\n", DIALOGUE_INPUT);
    say(&t, "\r\nb NOOP\r\n", "", DIALOGUE_OPEN);
    assert_str(dialogue_get_name(t.d), STR("a"));
    assert_str(dialogue_get_rest(t.d), STR("b NOOP\r\n"));
    end(&t);
}

static void test_imap_cancel(void **state)
{
    struct talk t;
    (void)state;
    begin(&t, dialogue_new_imap, OFFERED);
    say(&t, "a AUTHENTICATE SCRAM-SHA-256 =\r\n", "", DIALOGUE_ASK);
    dialogue_on_challenge(t.d, STR("x"));
    step(&t);
    say(&t, "*\r\nb NOOP\r\n", "a BAD Authentication cancelled\r\n", DIALOGUE_CANCEL);
    say(&t, "", "b OK Nothing done\r\n", DIALOGUE_INPUT);
    say(&t, "c AUTHENTICATE SCRAM-SHA-256 =\r\n", "", DIALOGUE_ASK);
    dialogue_on_challenge(t.d, STR("x"));
    step(&t);
    say(&t, "!\r\n", "c BAD at octet 1: expected the end\r\n", DIALOGUE_CANCEL);
    say(&t, "d NOOP\r\n", "d OK Nothing done\r\n", DIALOGUE_INPUT);
    end(&t);
}

/* ---- submission ---- */

static const char EHLO_PLAIN[] = "250-mail.example\r\n250-8BITMIME\r\n"
                                 "250-AUTH SCRAM-SHA-256\r\n250-BINARYMIME\r\n250-BURL imap\r\n"
                                 "250-CHUNKING\r\n250-DELIVERBY\r\n250-DSN\r\n"
                                 "250-ENHANCEDSTATUSCODES\r\n"
                                 "250-FUTURERELEASE 86400 2023-11-15T22:13:20Z\r\n"
                                 "250-LIMITS RCPTMAX=500\r\n250-MT-PRIORITY\r\n"
                                 "250-PIPELINING\r\n250-SIZE 1000\r\n250-SMTPUTF8\r\n"
                                 "250 STARTTLS\r\n";

static void test_smtp_commands(void **state)
{
    struct talk t;
    (void)state;
    begin(&t, dialogue_new_submission, OFFERED);
    assert_str(buf_str(&t.out), STR("220 mail.example ESMTP Limetta\r\n"));
    say(&t, "EHLO phone\r\n", EHLO_PLAIN, DIALOGUE_INPUT);
    say(&t, "HELO phone\r\nNOOP x\r\nRSET\r\nHELP\r\n",
        "250 mail.example\r\n250 2.0.0 Nothing done\r\n250 2.0.0 Nothing to forget\r\n"
        "214 2.0.0 EHLO, STARTTLS, AUTH first; then MAIL, RCPT and DATA, BDAT or BURL\r\n",
        DIALOGUE_INPUT);
    say(&t, "VRFY ann\r\nEXPN list\r\n",
        "252 2.5.0 Log in and send; delivery will show it\r\n502 5.5.1 Not available\r\n",
        DIALOGUE_INPUT);
    say(&t, "EHLO\r\nRSET x\r\nFOO\r\nLHLO phone\r\n",
        "501 5.5.2 Syntax error\r\n501 5.5.2 Syntax error\r\n500 5.5.1 Unknown command\r\n"
        "500 5.5.1 Unknown command\r\n",
        DIALOGUE_INPUT);
    say(&t, "QUIT\r\nNOOP\r\n", "221 2.0.0 mail.example Good-bye\r\n", DIALOGUE_CLOSE);
    end(&t);
}

/* S-18: MAIL before AUTH; a chunk that is refused is no run of commands. */
static void test_smtp_mail_needs_login(void **state)
{
    struct talk t;
    (void)state;
    begin(&t, dialogue_new_submission, OFFERED);
    say(&t, "EHLO phone\r\n", EHLO_PLAIN, DIALOGUE_INPUT);
    say(&t, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nBURL imap://x LAST\r\n",
        "530 5.7.0 Authentication required\r\n530 5.7.0 Authentication required\r\n"
        "530 5.7.0 Authentication required\r\n530 5.7.0 Authentication required\r\n",
        DIALOGUE_INPUT);
    say(&t, "BDAT 12 LAST\r\nQUIT\r\nQUIT\r\nNOOP\r\n",
        "530 5.7.0 Authentication required\r\n250 2.0.0 Nothing done\r\n", DIALOGUE_INPUT);
    dialogue_feed(t.d, STR("BDAT 99999999\r\n"));
    step(&t);
    assert_true(has(&t, "\r\n421 "));
    assert_int_equal(t.want, DIALOGUE_CLOSE);
    end(&t);
}

/* D46, S-12: TLS begins with nothing remembered. */
static void test_smtp_starttls(void **state)
{
    struct talk t;
    (void)state;
    begin(&t, dialogue_new_submission, OFFERED);
    say(&t, "EHLO phone\r\n", EHLO_PLAIN, DIALOGUE_INPUT);
    say(&t, "STARTTLS x\r\nQUIT x\r\nVRFY\r\n",
        "501 5.5.2 Syntax error\r\n501 5.5.2 Syntax error\r\n501 5.5.2 Syntax error\r\n",
        DIALOGUE_INPUT);
    say(&t, "STARTTLS\r\nEHLO evil\r\nNOOP\r\n", "220 2.0.0 Begin TLS now\r\n", DIALOGUE_TLS);
    dialogue_on_tls(t.d, true);
    say(&t, "", "", DIALOGUE_INPUT);
    say(&t, "AUTH PLAIN AGEAYg==\r\n", "503 5.5.1 Say EHLO first\r\n", DIALOGUE_INPUT);
    dialogue_feed(t.d, STR("EHLO phone\r\n"));
    step(&t);
    assert_false(has(&t, "STARTTLS"));
    assert_true(has(&t, "AUTH PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n"));
    say(&t, "STARTTLS\r\n", "503 5.5.1 TLS is active already\r\n", DIALOGUE_INPUT);
    end(&t);
    struct dialogue_args args = OFFERED;
    args.has_certificate = false;
    begin(&t, dialogue_new_submission, args);
    say(&t, "STARTTLS\r\n", "454 4.7.0 TLS not available\r\n", DIALOGUE_INPUT);
    end(&t);
    args.tls = TLS_OFF;
    begin(&t, dialogue_new_submission, args);
    say(&t, "STARTTLS\r\n", "502 5.5.1 Not available\r\n", DIALOGUE_INPUT);
    end(&t);
}

static void test_smtp_required(void **state)
{
    struct talk t;
    struct dialogue_args args = OFFERED;
    (void)state;
    args.tls = TLS_REQUIRED;
    args.may_plaintext = true;
    begin(&t, dialogue_new_submission, args);
    dialogue_feed(t.d, STR("EHLO phone\r\n"));
    step(&t);
    assert_false(has(&t, "AUTH"));
    assert_true(has(&t, "STARTTLS"));
    say(&t, "AUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@b>\r\nHELP\r\nVRFY a\r\nHELO x\r\nRSET\r\n",
        "530 5.7.0 Use STARTTLS first\r\n530 5.7.0 Use STARTTLS first\r\n"
        "530 5.7.0 Use STARTTLS first\r\n530 5.7.0 Use STARTTLS first\r\n"
        "530 5.7.0 Use STARTTLS first\r\n250 2.0.0 Nothing to forget\r\n",
        DIALOGUE_INPUT);
    end(&t);
}

static void test_smtp_auth(void **state)
{
    struct talk t;
    struct dialogue_args args = OFFERED;
    (void)state;
    args.may_plaintext = true;
    begin(&t, dialogue_new_submission, args);
    say(&t, "AUTH PLAIN\r\n", "503 5.5.1 Say EHLO first\r\n", DIALOGUE_INPUT);
    dialogue_feed(t.d, STR("EHLO phone\r\n"));
    step(&t);
    say(&t, "AUTH\r\nAUTH CRAM-MD5\r\nAUTH PLAIN !!\r\nAUTH PLAIN AGE\r\n",
        "501 5.5.2 Syntax error\r\n504 5.5.4 Not supported here\r\n501 5.5.2 Syntax error\r\n"
        "501 5.5.2 Syntax error\r\n",
        DIALOGUE_INPUT);
    say(&t, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n", DIALOGUE_INPUT);
    say(&t, "*\r\nNOOP\r\n", "501 5.7.0 Authentication cancelled\r\n", DIALOGUE_CANCEL);
    say(&t, "", "250 2.0.0 Nothing done\r\n", DIALOGUE_INPUT);
    say(&t, "AUTH LOGIN YW5u\r\n", "334 UGFzc3dvcmQ6\r\n", DIALOGUE_INPUT);
    say(&t, "cGFzcw==\r\n", "", DIALOGUE_ASK);
    assert_str(dialogue_get_question(t.d).data, STR("\0ann\0pass"));
    dialogue_on_no(t.d, ERR_AUTH_FAILED);
    say(&t, "", "535 5.7.8 Authentication failed\r\n", DIALOGUE_INPUT);
    say(&t, "AUTH PLAIN AGEAYg==\r\n", "", DIALOGUE_ASK);
    dialogue_on_no(t.d, ERR_UNAVAILABLE);
    say(&t, "", "454 4.3.0 Temporarily unavailable; try again\r\n", DIALOGUE_INPUT);
    say(&t, "AUTH SCRAM-SHA-256 =\r\n", "", DIALOGUE_ASK);
    dialogue_on_challenge(t.d, STR_EMPTY);
    say(&t, "", "334 \r\n", DIALOGUE_INPUT);
    say(&t, "eA==\r\nMAIL FROM:<a@b>\r\n", "", DIALOGUE_ASK);
    dialogue_on_yes(t.d, STR_EMPTY);
    say(&t, "", "", DIALOGUE_OPEN);
    assert_str(dialogue_get_name(t.d), STR("phone"));
    assert_str(dialogue_get_rest(t.d), STR("MAIL FROM:<a@b>\r\n"));
    end(&t);
}

/* RFC 4954, 4: a line of 12,288 octets fits, a longer one does not. */
static void test_smtp_line_limit(void **state)
{
    static char line[40 * 1024];
    struct talk t;
    (void)state;
    for (size_t n = 12288; n <= 12289; n++) {
        begin(&t, dialogue_new_submission, OFFERED);
        dialogue_feed(t.d, STR("EHLO phone\r\n"));
        step(&t);
        struct str head = STR("AUTH SCRAM-SHA-256 ");
        memset(line, 'A', sizeof(line));
        memcpy(line, head.p, head.n);
        memcpy(line + n - 2, "\r\n", 3);
        /* The base64 must come out in fours; else it is a syntax error, and not a long line. */
        say(&t, line, n == 12288 ? "501 5.5.2 Syntax error\r\n" : "500 5.5.6 Line too long\r\n",
            DIALOGUE_INPUT);
        end(&t);
    }
    begin(&t, dialogue_new_submission, OFFERED);
    memset(line, 'A', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    dialogue_feed(t.d, str_from_c(line));
    say(&t, "\r\nNOOP\r\n", "500 5.5.2 Line too long\r\n250 2.0.0 Nothing done\r\n",
        DIALOGUE_INPUT);
    end(&t);
}

static void test_output_is_bounded(void **state)
{
    struct talk t;
    struct buf out = BUF_INIT(1 << 24);
    (void)state;
    begin(&t, dialogue_new_imap, OFFERED);
    for (int i = 0; i < 4000; i++) {
        dialogue_feed(t.d, STR("a NOOP\r\n"));
    }
    assert_int_equal(dialogue_step(t.d, &out), DIALOGUE_OUTPUT);
    assert_true(out.len < DIALOGUE_OUTPUT_MOST + 1024);
    assert_true(dialogue_get_backlog(t.d) > 20000);
    buf_release(&out);
    end(&t);
}

static void test_bye(void **state)
{
    struct buf b = BUF_INIT(1000);
    (void)state;
    dialogue_write_bye(&b, SERVICE_IMAP, STR("h"), ERR_TIMEOUT);
    assert_str(buf_str(&b), STR("* BYE [UNAVAILABLE] Timed out\r\n"));
    buf_clear(&b);
    dialogue_write_bye(&b, SERVICE_SUBMIT, STR("h"), ERR_TIMEOUT);
    assert_str(buf_str(&b), STR("421 4.4.2 h Timed out\r\n"));
    buf_clear(&b);
    dialogue_write_bye(&b, SERVICE_SUBMIT, STR("h"), ERR_AUTH_FAILED);
    assert_str(buf_str(&b), STR("421 4.7.0 h Authentication failed\r\n"));
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_imap_greeting),     cmocka_unit_test(test_imap_commands),
        cmocka_unit_test(test_imap_bad),          cmocka_unit_test(test_imap_too_long),
        cmocka_unit_test(test_imap_patience),     cmocka_unit_test(test_imap_starttls),
        cmocka_unit_test(test_imap_required),     cmocka_unit_test(test_imap_login),
        cmocka_unit_test(test_imap_authenticate), cmocka_unit_test(test_imap_cancel),
        cmocka_unit_test(test_smtp_commands),     cmocka_unit_test(test_smtp_mail_needs_login),
        cmocka_unit_test(test_smtp_starttls),     cmocka_unit_test(test_smtp_required),
        cmocka_unit_test(test_smtp_auth),         cmocka_unit_test(test_smtp_line_limit),
        cmocka_unit_test(test_output_is_bounded), cmocka_unit_test(test_bye),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
