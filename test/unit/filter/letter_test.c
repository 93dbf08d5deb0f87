/* Messages that are made hold nothing that strangers' words could turn into something else. */
#include "filter/letter.h"
#include "filter/mailto.h"

#include "unit.h"

static void expect_field(const char *value, const char *expected)
{
    struct buf out = BUF_INIT(10000);
    letter_write_field(&out, STR("Subject"), str_from_c(value));
    assert_str(buf_str(&out), str_from_c(expected));
    buf_release(&out);
}

static void test_fields(void **state)
{
    expect_field("plain", "Subject: plain\r\n");
    expect_field("a\r\nBcc: x\tb", "Subject: a  Bcc: x b\r\n");
    expect_field("\xc3\xa4", "Subject: =?utf-8?B?w6Q=?=\r\n");
    expect_field("", "Subject: \r\n");
    struct buf out = BUF_INIT(10000);
    for (int i = 0; i < 100; i++) {
        buf_add(&out, STR("\xc3\xa4"));
    }
    struct buf field = BUF_INIT(10000);
    letter_write_field(&field, STR("Subject"), buf_str(&out));
    struct str rest = buf_str(&field);
    while (rest.n > 0) {
        struct str line = str_split(&rest, '\n');
        assert_true(line.n < 78);
        assert_true(str_ends(line, STR("?=\r")));
    }
    buf_release(&out);
    buf_release(&field);
}

static void expect_text(const char *text, const char *expected)
{
    struct buf out = BUF_INIT(10000);
    letter_write_text(&out, str_from_c(text));
    struct str got = str_skip(
        buf_str(&out), sizeof("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=") - 1);
    assert_str(got, str_from_c(expected));
    buf_release(&out);
}

static void test_texts(void **state)
{
    expect_text("a\nb\r\n.\n",
                "us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\na\r\nb\r\n.\r\n");
    expect_text("\xc3\xa4\rx", "utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa4 x\r\n");
    char line[1200];
    memset(line, 'x', sizeof(line));
    struct buf out = BUF_INIT(10000);
    letter_write_text(&out, str_make(line, sizeof(line)));
    assert_true(str_find_str(buf_str(&out), STR("base64\r\n\r\neHh4")) < out.len);
    buf_release(&out);
}

static void test_json(void **state)
{
    struct buf out = BUF_INIT(1000);
    letter_write_json(&out, STR("a\"\\\n\x7f\xc3\xa4\xff\xe2\x82"));
    assert_str(buf_str(&out),
               STR("\"a\\\"\\\\\\u000a\\u007f\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""));
    buf_release(&out);
}

static enum err parse(struct arena *a, const char *uri, struct mailto *m)
{
    return mailto_parse(a, str_from_c(uri), m);
}

static void test_mailto(void **state)
{
    static const char *const WRONG[] = {
        "mailto:",          "mailto:?subject=x",      "http://x/",
        "mailto:nobody",    "mailto:a@b,@",           "mailto:a@b?to=c",
        "mailto:a%0D%0A@b", "mailto:a@b?subject=%ff", "mailto:a@b%3E%20X",
    };
    struct arena *a = arena_new(1 << 20);
    struct mailto m;
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        if (parse(a, WRONG[i], &m) == ERR_OK) {
            fail_msg("%s", WRONG[i]);
        }
    }
    assert_int_equal(parse(a,
                           "MAILTO:a@b,%63@d?to=A@b&CC=e%40f&subject=%C3%A4&body=&x-y=%20z&date=1&"
                           "x:=1&resent-to=q",
                           &m),
                     ERR_OK);
    assert_int_equal(m.recipient_count, 3);
    assert_str(m.to, STR("a@b, c@d, A@b"));
    assert_str(m.cc, STR("e@f"));
    assert_true(m.has_subject && m.has_body);
    assert_str(m.subject, STR("\xc3\xa4"));
    assert_int_equal(m.field_count, 1);
    assert_str(m.fields[0].name, STR("x-y"));
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_mailto),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
