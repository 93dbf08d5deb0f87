/* Unit tests of wire/managesieve: strings, numbers, commands, responses (RFC 5804, 4). */
#include "wire/managesieve.h"

#include "unit.h"
#include "wire/imap_write.h"

#include <stdlib.h>

enum { ARENA_CAP = 64 * 1024 };

static void check_string(struct str in, struct str want, const char *expected)
{
    struct arena *a = arena_new(ARENA_CAP);
    struct scan c = scan_make(in);
    struct str got = managesieve_scan_bare_string(&c, a);
    if (expected == NULL) {
        scan_require_end(&c);
        assert_int_equal(scan_get_err(&c), ERR_OK);
        assert_str(got, want);
    } else {
        assert_int_equal(scan_get_err(&c), ERR_SYNTAX);
        assert_string_equal(c.expected, expected);
    }
    arena_free(&a);
}

static void test_strings(void **state)
{
    static const char QUOTED[] = "UTF-8 without line ends between quotes";
    static const char LITERAL[] = "a literal \"{n+}\"";
    (void)state;
    check_string(STR("\"\""), STR(""), NULL);
    check_string(STR("\"a b\""), STR("a b"), NULL);
    check_string(STR("\"a\\\"\\\\b\""), STR("a\"\\b"), NULL);
    check_string(STR("\"\xc3\xbc\x01\x7f\""), STR("\xc3\xbc\x01\x7f"), NULL);
    check_string(STR("{0+}\r\n"), STR(""), NULL);
    check_string(STR("{3+}\r\n\0\r\n"), STR("\0\r\n"), NULL);
    check_string(STR("\"a\nb\""), STR_EMPTY, QUOTED);
    check_string(STR("\"a\0b\""), STR_EMPTY, QUOTED);
    check_string(STR("\"\xff\""), STR_EMPTY, QUOTED);
    check_string(STR("\"\\a\""), STR_EMPTY, QUOTED);
    check_string(STR("\"abc"), STR_EMPTY, "a quoted string of at most 1024 octets");
    check_string(STR("\"abc\\\""), STR_EMPTY, "a quoted string of at most 1024 octets");
    check_string(STR("{3}\r\nabc"), STR_EMPTY, LITERAL);
    check_string(STR("{3+\r\nabc"), STR_EMPTY, LITERAL);
    check_string(STR("{+}\r\n"), STR_EMPTY, "the size of a literal");
    check_string(STR("{4294967296+}\r\n"), STR_EMPTY, "the size of a literal");
    check_string(STR("{4+}\r\nabc"), STR_EMPTY, "the octets of the literal");
    check_string(STR("abc"), STR_EMPTY, "a string");
    check_string(STR(""), STR_EMPTY, "a string");
}

/* RFC 5804, 4: 1024 octets between the quotes, and no more. */
static void test_quoted_limit(void **state)
{
    char line[MANAGESIEVE_QUOTED_MOST + 3];
    (void)state;
    memset(line, 'x', sizeof(line));
    line[0] = '"';
    line[MANAGESIEVE_QUOTED_MOST + 1] = '"';
    check_string(str_make(line, MANAGESIEVE_QUOTED_MOST + 2),
                 str_make(line + 1, MANAGESIEVE_QUOTED_MOST), NULL);
    line[MANAGESIEVE_QUOTED_MOST + 1] = 'x';
    line[MANAGESIEVE_QUOTED_MOST + 2] = '"';
    check_string(str_make(line, sizeof(line)), STR_EMPTY, "a quoted string of at most 1024 octets");
}

static void test_numbers(void **state)
{
    static const struct {
        const char *in;
        bool is_good;
        uint32_t value;
    } CASES[] = {{" 0", true, 0},           {" 4294967295", true, UINT32_MAX},
                 {" 4294967296", false, 0}, {" 01", false, 0},
                 {" -1", false, 0},         {"1", false, 0},
                 {" ", false, 0},           {" 1x", false, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct scan c = scan_make(str_from_c(CASES[i].in));
        uint32_t value = managesieve_scan_number(&c);
        scan_require_end(&c);
        assert_int_equal(scan_is_ok(&c), CASES[i].is_good);
        if (CASES[i].is_good) {
            assert_int_equal(value, CASES[i].value);
        }
    }
}

static void test_commands(void **state)
{
    struct managesieve_command c;
    (void)state;
    assert_int_equal(managesieve_command_parse(STR("PutScript \"a\""), &c), ERR_OK);
    assert_str(c.name, STR("PutScript"));
    assert_str(scan_rest(&c.args), STR(" \"a\""));
    assert_int_equal(managesieve_command_parse(STR("NOOP"), &c), ERR_OK);
    assert_true(scan_is_end(&c.args));
    assert_int_equal(managesieve_command_parse(STR(""), &c), ERR_SYNTAX);
    assert_int_equal(managesieve_command_parse(STR(" NOOP"), &c), ERR_SYNTAX);
    assert_int_equal(managesieve_command_parse(STR("\"NOOP\""), &c), ERR_SYNTAX);
    assert_str(managesieve_find_name(STR("PUTSCRIPT {3}")), STR("PUTSCRIPT"));
    assert_str(managesieve_find_name(STR("{3}")), STR(""));
}

/* Whatever is answered is one line, and its string is the one that was meant. */
static void test_responses(void **state)
{
    struct buf out = BUF_INIT(4096);
    (void)state;
    managesieve_write_response(&out, STR("NO"), STR("X"), STR("a \"b\"\r\nOK"));
    assert_str(buf_str(&out), STR("NO (X) {9}\r\na \"b\"\r\nOK\r\n"));
    buf_clear(&out);
    managesieve_write_response(&out, STR("OK"), STR_EMPTY, STR_EMPTY);
    assert_str(buf_str(&out), STR("OK\r\n"));
    static const struct {
        enum err err;
        const char *begin;
    } CASES[] = {
        {ERR_SCRIPT_SIZE, "NO (QUOTA/MAXSIZE) \""},
        {ERR_SCRIPT_COUNT, "NO (QUOTA/MAXSCRIPTS) \""},
        {ERR_OVER_QUOTA, "NO (QUOTA) \""},
        {ERR_SCRIPT_ACTIVE, "NO (ACTIVE) \""},
        {ERR_NOT_FOUND, "NO (NONEXISTENT) \""},
        {ERR_EXISTS, "NO (ALREADYEXISTS) \""},
        {ERR_IO, "NO (TRYLATER) \""},
        {ERR_NO_SPACE, "NO (TRYLATER) \""},
        {ERR_AUTH_FAILED, "NO \""},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        buf_clear(&out);
        managesieve_write_err(&out, CASES[i].err);
        assert_true(str_starts(buf_str(&out), str_from_c(CASES[i].begin)));
    }
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),   cmocka_unit_test(test_quoted_limit),
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_commands),
        cmocka_unit_test(test_responses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
