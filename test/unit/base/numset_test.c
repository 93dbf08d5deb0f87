/* Unit tests of base/numset. */
#include "base/numset.h"

#include "unit.h"

static void test_merges(void **state)
{
    (void)state;
    CLEANUP(numset_release) struct numset s = NUMSET_INIT;
    numset_add(&s, 5, 7);
    numset_add(&s, 9, 9);
    numset_add(&s, 8, 8);
    numset_add(&s, 2, 1);
    numset_add(&s, UINT32_MAX, UINT32_MAX);
    numset_add(&s, UINT32_MAX - 1, UINT32_MAX - 1);
    CLEANUP(buf_release) struct buf b = BUF_INIT(100);
    numset_write(&b, &s);
    assert_str(buf_str(&b), STR("1:2,5:9,4294967294:4294967295"));
}

static void test_remove_in_either_order(void **state)
{
    (void)state;
    CLEANUP(numset_release) struct numset s = NUMSET_INIT;
    numset_add(&s, 9, 1);
    numset_remove(&s, 5, 3);
    CLEANUP(buf_release) struct buf b = BUF_INIT(100);
    numset_write(&b, &s);
    assert_str(buf_str(&b), STR("1:2,6:9"));
}

static void test_against_a_bitmap(void **state)
{
    (void)state;
    CLEANUP(numset_release) struct numset s = NUMSET_INIT;
    CLEANUP(numset_release) struct numset other = NUMSET_INIT;
    bool has[64] = {false};
    unsigned random = 1;
    for (int round = 0; round < 5000; round++) {
        random = random * 1664525U + 1013904223U;
        unsigned first = random >> 8 & 63;
        unsigned last = first + (random >> 20 & 7);
        last = last > 63 ? 63 : last;
        unsigned op = random >> 28;
        if (op < 7) {
            numset_add(&s, first, last);
        } else if (op < 15) {
            numset_remove(&s, first, last);
        } else {
            numset_clear(&other);
            numset_add(&other, 0, first);
            numset_intersect(&s, &other);
        }
        for (unsigned i = 0; i < 64; i++) {
            bool inside = i >= first && i <= last;
            has[i] = op < 7 ? has[i] || inside : op < 15 ? has[i] && !inside : has[i] && i <= first;
            assert_int_equal(numset_has(&s, i), has[i]);
        }
        for (size_t i = 1; i < s.count; i++) {
            assert_true(s.at[i].first > s.at[i - 1].last + 1);
        }
    }
}

enum { WHOLE_MOST = 200 };

static void fill(struct numset *set, bool has[WHOLE_MOST], unsigned one_in, unsigned *random)
{
    for (unsigned n = 0; n < WHOLE_MOST; n++) {
        *random = *random * 1664525U + 1013904223U;
        has[n] = (*random >> 24) % one_in == 0;
        if (has[n]) {
            numset_add(set, n, n);
        }
    }
}

/* Union and difference of many ranges, which are merges, are those of their numbers. */
static void test_whole_sets(void **state)
{
    (void)state;
    unsigned random = 7;
    for (unsigned round = 0; round < 300; round++) {
        CLEANUP(numset_release) struct numset one = NUMSET_INIT;
        CLEANUP(numset_release) struct numset two = NUMSET_INIT;
        bool has[2][WHOLE_MOST];
        fill(&one, has[0], round % 5 + 2, &random);
        fill(&two, has[1], round % 5 + 2, &random);
        CLEANUP(numset_release) struct numset all = NUMSET_INIT;
        CLEANUP(numset_release) struct numset left = NUMSET_INIT;
        numset_copy(&all, &one);
        numset_add_set(&all, &two);
        numset_copy(&left, &one);
        numset_subtract(&left, &two);
        for (unsigned n = 0; n < WHOLE_MOST; n++) {
            assert_int_equal(numset_has(&all, n), has[0][n] || has[1][n]);
            assert_int_equal(numset_has(&left, n), has[0][n] && !has[1][n]);
        }
        for (size_t i = 1; i < all.count; i++) {
            assert_true(all.at[i].first > all.at[i - 1].last + 1);
        }
        for (size_t i = 1; i < left.count; i++) {
            assert_true(left.at[i].first > left.at[i - 1].last + 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merges),
        cmocka_unit_test(test_remove_in_either_order),
        cmocka_unit_test(test_against_a_bitmap),
        cmocka_unit_test(test_whole_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
