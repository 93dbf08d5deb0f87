/* Unit tests of wire/smtp_scan: commands, paths, parameters (S-2, S-4, S-5, S-6, S-7, S-10, X-SMTPUTF8, X-FUTURERELEASE,
 * X-DELIVERBY, X-MT-PRIORITY, X-REQUIRETLS). */
#include "wire/smtp_scan.h"

#include "random.h"
#include "unit.h"

enum { ARENA_CAP = 1 << 20 };

static const struct {
    const char *args;
    enum err err;
} BAD_MAIL[] = {
    {"", ERR_SYNTAX},
    {"<a@b>", ERR_SYNTAX},
    {"TO:<a@b>", ERR_SYNTAX},
    {"FROM <a@b>", ERR_SYNTAX},
    {"FROM:", ERR_BAD_ADDRESS},
    {"FROM:a@b", ERR_BAD_ADDRESS},
    {"FROM:<a@b", ERR_BAD_ADDRESS},
    {"FROM:<@b>", ERR_BAD_ADDRESS},
    {"FROM:<a@>", ERR_BAD_ADDRESS},
    {"FROM:<a@b>x", ERR_BAD_ADDRESS},
    {"FROM:<a@b>SIZE=1", ERR_BAD_ADDRESS},
    {"FROM:<a@b c>", ERR_BAD_ADDRESS},
    {"FROM:<a b@c>", ERR_BAD_ADDRESS},
    {"FROM:<.a@b>", ERR_BAD_ADDRESS},
    {"FROM:<a.@b>", ERR_BAD_ADDRESS},
    {"FROM:<a..b@c>", ERR_BAD_ADDRESS},
    {"FROM:<a@b@c>", ERR_BAD_ADDRESS},
    {"FROM:<a@.b>", ERR_BAD_ADDRESS},
    {"FROM:<a@b.>", ERR_BAD_ADDRESS},
    {"FROM:<a@b..c>", ERR_BAD_ADDRESS},
    {"FROM:<a@-b>", ERR_BAD_ADDRESS},
    {"FROM:<a@b->", ERR_BAD_ADDRESS},
    {"FROM:<a@b!c>", ERR_BAD_ADDRESS},
    {"FROM:<a@[1.2.3]>", ERR_BAD_ADDRESS},
    {"FROM:<a@[1.2.3.4>", ERR_BAD_ADDRESS},
    {"FROM:<a@[::1]>", ERR_BAD_ADDRESS},
    {"FROM:<a@[IPv6:1.2.3.4]>", ERR_BAD_ADDRESS},
    {"FROM:<a@[x]>", ERR_BAD_ADDRESS},
    {"FROM:<\"a@b>", ERR_BAD_ADDRESS},
    {"FROM:<\"a\x01\"@b>", ERR_BAD_ADDRESS},
    {"FROM:<\"a\"b@c>", ERR_BAD_ADDRESS},
    {"FROM:<\xC3\xA9@b>", ERR_UTF8_SENDER},
    {"FROM:<a@\xC3\xA9.b>", ERR_UTF8_SENDER},
    {"FROM:<\"\xC3\xA9\"@b>", ERR_UTF8_SENDER},
    {"FROM:<\xC3@b> SMTPUTF8", ERR_BAD_ADDRESS},
    {"FROM:<\xC0\xAF@b> SMTPUTF8", ERR_BAD_ADDRESS},
    {"FROM:<a\xED\xA0\x80@b> SMTPUTF8", ERR_BAD_ADDRESS},
    {"FROM:<a\xC2\x85@b> SMTPUTF8", ERR_BAD_ADDRESS},
    {"FROM:<\"a\xE2\x80\xA8\"@b> SMTPUTF8", ERR_BAD_ADDRESS},
    {"FROM:<\"a\x7F\"@b> SMTPUTF8", ERR_BAD_ADDRESS},
    {"FROM:<a@\xE9> SMTPUTF8", ERR_BAD_ADDRESS},
    {"FROM:<a@\xC3\xA9-.b> SMTPUTF8", ERR_BAD_ADDRESS},
    {"FROM:<@x:>", ERR_BAD_ADDRESS},
    {"FROM:<@x,a@b>", ERR_BAD_ADDRESS},
    {"FROM:<@x a@b>", ERR_BAD_ADDRESS},
    {"FROM:<> FOO", ERR_UNKNOWN_PARAM},
    {"FROM:<> NOTIFY=NEVER", ERR_UNKNOWN_PARAM},
    {"FROM:<> SMTPUTF8=1", ERR_BAD_PARAM},
    {"FROM:<> SMTPUTF8=", ERR_BAD_PARAM},
    {"FROM:<> SMTPUTF8 smtputf8", ERR_BAD_PARAM},
    {"FROM:<> SMTPUTF88", ERR_UNKNOWN_PARAM},
    {"FROM:<> HOLDFOR", ERR_BAD_PARAM},
    {"FROM:<> HOLDFOR=", ERR_BAD_PARAM},
    {"FROM:<> HOLDFOR=0", ERR_BAD_PARAM},
    {"FROM:<> HOLDFOR=01", ERR_BAD_PARAM},
    {"FROM:<> HOLDFOR=-1", ERR_BAD_PARAM},
    {"FROM:<> HOLDFOR=1000000000", ERR_BAD_PARAM},
    {"FROM:<> HOLDFOR=1 HOLDFOR=1", ERR_BAD_PARAM},
    {"FROM:<> HOLDFOR=1 HOLDUNTIL=2026-12-24T18:00:00Z", ERR_BAD_PARAM},
    {"FROM:<> HOLDUNTIL=2026-12-24", ERR_BAD_PARAM},
    {"FROM:<> HOLDUNTIL=2026-12-24T18:00:00", ERR_BAD_PARAM},
    {"FROM:<> HOLDUNTIL=2026-12-24T18:00:00+01:00", ERR_BAD_PARAM},
    {"FROM:<> HOLDUNTIL=2026-02-29T18:00:00Z", ERR_BAD_PARAM},
    {"FROM:<> HOLDUNTIL=2026-12-24T18:00:00ZZ", ERR_BAD_PARAM},
    {"FROM:<> BY", ERR_BAD_PARAM},
    {"FROM:<> BY=10", ERR_BAD_PARAM},
    {"FROM:<> BY=10;", ERR_BAD_PARAM},
    {"FROM:<> BY=10;X", ERR_BAD_PARAM},
    {"FROM:<> BY=10;RR", ERR_BAD_PARAM},
    {"FROM:<> BY=10;RTT", ERR_BAD_PARAM},
    {"FROM:<> BY=10;TR", ERR_BAD_PARAM},
    {"FROM:<> BY=;R", ERR_BAD_PARAM},
    {"FROM:<> BY=+;N", ERR_BAD_PARAM},
    {"FROM:<> BY=0;R", ERR_BAD_PARAM},
    {"FROM:<> BY=-1;R", ERR_BAD_PARAM},
    {"FROM:<> BY=--1;N", ERR_BAD_PARAM},
    {"FROM:<> BY=1000000000;N", ERR_BAD_PARAM},
    {"FROM:<> MT-PRIORITY", ERR_BAD_PARAM},
    {"FROM:<> MT-PRIORITY=10", ERR_BAD_PARAM},
    {"FROM:<> MT-PRIORITY=+1", ERR_BAD_PARAM},
    {"FROM:<> MT-PRIORITY=-0", ERR_BAD_PARAM},
    {"FROM:<> MT-PRIORITY=-10", ERR_BAD_PARAM},
    {"FROM:<> MT-PRIORITY=-", ERR_BAD_PARAM},
    {"FROM:<> MT-PRIORITY=1 MT-PRIORITY=1", ERR_BAD_PARAM},
    {"FROM:<> REQUIRETLS=YES", ERR_BAD_PARAM},
    {"FROM:<> REQUIRETLS REQUIRETLS", ERR_BAD_PARAM},
    {"FROM:<> =1", ERR_UNKNOWN_PARAM},
    {"FROM:<> SIZE", ERR_BAD_PARAM},
    {"FROM:<> SIZE=", ERR_BAD_PARAM},
    {"FROM:<> SIZE=-1", ERR_BAD_PARAM},
    {"FROM:<> SIZE=1x", ERR_BAD_PARAM},
    {"FROM:<> SIZE=000000000000000000001", ERR_BAD_PARAM},
    {"FROM:<> SIZE=1 SIZE=1", ERR_BAD_PARAM},
    {"FROM:<> BODY=BINARY", ERR_BAD_PARAM},
    {"FROM:<> BODY", ERR_BAD_PARAM},
    {"FROM:<> AUTH=", ERR_BAD_PARAM},
    {"FROM:<> AUTH=a", ERR_BAD_PARAM},
    {"FROM:<> AUTH=a+4@b", ERR_BAD_PARAM},
    {"FROM:<> AUTH=a+0A@b", ERR_BAD_PARAM},
    {"FROM:<> RET=ALL", ERR_BAD_PARAM},
    {"FROM:<> ENVID=", ERR_BAD_PARAM},
    {"FROM:<> ENVID=a+0D+0Ab", ERR_BAD_PARAM},
    {"FROM:<> ENVID=a=b", ERR_BAD_PARAM},
    {"FROM:<> ENVID=01234567890123456789012345678901234567890123456789"
     "012345678901234567890123456789012345678901234567890",
     ERR_BAD_PARAM},
};

static void test_bad_mail(void **state)
{
    (void)state;
    struct arena *a = arena_new(ARENA_CAP);
    struct smtp_mail mail = {.size = 77};
    for (size_t i = 0; i < sizeof(BAD_MAIL) / sizeof(BAD_MAIL[0]); i++) {
        enum err e = smtp_mail_parse(a, str_from_c(BAD_MAIL[i].args), &mail);
        if (e != BAD_MAIL[i].err) {
            print_error("%s\n", BAD_MAIL[i].args);
        }
        assert_int_equal(e, BAD_MAIL[i].err);
        assert_int_equal(mail.size, 77);
    }
    arena_free(&a);
    a = arena_new(3);
    assert_int_equal(smtp_mail_parse(a, STR("FROM:<abc@def>"), &mail), ERR_LIMIT);
    assert_int_equal(smtp_mail_parse(a, STR("FROM:<> ENVID=abcd"), &mail), ERR_LIMIT);
    arena_free(&a);
}

static void test_mail(void **state)
{
    (void)state;
    struct arena *a = arena_new(ARENA_CAP);
    struct smtp_mail mail;
    assert_int_equal(smtp_mail_parse(a, STR("from:<>"), &mail), ERR_OK);
    assert_true(mail.from.is_null);
    assert_int_equal(mail.from.address.n, 0);
    assert_false(mail.has_size || mail.has_auth || mail.has_envid || mail.has_body);
    assert_int_equal(smtp_mail_parse(a,
                                     STR("FROM: <a.b@Example.COM> size=12345  body=BINARYMIME "
                                         "AUTH=e+3Dmc2@example.com RET=HDRS ENVID=QQ+2B314"),
                                     &mail),
                     ERR_OK);
    assert_str(mail.from.address, STR("a.b@Example.COM"));
    assert_str(mail.from.domain, STR("Example.COM"));
    assert_int_equal(mail.size, 12345);
    assert_int_equal(mail.body, SMTP_BODY_BINARYMIME);
    assert_true(mail.has_auth);
    assert_str(mail.auth, STR("e=mc2@example.com"));
    assert_int_equal(mail.ret, SMTP_RET_HDRS);
    assert_str(mail.envid, STR("QQ+314"));
    assert_int_equal(smtp_mail_parse(a, STR("FROM:<a@b> AUTH=<> SIZE=99999999999999999999"), &mail),
                     ERR_OK);
    assert_true(mail.has_auth);
    assert_int_equal(mail.auth.n, 0);
    assert_true(mail.size == INT64_MAX);
    arena_free(&a);
}

/* What was asked for beyond who and how large. */
static void test_terms(void **state)
{
    (void)state;
    struct arena *a = arena_new(ARENA_CAP);
    struct smtp_mail mail;
    assert_int_equal(
        smtp_mail_parse(a,
                        STR("FROM:<j\xC3\xBCrgen@b\xC3\xBC"
                            "cher.example> smtputf8 HOLDFOR=999999999 by=-999999999;nT "
                            "mt-priority=-9 RequireTLS"),
                        &mail),
        ERR_OK);
    assert_true(mail.from.is_utf8);
    assert_str(mail.from.domain, STR("b\xC3\xBC"
                                     "cher.example"));
    assert_int_equal(mail.given, SMTP_PARAM_SMTPUTF8 | SMTP_PARAM_HOLDFOR | SMTP_PARAM_BY
                                     | SMTP_PARAM_MT_PRIORITY | SMTP_PARAM_REQUIRETLS);
    assert_int_equal(mail.hold_for_s, 999999999);
    assert_str(mail.hold, STR("999999999"));
    assert_int_equal(mail.by, SMTP_BY_NOTIFY);
    assert_int_equal(mail.by_s, -999999999);
    assert_true(mail.is_by_traced);
    assert_int_equal(mail.priority, -9);
    assert_int_equal(smtp_mail_parse(a,
                                     STR("FROM:<a@b> HOLDUNTIL=2026-12-24t18:00:00.5z BY=+120;R "
                                         "MT-PRIORITY=0"),
                                     &mail),
                     ERR_OK);
    assert_false(mail.from.is_utf8);
    assert_int_equal(mail.hold_until_s, 1798135200);
    assert_str(mail.hold, STR("2026-12-24t18:00:00.5z"));
    assert_int_equal(mail.by, SMTP_BY_RETURN);
    assert_int_equal(mail.by_s, 120);
    assert_false(mail.is_by_traced);
    assert_int_equal(mail.priority, 0);
    arena_free(&a);
}

/* X-SMTPUTF8: original recipients in all forms of RFC 6533, 3, and how they are written again. */
static void test_utf8_orcpt(void **state)
{
    (void)state;
    static const char *const good[][4] = {
        /* as sent, plain, for a server with SMTPUTF8, for one without */
        {"a@b", "a@b", "a@b", "a@b"},
        {"\xC3\xBC@b", "\xC3\xBC@b", "\xC3\xBC@b", "\\x{FC}@b"},
        {"\\x{FC}@b", "\xC3\xBC@b", "\xC3\xBC@b", "\\x{FC}@b"},
        {"\\x{1f600}@b", "\xF0\x9F\x98\x80@b", "\xF0\x9F\x98\x80@b", "\\x{1F600}@b"},
        {"\"\\x{20}\\x{5C}\\x{2B}\\x{3D}\"@b", "\" \\+=\"@b", "\"\\x{20}\\x{5C}\\x{2B}\\x{3D}\"@b",
         "\"\\x{20}\\x{5C}\\x{2B}\\x{3D}\"@b"},
    };
    static const char *const bad[] = {
        "a+b",         "a\\b",     "\\x{41}",   "\\x{0A}",      "\\x{85}", "\\x{D800}",
        "\\x{110000}", "\\x{0FC}", "\\x{F}",    "\\x{}",        "\\x{FC",  "\\x{FG}",
        "\xC3",        "\xC2\x85", "\\x{2028}", "\\x{00000FC}",
    };
    struct arena *a = arena_new(ARENA_CAP);
    struct smtp_rcpt rcpt;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CLEANUP(buf_release) struct buf line = BUF_INIT(1000);
        buf_addf(&line, "TO:<a@b> ORCPT=UTF-8;%s", good[i][0]);
        assert_int_equal(smtp_rcpt_parse(a, buf_str(&line), &rcpt), ERR_OK);
        assert_str(rcpt.orcpt, str_from_c(good[i][1]));
        assert_int_equal(rcpt.is_utf8, (unsigned char)good[i][0][0] > 0x7F);
        for (size_t k = 2; k < 4; k++) {
            CLEANUP(buf_release) struct buf decoded = BUF_INIT(1000);
            CLEANUP(buf_release) struct buf out = BUF_INIT(1000);
            CLEANUP(buf_release) struct buf want = BUF_INIT(1000);
            buf_addf(&decoded, "utf-8;%s", good[i][1]);
            buf_addf(&want, "utf-8;%s", good[i][k]);
            smtp_orcpt_write(&out, buf_str(&decoded), k == 2);
            assert_str(buf_str(&out), buf_str(&want));
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CLEANUP(buf_release) struct buf line = BUF_INIT(1000);
        buf_addf(&line, "TO:<a@b> ORCPT=utf-8;%s", bad[i]);
        if (smtp_rcpt_parse(a, buf_str(&line), &rcpt) != ERR_BAD_PARAM) {
            print_error("%s\n", bad[i]);
        }
        assert_int_equal(smtp_rcpt_parse(a, buf_str(&line), &rcpt), ERR_BAD_PARAM);
    }
    CLEANUP(buf_release) struct buf out = BUF_INIT(1000);
    smtp_orcpt_write(&out, STR("rfc822;a=b@c"), false);
    assert_str(buf_str(&out), STR("rfc822;a+3Db@c"));
    arena_free(&a);
}

static void test_rcpt(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        enum err err;
    } bad[] = {
        {"FROM:<a@b>", ERR_SYNTAX},
        {"TO:<>", ERR_BAD_ADDRESS},
        {"TO:<postmaster@>", ERR_BAD_ADDRESS},
        {"TO:<a@b> SIZE=1", ERR_UNKNOWN_PARAM},
        {"TO:<a@b> NOTIFY=", ERR_BAD_PARAM},
        {"TO:<a@b> NOTIFY=NEVER,DELAY", ERR_BAD_PARAM},
        {"TO:<a@b> NOTIFY=DELAY,", ERR_BAD_PARAM},
        {"TO:<a@b> NOTIFY=,DELAY", ERR_BAD_PARAM},
        {"TO:<a@b> NOTIFY=FOO", ERR_BAD_PARAM},
        {"TO:<a@b> ORCPT=a@b", ERR_BAD_PARAM},
        {"TO:<a@b> ORCPT=;a@b", ERR_BAD_PARAM},
        {"TO:<a@b> ORCPT=rfc822;", ERR_BAD_PARAM},
        {"TO:<a@b> ORCPT=rfc822;a+0Ab", ERR_BAD_PARAM},
        {"TO:<a@b> ORCPT=rfc822;a ORCPT=rfc822;a", ERR_BAD_PARAM},
    };
    struct arena *a = arena_new(ARENA_CAP);
    struct smtp_rcpt rcpt;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(smtp_rcpt_parse(a, str_from_c(bad[i].args), &rcpt), bad[i].err);
    }
    assert_int_equal(smtp_rcpt_parse(a, STR("TO:<PostMaster>"), &rcpt), ERR_OK);
    assert_str(rcpt.to.address, STR("PostMaster"));
    assert_int_equal(rcpt.to.domain.n, 0);
    assert_int_equal(
        smtp_rcpt_parse(a, STR("TO:<a@b> NOTIFY=success,FAILURE,DELAY ORCPT=RFC822;x+2By@z"),
                        &rcpt),
        ERR_OK);
    assert_int_equal(rcpt.notify, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY);
    assert_str(rcpt.orcpt_type, STR("RFC822"));
    assert_str(rcpt.orcpt, STR("x+y@z"));
    assert_int_equal(smtp_rcpt_parse(a, STR("TO:<a@b> NOTIFY=NEVER"), &rcpt), ERR_OK);
    assert_int_equal(rcpt.notify, SMTP_NOTIFY_NEVER);
    arena_free(&a);
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        /* as sent, local part, as written */
        {"a@b", "a", "a@b"},
        {"!#$%&'*+-/=?^_`{|}~.x@b", "!#$%&'*+-/=?^_`{|}~.x", "!#$%&'*+-/=?^_`{|}~.x@b"},
        {"\"a.b\"@c", "a.b", "a.b@c"},
        {"\"a b\"@c", "a b", "\"a b\"@c"},
        {"\"\\a\\\"\\\\\"@c", "a\"\\", "\"a\\\"\\\\\"@c"},
        {"\"\"@c", "", "\"\"@c"},
        {"\"a@b\"@c", "a@b", "\"a@b\"@c"},
        {"a@[192.0.2.1]", "a", "a@[192.0.2.1]"},
        {"a@[IPv6:2001:db8::1]", "a", "a@[IPv6:2001:db8::1]"},
        {"a@_dmarc.x-y.example", "a", "a@_dmarc.x-y.example"},
    };
    struct arena *a = arena_new(ARENA_CAP);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct smtp_path path;
        assert_int_equal(smtp_address_parse(a, str_from_c(cases[i][0]), &path), ERR_OK);
        assert_str(path.local, str_from_c(cases[i][1]));
        assert_str(path.address, str_from_c(cases[i][2]));
    }
    struct smtp_path path;
    assert_int_equal(smtp_address_parse(a, STR("<a@b>"), &path), ERR_BAD_ADDRESS);
    assert_int_equal(smtp_address_parse(a, STR("a@b "), &path), ERR_BAD_ADDRESS);
    assert_int_equal(smtp_address_parse(a, STR(""), &path), ERR_BAD_ADDRESS);
    struct smtp_rcpt rcpt;
    assert_int_equal(smtp_rcpt_parse(a, STR("TO:<@x.example,@[192.0.2.1]:a@b>"), &rcpt), ERR_OK);
    assert_str(rcpt.to.address, STR("a@b"));
    arena_free(&a);
}

static void test_address_round_trip(void **state)
{
    (void)state;
    struct random r = {23};
    struct arena *a = arena_new(ARENA_CAP);
    struct buf out = BUF_INIT(1000);
    for (int i = 0; i < 10000; i++) {
        char local[20];
        size_t n = random_below(&r, sizeof(local));
        random_fill(&r, local, n, "ab.@ \"\\<>,:;[]()", 16);
        struct smtp_path path;
        arena_clear(a);
        buf_clear(&out);
        smtp_address_write(&out, str_make(local, n), STR("example.com"));
        assert_int_equal(smtp_address_parse(a, buf_str(&out), &path), ERR_OK);
        assert_str(path.local, str_make(local, n));
        assert_str(path.address, buf_str(&out));
    }
    arena_free(&a);
    buf_release(&out);
}

static void test_lengths(void **state)
{
    (void)state;
    struct arena *a = arena_new(ARENA_CAP);
    struct smtp_path path;
    char text[700];
    memset(text, 'a', sizeof(text));
    memcpy(text + 256, "@b", 2);
    assert_int_equal(smtp_address_parse(a, str_make(text, 258), &path), ERR_OK);
    memcpy(text + 256, "a@b", 3);
    assert_int_equal(smtp_address_parse(a, str_make(text, 259), &path), ERR_BAD_ADDRESS);
    memset(text, 'a', sizeof(text));
    memcpy(text, "x@", 2);
    assert_int_equal(smtp_address_parse(a, str_make(text, 2 + 63), &path), ERR_OK);
    assert_int_equal(smtp_address_parse(a, str_make(text, 2 + 64), &path), ERR_BAD_ADDRESS);
    for (size_t i = 0; i < 255; i++) {
        text[2 + i] = i % 2 == 0 ? 'a' : '.';
    }
    assert_int_equal(smtp_address_parse(a, str_make(text, 2 + 255), &path), ERR_OK);
    memcpy(text + 2 + 255, ".a", 2);
    assert_int_equal(smtp_address_parse(a, str_make(text, 2 + 257), &path), ERR_BAD_ADDRESS);
    arena_free(&a);
}

static void test_xtext(void **state)
{
    (void)state;
    static const char *const bad[] = {"+", "+4", "a+4G", "a=b", "a b", "\x80", "+G4"};
    struct random r = {29};
    struct arena *a = arena_new(ARENA_CAP);
    struct buf out = BUF_INIT(1000);
    struct str s;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(xtext_parse(a, str_from_c(bad[i]), &s), ERR_SYNTAX);
    }
    for (int i = 0; i < 5000; i++) {
        char raw[30];
        size_t n = random_below(&r, sizeof(raw));
        for (size_t k = 0; k < n; k++) {
            raw[k] = (char)(unsigned char)random_below(&r, 256);
        }
        arena_clear(a);
        buf_clear(&out);
        xtext_write(&out, str_make(raw, n));
        assert_int_equal(xtext_parse(a, buf_str(&out), &s), ERR_OK);
        assert_str(s, str_make(raw, n));
    }
    buf_release(&out);
    arena_free(&a);
}

static void test_commands(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum smtp_verb verb;
        const char *args;
    } cases[] = {
        {"", SMTP_UNKNOWN, ""},
        {"FOO bar", SMTP_UNKNOWN, "bar"},
        {"MAILFROM:<a@b>", SMTP_UNKNOWN, ""},
        {" EHLO x", SMTP_UNKNOWN, "EHLO x"},
        {"ehlo x.example ", SMTP_EHLO, "x.example"},
        {"Mail  FROM:<> ", SMTP_MAIL, "FROM:<>"},
        {"QUIT", SMTP_QUIT, ""},
        {"STARTTLS", SMTP_STARTTLS, ""},
        {"BURL imap://u@h/a LAST", SMTP_BURL, "imap://u@h/a LAST"},
    };
    struct smtp_command command;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        smtp_command_parse(str_from_c(cases[i].line), &command);
        assert_int_equal(command.verb, cases[i].verb);
        assert_str(command.args, str_from_c(cases[i].args));
    }
}

static void test_simple_arguments(void **state)
{
    (void)state;
    static const char *const bad_bdat[] = {
        "", "x", "-1", "1 LASTS", "1 LAST x", "LAST", "9223372036854775808"};
    static const char *const bad_burl[] = {"", "imap://x FIRST", "imap://x LAST x", "\x01"};
    static const char *const bad_auth[] = {"", "PLAIN YQ== x", "PLAIN *", "A*",
                                           "ABCDEFGHIJKLMNOPQRSTU"};
    struct smtp_bdat bdat;
    struct smtp_burl burl;
    struct smtp_auth auth;
    struct str helo;
    for (size_t i = 0; i < sizeof(bad_bdat) / sizeof(bad_bdat[0]); i++) {
        assert_int_equal(smtp_bdat_parse(str_from_c(bad_bdat[i]), &bdat), ERR_SYNTAX);
    }
    for (size_t i = 0; i < sizeof(bad_burl) / sizeof(bad_burl[0]); i++) {
        assert_int_equal(smtp_burl_parse(str_from_c(bad_burl[i]), &burl), ERR_SYNTAX);
    }
    for (size_t i = 0; i < sizeof(bad_auth) / sizeof(bad_auth[0]); i++) {
        assert_int_equal(smtp_auth_parse(str_from_c(bad_auth[i]), &auth), ERR_SYNTAX);
    }
    assert_int_equal(smtp_parse_helo(STR("a b"), &helo), ERR_SYNTAX);
    assert_int_equal(smtp_parse_helo(STR(""), &helo), ERR_SYNTAX);
    assert_int_equal(smtp_parse_helo(STR("[127.0.0.1]"), &helo), ERR_OK);
    assert_int_equal(smtp_bdat_parse(STR("0 last"), &bdat), ERR_OK);
    assert_true(bdat.size == 0 && bdat.is_last);
    assert_int_equal(smtp_bdat_parse(STR("86400"), &bdat), ERR_OK);
    assert_true(bdat.size == 86400 && !bdat.is_last);
    assert_int_equal(smtp_burl_parse(STR("imap://u@h/a LAST"), &burl), ERR_OK);
    assert_str(burl.url, STR("imap://u@h/a"));
    assert_true(burl.is_last);
    assert_int_equal(smtp_auth_parse(STR("PLAIN ="), &auth), ERR_OK);
    assert_true(auth.has_initial);
    assert_int_equal(smtp_auth_parse(STR("scram-sha-256-plus"), &auth), ERR_OK);
    assert_false(auth.has_initial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_mail),
        cmocka_unit_test(test_mail),
        cmocka_unit_test(test_rcpt),
        cmocka_unit_test(test_terms),
        cmocka_unit_test(test_utf8_orcpt),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_address_round_trip),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_xtext),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_simple_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
