/* Tests of sieve/lex: tokens, their lines, and what is none. */
#include "unit.h"

#include "sieve/lex.h"

static struct sieve_token first(struct arena *a, struct str s)
{
    struct sieve_lex l = sieve_lex_make(a, s);
    return sieve_lex_next(&l);
}

static void test_bad(void **state)
{
    static const struct str bad[] = {
        {"\0", 1},
        {"\r", 1},
        {"\"a\0b\"", 5},
        {"\"a\rb\"", 5},
        {"\"\xff\"", 3},
        {"\"a", 2},
        {"\"a\\", 3},
        {"\"a\\\"", 4},
        {"text:\na", 7},
        {"text:\na\0\n.\n", 11},
        {"text: x\n.\n", 10},
        {"text:", 5},
        {"/*", 2},
        {"/", 1},
        {":", 1},
        {":1", 2},
        {"\x80", 1},
        {"1KK", 3},
        {"18446744073709551616", 20},
        {"9223372036854775808", 19},
        {"9007199254740992K", 17},
    };
    (void)state;
    struct arena *a = arena_new(1000000);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sieve_lex l = sieve_lex_make(a, bad[i]);
        assert_int_equal(sieve_lex_next(&l).kind, SIEVE_TOKEN_BAD);
        assert_non_null(l.problem);
        assert_int_equal(sieve_lex_next(&l).kind, SIEVE_TOKEN_BAD);
    }
    arena_free(&a);
}

static void test_strings(void **state)
{
    static const struct {
        const char *script;
        const char *text;
    } cases[] = {
        {"\"\"", ""},
        {"\"a\\\"b\\\\c\\d\"", "a\"b\\cd"},
        {"\"a\r\nb\n\"", "a\r\nb\n"},
        {"text:\r\n.\r\n", ""},
        {"TEXT: # c\n..\n.a\n...\n.\n", ".\r\n.a\r\n..\r\n"},
        {"text:\na\n\nb\n.", "a\r\n\r\nb\r\n"},
        {"text:\n. \n.\n", ". \r\n"},
    };
    (void)state;
    struct arena *a = arena_new(1000000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sieve_token t = first(a, str_from_c(cases[i].script));
        assert_int_equal(t.kind, SIEVE_TOKEN_STRING);
        assert_str(t.text, str_from_c(cases[i].text));
    }
    arena_free(&a);
}

static void test_row(void **state)
{
    (void)state;
    struct arena *a = arena_new(1000000);
    struct sieve_lex l =
        sieve_lex_make(a, STR("if /* \n */ :Is 10k\r\n# x\n[\"a\nb\", text:\nq\n.\n] _x1"));
    static const struct {
        enum sieve_token_kind kind;
        uint32_t line;
    } row[] = {{SIEVE_TOKEN_IDENTIFIER, 1}, {SIEVE_TOKEN_TAG, 2},    {SIEVE_TOKEN_NUMBER, 2},
               {SIEVE_TOKEN_MARK, 4},       {SIEVE_TOKEN_STRING, 4}, {SIEVE_TOKEN_MARK, 5},
               {SIEVE_TOKEN_STRING, 5},     {SIEVE_TOKEN_MARK, 8},   {SIEVE_TOKEN_IDENTIFIER, 8},
               {SIEVE_TOKEN_END, 8},        {SIEVE_TOKEN_END, 8}};
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct sieve_token t = sieve_lex_next(&l);
        assert_int_equal(t.kind, row[i].kind);
        assert_int_equal(t.line, row[i].line);
    }
    assert_int_equal(first(a, STR("10k")).number, 10240);
    assert_int_equal(first(a, STR("9223372036854775807")).number, INT64_MAX);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
