/* X-PREVIEW: which part a preview is made of, and what of its text is shown (RFC 8970, 3.3). */
#include "unit.h"

#include "mime/preview.h"

#include <stdio.h>

enum { TEXT_CAP = 1 << 20 };

/* The preview of a message, its parts fed by pieces. */
static void make_preview(struct str message, size_t piece, struct buf *out)
{
    struct arena *a = arena_new(SHAPE_ARENA_MOST);
    CLEANUP(buf_release) struct buf serialised = BUF_INIT(SHAPE_MOST);
    struct shape shape;
    const struct part *part = NULL;
    buf_clear(out);
    assert_int_equal(shape_build(message, &serialised), ERR_OK);
    assert_int_equal(shape_parse(a, buf_str(&serialised), &shape), ERR_OK);
    for (unsigned n = 0; out->len == 0; n++) {
        struct preview *p = NULL;
        part = preview_find_part(&shape, n);
        if (part == NULL) {
            break;
        }
        struct str body = str_sub(message, (size_t)part->body_offset, (size_t)part->body_size);
        assert_int_equal(preview_new(part, &p), ERR_OK);
        while (body.n > piece && !preview_feed(p, str_sub(body, 0, piece), false)) {
            body = str_skip(body, piece);
        }
        (void)preview_feed(p, body, true);
        buf_add(out, preview_get(p));
        preview_free(&p);
    }
    arena_free(&a);
}

struct preview_case {
    const char *message;
    const char *preview;
};

static void check_cases(const struct preview_case *cases, size_t count)
{
    static const size_t PIECES[] = {1, 3, 1000000};
    CLEANUP(buf_release) struct buf out = BUF_INIT(TEXT_CAP);
    unsigned wrong = 0;
    for (size_t i = 0; i < count * 3; i++) {
        const struct preview_case *c = &cases[i / 3];
        make_preview(str_from_c(c->message), PIECES[i % 3], &out);
        if (!str_eq(buf_str(&out), str_from_c(c->preview))) {
            print_error("%s\n-> \"%.*s\", not \"%s\"\n", c->message, STR_ARG(buf_str(&out)),
                        c->preview);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

#define MULTI(kind) "Content-Type: multipart/" kind "; boundary=b\r\n\r\n--b\r\n"
#define HTML "Content-Type: text/html\r\n\r\n"

static void test_parts(void **state)
{
    (void)state;
    static const struct preview_case CASES[] = {
        {"", ""},
        {"Subject: x\r\n\r\n", ""},
        {"Content-Type: image/png\r\n\r\nabc", ""},
        {"Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR", ""},
        {"Content-Transfer-Encoding: x-odd\r\n\r\nabc", ""},
        {"Content-Type: application/pkcs7-mime\r\n\r\nMIAG", ""},
        {MULTI("encrypted") "\r\nVersion: 1\r\n--b--", ""},
        {MULTI("signed") "\r\nsigned\r\n--b--", "signed"},
        {MULTI("alternative") HTML "<p>html</p>\r\n--b\r\n\r\nplain\r\n--b--", "plain"},
        {MULTI("alternative") "\r\n \r\n--b\r\n" HTML "<p>html</p>\r\n--b--", "html"},
        {MULTI("mixed") "Content-Disposition: attachment\r\n\r\nno\r\n--b\r\n\r\nyes\r\n--b--",
         "yes"},
        {MULTI("mixed") "Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\nenclosed\r\n--b--", ""},
        {MULTI("related") HTML "<title>t</title>Hi <img src=x>you\r\n--b--", "Hi you"},
    };
    check_cases(CASES, sizeof(CASES) / sizeof(CASES[0]));
}

static void test_text(void **state)
{
    (void)state;
    static const struct preview_case CASES[] = {
        {"A: b\r\n\r\n  Dear \tAnna,\r\n\r\n\r\nthe tickets\r\n are ",
         "Dear Anna, the tickets are"},
        {"A: b\r\n\r\nBob wrote:\r\n> old\r\n>> older\r\nnew\r\n-- \r\nBob\r\n", "Bob wrote: new"},
        {"A: b\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n", ""},
        {"A: b\r\n\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nhello\r\n"
         "-----BEGIN PGP SIGNATURE-----\r\n\r\niQ\r\n",
         "hello"},
        {"A: b\r\n\r\n======\r\nNews\r\n---- ** ***** ... a---\r\n", "News ** ... a---"},
        {"Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; "
         "charset=iso-8859-1\r\n\r\nf=FCr=\r\n dich=00=1B[1m",
         "f\xc3\xbcr dich [1m"},
        {"Content-Transfer-Encoding: base64\r\n\r\n4oCuaGk=", "hi"},
        {HTML "Hello&zwnj;&nbsp;&zwnj;&nbsp;&#847;&#173;&ZeroWidthSpace;<br>a&zwj;b",
         "Hello\xe2\x80\x8c a\xe2\x80\x8d"
         "b"},
        {"Content-Type: text/plain; charset=x-unknown\r\n\r\nabc \xff", "abc \xc3\xbf"},
    };
    check_cases(CASES, sizeof(CASES) / sizeof(CASES[0]));
}

/* 200 characters, whatever their size; a long word does not make it longer; no space at the end. */
static void test_length(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {"\xe4\xb8\xad", "a ", "ab ", "word", "\xf0\x9f\x98\x80 x"};
    CLEANUP(buf_release) struct buf message = BUF_INIT(TEXT_CAP);
    CLEANUP(buf_release) struct buf out = BUF_INIT(TEXT_CAP);
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        size_t chars = 0;
        buf_clear(&message);
        buf_add_c(&message, "Content-Type: text/plain; charset=utf-8\r\n\r\n");
        for (unsigned n = 0; n < 1000; n++) {
            buf_add_c(&message, TEXTS[i]);
        }
        make_preview(buf_str(&message), 1000, &out);
        for (size_t k = 0; k < out.len; k++) {
            chars += ((unsigned char)out.p[k] & 0xc0) != 0x80;
        }
        assert_in_range(chars, 199, PREVIEW_CHARS);
        assert_true(out.p[out.len - 1] != ' ');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
