/* Unit tests of mime/charset_writer (M-15, RFC 5259, 7.1). */
#include "mime/charset_writer.h"

#include "mime/charset.h"

#include "unit.h"

#include <string.h>

enum { OUT_MOST = 64 * 1024 };

static void test_names(void **state)
{
    static const char *const GOOD[] = {
        "utf-8",       "us-ascii",     "iso-8859-1",   "iso-8859-2",   "iso-8859-3",
        "iso-8859-4",  "iso-8859-5",   "iso-8859-6",   "iso-8859-7",   "iso-8859-8",
        "iso-8859-15", "windows-1250", "windows-1251", "windows-1252", "koi8-r",
        "gb18030",     "big5",         "euc-jp",       "iso-2022-jp",  "UTF-8"};
    static const char *const BAD[] = {"",       "x",    "utf-16",          "utf-32", "utf-7",
                                      "ibm037", "../x", "utf-8,version=1", "a b"};
    (void)state;
    for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++) {
        struct charset_writer *w = NULL;
        assert_int_equal(charset_writer_new(str_from_c(GOOD[i]), &w), ERR_OK);
        charset_writer_free(&w);
    }
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        struct charset_writer *w = NULL;
        assert_int_equal(charset_writer_new(str_from_c(BAD[i]), &w), ERR_BAD_CHARSET);
        assert_null(w);
    }
}

static void check_octet(struct charset_writer *w, const char *name, char octet)
{
    struct buf utf8 = BUF_INIT(OUT_MOST);
    struct buf back = BUF_INIT(OUT_MOST);
    bool is_char = charset_to_utf8_strict(str_from_c(name), str_make(&octet, 1), &utf8) == ERR_OK;
    for (size_t at = 0; is_char && at < utf8.len; at++) {
        struct str piece = str_sub(buf_str(&utf8), at, 1);
        assert_int_equal(charset_writer_add(w, piece, at + 1 == utf8.len, &back), ERR_OK);
    }
    assert_str(buf_str(&back), is_char ? str_make(&octet, 1) : STR_EMPTY);
    buf_release(&utf8);
    buf_release(&back);
}

/* Every octet of the charsets that the RFC names comes back as it was, and cut pieces make no difference. */
static void test_round_trip(void **state)
{
    static const char *const NAMES[] = {"iso-8859-2", "iso-8859-3",  "iso-8859-4",
                                        "iso-8859-5", "iso-8859-6",  "iso-8859-7",
                                        "iso-8859-8", "iso-8859-15", "windows-1252"};
    (void)state;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        struct charset_writer *w = NULL;
        assert_int_equal(charset_writer_new(str_from_c(NAMES[i]), &w), ERR_OK);
        for (unsigned octet = 0xa0; octet <= 0xff; octet++) {
            check_octet(w, NAMES[i], (char)(unsigned char)octet);
        }
        charset_writer_free(&w);
    }
}

static void test_replacement(void **state)
{
    struct charset_writer *w = NULL;
    struct buf out = BUF_INIT(OUT_MOST);
    (void)state;
    assert_int_equal(charset_writer_new(STR("iso-8859-1"), &w), ERR_OK);
    assert_int_equal(charset_writer_add(w, STR("a\xe2\x82\xac"), true, &out), ERR_CONVERSION);
    buf_clear(&out);
    assert_int_equal(charset_writer_set_replacement(w, STR("\xe2\x82\xac")), ERR_CONVERSION);
    assert_int_equal(charset_writer_set_replacement(w, STR("\xe2")), ERR_SYNTAX);
    assert_int_equal(charset_writer_set_replacement(w, STR("<\xc3\xa9>")), ERR_OK);
    assert_int_equal(charset_writer_add(w,
                                        STR("a\xe2\x82\xac"
                                            "b"),
                                        true, &out),
                     ERR_OK);
    assert_str(buf_str(&out), STR("a<\xe9>b"));
    buf_clear(&out);
    assert_int_equal(charset_writer_set_replacement(w, STR("")), ERR_OK);
    assert_int_equal(charset_writer_add(w,
                                        STR("a\xe2\x82\xac"
                                            "b"),
                                        true, &out),
                     ERR_OK);
    assert_str(buf_str(&out), STR("ab"));
    charset_writer_free(&w);
    /* one that switches: the replacement switches, too */
    buf_clear(&out);
    assert_int_equal(charset_writer_new(STR("iso-2022-jp"), &w), ERR_OK);
    assert_int_equal(charset_writer_set_replacement(w, STR("?")), ERR_OK);
    assert_int_equal(charset_writer_add(w, STR("\xe3\x81\x93\xf0\x9f\x98\x80"), true, &out),
                     ERR_OK);
    assert_str(buf_str(&out), STR("\x1b$B$3\x1b(B?"));
    buf_release(&out);
    charset_writer_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_replacement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
