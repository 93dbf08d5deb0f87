/* Unit tests of wire/smtp_write: replies and the EHLO list (S-2 .. S-12). */
#include "wire/smtp_write.h"

#include "unit.h"
#include "wire/smtp_framing.h"

static void test_replies(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1000);
    smtp_write_reply(&out, 250, STR("2.1.0"), STR("a\r\x01\x80 b"));
    assert_str(buf_str(&out), STR("250 2.1.0 a??? b\r\n"));
    buf_clear(&out);
    smtp_write_reply(&out, 554, STR("5.7.0"), STR("a\nb\nc"));
    assert_str(buf_str(&out), STR("554-5.7.0 a\r\n554-5.7.0 b\r\n554 5.7.0 c\r\n"));
    buf_clear(&out);
    smtp_write_reply(&out, 354, STR_EMPTY, STR("go on"));
    smtp_write_reply(&out, 334, STR_EMPTY, STR_EMPTY);
    assert_str(buf_str(&out), STR("354 go on\r\n334 \r\n"));
    buf_clear(&out);
    smtp_write_err(&out, ERR_UNKNOWN_PARAM);
    assert_str(buf_str(&out), STR("555 5.5.4 Parameter not recognized\r\n"));
    buf_release(&out);
}

/* Reads a written reply back. */
static void read_back(const struct buf *out, struct smtp_reply *reply)
{
    struct smtp_framing *f = smtp_framing_new();
    enum step step = STEP_MORE;
    smtp_framing_feed(f, buf_str(out));
    while (smtp_framing_next(f) == SMTP_FRAME_LINE) {
        assert_int_equal(step, STEP_MORE);
        step = smtp_reply_add_line(reply, smtp_framing_get_octets(f));
    }
    assert_int_equal(step, STEP_DONE);
    smtp_framing_free(&f);
}

static void test_ehlo(void **state)
{
    (void)state;
    static const char *const always[] = {
        "8BITMIME", "BINARYMIME", "CHUNKING", "ENHANCEDSTATUSCODES", "PIPELINING", "SIZE"};
    struct buf out = BUF_INIT(10000);
    struct smtp_reply reply = SMTP_REPLY_INIT;
    struct str args;
    struct smtp_ehlo ehlo = {.hostname = STR("mail.example.com"),
                             .is_tls_offered = true,
                             .has_burl = true,
                             .burl_args = STR("imap"),
                             .size_most = 50000000};
    smtp_write_ehlo(&out, &ehlo);
    read_back(&out, &reply);
    assert_int_equal(reply.code, 250);
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
        assert_true(smtp_reply_find_keyword(&reply, str_from_c(always[i]), NULL));
    }
    assert_true(smtp_reply_find_keyword(&reply, STR("STARTTLS"), NULL));
    assert_true(smtp_reply_find_keyword(&reply, STR("DSN"), NULL));
    assert_true(smtp_reply_find_keyword(&reply, STR("BURL"), &args));
    assert_str(args, STR("imap"));
    assert_true(smtp_reply_find_keyword(&reply, STR("SIZE"), &args));
    assert_str(args, STR("50000000"));
    assert_false(smtp_reply_find_keyword(&reply, STR("AUTH"), NULL));
    /* S-12: under TLS it is not offered again */
    ehlo.is_tls_offered = false;
    ehlo.mechanisms = STR("PLAIN SCRAM-SHA-256");
    ehlo.size_most = 0;
    buf_clear(&out);
    smtp_write_ehlo(&out, &ehlo);
    read_back(&out, &reply);
    assert_false(smtp_reply_find_keyword(&reply, STR("STARTTLS"), NULL));
    assert_true(smtp_reply_find_keyword(&reply, STR("AUTH"), &args));
    assert_str(args, STR("PLAIN SCRAM-SHA-256"));
    ehlo.is_lmtp = true;
    buf_clear(&out);
    smtp_write_ehlo(&out, &ehlo);
    read_back(&out, &reply);
    assert_false(smtp_reply_find_keyword(&reply, STR("AUTH"), NULL));
    assert_false(smtp_reply_find_keyword(&reply, STR("BURL"), NULL));
    assert_true(smtp_reply_find_keyword(&reply, STR("PIPELINING"), NULL));
    smtp_reply_release(&reply);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_ehlo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
