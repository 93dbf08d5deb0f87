/* X-OUTBOX: what an account sends is kept with what caused it, and goes when it was taken. */
#include "store_fixture.h"
#include "unit.h"

#include "store/outbox.h"
#include "store/seen.h"

#include <stdio.h>

enum { LARGE = 100 * 1024 };

static void write_body(struct fixture *f, size_t size, struct body_writer **out)
{
    struct buf octets = BUF_INIT(2 * LARGE);
    assert_int_equal(body_writer_new(f->account, out), ERR_OK);
    assert_int_equal(body_writer_add(*out, fixture_message(&octets, 7, size)), ERR_OK);
    assert_int_equal(body_writer_finish(*out), ERR_OK);
    buf_release(&octets);
}

static void add(struct fixture *f, uint64_t due_ms, struct str text, struct body_writer *w)
{
    struct outbox_item item = {.kind = OUTBOX_MAIL,
                               .due_ms = due_ms,
                               .expires_ms = due_ms + 1000,
                               .head = STR("to=ben\n"),
                               .text = text,
                               .skip = 3};
    assert_int_equal(account_add_outgoing(f->account, &item, w), ERR_OK);
}

static uint64_t count(struct fixture *f)
{
    uint64_t n = 0;
    assert_int_equal(account_count_outgoing(f->account, &n), ERR_OK);
    return n;
}

static void on_user(void *owner, struct str user)
{
    assert_true(str_eq(user, STR("ann")));
    ++*(int *)owner;
}

static int count_marks(struct fixture *f)
{
    int n = 0;
    assert_int_equal(store_list_outgoing(f->store, on_user, &n), ERR_OK);
    return n;
}

/* Lets the store apply its release log. */
static void settle(struct fixture *f)
{
    for (int i = 0; i < 8; i++) {
        (void)store_tick(f->store);
    }
}

static void test_items(void **state)
{
    struct fixture f = {0};
    fixture_open(&f);
    assert_int_equal(count_marks(&f), 0);
    struct body_writer *w;
    write_body(&f, LARGE, &w);
    add(&f, 2000, STR("Resent-To: ben\r\n"), w);
    add(&f, 1000, STR("first"), NULL);
    struct append_args args = {.internaldate_s = 1};
    struct uid uid;
    assert_int_equal(mailbox_append(f.inbox, w, &args, &uid), ERR_OK);
    body_writer_free(&w);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    fixture_verify(f.account);
    assert_int_equal(count_marks(&f), 1);
    fixture_reopen(&f);
    assert_int_equal(count_marks(&f), 1);
    assert_int_equal(count(&f), 2);
    settle(&f);
    fixture_verify(f.account);

    struct outbox_item item;
    struct buf octets = BUF_INIT(OUTBOX_TEXT_MOST);
    bool has_item = false;
    assert_int_equal(account_next_outgoing(f.account, &item, &octets, &has_item), ERR_OK);
    assert_true(has_item && str_eq(item.text, STR("first")) && item.body_id == 0);
    assert_true(str_eq(item.head, STR("to=ben\n")) && item.token.n == OUTBOX_TOKEN_SIZE);
    assert_int_equal(account_delay_outgoing(f.account, item.id, 3000), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(account_next_outgoing(f.account, &item, &octets, &has_item), ERR_OK);
    assert_true(has_item && item.body_id != 0 && item.skip == 3 && item.attempts == 0);
    struct body_reader *r;
    assert_int_equal(body_reader_new(f.account, item.body_id, &r), ERR_OK);
    assert_true(body_reader_get_size(r) > LARGE / 2);
    body_reader_free(&r);
    assert_int_equal(account_remove_outgoing(f.account, item.id), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    settle(&f);
    fixture_verify(f.account);
    assert_int_equal(account_next_outgoing(f.account, &item, &octets, &has_item), ERR_OK);
    assert_true(has_item && item.attempts == 1 && item.due_ms == 3000);
    assert_int_equal(account_remove_outgoing(f.account, item.id), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(account_next_outgoing(f.account, &item, &octets, &has_item), ERR_OK);
    assert_false(has_item);
    fixture_reopen(&f);
    assert_int_equal(count_marks(&f), 0);
    buf_release(&octets);
    fixture_close(&f);
}

/* A message that is only sent, not kept; and one whose turn fails. */
static void test_alone(void **state)
{
    struct fixture f = {0};
    fixture_open(&f);
    struct body_writer *w;
    write_body(&f, 500, &w);
    add(&f, 1, STR_EMPTY, w);
    add(&f, 2, STR_EMPTY, w);
    body_writer_free(&w);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    settle(&f);
    fixture_verify(f.account);
    struct outbox_item item;
    struct buf octets = BUF_INIT(OUTBOX_TEXT_MOST);
    bool has_item = false;
    uint64_t body_id = 0;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(account_next_outgoing(f.account, &item, &octets, &has_item), ERR_OK);
        assert_true(has_item);
        body_id = item.body_id;
        assert_int_equal(account_remove_outgoing(f.account, item.id), ERR_OK);
        assert_int_equal(fixture_commit(&f), ERR_OK);
    }
    settle(&f);
    fixture_verify(f.account);
    struct body_reader *r;
    assert_int_equal(body_reader_new(f.account, body_id, &r), ERR_NO_MESSAGE);
    buf_release(&octets);
    fixture_close(&f);
}

static void test_bound(void **state)
{
    struct fixture f = {0};
    fixture_open(&f);
    for (int i = 0; i < OUTBOX_MOST; i++) {
        add(&f, 1, STR("x"), NULL);
    }
    struct outbox_item item = {.kind = OUTBOX_MAIL};
    assert_int_equal(account_add_outgoing(f.account, &item, NULL), ERR_LIMIT);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(count(&f), OUTBOX_MOST);
    fixture_close(&f);
}

/* An account that comes back from a backup does not send again what it was about to send then. */
static void test_restored(void **state)
{
    struct fixture f = {0};
    fixture_open(&f);
    struct body_writer *w;
    write_body(&f, LARGE, &w);
    add(&f, 1, STR_EMPTY, w);
    add(&f, 1, STR("x"), NULL);
    body_writer_free(&w);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct buf folder = BUF_INIT(200);
    buf_addf(&folder, "%s/backup", f.dir);
    assert_int_equal(store_backup_account(f.store, STR("ann"), buf_str(&folder)), ERR_OK);
    assert_int_equal(store_restore_account(f.store, STR("bob"), buf_str(&folder)), ERR_OK);
    buf_release(&folder);
    struct account *bob;
    uint64_t n = 1;
    assert_int_equal(store_open_account(f.store, STR("bob"), false, &bob), ERR_OK);
    assert_int_equal(account_count_outgoing(bob, &n), ERR_OK);
    assert_int_equal(n, 0);
    settle(&f);
    fixture_verify(bob);
    account_unref(&bob);
    fixture_close(&f);
}

static bool has_seen(struct fixture *f, enum seen_kind kind, const char *key, int64_t now_s)
{
    bool is_seen = false;
    assert_int_equal(account_find_seen(f->account, kind, str_from_c(key), now_s, &is_seen), ERR_OK);
    return is_seen;
}

static void test_seen(void **state)
{
    struct fixture f = {0};
    fixture_open(&f);
    assert_false(has_seen(&f, SEEN_DUPLICATE, "a", 100));
    assert_int_equal(account_add_seen(f.account, SEEN_DUPLICATE, STR("a"), 100, 200), ERR_OK);
    assert_true(has_seen(&f, SEEN_DUPLICATE, "a", 100));
    assert_int_equal(fixture_commit(&f), ERR_OK);
    fixture_reopen(&f);
    assert_true(has_seen(&f, SEEN_DUPLICATE, "a", 199));
    assert_false(has_seen(&f, SEEN_DUPLICATE, "a", 200));
    assert_false(has_seen(&f, SEEN_VACATION, "a", 100));
    assert_false(has_seen(&f, SEEN_DUPLICATE, "b", 100));
    assert_int_equal(account_add_seen(f.account, SEEN_DUPLICATE, STR("a"), 150, 400), ERR_OK);
    assert_int_equal(account_add_seen(f.account, SEEN_DUPLICATE, STR("b"), 300, 310), ERR_OK);
    assert_true(has_seen(&f, SEEN_DUPLICATE, "a", 300));
    uint64_t n = 0;
    assert_int_equal(account_count_seen(f.account, SEEN_DUPLICATE, 300, &n), ERR_OK);
    assert_int_equal(n, 2);
    fixture_close(&f);
}

static void test_seen_most(void **state)
{
    struct fixture f = {0};
    uint64_t n = 0;
    unit_skip_if_slow();
    fixture_open(&f);
    assert_int_equal(account_add_seen(f.account, SEEN_DUPLICATE, STR("a"), 150, 400), ERR_OK);
    assert_int_equal(account_add_seen(f.account, SEEN_DUPLICATE, STR("b"), 300, 310), ERR_OK);
    for (int i = 0; i < SEEN_MOST; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "k%d", i);
        assert_int_equal(
            account_add_seen(f.account, SEEN_DUPLICATE, str_from_c(key), 300, 1000 + i), ERR_OK);
    }
    assert_int_equal(account_count_seen(f.account, SEEN_DUPLICATE, 300, &n), ERR_OK);
    assert_int_equal(n, SEEN_MOST);
    assert_false(has_seen(&f, SEEN_DUPLICATE, "b", 301)); /* the first to expire made room */
    assert_true(has_seen(&f, SEEN_DUPLICATE, "k9999", 301));
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seen_most), cmocka_unit_test(test_items),
        cmocka_unit_test(test_alone),     cmocka_unit_test(test_bound),
        cmocka_unit_test(test_restored),  cmocka_unit_test(test_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
