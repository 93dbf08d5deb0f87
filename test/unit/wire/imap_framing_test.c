/* Unit tests of wire/imap_framing: what is gathered, asked, streamed, dropped, and that the pieces in which octets come
 * make no difference (M-18). */
#include "wire/imap_framing.h"

#include "wire/imap_scan.h"

#include "unit.h"

/* A conversation: what is fed, how literals are answered, and the events as text:
 *   "c<...>" command, "l<...>" literal, "o<...>" streamed octets, "s" streamed, "d<...>" dropped (first word), "f" fatal. */
struct talk {
    struct imap_framing *f;
    enum imap_literal_answer answer;
    struct buf log;
    struct buf octets; /* streamed octets since the last other event */
    bool is_over;
};

static void log_text(struct talk *t, char kind, struct str text)
{
    buf_add_char(&t->log, kind);
    buf_add_char(&t->log, '<');
    buf_add(&t->log, text);
    buf_add_c(&t->log, ">");
}

static void flush_octets(struct talk *t)
{
    if (t->octets.len > 0) {
        log_text(t, 'o', buf_str(&t->octets));
        buf_clear(&t->octets);
    }
}

static bool take_event(struct talk *t, enum imap_frame event)
{
    struct str text = imap_framing_get_text(t->f);
    if (event == IMAP_FRAME_OCTETS) {
        buf_add(&t->octets, imap_framing_get_octets(t->f));
        return true;
    }
    if (event == IMAP_FRAME_MORE) {
        return false;
    }
    flush_octets(t);
    if (event == IMAP_FRAME_COMMAND) {
        log_text(t, 'c', text);
    } else if (event == IMAP_FRAME_LITERAL) {
        log_text(t, 'l', text);
        (void)imap_framing_answer(t->f, t->answer, ERR_OVER_QUOTA);
    } else if (event == IMAP_FRAME_STREAMED) {
        buf_add_char(&t->log, 's');
    } else if (event == IMAP_FRAME_DROPPED) {
        /* how much of its beginning is kept depends on the pieces, but the first word always is */
        log_text(t, 'd', str_sub(text, 0, str_find_char(text, ' ')));
    } else {
        buf_add_char(&t->log, 'f');
        t->is_over = true;
        return false;
    }
    return true;
}

/* The log of feeding input in pieces of `piece` octets. */
static void run(struct talk *t, struct imap_framing_limits limits, struct str input, size_t piece)
{
    t->f = imap_framing_new(limits);
    buf_clear(&t->log);
    buf_clear(&t->octets);
    t->is_over = false;
    while (input.n > 0 && !t->is_over) {
        struct str part = str_sub(input, 0, piece);
        input = str_skip(input, part.n);
        imap_framing_feed(t->f, part);
        while (take_event(t, imap_framing_next(t->f))) {
        }
    }
    flush_octets(t);
    imap_framing_free(&t->f);
}

struct talk_case {
    enum imap_literal_answer answer;
    struct str input;
    struct str log;
};

#define CASE(answer, input, log)                                                                   \
    {                                                                                              \
        IMAP_LITERAL_##answer, {"" input, sizeof(input) - 1},                                      \
        {                                                                                          \
            "" log, sizeof(log) - 1                                                                \
        }                                                                                          \
    }

static void check_cases(struct imap_framing_limits limits, const struct talk_case *cases,
                        size_t count)
{
    struct talk t = {NULL, IMAP_LITERAL_BUFFER, BUF_INIT(1 << 20), BUF_INIT(1 << 20), false};
    for (size_t i = 0; i < count; i++) {
        for (size_t piece = 1; piece <= cases[i].input.n; piece++) {
            t.answer = cases[i].answer;
            run(&t, limits, cases[i].input, piece);
            if (!str_eq(buf_str(&t.log), cases[i].log)) {
                print_error("%.*s: %.*s\n", STR_ARG(cases[i].input), STR_ARG(buf_str(&t.log)));
            }
            assert_str(buf_str(&t.log), cases[i].log);
        }
    }
    buf_release(&t.log);
    buf_release(&t.octets);
}

static void test_limits(void **state)
{
    (void)state;
    static const struct talk_case cases[] = {
        /* line of 20 octets at most */
        CASE(BUFFER, "a1 01234567890123456789\r\na2 NOOP\r\n", "d<a1>c<a2 NOOP>"),
        /* its literal goes by, too */
        CASE(BUFFER, "a1 0123456789012345678 {4+}\r\nab\r\n\r\na2\r\n", "d<a1>c<a2>"),
        /* literal of 10 octets at most */
        CASE(BUFFER, "a1 {11+}\r\n01234567890 x\r\na2\r\n", "l<a1 >d<a1>c<a2>"),
        CASE(BUFFER, "a1 {11}\r\na2\r\n", "l<a1 >d<a1>c<a2>"),
        /* command of 30 octets at most */
        CASE(BUFFER, "a1 {9+}\r\n012345678{9+}\r\n012345678\r\na2\r\n",
             "l<a1 >l<a1 {9+}\r\n012345678>d<a1>c<a2>"),
        /* what is swallowed is 50 octets at most */
        CASE(BUFFER, "a1 {51+}\r\n01234567890", "l<a1 >f"),
        CASE(BUFFER, "a1 {999999999999+}\r\n0", "l<a1 >f"),
        CASE(BUFFER, "a1 {99999999999999999999+}\r\n0", "f"),
        CASE(REFUSE, "a1 {30+}\r\n012345678901234567890123456789 {30+}\r\n0", "l<a1 >f"),
        CASE(BUFFER, "012345678901234567890123456789012345678901234567890123456789012345678901\r\n",
             "f"),
    };
    struct imap_framing_limits limits = {20, 10, 30, 50};
    check_cases(limits, cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_refused(void **state)
{
    (void)state;
    static const struct talk_case cases[] = {
        CASE(REFUSE, "a1 APPEND x {5}\r\na2 NOOP\r\n", "l<a1 APPEND x >d<a1>c<a2 NOOP>"),
        CASE(REFUSE, "a1 APPEND x {5+}\r\nhello\r\na2\r\n", "l<a1 APPEND x >d<a1>c<a2>"),
        /* all of a refused command goes by, to its last literal */
        CASE(REFUSE, "a1 X {2+}\r\n\r\n {0+}\r\n y {3+}\r\nabc)\r\na2\r\n", "l<a1 X >d<a1>c<a2>"),
        /* the second waits for us: the command is over */
        CASE(REFUSE, "a1 X {2+}\r\nab {3}\r\na2\r\n", "l<a1 X >d<a1>c<a2>"),
    };
    check_cases((struct imap_framing_limits){0}, cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_commands(void **state)
{
    (void)state;
    static const struct talk_case cases[] = {
        CASE(BUFFER, "a1 NOOP\r\n", "c<a1 NOOP>"),
        CASE(BUFFER, "a1 NOOP\n\r\na2\n", "c<a1 NOOP>c<>c<a2>"),
        CASE(BUFFER, "a1 {3}\r\nabc x\r\n", "l<a1 >c<a1 {3}\r\nabc x>"),
        CASE(BUFFER, "a1 {3+}\nabc\na2\n", "l<a1 >c<a1 {3+}\nabc>c<a2>"),
        CASE(BUFFER, "a1 ~{1+}\r\n\0\r\n", "l<a1 >c<a1 ~{1+}\r\n\0>"),
        CASE(BUFFER, "a1 {0}\r\n\r\n", "l<a1 >c<a1 {0}\r\n>"),
        /* what looks like a literal across the end of another is none */
        CASE(BUFFER, "a1 {3+}\r\n {4}\r\nx\r\n", "l<a1 >c<a1 {3+}\r\n {4}>c<x>"),
        CASE(BUFFER, "a1 {2+}\r\n{1\r\nab\r\n", "l<a1 >c<a1 {2+}\r\n{1>c<ab>"),
        /* none of these is a literal */
        CASE(BUFFER, "a {5} \r\n", "c<a {5} >"),
        CASE(BUFFER, "a {}\r\n", "c<a {}>"),
        CASE(BUFFER, "a {+}\r\n", "c<a {+}>"),
        CASE(BUFFER, "a {5-}\r\n", "c<a {5-}>"),
        CASE(BUFFER, "a {5!}\r\n", "c<a {5!}>"),
        CASE(BUFFER, "a 5}\r\n", "c<a 5}>"),
        CASE(BUFFER, "{5}\r\nhello\r\n", "l<>c<{5}\r\nhello>"),
    };
    check_cases((struct imap_framing_limits){0}, cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_streams(void **state)
{
    (void)state;
    static const struct talk_case cases[] = {
        CASE(STREAM, "a1 APPEND x {5+}\r\nhello\r\na2\r\n",
             "l<a1 APPEND x >o<hello>sc<a1 APPEND x {5!}\r\n>c<a2>"),
        CASE(STREAM, "a1 C (T {5}\r\nh\r\n{o U {0+}\r\n T ~{1}\r\n\0)\n",
             "l<a1 C (T >o<h\r\n{o>sl<a1 C (T {5!}\r\n U >sl<a1 C (T {5!}\r\n U {0!}\r\n T "
             ">o<\0>sc<a1 C (T {5!}\r\n U {0!}\r\n T ~{1!}\r\n)>"),
    };
    check_cases((struct imap_framing_limits){0}, cases, sizeof(cases) / sizeof(cases[0]));
}

/* Literals that are streamed are not bounded here: whoever takes the octets bounds them. */
static void test_large_stream(void **state)
{
    (void)state;
    struct imap_framing *f = imap_framing_new((struct imap_framing_limits){0});
    char piece[65536];
    uint64_t got = 0;
    memset(piece, 'x', sizeof(piece));
    imap_framing_feed(f, STR("a1 APPEND x {6553600+}\r\n"));
    assert_int_equal(imap_framing_next(f), IMAP_FRAME_LITERAL);
    assert_int_equal(imap_framing_get_literal(f)->size, 6553600);
    assert_false(imap_framing_get_literal(f)->is_sync);
    assert_int_equal(imap_framing_answer(f, IMAP_LITERAL_STREAM, ERR_OK), IMAP_LITERAL_STREAM);
    for (int i = 0; i < 100; i++) {
        imap_framing_feed(f, str_make(piece, sizeof(piece)));
        while (imap_framing_next(f) == IMAP_FRAME_OCTETS) {
            got += imap_framing_get_octets(f).n;
        }
        assert_int_equal(imap_framing_get_backlog(f), 0);
    }
    assert_int_equal(got, 6553600);
    imap_framing_feed(f, STR("\r\n"));
    assert_int_equal(imap_framing_next(f), IMAP_FRAME_COMMAND);
    assert_str(imap_framing_get_text(f), STR("a1 APPEND x {6553600!}\r\n"));
    imap_framing_free(&f);
}

static void test_backlog_overflow(void **state)
{
    (void)state;
    struct imap_framing *f = imap_framing_new((struct imap_framing_limits){100, 100, 100, 100});
    char piece[65536];
    memset(piece, 'x', sizeof(piece));
    for (int i = 0; i < 5; i++) {
        imap_framing_feed(f, str_make(piece, sizeof(piece)));
    }
    assert_int_equal(imap_framing_next(f), IMAP_FRAME_FATAL);
    assert_int_equal(imap_framing_next(f), IMAP_FRAME_FATAL);
    imap_framing_free(&f);
}

static void test_lines_and_rest(void **state)
{
    (void)state;
    struct imap_framing *f = imap_framing_new((struct imap_framing_limits){0});
    imap_framing_feed(f, STR("DO"));
    assert_int_equal(imap_framing_next_line(f), IMAP_FRAME_MORE);
    imap_framing_feed(f, STR("NE {3}\r\nnext"));
    assert_int_equal(imap_framing_next_line(f), IMAP_FRAME_COMMAND);
    assert_str(imap_framing_get_text(f), STR("DONE {3}"));
    assert_str(imap_framing_get_rest(f), STR("next"));
    assert_int_equal(imap_framing_get_backlog(f), 4);
    imap_framing_drop_rest(f);
    assert_int_equal(imap_framing_get_backlog(f), 0);
    imap_framing_feed(f, STR("a1\r\n"));
    assert_int_equal(imap_framing_next(f), IMAP_FRAME_COMMAND);
    assert_str(imap_framing_get_text(f), STR("a1"));
    imap_framing_shrink(f);
    assert_int_equal(imap_framing_next(f), IMAP_FRAME_MORE);
    imap_framing_free(&f);
}

static void test_errors_and_kinds(void **state)
{
    (void)state;
    struct imap_framing *f = imap_framing_new((struct imap_framing_limits){40, 0, 0, 0});
    imap_framing_feed(f, STR("a1 APPEND x ~{70000}\r\n"));
    assert_int_equal(imap_framing_next(f), IMAP_FRAME_LITERAL);
    assert_true(imap_framing_get_literal(f)->is_sync);
    assert_true(imap_framing_get_literal(f)->is_binary);
    assert_int_equal(imap_framing_answer(f, IMAP_LITERAL_BUFFER, ERR_OK), IMAP_LITERAL_REFUSE);
    assert_int_equal(imap_framing_next(f), IMAP_FRAME_DROPPED);
    assert_int_equal(imap_framing_get_err(f), ERR_TOO_BIG);
    imap_framing_feed(f, STR("a2 0123456789012345678901234567890123456789\r\n"));
    assert_int_equal(imap_framing_next(f), IMAP_FRAME_DROPPED);
    assert_int_equal(imap_framing_get_err(f), ERR_TOO_LONG);
    imap_framing_feed(f, STR("a3 {1}\r\n"));
    assert_int_equal(imap_framing_next(f), IMAP_FRAME_LITERAL);
    assert_int_equal(imap_framing_answer(f, IMAP_LITERAL_REFUSE, ERR_OVER_QUOTA),
                     IMAP_LITERAL_REFUSE);
    assert_int_equal(imap_framing_next(f), IMAP_FRAME_DROPPED);
    assert_int_equal(imap_framing_get_err(f), ERR_OVER_QUOTA);
    assert_int_equal(imap_framing_next(f), IMAP_FRAME_MORE);
    imap_framing_free(&f);
}

/* Goes on where another framing stopped: what went by, what is asked for, and what is dropped stay the same (RFC 7888). */
static void test_swallow(void **state)
{
    (void)state;
    struct imap_lost lost;
    struct imap_framing *f = imap_framing_new((struct imap_framing_limits){.swallow_most = 4});
    imap_framing_feed(f, STR("a APPEND x {8+}\r\nabc"));
    assert_int_equal(imap_framing_next(f), IMAP_FRAME_LITERAL);
    assert_int_equal(imap_framing_answer(f, IMAP_LITERAL_STREAM, ERR_OK), IMAP_LITERAL_STREAM);
    assert_int_equal(imap_framing_next(f), IMAP_FRAME_OCTETS);
    assert_true(imap_framing_is_lost(f, &lost));
    assert_str(lost.tag, STR("a"));
    assert_int_equal(lost.left, 5);
    struct imap_framing *again = imap_framing_new((struct imap_framing_limits){.swallow_most = 4});
    lost.go_aheads = 1;
    imap_framing_swallow(again, &lost);
    imap_framing_feed(again, STR("defgh {3}\r\n\nb {6+}\r\nc\r\nd e {2}\r\nf g\r\n"));
    assert_int_equal(imap_framing_next(again), IMAP_FRAME_DROPPED);
    assert_str(imap_find_tag(imap_framing_get_text(again)), STR("a"));
    assert_int_equal(imap_framing_get_err(again), ERR_UNAVAILABLE);
    assert_int_equal(imap_framing_next(again), IMAP_FRAME_COMMAND);
    assert_str(imap_framing_get_text(again), STR("f g"));
    imap_framing_free(&again);
    imap_framing_free(&f);
}

/* What was looked at of a command leads a new framing to the same place. */
static void test_partial(void **state)
{
    (void)state;
    struct imap_lost lost;
    struct imap_framing *f = imap_framing_new((struct imap_framing_limits){0});
    assert_str(imap_framing_get_partial(f), STR(""));
    imap_framing_feed(f, STR("a NOOP\r\nb LO"));
    assert_int_equal(imap_framing_next(f), IMAP_FRAME_COMMAND);
    assert_str(imap_framing_get_partial(f), STR(""));
    assert_int_equal(imap_framing_next(f), IMAP_FRAME_MORE);
    assert_str(imap_framing_get_partial(f), STR("b LO"));
    assert_false(imap_framing_is_lost(f, &lost));
    imap_framing_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),         cmocka_unit_test(test_refused),
        cmocka_unit_test(test_commands),       cmocka_unit_test(test_streams),
        cmocka_unit_test(test_large_stream),   cmocka_unit_test(test_backlog_overflow),
        cmocka_unit_test(test_lines_and_rest), cmocka_unit_test(test_errors_and_kinds),
        cmocka_unit_test(test_swallow),        cmocka_unit_test(test_partial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
