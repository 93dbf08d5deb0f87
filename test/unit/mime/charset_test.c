/* Unit tests of mime/charset and mime/casemap: names, invalid octets, characters cut between pieces, comparison keys. */
#include "mime/charset.h"

#include "base/utf8.h"
#include "mime/casemap.h"
#include "unit.h"

static void test_names(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "x-none",
        "unknown-8bit",
        "../../etc",
        "utf-8,version=1",
        "a b",
        "utf\x01",
        "an-extremely-long-name-that-is-longer-than-any-charset-has-ever-been"};
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        struct charset *c = NULL;
        assert_int_equal(charset_new(str_from_c(BAD[i]), &c), ERR_BAD_CHARSET);
        assert_null(c);
    }
}

static const struct {
    const char *name;
    const char *octets;
    const char *want;
    enum err strict;
} CASES[] = {
    {"", "a\xe9\x80", "a\xc3\xa9\xe2\x82\xac", ERR_SYNTAX},
    {"US-ASCII", "a\xc3\xa9", "a\xc3\xa9", ERR_OK},
    {"utf-8", "\xc3\xa9\xf0\x9f\x98\x80", "\xc3\xa9\xf0\x9f\x98\x80", ERR_OK},
    {"utf-8", "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd", ERR_SYNTAX},
    {"utf-8", "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", ERR_SYNTAX},
    {"utf-8", "a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd", ERR_SYNTAX},
    {"ISO-8859-1", "\xe9\x93", "\xc3\xa9\xe2\x80\x9c", ERR_OK},
    {"iso-8859-15", "\xa4", "\xe2\x82\xac", ERR_OK},
    {"koi8-r", "\xc1", "\xd0\xb0", ERR_OK},
    {"gb2312", "\xc4\xe3", "\xe4\xbd\xa0", ERR_OK},
    {"shift_jis", "\x82\xb1", "\xe3\x81\x93", ERR_OK},
    {"iso-2022-jp", "\x1b$B$3\x1b(B!", "\xe3\x81\x93!", ERR_OK},
    {"utf-7", "+AOk-", "\xc3\xa9", ERR_OK},
    {"euc-jp",
     "a\xff"
     "b",
     "a\xef\xbf\xbd"
     "b",
     ERR_SYNTAX},
};

static void test_conversion(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct str name = str_from_c(CASES[i].name);
        struct str octets = str_from_c(CASES[i].octets);
        struct buf got = BUF_INIT(10000);
        assert_int_equal(charset_to_utf8(name, octets, &got), ERR_OK);
        assert_str(buf_str(&got), str_from_c(CASES[i].want));
        buf_clear(&got);
        assert_int_equal(charset_to_utf8_strict(name, octets, &got), CASES[i].strict);
        buf_clear(&got);
        struct charset *c = NULL;
        assert_int_equal(charset_new(name, &c), ERR_OK);
        for (size_t k = 0; k < octets.n; k++) {
            charset_convert(c, str_sub(octets, k, 1), k + 1 == octets.n, &got);
        }
        assert_str(buf_str(&got), str_from_c(CASES[i].want));
        charset_free(&c);
        buf_release(&got);
    }
}

static void test_full(void **state)
{
    (void)state;
    struct buf got = BUF_INIT(3);
    assert_int_equal(charset_to_utf8(STR("utf-8"), STR("abcd"), &got), ERR_LIMIT);
    buf_release(&got);
    assert_int_equal(charset_to_utf8(STR("koi8-r"), STR("abcd"), &got), ERR_LIMIT);
    buf_release(&got);
}

static bool is_same(const char *a, const char *b)
{
    struct buf x = BUF_INIT(1000);
    struct buf y = BUF_INIT(1000);
    casemap_write(str_from_c(a), &x);
    casemap_write(str_from_c(b), &y);
    bool is_equal = str_eq(buf_str(&x), buf_str(&y));
    buf_release(&x);
    buf_release(&y);
    return is_equal;
}

/* RFC 5051 */
static void test_casemap(void **state)
{
    (void)state;
    assert_false(is_same("a", "b"));
    assert_false(is_same("e", "\xc3\xa9"));
    assert_false(is_same("\xff", "\xfe"));
    assert_true(is_same("Hello", "hELLO"));
    assert_true(is_same("\xc3\xa9", "\xc3\x89"));  /* e acute */
    assert_true(is_same("\xc3\xa9", "e\xcc\x81")); /* decomposed */
    assert_true(is_same("\xef\xac\x81", "FI")
                == false); /* U+FB01 decomposes to "fi", after titlecasing */
    assert_true(is_same("\xd0\x96\xd1\x83\xd0\xba", "\xd0\xb6\xd0\xa3\xd0\x9a")); /* Cyrillic */
    assert_true(is_same("a\xff", "A\xff"));
    struct buf key = BUF_INIT(100); /* the RFC's example, U+01C4 */
    casemap_write(STR("\xc7\x84"), &key);
    assert_str(buf_str(&key), STR("D\x7a\xcc\x8c"));
    buf_release(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_conversion),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_casemap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
