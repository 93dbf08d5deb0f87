/* Unit tests of mime/words: encoded words that are none, encoded words, parameters of RFC 2231. */
#include "mime/words.h"

#include "unit.h"

static const struct {
    const char *value;
    const char *want;
} WORDS[] = {
    {"", ""},
    {"=?", "=?"},
    {"=?=?=?", "=?=?=?"},
    {"=?utf-8?q?open", "=?utf-8?q?open"},
    {"=?utf-8?q?x?", "=?utf-8?q?x?"},
    {"=?utf-8?z?x?=", "=?utf-8?z?x?="},
    {"=??q?x?=", "=??q?x?="},
    {"=?x-none?q?x?= y", "=?x-none?q?x?= y"},
    {"=?no such?q?x?=", "=?no such?q?x?="},
    {"=?../../x?q?x?=", "=?../../x?q?x?="},
    {"plain text", "plain text"},
    {"caf\xc3\xa9", "caf\xc3\xa9"},
    {"caf\xe9 \x93hi\x94", "caf\xc3\xa9 \xe2\x80\x9chi\xe2\x80\x9d"},
    {"=?utf-8?q?caf=C3=A9_au=20lait?=", "caf\xc3\xa9 au lait"},
    {"=?UTF-8?B?Y2Fmw6k=?=", "caf\xc3\xa9"},
    {"=?utf-8?b?Y2Fmw6k?=", "caf\xc3\xa9"},
    {"=?utf-8?b?w7w=?=", "\xc3\xbc"},
    {"=?utf-8?b?YQ==?=", "a"},
    {"=?iso-8859-1*fr?Q?caf=E9?=", "caf\xc3\xa9"},
    {"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"},
    {"=?utf-8?q?a?=\t  =?iso-8859-1?q?=E9?=", "a\xc3\xa9"},
    {"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"},
    {"x=?utf-8?q?a?=y", "xay"},
    {"=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "\xc3\xa9"},
    {"=?utf-8?q?=C3?= x", "\xef\xbf\xbd x"},
    {"=?utf-8?q?=zz=4?=", "=zz=4"},
    {"=?utf-8?q?a b?=", "a b"},
    {"=?iso-2022-jp?B?GyRCJDMbKEI=?=", "\xe3\x81\x93"},
    {"=?x-none?q?a?= =?utf-8?q?b?=", "=?x-none?q?a?= b"},
};

static void test_words(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        struct buf got = BUF_INIT(1000);
        words_decode(str_from_c(WORDS[i].value), &got);
        if (!str_eq(buf_str(&got), str_from_c(WORDS[i].want))) {
            print_message("%s\nwant %s\n got %s\n", WORDS[i].value, WORDS[i].want, got.p);
            wrong++;
        }
        buf_release(&got);
    }
    assert_int_equal(wrong, 0);
}

static const struct {
    const char *params;
    const char *want; /* NULL: not found */
} PARAMS[] = {
    {"x; other=a", NULL},
    {"x; filename*1=a", NULL},
    {"x; filenames=a", NULL},
    {"x; filename=a.txt", "a.txt"},
    {"x; FileName==?utf-8?q?=C3=A9?=", "\xc3\xa9"},
    {"x; filename*=utf-8'en'%c3%A9%20a", "\xc3\xa9 a"},
    {"x; filename*=iso-8859-1''%e9", "\xc3\xa9"},
    {"x; filename*=x-none''%e9", "\xc3\xa9"},
    {"x; filename*=plain%41", "plainA"},
    {"x; filename*=utf-8''%zz%4", "%zz%4"},
    {"x; filename=old; filename*=utf-8''new", "new"},
    {"x; filename*1*=%c3%a9c; filename*0*=utf-8''a%27", "a'\xc3\xa9"
                                                        "c"},
    {"x; filename*0=\"a b\"; filename*1=\".t%41\"; filename*3=z", "a b.t%41"},
    {"x; filename*0*=utf-8''%c3; filename*1*=%a9", "\xc3\xa9"},
};

static void test_params(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(PARAMS) / sizeof(PARAMS[0]); i++) {
        struct arena *a = arena_new(100000);
        struct buf got = BUF_INIT(1000);
        struct param_field f;
        assert_int_equal(param_field_parse(a, str_from_c(PARAMS[i].params), &f), ERR_OK);
        enum err e = words_decode_param(&f.params, STR("filename"), &got);
        assert_int_equal(e, PARAMS[i].want == NULL ? ERR_NOT_FOUND : ERR_OK);
        assert_str(buf_str(&got), str_from_c(PARAMS[i].want));
        buf_release(&got);
        arena_free(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_params),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
