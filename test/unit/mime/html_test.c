#include "unit.h"

#include "mime/html.h"

#include <stdio.h>

enum { TEXT_CAP = 64 * 1024 };

static void convert(enum html_mode mode, struct str s, size_t piece, struct buf *out)
{
    struct html h;
    html_init(&h, mode);
    for (; s.n > piece; s = str_skip(s, piece)) {
        html_to_text(&h, str_sub(s, 0, piece), false, out);
    }
    html_to_text(&h, s, true, out);
}

struct html_case {
    const char *html;
    const char *text;
};

/* Each at once and octet by octet. */
static void check_cases(enum html_mode mode, const struct html_case *cases, size_t count)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < count * 2; i++) {
        struct buf out = BUF_INIT(TEXT_CAP);
        const struct html_case *c = &cases[i / 2];
        convert(mode, str_from_c(c->html), i % 2 == 0 ? SIZE_MAX : 1, &out);
        if (!str_eq(buf_str(&out), str_from_c(c->text))) {
            print_error("%s -> \"%.*s\", not \"%s\"\n", c->html, STR_ARG(buf_str(&out)), c->text);
            wrong++;
        }
        buf_release(&out);
    }
    assert_int_equal(wrong, 0);
}

static void test_broken(void **state)
{
    (void)state;
    static const struct html_case CASES[] = {
        {"", ""},
        {"<", "<"},
        {"a < b && c > d", "a < b && c > d"},
        {"a <b", "a"},
        {"a </", "a"},
        {"a </>b", "a b"},
        {"1 <2 and <3", "1 <2 and <3"},
        {"&", "&"},
        {"&;", "&;"},
        {"&nosuch; &nosuch", "&nosuch; &nosuch"},
        {"&#; &#x; &#xg; &#1a;", "&#; &#x; &#xg; &#1a;"},
        {"&#0;&#xd800;&#x110000;&#99999999999999;",
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"&abcdefghijklmnopqrstuvwxyzabcdefghijklmnop;",
         "&abcdefghijklmnopqrstuvwxyzabcdefghijklmnop;"},
        {"a<!-- b", "a"},
        {"a<!-->b<!--->c<!-- -- -->d<!-- --!>e", "abcde"},
        {"a<!doctype html>b<?xml v?>c<![CDATA[x]]>d", "abcd"},
        {"a<style>b</styl>c</style x>d", "ad"},
        {"a<script>if (a</b>) \"</script\"</script>b", "ab"},
        {"a<script>if (a</b>) '</ script'</script>b", "ab"},
        {"a<title>b", "a"},
        {"<a title=\"x>y\" b='<' c=d>e</a>", "e"},
        {"<a =b>c", "c"},
        {"<div/>a<br/>b", "a\r\nb"},
        {"a\x01\x7f"
         "b",
         "ab"},
        {"\xff\xc3", "\xff\xc3"},
        {"</pre></li></a>x", "x"},
    };
    check_cases(HTML_WORDS, CASES, sizeof(CASES) / sizeof(CASES[0]));
}

static void test_words(void **state)
{
    (void)state;
    static const struct html_case CASES[] = {
        {"<html><head><title>T</title><style>p {}</style></head>\r\n<body>Hello</body></html>\r\n",
         "Hello"},
        {"<p>One\n  two</p>\n<p>three</p>", "One two\r\n\r\nthree"},
        {"a<br>b<br><br>c<br><br><br>d", "a\r\nb\r\n\r\nc\r\n\r\nd"},
        {"<div>a</div><div>b</div>", "a\r\nb"},
        {"<table><tr><td>a</td><td>b</td></tr><tr><th>c</th></tr></table>d", "a b\r\nc\r\n\r\nd"},
        {"<b>bo</b>ld <i> it</i>", "bold it"},
        {"f&uuml;r &AMP; &amp;&lt;&gt &quot; &copy &euro; &euro &#8364; &#x20AC; &#128;",
         "f\xc3\xbcr & &<> \" \xc2\xa9 \xe2\x82\xac &euro \xe2\x82\xac \xe2\x82\xac \xe2\x82\xac"},
        {"a&nbsp;&nbsp;b&#160;c&#10;d", "a b c d"},
        {"&lt;script&gt;", "<script>"},
        {"<ul><li>a<li>b</ul>c", "a\r\nb\r\n\r\nc"},
        {"<pre>a  b\r\n\r\nc\n</pre>d", "a  b\r\n\r\nc\r\n\r\nd"},
        {"<a href=\"https://a.example/\">b</a> <img alt=\"c\">", "b"},
        {"<!--[if mso]><p>no</p><![endif]--><!--[if !mso]><!-->yes<!--<![endif]-->", "yes"},
        {"x<SCRIPT>y</ScRiPt >z", "xz"},
        {"\xe4\xb8\xad\xe6\x96\x87<br>\xe2\x82\xac", "\xe4\xb8\xad\xe6\x96\x87\r\n\xe2\x82\xac"},
    };
    check_cases(HTML_WORDS, CASES, sizeof(CASES) / sizeof(CASES[0]));
}

static void test_readable(void **state)
{
    (void)state;
    static const struct html_case CASES[] = {
        {"<a href=\"https://a.example/?x=1&amp;y=2&copy=3\">here</a>, now",
         "here <https://a.example/?x=1&y=2&copy=3>, now"},
        {"<a href=https://a.example/>https://a.example/</a>.", "https://a.example/."},
        {"<a href='mailto:a@b.example'>me</a> <a href='javascript:alert(1)'>no</a>",
         "me <mailto:a@b.example> no"},
        {"<a href='#top'>a</a><a href='https://a b/'>c</a><a name=x>d</a>", "acd"},
        {"<a href='https://a.example/'>a<a href='https://b.example/'>b</a>",
         "a <https://a.example/>b <https://b.example/>"},
        {"<a href='https://a.example/'>a", "a <https://a.example/>"},
        {"<a href='https://a.example/'></a>b", "<https://a.example/>b"},
        {"<p>a</p><ul><li>b</li><li> c</ul>", "a\r\n\r\n* b\r\n* c"},
        {"a <img src=x alt=' A &amp; B '> <img alt=\"\"><img src=y>b", "a [A & B] b"},
    };
    check_cases(HTML_READABLE, CASES, sizeof(CASES) / sizeof(CASES[0]));
}

/* An address that is too long is not shown cut. */
static void test_long_link(void **state)
{
    (void)state;
    struct buf html = BUF_INIT(TEXT_CAP);
    struct buf out = BUF_INIT(TEXT_CAP);
    buf_add_c(&html, "<a href='https://");
    for (int i = 0; i < HTML_VALUE_MOST; i++) {
        buf_add_char(&html, 'a');
    }
    buf_add_c(&html, "'>b</a>c");
    convert(HTML_READABLE, buf_str(&html), SIZE_MAX, &out);
    assert_str(buf_str(&out), STR("bc"));
    buf_release(&html);
    buf_release(&out);
}

/* The references are found by bisection: each must be at its place. */
static void test_references_sorted(void **state)
{
    (void)state;
    static const char *const NAMES[] = {
#define ENTITY(name, code_point) #name,
#include "mime/html_entities.def"
#undef ENTITY
    };
    for (size_t i = 1; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        assert_true(str_cmp(str_from_c(NAMES[i - 1]), str_from_c(NAMES[i])) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_readable),
        cmocka_unit_test(test_long_link),
        cmocka_unit_test(test_references_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
