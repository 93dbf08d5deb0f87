/* Unit tests of base/map. */
#include "base/map.h"

#include "unit.h"

static void test_put_find_remove(void **state)
{
    (void)state;
    struct map *m = map_new();
    static int values[1000];
    for (uint64_t i = 0; i < 1000; i++) {
        assert_null(map_put(m, map_id(&i), &values[i]));
    }
    for (uint64_t i = 0; i < 1000; i += 2) {
        assert_ptr_equal(map_remove(m, map_id(&i)), &values[i]);
        assert_null(map_remove(m, map_id(&i)));
    }
    assert_int_equal(map_get_count(m), 500);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_ptr_equal(map_find(m, map_id(&i)), i % 2 == 0 ? NULL : (void *)&values[i]);
    }
    map_free(&m);
    assert_null(m);
}

static void test_churn_stays_small(void **state)
{
    (void)state;
    struct map *m = map_new();
    static int value;
    for (uint64_t i = 0; i < 100000; i++) {
        assert_null(map_put(m, map_id(&i), &value));
        assert_ptr_equal(map_remove(m, map_id(&i)), &value);
    }
    assert_int_equal(map_get_count(m), 0);
    map_free(&m);
}

static void test_walk_and_remove(void **state)
{
    (void)state;
    struct map *m = map_new();
    static int value;
    for (uint64_t i = 0; i < 100; i++) {
        (void)map_put(m, map_id(&i), &value);
    }
    size_t at = 0;
    size_t seen = 0;
    struct str key;
    void *v;
    while (map_next(m, &at, &key, &v)) {
        seen++;
        (void)map_remove(m, key);
    }
    assert_int_equal(seen, 100);
    assert_int_equal(map_get_count(m), 0);
    map_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_find_remove),
        cmocka_unit_test(test_churn_stays_small),
        cmocka_unit_test(test_walk_and_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
