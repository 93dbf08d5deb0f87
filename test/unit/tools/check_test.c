/* The path checker without a network: what it makes of offers, greetings and octets (D31, D33), how it holds out against servers
 * that drip, flood or lie, and that nobody gets a password who is not proven (D5). */
#include "unit.h"

#include "tools/check_dialogue.h"
#include "tools/check_octets.h"
#include "tools/check_words.h"

enum { CONTENT_MOST = 256 * 1024, TIMEOUT_MS = 1000 };

/* ---- a leg ---- */

struct fixture {
    struct check_report report;
    struct check_leg *leg;
};

static void setup(struct fixture *f)
{
    *f = (struct fixture){.report = {.host = STR("mail.example"), .from = "client"}};
    f->leg = check_report_add(&f->report, "submission", 587);
}

static void teardown(struct fixture *f)
{
    check_report_release(&f->report);
}

/* That, and nothing else, was found. */
static void assert_found(const struct check_leg *leg, enum finding_code code)
{
    assert_int_equal(leg->findings.count, 1);
    assert_string_equal(check_get_code(leg->findings.at[0].code), check_get_code(code));
}

/* ---- words ---- */

static void test_words(void **state)
{
    static const struct {
        const char *plain;
        const char *tls;
        enum finding_code code; /* FINDING_COUNT: nothing */
    } CASES[] = {
        {"STARTTLS\nSIZE 1\n", "SIZE 2\nAUTH PLAIN\nREQUIRETLS\n", FINDING_COUNT},
        {"IMAP4rev1\nSTARTTLS\nLOGINDISABLED\n", "IMAP4rev1\nAUTH=PLAIN\n", FINDING_COUNT},
        {"SIZE\n", "SIZE\nCHUNKING\n", FINDING_WORD_REMOVED},
        {"SIZE\nXEVIL\n", "SIZE\n", FINDING_WORD_ADDED},
        {"size\nXXXXXXXA\n", "SIZE\n", FINDING_COUNT}, /* a mask is told elsewhere */
        {"XXXA\n", "", FINDING_WORD_ADDED},            /* and this is none */
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct fixture f;
        setup(&f);
        buf_add_c(&f.leg->plain, CASES[i].plain);
        buf_add_c(&f.leg->tls, CASES[i].tls);
        check_words_compare(f.leg);
        if (CASES[i].code == FINDING_COUNT) {
            assert_int_equal(f.leg->findings.count, 0);
        } else {
            assert_found(f.leg, CASES[i].code);
        }
        teardown(&f);
    }
}

static void test_greetings(void **state)
{
    static const struct {
        const char *text;
        bool is_imap;
        enum finding_code code;
    } CASES[] = {
        {"mail.example ESMTP", false, FINDING_COUNT},
        {"****************0*2***", false, FINDING_GREETING_MASKED},
        {"mail.example ESMTP ** mail **", false, FINDING_COUNT},
        {"", false, FINDING_GREETING_CUT},
        {"OK ready", true, FINDING_COUNT},
        {"OK [CAPABILITY IMAP4rev1] ready", true, FINDING_COUNT},
        {"OK [CAPABILITY IMAP4rev1", true, FINDING_GREETING_CUT},
        {"OK", true, FINDING_GREETING_CUT},
        {"OK **********", true, FINDING_GREETING_MASKED},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct fixture f;
        setup(&f);
        (CASES[i].is_imap ? check_greeting_imap : check_greeting_smtp)(f.leg,
                                                                       str_from_c(CASES[i].text));
        assert_int_equal(f.leg->findings.count, CASES[i].code == FINDING_COUNT ? 0 : 1);
        if (CASES[i].code != FINDING_COUNT) {
            assert_found(f.leg, CASES[i].code);
        }
        teardown(&f);
    }
}

/* ---- octets ---- */

static void copy(struct str s, struct buf *out)
{
    buf_add(out, s);
}

static void drop_nul(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\0') {
            buf_add_char(out, s.p[i]);
        }
    }
}

static void clear_high(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        buf_add_char(out, (char)(s.p[i] & 0x7f));
    }
}

static void drop_cr(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\r') {
            buf_add_char(out, s.p[i]);
        }
    }
}

static void add_cr(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r')) {
            buf_add_char(out, '\r');
        }
        buf_add_char(out, s.p[i]);
    }
}

static void wrap(struct str s, struct buf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        n = s.p[i] == '\n' ? 0 : n + 1;
        if (n == 900) {
            buf_add_c(out, "\r\n");
            n = 0;
        }
        buf_add_char(out, s.p[i]);
    }
}

static void cut(struct str s, struct buf *out)
{
    buf_add(out, str_sub(s, 0, s.n / 2));
}

/* What servers may do outside the marks. */
static void trim(struct str s, struct buf *out)
{
    buf_add(out, str_trim(s));
    buf_add_c(out, "\r\n");
}

static void test_octets(void **state)
{
    static const struct {
        void (*change)(struct str s, struct buf *out);
        bool is_binary;
        enum finding_code code;
    } CASES[] = {
        {copy, true, FINDING_COUNT},
        {copy, false, FINDING_COUNT},
        {trim, true, FINDING_COUNT},
        {drop_nul, true, FINDING_OCTETS_NUL},
        {clear_high, true, FINDING_OCTETS_EIGHT},
        {clear_high, false, FINDING_OCTETS_EIGHT},
        {drop_cr, true, FINDING_OCTETS_NEWLINE},
        {drop_cr, false, FINDING_OCTETS_NEWLINE},
        {add_cr, true, FINDING_OCTETS_NEWLINE},
        {wrap, true, FINDING_OCTETS_LONG},
        {wrap, false, FINDING_OCTETS_LONG},
        {cut, true, FINDING_OCTETS_OTHER},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct fixture f;
        setup(&f);
        struct buf sent = BUF_INIT(CONTENT_MOST);
        struct buf got = BUF_INIT(CONTENT_MOST);
        check_octets_write(&sent, CASES[i].is_binary);
        CASES[i].change(buf_str(&sent), &got);
        bool is_same = check_octets_compare(f.leg, "test", buf_str(&sent), buf_str(&got));
        assert_int_equal(is_same, CASES[i].code == FINDING_COUNT);
        assert_int_equal(f.leg->findings.count > 0, CASES[i].code != FINDING_COUNT);
        for (size_t k = 0; k < f.leg->findings.count; k++) {
            assert_string_equal(check_get_code(f.leg->findings.at[k].code),
                                check_get_code(CASES[i].code));
        }
        buf_release(&sent);
        buf_release(&got);
        teardown(&f);
    }
}

/* What text may carry (RFC 5321, 4.5.3.1.6; RFC 6152): lines of 998 octets, no NUL, no bare CR or LF. */
static void test_text_octets(void **state)
{
    struct buf out = BUF_INIT(CONTENT_MOST);
    check_octets_write(&out, false);
    struct str s = buf_str(&out);
    while (s.n > 0) {
        struct str line = str_split(&s, '\n');
        assert_true(line.n <= 999 && str_ends(line, STR("\r")));
        assert_int_equal(str_find_char(line, '\r'), line.n - 1);
        assert_int_equal(str_find_char(line, '\0'), line.n);
    }
    buf_release(&out);
}

/* ---- conversations ---- */

/* Says the next of its answers whenever it is spoken to; "" says nothing. */
struct server {
    const char *const *answers;
    struct buf heard;
    struct buf due;
    size_t piece; /* of what it says; 0: all at once */
    uint64_t now_ms;
    uint64_t piece_ms; /* how long each takes */
};

static void answer(struct server *s)
{
    if (*s->answers != NULL) {
        buf_add_c(&s->due, *s->answers++);
    }
}

static enum talk_result server_read(void *owner, uint64_t within_ms, struct buf *in)
{
    struct server *s = owner;
    if (s->due.len == 0) {
        s->now_ms += within_ms;
        return TALK_SILENT;
    }
    size_t n = s->piece > 0 && s->piece < s->due.len ? s->piece : s->due.len;
    s->now_ms += s->piece_ms;
    buf_add(in, str_sub(buf_str(&s->due), 0, n));
    buf_consume(&s->due, n);
    return TALK_OK;
}

static enum talk_result server_write(void *owner, struct str octets)
{
    struct server *s = owner;
    buf_add(&s->heard, octets);
    answer(s);
    return TALK_OK;
}

static enum talk_result server_start_tls(void *owner, uint64_t within_ms)
{
    (void)owner;
    (void)within_ms;
    return TALK_OK;
}

static uint64_t server_now(void *owner)
{
    const struct server *s = owner;
    return s->now_ms;
}

static const struct talk_io IO = {server_read, server_write, server_start_tls, server_now};

struct conversation {
    struct fixture f;
    struct server server;
    struct talk talk;
    struct check_dialogue d;
};

/* The first answer is the greeting. */
static void begin(struct conversation *c, const char *const *answers)
{
    setup(&c->f);
    c->server = (struct server){
        .answers = answers, .heard = BUF_INIT(CONTENT_MOST), .due = BUF_INIT(CONTENT_MOST)};
    answer(&c->server);
    talk_init(&c->talk, &IO, &c->server, TIMEOUT_MS);
    c->d = (struct check_dialogue){.talk = &c->talk,
                                   .leg = c->f.leg,
                                   .helo = STR("check.invalid"),
                                   .user = STR("probe"),
                                   .password = STR("secret"),
                                   .address = STR("probe@mail.example"),
                                   .unique = STR("abc"),
                                   .offers = BUF_INIT(TALK_LINE_MOST)};
}

static void end(struct conversation *c)
{
    buf_release(&c->server.heard);
    buf_release(&c->server.due);
    buf_release(&c->d.offers);
    talk_release(&c->talk);
    teardown(&c->f);
}

static void test_submission(void **state)
{
    static const char *const CLEAN[] = {"220 mail.example ESMTP\r\n",
                                        "250-mail.example\r\n250-STARTTLS\r\n250 CHUNKING\r\n",
                                        "530 5.7.0 TLS first\r\n",
                                        "220 go\r\n",
                                        "250-mail.example\r\n250 CHUNKING\r\n",
                                        "503 5.5.1 not now\r\n",
                                        NULL};
    static const char *const BLOCKED[] = {"220 mail.example ESMTP\r\n",
                                          "250-mail.example\r\n250-STARTTLS\r\n250 CHUNKING\r\n",
                                          "500 what\r\n",
                                          "220 go\r\n",
                                          "250-mail.example\r\n250 CHUNKING\r\n",
                                          "503 5.5.1 not now\r\n",
                                          NULL};
    struct conversation c;
    begin(&c, CLEAN);
    assert_true(check_smtp_start(&c.d));
    assert_int_equal(c.f.leg->findings.count, 0);
    assert_int_equal(check_report_get_exit(&c.f.report), 0);
    end(&c);
    begin(&c, BLOCKED);
    assert_true(check_smtp_start(&c.d));
    assert_found(c.f.leg, FINDING_COMMAND_REFUSED);
    assert_int_equal(check_report_get_exit(&c.f.report), 1);
    end(&c);
}

/* A whole answer has one deadline, however it drips in. */
static void test_drip(void **state)
{
    static const char *const ANSWERS[] = {"220 mail.example ESMTP that takes its time\r\n", NULL};
    struct conversation c;
    begin(&c, ANSWERS);
    c.server.piece = 1;
    c.server.piece_ms = 100;
    assert_false(check_smtp_start(&c.d));
    assert_found(c.f.leg, FINDING_GREETING_MISSING);
    assert_true(c.server.now_ms <= TIMEOUT_MS + 100);
    end(&c);
}

static void test_floods(void **state)
{
    static const char *const LITERAL[] = {"* OK {4294967296}\r\n", NULL};
    static const char *const NO_TAG[] = {"* OK hi\r\n", "c1 MAYBE\r\n", NULL};
    struct conversation c;
    begin(&c, LITERAL);
    assert_false(check_imap_start(&c.d));
    assert_found(c.f.leg, FINDING_GREETING_FOREIGN);
    end(&c);
    begin(&c, NO_TAG);
    assert_false(check_imap_start(&c.d));
    assert_found(c.f.leg, FINDING_ANSWER_FOREIGN);
    end(&c);
    begin(&c, NO_TAG + 2); /* nothing but one line without an end */
    for (size_t i = 0; i < TALK_LINE_MOST + 1; i++) {
        buf_add_char(&c.server.due, 'a');
    }
    assert_false(check_imap_start(&c.d));
    assert_found(c.f.leg, FINDING_GREETING_FOREIGN);
    end(&c);
}

static void test_no_proof_no_password(void **state)
{
    static const char *const ANSWERS[] = {"", "", NULL};
    struct conversation c;
    begin(&c, ANSWERS);
    assert_false(check_smtp_login(&c.d));
    assert_found(c.f.leg, FINDING_LOGIN_WITHHELD);
    assert_int_equal(c.server.heard.len, 0);
    assert_false(check_imap_login(&c.d));
    assert_int_equal(c.server.heard.len, 0);
    end(&c);
}

static void test_port_25(void **state)
{
    static const char *const ANSWERS[] = {"220 trap.example ESMTP\r\n",
                                          "250-trap.example\r\n250-BURL imap\r\n250 AUTH PLAIN\r\n",
                                          "221 bye\r\n", NULL};
    struct conversation c;
    begin(&c, ANSWERS);
    check_smtp_intercepted(&c.d, STR("mail.example"));
    assert_true(check_has(c.f.leg, FINDING_PORT25_INTERCEPTED));
    assert_true(check_has(c.f.leg, FINDING_PORT25_SUBMISSION));
    assert_str(buf_str(&c.server.heard), STR("EHLO check.invalid\r\nQUIT\r\n"));
    end(&c);
    begin(&c, ANSWERS);
    check_smtp_intercepted(&c.d, STR("TRAP.example"));
    assert_false(check_has(c.f.leg, FINDING_PORT25_INTERCEPTED));
    end(&c);
}

/* Sizes that do not fit the octets any more tell what happened all the same. */
static void test_misfit(void **state)
{
    static const char *const NONE[] = {NULL};
    struct conversation c;
    begin(&c, NONE);
    struct buf sent = BUF_INIT(CONTENT_MOST);
    struct buf got = BUF_INIT(CONTENT_MOST);
    check_octets_write(&sent, true);
    drop_nul(buf_str(&sent), &got);
    buf_add_c(&c.d.offers, "BINARY\n");
    buf_addf(&c.server.due, "* 1 EXISTS\r\nc1 OK x\r\n* SEARCH 7\r\nc2 OK x\r\n");
    buf_addf(&c.server.due, "* 1 FETCH (UID 7 BINARY[1] ~{%zu}\r\n", sent.len);
    buf_add(&c.server.due, buf_str(&got));
    buf_add_c(&c.server.due, ")\r\nc3 OK\r\n");
    assert_true(check_imap_arrived(&c.d, true));
    assert_found(c.f.leg, FINDING_OCTETS_NUL);
    buf_release(&sent);
    buf_release(&got);
    end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),      cmocka_unit_test(test_greetings),
        cmocka_unit_test(test_octets),     cmocka_unit_test(test_text_octets),
        cmocka_unit_test(test_submission), cmocka_unit_test(test_drip),
        cmocka_unit_test(test_floods),     cmocka_unit_test(test_no_proof_no_password),
        cmocka_unit_test(test_port_25),    cmocka_unit_test(test_misfit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
