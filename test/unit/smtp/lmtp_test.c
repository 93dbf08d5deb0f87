/* The LMTP server core (RFC 2033) as conversations. */
#include "smtp/lmtp.h"

#include "base/buf.h"

#include "unit.h"

struct world {
    struct lmtp_host host;
    struct session *session;
    struct buf out;
    struct buf seen; /* what the host was told */
    bool is_late;
    size_t count;
    enum err content_err;
};

static void wake(void *owner)
{
}

static enum err add_recipient(void *owner, struct str user, struct str address)
{
    struct world *w = owner;
    if (str_eq(user, STR("nobody"))) {
        return ERR_NO_USER;
    }
    buf_addf(&w->seen, "%.*s(%.*s) ", STR_ARG(user), STR_ARG(address));
    w->count++;
    return ERR_OK;
}

static void content_start(void *owner, struct str return_path)
{
    buf_addf(&((struct world *)owner)->seen, "<%.*s> ", STR_ARG(return_path));
}

static enum err content_add(void *owner, struct str octets)
{
    struct world *w = owner;
    buf_add(&w->seen, octets);
    return w->content_err;
}

/* The second recipient's account is broken. */
static void content_finish(void *owner)
{
    struct world *w = owner;
    buf_add(&w->seen, STR("|"));
    for (size_t i = 0; i < w->count && !w->is_late; i++) {
        lmtp_on_delivered(w->session, i, i == 1 ? ERR_IO : ERR_OK);
    }
}

static void reset(void *owner)
{
    ((struct world *)owner)->count = 0;
}

static void world_init(struct world *w)
{
    *w = (struct world){.out = BUF_INIT(1 << 20), .seen = BUF_INIT(1 << 20)};
    w->host = (struct lmtp_host){{wake, w, NULL}, add_recipient, content_start, content_add,
                                 content_finish,  reset,         NULL};
    w->session = lmtp_new(STR("store"), 100, &w->host);
}

static void world_release(struct world *w)
{
    w->session->ops->free(&w->session);
    buf_release(&w->out);
    buf_release(&w->seen);
}

static enum session_want say(struct world *w, struct str octets, size_t piece)
{
    enum session_want want = SESSION_INPUT;
    buf_clear(&w->out);
    while (octets.n > 0) {
        w->session->ops->feed(w->session, str_sub(octets, 0, piece));
        octets = str_skip(octets, piece);
        do {
            want = w->session->ops->step(w->session, &w->out);
        } while (want == SESSION_OUTPUT || (want == SESSION_EVENT && !w->is_late));
    }
    return want;
}

static void expect_codes(struct world *w, const char *want)
{
    CLEANUP(buf_release) struct buf got = BUF_INIT(4096);
    for (struct str rest = buf_str(&w->out); rest.n > 0;) {
        struct str line = str_split(&rest, '\n');
        if (line.n > 3 && line.p[3] == ' ') {
            buf_add(&got, str_sub(line, 0, 4));
        }
    }
    assert_str(buf_str(&got), str_from_c(want));
}

#define START                                                                                      \
    "LHLO s\r\nMAIL FROM:<f@x>\r\nRCPT TO:<anna> ORCPT=rfc822;a@b\r\nRCPT TO:<bob@c.d>\r\n"

static const struct {
    const char *c;
    const char *s;
    const char *seen;
} rows[] = {
    {"EHLO x\r\nHELO x\r\nAUTH PLAIN\r\nBURL x\r\nSTARTTLS\r\n", "220 500 500 500 500 500 ", ""},
    {"RCPT TO:<a>\r\nDATA\r\nBDAT 2\r\nhi", "220 503 503 503 ", ""},
    {START "BDAT 3 LAST\r\nabcNOOP\r\n", "220 250 250 250 250 250 451 250 ",
     "anna(a@b) bob@c.d(bob@c.d) <f@x> abc|"},
    {START "DATA\r\nhi\r\n..\r\n.\r\nQUIT\r\n", "220 250 250 250 250 354 250 451 221 ",
     "anna(a@b) bob@c.d(bob@c.d) <f@x> hi\r\n.\r\n|"},
    {START "BDAT 1\r\naRCPT TO:<x>\r\nDATA\r\nBDAT 0 LAST\r\n",
     "220 250 250 250 250 250 503 503 250 451 ", "anna(a@b) bob@c.d(bob@c.d) <f@x> a|"},
    {"MAIL FROM:<>\r\nRCPT TO:<nobody>\r\nBDAT 1 LAST\r\naMAIL FROM:<>\r\n", "220 250 550 503 250 ",
     ""},
    {START "RSET\r\nDATA\r\nVRFY a\r\n", "220 250 250 250 250 250 503 252 ",
     "anna(a@b) bob@c.d(bob@c.d) "},
    {"LHLO s\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<anna>\r\nDATA\r\nBDAT 1 LAST\r\na",
     "220 250 250 250 503 250 ", "anna(anna) <> a|"},
    {START "DATA x\r\nRSET x\r\nVRFY\r\nQUIT x\r\nBDAT x\r\n",
     "220 250 250 250 250 501 501 501 501 501 421 ", "anna(a@b) bob@c.d(bob@c.d) "},
    {"MAIL FROM:<> SIZE=101\r\nMAIL FROM:<> SIZE=100\r\n", "220 552 250 ", ""},
};

static void test_conversations(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t piece = 1; piece < 1000; piece += 333) {
            struct world w;
            world_init(&w);
            (void)say(&w, str_from_c(rows[i].c), piece);
            assert_str(buf_str(&w.seen), str_from_c(rows[i].seen));
            expect_codes(&w, rows[i].s);
            world_release(&w);
        }
    }
}

/* RFC 2033, 4.2: a reply a recipient, in their order, each when it is known. */
static void test_late_answers(void **state)
{
    struct world w;
    world_init(&w);
    w.is_late = true;
    assert_int_equal(say(&w, STR(START "BDAT 1 LAST\r\naNOOP\r\n"), 1000), SESSION_EVENT);
    expect_codes(&w, "220 250 250 250 250 ");
    lmtp_on_delivered(w.session, 1, ERR_OVER_QUOTA);
    buf_clear(&w.out);
    assert_int_equal(w.session->ops->step(w.session, &w.out), SESSION_EVENT);
    assert_int_equal(w.out.len, 0);
    lmtp_on_delivered(w.session, 0, ERR_OK);
    lmtp_on_delivered(w.session, 0, ERR_IO); /* once is enough */
    lmtp_on_delivered(w.session, 7, ERR_IO); /* nobody */
    assert_int_equal(w.session->ops->step(w.session, &w.out), SESSION_INPUT);
    expect_codes(&w, "250 552 250 ");
    world_release(&w);
}

static void test_trouble(void **state)
{
    struct world w;
    world_init(&w);
    (void)say(&w,
              STR(START "BDAT 101 LAST\r\n0123456789012345678901234567890123456789012345678"
                        "9012345678901234567890123456789012345678901234567890"),
              1000);
    expect_codes(&w, "220 250 250 250 250 552 552 ");
    w.content_err = ERR_NO_SPACE;
    (void)say(&w, STR(START "DATA\r\nx\r\n.\r\n"), 1000);
    expect_codes(&w, "250 250 250 250 354 452 452 ");
    world_release(&w);
}

static void find_recipient(void *owner, struct str address)
{
    struct world *w = owner;
    buf_addf(&w->seen, "?%.*s ", STR_ARG(address));
    if (!w->is_late) {
        w->count++;
        lmtp_on_recipient(w->session, str_starts(address, STR("nobody")) ? ERR_NO_USER : ERR_OK);
    }
}

/* X-LMTP: as other servers meet it. A recipient waits for its look-up, and what is pipelined behind it too. */
static void test_strict(void **state)
{
    struct world w;
    world_init(&w);
    w.host.find_recipient = find_recipient;
    lmtp_be_strict(w.session);
    (void)say(&w, STR("MAIL FROM:<>\r\nLHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<nobody@x>\r\n"), 7);
    expect_codes(&w, "220 503 250 250 550 ");
    /* What was not offered is unknown (RFC 5321, 4.1.1.11). */
    (void)say(&w,
              STR("RCPT TO:<a@x> NOTIFY=NEVER\r\nRCPT TO:<a@x> ORCPT=rfc822;a@x\r\nRSET\r\n"
                  "MAIL FROM:<> RET=HDRS\r\nMAIL FROM:<> ENVID=x\r\nMAIL FROM:<> AUTH=<>\r\n"
                  "MAIL FROM:<>\r\n"),
              100);
    expect_codes(&w, "555 555 250 555 555 555 250 ");
    assert_str(lmtp_get_helo(w.session), STR("mx"));
    w.is_late = true;
    assert_int_equal(say(&w, STR("RCPT TO:<\"a b\"@c.d>\r\nDATA\r\n"), 100), SESSION_EVENT);
    expect_codes(&w, "");
    lmtp_on_recipient(w.session, ERR_OK);
    assert_int_equal(w.session->ops->step(w.session, &w.out), SESSION_INPUT);
    expect_codes(&w, "250 354 ");
    assert_int_equal(say(&w, STR("x\r\n.\r\nNOOP\r\n"), 100), SESSION_EVENT);
    lmtp_on_answered(w.session, 0, STR("452 4.2.2 Full"));
    assert_int_equal(w.session->ops->step(w.session, &w.out), SESSION_INPUT);
    assert_str(buf_str(&w.out), STR("452 4.2.2 Full\r\n250 2.0.0 OK\r\n"));
    for (int i = 1; i < LMTP_MISTAKES_MOST; i++) {
        assert_int_equal(say(&w, STR("EHLO x\r\n"), 100), SESSION_INPUT);
    }
    assert_int_equal(say(&w, STR("EHLO x\r\nNOOP\r\n"), 100), SESSION_CLOSE);
    expect_codes(&w, "500 421 ");
    world_release(&w);
}

/* Nobody answers for long: 421, and the transaction is forgotten. */
static void test_silence(void **state)
{
    struct world w;
    world_init(&w);
    (void)say(&w, STR(START), 100);
    buf_clear(&w.out);
    lmtp_on_silence(w.session);
    assert_int_equal(w.session->ops->step(w.session, &w.out), SESSION_CLOSE);
    expect_codes(&w, "421 ");
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conversations), cmocka_unit_test(test_late_answers),
        cmocka_unit_test(test_trouble),       cmocka_unit_test(test_strict),
        cmocka_unit_test(test_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
