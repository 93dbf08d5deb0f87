/* Unit tests of convert/cache (M-15, RFC 5259, 8.3 and 8.5): what is kept, what goes, what must not change. */
#include "convert/cache.h"

#include "unit.h"

#include <stdio.h>

static enum err put(struct convert_cache *c, const char *key, const char *octets)
{
    struct convert_result *r = convert_result_new(ERR_OK, NULL, str_from_c(octets));
    enum err e = convert_cache_put(c, str_from_c(key), r);
    convert_result_unref(&r);
    return e;
}

static bool has(struct convert_cache *c, const char *key, const char *want)
{
    struct convert_result *r = convert_cache_find(c, str_from_c(key));
    bool is_there = r != NULL && str_eq(buf_str(&r->octets), str_from_c(want));
    convert_result_unref(&r);
    return is_there;
}

static void test_least_used_goes(void **state)
{
    struct convert_cache *c = convert_cache_new(10);
    (void)state;
    assert_int_equal(put(c, "a", "1234"), ERR_OK);
    assert_int_equal(put(c, "b", "5678"), ERR_OK);
    assert_true(has(c, "a", "1234"));
    assert_int_equal(put(c, "c", "9abc"), ERR_OK);
    assert_true(has(c, "a", "1234"));
    assert_false(has(c, "b", "5678"));
    assert_true(has(c, "c", "9abc"));
    assert_int_equal(put(c, "d", "larger than it all"), ERR_OK);
    assert_false(has(c, "d", "larger than it all"));
    assert_true(has(c, "c", "9abc"));
    convert_cache_free(&c);
}

/* What was told stays known after the octets went: the same again is fine, something else is not. */
static void test_told(void **state)
{
    struct convert_cache *c = convert_cache_new(4);
    (void)state;
    assert_int_equal(put(c, "a", "1234"), ERR_OK);
    assert_int_equal(put(c, "b", "5678"), ERR_OK);
    assert_false(has(c, "a", "1234"));
    assert_int_equal(put(c, "a", "1235"), ERR_MODIFIED);
    assert_int_equal(put(c, "a", "12345"), ERR_MODIFIED);
    assert_int_equal(put(c, "a", "1234"), ERR_OK);
    assert_true(has(c, "a", "1234"));
    convert_cache_free(&c);
}

static void test_counted(void **state)
{
    struct convert_cache *c = convert_cache_new(4);
    (void)state;
    assert_int_equal(put(c, "a", "1\n2\n"), ERR_OK);
    struct convert_result *r = convert_cache_find(c, STR("a"));
    convert_cache_free(&c);
    assert_str(buf_str(&r->octets), STR("1\n2\n"));
    assert_int_equal(r->lines, 2);
    convert_result_unref(&r);
    assert_null(r);
}

static void test_many(void **state)
{
    struct convert_cache *c = convert_cache_new(1024 * 1024);
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "%u", i);
        assert_int_equal(put(c, key, "x"), ERR_OK);
    }
    assert_false(has(c, "0", "x"));
    assert_true(has(c, "19999", "x"));
    convert_cache_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least_used_goes),
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_counted),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
