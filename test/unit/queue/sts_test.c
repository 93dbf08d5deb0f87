/* The texts of MTA-STS (RFC 8461; X-MTA-STS), and the memory of policies. */
#include "queue/sts.h"

#include "base/buf.h"
#include "temp_dir.h"
#include "unit.h"

static struct arena *arena;
static struct sts_policy policy;

static int set_up(void **state)
{
    arena = arena_new(1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    arena_free(&arena);
    return 0;
}

static enum err parse(const char *text)
{
    policy = (struct sts_policy){.mode = STS_NONE};
    return sts_parse_policy(arena, str_from_c(text), &policy);
}

static void test_record(void **state)
{
    struct str id = STR_EMPTY;
    assert_true(sts_parse_record(STR("v=STSv1; id=20160831085700Z;"), &id));
    assert_str(id, STR("20160831085700Z"));
    assert_true(sts_parse_record(STR("v=STSv1;x=1;id=a"), &id));
    assert_str(id, STR("a"));
    assert_false(sts_parse_record(STR("v=STSv2; id=1"), &id));
    assert_false(sts_parse_record(STR("v=spf1 -all"), &id));
    assert_false(sts_parse_record(STR("v=STSv1;"), &id));
    assert_false(sts_parse_record(STR("v=STSv1; id=a b"), &id));
    assert_false(sts_parse_record(STR("v=STSv1; id=012345678901234567890123456789012"), &id));
    assert_false(sts_parse_record(STR(""), &id));
}

static void test_policy(void **state)
{
    assert_int_equal(parse("version: STSv1\r\nmode: enforce\r\nmx: Mail.x.test\r\n"
                           "mx: *.x.test\r\nunknown: y\r\nmax_age: 604800\r\n"),
                     ERR_OK);
    assert_int_equal(policy.mode, STS_ENFORCE);
    assert_int_equal(policy.max_age_s, 604800);
    assert_str(policy.mx, STR("mail.x.test *.x.test"));
    assert_int_equal(parse("version: STSv1\nmode: testing\nmode: none\nmx: a.test\nmax_age: 1"),
                     ERR_OK);
    assert_int_equal(policy.mode, STS_TESTING);
    assert_int_equal(parse("version: STSv1\nmode: none\nmax_age: 99999999"), ERR_OK);
    assert_int_equal(policy.max_age_s, STS_AGE_MOST_S);
    static const char *const BAD[] = {
        "",
        "mode: enforce\nmx: a.test\nmax_age: 1",
        "version: STSv2\nmode: enforce\nmx: a.test\nmax_age: 1",
        "version: STSv1\nmx: a.test\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmx: a.test",
        "version: STSv1\nmode: often\nmx: a.test\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmx: a.*.test\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: soon",
    };
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        assert_int_equal(parse(BAD[i]), ERR_SYNTAX);
    }
}

/* RFC 8461, 4.1: the star is one label. */
static void test_covers(void **state)
{
    assert_int_equal(
        parse("version: STSv1\nmode: enforce\nmx: mail.x.test\nmx: *.y.test\nmax_age: 1"), ERR_OK);
    assert_true(sts_covers(&policy, STR("mail.x.test")));
    assert_true(sts_covers(&policy, STR("MAIL.X.test")));
    assert_true(sts_covers(&policy, STR("a.y.test")));
    assert_false(sts_covers(&policy, STR("y.test")));
    assert_false(sts_covers(&policy, STR("b.a.y.test")));
    assert_false(sts_covers(&policy, STR("mail.x.test.evil.test")));
    assert_false(sts_covers(&policy, STR("x.test")));
    assert_false(sts_covers(&policy, STR("")));
}

static void test_store(void **state)
{
    char dir[] = "/tmp/limetta-sts-XXXXXX";
    CLEANUP(buf_release) struct buf path = BUF_INIT(1000);
    struct sts_store *s = NULL;
    struct sts_entry entry = {
        .policy = {STS_ENFORCE, 60, STR("mail.x.test")}, .id = STR("one"), .expires_ms = 5000};
    struct sts_entry found;
    temp_dir_make(dir, sizeof(dir));
    buf_addf(&path, "%s/sts.db", dir);
    assert_int_equal(sts_store_open(buf_str(&path), 1000, &s), ERR_OK);
    assert_int_equal(sts_store_find(s, STR("x.test"), 1000, arena, &found), ERR_NOT_FOUND);
    assert_int_equal(sts_store_put(s, STR("x.test"), &entry), ERR_OK);
    entry.id = STR("two");
    assert_int_equal(sts_store_put(s, STR("x.test"), &entry), ERR_OK);
    sts_store_close(&s);
    assert_int_equal(sts_store_open(buf_str(&path), 1000, &s), ERR_OK); /* it is durable */
    assert_int_equal(sts_store_find(s, STR("x.test"), 1000, arena, &found), ERR_OK);
    assert_str(found.id, STR("two"));
    assert_str(found.policy.mx, STR("mail.x.test"));
    assert_int_equal(found.policy.mode, STS_ENFORCE);
    assert_int_equal(sts_store_find(s, STR("x.test"), 5000, arena, &found), ERR_NOT_FOUND);
    sts_store_close(&s);
    temp_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_record), cmocka_unit_test(test_policy),
                                       cmocka_unit_test(test_covers), cmocka_unit_test(test_store)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
