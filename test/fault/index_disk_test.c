/* The text index on a failing disk (X-FULLTEXT). Mail is indexed again and again; each time another write or sync goes wrong: by an I/O
 * error, a full disk, the death of the process, a power cut. Whatever fails: no search hears of it, what is found is what a
 * scan finds, the mail is whole, and when the disk is well again the index is made to its end. */
#include "fault_vfs.h"
#include "unit.h"

#include "base/log.h"
#include "search/indexer.h"
#include "search/run.h"
#include "store/store.h"
#include "store/textindex.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MESSAGES = 24,
    NEEDLE_EVERY = 5,
    CALLS_MOST = 120,
    STEP = 3,
    SOON_MS = 100,
    HOUR_MS = 3600000
};

struct trial {
    char dir[64];
    uint64_t now_ms;
    struct store *store;
    struct account *account;
    struct mailbox *inbox;
};

static uint64_t get_now(void *owner)
{
    return ((struct trial *)owner)->now_ms;
}

static void open_trial(struct trial *t)
{
    const struct store_config config = {
        .dir = str_from_c(t->dir), .now_ms = get_now, .now_owner = t};
    t->now_ms += HOUR_MS;
    assert_int_equal(store_new(&config, &t->store), ERR_OK);
    assert_int_equal(store_open_account(t->store, STR("ann"), true, &t->account), ERR_OK);
    assert_int_equal(account_find_mailbox(t->account, STR("INBOX"), &t->inbox), ERR_OK);
}

static void close_trial(struct trial *t)
{
    mailbox_unref(&t->inbox);
    account_unref(&t->account);
    store_free(&t->store);
}

static void append(struct trial *t, unsigned n)
{
    struct body_writer *w;
    struct uid uid;
    const struct append_args args = {.internaldate_s = 1};
    struct buf octets = BUF_INIT(100000);
    buf_addf(&octets, "Subject: number %u\r\n\r\n%s\r\n", n,
             n % NEEDLE_EVERY == 0 ? "needle" : "hay");
    while (octets.len < 20000) {
        buf_addf(&octets, "line %zu of message %u\r\n", octets.len, n);
    }
    assert_int_equal(body_writer_new(t->account, &w), ERR_OK);
    assert_int_equal(body_writer_add(w, buf_str(&octets)), ERR_OK);
    assert_int_equal(body_writer_finish(w), ERR_OK);
    assert_int_equal(mailbox_append(t->inbox, w, &args, &uid), ERR_OK);
    body_writer_free(&w);
    store_commit(t->store);
    buf_release(&octets);
}

static void start_trial(struct trial *t)
{
    *t = (struct trial){.now_ms = 1700000000000};
    (void)snprintf(t->dir, sizeof(t->dir), "/tmp/limetta-index-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    open_trial(t);
    for (unsigned i = 0; i < MESSAGES; i++) {
        append(t, i);
    }
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static void index_all(struct trial *t)
{
    struct indexer *x = indexer_new(t->store);
    t->now_ms += HOUR_MS;
    uint64_t wait_ms = 1;
    for (unsigned i = 0; i < 1000 && wait_ms > 0 && wait_ms < SOON_MS; i++) {
        wait_ms = indexer_step(x, 30000);
    }
    indexer_free(&x);
}

static void check_search(struct trial *t)
{
    struct search_key k = {.kind = SEARCH_BODY, .text = STR("needle")};
    struct view *v;
    struct search *s;
    assert_int_equal(mailbox_get_view(t->inbox, &v), ERR_OK);
    const struct search_args args = {.mailbox = t->inbox, .view = v, .program = &k};
    assert_int_equal(search_new(&args, &s), ERR_OK);
    assert_int_equal(search_step(s, UINT64_MAX), STEP_DONE);
    assert_int_equal(numset_get_count(search_get_result(s)),
                     (MESSAGES + NEEDLE_EVERY - 1) / NEEDLE_EVERY);
    search_free(&s);
}

static void on_body(void *owner, uint64_t body_id)
{
    (void)body_id;
    ++*(unsigned *)owner;
}

/* The index is whole now. */
static void check_index(struct trial *t)
{
    unsigned found = 0;
    const struct str key = STR("NEEDLE");
    const struct text_query q = {
        .keys = &key, .count = 1, .first = 0, .last = 1000, .on_body = on_body, .owner = &found};
    assert_int_equal(account_find_text(t->account, &q), MESSAGES);
    assert_int_equal(found, (MESSAGES + NEEDLE_EVERY - 1) / NEEDLE_EVERY);
}

static void on_problem(void *owner, const char *line)
{
    (void)owner;
    fail_msg("%s", line);
}

static void end_trial(struct trial *t)
{
    check_search(t);
    index_all(t);
    check_index(t);
    check_search(t);
    assert_int_equal(account_verify(t->account, on_problem, NULL), ERR_OK);
    close_trial(t);
    (void)nftw(t->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool fail_at(enum fault_kind kind, unsigned at)
{
    struct trial t;
    start_trial(&t);
    fault_arm(kind, at);
    index_all(&t);
    check_search(&t);
    bool has_struck = fault_has_struck();
    fault_disarm();
    end_trial(&t);
    return has_struck;
}

static void fail_each(enum fault_kind kind)
{
    unsigned struck = 0;
    for (unsigned at = 1; at < CALLS_MOST; at += STEP) {
        struck += fail_at(kind, at);
    }
    assert_true(struck > 10);
}

static void test_io_errors(void **state)
{
    fail_each(FAULT_IO);
}

static void test_full_disk(void **state)
{
    fail_each(FAULT_NO_SPACE);
}

/* A process that indexes dies; the next one goes on. */
static void die_at(enum fault_kind kind, unsigned at)
{
    struct trial t;
    start_trial(&t);
    close_trial(&t);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fault_keep_undo();
        open_trial(&t);
        fault_arm(kind, at);
        index_all(&t);
        close_trial(&t);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    open_trial(&t);
    end_trial(&t);
}

static void test_deaths(void **state)
{
    for (unsigned at = 1; at < CALLS_MOST; at += STEP) {
        die_at(FAULT_KILL, at);
        die_at(FAULT_CUT, at + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_io_errors),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_deaths),
    };
    log_init("index_disk", LOG_LEVEL_ERROR);
    fault_vfs_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
