/* Remembered checks: only what was checked, not for ever, not too many. */
#include "auth/checks.h"

#include "unit.h"

#include <stdio.h>

static void test_remembering(void **state)
{
    struct checks *c = checks_new();
    assert_false(checks_has(c, STR("anna"), STR("pencil"), 0));
    checks_remember(c, STR("anna"), STR("pencil"), 1000);
    assert_false(checks_has(c, STR("anna"), STR("pencils"), 1000));
    assert_false(checks_has(c, STR("anna"), STR_EMPTY, 1000));
    assert_false(checks_has(c, STR("annap"), STR("encil"), 1000));
    assert_false(checks_has(c, STR("ann"), STR("apencil"), 1000));
    assert_true(checks_has(c, STR("anna"), STR("pencil"), 1000));
    assert_true(checks_has(c, STR("anna"), STR("pencil"), 1000 + CHECKS_KEEP_MS - 1));
    assert_false(checks_has(c, STR("anna"), STR("pencil"), 1000 + CHECKS_KEEP_MS));
    checks_remember(c, STR("anna"), STR("new"), 2000);
    assert_false(checks_has(c, STR("anna"), STR("pencil"), 2000));
    assert_true(checks_has(c, STR("anna"), STR("new"), 2000));
    checks_clear(c);
    assert_false(checks_has(c, STR("anna"), STR("new"), 2000));
    checks_free(&c);
}

static void test_bound(void **state)
{
    struct checks *c = checks_new();
    char name[32];
    for (unsigned i = 0; i <= CHECKS_MOST; i++) {
        (void)snprintf(name, sizeof(name), "user%u", i);
        checks_remember(c, str_from_c(name), STR("x"), i);
    }
    assert_false(checks_has(c, STR("user0"), STR("x"), CHECKS_MOST));
    assert_true(checks_has(c, STR("user1"), STR("x"), CHECKS_MOST));
    checks_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_remembering),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
