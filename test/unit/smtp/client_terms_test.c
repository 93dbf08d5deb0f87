/* The client and what the sender demands (X-SMTPUTF8, X-DELIVERBY, X-MT-PRIORITY, X-REQUIRETLS, X-LIMITS), several messages over one
 * connection, chunks, logins: against scripted servers. */
#include "smtp/client.h"

#include "unit.h"

enum { NOW_MS = 1000000, CHUNK = 1024 * 1024, CONTENT_MOST = 4 * CHUNK };

static char content[CONTENT_MOST];
static size_t content_size = 8;
static struct content_able able_seen;

static enum err prepare(void *owner, struct content_able able, enum content_kind *kind,
                        uint64_t *size)
{
    able_seen = able;
    *kind = CONTENT_7BIT;
    *size = content_size;
    return ERR_OK;
}

static enum err read_content(void *owner, uint64_t offset, size_t n, struct str *out)
{
    *out = str_sub(str_make(content, content_size), (size_t)offset, n);
    return ERR_OK;
}

static uint64_t now_ms(void *owner)
{
    return NOW_MS;
}

static struct mail_recipient to[] = {
    {.address = {"a@x.test", 8}},
    {.address = {"b@y.test", 8}},
    {.address = {"c@x.test", 8}},
};

static struct smtp_client_job job;
static struct smtp_client *client;
static struct buf said;
static enum smtp_client_want want;

static int set_up(void **state)
{
    memcpy(content, "x: y\r\n\r\n", 8);
    content_size = 8;
    said = BUF_INIT(1 << 24);
    job = (struct smtp_client_job){
        .helo = STR("me"),
        .envelope = {.return_path = STR("f@z.test"), .recipients = to, .recipient_count = 1},
        .source = {prepare, read_content, NULL, now_ms},
    };
    return 0;
}

static int tear_down(void **state)
{
    smtp_client_free(&client);
    buf_release(&said);
    return 0;
}

static void drain(void)
{
    want = SMTP_CLIENT_OUTPUT;
    while (want == SMTP_CLIENT_OUTPUT) {
        want = smtp_client_step(client, &said);
    }
}

static void hear(const char *lines)
{
    smtp_client_feed(client, str_from_c(lines));
    drain();
}

static void expect(const char *text)
{
    struct str wanted = str_from_c(text);
    if (!str_eq(buf_str(&said), wanted)) {
        print_error("got '%.*s', want '%s'\n", STR_ARG(buf_str(&said)), text);
    }
    assert_true(str_eq(buf_str(&said), wanted));
    buf_clear(&said);
}

/* Up to the reply to EHLO. */
static void greet(const char *offers)
{
    client = smtp_client_new(&job);
    hear("220 hi\r\n");
    expect("EHLO me\r\n");
    hear(offers);
}

static char outcome(size_t i)
{
    return "ODLF"[smtp_client_get_outcome(client, i).kind];
}

static void expect_reply(size_t i, const char *start)
{
    assert_true(str_starts(smtp_client_get_outcome(client, i).reply, str_from_c(start)));
}

static void test_terms(void **state)
{
    job.envelope.terms = (struct mail_terms){.is_utf8 = true,
                                             .by = SMTP_BY_RETURN,
                                             .deliver_by_ms = NOW_MS + 120500,
                                             .is_by_traced = true,
                                             .priority = -3};
    greet("250-x\r\n250-SMTPUTF8\r\n250-8BITMIME\r\n250-DELIVERBY 60\r\n250 MT-PRIORITY\r\n");
    assert_true(able_seen.is_utf8);
    expect("MAIL FROM:<f@z.test> BODY=7BIT SMTPUTF8 BY=120;RT MT-PRIORITY=-3\r\n");
}

static void test_terms_not_offered(void **state)
{
    job.envelope.terms = (struct mail_terms){
        .is_utf8 = true, .by = SMTP_BY_NOTIFY, .deliver_by_ms = NOW_MS - 5000, .priority = 5};
    greet("250-x\r\n250 8BITMIME\r\n");
    assert_false(able_seen.is_utf8); /* the header is to be converted */
    expect("MAIL FROM:<f@z.test> BODY=7BIT\r\n");
}

static void test_late(void **state)
{
    job.envelope.terms = (struct mail_terms){.by = SMTP_BY_NOTIFY, .deliver_by_ms = NOW_MS - 5000};
    greet("250-x\r\n250 DELIVERBY\r\n");
    expect("MAIL FROM:<f@z.test> BY=-5;N\r\n");
}

/* RFC 2852, 4.1.4.2: a server that keeps no time is to tell of delays. */
static void test_time_lost(void **state)
{
    static struct mail_recipient r[] = {{.address = {"a@x.test", 8}},
                                        {.address = {"b@x.test", 8}, .notify = SMTP_NOTIFY_SUCCESS},
                                        {.address = {"c@x.test", 8}, .notify = SMTP_NOTIFY_NEVER}};
    job.envelope.recipients = r;
    job.envelope.recipient_count = 3;
    job.envelope.terms = (struct mail_terms){.by = SMTP_BY_NOTIFY, .deliver_by_ms = NOW_MS + 60000};
    greet("250-x\r\n250-PIPELINING\r\n250 DSN\r\n");
    expect("MAIL FROM:<f@z.test>\r\nRCPT TO:<a@x.test> NOTIFY=FAILURE,DELAY\r\n"
           "RCPT TO:<b@x.test> NOTIFY=SUCCESS,DELAY\r\nRCPT TO:<c@x.test> NOTIFY=NEVER\r\n");
    assert_false(smtp_client_get_outcome(client, 0).is_by_with_him);
}

static void test_no_time(void **state)
{
    static const char *const OFFERS[] = {"250 x\r\n", "250-x\r\n250 DELIVERBY 600\r\n"};
    static const char *const REPLIES[] = {"550 5.3.3", "550 5.4.7"};
    job.envelope.terms = (struct mail_terms){.by = SMTP_BY_RETURN, .deliver_by_ms = NOW_MS + 60000};
    for (size_t i = 0; i < 2; i++) {
        greet(OFFERS[i]);
        expect("QUIT\r\n");
        assert_int_equal(outcome(0), 'F');
        expect_reply(0, REPLIES[i]);
        smtp_client_free(&client);
    }
}

/* RFC 8689, 4.2.1: TLS, proof, and the server's word. */
static void test_requiretls(void **state)
{
    job.envelope.terms.is_tls_required = true;
    job.is_tls = true;
    greet("250-x\r\n250 REQUIRETLS\r\n"); /* nobody knows who it is */
    expect("QUIT\r\n");
    expect_reply(0, "550 5.7.30");
    smtp_client_free(&client);
    job.is_authentic = true;
    greet("250 x\r\n");
    expect("QUIT\r\n");
    expect_reply(0, "550 5.7.30");
    assert_true(smtp_client_is_unfit(client)); /* another host may do */
    assert_false(smtp_client_has_host_failed(client));
    smtp_client_free(&client);
    greet("250-x\r\n250 REQUIRETLS\r\n");
    expect("MAIL FROM:<f@z.test> REQUIRETLS\r\n");
    assert_false(smtp_client_is_unfit(client));
    smtp_client_free(&client);
    job.is_tls = false;
    greet("250-x\r\n250 REQUIRETLS\r\n");
    expect("QUIT\r\n");
}

/* RFC 8689, 5: a report goes all the same, and says REQUIRETLS where it is offered. */
static void test_requiretls_report(void **state)
{
    job.envelope.terms.is_tls_required = true;
    job.envelope.return_path = STR_EMPTY;
    greet("250 x\r\n");
    expect("MAIL FROM:<>\r\n");
    smtp_client_free(&client);
    job.is_tls = job.is_authentic = true;
    greet("250-x\r\n250 REQUIRETLS\r\n");
    expect("MAIL FROM:<> REQUIRETLS\r\n");
}

/* RFC 3461, 5.2.2: a server without DSN hears nothing of it; our own LMTP server needs ORCPT. */
static void test_orcpt(void **state)
{
    static struct mail_recipient r[] = {{.address = {"a@x.test", 8},
                                         .orcpt = {"rfc822;o@x.test", 15},
                                         .notify = SMTP_NOTIFY_NEVER}};
    job.envelope.recipients = r;
    job.is_lmtp = true;
    for (int is_own = 0; is_own < 2; is_own++) {
        job.is_own = is_own == 1;
        client = smtp_client_new(&job);
        hear("220 hi\r\n");
        expect("LHLO me\r\n");
        hear("250-x\r\n250 PIPELINING\r\n");
        expect(is_own ? "MAIL FROM:<f@z.test>\r\nRCPT TO:<a@x.test> NOTIFY=NEVER "
                        "ORCPT=rfc822;o@x.test\r\n"
                      : "MAIL FROM:<f@z.test>\r\nRCPT TO:<a@x.test>\r\n");
        smtp_client_free(&client);
    }
}

/* RFC 6531: a domain can be said otherwise, a local part cannot. */
static void test_utf8_addresses(void **state)
{
    struct mail_recipient r[] = {{.address = STR("a@gr\xc3\xbcn.test")},
                                 {.address = STR("gr\xc3\xbcn@x.test")}};
    job.envelope.recipients = r;
    job.envelope.recipient_count = 2;
    job.envelope.terms.is_utf8 = true;
    greet("250-x\r\n250 PIPELINING\r\n");
    expect("MAIL FROM:<f@z.test>\r\nRCPT TO:<a@xn--grn-ioa.test>\r\n");
    assert_int_equal(outcome(1), 'F');
    expect_reply(1, "553 5.6.7");
    smtp_client_free(&client);
    job.envelope.return_path = STR("gr\xc3\xbcn@x.test");
    greet("250 x\r\n");
    expect("QUIT\r\n");
    expect_reply(0, "550 5.6.7");
}

/* RFC 9422: the message goes once for each so many. */
static void test_recipient_limit(void **state)
{
    job.envelope.recipient_count = 3;
    greet("250-x\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=2 MAILMAX=2\r\n");
    expect("MAIL FROM:<f@z.test>\r\nRCPT TO:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n");
    hear("250 ok\r\n250 ok\r\n550 no\r\n");
    expect("DATA\r\n");
    hear("354 go\r\n");
    expect("x: y\r\n\r\n.\r\n");
    hear("250 taken\r\n");
    expect("MAIL FROM:<f@z.test>\r\nRCPT TO:<c@x.test>\r\n");
    hear("250 ok\r\n250 ok\r\n");
    expect("DATA\r\n");
    hear("354 go\r\n");
    expect("x: y\r\n\r\n.\r\n");
    hear("250 taken\r\n");
    expect("QUIT\r\n");
    assert_int_equal(outcome(0), 'D');
    assert_int_equal(outcome(1), 'F');
    assert_int_equal(outcome(2), 'D');
}

static void test_message_limit(void **state)
{
    job.envelope.recipient_count = 3;
    greet("250-x\r\n250-PIPELINING\r\n250 LIMITS RCPTDOMAINMAX=1 MAILMAX=1\r\n");
    expect("MAIL FROM:<f@z.test>\r\nRCPT TO:<a@x.test>\r\n");
    hear("250 ok\r\n250 ok\r\n");
    hear("354 go\r\n");
    hear("250 taken\r\n");
    assert_int_equal(outcome(0), 'D');
    assert_int_equal(outcome(1), 'L');
    assert_int_equal(outcome(2), 'L');
}

static void bring_one(const char *before)
{
    CLEANUP(buf_release) struct buf mail = BUF_INIT(1000);
    buf_addf(&mail, "%sMAIL FROM:<f@z.test>\r\n", before);
    expect(mail.p);
    hear("250 ok\r\n");
    expect("RCPT TO:<a@x.test>\r\n");
    hear("250 ok\r\n");
    expect("DATA\r\n");
    hear("354 go\r\n");
    expect("x: y\r\n\r\n.\r\n");
}

static void test_several_messages(void **state)
{
    job.is_kept = true;
    greet("250 x\r\n");
    bring_one("");
    hear("250 taken\r\n");
    expect("");
    assert_int_equal(want, SMTP_CLIENT_DONE);
    assert_true(smtp_client_is_idle(client));
    assert_int_equal(outcome(0), 'D');
    smtp_client_next(client, &job);
    drain();
    bring_one("");
    hear("554 5.6.0 no\r\n"); /* what the server thinks of the transaction now is unknown */
    assert_int_equal(outcome(0), 'F');
    smtp_client_next(client, &job);
    drain();
    expect("RSET\r\n");
    hear("250 ok\r\n");
    bring_one("");
    hear("250 taken\r\n");
    smtp_client_quit(client);
    drain();
    expect("QUIT\r\n");
    assert_int_equal(outcome(0), 'D');
}

/* A connection that had waited, and the server has gone: nobody's fault. */
static void test_kept_too_long(void **state)
{
    job.is_kept = true;
    greet("250 x\r\n");
    bring_one("");
    hear("250 taken\r\n");
    smtp_client_next(client, &job);
    drain();
    hear("421 4.4.2 you slept\r\n");
    assert_int_equal(want, SMTP_CLIENT_DONE);
    assert_true(smtp_client_has_host_failed(client));
    assert_int_equal(outcome(0), 'L');
    smtp_client_free(&client);
    buf_clear(&said);
    greet("250 x\r\n");
    bring_one("");
    smtp_client_fail(client,
                     ERR_PEER_GONE); /* the answer is lost: later, and not elsewhere at once */
    assert_int_equal(outcome(0), 'L');
    assert_false(smtp_client_has_host_failed(client));
}

/* RFC 3030, 4.2: chunks, their answers in between. */
static void test_chunks(void **state)
{
    content_size = 2 * CHUNK + 5;
    greet("250-x\r\n250 CHUNKING\r\n");
    hear("250 ok\r\n");
    hear("250 ok\r\n");
    assert_true(str_find_str(buf_str(&said), STR("BDAT 1048576\r\n")) < said.len);
    assert_true(said.len < CHUNK + 200); /* the first only */
    buf_clear(&said);
    hear("250 go on\r\n");
    assert_true(str_starts(buf_str(&said), STR("BDAT 1048576\r\n")));
    buf_clear(&said);
    hear("250 go on\r\n");
    assert_true(str_starts(buf_str(&said), STR("BDAT 5 LAST\r\n")));
    hear("250 taken\r\n");
    assert_int_equal(outcome(0), 'D');
}

static void test_chunk_refused(void **state)
{
    content_size = 3 * CHUNK;
    greet("250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    hear("250 ok\r\n250 ok\r\n"); /* all of them leave at once */
    assert_true(said.len > 3 * CHUNK);
    hear("250 one\r\n552 5.3.4 enough\r\n");
    assert_int_equal(want, SMTP_CLIENT_DONE);
    assert_int_equal(outcome(0), 'F');
}

static void test_login(void **state)
{
    job.user = STR("u");
    job.password = STR("p");
    greet("250-x\r\n250 AUTH LOGIN\r\n");
    expect("AUTH LOGIN\r\n");
    hear("334 VXNlcm5hbWU6\r\n");
    expect("dQ==\r\n");
    hear("334 UGFzc3dvcmQ6\r\n");
    expect("cA==\r\n");
    hear("235 fine\r\n");
    expect("MAIL FROM:<f@z.test> AUTH=<>\r\n");
    smtp_client_free(&client);
    greet("250-x\r\n250 AUTH GSSAPI\r\n");
    assert_true(smtp_client_has_host_failed(client)); /* another relay may do */
    assert_int_equal(outcome(0), 'L');
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_terms),
        TEST(test_terms_not_offered),
        TEST(test_late),
        TEST(test_time_lost),
        TEST(test_no_time),
        TEST(test_requiretls),
        TEST(test_requiretls_report),
        TEST(test_orcpt),
        TEST(test_utf8_addresses),
        TEST(test_recipient_limit),
        TEST(test_message_limit),
        TEST(test_several_messages),
        TEST(test_kept_too_long),
        TEST(test_chunks),
        TEST(test_chunk_refused),
        TEST(test_login),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
