/* X-SMTPUTF8: headers in UTF-8 become ASCII where that can be, and say so where it cannot. */
#include "mime/header_ascii.h"

#include "mime/words.h"

#include "unit.h"

#define U_UML "\xC3\xBC"

static const struct {
    const char *in;
    const char *out; /* NULL: cannot be */
} rows[] = {
    {"", ""},
    {"Subject: plain\r\n\r\n", "Subject: plain\r\n\r\n"},
    {"X: a\r\nSubject: f" U_UML "r\r\n dich\r\nY:  b\r\n\r\n",
     "X: a\r\nSubject: =?utf-8?B?ZsO8ciBkaWNo?=\r\nY:  b\r\n\r\n"},
    {"Subject: " U_UML U_UML U_UML U_UML U_UML "\r\n", "Subject: =?utf-8?B?w7zDvMO8w7zDvA==?=\r\n"},
    {"Subject: =?iso-8859-1?q?=FC?= " U_UML "\r\n", "Subject: =?utf-8?B?w7wgw7w=?=\r\n"},
    {"From: J" U_UML "rgen <j@x.example>\r\n", "From: =?utf-8?Q?J=C3=BCrgen?= <j@x.example>\r\n"},
    {"to: \"J" U_UML ", x\" <j@x.example>, b@y.z (" U_UML ")\r\n",
     "to: =?utf-8?B?SsO8LCB4?= <j@x.example>, =?utf-8?B?w7w=?= <b@y.z>\r\n"},
    {"Cc: a@b" U_UML "cher.example\r\n", "Cc: a@xn--bcher-kva.example\r\n"},
    {"Cc: T" U_UML "r: a@b, \"c d\"@e;, f@g\r\n",
     "Cc: =?utf-8?Q?T=C3=BCr?=: a@b, \"c d\"@e;, f@g\r\n"},
    {"Cc: \"o (k)\" <a@b>, " U_UML " <c@d>\r\n", "Cc: \"o (k)\" <a@b>, =?utf-8?B?w7w=?= <c@d>\r\n"},
    {"From: <j" U_UML "rgen@x.example>\r\n", NULL},
    {"From: a@\xE2\x80\x8B\r\n", NULL},
    {"Message-ID: <" U_UML "@x>\r\n", NULL},
    {"References: <" U_UML "@x>\r\n", NULL},
    {"Subject: \xFC\r\n", NULL},
    {"no field " U_UML "\r\n", NULL},
    {"no field " U_UML "\r\nSubject: x\r\n", NULL},
    {"Received: by x for <" U_UML "@y>;\r\n\tnow\r\n", "Received: by x for <?\?@y>;\r\n\tnow\r\n"},
    {"Content-Type: text/plain; name=\"f" U_UML " r\"; charset=utf-8\r\n",
     "Content-Type: text/plain; name*=utf-8''f%C3%BC%20r; charset=\"utf-8\"\r\n"},
};

static void test_rows(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 16);
        enum err e = header_to_ascii(str_from_c(rows[i].in), &out);
        if (rows[i].out == NULL) {
            assert_int_equal(e, ERR_UTF8_HEADER);
            continue;
        }
        assert_int_equal(e, ERR_OK);
        if (!str_eq(buf_str(&out), str_from_c(rows[i].out))) {
            print_error("row %zu:\n%s\n", i, out.p);
        }
        assert_str(buf_str(&out), str_from_c(rows[i].out));
    }
}

/* However long a text is: short lines, whole characters, and it reads as it did. */
static void test_long(void **state)
{
    for (size_t n = 1; n < 400; n += 7) {
        CLEANUP(buf_release) struct buf in = BUF_INIT(1 << 16);
        CLEANUP(buf_release) struct buf text = BUF_INIT(1 << 16);
        CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 16);
        CLEANUP(buf_release) struct buf back = BUF_INIT(1 << 16);
        for (size_t i = 0; i < n; i++) {
            buf_add(&text, i % 3 == 0 ? STR("\xF0\x9F\x98\x80") : STR("b" U_UML));
        }
        buf_add(&in, STR("Subject: "));
        buf_add(&in, buf_str(&text));
        buf_add(&in, STR("\r\n"));
        assert_int_equal(header_to_ascii(buf_str(&in), &out), ERR_OK);
        assert_false(header_has_8bit(buf_str(&out)));
        struct str rest = buf_str(&out);
        CLEANUP(buf_release) struct buf unfolded = BUF_INIT(1 << 16);
        while (rest.n > 0) {
            struct str line = str_split(&rest, '\n');
            assert_true(line.n <= 78);
            buf_add(&unfolded, str_sub(line, 0, line.n - 1));
        }
        words_decode(str_skip(buf_str(&unfolded), 9), &back);
        assert_str(buf_str(&back), buf_str(&text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
