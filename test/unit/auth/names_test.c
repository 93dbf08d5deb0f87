/* Names, passwords, addresses. */
#include "auth/names.h"

#include "unit.h"

static void test_bad_names(void **state)
{
    static const char *const NAMES[] = {
        "",          " ",         "a b",   "a/b",           "/", ".", "..", "a\tb", "a\nb",
        "a\x7f",     "\xff",      "a\xc3", "\xe2\x80\xa8x", /* LINE SEPARATOR */
        "a\xc2\x85", "\302\240z",                           /* NO-BREAK SPACE becomes a space */
        "\330\247z",                                        /* mixed direction (RFC 3454, 6) */
    };
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        struct buf out = BUF_INIT(1024);
        assert_int_equal(name_prepare(str_from_c(NAMES[i]), true, &out), ERR_SYNTAX);
        assert_int_equal(out.len, 0);
        buf_release(&out);
    }
    struct buf out = BUF_INIT(1024);
    assert_int_equal(name_prepare(STR("a\0b"), true, &out), ERR_SYNTAX);
    char longest[NAME_MOST + 2];
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(name_prepare(str_make(longest, NAME_MOST + 1), true, &out), ERR_SYNTAX);
    assert_int_equal(name_prepare(str_make(longest, NAME_MOST), true, &out), ERR_OK);
    buf_release(&out);
}

static void test_names(void **state)
{
    static const struct {
        const char *raw;
        const char *want;
    } CASES[] = {
        {"anna", "anna"},
        {"Anna", "anna"},
        {"Anna@Example.ORG", "anna@example.org"},
        {"J\xc3\xbcrgen", "j\xc3\xbcrgen"},
        {"Ju\xcc\x88rgen", "j\xc3\xbcrgen"}, /* composed (NFKC) */
        {"I\xc2\xadX", "ix"},                /* SOFT HYPHEN goes (RFC 4013, 3) */
        {"\xe2\x85\xa8", "ix"},              /* ROMAN NUMERAL NINE */
        {"..a", "..a"},
        {"J\xcc\x8c", "\xc7\xb0"}, /* there is a small j with caron, and no capital one */
        {"\xc7\xb0", "\xc7\xb0"},
        {"\xef\xbc\xaa\xcc\x8c", "\xc7\xb0"}, /* FULLWIDTH J */
        {"\xe2\x84\xaa"
         "ate",
         "kate"}, /* KELVIN SIGN */
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct buf out = BUF_INIT(1024);
        assert_int_equal(name_prepare(str_from_c(CASES[i].raw), true, &out), ERR_OK);
        assert_str(buf_str(&out), str_from_c(CASES[i].want));
        struct buf again = BUF_INIT(1024);
        assert_int_equal(name_prepare(buf_str(&out), true, &again), ERR_OK);
        assert_str(buf_str(&again), buf_str(&out));
        buf_release(&again);
        buf_release(&out);
    }
}

static void test_passwords(void **state)
{
    struct buf out = BUF_INIT(PASSWORD_MOST + 1);
    assert_int_equal(password_prepare(STR_EMPTY, true, &out), ERR_SYNTAX);
    assert_int_equal(password_prepare(STR("a\nb"), true, &out), ERR_SYNTAX);
    assert_int_equal(password_prepare(STR("\xff"), true, &out), ERR_SYNTAX);
    assert_int_equal(password_prepare(STR("\xff"), false, &out), ERR_OK);
    assert_str(buf_str(&out), STR("\xff"));
    buf_clear(&out);
    assert_int_equal(password_prepare(STR("Two Words"), true, &out), ERR_OK);
    assert_str(buf_str(&out), STR("Two Words"));
    buf_release(&out);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *address;
        enum err e;
        const char *local;
        const char *domain;
    } CASES[] = {
        {"", ERR_BAD_ADDRESS, "", ""},
        {"anna", ERR_BAD_ADDRESS, "", ""},
        {"@example.org", ERR_BAD_ADDRESS, "", ""},
        {"anna@", ERR_BAD_ADDRESS, "", ""},
        {"\"\"@example.org", ERR_BAD_ADDRESS, "", ""},
        {"\"anna@example.org", ERR_BAD_ADDRESS, "", ""},
        {"\"anna\\\"@example.org", ERR_BAD_ADDRESS, "", ""},
        {"anna@example.org", ERR_OK, "anna", "example.org"},
        {"anna+lists+x@example.org", ERR_OK, "anna+lists+x", "example.org"},
        {"+x@example.org", ERR_OK, "+x", "example.org"},
        {"\"an\\na\"@example.org", ERR_OK, "anna", "example.org"},
        {"\"a@b\"@example.org", ERR_OK, "a@b", "example.org"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct buf local = BUF_INIT(1024);
        struct str domain = STR_EMPTY;
        assert_int_equal(address_split(str_from_c(CASES[i].address), &local, &domain), CASES[i].e);
        if (CASES[i].e == ERR_OK) {
            assert_str(buf_str(&local), str_from_c(CASES[i].local));
            assert_str(domain, str_from_c(CASES[i].domain));
        }
        buf_release(&local);
    }
}

static void test_details(void **state)
{
    static const struct {
        const char *local;
        const char *delimiters;
        const char *base;
        const char *detail; /* NULL: none */
    } CASES[] = {
        {"anna", "+", "anna", NULL},
        {"anna+lists+x", "+", "anna", "lists+x"},
        {"anna+", "+", "anna", ""},
        {"+x", "+", "+x", NULL},
        {"anna+lists", "", "anna+lists", NULL},
        {"anna-a+b", "+-", "anna", "a+b"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct str detail = STR_EMPTY;
        struct str base = address_cut_detail(str_from_c(CASES[i].local),
                                             str_from_c(CASES[i].delimiters), &detail);
        assert_str(base, str_from_c(CASES[i].base));
        assert_int_equal(detail.p != NULL, CASES[i].detail != NULL);
        assert_str(detail, str_from_c(CASES[i].detail));
    }
}

static void test_prepared_addresses(void **state)
{
    static const struct {
        const char *raw;
        const char *prepared; /* NULL: refused */
    } CASES[] = {
        {"Info@Example.ORG", "info@example.org"},
        {"INFO", "info"},
        {"@Example.org", "@example.org"},
        {"\"a@b\"@example.org", "a@b@example.org"},
        {"", NULL},
        {"@", NULL},
        {"info@", NULL},
        {"two words", NULL},
        {"\"two words\"@example.org", NULL},
        {"a/b@example.org", NULL},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct buf out = BUF_INIT(1024);
        enum err e = address_prepare(str_from_c(CASES[i].raw), true, &out);
        assert_int_equal(e == ERR_OK, CASES[i].prepared != NULL);
        assert_str(buf_str(&out), str_from_c(CASES[i].prepared));
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_names), cmocka_unit_test(test_names),
        cmocka_unit_test(test_passwords), cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_details),   cmocka_unit_test(test_prepared_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
