/* Tests of sieve/script: what compiling gives, and the words of extensions. */
#include "unit.h"

#include "sieve/script.h"

#include <stdio.h>

static void test_words(void **state)
{
    (void)state;
    struct sieve_script *s = NULL;
    struct sieve_error error;
    struct buf words = BUF_INIT(4096);
    assert_int_equal(
        sieve_compile(STR("require [\"vacation-seconds\", \"copy\"];\r\n"), NULL, &s, &error),
        ERR_OK);
    assert_true(sieve_script_is_requiring(s, STR("copy")));
    assert_true(sieve_script_is_requiring(s, STR("vacation"))); /* comes with it (RFC 6131, 2) */
    assert_false(sieve_script_is_requiring(s, STR("fileinto")));
    assert_false(sieve_script_is_requiring(s, STR("quux")));
    sieve_script_write_extensions(s, &words);
    assert_str(buf_str(&words), STR("copy vacation vacation-seconds"));
    sieve_script_free(&s);
    assert_null(s);
    sieve_script_free(&s);
    buf_release(&words);
}

/* Everything that is offered can be required; what is switched off is neither. */
static void test_offered(void **state)
{
    (void)state;
    struct sieve_config config = {.disabled = STR("enotify imapsieve quux"),
                                  .has_imap_events = true};
    struct sieve_config events = {.has_imap_events = true};
    struct buf words = BUF_INIT(4096);
    struct buf all = BUF_INIT(4096);
    sieve_write_extensions(&config, &words);
    sieve_write_extensions(&events, &all);
    assert_int_equal(all.len, words.len + sizeof("enotify imapsieve"));
    struct str rest = buf_str(&all);
    while (rest.n > 0) {
        struct str word = str_split(&rest, ' ');
        char text[100];
        struct sieve_script *s = NULL;
        struct sieve_error error;
        snprintf(text, sizeof(text), "require \"%.*s\";", STR_ARG(word));
        assert_int_equal(sieve_compile(str_from_c(text), &events, &s, &error), ERR_OK);
        sieve_script_free(&s);
        bool is_off = str_eq(word, STR("enotify")) || str_eq(word, STR("imapsieve"));
        enum err e = sieve_compile(str_from_c(text), &config, &s, &error);
        assert_int_equal(e, is_off ? ERR_SYNTAX : ERR_OK);
        sieve_script_free(&s);
    }
    buf_release(&words);
    buf_release(&all);
}

/* Without events there is no imapsieve. */
static void test_events(void **state)
{
    (void)state;
    struct sieve_script *s = NULL;
    struct sieve_error error;
    assert_int_equal(sieve_compile(STR("require \"imapsieve\";"), NULL, &s, &error), ERR_SYNTAX);
    struct sieve_config none = {.disabled = STR_EMPTY};
    assert_int_equal(sieve_compile(STR("require \"imapsieve\";"), &none, &s, &error), ERR_SYNTAX);
}

static void test_limits(void **state)
{
    (void)state;
    struct sieve_limits limits;
    sieve_limits_init(&limits);
    limits.script_octets = 20;
    limits.nesting = 1;
    struct sieve_config config = {.limits = &limits};
    struct sieve_script *s = NULL;
    struct sieve_error error = {.line = 7};
    assert_int_equal(sieve_compile(STR("keep; keep; keep; keep;"), &config, &s, &error),
                     ERR_TOO_BIG);
    assert_int_equal(error.line, 0);
    assert_int_equal(sieve_compile(STR("if not true {}"), &config, &s, &error), ERR_TOO_DEEP);
    assert_int_equal(sieve_compile(STR("if true {if true {"), &config, &s, &error), ERR_TOO_DEEP);
    assert_int_equal(sieve_compile(STR("\n\nif true {} ;"), &config, &s, &error), ERR_SYNTAX);
    assert_int_equal(error.line, 3);
    assert_null(s);
}

/* What an editor puts in front of UTF-8 is no part of the script. */
static void test_mark(void **state)
{
    (void)state;
    struct sieve_script *s = NULL;
    struct sieve_error error;
    assert_int_equal(sieve_compile(STR("\xef\xbb\xbfkeep;"), NULL, &s, &error), ERR_OK);
    sieve_script_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),  cmocka_unit_test(test_offered),
        cmocka_unit_test(test_events), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
