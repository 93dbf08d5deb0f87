/* Submission sessions whose process dies, at every octet that a client says: each command is answered once, what was acknowledged was
 * queued once, and the client that begins again is served. */
#include "smtp/submission.h"

#include "unit.h"

#include <stdlib.h>

enum { OCTETS_MOST = 1 << 16 };

/* What an edge does, in short: it keeps the last state and the input behind it. */
struct world {
    struct submission_host host;
    struct submission_args args;
    struct session *session;
    struct buf state;
    struct session_save saved;
    struct buf log;   /* input behind the state */
    uint64_t literal; /* octets of input that need not be kept */
    uint64_t gone;    /* of them, those that came */
    struct buf said;
    struct buf content;
    struct buf queued; /* contents, each in brackets */
    bool is_commit_late;
    uint64_t sent;
    uint64_t dies_at; /* after so many octets */
};

static bool has_word(struct str s, struct str word)
{
    return str_find_str(s, word) < s.n;
}

static void wake(void *owner)
{
}

static int64_t get_time_s(void *owner)
{
    return 1700000000;
}

static void write_unique(void *owner, struct buf *out)
{
    buf_add_c(out, "unique");
}

static void find_recipient(void *owner, struct str address)
{
    submission_on_recipient(((struct world *)owner)->session, ERR_OK, STR("user"));
}

static void content_start(void *owner)
{
    buf_clear(&((struct world *)owner)->content);
}

static enum err content_add(void *owner, struct str octets)
{
    buf_add(&((struct world *)owner)->content, octets);
    return ERR_OK;
}

static void content_finish(void *owner, const struct mail_envelope *envelope)
{
    struct world *w = owner;
    struct str content = buf_str(&w->content);
    buf_addf(&w->queued, "[%zu %.*s]", envelope->recipient_count,
             STR_ARG(str_skip(content, str_find_str(content, STR("\r\n\r\n")))));
    if (!w->is_commit_late) {
        submission_on_queued(w->session, ERR_OK);
    }
}

static void do_nothing(void *owner)
{
}

static enum err check_load(void *owner, const struct submission_load *load)
{
    return ERR_OK;
}

static void cancel_held(void *owner, uint64_t id)
{
    submission_on_cancelled(((struct world *)owner)->session, ERR_OK);
}

static void open_world(struct world *w, uint64_t dies_at)
{
    *w = (struct world){
        .host =
            {
                .base = {wake, w, NULL},
                .get_time_s = get_time_s,
                .write_unique = write_unique,
                .find_recipient = find_recipient,
                .content_start = content_start,
                .content_add = content_add,
                .content_finish = content_finish,
                .content_drop = do_nothing,
                .check_load = check_load,
                .cancel_held = cancel_held,
            },
        .args =
            {
                .user = STR("bob"),
                .hostname = STR("mail.example.org"),
                .domain = STR("example.org"),
                .domains = STR("example.org"),
                .helo = STR("phone"),
                .peer = STR("192.0.2.7"),
                .size_most = OCTETS_MOST,
                .recipients_most = 100,
                .hold_most_s = 86400,
            },
        .state = BUF_INIT(SESSION_STATE_MOST),
        .log = BUF_INIT(OCTETS_MOST),
        .said = BUF_INIT(OCTETS_MOST),
        .content = BUF_INIT(OCTETS_MOST),
        .queued = BUF_INIT(OCTETS_MOST),
        .dies_at = dies_at,
    };
}

static void close_world(struct world *w)
{
    w->session->ops->free(&w->session);
    buf_release(&w->state);
    buf_release(&w->log);
    buf_release(&w->said);
    buf_release(&w->content);
    buf_release(&w->queued);
}

/* Asks for a state, as a runner does. True: there is one, and what was said stands before it. */
static void save(struct world *w, enum session_want want)
{
    CLEANUP(buf_release) struct buf state = BUF_INIT(SESSION_STATE_MOST);
    struct session_save s = {.state = &state};
    if (want == SESSION_EVENT || want == SESSION_CLOSE || !w->session->ops->save(w->session, &s)) {
        return;
    }
    size_t unused = w->session->ops->get_input_backlog(w->session);
    assert_true(unused <= w->log.len);
    buf_consume(&w->log, w->log.len - unused);
    buf_clear(&w->state);
    buf_add(&w->state, buf_str(&state));
    w->saved = s;
    w->literal = s.literal;
    w->gone = 0;
}

static void step(struct world *w)
{
    enum session_want want = SESSION_OUTPUT;
    while (want == SESSION_OUTPUT) {
        size_t before = w->said.len;
        want = w->session->ops->step(w->session, &w->said);
        /* What is said without a state behind it is what another process could not know of. */
        save(w, want);
        assert_true(w->said.len == before || want == SESSION_CLOSE
                    || w->log.len == w->session->ops->get_input_backlog(w->session));
    }
}

/* The process is gone, and all in it; another one goes on. */
static void die(struct world *w)
{
    struct session_resume r = {
        .state = buf_str(&w->state),
        .literal_gone = w->gone,
        .heard = w->log.len + w->gone,
    };
    CLEANUP(buf_release) struct buf log = BUF_INIT(OCTETS_MOST);
    buf_add(&log, buf_str(&w->log));
    w->session->ops->free(&w->session);
    w->is_commit_late = false;
    assert_int_equal(submission_resume(&w->args, &w->host, &r, &w->session), ERR_OK);
    if (log.len > 0) {
        w->session->ops->feed(w->session, buf_str(&log));
    }
    w->literal -= w->gone;
    w->gone = 0;
    step(w);
}

static void feed(struct world *w, struct str octets)
{
    if (octets.n == 0) {
        return;
    }
    size_t gone = w->log.len == 0 && w->literal - w->gone >= octets.n ? octets.n : 0;
    w->gone += gone;
    if (gone == 0) {
        buf_add(&w->log, octets);
    }
    w->session->ops->feed(w->session, octets);
    step(w);
}

/* Sends octets; the process dies when its time has come. */
static void send(struct world *w, struct str octets)
{
    bool dies = w->sent <= w->dies_at && w->dies_at < w->sent + octets.n;
    size_t first = dies ? (size_t)(w->dies_at - w->sent) : octets.n;
    w->sent += octets.n;
    feed(w, str_sub(octets, 0, first));
    if (dies) {
        die(w);
        feed(w, str_skip(octets, first));
    }
}

/* Says it, and hears exactly one reply. Its code. */
static unsigned ask(struct world *w, const char *octets)
{
    buf_clear(&w->said);
    send(w, str_from_c(octets));
    uint64_t code = 0;
    assert_true(w->said.len > 5 && str_ends(buf_str(&w->said), STR("\r\n")));
    assert_int_equal(str_find_char(buf_str(&w->said), '\n'), w->said.len - 1);
    assert_true(str_to_u64(str_sub(buf_str(&w->said), 0, 3), 999, &code));
    return (unsigned)code;
}

static unsigned send_by_data(struct world *w)
{
    unsigned code = ask(w, "MAIL FROM:<bob@example.org>\r\n");
    code = code == 250 ? ask(w, "RCPT TO:<a@example.org>\r\n") : code;
    code = code == 250 ? ask(w, "RCPT TO:<b@example.org>\r\n") : code;
    code = code == 250 ? ask(w, "DATA\r\n") : code;
    return code == 354 ? ask(w, "Subject: x\r\n\r\n..one\r\nMAIL FROM:<x@y.z>\r\n.\r\n") : code;
}

static unsigned send_by_bdat(struct world *w)
{
    unsigned code = ask(w, "MAIL FROM:<bob@example.org>\r\n");
    code = code == 250 ? ask(w, "RCPT TO:<a@example.org>\r\n") : code;
    code = code == 250 ? ask(w, "BDAT 20\r\nSubject: x\r\n\r\nQUIT\r\n") : code;
    return code == 250 ? ask(w, "BDAT 4 LAST\r\ntwo\n") : code;
}

/* A client as it should be: on a failure it begins anew. How often it did. */
static int deliver(struct world *w, unsigned (*by)(struct world *w))
{
    int failures = 0;
    unsigned code = by(w);
    while (code != 250) {
        assert_int_equal(code, 451);
        assert_true(has_word(buf_str(&w->said), STR("451 4.3.2 ")));
        assert_int_equal(++failures, 1);
        assert_int_equal(ask(w, "RSET\r\n"), 250);
        code = by(w);
    }
    return failures;
}

static void check(uint64_t dies_at, unsigned (*by)(struct world *w), const char *want,
                  int *failures)
{
    struct world w;
    open_world(&w, dies_at);
    w.session = submission_new(&w.args, &w.host);
    step(&w);
    *failures += deliver(&w, by);
    assert_int_equal(ask(&w, "NOOP\r\n"), 250);
    assert_str(buf_str(&w.queued), str_from_c(want));
    assert_true(w.saved.may_park);
    assert_int_equal(w.saved.watch, SESSION_WATCH_NONE);
    close_world(&w);
}

/* At every octet of a message: it is queued exactly once, and the client hears of each command. */
static void test_dies_anywhere(void **state)
{
    int failures = 0;
    for (uint64_t at = 0; at < 180; at++) {
        check(at, send_by_data, "[2 \r\n\r\n.one\r\nMAIL FROM:<x@y.z>\r\n]", &failures);
        check(at, send_by_bdat, "[1 \r\n\r\nQUIT\r\ntwo\n]", &failures);
    }
    assert_true(failures > 100); /* in a transaction it is felt, between them it is not */
}

/* All piped in: five replies, and the message was queued if and only if the last says so. */
static void test_pipelined(void **state)
{
    static const char ALL[] = "MAIL FROM:<bob@example.org>\r\nRCPT TO:<a@example.org>\r\n"
                              "BDAT 14\r\nSubject: x\r\n\r\nBDAT 9 LAST\r\n1\r\nQUIT\r\nNOOP\r\n";
    for (uint64_t at = 0; at <= sizeof(ALL); at++) {
        struct world w;
        open_world(&w, at);
        w.session = submission_new(&w.args, &w.host);
        step(&w);
        buf_clear(&w.said);
        send(&w, str_from_c(ALL));
        struct str rest = buf_str(&w.said);
        int lines = 0;
        bool is_queued = false;
        while (rest.n > 0) {
            struct str line = str_split(&rest, '\n');
            assert_true(str_starts(line, STR("250 ")) || str_starts(line, STR("451 4.3.2 ")));
            is_queued = is_queued || has_word(line, STR("Queued"));
            lines++;
        }
        assert_int_equal(lines, 5);
        assert_int_equal(is_queued, w.queued.len > 0);
        close_world(&w);
    }
}

/* The queue has it, but the client was not told: it is told to send it again. */
static void test_dies_over_commit(void **state)
{
    struct world w;
    open_world(&w, UINT64_MAX);
    w.session = submission_new(&w.args, &w.host);
    step(&w);
    assert_int_equal(ask(&w, "MAIL FROM:<bob@example.org>\r\n"), 250);
    assert_int_equal(ask(&w, "RCPT TO:<a@example.org>\r\n"), 250);
    assert_int_equal(ask(&w, "DATA\r\n"), 354);
    w.is_commit_late = true;
    buf_clear(&w.said);
    send(&w, STR("Subject: x\r\n\r\nhello\r\n.\r\n"));
    assert_int_equal(w.said.len, 0);
    die(&w);
    assert_true(str_starts(buf_str(&w.said), STR("451 4.3.2 ")));
    assert_int_equal(ask(&w, "RCPT TO:<a@example.org>\r\n"), 503); /* it is over */
    close_world(&w);
}

/* Commands of a transaction that is gone; and what begins anew. */
static void test_lost(void **state)
{
    static const char *const ANEW[] = {"RSET\r\n", "HELO phone\r\n",
                                       "MAIL FROM:<bob@example.org>\r\n"};
    for (size_t i = 0; i < sizeof(ANEW) / sizeof(ANEW[0]); i++) {
        struct world w;
        open_world(&w, UINT64_MAX);
        w.session = submission_new(&w.args, &w.host);
        step(&w);
        assert_int_equal(ask(&w, "MAIL FROM:<bob@example.org>\r\n"), 250);
        assert_false(w.saved.may_park);
        die(&w);
        assert_int_equal(ask(&w, "RCPT TO:<a@example.org>\r\n"), 451);
        assert_int_equal(ask(&w, "NOOP\r\n"), 250);
        assert_int_equal(ask(&w, "DATA\r\n"), 451);
        die(&w); /* and once more */
        assert_int_equal(ask(&w, "BDAT 4\r\nQUIT"), 451);
        assert_int_equal(ask(&w, "BDAT 4\r\nQUIT"), 451);
        assert_int_equal(ask(&w, "BURL imap://x@y/z;UID=1;URLAUTH=submit+x:internal:00\r\n"), 451);
        assert_int_equal(ask(&w, ANEW[i]), 250);
        assert_int_equal(ask(&w, "RCPT TO:<a@example.org>\r\n"), i == 2 ? 250 : 503);
        close_world(&w);
    }
}

/* A command that cannot be done twice. */
static void test_cancel_is_not_repeated(void **state)
{
    struct world w;
    open_world(&w, UINT64_MAX);
    w.session = submission_new(&w.args, &w.host);
    step(&w);
    buf_add_c(&w.log, "XHELD CANCEL 7\r\n"); /* it was heard, and nothing was said */
    buf_clear(&w.said);
    die(&w);
    assert_true(str_starts(buf_str(&w.said), STR("451 4.3.2 ")));
    assert_int_equal(ask(&w, "XHELD CANCEL 7\r\n"), 250);
    close_world(&w);
}

static void test_bad_states(void **state)
{
    static const struct {
        struct str state;
        uint64_t literal_gone;
        uint64_t said;
    } CASES[] = {
        {{"", 0}, 0, 0},
        {{"\1\0\0\0\0\0", 6}, 0, 0},
        {{"\2\0\0\0\0\0\0\0\0\0\0phone", 16}, 0, 0},
        {{"\1\0\77\0\0\0\0\0\0\0\0phone", 16}, 0, 0},
        {{"\1\0\3\5\0\0\0\0\0\0\0phone", 16}, 6, 0},
        {{"\1\0\0\0\0\0\0\0\0\0\0phone", 16}, 0, 1},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct world w;
        open_world(&w, 0);
        struct session_resume r = {
            .state = CASES[i].state, .literal_gone = CASES[i].literal_gone, .said = CASES[i].said};
        assert_int_equal(submission_resume(&w.args, &w.host, &r, &w.session), ERR_UNSUPPORTED);
        w.session = submission_new(&w.args, &w.host);
        close_world(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dies_anywhere),          cmocka_unit_test(test_pipelined),
        cmocka_unit_test(test_dies_over_commit),       cmocka_unit_test(test_lost),
        cmocka_unit_test(test_cancel_is_not_repeated), cmocka_unit_test(test_bad_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
