/* Mailboxes: names, create, delete, rename, subscriptions, the list, UIDVALIDITY, access keys. */
#include "store_fixture.h"

#include <stdio.h>

static void test_names(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    static const struct {
        const char *name;
        enum err want;
    } CASES[] = {
        {"", ERR_MAILBOX_NAME},
        {"/", ERR_MAILBOX_NAME},
        {"/a", ERR_MAILBOX_NAME},
        {"a/", ERR_MAILBOX_NAME},
        {"a//b", ERR_MAILBOX_NAME},
        {"a\x01", ERR_MAILBOX_NAME},
        {"a\x7f", ERR_MAILBOX_NAME},
        {"\xc3", ERR_MAILBOX_NAME},             /* cut short */
        {"\xc0\xaf", ERR_MAILBOX_NAME},         /* not the shortest form */
        {"\xed\xa0\x80", ERR_MAILBOX_NAME},     /* surrogate */
        {"\xf4\x90\x80\x80", ERR_MAILBOX_NAME}, /* above U+10FFFF */
        {"\xc2\x85", ERR_MAILBOX_NAME},         /* C1 */
        {"\xe2\x80\xa8", ERR_MAILBOX_NAME},     /* line separator */
        {"INBOX", ERR_INBOX},
        {"inbox", ERR_INBOX},
        {"Sent", ERR_MAILBOX_EXISTS},
        {"sent", ERR_OK}, /* names differ in case */
        {"inbox/lists", ERR_OK},
        {"INBOX/lists", ERR_MAILBOX_EXISTS},
        {"B\xc3\xbcro/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", ERR_OK},
        {"\xf0\x9f\x8d\x8b", ERR_OK},
        {"a b c & % *", ERR_OK},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        enum err got = account_create_mailbox(f.account, str_from_c(CASES[i].name), USE_NONE);
        if (got != CASES[i].want) {
            print_error("case %zu: %s\n", i, err_get_info(got)->name);
        }
        assert_int_equal(got, CASES[i].want);
    }
    struct buf name = BUF_INIT(4096);
    for (unsigned i = 0; i < MAILBOX_DEPTH_MOST; i++) {
        buf_add_c(&name, i == 0 ? "d" : "/d");
    }
    assert_int_equal(account_create_mailbox(f.account, buf_str(&name), USE_NONE), ERR_OK);
    buf_add_c(&name, "/d");
    assert_int_equal(account_create_mailbox(f.account, buf_str(&name), USE_NONE), ERR_MAILBOX_NAME);
    buf_clear(&name);
    for (unsigned i = 0; i <= MAILBOX_NAME_MOST; i++) {
        buf_add_char(&name, 'n');
    }
    assert_int_equal(account_create_mailbox(f.account, buf_str(&name), USE_NONE), ERR_MAILBOX_NAME);
    buf_release(&name);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct mailbox *m = fixture_find(f.account, "iNbOx/lists");
    assert_str(mailbox_get_name(m), STR("INBOX/lists"));
    mailbox_unref(&m);
    fixture_close(&f);
}

/* One line a mailbox: name, then S subscribed, M mailbox, C has children. */
static void write_list(struct account *a, struct buf *out)
{
    struct mailbox_info info;
    buf_clear(out);
    for (size_t at = 0; account_next_mailbox(a, &at, &info);) {
        buf_addf(out, "%.*s %s%s%s\n", STR_ARG(info.name), info.is_subscribed ? "S" : "",
                 info.is_mailbox ? "M" : "", info.has_children ? "C" : "");
    }
}

static void test_list(void **state)
{
    (void)state;
    struct fixture f = {0};
    struct buf list = BUF_INIT(1 << 16);
    fixture_open(&f);
    write_list(f.account, &list);
    assert_str(buf_str(&list),
               STR("INBOX SM\nArchive SM\nDrafts SM\nJunk SM\nSent SM\nTrash SM\n"));
    struct mailbox *m = fixture_find(f.account, "Junk");
    assert_int_equal(mailbox_get_special_use(m), USE_JUNK);
    mailbox_unref(&m);

    assert_int_equal(account_create_mailbox(f.account, STR("a/b/c"), USE_NONE), ERR_OK);
    assert_int_equal(account_create_mailbox(f.account, STR("a-b"), USE_NONE), ERR_OK);
    assert_int_equal(account_create_mailbox(f.account, STR("INBOX/z"), USE_NONE), ERR_OK);
    assert_int_equal(account_set_subscribed(f.account, STR("gone/x"), true), ERR_OK);
    assert_int_equal(account_set_subscribed(f.account, STR("Junk"), false), ERR_OK);
    assert_int_equal(account_set_subscribed(f.account, STR("bad//name"), true), ERR_MAILBOX_NAME);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(account_delete_mailbox(f.account, STR("a/b")), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    static const struct str WANT =
        STR("INBOX SMC\nINBOX/z M\nArchive SM\nDrafts SM\nJunk M\nSent SM\nTrash SM\n"
            "a MC\na/b C\na/b/c M\na-b M\ngone \ngone/x S\n");
    for (unsigned round = 0; round < 2; round++) {
        write_list(f.account, &list);
        assert_str(buf_str(&list), WANT);
        fixture_reopen(&f);
    }
    assert_int_equal(account_delete_mailbox(f.account, STR("a/b")), ERR_NO_MAILBOX);
    assert_int_equal(account_create_mailbox(f.account, STR("a/b"), USE_NONE), ERR_OK);
    buf_release(&list);
    fixture_close(&f);
}

/* Going on behind a name, also behind one that is not there. */
static void test_seek(void **state)
{
    (void)state;
    struct fixture f = {0};
    struct mailbox_info info;
    fixture_open(&f);
    size_t at = account_seek_mailbox(f.account, STR("INBOX"));
    assert_true(account_next_mailbox(f.account, &at, &info));
    assert_str(info.name, STR("Archive"));
    at = account_seek_mailbox(f.account, STR("Dust"));
    assert_true(account_next_mailbox(f.account, &at, &info));
    assert_str(info.name, STR("Junk"));
    at = account_seek_mailbox(f.account, STR("Trash"));
    assert_false(account_next_mailbox(f.account, &at, &info));
    fixture_close(&f);
}

static unsigned get_use(struct account *a, const char *name)
{
    struct mailbox *m = fixture_find(a, name);
    unsigned use = mailbox_get_special_use(m);
    mailbox_unref(&m);
    return use;
}

/* X-CREATE-SPECIAL-USE: one mailbox a use. */
static void test_special_use(void **state)
{
    (void)state;
    uint64_t modseq;
    struct fixture f = {0};
    fixture_open(&f);
    struct account *a = f.account;
    assert_int_equal(account_create_mailbox(a, STR("All"), USE_ALL), ERR_USE_ATTR);
    assert_int_equal(account_set_special_use(a, STR("INBOX"), USE_JUNK, &modseq), ERR_USE_ATTR);
    assert_int_equal(account_set_special_use(a, STR("nope"), USE_JUNK, &modseq), ERR_NO_MAILBOX);
    assert_false(account_has_pending(a));
    assert_int_equal(account_create_mailbox(a, STR("new"), USE_SENT | USE_JUNK), ERR_OK);
    assert_int_equal(get_use(a, "Sent"), USE_SENT);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    for (unsigned round = 0; round < 2; round++) {
        a = f.account;
        assert_int_equal(get_use(a, "Sent"), USE_NONE);
        assert_int_equal(get_use(a, "new"), USE_SENT | USE_JUNK);
        fixture_reopen(&f);
    }
    a = f.account;
    assert_int_equal(account_set_special_use(a, STR("Sent"), USE_SENT, &modseq), ERR_OK);
    assert_int_equal(account_set_special_use(a, STR("INBOX"), USE_NONE, &modseq), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(get_use(a, "Sent"), USE_SENT);
    assert_int_equal(get_use(a, "new"), USE_JUNK);
    fixture_verify(a);
    fixture_close(&f);
}

static void test_delete(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    assert_int_equal(account_delete_mailbox(f.account, STR("inbox")), ERR_INBOX);
    assert_int_equal(account_delete_mailbox(f.account, STR("nope")), ERR_NO_MAILBOX);
    struct mailbox *m = fixture_find(f.account, "Archive");
    (void)fixture_append(m, STR("Subject: x\r\n\r\n"), 0);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct view *v = view_ref(fixture_view(m));
    uint32_t uidvalidity = view_get_uidvalidity(v);
    uint64_t id = mailbox_get_id(m);

    /* gone and made again within one turn */
    assert_int_equal(account_delete_mailbox(f.account, STR("Archive")), ERR_OK);
    assert_int_equal(account_delete_mailbox(f.account, STR("Archive")), ERR_NO_MAILBOX);
    assert_int_equal(account_create_mailbox(f.account, STR("Archive"), USE_ARCHIVE), ERR_OK);
    struct body_writer *w;
    struct uid uid;
    const struct append_args args = {0};
    assert_int_equal(body_writer_new(f.account, &w), ERR_OK);
    assert_int_equal(body_writer_finish(w), ERR_OK);
    assert_int_equal(mailbox_append(m, w, &args, &uid), ERR_NO_MAILBOX);
    body_writer_free(&w);
    assert_false(mailbox_is_deleted(m));
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_true(mailbox_is_deleted(m));
    struct mailbox *again = fixture_find(f.account, "Archive");
    assert_true(mailbox_get_id(again) != id);
    assert_true(view_get_uidvalidity(fixture_view(again)) > uidvalidity);
    assert_int_equal(view_get_count(fixture_view(again)), 0);

    /* the message can be read as long as somebody looks at it */
    struct message msg;
    struct body_reader *r;
    for (unsigned i = 0; i < 3; i++) {
        f.now_ms += 500;
        (void)store_tick(f.store);
    }
    assert_int_equal(view_get(v, (struct seq){1}, &msg), ERR_OK);
    assert_int_equal(body_reader_new(f.account, msg.body_id, &r), ERR_OK);
    body_reader_free(&r);
    view_unref(&v);
    mailbox_unref(&m);
    (void)store_tick(f.store);
    assert_int_equal(body_reader_new(f.account, msg.body_id, &r), ERR_NO_MESSAGE);
    mailbox_unref(&again);
    fixture_verify(f.account);
    fixture_close(&f);
}

static void test_rename(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct account *a = f.account;
    assert_int_equal(account_create_mailbox(a, STR("p/q/r"), USE_NONE), ERR_OK);
    assert_int_equal(account_create_mailbox(a, STR("pq"), USE_NONE), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct mailbox *m = fixture_find(a, "p/q/r");
    uint64_t id = mailbox_get_id(m);
    uint32_t uidvalidity = view_get_uidvalidity(fixture_view(m));
    assert_int_equal(account_rename_mailbox(a, STR("nope"), STR("x")), ERR_NO_MAILBOX);
    assert_int_equal(account_rename_mailbox(a, STR("p"), STR("p")), ERR_MAILBOX_EXISTS);
    assert_int_equal(account_rename_mailbox(a, STR("p"), STR("p/q/new")), ERR_MAILBOX_NAME);
    assert_int_equal(account_rename_mailbox(a, STR("p"), STR("pq")), ERR_MAILBOX_EXISTS);
    assert_int_equal(account_rename_mailbox(a, STR("p"), STR("INBOX")), ERR_MAILBOX_EXISTS);
    assert_int_equal(account_rename_mailbox(a, STR("p"), STR("bad/")), ERR_MAILBOX_NAME);
    assert_false(account_has_pending(a));

    /* twice in a turn, into a tree that is not there */
    assert_int_equal(account_rename_mailbox(a, STR("p"), STR("s")), ERR_OK);
    assert_int_equal(account_rename_mailbox(a, STR("s"), STR("t/u")), ERR_OK);
    assert_int_equal(account_rename_mailbox(a, STR("pq"), STR("p")), ERR_OK);
    assert_str(mailbox_get_name(m), STR("p/q/r"));
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_str(mailbox_get_name(m), STR("t/u/q/r"));
    assert_int_equal(mailbox_get_id(m), id);
    assert_int_equal(view_get_uidvalidity(fixture_view(m)), uidvalidity);
    mailbox_unref(&m);
    m = fixture_find(a, "t");
    mailbox_unref(&m);
    m = fixture_find(a, "p");
    mailbox_unref(&m);
    fixture_reopen(&f);
    m = fixture_find(f.account, "t/u/q/r");
    assert_int_equal(mailbox_get_id(m), id);
    mailbox_unref(&m);
    fixture_verify(f.account);
    fixture_close(&f);
}

/* RFC 3501, 6.3.5 */
static void test_rename_inbox(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    uint64_t bit;
    assert_int_equal(mailbox_get_keyword(f.inbox, STR("$Work"), true, &bit), ERR_OK);
    for (unsigned i = 0; i < 5; i++) {
        (void)fixture_append(f.inbox, STR("Subject: x\r\n\r\n"), bit);
    }
    assert_int_equal(account_create_mailbox(f.account, STR("INBOX/child"), USE_NONE), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(account_rename_mailbox(f.account, STR("inbox"), STR("Sent")),
                     ERR_MAILBOX_EXISTS);
    assert_int_equal(account_rename_mailbox(f.account, STR("inbox"), STR("old/mail")), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(view_get_count(fixture_view(f.inbox)), 0);
    assert_int_equal(view_get_uidnext(fixture_view(f.inbox)).v, 6);
    struct mailbox *m = fixture_find(f.account, "INBOX/child");
    mailbox_unref(&m);
    m = fixture_find(f.account, "old/mail");
    assert_int_equal(view_get_count(fixture_view(m)), 5);
    uint64_t there;
    assert_int_equal(mailbox_get_keyword(m, STR("$work"), false, &there), ERR_OK);
    struct message msg;
    view_get_hot(fixture_view(m), (struct seq){5}, &msg);
    assert_int_equal(msg.flags, there);
    mailbox_unref(&m);
    fixture_verify(f.account);
    fixture_close(&f);
}

static void test_urlauth_keys(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    uint8_t key[4][URLAUTH_KEY_SIZE];
    struct mailbox *m = fixture_find(f.account, "Sent");
    assert_int_equal(mailbox_get_urlauth_key(f.inbox, key[0]), ERR_OK);
    assert_int_equal(mailbox_get_urlauth_key(f.inbox, key[1]), ERR_OK);
    assert_int_equal(mailbox_get_urlauth_key(m, key[2]), ERR_OK);
    assert_memory_equal(key[0], key[1], URLAUTH_KEY_SIZE);
    assert_memory_not_equal(key[0], key[2], URLAUTH_KEY_SIZE);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    mailbox_unref(&m);
    fixture_reopen(&f);
    assert_int_equal(mailbox_get_urlauth_key(f.inbox, key[1]), ERR_OK);
    assert_memory_equal(key[0], key[1], URLAUTH_KEY_SIZE);
    assert_false(account_has_pending(f.account));
    assert_int_equal(account_reset_urlauth_key(f.account, NULL), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(mailbox_get_urlauth_key(f.inbox, key[3]), ERR_OK);
    assert_memory_not_equal(key[0], key[3], URLAUTH_KEY_SIZE);
    fixture_reopen(&f);
    assert_int_equal(mailbox_get_urlauth_key(f.inbox, key[1]), ERR_OK);
    assert_memory_equal(key[1], key[3], URLAUTH_KEY_SIZE);
    fixture_close(&f);
}

static void test_folder_names(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    char many[256];
    memset(many, '/', sizeof(many));
    const struct str users[] = {
        STR("../ann"), STR("."),    STR(".."),           STR("ANN"),          STR("a\nb"),
        STR("ann%2F"), STR("ann/"), str_make(many, 255), str_make(many, 254),
    };
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        struct account *a;
        assert_int_equal(store_open_account(f.store, users[i], true, &a), ERR_OK);
        assert_str(account_get_user(a), users[i]);
        account_unref(&a);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),        cmocka_unit_test(test_list),
        cmocka_unit_test(test_seek),         cmocka_unit_test(test_special_use),
        cmocka_unit_test(test_delete),       cmocka_unit_test(test_rename),
        cmocka_unit_test(test_rename_inbox), cmocka_unit_test(test_urlauth_keys),
        cmocka_unit_test(test_folder_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
