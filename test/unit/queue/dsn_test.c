/* Reports (S-7; RFC 3464, RFC 3461, 6). The runner's tests show when they are made; these, what is in them. */
#include "queue/dsn.h"
#include "queue/dsn_return.h"

#include "temp_dir.h"
#include "unit.h"

static void test_status(void **state)
{
    static const struct {
        const char *reply;
        const char *status;
    } rows[] = {
        {"550 5.1.1 no", "5.1.1"},
        {"550 no such user", "5.0.0"},
        {"451 4.7.12 wait", "4.7.12"},
        {"450", "4.0.0"},
        {"250 2.1.5 ok", "2.1.5"},
        {"250 ok", "2.0.0"},
        {"550 4.1.1 odd", "5.0.0"},
        {"550 5.1 x", "5.0.0"},
        {"550 5..1 x", "5.0.0"},
        {"550 5.1.1.1 x", "5.0.0"},
        {"", "5.0.0"},
        {"550 5.1.1", "5.1.1"},
        {"550 5.1.1x no", "5.0.0"},
        {"550 .1.1 x", "5.0.0"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_str(dsn_find_status(str_from_c(rows[i].reply)), str_from_c(rows[i].status));
    }
}

static void test_wanted(void **state)
{
    assert_true(dsn_is_wanted(0, DSN_FAILED));
    assert_true(dsn_is_wanted(0, DSN_DELAYED));
    assert_false(dsn_is_wanted(0, DSN_DELIVERED));
    assert_false(dsn_is_wanted(0, DSN_RELAYED));
    assert_false(dsn_is_wanted(SMTP_NOTIFY_NEVER, DSN_FAILED));
    assert_false(dsn_is_wanted(SMTP_NOTIFY_SUCCESS, DSN_FAILED));
    assert_false(dsn_is_wanted(SMTP_NOTIFY_FAILURE, DSN_DELAYED));
    assert_true(dsn_is_wanted(SMTP_NOTIFY_SUCCESS, DSN_RELAYED));
}

/* The report about a message with the given content, in out. */
static void report(struct queue_message *m, struct str content, const struct dsn_recipient *r,
                   struct buf *out)
{
    char dir[] = "/tmp/limetta-dsn-XXXXXX";
    struct spool_reader *reader = NULL;
    struct content_scan scan = {0};
    temp_dir_make(dir, sizeof(dir));
    content_scan_add(&scan, content);
    m->kind = content_get_kind(&scan);
    m->size = content.n;
    assert_int_equal(spool_reader_new(str_from_c(dir), STR_EMPTY, content, &reader), ERR_OK);
    struct dsn_args args = {STR("here.test"), STR("u1"), 1700000000000, m, r, 1, reader, false};
    struct spool *s = spool_new(str_from_c(dir), STR_EMPTY, 1 << 20);
    assert_int_equal(dsn_write(&args, s), ERR_OK);
    buf_add(out, spool_get_inline(s));
    spool_free(&s);
    spool_reader_free(&reader);
    temp_dir_remove(dir);
}

static bool has(const struct buf *b, const char *what)
{
    return str_find_str(buf_str(b), str_from_c(what)) < b->len;
}

static void test_fields(void **state)
{
    struct mail_recipient to = {.address = STR("x@y"), .orcpt = STR("rfc822;o@y")};
    struct dsn_recipient r = {&to, DSN_FAILED, STR("5.1.1"), STR("550 5.1.1 no"), STR("mx.test")};
    struct queue_message m = {.return_path = STR("f@z"), .envid = STR("e 1"), .arrived_ms = 1000};
    CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
    report(&m, STR("Subject: s\r\n\r\nbody\r\n"), &r, &out);
    static const char *const wanted[] = {
        "To: f@z\r\n",
        "Auto-Submitted: auto-replied\r\n",
        "boundary=\"=_u1\"\r\n\r\n\r\n--=_u1\r\n",
        "Original-Envelope-Id: e 1\r\nReporting-MTA: dns; here.test\r\n",
        "Arrival-Date: Thu, 01 Jan 1970 00:00:01 +0000\r\n",
        "\r\n\r\nOriginal-Recipient: rfc822;o@y\r\nFinal-Recipient: rfc822; x@y\r\nAction: "
        "failed\r\n"
        "Status: 5.1.1\r\nRemote-MTA: dns; mx.test\r\nDiagnostic-Code: smtp; 550 5.1.1 no\r\n",
        "\r\n--=_u1--\r\n"};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        assert_true(has(&out, wanted[i]));
    }
}

/* RFC 3461, 4.3 and 6.2: what of the message goes back. */
static void test_what_returns(void **state)
{
    struct mail_recipient to = {.address = STR("x@y")};
    struct queue_message m = {.return_path = STR("f@z")};
    static const struct {
        enum dsn_action action;
        enum smtp_ret ret;
        const char *content;
        const char *wanted;
    } rows[] = {
        {DSN_FAILED, SMTP_RET_NONE, "A: 1\r\n\r\nb\r\n",
         "message/rfc822\r\n\r\nA: 1\r\n\r\nb\r\n\r\n--"},
        {DSN_FAILED, SMTP_RET_FULL, "A: 1\r\n\r\nb\r\n",
         "message/rfc822\r\n\r\nA: 1\r\n\r\nb\r\n\r\n--"},
        {DSN_FAILED, SMTP_RET_HDRS, "A: 1\r\n\r\nb\r\n",
         "text/rfc822-headers\r\n\r\nA: 1\r\n\r\n\r\n--"},
        {DSN_DELIVERED, SMTP_RET_FULL, "A: 1\r\n\r\nb\r\n",
         "text/rfc822-headers\r\n\r\nA: 1\r\n\r\n\r\n--"},
        {DSN_FAILED, SMTP_RET_FULL, "A: 1\r\n\r\n\xe9\r\n",
         "message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nA: 1"},
        {DSN_FAILED, SMTP_RET_FULL, "A: 1\r\n\r\na\nb\r\n",
         "message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nA: 1\r\n"},
        {DSN_FAILED, SMTP_RET_HDRS, "A: 1\r\n\nb\r\n\r\nc", "A: 1\r\n\n\r\n--"},
        {DSN_FAILED, SMTP_RET_HDRS, "A: 1", "\r\n\r\nA: 1\r\n--"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
        struct dsn_recipient r = {&to, rows[i].action, STR("5.0.0"), STR_EMPTY, STR_EMPTY};
        m.ret = rows[i].ret;
        report(&m, str_from_c(rows[i].content), &r, &out);
        assert_true(has(&out, rows[i].wanted));
    }
}

/* S-7: every combination of what was asked for and what happened. The report has what it must, and nothing that it must not. */
static void check_combination(unsigned notify, enum dsn_action action, unsigned bits)
{
    static const char *const actions[] = {"failed", "delayed", "delivered", "relayed", "expanded"};
    static const enum smtp_ret rets[] = {SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS};
    bool has_envid = (bits & 1) != 0;
    bool has_orcpt = (bits & 2) != 0;
    bool has_remote = (bits & 4) != 0;
    enum smtp_ret ret = rets[(bits >> 3) % 3];
    struct mail_recipient to = {.address = STR("x@y"), .notify = notify};
    to.orcpt = has_orcpt ? STR("rfc822;o@y") : STR_EMPTY;
    struct dsn_recipient r = {&to, action, STR("5.1.1"), STR("550 5.1.1 no"), STR_EMPTY};
    r.remote_mta = has_remote ? STR("mx.test") : STR_EMPTY;
    struct queue_message m = {
        .return_path = STR("f@z"), .ret = ret, .expires_ms = 1700000000000, .arrived_ms = 1000};
    m.envid = has_envid ? STR("e+1") : STR_EMPTY;
    unsigned bit = action == DSN_FAILED    ? SMTP_NOTIFY_FAILURE
                   : action == DSN_DELAYED ? SMTP_NOTIFY_DELAY
                                           : SMTP_NOTIFY_SUCCESS;
    bool is_default = notify == 0 && (action == DSN_FAILED || action == DSN_DELAYED);
    assert_true(dsn_is_wanted(notify, action) == (is_default || (notify & bit) != 0));
    CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
    CLEANUP(buf_release) struct buf line = BUF_INIT(100);
    report(&m, STR("Subject: s\r\n\r\nbody\r\n"), &r, &out);
    buf_addf(&line, "Final-Recipient: rfc822; x@y\r\nAction: %s\r\nStatus: 5.1.1\r\n",
             actions[action]);
    assert_true(has(&out, line.p));
    assert_true(has(&out, "\r\nOriginal-Envelope-Id: e+1\r\n") == has_envid);
    assert_true(has(&out, "Original-Envelope-Id") == has_envid);
    assert_true(has(&out, "\r\nOriginal-Recipient: rfc822;o@y\r\n") == has_orcpt);
    assert_true(has(&out, "Original-Recipient") == has_orcpt);
    assert_true(has(&out, "Remote-MTA: dns; mx.test\r\nDiagnostic-Code: smtp; 550 5.1.1 no\r\n")
                == has_remote);
    assert_true(has(&out, "Will-Retry-Until: Tue, 14 Nov 2023 22:13:20 +0000\r\n")
                == (action == DSN_DELAYED));
    bool is_full = action == DSN_FAILED && ret != SMTP_RET_HDRS;
    assert_true(has(&out, "Content-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nbody\r\n")
                == is_full);
    assert_true(has(&out, "Content-Type: text/rfc822-headers\r\n\r\nSubject: s\r\n\r\n\r\n--")
                == !is_full);
}

static void test_combinations(void **state)
{
    for (unsigned notify = 0; notify < 16; notify++) {
        if (notify != SMTP_NOTIFY_NEVER && (notify & SMTP_NOTIFY_NEVER) != 0) {
            continue; /* NEVER stands alone */
        }
        for (int action = DSN_FAILED; action <= DSN_EXPANDED; action++) {
            for (unsigned bits = 0; bits < 24; bits++) {
                check_combination(notify, (enum dsn_action)action, bits);
            }
        }
    }
}

/* X-SMTPUTF8, RFC 6533: addresses as they are when the message came with SMTPUTF8, else in the 7-bit form; labels that are true. */
static void test_utf8(void **state)
{
    static const struct {
        bool is_utf8;
        const char *address;
        const char *orcpt;
        const char *content;
        const char *wanted[4];
    } rows[] = {
        {true,
         "j\xc3\xb6@x.test",
         "utf-8;\xc3\xb6+o@x",
         "Subject: \xc3\xa4\r\n\r\nb\r\n",
         {"boundary=\"=_u1\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
          "message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
          "Original-Recipient: utf-8;\xc3\xb6+o@x\r\nFinal-Recipient: utf-8; j\xc3\xb6@x.test\r\n",
          "message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: \xc3\xa4"}},
        {true,
         "j@x.test",
         "",
         "Subject: a\r\n\r\nb\r\n",
         {"boundary=\"=_u1\"\r\n\r\n", "message/global-delivery-status\r\n\r\n",
          "\r\nFinal-Recipient: rfc822; j@x.test\r\n", "message/global\r\n\r\nSubject: a"}},
        {false,
         "j\xc3\xb6@x.test",
         "utf-8;\xc3\xb6+o@x",
         "Subject: a\r\n\r\nb\r\n",
         {"boundary=\"=_u1\"\r\n\r\n", "message/delivery-status\r\n\r\n",
          "Original-Recipient: utf-8;\\x{F6}\\x{2B}o@x\r\nFinal-Recipient: "
          "utf-8;j\\x{F6}@x.test\r\n",
          "message/rfc822\r\n\r\nSubject: a"}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mail_recipient to = {.address = str_from_c(rows[i].address),
                                    .orcpt = str_from_c(rows[i].orcpt)};
        struct dsn_recipient r = {&to, DSN_FAILED, STR("5.0.0"), STR_EMPTY, STR_EMPTY};
        struct queue_message m = {.return_path = STR("f@z"), .terms = {.is_utf8 = rows[i].is_utf8}};
        CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
        report(&m, str_from_c(rows[i].content), &r, &out);
        for (size_t w = 0; w < 4; w++) {
            assert_true(has(&out, rows[i].wanted[w]));
        }
    }
}

/* X-REQUIRETLS, RFC 8689, 5: a message that demanded TLS never goes back whole. Nor does a large one, and the bound is told by RET. */
static void test_bounds(void **state)
{
    static const struct {
        bool is_tls_required;
        enum smtp_ret ret;
        size_t size;
        bool is_full;
    } rows[] = {
        {false, SMTP_RET_NONE, 1000, true},
        {true, SMTP_RET_NONE, 1000, false},
        {true, SMTP_RET_FULL, 1000, false},
        {false, SMTP_RET_NONE, DSN_UNASKED_MOST + 1, false},
        {false, SMTP_RET_FULL, DSN_UNASKED_MOST + 1, true},
        {false, SMTP_RET_FULL, DSN_FULL_MOST + 1, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct spool_reader *content = NULL;
        struct dsn_return what = {.size = 0};
        struct queue_message m = {.size = rows[i].size,
                                  .ret = rows[i].ret,
                                  .terms = {.is_tls_required = rows[i].is_tls_required}};
        assert_int_equal(spool_reader_new(STR("/tmp"), STR_EMPTY, STR("A: 1\r\n\r\nb"), &content),
                         ERR_OK);
        assert_int_equal(dsn_return_choose(&m, true, content, &what), ERR_OK);
        assert_true(what.is_full == rows[i].is_full);
        assert_int_equal(what.size, rows[i].is_full ? rows[i].size : 8);
        spool_reader_free(&content);
    }
}

/* X-FUTURERELEASE, X-DELIVERBY: a report says what was asked for (RFC 4865, 5.1.2; RFC 2852, 5). */
static void test_terms(void **state)
{
    struct mail_recipient to = {.address = STR("x@y")};
    struct dsn_recipient r = {&to, DSN_FAILED, STR("5.4.7"), STR_EMPTY, STR_EMPTY};
    struct queue_message m = {.return_path = STR("f@z")};
    CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
    report(&m, STR("A: 1\r\n\r\n"), &r, &out);
    assert_false(has(&out, "Deliver-By-Date:"));
    assert_false(has(&out, "Future-Release-Request:"));
    m.terms.by = SMTP_BY_RETURN;
    m.terms.deliver_by_ms = 1700000000000;
    m.terms.release_request = STR("for;600");
    buf_clear(&out);
    report(&m, STR("A: 1\r\n\r\n"), &r, &out);
    assert_true(has(&out, "\r\nDeliver-By-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"));
    assert_true(has(&out, "\r\nFuture-Release-Request: for;600\r\n"));
    assert_false(has(&out, "TLS-Required"));
    /* RFC 3464, 2.3.9: until it comes back. RFC 8689, 6: the report's way is as free as the message's. */
    r.action = DSN_DELAYED;
    m.expires_ms = 1800000000000;
    m.terms.is_tls_optional = true;
    buf_clear(&out);
    report(&m, STR("A: 1\r\n\r\n"), &r, &out);
    assert_true(has(&out, "\r\nWill-Retry-Until: Tue, 14 Nov 2023 22:13:20 +0000\r\n"));
    assert_true(has(&out, "\r\nTLS-Required: No\r\n"));
}

/* What others wrote cannot become a line of ours. */
static void test_injection(void **state)
{
    struct mail_recipient to = {.address = STR("x@y\r\nAction: ok"), .orcpt = STR("a;b\nc\xe9")};
    struct dsn_recipient r = {&to, DSN_FAILED, STR("5.0.0"), STR("550 a\r\n\r\n--=_u1--"),
                              STR("m")};
    struct queue_message m = {.return_path = STR("f@z>\r\nBcc: e"), .envid = STR("e\r\n\r\nx")};
    CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
    report(&m, STR("A: 1\r\n\r\n"), &r, &out);
    assert_false(has(&out, "\nAction: ok"));
    assert_false(has(&out, "\nBcc:"));
    assert_false(has(&out, "\nc"));
    assert_true(has(&out, "Final-Recipient: rfc822; x@y??Action: ok\r\n"));
    size_t end = str_find_str(buf_str(&out), STR("\r\n--=_u1--"));
    assert_int_equal(end + 11 + 1, out.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),    cmocka_unit_test(test_wanted),
        cmocka_unit_test(test_fields),    cmocka_unit_test(test_what_returns),
        cmocka_unit_test(test_injection), cmocka_unit_test(test_combinations),
        cmocka_unit_test(test_utf8),      cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_terms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
