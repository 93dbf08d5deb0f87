/* The store from outside: append, fetch, flags, expunge, copy, move, and what is left after closing. */
#include "store_fixture.h"

static struct numset set_of(uint32_t first, uint32_t last)
{
    struct numset s = NUMSET_INIT;
    numset_add(&s, first, last);
    return s;
}

static void assert_body(struct account *a, uint64_t body_id, struct str want)
{
    struct body_reader *r;
    struct str got;
    assert_int_equal(body_reader_new(a, body_id, &r), ERR_OK);
    assert_int_equal(body_reader_get_size(r), want.n);
    assert_int_equal(body_reader_get(r, 0, want.n, &got), ERR_OK);
    assert_str(got, want);
    assert_int_equal(body_reader_get(r, want.n, 10, &got), ERR_OK);
    assert_int_equal(got.n, 0);
    assert_int_equal(body_reader_get(r, want.n - 3, 10, &got), ERR_OK);
    assert_str(got, str_skip(want, want.n - 3));
    body_reader_free(&r);
}

static void test_refusals(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct account *a = NULL;
    struct mailbox *m = NULL;
    assert_int_equal(store_open_account(f.store, STR("bob"), false, &a), ERR_NOT_FOUND);
    assert_int_equal(store_open_account(f.store, STR(""), true, &a), ERR_NOT_FOUND);
    assert_int_equal(account_find_mailbox(f.account, STR("Nope"), &m), ERR_NO_MAILBOX);
    struct store *other;
    assert_int_equal(store_new(&f.config, &other), ERR_OK);
    assert_int_equal(store_open_account(other, STR("ann"), false, &a), ERR_IN_USE);
    store_free(&other);
    assert_false(account_has_pending(f.account));
    fixture_close(&f);
}

static void test_append_and_fetch(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct buf octets = BUF_INIT(1 << 20);
    static const size_t SIZES[] = {80, 4000, 65536, 65537, 300000};
    for (unsigned i = 0; i < 5; i++) {
        struct uid uid = fixture_append(f.inbox, fixture_message(&octets, i, SIZES[i]), FLAG_SEEN);
        assert_int_equal(uid.v, i + 1);
    }
    assert_int_equal(view_get_count(fixture_view(f.inbox)),
                     0); /* nobody sees it before the commit */
    assert_int_equal(fixture_commit(&f), ERR_OK);
    for (unsigned round = 0; round < 2; round++) {
        struct view *v = fixture_view(f.inbox);
        assert_int_equal(view_get_count(v), 5);
        assert_int_equal(view_get_unseen_count(v), 0);
        assert_int_equal(view_get_uidnext(v).v, 6);
        assert_true(view_get_highestmodseq(v) > 0);
        for (unsigned i = 0; i < 5; i++) {
            struct message m;
            assert_int_equal(view_get(v, (struct seq){i + 1}, &m), ERR_OK);
            struct str want = fixture_message(&octets, i, SIZES[i]);
            assert_int_equal(m.size, want.n);
            assert_int_equal(m.internaldate_s, 1600000000);
            assert_int_equal(m.savedate_s, 1700000000);
            assert_body(f.account, m.body_id, want);
            struct str shape;
            assert_int_equal(account_get_shape(f.account, m.body_id, &shape), ERR_OK);
            assert_true(shape.n > 0);
        }
        fixture_verify(f.account);
        fixture_reopen(&f);
    }
    buf_release(&octets);
    fixture_close(&f);
}

static void append_many(struct fixture *f, unsigned count)
{
    struct buf octets = BUF_INIT(1 << 20);
    for (unsigned i = 0; i < count; i++) {
        (void)fixture_append(f->inbox, fixture_message(&octets, i, 100), 0);
    }
    assert_int_equal(fixture_commit(f), ERR_OK);
    buf_release(&octets);
}

static void test_flags(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    append_many(&f, 600);
    struct view *before = view_ref(fixture_view(f.inbox));
    struct numset some = set_of(2, 400);
    struct numset modified = NUMSET_INIT;
    uint64_t flags = FLAG_SEEN | FLAG_DELETED;
    assert_int_equal(mailbox_store_flags(f.inbox, &some, FLAG_OP_ADD, flags, UINT64_MAX, NULL),
                     ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct view *v = fixture_view(f.inbox);
    assert_int_equal(view_get_unseen_count(v), 201);
    assert_int_equal(view_get_unseen_count(before), 600);
    assert_true(view_get_highestmodseq(v) > view_get_highestmodseq(before));

    /* the same flags again: no news, no modseq */
    uint64_t modseq = view_get_highestmodseq(v);
    assert_int_equal(mailbox_store_flags(f.inbox, &some, FLAG_OP_ADD, FLAG_SEEN, UINT64_MAX, NULL),
                     ERR_OK);
    assert_false(account_has_pending(f.account));
    assert_int_equal(view_get_highestmodseq(fixture_view(f.inbox)), modseq);

    /* M-9: a conditional store leaves what is newer alone, also when it is newer by this very turn */
    struct numset few = set_of(400, 401);
    assert_int_equal(
        mailbox_store_flags(f.inbox, &few, FLAG_OP_SET, FLAG_DRAFT, modseq - 1, &modified), ERR_OK);
    assert_true(numset_has(&modified, 400));
    assert_false(numset_has(&modified, 401));
    numset_clear(&modified);
    assert_int_equal(mailbox_store_flags(f.inbox, &few, FLAG_OP_SET, FLAG_SEEN, modseq, &modified),
                     ERR_OK);
    assert_false(numset_has(&modified, 400));
    assert_true(numset_has(&modified, 401));
    assert_int_equal(fixture_commit(&f), ERR_OK);
    fixture_verify(f.account);
    view_unref(&before);
    numset_release(&some);
    numset_release(&few);
    numset_release(&modified);
    fixture_close(&f);
}

static void test_expunge(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    append_many(&f, 600);
    struct view *before = view_ref(fixture_view(f.inbox));
    uint64_t modseq = view_get_highestmodseq(before);
    struct numset some = set_of(2, 400);
    assert_int_equal(
        mailbox_store_flags(f.inbox, &some, FLAG_OP_ADD, FLAG_DELETED, UINT64_MAX, NULL), ERR_OK);
    struct numset removed = NUMSET_INIT;
    struct numset wide = set_of(1, 300);
    assert_int_equal(mailbox_expunge(f.inbox, &wide, true, &removed), ERR_OK);
    assert_int_equal(numset_get_count(&removed), 299);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct view *v = fixture_view(f.inbox);
    assert_int_equal(view_get_count(v), 301);
    assert_int_equal(view_find_uid(v, (struct uid){301}).v, 2);
    assert_int_equal(view_find_uid(v, (struct uid){300}).v, 0);
    assert_int_equal(view_find_uid_from(v, (struct uid){300}).v, 2);
    struct numset expunged = NUMSET_INIT;
    assert_int_equal(mailbox_get_expunged(f.inbox, modseq, &expunged), ERR_OK);
    assert_int_equal(expunged.count, 1);
    assert_int_equal(expunged.at[0].first, 2);
    assert_int_equal(expunged.at[0].last, 300);

    /* who still has the old view can still read */
    struct buf octets = BUF_INIT(1 << 20);
    struct message m;
    assert_int_equal(view_get(before, (struct seq){10}, &m), ERR_OK);
    f.now_ms += 1000;
    (void)store_tick(f.store);
    assert_body(f.account, m.body_id, fixture_message(&octets, 9, 100));
    view_unref(&before);
    (void)store_tick(f.store);
    struct body_reader *r = NULL;
    assert_int_equal(body_reader_new(f.account, m.body_id, &r), ERR_NO_MESSAGE);
    fixture_verify(f.account);
    fixture_reopen(&f);
    assert_int_equal(view_get_count(fixture_view(f.inbox)), 301);
    numset_release(&some);
    numset_release(&wide);
    numset_release(&removed);
    numset_release(&expunged);
    buf_release(&octets);
    fixture_close(&f);
}

struct pairs {
    struct copy_pair at[8];
    size_t count;
};

static void on_pair(void *owner, struct copy_pair p)
{
    struct pairs *pairs = owner;
    assert_true(pairs->count < 8);
    pairs->at[pairs->count++] = p;
}

static void test_copy_and_move(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct buf octets = BUF_INIT(1 << 20);
    uint64_t junk;
    uint64_t other;
    assert_int_equal(mailbox_get_keyword(f.inbox, STR("$Forwarded"), true, &other), ERR_OK);
    assert_int_equal(mailbox_get_keyword(f.inbox, STR("$Junk"), true, &junk), ERR_OK);
    for (unsigned i = 0; i < 3; i++) {
        (void)fixture_append(f.inbox, fixture_message(&octets, i, 100), i == 1 ? junk : 0);
    }
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct mailbox *archive = fixture_find(f.account, "Archive");
    struct numset all = set_of(1, UINT32_MAX);
    struct pairs pairs = {0};
    assert_int_equal(mailbox_copy(f.inbox, &all, archive, false, on_pair, &pairs), ERR_OK);
    assert_int_equal(mailbox_copy(f.inbox, &all, f.inbox, false, NULL, NULL), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(pairs.count, 3);
    assert_int_equal(pairs.at[2].to.v, 3);
    assert_int_equal(view_get_count(fixture_view(archive)), 3);
    assert_int_equal(view_get_count(fixture_view(f.inbox)), 6);
    struct message m;
    assert_int_equal(view_get(fixture_view(archive), (struct seq){2}, &m), ERR_OK);
    uint64_t bit;
    assert_int_equal(mailbox_get_keyword(archive, STR("$JUNK"), false, &bit), ERR_OK);
    assert_int_equal(m.flags, bit);
    assert_int_equal(bit, UINT64_C(1) << KEYWORD_FIRST);
    fixture_verify(f.account);

    assert_int_equal(mailbox_copy(f.inbox, &all, archive, true, NULL, NULL), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(view_get_count(fixture_view(f.inbox)), 0);
    assert_int_equal(view_get_uidnext(fixture_view(f.inbox)).v, 7);
    assert_int_equal(view_get_count(fixture_view(archive)), 9);
    for (unsigned i = 0; i < 4; i++) {
        f.now_ms += 1000;
        (void)store_tick(f.store);
    }
    fixture_verify(f.account);
    assert_int_equal(view_get(fixture_view(archive), (struct seq){9}, &m), ERR_OK);
    assert_body(f.account, m.body_id, fixture_message(&octets, 2, 100));
    mailbox_unref(&archive);
    numset_release(&all);
    buf_release(&octets);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),      cmocka_unit_test(test_append_and_fetch),
        cmocka_unit_test(test_flags),         cmocka_unit_test(test_expunge),
        cmocka_unit_test(test_copy_and_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
