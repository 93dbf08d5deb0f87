/* Accounts over time: keywords and their limit, \Recent, waits and watches, resting and closing, expunged ranges,
 * modseqs over clean and unclean ends. */
#include "store_fixture.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <sys/resource.h>

static void test_keywords(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    uint64_t bit;
    uint64_t seen = 0;
    assert_int_equal(mailbox_get_keyword(f.inbox, STR("$Forwarded"), false, &bit), ERR_NOT_FOUND);
    for (unsigned i = 0; i < 64 - KEYWORD_FIRST - 4; i++) {
        char name[16];
        int n = snprintf(name, sizeof(name), "Word%u", i);
        assert_int_equal(mailbox_get_keyword(f.inbox, str_make(name, (size_t)n), true, &bit),
                         ERR_OK);
        assert_int_equal(seen & bit, 0);
        seen |= bit;
    }
    assert_int_equal(mailbox_get_keyword(f.inbox, STR("OneMore"), true, &bit), ERR_LIMIT);
    assert_false(mailbox_has_room_for_keyword(f.inbox, STR("OneMore")));
    /* M-25, M-26, M-29: there always is room for these */
    for (unsigned i = 0; i < 4; i++) {
        struct str name = keyword_get_reserved(i);
        assert_true(mailbox_has_room_for_keyword(f.inbox, name));
        assert_int_equal(mailbox_get_keyword(f.inbox, name, true, &bit), ERR_OK);
    }
    assert_int_equal(keyword_get_reserved(4).n, 0);
    assert_int_equal(mailbox_get_keyword(f.inbox, STR("OneMore"), true, &bit), ERR_LIMIT);
    assert_int_equal(mailbox_get_keyword(f.inbox, STR("wORD0"), true, &bit), ERR_OK);
    assert_int_equal(bit, UINT64_C(1) << KEYWORD_FIRST);
    (void)fixture_append(f.inbox, STR("Subject: x\r\n\r\n"), UINT64_MAX << KEYWORD_FIRST);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    fixture_reopen(&f);
    assert_str(mailbox_get_keyword_name(f.inbox, KEYWORD_FIRST), STR("Word0"));
    assert_str(mailbox_get_keyword_name(f.inbox, 59), STR("Word51"));
    assert_str(mailbox_get_keyword_name(f.inbox, 63), STR("$Submitted"));
    assert_int_equal(mailbox_get_keyword_name(f.inbox, 3).n, 0);

    /* a target without room for all of them takes the message and what there is room for */
    struct mailbox *m = fixture_find(f.account, "Sent");
    assert_int_equal(mailbox_get_keyword(m, STR("Other"), true, &bit), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct numset all = NUMSET_INIT;
    numset_add(&all, 1, 10);
    assert_int_equal(mailbox_copy(f.inbox, &all, m, false, NULL, NULL), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(mailbox_get_keyword(m, STR("Word50"), false, &bit), ERR_OK);
    assert_int_equal(mailbox_get_keyword(m, STR("Word51"), false, &bit), ERR_NOT_FOUND);
    assert_int_equal(mailbox_get_keyword(m, STR("$Submitted"), false, &bit), ERR_OK);
    numset_release(&all);
    mailbox_unref(&m);
    fixture_close(&f);
}

static void test_recent(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    for (unsigned i = 0; i < 3; i++) {
        (void)fixture_append(f.inbox, STR("Subject: x\r\n\r\n"), 0);
    }
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(mailbox_get_first_recent(f.inbox, false), 1);
    assert_int_equal(view_count_from_uid(fixture_view(f.inbox), (struct uid){1}), 3);
    assert_int_equal(mailbox_get_first_recent(f.inbox, true), 1);
    assert_int_equal(mailbox_get_first_recent(f.inbox, true), 4);
    assert_int_equal(view_count_from_uid(fixture_view(f.inbox), (struct uid){4}), 0);
    fixture_reopen(&f);
    assert_int_equal(mailbox_get_first_recent(f.inbox, false), 4);
    fixture_close(&f);
}

struct listener {
    struct watch watch;
    struct commit_wait wait;
    struct watch *other; /* cancelled when this one hears */
    unsigned heard;
    enum err err;
};

static void on_change(struct watch *w)
{
    struct listener *l = list_entry(w, struct listener, watch);
    l->heard++;
    if (l->other != NULL) {
        watch_cancel(l->other);
    }
}

static void on_wait(struct commit_wait *w, enum err e)
{
    struct listener *l = list_entry(w, struct listener, wait);
    l->heard++;
    l->err = e;
}

static void test_watches_and_waits(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct mailbox *sent = fixture_find(f.account, "Sent");
    struct listener inbox = {.watch.on_change = on_change};
    struct listener second = {.watch.on_change = on_change};
    struct listener other = {.watch.on_change = on_change};
    struct listener any = {.watch.on_change = on_change};
    struct listener wait = {.wait.on_commit = on_wait};
    struct listener cancelled = {.wait.on_commit = on_wait};
    mailbox_watch(f.inbox, &inbox.watch);
    mailbox_watch(f.inbox, &second.watch);
    mailbox_watch(sent, &other.watch);
    account_watch(f.account, &any.watch);
    inbox.other = &second.watch;

    account_wait_commit(f.account, &wait.wait); /* nothing is pending: heard all the same */
    account_wait_commit(f.account, &cancelled.wait);
    commit_wait_cancel(&cancelled.wait);
    assert_true(store_has_pending(f.store));
    store_commit(f.store);
    assert_false(store_has_pending(f.store));
    assert_int_equal(wait.heard, 1);
    assert_int_equal(wait.err, ERR_OK);
    assert_int_equal(cancelled.heard, 0);
    assert_int_equal(any.heard, 0);

    (void)fixture_append(f.inbox, STR("Subject: x\r\n\r\n"), 0);
    assert_int_equal(inbox.heard, 0);
    store_commit(f.store);
    assert_int_equal(inbox.heard, 1);
    assert_int_equal(second.heard, 0); /* cancelled by the first */
    assert_int_equal(other.heard, 0);
    assert_int_equal(any.heard, 1);
    assert_int_equal(account_set_subscribed(f.account, STR("x"), true), ERR_OK);
    store_commit(f.store);
    assert_int_equal(any.heard, 2);
    assert_int_equal(inbox.heard, 1);
    watch_cancel(&inbox.watch);
    watch_cancel(&other.watch);
    watch_cancel(&any.watch);
    mailbox_unref(&sent);
    fixture_close(&f);
}

/* An idle account gives its database back; who holds a view goes on reading from it. */
static void test_rest_and_close(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    for (unsigned i = 0; i < 300; i++) {
        (void)fixture_append(f.inbox, STR("Subject: x\r\n\r\n"), 0);
    }
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct view *v = view_ref(fixture_view(f.inbox));
    for (unsigned i = 0; i < 400; i++) {
        f.now_ms += 250;
        (void)store_tick(f.store);
    }
    assert_int_equal(store_tick(f.store), 0); /* nothing left to do */
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/ann/account.db-wal", f.dir);
    assert_int_not_equal(access(path, F_OK), 0); /* closed in good order */
    struct message m;
    assert_int_equal(view_get(v, (struct seq){300}, &m), ERR_OK);
    assert_int_equal(m.size, 14);
    struct store *other;
    struct account *a;
    assert_int_equal(store_new(&f.config, &other), ERR_OK);
    assert_int_equal(store_open_account(other, STR("ann"), false, &a), ERR_IN_USE);
    view_unref(&v);
    mailbox_unref(&f.inbox);
    account_unref(&f.account);
    for (unsigned i = 0; i < 400; i++) {
        f.now_ms += 250;
        (void)store_tick(f.store);
    }
    assert_int_equal(store_open_account(other, STR("ann"), false, &a),
                     ERR_OK); /* the lock is free */
    account_unref(&a);
    store_free(&other);
    assert_int_equal(store_open_account(f.store, STR("ann"), false, &f.account), ERR_OK);
    f.inbox = fixture_find(f.account, "INBOX");
    assert_int_equal(view_get_count(fixture_view(f.inbox)), 300);
    fixture_close(&f);
}

/* M-10: many expunges are one bounded, exact answer (RFC 7162, 3.2.10). */
static void test_many_expunges(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    struct fixture f = {0};
    fixture_open(&f);
    struct body_writer *w;
    struct uid uid;
    const struct append_args args = {0};
    assert_int_equal(body_writer_new(f.account, &w), ERR_OK);
    assert_int_equal(body_writer_add(w, STR("Subject: shared\r\n\r\n")), ERR_OK);
    assert_int_equal(body_writer_finish(w), ERR_OK);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(mailbox_append(f.inbox, w, &args, &uid), ERR_OK);
    }
    body_writer_free(&w);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    uint64_t before = view_get_highestmodseq(fixture_view(f.inbox));
    struct numset odd = NUMSET_INIT;
    for (uint32_t i = 1; i <= COUNT; i += 2) {
        numset_add(&odd, i, i);
    }
    assert_int_equal(mailbox_expunge(f.inbox, &odd, false, NULL), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct numset one = NUMSET_INIT;
    uint64_t middle = 0;
    for (uint32_t i = 2; i <= 400; i += 2) {
        numset_clear(&one);
        numset_add(&one, i, i);
        assert_int_equal(mailbox_expunge(f.inbox, &one, false, NULL), ERR_OK);
        assert_int_equal(fixture_commit(&f), ERR_OK);
        middle = i == 200 ? view_get_highestmodseq(fixture_view(f.inbox)) : middle;
    }
    struct numset got = NUMSET_INIT;
    assert_int_equal(mailbox_get_expunged(f.inbox, before, &got), ERR_OK);
    assert_int_equal(got.at[0].first, 1);
    assert_int_equal(got.at[0].last, 401);
    assert_int_equal(numset_get_count(&got), COUNT / 2 + 200);
    numset_clear(&got);
    assert_int_equal(mailbox_get_expunged(f.inbox, middle, &got), ERR_OK);
    assert_int_equal(numset_get_count(&got), 100);
    assert_int_equal(got.at[0].first, 202);
    numset_clear(&got);
    assert_int_equal(mailbox_get_expunged(f.inbox, UINT64_MAX, &got), ERR_OK);
    assert_true(numset_is_empty(&got));
    for (unsigned i = 0; i < 60; i++) {
        f.now_ms += 250;
        (void)store_tick(f.store);
    }
    fixture_verify(f.account);
    fixture_reopen(&f);
    assert_int_equal(view_get_count(fixture_view(f.inbox)), COUNT / 2 - 200);
    numset_release(&odd);
    numset_release(&one);
    numset_release(&got);
    fixture_close(&f);
}

/* A process that dies leaves no clean mark: modseqs go on far above; after a clean end they go on where they were. */
static void test_modseq_watermark(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    (void)fixture_append(f.inbox, STR("Subject: x\r\n\r\n"), 0);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    uint64_t modseq = view_get_highestmodseq(fixture_view(f.inbox));
    fixture_reopen(&f);
    assert_int_equal(view_get_highestmodseq(fixture_view(f.inbox)), modseq);
    mailbox_unref(&f.inbox);
    account_unref(&f.account);
    store_free(&f.store);
    pid_t pid = fork();
    if (pid == 0) {
        struct store *s;
        struct account *a;
        struct mailbox *m;
        struct numset all = NUMSET_INIT;
        numset_add(&all, 1, 9);
        if (store_new(&f.config, &s) != ERR_OK
            || store_open_account(s, STR("ann"), false, &a) != ERR_OK
            || account_find_mailbox(a, STR("INBOX"), &m) != ERR_OK
            || mailbox_store_flags(m, &all, FLAG_OP_ADD, FLAG_SEEN, UINT64_MAX, NULL) != ERR_OK) {
            _exit(1);
        }
        store_commit(s);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(store_new(&f.config, &f.store), ERR_OK);
    assert_int_equal(store_open_account(f.store, STR("ann"), false, &f.account), ERR_OK);
    f.inbox = fixture_find(f.account, "INBOX");
    struct view *v = fixture_view(f.inbox);
    assert_int_equal(view_get_unseen_count(v), 0);
    assert_true(view_get_highestmodseq(v) > modseq + 1000);
    uint64_t jumped = view_get_highestmodseq(v);
    (void)fixture_append(f.inbox, STR("Subject: y\r\n\r\n"), 0);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct message m;
    view_get_hot(fixture_view(f.inbox), (struct seq){2}, &m);
    assert_true(m.modseq > jumped);
    fixture_verify(f.account);
    fixture_close(&f);
}

static void test_refused_bodies(void **state)
{
    (void)state;
    struct fixture f = {.config = {.message_most = 1000, .inline_most = 100}};
    fixture_open(&f);
    char octets[600];
    memset(octets, 'x', sizeof(octets));
    struct body_writer *w;
    assert_int_equal(body_writer_new(f.account, &w), ERR_OK);
    assert_int_equal(body_writer_add(w, str_make(octets, 600)), ERR_OK);
    assert_int_equal(body_writer_add(w, str_make(octets, 401)), ERR_TOO_BIG);
    assert_int_equal(body_writer_add(w, str_make(octets, 1)), ERR_TOO_BIG); /* sticky */
    assert_int_equal(body_writer_finish(w), ERR_TOO_BIG);
    struct uid uid;
    const struct append_args args = {0};
    assert_int_equal(mailbox_append(f.inbox, w, &args, &uid), ERR_TOO_BIG);
    assert_int_equal(fixture_commit(&f), ERR_OK); /* a refusal harms nobody else's turn */
    body_writer_free(&w);
    fixture_verify(f.account); /* no blob is left */
    fixture_close(&f);
}

static void count_problem(void *owner, const char *line)
{
    unsigned *count = owner;
    (void)line;
    (*count)++;
}

/* Damages a closed account and looks whether verification sees it. */
static void check_damage(const char *sql)
{
    struct fixture f = {.config = {.inline_most = 100}};
    fixture_open(&f);
    char octets[300];
    memset(octets, 'x', sizeof(octets));
    (void)fixture_append(f.inbox, STR("Subject: small\r\n\r\n"), 0);
    (void)fixture_append(f.inbox, str_make(octets, sizeof(octets)), 0);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    fixture_verify(f.account);
    mailbox_unref(&f.inbox);
    account_unref(&f.account);
    store_free(&f.store);
    char path[128];
    sqlite3 *db;
    (void)snprintf(path, sizeof(path), "%s/ann/account.db", f.dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(store_new(&f.config, &f.store), ERR_OK);
    assert_int_equal(store_open_account(f.store, STR("ann"), false, &f.account), ERR_OK);
    f.inbox = fixture_find(f.account, "INBOX");
    unsigned problems = 0;
    enum err result = account_verify(f.account, count_problem, &problems);
    if (result != ERR_CORRUPT || problems == 0) {
        print_error("not seen: %s\n", sql);
    }
    assert_int_equal(result, ERR_CORRUPT);
    assert_true(problems > 0);
    fixture_close(&f);
}

static void test_verify_sees(void **state)
{
    (void)state;
    static const char *const DAMAGE[] = {
        "DELETE FROM body_octets",
        "DELETE FROM shape",
        "UPDATE shape SET shape = x'00'",
        "DELETE FROM body WHERE is_blob = 0",
        "DELETE FROM body WHERE is_blob = 1", /* the blob belongs to nobody */
        "UPDATE body SET refs = 2",
        "UPDATE body SET size = size + 1",
        "UPDATE page_hot SET columns = substr(columns, 1, 20)",
        "UPDATE page_hot SET columns = zeroblob(length(columns))",
        "DELETE FROM page_cold",
        "DELETE FROM page_hot", /* bodies without messages */
        "UPDATE mailbox SET uidnext = 2 WHERE name = 'INBOX'",
        "UPDATE mailbox SET highestmodseq = 1 WHERE name = 'INBOX'",
        "INSERT INTO release VALUES (99, 1, -1, x'0102')",
    };
    for (size_t i = 0; i < sizeof(DAMAGE) / sizeof(DAMAGE[0]); i++) {
        check_damage(DAMAGE[i]);
    }
}

static unsigned count_descriptors(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    (void)closedir(dir);
    return count;
}

/* Many accounts in use do not mean many open databases. */
static void test_many_accounts(void **state)
{
    (void)state;
    unit_skip_if_slow();
    enum { ACCOUNTS = 290 };
    struct fixture f = {0};
    struct rlimit
        files; /* more than the 1024 that a login session may begin with, as a role does for itself */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    fixture_open(&f);
    struct account *accounts[ACCOUNTS];
    struct mailbox *inboxes[ACCOUNTS];
    unsigned before = count_descriptors();
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        char user[16];
        int n = snprintf(user, sizeof(user), "user%u", i);
        f.now_ms++;
        assert_int_equal(store_open_account(f.store, str_make(user, (size_t)n), true, &accounts[i]),
                         ERR_OK);
        inboxes[i] = fixture_find(accounts[i], "INBOX");
    }
    assert_true(count_descriptors() <= before + ACCOUNTS + 3 * 256);
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        f.now_ms++;
        (void)fixture_append(inboxes[i], STR("Subject: x\r\n\r\n"), 0);
    }
    store_commit(f.store);
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        assert_int_equal(view_get_count(fixture_view(inboxes[i])), 1);
        mailbox_unref(&inboxes[i]);
        account_unref(&accounts[i]);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keywords),          cmocka_unit_test(test_recent),
        cmocka_unit_test(test_watches_and_waits), cmocka_unit_test(test_rest_and_close),
        cmocka_unit_test(test_many_expunges),     cmocka_unit_test(test_modseq_watermark),
        cmocka_unit_test(test_refused_bodies),    cmocka_unit_test(test_many_accounts),
        cmocka_unit_test(test_verify_sees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
