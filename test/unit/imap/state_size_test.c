/* How large states are (docs/dormancy.md): of sessions that know much, in a mailbox of a hundred thousand messages. Each is printed, must
 * fit, and must be one that another process goes on with. */
#include "imap/resume.h"

#include "imap/session.h"
#include "store/store.h"

#include "unit.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SAID_MOST = 64 << 20, MESSAGES = 100000, MAILBOXES = 1900 };

struct world {
    char dir[64];
    struct store *store;
    struct imap_host host;
    struct session *core;
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

/* One step, with its commit. False: it waits. */
static bool step(struct world *w)
{
    enum session_want want = w->core->ops->step(w->core, &w->said);
    store_commit(w->store);
    return want == SESSION_OUTPUT || want == SESSION_EVENT;
}

static void begin_saying(struct world *w, struct str octets)
{
    buf_clear(&w->said);
    w->core->ops->feed(w->core, octets);
}

static void say(struct world *w, const char *command)
{
    begin_saying(w, str_from_c(command));
    while (step(w)) {
    }
}

static void say_ok(struct world *w, const char *command)
{
    say(w, command);
    struct str said = buf_str(&w->said);
    assert_true(str_find_str(said, STR("a OK")) < said.n);
}

/* Which of the messages a test means: always the same ones, in no order. */
static bool is_picked(uint32_t n, unsigned of)
{
    uint32_t x = n * UINT32_C(2654435761);
    x = (x ^ x >> 15) * UINT32_C(2246822519);
    x = (x ^ x >> 13) * UINT32_C(3266489917);
    return (x ^ x >> 16) % of == 0;
}

/* Says "UID STORE (those picked, one in so many) rest", some thousand at a time. */
static void store_picked(struct world *w, unsigned of, const char *rest)
{
    CLEANUP(buf_release) struct buf line = BUF_INIT(SAID_MOST);
    for (uint32_t n = 1; n <= MESSAGES; n++) {
        if (is_picked(n, of)) {
            buf_add_c(&line, line.len == 0 ? "a UID STORE " : ",");
            buf_add_u64(&line, n);
        }
        if (line.len > 30000 || (n == MESSAGES && line.len > 0)) {
            buf_addf(&line, " %s\r\n", rest);
            say_ok(w, line.p);
            buf_clear(&line);
        }
    }
}

static void remake(struct world *w)
{
    struct imap_session_args args = get_args(w);
    struct session_resume r = {.state = buf_str(&w->state)};
    w->core->ops->free(&w->core);
    assert_int_equal(imap_session_resume(&args, &r, &w->core), ERR_OK);
    buf_clear(&w->said);
    while (step(w)) {
    }
}

/* Saves it, prints how large that is, and goes on with it. */
static void measure(struct world *w, const char *what, bool is_whole)
{
    buf_clear(&w->state);
    struct session_save save = {.state = &w->state};
    assert_true(w->core->ops->save(w->core, &save));
    assert_true(w->state.len <= SESSION_STATE_MOST);
    assert_int_equal(save.may_park, is_whole);
    print_message("%7zu octets: %s\n", w->state.len, what);
    remake(w);
}

static void append(struct world *w)
{
    CLEANUP(buf_release) struct buf line = BUF_INIT(1024);
    for (unsigned n = 0; n < 100; n++) {
        buf_clear(&line);
        buf_addf(&line, "a APPEND INBOX {22+}\r\nSubject: %05u\r\n\r\nhi\r\n\r\n",
                 n * 7919 % 99991);
        say_ok(w, line.p);
    }
}

/* A mailbox of MESSAGES, their bodies shared. */
static void fill(struct world *w)
{
    append(w);
    say_ok(w, "a SELECT INBOX\r\n");
    for (unsigned n = 100; n < MESSAGES; n *= 10) {
        for (unsigned i = 1; i < 10; i++) {
            char line[64];
            (void)snprintf(line, sizeof(line), "a UID COPY 1:%u INBOX\r\n", n);
            say_ok(w, line);
        }
    }
}

static void begin(struct world *w)
{
    *w = (struct world){.said = BUF_INIT(SAID_MOST), .state = BUF_INIT(SESSION_STATE_MOST)};
    (void)snprintf(w->dir, sizeof(w->dir), "/tmp/limetta-size-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->host = (struct imap_host){.wall_ms = wall_ms};
    struct store_config c = {.dir = str_from_c(w->dir), .now_ms = wall_ms};
    assert_int_equal(store_new(&c, &w->store), ERR_OK);
    struct imap_session_args args = get_args(w);
    assert_int_equal(imap_session_new(&args, &w->core), ERR_OK);
    fill(w);
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
    w->core->ops->free(&w->core);
    buf_release(&w->said);
    buf_release(&w->state);
    store_free(&w->store);
    (void)nftw(w->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* As another client would. */
static void expunge(struct world *w)
{
    struct imap_session_args args = get_args(w);
    struct session *first = w->core;
    assert_int_equal(imap_session_new(&args, &w->core), ERR_OK);
    say_ok(w, "a SELECT INBOX\r\n");
    store_picked(w, 3, "+FLAGS.SILENT (\\Deleted)");
    say_ok(w, "a CLOSE\r\n");
    w->core->ops->free(&w->core);
    w->core = first;
}

static void make_mailboxes(struct world *w)
{
    struct account *a = NULL;
    assert_int_equal(store_open_account(w->store, STR("ann"), false, &a), ERR_OK);
    for (uint32_t i = 0; i < MAILBOXES; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "Projects/%u/%08x", i % 40, i * UINT32_C(2654435761));
        assert_int_equal(account_create_mailbox(a, str_from_c(name), 0), ERR_OK);
    }
    store_commit(w->store);
    account_unref(&a);
}

static void test_sizes(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    say_ok(&w, "a NOOP\r\n");
    measure(&w, "100,000 messages, nothing else", true);
    store_picked(&w, 2, "+FLAGS.SILENT (\\Flagged)");
    say_ok(&w, "a SEARCH RETURN (SAVE) FLAGGED\r\n");
    measure(&w, "with a saved search: half of them, at random", true);
    say_ok(&w, "a UID SEARCH RETURN (UPDATE COUNT) UNFLAGGED\r\n");
    say(&w, "b UID SEARCH RETURN (UPDATE COUNT) FLAGGED SMALLER 100000\r\n");
    say(&w, "c UID SEARCH RETURN (UPDATE COUNT) UNSEEN\r\n");
    measure(&w, "and three live contexts, two of them as large", true);
    say(&w, "d UID SORT RETURN (UPDATE COUNT) (REVERSE ARRIVAL) UTF-8 FLAGGED\r\n");
    measure(&w, "and one by arrival, the last first", true);
    make_mailboxes(&w);
    say_ok(
        &w,
        "a NOTIFY SET (SELECTED (MessageNew MessageExpunge)) (PERSONAL (MessageNew MessageExpunge "
        "MailboxName))\r\n");
    measure(&w, "and NOTIFY of 1900 mailboxes", true);
    for (int tag = 'e'; tag < 'l'; tag++) {
        char line[80];
        (void)snprintf(line, sizeof(line),
                       "%c UID SORT RETURN (UPDATE COUNT) (SUBJECT) UTF-8 FLAGGED\r\n", tag);
        say(&w, line);
    }
    measure(&w, "and as many more, by subject: left out are \"$\" and those with an order", false);
    say(&w, "m NOOP\r\n");
    measure(&w, "behind that", true);
    end(&w);
}

/* The largest that news half told make: expunges, one in three at random, as sequence numbers. */
static void test_expunges(void **state)
{
    (void)state;
    struct world w;
    size_t most = 0;
    begin(&w);
    say_ok(&w, "a NOOP\r\n");
    expunge(&w);
    begin_saying(&w, STR("a NOOP\r\n"));
    bool goes_on = true;
    while (goes_on) {
        buf_clear(&w.said);
        goes_on = step(&w);
        buf_clear(&w.state);
        struct session_save save = {.state = &w.state};
        if (w.core->ops->save(w.core, &save)) {
            most = w.state.len > most ? w.state.len : most;
        }
    }
    print_message("%7zu octets: most amid the news of 33,000 expunges\n", most);
    assert_true(most > 0 && most <= SESSION_STATE_MOST);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_expunges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
