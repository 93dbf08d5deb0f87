/* Reports (S-7; RFC 3464, RFC 3461, 6). The runner's tests show when they are made; these, what is in them. */
#include "queue/dsn.h"

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
    struct dsn_args args = {STR("here.test"), STR("u1"), 1700000000000, m, r, 1, reader};
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
        "boundary=\"=_u1\"\r\n\r\n--=_u1\r\n",
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
        {DSN_FAILED, SMTP_RET_FULL, "A: 1\r\n\r\na\nb\r\n", "text/rfc822-headers\r\n"},
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
        cmocka_unit_test(test_injection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
