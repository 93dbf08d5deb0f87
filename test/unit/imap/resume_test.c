/* Unit tests of imap/resume and imap/saved: states that are not as this program would have written them just now. */
#include "imap/resume.h"

#include "imap/saved.h"
#include "imap/session.h"
#include "store/store.h"

#include "unit.h"

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

enum { SAID_MOST = 1 << 20 };

struct world {
    char dir[64];
    struct store *store;
    struct imap_host host;
    struct session *core;
    bool is_over;
    struct buf said;
    struct buf state;
};

static uint64_t wall_ms(void *owner)
{
    (void)owner;
    return UINT64_C(1767225600000);
}

static void wake(void *owner)
{
    (void)owner;
}

static struct imap_session_args get_args(struct world *w)
{
    return (struct imap_session_args){.store = w->store,
                                      .host = &w->host,
                                      .session_host = {.wake = wake},
                                      .user = STR("ann"),
                                      .tag = STR("L"),
                                      .hostname = STR("h"),
                                      .message_most = 1 << 20};
}

static void settle(struct world *w)
{
    enum session_want want = SESSION_OUTPUT;
    buf_clear(&w->said);
    while (want == SESSION_OUTPUT || want == SESSION_EVENT) {
        want = w->core->ops->step(w->core, &w->said);
        store_commit(w->store);
    }
    w->is_over = want == SESSION_CLOSE;
}

static struct str say(struct world *w, struct str octets)
{
    w->core->ops->feed(w->core, octets);
    settle(w);
    return buf_str(&w->said);
}

static void begin(struct world *w)
{
    *w = (struct world){.said = BUF_INIT(SAID_MOST), .state = BUF_INIT(SESSION_STATE_MOST)};
    (void)snprintf(w->dir, sizeof(w->dir), "/tmp/limetta-resume-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->host = (struct imap_host){.wall_ms = wall_ms};
    struct store_config c = {.dir = str_from_c(w->dir), .now_ms = wall_ms};
    assert_int_equal(store_new(&c, &w->store), ERR_OK);
    struct imap_session_args args = get_args(w);
    assert_int_equal(imap_session_new(&args, &w->core), ERR_OK);
    settle(w);
    (void)say(w, STR("a APPEND INBOX {27+}\r\nSubject: one\r\n\r\nHello one.\r\n"));
    (void)say(w, STR("b SELECT INBOX\r\nc SEARCH RETURN (SAVE) ALL\r\n"));
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void end(struct world *w)
{
    if (w->core != NULL) {
        w->core->ops->free(&w->core);
    }
    buf_release(&w->said);
    buf_release(&w->state);
    store_free(&w->store);
    (void)nftw(w->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Saves, and reads the state. */
static void save(struct world *w, struct saved *out)
{
    buf_clear(&w->state);
    struct session_save save = {.state = &w->state};
    assert_true(w->core->ops->save(w->core, &save));
    assert_true(save.may_park);
    assert_false(w->core->ops->save(w->core, &save)); /* nothing is new */
    assert_int_equal(saved_parse(buf_str(&w->state), out), ERR_OK);
    w->core->ops->free(&w->core);
}

static enum err resume(struct world *w, const struct saved *saved, struct session_resume *r)
{
    CLEANUP(buf_release) struct buf state = BUF_INIT(SESSION_STATE_MOST);
    struct imap_session_args args = get_args(w);
    if (saved != NULL) {
        saved_write(saved, &state);
        r->state = buf_str(&state);
    }
    return imap_session_resume(&args, r, &w->core);
}

/* Who is woken and finds nothing new says so, with the same state: else he would never sleep again. */
static void test_rests_again(void **state)
{
    static const struct str COMMANDS[] = {STR("d IDLE\r\n"), STR("d NOOP\r\n")};
    (void)state;
    for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++) {
        struct world w;
        struct saved saved;
        CLEANUP(buf_release) struct buf first = BUF_INIT(SESSION_STATE_MOST);
        begin(&w);
        (void)say(&w, COMMANDS[i]);
        save(&w, &saved);
        saved_release(&saved);
        buf_add(&first, buf_str(&w.state));
        struct session_resume r = {.state = buf_str(&first)};
        assert_int_equal(resume(&w, NULL, &r), ERR_OK);
        settle(&w);
        assert_int_equal(w.said.len, 0);
        save(&w, &saved);
        saved_release(&saved);
        assert_str(buf_str(&w.state), buf_str(&first));
        end(&w);
    }
}

/* What a client says of itself leaves with the state, as seconds: only where somebody asked for it, and until another ID. */
static void test_heartbeat(void **state)
{
    static const struct {
        struct str list;
        struct str said;
        uint16_t heartbeat_s;
    } CASES[] = {
        {STR(""), STR("d ID (\"name\" \"imapflow\")\r\n"), 0},
        {STR("imapflow:300"), STR("d NOOP\r\n"), 0},
        {STR("imapflow:300"), STR("d ID (\"name\" \"imapflow\")\r\n"), 300},
        {STR("imapflow:300"), STR("d ID (\"name\" \"imapflow\")\r\ne NOOP\r\n"), 300},
        {STR("imapflow:300"), STR("d ID (\"name\" \"imapflow\" x)\r\n"), 0},
        {STR("imapflow:300"), STR("d ID (\"name\" \"imapflow\")\r\ne ID NIL\r\n"), 65535},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct world w;
        begin(&w);
        w.core->ops->free(&w.core);
        struct imap_session_args args = get_args(&w);
        args.heartbeat_clients = CASES[i].list;
        assert_int_equal(imap_session_new(&args, &w.core), ERR_OK);
        settle(&w);
        (void)say(&w, CASES[i].said);
        struct session_save save = {.state = &w.state};
        assert_true(w.core->ops->save(w.core, &save));
        assert_int_equal(save.heartbeat_s, CASES[i].heartbeat_s);
        end(&w);
    }
}

static void assert_saved_user(const struct world *w, struct str user)
{
    CLEANUP(buf_release) struct buf found = BUF_INIT(256);
    imap_session_get_saved_user(buf_str(&w->state), &found);
    assert_str(buf_str(&found), user);
}

static void test_refused(void **state)
{
    (void)state;
    struct world w;
    struct saved saved;
    struct session_resume r = {0};
    begin(&w);
    save(&w, &saved);
    assert_saved_user(&w, STR("ann"));
    saved.selected.known.count++;
    assert_int_equal(resume(&w, &saved, &r), ERR_CORRUPT);
    saved.selected.known.count--;
    saved.contexts = STR("\x7f");
    assert_int_equal(resume(&w, &saved, &r), ERR_CORRUPT);
    saved.contexts = STR_EMPTY;
    saved.notify = STR("\x01x");
    assert_int_equal(resume(&w, &saved, &r), ERR_CORRUPT);
    saved.notify = STR_EMPTY;
    saved.user = STR("nobody");
    assert_int_equal(resume(&w, &saved, &r), ERR_NOT_FOUND);
    w.state.p[0] = 3; /* one that is packed, and is not */
    r.state = buf_str(&w.state);
    assert_int_equal(resume(&w, NULL, &r), ERR_CORRUPT);
    w.state.p[0] = 99;
    r.state = buf_str(&w.state);
    assert_int_equal(resume(&w, NULL, &r), ERR_UNSUPPORTED);
    assert_saved_user(&w, STR(""));
    saved_release(&saved);
    end(&w);
}

/* What had no room is told: "$" when it is used (RFC 5182), contexts (RFC 5267, 4.3), NOTIFY (RFC 5465, 5.8). */
static void test_lost(void **state)
{
    (void)state;
    struct world w;
    struct saved saved;
    struct session_resume r = {0};
    begin(&w);
    save(&w, &saved);
    saved.selected.is_saved_lost = true;
    saved.contexts = STR("\0\1\1d\1");
    assert_int_equal(resume(&w, &saved, &r), ERR_OK);
    assert_str(say(&w, STR("")),
               STR("* NO [NOUPDATE \"d\"] The context cannot be kept any longer\r\n"));
    assert_str(say(&w, STR("d FETCH $ UID\r\ne SEARCH $\r\nf SEARCH RETURN (SAVE) ALL\r\n")),
               STR("d NO [UNAVAILABLE] Temporarily unavailable; try again\r\n"
                   "e NO [UNAVAILABLE] Temporarily unavailable; try again\r\n"
                   "f OK SEARCH completed\r\n"));
    assert_str(say(&w, STR("g FETCH $ UID\r\n")),
               STR("* 1 FETCH (UID 1)\r\ng OK FETCH completed\r\n"));
    saved_release(&saved);
    end(&w);
}

/* What is said again must be what was heard. */
static void test_said(void **state)
{
    (void)state;
    static const struct {
        uint64_t said;
        struct str tail;
        struct str wanted;
    } CASES[] = {
        {0, {"", 0}, STR("* 1 FETCH (UID 1)\r\nd OK FETCH completed\r\n")},
        {19, STR("* 1 FETCH (UID 1)\r\n"), STR("d OK FETCH completed\r\n")},
        {11, STR("FETCH ("), STR("UID 1)\r\nd OK FETCH completed\r\n")},
        {19, STR("* 1 FETCH (UID 2)\r\n"),
         STR("d NO [UNAVAILABLE] Temporarily unavailable; try again\r\n")},
        {11, STR("FETCH)("), STR("")},
        {500, STR("\r\n"), STR("")},
        {500, STR("x"), STR("")},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct world w;
        struct saved saved;
        struct str input = STR("d FETCH 1 UID\r\n");
        struct session_resume r = {
            .said = CASES[i].said, .said_tail = CASES[i].tail, .heard = input.n};
        begin(&w);
        save(&w, &saved);
        assert_int_equal(resume(&w, &saved, &r), ERR_OK);
        assert_str(say(&w, input), CASES[i].wanted);
        assert_int_equal(w.is_over, CASES[i].wanted.n == 0);
        saved_release(&saved);
        end(&w);
    }
}

/* A command that may have been done: behind a line that was begun, a line end goes first. SELECT leaves nothing selected. */
static void test_heard(void **state)
{
    (void)state;
    struct world w;
    struct saved saved;
    struct str input = STR("d STORE 1 +FLAGS \\Seen\r\n");
    struct session_resume r = {.said = 4, .said_tail = STR("* 1 "), .heard = input.n};
    begin(&w);
    save(&w, &saved);
    assert_int_equal(resume(&w, &saved, &r), ERR_OK);
    assert_str(say(&w, input),
               STR("\r\nd NO [UNAVAILABLE] Temporarily unavailable; try again\r\n"));
    saved_release(&saved);
    save(&w, &saved);
    input = STR("e SELECT INBOX\r\n");
    r = (struct session_resume){.said = 4, .said_tail = STR("x\r\n"), .heard = input.n};
    assert_int_equal(resume(&w, &saved, &r), ERR_OK);
    assert_str(say(&w, input), STR("e NO [UNAVAILABLE] Temporarily unavailable; try again\r\n"));
    assert_true(str_starts(say(&w, STR("f FETCH 1 UID\r\n")), STR("f BAD ")));
    saved_release(&saved);
    end(&w);
}

/* EXPUNGE was told, and the state did not hold it (it had no room): numbers would mean other messages from here on. */
static void test_told_expunge(void **state)
{
    (void)state;
    static const struct {
        struct str input;
        uint64_t heard;
    } CASES[] = {
        {STR("d STORE 1 +FLAGS \\Seen\r\n"), 24}, /* may have changed something */
        {STR("d FETCH 1 UID\r\n"), 15},           /* says something else now */
        {STR("d FET"), 5},
        {STR(""), 0},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct world w;
        struct saved saved;
        struct session_resume r = {
            .said = 13, .said_tail = STR("* 1 EXPUNGE\r\n"), .heard = CASES[i].heard};
        begin(&w);
        save(&w, &saved);
        assert_int_equal(resume(&w, &saved, &r), ERR_OK);
        assert_str(say(&w, CASES[i].input), STR(""));
        assert_true(w.is_over);
        saved_release(&saved);
        end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_lost),
        cmocka_unit_test(test_said),         cmocka_unit_test(test_heard),
        cmocka_unit_test(test_told_expunge), cmocka_unit_test(test_rests_again),
        cmocka_unit_test(test_heartbeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
