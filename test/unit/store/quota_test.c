/* X-QUOTA: usage is counted exactly, limits hold, and both outlive their process. */
#include "store_fixture.h"
#include "unit.h"

#include "store/quota.h"

#include <sqlite3.h>
#include <stdio.h>

static void expect_usage(struct account *a, uint64_t messages, uint64_t octets, uint64_t mailboxes)
{
    struct quota q;
    account_get_quota(a, &q);
    assert_int_equal(q.usage[QUOTA_MESSAGE], messages);
    assert_int_equal(q.usage[QUOTA_STORAGE], octets);
    assert_int_equal(q.usage[QUOTA_MAILBOX], mailboxes);
    fixture_verify(a);
}

static void delete_all(struct mailbox *m)
{
    struct numset all = NUMSET_INIT;
    numset_add(&all, 1, UINT32_MAX);
    assert_int_equal(mailbox_expunge(m, &all, false, NULL), ERR_OK);
    numset_release(&all);
}

static void test_usage(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct mailbox *sent = fixture_find(f.account, "Sent");
    struct numset all = NUMSET_INIT;
    numset_add(&all, 1, UINT32_MAX);
    expect_usage(f.account, 0, 0, 6);
    (void)fixture_append(f.inbox, STR("Subject: x\r\n\r\n"), 0);
    (void)fixture_append(f.inbox, STR("Subject: 12345\r\n\r\n"), 0);
    struct quota q;
    account_get_quota(f.account, &q);
    assert_int_equal(q.usage[QUOTA_MESSAGE], 0); /* not committed */
    assert_int_equal(fixture_commit(&f), ERR_OK);
    expect_usage(f.account, 2, 32, 6);
    assert_int_equal(mailbox_copy(f.inbox, &all, sent, false, NULL, NULL), ERR_OK);
    assert_int_equal(mailbox_copy(f.inbox, &all, sent, true, NULL, NULL), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    expect_usage(f.account, 4, 64, 6);
    /* made, filled and gone within a turn */
    assert_int_equal(account_create_mailbox(f.account, STR("new"), USE_NONE), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct mailbox *m = fixture_find(f.account, "new");
    (void)fixture_append(m, STR("Subject: x\r\n\r\n"), 0);
    assert_int_equal(account_delete_mailbox(f.account, STR("new")), ERR_OK);
    mailbox_unref(&m);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    expect_usage(f.account, 4, 64, 6);
    mailbox_unref(&sent);
    fixture_reopen(&f);
    expect_usage(f.account, 4, 64, 6);
    sent = fixture_find(f.account, "Sent");
    delete_all(sent);
    mailbox_unref(&sent);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    expect_usage(f.account, 0, 0, 6);
    numset_release(&all);
    fixture_close(&f);
}

static void test_limits(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct quota q;
    account_get_quota(f.account, &q);
    assert_true(q.limit[QUOTA_STORAGE] == QUOTA_UNLIMITED);
    assert_true(q.own[QUOTA_STORAGE] == QUOTA_DEFAULT);
    assert_int_equal(q.limit[QUOTA_MAILBOX], MAILBOX_COUNT_MOST);
    const uint64_t limits[] = {1, QUOTA_UNLIMITED, 7};
    assert_int_equal(account_set_quota(f.account, limits), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    for (unsigned round = 0; round < 2; round++) {
        account_get_quota(f.account, &q);
        assert_memory_equal(q.own, limits, sizeof(limits));
        assert_int_equal(account_check_quota(f.account, 1000000, 1024), ERR_OK);
        assert_int_equal(account_check_quota(f.account, 1, 1025), ERR_OVER_QUOTA);
        fixture_reopen(&f);
    }
    (void)fixture_append(f.inbox, STR("Subject: x\r\n\r\n"), 0);
    assert_int_equal(account_check_quota(f.account, 1, 1011), ERR_OVER_QUOTA); /* pending */
    assert_int_equal(account_create_mailbox(f.account, STR("a/b"), USE_NONE), ERR_OVER_QUOTA);
    assert_int_equal(account_create_mailbox(f.account, STR("a"), USE_NONE), ERR_OK);
    assert_int_equal(account_rename_mailbox(f.account, STR("a"), STR("b/c")), ERR_OVER_QUOTA);
    assert_int_equal(account_rename_mailbox(f.account, STR("a"), STR("b")), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    expect_usage(f.account, 1, 14, 7);
    fixture_close(&f);
}

/* An account from before there were counters. */
static void test_old_account(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    for (unsigned i = 0; i < 600; i++) {
        (void)fixture_append(f.inbox, STR("Subject: x\r\n\r\n"), 0);
    }
    assert_int_equal(fixture_commit(&f), ERR_OK);
    char path[128];
    sqlite3 *db;
    (void)snprintf(path, sizeof(path), "%s/ann/account.db", f.dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "UPDATE meta SET value = 0 WHERE key = 'has_usage'", NULL, NULL, NULL),
        SQLITE_OK);
    (void)sqlite3_close(db);
    for (unsigned round = 0; round < 2; round++) {
        fixture_reopen(&f);
        expect_usage(f.account, 600 + round, 14 * (600 + round), 6);
        (void)fixture_append(f.inbox, STR("Subject: x\r\n\r\n"), 0);
        assert_int_equal(fixture_commit(&f), ERR_OK);
    }
    expect_usage(f.account, 602, 14 * 602, 6);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_old_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
