/* Unit tests of mime/header_recode (M-15, RFC 5259, 6): encoded words and extended parameters in another charset. */
#include "mime/header_recode.h"

#include "mime/words.h"

#include "unit.h"

#include <string.h>

enum { OUT_MOST = 1024 * 1024 };

static void check(const char *charset, const char *header, const char *want)
{
    struct header_charset c = {.name = str_from_c(charset)};
    struct buf out = BUF_INIT(OUT_MOST);
    assert_int_equal(header_recode(str_from_c(header), &c, &out), ERR_OK);
    if (!str_eq(buf_str(&out), str_from_c(want))) {
        print_error("got:\n%.*s\nwant:\n%s\n", STR_ARG(buf_str(&out)), want);
    }
    assert_str(buf_str(&out), str_from_c(want));
    buf_release(&out);
}

static void test_untouched(void **state)
{
    static const char *const SAME[] = {
        "",
        "\r\n",
        "Subject: plain\r\n\r\n",
        "Subject:\tkept   as\r\n\t it   is  \r\n\r\n",
        "Subject: =?x-none?q?x?=\r\n\r\n",
        "Subject: =?utf-8?q?broken=C3?=\r\n\r\n",
        "Subject: =?utf-8?x?y?= =? =?=\r\n\r\n",
        "no field\r\nSubject: caf\xe9\r\n",
        "Content-Type: text/plain; charset=utf-8\r\n\r\n",
        "Content-Type: text/plain; name*=x-none'en'a%20b\r\n\r\n",
        "Content-Type: text/plain; name*=utf-8'en'%C3\r\n\r\n",
        "Content-Type: text/plain; name*0=\"it's\"; name*1=b\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(SAME) / sizeof(SAME[0]); i++) {
        check("utf-8", SAME[i], SAME[i]);
    }
}

static void test_words(void **state)
{
    (void)state;
    check("utf-8", "Subject: =?KOI8-R?Q?why_encode_this?=\r\n\r\n",
          "Subject: =?utf-8?Q?why_encode_this?=\r\n\r\n");
    check("UTF-8", "Subject: =?iso-8859-2?q?=B1?= x\r\nTo: a\r\n\r\n",
          "Subject: =?UTF-8?B?xIU=?= x\r\nTo: a\r\n\r\n");
    check("iso-8859-15", "From: =?utf-8?B?4oKs?= <a@b>\n\n",
          "From: =?iso-8859-15?Q?=A4?= <a@b>\n\n");
    check("utf-8", "From: \"=?iso-8859-1?q?=E9?=\" (=?iso-8859-1*fr?q?=E8?=)\r\n",
          "From: \"=?utf-8?B?w6k=?=\" (=?utf-8*fr?B?w6g=?=)\r\n");
    /* a character cut between two words */
    check("utf-8", "S: =?utf-8?q?=C3?= =?utf-8?q?=A9?=\r\n", "S: =?utf-8?B?w6k=?=\r\n");
    /* two charsets: two runs */
    check("utf-8", "S: =?iso-8859-1?q?a?=\r\n =?iso-8859-2?q?b?=\r\n",
          "S: =?utf-8?Q?a?=\r\n =?utf-8?Q?b?=\r\n");
    check("iso-2022-jp", "S: =?utf-8?B?44GT44KT?=\r\n",
          "S: =?iso-2022-jp?B?GyRCJDMkcxsoQg==?=\r\n");
}

/* Line ends and controls within a word stay within a word: no field can be made. */
static void test_no_injection(void **state)
{
    (void)state;
    check("utf-8", "S: =?utf-8?q?a=0D=0AEvil:_x?=\r\n", "S: =?utf-8?Q?a=0D=0AEvil=3A_x?=\r\n");
}

static void check_columns(struct str header)
{
    while (header.n > 0) {
        struct str line = str_split(&header, '\n');
        if (line.n > 0) {
            assert_true(line.p[line.n - 1] == '\r');
            assert_true(line.n - 1 < 78);
        }
    }
}

static void test_long(void **state)
{
    struct header_charset c = {.name = STR("utf-8")};
    struct buf header = BUF_INIT(OUT_MOST);
    struct buf out = BUF_INIT(OUT_MOST);
    struct buf before = BUF_INIT(OUT_MOST);
    struct buf after = BUF_INIT(OUT_MOST);
    (void)state;
    buf_add_c(&header, "Subject: Re: [list] =?koi8-r?B?");
    for (unsigned i = 0; i < 60; i++) {
        buf_add_c(&header, "8NLJ18XU"); /* 6 letters */
    }
    buf_add_c(&header, "?= and then some more words that stand behind it in the same line\r\n\r\n");
    assert_int_equal(header_recode(buf_str(&header), &c, &out), ERR_OK);
    check_columns(buf_str(&out));
    struct buf flat = BUF_INIT(OUT_MOST);
    for (size_t i = 0; i < out.len; i++) {
        if (out.p[i] != '\r' && out.p[i] != '\n') {
            buf_add_char(&flat, out.p[i]);
        }
    }
    header.len -= 4;
    words_decode(buf_str(&header), &before);
    words_decode(buf_str(&flat), &after);
    assert_str(buf_str(&after), buf_str(&before));
    buf_release(&flat);
    buf_release(&header);
    buf_release(&out);
    buf_release(&before);
    buf_release(&after);
}

static void test_params(void **state)
{
    (void)state;
    check("utf-8",
          "Content-Type: text/plain; charset=utf-8;\r\n name*0*=iso-8859-1'fr'r%e9(one);\r\n"
          " name*1*=sum%e9 (two); x=y\r\n\r\n",
          "Content-Type: text/plain; charset=utf-8; name*=utf-8'fr'r%C3%A9sum%C3%A9\r\n"
          " (one)(two); x=y\r\n\r\n");
    check("iso-8859-1", "Content-Disposition: attachment; filename*=utf-8''%C3%A9\r\n",
          "Content-Disposition: attachment; filename*=iso-8859-1''%E9\r\n");
    check("utf-8",
          "Content-Disposition: attachment; filename*0*=koi8-r''"
          "%F0%C9%C5%F0%C9%C5%F0%C9%C5%F0%C9%C5%F0%C9%C5%F0%C9%C5.txt\r\n",
          "Content-Disposition: attachment;\r\n"
          " filename*0*=utf-8''%D0%9F%D0%B8%D0%B5%D0%9F%D0%B8%D0%B5%D0%9F%D0%B8%D0%B5;\r\n"
          " filename*1*=%D0%9F%D0%B8%D0%B5%D0%9F%D0%B8%D0%B5%D0%9F%D0%B8%D0%B5.txt\r\n");
}

static void test_failures(void **state)
{
    static const struct {
        struct header_charset charset;
        const char *header;
        enum err want;
    } CASES[] = {
        {{.name = {"x-none", 6}}, "", ERR_BAD_CHARSET},
        {{.name = {"utf-16", 6}}, "", ERR_BAD_CHARSET},
        {{.name = {"", 0}}, "", ERR_BAD_CHARSET},
        {{.name = {"us-ascii", 8}}, "S: =?utf-8?q?=C3=A9?=\r\n", ERR_CONVERSION},
        {{.name = {"us-ascii", 8}, true, {"\xc3\xa9", 2}}, "", ERR_BAD_PARAM},
        {{.name = {"us-ascii", 8}, true, {"?", 1}}, "S: =?utf-8?q?=C3=A9?=\r\n", ERR_OK},
        {{.name = {"us-ascii", 8}}, "S: =?utf-8?q?ascii?=\r\n", ERR_OK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct buf out = BUF_INIT(OUT_MOST);
        assert_int_equal(header_recode(str_from_c(CASES[i].header), &CASES[i].charset, &out),
                         CASES[i].want);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_untouched),    cmocka_unit_test(test_words),
        cmocka_unit_test(test_no_injection), cmocka_unit_test(test_long),
        cmocka_unit_test(test_params),       cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
