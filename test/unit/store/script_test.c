/* MD-8: Sieve scripts in the store: names, limits, the one that is active, durability. */
#include "store_fixture.h"
#include "unit.h"

#include "store/script.h"

#include <stdio.h>

/* "name" or "name*" (active) and size of each, in order */
static void expect_list(struct account *a, const char *expected)
{
    struct buf list = BUF_INIT(4096);
    struct buf after = BUF_INIT(SCRIPT_NAME_OCTETS);
    struct script_info info = {.name = BUF_INIT(SCRIPT_NAME_OCTETS)};
    for (bool has_next = true; has_next;) {
        assert_int_equal(account_script_next(a, buf_str(&after), &info, &has_next), ERR_OK);
        if (has_next) {
            buf_addf(&list, "%.*s%s %u,", STR_ARG(buf_str(&info.name)), info.is_active ? "*" : "",
                     (unsigned)info.size);
            buf_clear(&after);
            buf_add(&after, buf_str(&info.name));
        }
    }
    assert_str(buf_str(&list), str_from_c(expected));
    buf_release(&list);
    buf_release(&after);
    buf_release(&info.name);
}

static void expect_text(struct account *a, const char *name, const char *text)
{
    struct buf out = BUF_INIT(4096);
    enum err e = account_script_get(a, str_from_c(name), &out);
    assert_int_equal(e, text == NULL ? ERR_NOT_FOUND : ERR_OK);
    if (text != NULL) {
        assert_str(buf_str(&out), str_from_c(text));
    }
    buf_release(&out);
}

static void expect_active(struct account *a, const char *name, const char *text)
{
    struct buf n = BUF_INIT(SCRIPT_NAME_OCTETS);
    struct buf t = BUF_INIT(4096);
    bool has_active;
    assert_int_equal(account_script_find_active(a, &n, &t, &has_active), ERR_OK);
    assert_int_equal(has_active, name != NULL);
    if (name != NULL) {
        assert_str(buf_str(&n), str_from_c(name));
        assert_str(buf_str(&t), str_from_c(text));
    }
    buf_release(&n);
    buf_release(&t);
}

static void test_life(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct account *a = f.account;
    expect_active(a, NULL, NULL);
    expect_list(a, "");
    assert_int_equal(account_script_put(a, STR("work"), STR("keep;")), ERR_OK);
    assert_int_equal(account_script_put(a, STR("away"), STR("discard;\r\n")), ERR_OK);
    assert_int_equal(account_script_set_active(a, STR("work")), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    fixture_reopen(&f);
    a = f.account;
    expect_list(a, "away 10,work* 5,");
    expect_active(a, "work", "keep;");

    /* a new text under an active name stays active */
    assert_int_equal(account_script_put(a, STR("work"), STR("stop;\0")), ERR_OK);
    expect_list(a, "away 10,work* 6,");
    assert_int_equal(account_script_remove(a, STR("work")), ERR_SCRIPT_ACTIVE);
    assert_int_equal(account_script_rename(a, STR("work"), STR("away")), ERR_EXISTS);
    assert_int_equal(account_script_rename(a, STR("work"), STR("work")), ERR_EXISTS);
    assert_int_equal(account_script_rename(a, STR("none"), STR("x")), ERR_NOT_FOUND);
    assert_int_equal(account_script_rename(a, STR("work"), STR("a\nb")), ERR_SCRIPT_NAME);
    assert_int_equal(account_script_rename(a, STR("work"), STR("day")), ERR_OK);
    expect_list(a, "away 10,day* 6,");
    assert_int_equal(account_script_set_active(a, STR("work")), ERR_NOT_FOUND);
    assert_int_equal(account_script_set_active(a, STR("away")), ERR_OK);
    expect_list(a, "away* 10,day 6,");
    assert_int_equal(account_script_set_active(a, STR_EMPTY), ERR_OK);
    assert_int_equal(account_script_remove(a, STR("away")), ERR_OK);
    assert_int_equal(account_script_remove(a, STR("away")), ERR_NOT_FOUND);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    fixture_reopen(&f);
    expect_list(f.account, "day 6,");
    expect_active(f.account, NULL, NULL);
    fixture_verify(f.account);
    fixture_close(&f);
}

static void test_names(void **state)
{
    (void)state;
    struct fixture f = {0};
    char name[4 * SCRIPT_NAME_MOST + 8];
    fixture_open(&f);
    struct account *a = f.account;
    static const char *const BAD[] = {
        "", "a\x01", "\x7f", "a\xc2\x85", "\xe2\x80\xa8", "\xff", "\xe2\x80", "x\xe2\x80\xa9"};
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        assert_int_equal(account_script_put(a, str_from_c(BAD[i]), STR("keep;")), ERR_SCRIPT_NAME);
        expect_text(a, BAD[i], NULL);
        assert_int_equal(account_script_remove(a, str_from_c(BAD[i])), ERR_NOT_FOUND);
    }
    /* 128 characters, however many octets they have */
    for (unsigned i = 0; i < SCRIPT_NAME_MOST; i++) {
        memcpy(name + (size_t)4 * i, "\xf0\x9f\x8d\x8b", 5);
    }
    assert_int_equal(account_script_put(a, str_from_c(name), STR("keep;")), ERR_OK);
    expect_text(a, name, "keep;");
    memcpy(name + (size_t)4 * SCRIPT_NAME_MOST, "x", 2);
    assert_int_equal(account_script_put(a, str_from_c(name), STR("keep;")), ERR_SCRIPT_NAME);
    /* one name, typed in two ways */
    assert_int_equal(account_script_put(a, STR("u\xcc\x88"), STR("stop;")), ERR_OK);
    expect_text(a, "\xc3\xbc", "stop;");
    assert_int_equal(account_script_put(a, STR("\xc3\xbc"), STR("keep;")), ERR_OK);
    expect_text(a, "u\xcc\x88", "keep;");
    assert_int_equal(fixture_commit(&f), ERR_OK);
    fixture_verify(a);
    fixture_close(&f);
}

static void test_limits(void **state)
{
    (void)state;
    struct fixture f = {.config = {.script_most = 8, .scripts_most = 2}};
    fixture_open(&f);
    struct account *a = f.account;
    assert_int_equal(account_script_check(a, STR("a"), 8), ERR_OK);
    assert_int_equal(account_script_check(a, STR("a"), 9), ERR_SCRIPT_SIZE);
    assert_int_equal(account_script_check(a, STR(""), 1), ERR_SCRIPT_NAME);
    assert_int_equal(account_script_put(a, STR("a"), STR("123456789")), ERR_SCRIPT_SIZE);
    assert_int_equal(account_script_put(a, STR("a"), STR("12345678")), ERR_OK);
    assert_int_equal(account_script_put(a, STR("b"), STR("1")), ERR_OK);
    assert_int_equal(account_script_check(a, STR("c"), 1), ERR_SCRIPT_COUNT);
    assert_int_equal(account_script_put(a, STR("c"), STR("1")), ERR_SCRIPT_COUNT);
    assert_int_equal(account_script_put(a, STR("b"), STR("")), ERR_OK);
    expect_list(a, "a 8,b 0,");
    fixture_close(&f);
}

/* Whoever keeps something made of scripts learns that it is out of date. */
static void test_generation(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct account *a = f.account;
    uint64_t g = account_script_get_generation(a);
    assert_int_equal(account_script_put(a, STR("a"), STR("1")), ERR_OK);
    assert_true(account_script_get_generation(a) > g);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    g = account_script_get_generation(a);
    assert_int_equal(account_script_set_active(a, STR("a")), ERR_OK);
    assert_true(account_script_get_generation(a) > g);
    g = account_script_get_generation(a);
    expect_text(a, "a", "1");
    assert_int_equal(account_script_remove(a, STR("a")), ERR_SCRIPT_ACTIVE);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    assert_int_equal(account_script_get_generation(a), g);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
