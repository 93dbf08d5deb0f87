/* Access control lists in the store: what they grant, what survives what, bounds. */
#include "store_fixture.h"

#include <stdio.h>

static void set(struct mailbox *m, const char *identifier, enum acl_op op, unsigned rights)
{
    assert_int_equal(mailbox_set_rights(m, str_from_c(identifier), op, rights), ERR_OK);
}

static unsigned get(const struct mailbox *m, const char *user)
{
    return mailbox_get_rights(m, str_from_c(user));
}

static void test_rights(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    enum { LR = RIGHT_LOOKUP | RIGHT_READ };
    assert_int_equal(get(f.inbox, "bob"), 0);
    set(f.inbox, "anyone", ACL_OP_SET, LR);
    set(f.inbox, "bob", ACL_OP_SET, RIGHT_INSERT);
    assert_int_equal(get(f.inbox, "bob"), 0); /* not committed */
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(get(f.inbox, "bob"), LR | RIGHT_INSERT);
    assert_int_equal(get(f.inbox, "carol"), LR);
    set(f.inbox, "-bob", ACL_OP_ADD, RIGHT_READ);
    set(f.inbox, "bob", ACL_OP_ADD, RIGHT_READ | RIGHT_WRITE);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(get(f.inbox, "bob"), RIGHT_LOOKUP | RIGHT_INSERT | RIGHT_WRITE);
    set(f.inbox, "-anyone", ACL_OP_SET, RIGHT_LOOKUP);
    set(f.inbox, "bob", ACL_OP_REMOVE, RIGHT_WRITE);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(get(f.inbox, "bob"), RIGHT_INSERT);
    assert_int_equal(get(f.inbox, "carol"), RIGHT_READ);
    /* a name that only looks negative is nobody */
    assert_int_equal(get(f.inbox, "-bob"), RIGHT_READ);
    fixture_reopen(&f);
    assert_int_equal(get(f.inbox, "bob"), RIGHT_INSERT);
    fixture_verify(f.account);
    fixture_close(&f);
}

static void test_life(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    assert_int_equal(account_create_mailbox(f.account, STR("a/b"), USE_NONE), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct mailbox *b = fixture_find(f.account, "a/b");
    set(b, "bob", ACL_OP_SET, RIGHT_ALL);
    /* what is made in the same turn inherits what was just granted */
    assert_int_equal(account_create_mailbox(f.account, STR("a/b/c/d"), USE_NONE), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct mailbox *d = fixture_find(f.account, "a/b/c/d");
    assert_int_equal(get(d, "bob"), RIGHT_ALL);
    set(d, "bob", ACL_OP_SET, RIGHT_READ);
    assert_int_equal(account_rename_mailbox(f.account, STR("a/b"), STR("z")), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    mailbox_unref(&b);
    mailbox_unref(&d);
    fixture_reopen(&f);
    b = fixture_find(f.account, "z");
    d = fixture_find(f.account, "z/c/d");
    assert_int_equal(get(b, "bob"), RIGHT_ALL);
    assert_int_equal(get(d, "bob"), RIGHT_READ);
    assert_int_equal(account_delete_mailbox(f.account, STR("z")), ERR_OK);
    assert_int_equal(mailbox_set_rights(b, STR("bob"), ACL_OP_SET, RIGHT_READ), ERR_NO_MAILBOX);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(account_create_mailbox(f.account, STR("z"), USE_NONE), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    mailbox_unref(&b);
    mailbox_unref(&d);
    b = fixture_find(f.account, "z");
    assert_int_equal(get(b, "bob"), 0);
    mailbox_unref(&b);
    fixture_close(&f);
}

static void test_bounds(void **state)
{
    (void)state;
    struct fixture f = {0};
    char name[ACL_IDENTIFIER_MOST + 2];
    fixture_open(&f);
    for (unsigned i = 0; i < ACL_ENTRIES_MOST; i++) {
        (void)snprintf(name, sizeof(name), "user%u", i);
        set(f.inbox, name, ACL_OP_SET, RIGHT_READ);
    }
    assert_int_equal(mailbox_set_rights(f.inbox, STR("more"), ACL_OP_SET, RIGHT_READ), ERR_LIMIT);
    set(f.inbox, "user0", ACL_OP_SET, 0);
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(mailbox_set_rights(f.inbox, str_from_c(name), ACL_OP_SET, RIGHT_READ),
                     ERR_LIMIT);
    set(f.inbox, "more", ACL_OP_SET, RIGHT_READ);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(get(f.inbox, "user0"), 0);
    assert_int_equal(get(f.inbox, "more"), RIGHT_READ);
    fixture_close(&f);
}

static void test_grantors(void **state)
{
    (void)state;
    struct fixture f = {0};
    size_t at = 0;
    struct str owner;
    fixture_open(&f);
    assert_false(account_next_grantor(f.account, &at, &owner));
    assert_int_equal(account_set_grantor(f.account, STR("bob"), true), ERR_OK);
    assert_int_equal(account_set_grantor(f.account, STR("carol"), true), ERR_OK);
    assert_false(account_has_grantor(f.account, STR("bob")));
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(account_set_grantor(f.account, STR("carol"), false), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    fixture_reopen(&f);
    assert_true(account_has_grantor(f.account, STR("bob")));
    assert_false(account_has_grantor(f.account, STR("carol")));
    for (unsigned i = 1; i < GRANTORS_MOST; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "user%u", i);
        assert_int_equal(account_set_grantor(f.account, str_from_c(name), true), ERR_OK);
    }
    assert_int_equal(account_set_grantor(f.account, STR("more"), true), ERR_LIMIT);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rights),
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_grantors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
