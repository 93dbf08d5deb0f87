/* The IMAP client core against scripted servers, friendly and hostile (S-14, S-15, S-20). */
#include "smtp/imap_fetch.h"

#include "unit.h"

#define URL "imap://b@h/x/;UID=1;URLAUTH=submit+b:internal:00"

struct peer {
    struct imap_fetch *f;
    struct buf said;
    struct buf body;
    enum imap_fetch_want want;
};

static void peer_init(struct peer *p, bool is_tls_required)
{
    struct imap_fetch_args args = {STR("submit"), STR("se\"cret"), STR("imap.example.org"),
                                   is_tls_required, false};
    p->f = imap_fetch_new(&args);
    p->said = BUF_INIT(1 << 16);
    p->body = BUF_INIT(1 << 24);
    p->want = IMAP_FETCH_INPUT;
}

static void peer_release(struct peer *p)
{
    imap_fetch_free(&p->f);
    buf_release(&p->said);
    buf_release(&p->body);
}

/* Feeds octets in pieces; stops at the first want that is no INPUT and no OCTETS. */
static struct str serve(struct peer *p, struct str octets, size_t piece)
{
    buf_clear(&p->said);
    while (octets.n > 0) {
        imap_fetch_feed(p->f, str_sub(octets, 0, piece));
        octets = str_skip(octets, piece);
        do {
            p->want = imap_fetch_step(p->f, &p->said);
            if (p->want == IMAP_FETCH_OCTETS) {
                buf_add(&p->body, imap_fetch_get_octets(p->f));
            }
        } while (p->want == IMAP_FETCH_OCTETS);
    }
    return buf_str(&p->said);
}

static void log_in(struct peer *p)
{
    (void)serve(p,
                STR("* OK hi\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\nL1 OK\r\n"
                    "L2 OK [CAPABILITY IMAP4rev1] in\r\n"),
                1000);
    assert_int_equal(p->want, IMAP_FETCH_READY);
}

static void start(struct peer *p, struct str url, bool may_be_binary)
{
    imap_fetch_ask(p->f, url, may_be_binary);
    imap_fetch_open(p->f, 100);
}

static void test_login_ways(void **state)
{
    static const struct {
        const char *capability;
        const char *said;
    } rows[] = {
        {"IMAP4rev1 AUTH=PLAIN SASL-IR", "L2 AUTHENTICATE PLAIN AHN1Ym1pdABzZSJjcmV0\r\n"},
        {"IMAP4rev1 AUTH=PLAIN", "L2 AUTHENTICATE PLAIN\r\n"},
        {"IMAP4rev1", "L2 LOGIN \"submit\" \"se\\\"cret\"\r\n"},
        {"IMAP4rev1 LOGINDISABLED STARTTLS", "L2 STARTTLS\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct peer p;
        peer_init(&p, false);
        assert_str(serve(&p, STR("* OK [CAPABILITY X] hi\r\n"), 1), STR("L1 CAPABILITY\r\n"));
        CLEANUP(buf_release) struct buf in = BUF_INIT(1000);
        buf_addf(&in, "* CAPABILITY %s\r\nL1 OK done\r\n", rows[i].capability);
        assert_str(serve(&p, buf_str(&in), 1), str_from_c(rows[i].said));
        peer_release(&p);
    }
}

static void test_plain_without_initial_response(void **state)
{
    struct peer p;
    peer_init(&p, false);
    (void)serve(&p, STR("* OK hi\r\n* CAPABILITY AUTH=PLAIN\r\nL1 OK\r\n"), 1000);
    assert_str(serve(&p, STR("+ \r\n"), 1), STR("AHN1Ym1pdABzZSJjcmV0\r\n"));
    assert_str(serve(&p, STR("L2 OK in\r\n"), 1), STR("L3 CAPABILITY\r\n"));
    assert_int_equal(p.want, IMAP_FETCH_INPUT);
    (void)serve(&p, STR("* CAPABILITY X\r\nL3 OK\r\n"), 1);
    assert_int_equal(p.want, IMAP_FETCH_READY);
    peer_release(&p);
}

/* S-14: no login before TLS when the server is another host; what came before TLS is forgotten. */
static void test_tls_first(void **state)
{
    struct peer p;
    peer_init(&p, true);
    (void)serve(&p, STR("* OK hi\r\n* CAPABILITY AUTH=PLAIN STARTTLS\r\nL1 OK\r\n"), 1000);
    assert_str(buf_str(&p.said), STR("L1 CAPABILITY\r\nL2 STARTTLS\r\n"));
    (void)serve(&p, STR("L2 OK go\r\n"), 1000);
    assert_int_equal(p.want, IMAP_FETCH_TLS);
    imap_fetch_feed(p.f, STR("* CAPABILITY AUTH=PLAIN\r\nL3 OK injected\r\n"));
    imap_fetch_on_tls(p.f);
    assert_int_equal(imap_fetch_step(p.f, &p.said), IMAP_FETCH_INPUT);
    assert_str(serve(&p, STR("* CAPABILITY AUTH=PLAIN SASL-IR\r\nL3 OK\r\n"), 1000),
               STR("L4 AUTHENTICATE PLAIN AHN1Ym1pdABzZSJjcmV0\r\n"));
    peer_release(&p);
    peer_init(&p, true);
    (void)serve(&p, STR("* OK hi\r\n* CAPABILITY AUTH=PLAIN\r\nL1 OK\r\n"), 1000);
    assert_int_equal(p.want, IMAP_FETCH_FAILED);
    assert_int_equal(p.said.len, 15);
    peer_release(&p);
}

static void test_answers(void **state)
{
    static const struct {
        const char *answer;
        enum imap_fetch_want want;
        enum err err;
        const char *body;
    } rows[] = {
        {"* URLFETCH " URL " {5}\r\na\r\nb)\r\nL3 OK\r\n", IMAP_FETCH_RESULT, ERR_OK, "a\r\nb)"},
        {"* URLFETCH \"" URL "\" {0}\r\n\r\nL3 OK\r\n", IMAP_FETCH_RESULT, ERR_OK, ""},
        {"* URLFETCH {3}\r\nurl {2}\r\nxy\r\nL3 OK\r\n", IMAP_FETCH_RESULT, ERR_OK, "xy"},
        {"* URLFETCH " URL " \"q\\\"uoted\"\r\nL3 OK\r\n", IMAP_FETCH_RESULT, ERR_OK, "q\"uoted"},
        {"* 3 EXISTS\r\n* OK {4} odd\r\n* URLFETCH " URL " {1}\r\nz\r\nL3 OK\r\n",
         IMAP_FETCH_RESULT, ERR_OK, "z"},
        {"* URLFETCH " URL " NIL\r\nL3 OK\r\n", IMAP_FETCH_RESULT, ERR_BAD_URL, ""},
        {"* URLFETCH " URL "\r\nL3 OK\r\n", IMAP_FETCH_RESULT, ERR_BAD_URL, ""},
        {"L3 OK\r\n", IMAP_FETCH_RESULT, ERR_BAD_URL, ""},
        {"L3 NO [BADURL] no\r\n", IMAP_FETCH_RESULT, ERR_BAD_URL, ""},
        {"L3 BAD what\r\n", IMAP_FETCH_RESULT, ERR_BAD_URL, ""},
        {"* BYE out\r\n", IMAP_FETCH_FAILED, ERR_UNREACHABLE, ""},
        {"L9 OK\r\n", IMAP_FETCH_FAILED, ERR_UNREACHABLE, ""},
        {"garbage\r\n", IMAP_FETCH_FAILED, ERR_UNREACHABLE, ""},
        {"* URLFETCH " URL " {101}\r\n", IMAP_FETCH_FAILED, ERR_TOO_BIG, ""},
        {"* URLFETCH " URL " {4294967295}\r\n", IMAP_FETCH_FAILED, ERR_TOO_BIG, ""},
        {"* LIST {99999}\r\n", IMAP_FETCH_FAILED, ERR_UNREACHABLE, ""},
    };
    for (size_t piece = 1; piece < 2000; piece = piece * 7) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            struct peer p;
            peer_init(&p, false);
            log_in(&p);
            start(&p, STR(URL), false);
            (void)serve(&p, str_from_c(rows[i].answer), piece);
            if (p.want != rows[i].want) {
                print_error("%s", rows[i].answer);
            }
            assert_int_equal(p.want, rows[i].want);
            assert_int_equal(imap_fetch_get_err(p.f), rows[i].err);
            assert_str(buf_str(&p.body), str_from_c(rows[i].body));
            peer_release(&p);
        }
    }
}

/* A second literal in the answer is not a second message. */
static void test_only_one_body(void **state)
{
    struct peer p;
    peer_init(&p, false);
    log_in(&p);
    start(&p, STR(URL), false);
    (void)serve(&p, STR("* URLFETCH u {1}\r\na\r\n* URLFETCH u {1}\r\nb\r\nL3 OK\r\n"), 3);
    assert_int_equal(p.want, IMAP_FETCH_RESULT);
    assert_str(buf_str(&p.body), STR("a"));
    assert_int_equal(imap_fetch_step(p.f, &p.said), IMAP_FETCH_READY);
    start(&p, STR(URL), false);
    (void)serve(&p, STR("* URLFETCH u {1}\r\nc\r\nL4 OK\r\n"), 3);
    assert_str(buf_str(&p.body), STR("ac"));
    peer_release(&p);
}

/* M-28: a whole message that may be binary is fetched as it is stored, where the server can. */
static void test_binary(void **state)
{
    static const char BINARY[] = "L3 URLFETCH (\"" URL "\" BINARY)\r\n";
    struct peer p;
    peer_init(&p, false);
    (void)serve(&p,
                STR("* OK hi\r\n* CAPABILITY AUTH=PLAIN SASL-IR\r\nL1 OK\r\n"
                    "L2 OK [CAPABILITY IMAP4rev1 URLFETCH=BINARY] in\r\n"),
                1);
    start(&p, STR(URL), true);
    (void)serve(&p, STR("* URLFETCH " URL " (BINARY ~{4}\r\na\0)\n)\r\nL3 OK\r\n"), 1);
    assert_int_equal(p.want, IMAP_FETCH_RESULT);
    assert_int_equal(imap_fetch_get_err(p.f), ERR_OK);
    assert_str(buf_str(&p.body), STR("a\0)\n"));
    assert_int_equal(imap_fetch_step(p.f, &p.said), IMAP_FETCH_READY);
    /* a section is not decoded, for then its header would be wrong */
    start(&p, STR("imap://b@h/x/;UID=1/;section=2;URLAUTH=x"), true);
    buf_clear(&p.said);
    (void)imap_fetch_step(p.f, &p.said);
    assert_str(buf_str(&p.said),
               STR("L4 URLFETCH \"imap://b@h/x/;UID=1/;section=2;URLAUTH=x\"\r\n"));
    peer_release(&p);
    /* asked for when the login did not say it; what was said before the login does not count */
    peer_init(&p, false);
    (void)serve(&p,
                STR("* OK hi\r\n* CAPABILITY AUTH=PLAIN SASL-IR URLFETCH=BINARY\r\nL1 OK\r\n"
                    "L2 OK in\r\n"),
                1);
    assert_true(str_ends(buf_str(&p.said), STR("L3 CAPABILITY\r\n")));
    (void)serve(&p, STR("* CAPABILITY IMAP4rev1\r\nL3 OK\r\n"), 1);
    start(&p, STR(URL), true);
    (void)imap_fetch_step(p.f, &p.said);
    assert_str(buf_str(&p.said), STR("L4 URLFETCH \"" URL "\"\r\n"));
    (void)serve(&p, STR("* URLFETCH " URL " {1}\r\na\r\nL4 OK\r\n"), 1);
    assert_int_equal(p.want, IMAP_FETCH_RESULT);
    peer_release(&p);
    /* not asked for when the message cannot be binary; NIL and quoted answers */
    static const struct {
        const char *answer;
        enum err err;
    } rows[] = {
        {"* URLFETCH " URL " NIL\r\nL3 OK\r\n", ERR_BAD_URL},
        {"* URLFETCH " URL " (BINARY NIL)\r\nL3 OK\r\n", ERR_BAD_URL},
        {"* URLFETCH " URL " (BINARY \"ab\")\r\nL3 OK\r\n", ERR_OK},
        {"* URLFETCH " URL " (BINARY {2}\r\nab)\r\nL3 OK\r\n", ERR_OK},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        peer_init(&p, false);
        (void)serve(&p,
                    STR("* OK hi\r\n* CAPABILITY AUTH=PLAIN SASL-IR\r\nL1 OK\r\n"
                        "L2 OK [CAPABILITY URLFETCH=BINARY] in\r\n"),
                    1000);
        start(&p, STR(URL), true);
        buf_clear(&p.said);
        (void)imap_fetch_step(p.f, &p.said);
        assert_str(buf_str(&p.said), str_from_c(BINARY));
        (void)serve(&p, str_from_c(rows[i].answer), 1);
        assert_int_equal(p.want, IMAP_FETCH_RESULT);
        assert_int_equal(imap_fetch_get_err(p.f), rows[i].err);
        assert_str(buf_str(&p.body), rows[i].err == ERR_OK ? STR("ab") : STR_EMPTY);
        peer_release(&p);
    }
}

/* Answers in pieces, to an owner that opens each when asked to; "|" or "!|" in the body for an end. */
static enum imap_fetch_want answer(struct peer *p, struct str in, size_t piece, enum err *last)
{
    enum imap_fetch_want want = IMAP_FETCH_WAIT;
    while (want != IMAP_FETCH_FAILED && want != IMAP_FETCH_READY) {
        if (want == IMAP_FETCH_INPUT) {
            assert_true(in.n > 0);
            imap_fetch_feed(p->f, str_sub(in, 0, piece));
            in = str_skip(in, piece);
        } else if (want == IMAP_FETCH_WAIT) {
            imap_fetch_open(p->f, 100);
        } else if (want == IMAP_FETCH_OCTETS) {
            buf_add(&p->body, imap_fetch_get_octets(p->f));
        } else {
            *last = imap_fetch_get_err(p->f);
            buf_add(&p->body, *last == ERR_OK ? STR("|") : STR("!|"));
        }
        want = imap_fetch_step(p->f, &p->said);
    }
    return want;
}

/* Several at once: each answer waits for its owner, and only the order of the questions will do. */
static void test_several(void **state)
{
    static const struct {
        const char *answers;
        enum imap_fetch_want want;
        enum err err;
        const char *body; /* of what came before the end */
    } rows[] = {
        {"* URLFETCH a {1}\r\n1\r\nL3 OK\r\n* URLFETCH b NIL\r\nL4 OK\r\n* URLFETCH a "
         "{1}\r\n3\r\nL5 OK\r\n",
         IMAP_FETCH_READY, ERR_OK, "1|!|3|"},
        {"* URLFETCH \"a\" \"1\"\r\nL3 OK\r\nL4 NO\r\nL5 BAD\r\n", IMAP_FETCH_READY, ERR_BAD_URL,
         "1|!|!|"},
        {"* URLFETCH b {1}\r\n2\r\n", IMAP_FETCH_FAILED, ERR_WRONG_STATE, ""},
        {"* URLFETCH b {99999}\r\n2", IMAP_FETCH_FAILED, ERR_WRONG_STATE, ""},
        {"* URLFETCH b NIL\r\n", IMAP_FETCH_FAILED, ERR_WRONG_STATE, ""},
        {"L4 OK\r\n", IMAP_FETCH_FAILED, ERR_WRONG_STATE, ""},
        {"* URLFETCH a {1}\r\n1\r\n* URLFETCH b {1}\r\n2\r\n", IMAP_FETCH_FAILED, ERR_WRONG_STATE,
         "1"},
        {"* URLFETCH a {1}\r\n1\r\n* URLFETCH a {1}\r\n2\r\n", IMAP_FETCH_FAILED, ERR_WRONG_STATE,
         "1"},
        {"L2 OK\r\n", IMAP_FETCH_FAILED, ERR_UNREACHABLE, ""},
        {"L6 OK\r\n", IMAP_FETCH_FAILED, ERR_UNREACHABLE, ""},
    };
    for (size_t piece = 1; piece < 200; piece = piece * 5) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            struct peer p;
            peer_init(&p, false);
            log_in(&p);
            buf_clear(&p.said);
            imap_fetch_ask(p.f, STR("a"), false);
            imap_fetch_ask(p.f, STR("b"), false);
            imap_fetch_ask(p.f, STR("a"), false);
            assert_int_equal(imap_fetch_step(p.f, &p.said), IMAP_FETCH_WAIT);
            assert_str(buf_str(&p.said),
                       STR("L3 URLFETCH \"a\"\r\nL4 URLFETCH \"b\"\r\nL5 URLFETCH \"a\"\r\n"));
            enum err last = ERR_OK;
            enum imap_fetch_want want = answer(&p, str_from_c(rows[i].answers), piece, &last);
            assert_int_equal(want, rows[i].want);
            assert_int_equal(want == IMAP_FETCH_FAILED ? imap_fetch_get_err(p.f) : last,
                             rows[i].err);
            assert_str(buf_str(&p.body), str_from_c(rows[i].body));
            peer_release(&p);
        }
    }
}

static void test_endless_line(void **state)
{
    struct peer p;
    peer_init(&p, false);
    static char line[70000];
    memset(line, 'x', sizeof(line));
    (void)serve(&p, str_make(line, sizeof(line)), sizeof(line));
    assert_int_equal(p.want, IMAP_FETCH_FAILED);
    peer_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_login_ways),    cmocka_unit_test(test_plain_without_initial_response),
        cmocka_unit_test(test_tls_first),     cmocka_unit_test(test_answers),
        cmocka_unit_test(test_only_one_body), cmocka_unit_test(test_binary),
        cmocka_unit_test(test_several),       cmocka_unit_test(test_endless_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
