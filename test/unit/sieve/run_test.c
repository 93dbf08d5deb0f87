/* Tests of sieve/run that the cases of test/script/sieve/ do not reach: what a host is told and asked. */
#include "unit.h"

#include "sieve/run.h"

#include <stdio.h>

struct world {
    struct buf trace;
    uint64_t seconds;
    bool is_last;
    enum err answer;
};

static enum err on_duplicate(void *owner, struct str handle, struct str id, uint64_t seconds,
                             bool is_last, bool *out)
{
    struct world *w = owner;
    (void)handle;
    (void)id;
    w->seconds = seconds;
    w->is_last = is_last;
    *out = false;
    return w->answer;
}

static void on_trace(void *owner, uint32_t line, struct str text)
{
    struct world *w = owner;
    buf_addf(&w->trace, "%u %.*s\n", line, STR_ARG(text));
}

static enum err run(struct world *w, const char *text, struct arena *a, struct sieve_result *out)
{
    static const struct sieve_host host = {.duplicate_is_seen = on_duplicate, .trace = on_trace};
    struct sieve_script *s = NULL;
    struct sieve_error error;
    assert_int_equal(sieve_compile(str_from_c(text), NULL, &s, &error), ERR_OK);
    struct sieve_env env = {
        .message = STR("Subject: Hello\r\nMessage-ID: <a@b>\r\n\r\nbody\r\n"),
        .inbox = STR("Inbox2"),
        .host = &host,
        .owner = w,
    };
    enum err e = sieve_run(s, &env, a, out);
    sieve_script_free(&s);
    return e;
}

static void test_trace(void **state)
{
    (void)state;
    struct world w = {.trace = BUF_INIT(10000)};
    struct arena *a = arena_new(64 * 1024 * 1024);
    struct sieve_result result;
    assert_int_equal(run(&w,
                         "if not header :contains \"subject\" [\"x\", \"ell\"] {\n"
                         " keep;\n}\n"
                         "redirect \"a@example.com\";",
                         a, &result),
                     ERR_OK);
    assert_str(buf_str(&w.trace), STR("1 \"Hello\" contains \"x\": no\n"
                                      "1 \"Hello\" contains \"ell\": yes\n"
                                      "1 test header: true\n"
                                      "1 test not: false\n"
                                      "4 redirect \"a@example.com\"\n"));
    assert_int_equal(result.count, 1);
    assert_int_equal(result.actions[0].line, 4);
    assert_true(result.steps > 0);
    arena_free(&a);
    buf_release(&w.trace);
}

static void test_inbox(void **state)
{
    (void)state;
    struct world w = {.trace = BUF_INIT(10000)};
    struct arena *a = arena_new(64 * 1024 * 1024);
    struct sieve_result result;
    assert_int_equal(run(&w, "require \"fileinto\"; keep; fileinto \"Inbox2\";", a, &result),
                     ERR_OK);
    assert_int_equal(result.count, 1);
    assert_str(result.actions[0].target.mailbox, STR("Inbox2"));
    arena_free(&a);
    buf_release(&w.trace);
}

static void test_duplicate(void **state)
{
    static const struct {
        const char *script;
        uint64_t seconds;
    } cases[] = {
        {"require \"duplicate\"; if duplicate {}", 7 * 86400},
        {"require \"duplicate\"; if duplicate :seconds 60 :last {}", 60},
        {"require \"duplicate\"; if duplicate :seconds 4G {}", 90 * 86400}, /* the most (3.3) */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w = {.trace = BUF_INIT(10000)};
        struct arena *a = arena_new(64 * 1024 * 1024);
        struct sieve_result result;
        assert_int_equal(run(&w, cases[i].script, a, &result), ERR_OK);
        assert_int_equal(w.seconds, cases[i].seconds);
        assert_int_equal(w.is_last, i == 1);
        w.answer = ERR_NO_SPACE;
        assert_int_equal(run(&w, cases[i].script, a, &result), ERR_NO_SPACE);
        arena_free(&a);
        buf_release(&w.trace);
    }
}

/* The key of an answer is made of what stands in the script, not of what variables make of it (RFC 5230, 4.2: MD-5). */
static void test_vacation_key(void **state)
{
    (void)state;
    struct world w = {.trace = BUF_INIT(10000)};
    struct arena *a = arena_new(64 * 1024 * 1024);
    struct sieve_result one;
    struct sieve_result two;
    struct sieve_result other;
    static const char head[] = "require [\"vacation\", \"variables\"]; set \"x\" ";
    char text[200];
    snprintf(text, sizeof(text), "%s\"1\"; vacation \"${x}\";", head);
    assert_int_equal(run(&w, text, a, &one), ERR_OK);
    snprintf(text, sizeof(text), "%s\"2\"; vacation \"${x}\";", head);
    assert_int_equal(run(&w, text, a, &two), ERR_OK);
    snprintf(text, sizeof(text), "%s\"2\"; vacation :mime \"${x}\";", head);
    assert_int_equal(run(&w, text, a, &other), ERR_OK);
    assert_str(two.actions[0].vacation->reason, STR("2"));
    assert_str(one.actions[0].vacation->key, two.actions[0].vacation->key);
    assert_false(str_eq(one.actions[0].vacation->key, other.actions[0].vacation->key));
    arena_free(&a);
    buf_release(&w.trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_inbox),
        cmocka_unit_test(test_duplicate),
        cmocka_unit_test(test_vacation_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
