/* Unit tests of sets in wire/imap_scan: sequence sets, UID sets, partial ranges, QRESYNC's parameters (M-10). */
#include "wire/imap_scan.h"

#include "random.h"
#include "unit.h"

static enum err parse_set(struct arena *a, struct str s, struct seq_set *out)
{
    struct scan c = scan_make(s);
    scan_seq_set(&c, a, out);
    scan_require_end(&c);
    return scan_get_err(&c);
}

static void test_bad_sets(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "0",    "1:", ":1", "1,",  ",1",         "1:2:3",
                                      "1 ,2", "1:0",  "01", "-1", "1;2", "4294967296", "**",
                                      "1::2", "1,,2", "*:", "a",  "$",   "1*",         "*1"};
    struct arena *a = arena_new(10000);
    struct seq_set set;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse_set(a, str_from_c(bad[i]), &set), ERR_SYNTAX);
    }
    struct numset uids = NUMSET_INIT;
    static const char *const bad_uids[] = {"", "*", "1:*", "1,", "0", "5:0"};
    for (size_t i = 0; i < sizeof(bad_uids) / sizeof(bad_uids[0]); i++) {
        struct scan c = scan_make(str_from_c(bad_uids[i]));
        scan_uid_set(&c, &uids);
        scan_require_end(&c);
        assert_int_equal(scan_get_err(&c), ERR_SYNTAX);
    }
    numset_release(&uids);
    arena_free(&a);
}

static void test_resolve(void **state)
{
    (void)state;
    static const struct {
        const char *set;
        uint32_t max;
        const char *resolved;
        bool is_within;
    } cases[] = {
        {"1", 1, "1", true},
        {"2", 1, "2", false},
        {"*", 7, "7", true},
        {"*", 0, "", false},
        {"1:*", 0, "", false},
        {"1", 0, "1", false},
        {"2:4,4:7,9,12:*", 15, "2:7,9,12:15", true},
        {"*:4,5:7", 10, "4:10", true},
        {"559:*", 500, "500:559", false},
        {"3:1", 3, "1:3", true},
        {"*:*", 3, "3", true},
        {"4294967295", 4294967295U, "4294967295", true},
        {"1:4294967295", 5, "1:4294967295", false},
    };
    struct arena *a = arena_new(10000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seq_set set;
        struct numset numbers = NUMSET_INIT;
        struct buf out = BUF_INIT(1000);
        assert_int_equal(parse_set(a, str_from_c(cases[i].set), &set), ERR_OK);
        seq_set_resolve(&set, cases[i].max, &numbers);
        numset_write(&out, &numbers);
        assert_str(buf_str(&out), str_from_c(cases[i].resolved));
        assert_int_equal(seq_set_is_within(&set, cases[i].max), cases[i].is_within);
        buf_release(&out);
        numset_release(&numbers);
    }
    arena_free(&a);
}

static void test_set_round_trip(void **state)
{
    (void)state;
    struct random r = {7};
    struct arena *a = arena_new(100000);
    struct buf text = BUF_INIT(10000);
    for (int i = 0; i < 5000; i++) {
        struct seq_range ranges[8];
        struct seq_set set = {ranges, 1 + random_below(&r, 8)};
        struct seq_set back;
        for (uint32_t k = 0; k < set.count; k++) {
            ranges[k].first = random_below(&r, 1U << (1 + random_below(&r, 31)));
            ranges[k].last =
                random_below(&r, 2) == 0 ? ranges[k].first : random_below(&r, UINT32_MAX);
        }
        buf_clear(&text);
        arena_clear(a);
        seq_set_write(&text, &set);
        assert_int_equal(parse_set(a, buf_str(&text), &back), ERR_OK);
        assert_int_equal(back.count, set.count);
        assert_memory_equal(back.at, set.at, set.count * sizeof(ranges[0]));
    }
    buf_release(&text);
    arena_free(&a);
}

static void test_uid_set(void **state)
{
    (void)state;
    struct numset uids = NUMSET_INIT;
    struct buf out = BUF_INIT(100);
    struct scan c = scan_make(STR("9:7,1,3:4 x"));
    scan_uid_set(&c, &uids);
    assert_int_equal(scan_get_err(&c), ERR_OK);
    assert_str(scan_rest(&c), STR(" x"));
    numset_write(&out, &uids);
    assert_str(buf_str(&out), STR("1,3:4,7:9"));
    numset_release(&uids);
    buf_release(&out);
}

static void test_partial_range(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "1",    "1:",     "0:1",  "1:0",
                                      "-1:1", "1:-1", "--1:-2", "1:2:3"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct scan c = scan_make(str_from_c(bad[i]));
        (void)scan_partial_range(&c);
        scan_require_end(&c);
        assert_int_equal(scan_get_err(&c), ERR_SYNTAX);
    }
    struct scan c = scan_make(STR("23500:24000"));
    struct partial_range range = scan_partial_range(&c);
    assert_int_equal(range.first, 23500);
    assert_int_equal(range.last, 24000);
    c = scan_make(STR("-1:-100"));
    range = scan_partial_range(&c);
    assert_int_equal(scan_get_err(&c), ERR_OK);
    assert_int_equal(range.first, -1);
    assert_int_equal(range.last, -100);
}

/* X-PARTIAL: places from both ends, at the edges of ranges and beyond the end; compared with counting them one by one. */
static void test_partial_range_apply(void **state)
{
    (void)state;
    static const uint32_t numbers[] = {1, 3, 4, 5, 9, 10, 4294967295};
    enum { COUNT = sizeof(numbers) / sizeof(numbers[0]) };
    struct numset all = NUMSET_INIT;
    for (size_t i = 0; i < COUNT; i++) {
        numset_add(&all, numbers[i], numbers[i]);
    }
    for (int64_t first = -9; first <= 9; first++) {
        for (int64_t last = -9; last <= 9; last++) {
            if (first * last <= 0) {
                continue;
            }
            struct numset got = NUMSET_INIT;
            struct partial_range range = {first, last};
            partial_range_apply(range, &all, &got);
            int64_t low = first < last ? first : last;
            int64_t high = first < last ? last : first;
            for (int64_t i = 0; i < COUNT; i++) {
                int64_t place = first > 0 ? i + 1 : i - COUNT;
                bool is_wanted = place >= low && place <= high;
                assert_int_equal(numset_has(&got, numbers[i]), is_wanted);
            }
            assert_int_equal(partial_range_get_count(range), high - low + 1);
            numset_release(&got);
        }
    }
    struct numset none = NUMSET_INIT;
    struct numset got = NUMSET_INIT;
    partial_range_apply((struct partial_range){-1, -5}, &none, &got);
    assert_true(numset_is_empty(&got));
    numset_release(&all);
}

static void test_bad_select_params(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "()",
        "(CONDSTORE",
        "(CONDSTORE CONDSTORE)",
        "(FOO)",
        "(QRESYNC)",
        "(QRESYNC ())",
        "(QRESYNC (1))",
        "(QRESYNC (0 1))",
        "(QRESYNC (1 0))",
        "(QRESYNC (1 9223372036854775808))",
        "(QRESYNC (1 2 *))",
        "(QRESYNC (1 2 1:*))",
        "(QRESYNC (1 2 1:3 (1:* 5)))",
        "(QRESYNC (1 2 1:3 (1:2)))",
        "(QRESYNC (1 2 (1 2) 1:3))",
        "(QRESYNC (1 2 ))",
        "(QRESYNC (1 2)",
        "(QRESYNC (1 2) QRESYNC (1 2))",
    };
    struct arena *a = arena_new(10000);
    struct select_params params;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct scan c = scan_make(str_from_c(bad[i]));
        scan_select_params(&c, a, &params);
        assert_int_equal(scan_get_err(&c), ERR_SYNTAX);
    }
    arena_free(&a);
}

static void test_select_params(void **state)
{
    (void)state;
    struct arena *a = arena_new(10000);
    struct select_params params;
    struct scan c = scan_make(STR("(CONDSTORE)"));
    scan_select_params(&c, a, &params);
    assert_int_equal(scan_get_err(&c), ERR_OK);
    assert_true(params.is_condstore);
    assert_false(params.is_qresync);
    c = scan_make(
        STR("(qresync (67890007 90060115194045000 41:211,214:541 (1:5 41,43:46)) CONDSTORE)"));
    scan_select_params(&c, a, &params);
    assert_int_equal(scan_get_err(&c), ERR_OK);
    assert_true(params.is_condstore && params.is_qresync);
    assert_int_equal(params.uidvalidity, 67890007);
    assert_true(params.modseq == 90060115194045000U);
    assert_true(params.has_known_uids && params.has_match);
    assert_int_equal(params.known_uids.count, 2);
    assert_int_equal(params.known_uids.at[1].last, 541);
    assert_int_equal(params.match.seqs.count, 1);
    assert_int_equal(params.match.uids.count, 2);
    c = scan_make(STR("(QRESYNC (1 2 (1 2)))"));
    scan_select_params(&c, a, &params);
    assert_int_equal(scan_get_err(&c), ERR_OK);
    assert_true(!params.has_known_uids && params.has_match);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_sets),          cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_set_round_trip),    cmocka_unit_test(test_uid_set),
        cmocka_unit_test(test_partial_range),     cmocka_unit_test(test_partial_range_apply),
        cmocka_unit_test(test_bad_select_params), cmocka_unit_test(test_select_params),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
