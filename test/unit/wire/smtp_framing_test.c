/* Unit tests of wire/smtp_framing: lines, DATA, chunks, dots, replies (S-6, S-9; RFC 5321, 4.5.2). */
#include "wire/smtp_framing.h"

#include "random.h"
#include "unit.h"

/* What came out: "L<line>", "B<err>", "o<octets>" (joined), "E". The line "DATA" starts content, "BDAT3" a chunk. */
static void log_event(struct smtp_framing *f, enum smtp_frame event, struct buf *log)
{
    struct str octets = smtp_framing_get_octets(f);
    if (event == SMTP_FRAME_OCTETS) {
        buf_add(log, octets);
    } else if (event == SMTP_FRAME_END) {
        buf_add_c(log, "<E>");
    } else if (event == SMTP_FRAME_BAD) {
        buf_add_c(log, smtp_framing_get_err(f) == ERR_TOO_LONG ? "<long>" : "<bad>");
    } else {
        buf_add_c(log, "<L ");
        buf_add(log, octets);
        buf_add_c(log, ">");
    }
    if (event == SMTP_FRAME_LINE && str_eq(octets, STR("DATA"))) {
        smtp_framing_start_data(f);
    } else if (event == SMTP_FRAME_LINE && str_eq(octets, STR("BDAT3"))) {
        smtp_framing_start_chunk(f, 3);
    } else if (event == SMTP_FRAME_LINE && str_eq(octets, STR("BDAT0"))) {
        smtp_framing_start_chunk(f, 0);
    }
}

static bool run(struct str input, size_t piece, struct buf *log)
{
    struct smtp_framing *f = smtp_framing_new();
    buf_clear(log);
    while (input.n > 0) {
        struct str part = str_sub(input, 0, piece);
        input = str_skip(input, part.n);
        smtp_framing_feed(f, part);
        enum smtp_frame event = smtp_framing_next(f);
        while (event != SMTP_FRAME_MORE && event != SMTP_FRAME_FATAL) {
            log_event(f, event, log);
            event = smtp_framing_next(f);
        }
    }
    bool has_bare = smtp_framing_has_bare_newline(f);
    smtp_framing_free(&f);
    return has_bare;
}

struct framing_case {
    struct str input;
    struct str log;
    bool has_bare_newline;
};

#define CASE(input, log, has_bare)                                                                 \
    {                                                                                              \
        {"" input, sizeof(input) - 1}, {"" log, sizeof(log) - 1}, has_bare                         \
    }

static const struct framing_case CASES[] = {
    CASE("a\nb\r\n", "<bad><L b>", false),
    CASE("a\rb\r\n", "<bad>", false),
    CASE("a\0b\r\n", "<bad>", false),
    CASE("a\r\r\n", "<bad>", false),
    CASE("\r\n", "<L >", false),
    CASE("EHLO x\r\nNOOP\r\n", "<L EHLO x><L NOOP>", false),
    /* only CRLF "." CRLF ends the content */
    CASE("DATA\r\na\n.\nb\r\n.\r\n", "<L DATA>a\n.\nb\r\n<E>", true),
    CASE("DATA\r\na\n.\r\nb\r\n.\r\n", "<L DATA>a\n.\r\nb\r\n<E>", true),
    CASE("DATA\r\na\r\n.\nb\r\n.\r\n", "<L DATA>a\r\n\nb\r\n<E>", true),
    CASE("DATA\r\na\r\n.\rb\r\n.\r\n", "<L DATA>a\r\n\rb\r\n<E>", true),
    CASE("DATA\r\na\r.\r\nb\r\n.\r\n", "<L DATA>a\r.\r\nb\r\n<E>", true),
    CASE("DATA\r\na\r\r\n.\r\n", "<L DATA>a\r\r\n<E>", true),
    CASE("DATA\r\n\n.\n\r\n.\r\n", "<L DATA>\n.\n\r\n<E>", true),
    /* dots */
    CASE("DATA\r\n.\r\nQUIT\r\n", "<L DATA><E><L QUIT>", false),
    CASE("DATA\r\n..\r\n...a\r\n.b\r\n.\r\n", "<L DATA>.\r\n..a\r\nb\r\n<E>", false),
    CASE("DATA\r\na.\r\n.\r\n", "<L DATA>a.\r\n<E>", false),
    CASE("DATA\r\n\r\n\r\n..\r\n\r\n.\r\nx\r\n", "<L DATA>\r\n\r\n.\r\n\r\n<E><L x>", false),
    CASE("DATA\r\n\0\xFF\r\n.\r\n", "<L DATA>\0\xFF\r\n<E>", false),
    /* chunks hold anything, and what follows is commands again */
    CASE("BDAT3\r\n.\r\nBDAT3\r\n\0\n.NOOP\r\n", "<L BDAT3>.\r\n<E><L BDAT3>\0\n.<E><L NOOP>",
         false),
    CASE("BDAT0\r\nNOOP\r\n", "<L BDAT0><E><L NOOP>", false),
};

static void test_cases(void **state)
{
    (void)state;
    struct buf log = BUF_INIT(10000);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        for (size_t piece = 1; piece <= CASES[i].input.n; piece++) {
            bool has_bare = run(CASES[i].input, piece, &log);
            assert_str(buf_str(&log), CASES[i].log);
            assert_int_equal(has_bare, CASES[i].has_bare_newline);
        }
    }
    buf_release(&log);
}

static void test_long_lines(void **state)
{
    (void)state;
    struct buf input = BUF_INIT(1 << 20);
    struct buf log = BUF_INIT(1 << 20);
    for (size_t i = 0; i < SMTP_LINE_MOST; i++) {
        buf_add_char(&input, 'x');
    }
    buf_add_c(&input, "\r\nNOOP\r\n");
    for (size_t piece = 1; piece < 40000; piece = piece * 3 + 1) {
        (void)run(buf_str(&input), piece, &log);
        assert_int_equal(log.len, SMTP_LINE_MOST + 4 + 8);
    }
    buf_clear(&input);
    for (size_t i = 0; i < (size_t)3 * SMTP_LINE_MOST; i++) {
        buf_add_char(&input, 'x');
    }
    buf_add_c(&input, "\r\nNOOP\r\n");
    for (size_t piece = 1; piece < 60000; piece = piece * 3 + 1) {
        (void)run(buf_str(&input), piece, &log);
        assert_str(buf_str(&log), STR("<long><L NOOP>"));
    }
    buf_release(&input);
    buf_release(&log);
}

static void test_rest(void **state)
{
    (void)state;
    struct smtp_framing *f = smtp_framing_new();
    smtp_framing_feed(f, STR("STARTTLS\r\nMAIL FROM:<x@y>\r\n"));
    assert_int_equal(smtp_framing_next(f), SMTP_FRAME_LINE);
    assert_str(smtp_framing_get_rest(f), STR("MAIL FROM:<x@y>\r\n"));
    assert_int_equal(smtp_framing_get_backlog(f), 17);
    smtp_framing_drop_rest(f);
    assert_int_equal(smtp_framing_next(f), SMTP_FRAME_MORE);
    char piece[65536];
    memset(piece, 'x', sizeof(piece));
    for (int i = 0; i < 33; i++) {
        smtp_framing_feed(f, str_make(piece, sizeof(piece)));
    }
    assert_int_equal(smtp_framing_next(f), SMTP_FRAME_FATAL);
    assert_int_equal(smtp_framing_next(f), SMTP_FRAME_FATAL);
    smtp_framing_free(&f);
}

static void test_dots(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ".\r\n"},
        {"a", "a\r\n.\r\n"},
        {"a\r\n", "a\r\n.\r\n"},
        {".\r\n..a\r\nb.", "..\r\n...a\r\nb.\r\n.\r\n"},
        /* what a lenient reader could take for the end is no such thing any more */
        {"a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"},
        {"a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"},
        {"a\n.\r\nb\n", "a\r\n..\r\nb\r\n.\r\n"},
        {"\r\r\n\n\r", "\r\n\r\n\r\n\r\n.\r\n"},
    };
    struct buf out = BUF_INIT(1000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str message = str_from_c(cases[i][0]);
        for (size_t cut = 0; cut <= message.n; cut++) {
            struct smtp_dots d = {false, false};
            buf_clear(&out);
            smtp_dots_write(&d, str_sub(message, 0, cut), &out);
            smtp_dots_write(&d, str_skip(message, cut), &out);
            smtp_dots_finish(&d, &out);
            assert_str(buf_str(&out), str_from_c(cases[i][1]));
        }
    }
    buf_release(&out);
}

/* What the encoder wrote, the framer reads: the message with its line ends made CRLF, and one more when it had none. */
static void test_data_round_trip(void **state)
{
    (void)state;
    struct random r = {3};
    struct buf wire = BUF_INIT(10000);
    struct buf log = BUF_INIT(10000);
    struct buf want = BUF_INIT(10000);
    for (int i = 0; i < 5000; i++) {
        char message[40];
        size_t n = random_below(&r, sizeof(message));
        random_fill(&r, message, n, "\r\n..ab", 6);
        struct smtp_dots d = {false, false};
        buf_clear(&wire);
        buf_add_c(&wire, "DATA\r\n");
        smtp_dots_write(&d, str_make(message, n), &wire);
        smtp_dots_finish(&d, &wire);
        buf_add_c(&wire, "QUIT\r\n");
        buf_clear(&want);
        buf_add_c(&want, "<L DATA>");
        for (size_t k = 0; k < n; k++) {
            bool is_pair = message[k] == '\r' && k + 1 < n && message[k + 1] == '\n';
            k += is_pair ? 1 : 0;
            if (message[k] == '\r' || message[k] == '\n') {
                buf_add_c(&want, "\r\n");
            } else {
                buf_add_char(&want, message[k]);
            }
        }
        if (n > 0 && !str_ends(buf_str(&want), STR("\r\n"))) {
            buf_add_c(&want, "\r\n");
        }
        buf_add_c(&want, "<E><L QUIT>");
        assert_false(run(buf_str(&wire), 1 + random_below(&r, 50), &log));
        assert_str(buf_str(&log), buf_str(&want));
    }
    buf_release(&wire);
    buf_release(&log);
    buf_release(&want);
}

static void test_bad_replies(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      "2",    "25",     "abc",  "100 x",
                                      "600 x", "250x", "250\tx", "25a x"};
    struct smtp_reply r = SMTP_REPLY_INIT;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        smtp_reply_clear(&r);
        assert_int_equal(smtp_reply_add_line(&r, str_from_c(bad[i])), STEP_BAD);
    }
    smtp_reply_clear(&r);
    assert_int_equal(smtp_reply_add_line(&r, STR("250-x")), STEP_MORE);
    assert_int_equal(smtp_reply_add_line(&r, STR("251 x")), STEP_BAD);
    smtp_reply_clear(&r);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(smtp_reply_add_line(&r, STR("250-0123456789012345678901234567890")),
                         STEP_MORE);
    }
    assert_true(r.text.len <= 16 * 1024);
    assert_int_equal(smtp_reply_add_line(&r, STR("250 x")), STEP_BAD);
    smtp_reply_release(&r);
}

static void test_replies(void **state)
{
    (void)state;
    struct smtp_reply r = SMTP_REPLY_INIT;
    struct str args;
    assert_int_equal(smtp_reply_add_line(&r, STR("250-mail.example.com")), STEP_MORE);
    assert_int_equal(smtp_reply_add_line(&r, STR("250-SIZE 1000")), STEP_MORE);
    assert_int_equal(smtp_reply_add_line(&r, STR("250-auth PLAIN  LOGIN ")), STEP_MORE);
    assert_int_equal(smtp_reply_add_line(&r, STR("250 STARTTLS")), STEP_DONE);
    assert_int_equal(r.code, 250);
    assert_true(smtp_reply_find_keyword(&r, STR("AUTH"), &args));
    assert_str(args, STR("PLAIN  LOGIN"));
    assert_true(smtp_reply_find_keyword(&r, STR("starttls"), NULL));
    assert_false(smtp_reply_find_keyword(&r, STR("SIZE 1000"), NULL));
    assert_false(smtp_reply_find_keyword(&r, STR("mail.example.com"), NULL));
    /* the next line begins another reply */
    assert_int_equal(smtp_reply_add_line(&r, STR("550 5.7.1 no")), STEP_DONE);
    assert_int_equal(r.code, 550);
    assert_str(smtp_reply_get_enhanced(&r), STR("5.7.1"));
    static const char *const none[] = {"550 4.7.1 x", "550 5.7 x", "550 5.7.1x", "550 5.7.1234 x",
                                       "550 5..1 x",  "550",       "550 x"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(smtp_reply_add_line(&r, str_from_c(none[i])), STEP_DONE);
        assert_int_equal(smtp_reply_get_enhanced(&r).n, 0);
    }
    assert_int_equal(smtp_reply_add_line(&r, STR("250 2.0.0")), STEP_DONE);
    assert_str(smtp_reply_get_enhanced(&r), STR("2.0.0"));
    smtp_reply_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_dots),
        cmocka_unit_test(test_data_round_trip),
        cmocka_unit_test(test_bad_replies),
        cmocka_unit_test(test_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
