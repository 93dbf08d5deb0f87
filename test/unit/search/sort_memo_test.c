/* Unit tests of search/sort_memo: whatever came and went meanwhile, the order that was kept is the one that a new sort finds. */
#include "search/sort_memo.h"

#include "search/sort.h"
#include "store/store_fixture.h"
#include "unit.h"

#include <stdlib.h>

enum { COUNT = 1100 };

static void append(struct fixture *f, unsigned *dice)
{
    struct body_writer *w = NULL;
    struct uid uid;
    struct buf text = BUF_INIT(1024);
    const struct append_args args = {.internaldate_s = rand_r(dice) % 1000};
    buf_addf(&text, "Subject: %s%d\r\nFrom: x%d@example.com\r\n\r\n",
             rand_r(dice) % 2 ? "Re: " : "", rand_r(dice) % 300, rand_r(dice) % 5);
    assert_int_equal(body_writer_new(f->account, &w), ERR_OK);
    assert_int_equal(body_writer_add(w, buf_str(&text)), ERR_OK);
    assert_int_equal(body_writer_finish(w), ERR_OK);
    assert_int_equal(mailbox_append(f->inbox, w, &args, &uid), ERR_OK);
    body_writer_free(&w);
    buf_release(&text);
}

static void expunge(struct fixture *f, unsigned *dice)
{
    struct numset uids = NUMSET_INIT;
    uint32_t uid = 1 + (uint32_t)rand_r(dice) % COUNT;
    numset_add(&uids, uid, uid + (uint32_t)rand_r(dice) % 3);
    assert_int_equal(mailbox_expunge(f->inbox, &uids, false, NULL), ERR_OK);
    numset_release(&uids);
}

/* The order of those numbers, as text. */
static void sort(struct fixture *f, const struct sort_program *program, const struct numset *seqs,
                 struct buf *out)
{
    size_t count = 0;
    const struct sort_args args = {
        .mailbox = f->inbox, .view = fixture_view(f->inbox), .seqs = seqs, .program = program};
    struct sort *s = sort_new(&args);
    while (sort_step(s, 1000) == STEP_MORE) {
    }
    const uint32_t *order = sort_get_result(s, &count);
    for (size_t i = 0; i < count; i++) {
        buf_addf(out, "%u ", order[i]);
    }
    sort_free(&s);
}

static void expect_same(struct fixture *f, const struct sort_program *program,
                        const struct numset *seqs)
{
    struct buf kept = BUF_INIT(1 << 20);
    struct buf found = BUF_INIT(1 << 20);
    sort(f, program, seqs, &kept);
    struct account_memo *memo = account_find_memo(f->account);
    assert_non_null(memo);
    ((struct sort_memo *)memo)->refs++;
    account_set_memo(f->account, NULL);
    sort(f, program, seqs, &found);
    assert_true(str_eq(buf_str(&kept), buf_str(&found)));
    account_set_memo(f->account, memo); /* as it was: the next round follows it */
    buf_release(&kept);
    buf_release(&found);
}

static void change(struct fixture *f, unsigned *dice)
{
    for (int i = rand_r(dice) % 4; i > 0; i--) {
        append(f, dice);
    }
    for (int i = rand_r(dice) % 3; i > 0; i--) {
        expunge(f, dice);
    }
    assert_int_equal(fixture_commit(f), ERR_OK);
}

static void test_orders(void **state)
{
    static const struct sort_program PROGRAMS[] = {
        {{{SORT_SUBJECT, false}}, 1},
        {{{SORT_FROM, true}, {SORT_SUBJECT, false}}, 2},
        {{{SORT_ARRIVAL, true}}, 1},
    };
    for (size_t p = 0; p < sizeof(PROGRAMS) / sizeof(PROGRAMS[0]); p++) {
        struct fixture f = {0};
        unsigned dice = (unsigned)p + 1;
        fixture_open(&f);
        for (unsigned i = 0; i < COUNT + 100; i++) {
            append(&f, &dice);
        }
        assert_int_equal(fixture_commit(&f), ERR_OK);
        for (unsigned round = 0; round < 20; round++) {
            struct numset all = NUMSET_INIT;
            struct numset some = NUMSET_INIT;
            uint32_t count = view_get_count(fixture_view(f.inbox));
            numset_add(&all, 1, count);
            numset_add(&some, 3, count / 2);
            expect_same(&f, &PROGRAMS[p], &all);
            expect_same(&f, &PROGRAMS[p], &some);
            numset_release(&all);
            numset_release(&some);
            change(&f, &dice);
        }
        fixture_close(&f);
    }
}

/* One order an account; small mailboxes and other programs leave it alone or replace it. */
static void test_what_is_kept(void **state)
{
    struct fixture f = {0};
    unsigned dice = 7;
    struct numset all = NUMSET_INIT;
    struct buf out = BUF_INIT(1 << 20);
    const struct sort_program program = {{{SORT_SIZE, false}}, 1};
    fixture_open(&f);
    for (unsigned i = 0; i < 10; i++) {
        append(&f, &dice);
    }
    assert_int_equal(fixture_commit(&f), ERR_OK);
    numset_add(&all, 1, 10);
    sort(&f, &program, &all, &out);
    assert_null(account_find_memo(f.account));
    numset_release(&all);
    buf_release(&out);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_what_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
