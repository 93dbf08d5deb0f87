/* Down-conversion (S-2, S-4; RFC 6152, 3; RFC 3030, 3) and the scan that asks for it. */
#include "smtp/convert.h"

#include "base/buf.h"

#include "unit.h"

static struct content_able takes(enum content_kind kind)
{
    return (struct content_able){kind, kind != CONTENT_7BIT};
}

static enum err add(void *owner, struct str octets)
{
    buf_add(owner, octets);
    return ERR_OK;
}

static enum content_kind kind_of(struct str s)
{
    struct content_scan scan = {0};
    content_scan_add(&scan, s);
    return content_get_kind(&scan);
}

static void test_kinds(void **state)
{
    char line[1100] = "";
    assert_int_equal(kind_of(STR("")), CONTENT_7BIT);
    assert_int_equal(kind_of(STR("a\r\nb")), CONTENT_7BIT);
    assert_int_equal(kind_of(STR("a\xe9\r\n")), CONTENT_8BIT);
    assert_int_equal(kind_of(STR("a\nb")), CONTENT_BINARY);
    assert_int_equal(kind_of(STR("a\rb")), CONTENT_BINARY);
    assert_int_equal(kind_of(STR("a\r")), CONTENT_BINARY);
    assert_int_equal(kind_of(STR("\r\r\n")), CONTENT_BINARY);
    assert_int_equal(kind_of(str_make("a\0b", 3)), CONTENT_BINARY);
    memset(line, 'x', sizeof(line));
    assert_int_equal(kind_of(str_make(line, 998)), CONTENT_7BIT);
    assert_int_equal(kind_of(str_make(line, 999)), CONTENT_BINARY);
}

#define MULTI                                                                                      \
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"                           \
    "Content-Transfer-Encoding: 8bit\r\n\r\npre\r\n--b\r\n"                                        \
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nX: 1\r\n\r\n"   \
    "gr\xc3\xbc\xc3\x9f=e \r\n\r\n--b\r\nContent-Type: image/gif\r\n"                              \
    "Content-Transfer-Encoding: 8bit\r\n\r\n\xff\xfe\r\n--b--\r\nepi\r\n"

static const struct {
    const char *in;
    enum content_kind able;
    const char *out;
} rows[] = {
    {"A: 1\r\n\r\nplain\r\n", CONTENT_7BIT, "A: 1\r\n\r\nplain\r\n"},
    {"A: 1\r\n\r\na\nb\rc\r\n", CONTENT_8BIT, "A: 1\r\n\r\na\r\nb\r\nc\r\n"},
    {"A: 1\r\n\r\n\xe9\r\n", CONTENT_7BIT,
     "A: 1\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E9\r\n"},
    {"A: 1\r\n\r\n\xe9\r\n", CONTENT_8BIT, "A: 1\r\n\r\n\xe9\r\n"},
    {"MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding:\r\n "
     "binary\r\n\r\n"
     "a\nb\r\n",
     CONTENT_8BIT,
     "MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
     "YQpiDQo=\r\n"},
    {"MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: "
     "binary\r\n\r\nab\r\n",
     CONTENT_8BIT,
     "MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: "
     "7bit\r\n\r\nab\r\n"},
    {"Content-Transfer-Encoding: base64\r\nMIME-Version: 1.0\r\n\r\nYQ==\r\n", CONTENT_7BIT,
     "Content-Transfer-Encoding: base64\r\nMIME-Version: 1.0\r\n\r\nYQ==\r\n"},
    {MULTI, CONTENT_8BIT, MULTI},
    {MULTI, CONTENT_7BIT,
     "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
     "Content-Transfer-Encoding: 7bit\r\n\r\npre\r\n--b\r\n"
     "Content-Type: text/plain; charset=utf-8\r\nX: 1\r\n"
     "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
     "gr=C3=BC=C3=9F=3De=20\r\n\r\n--b\r\nContent-Type: image/gif\r\n"
     "Content-Transfer-Encoding: base64\r\n\r\n//4=\r\n\r\n--b--\r\nepi\r\n"},
};

static void test_rows(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
        assert_int_equal(convert_message(str_from_c(rows[i].in), takes(rows[i].able), add, &out),
                         ERR_OK);
        if (!str_eq(buf_str(&out), str_from_c(rows[i].out))) {
            print_error("row %zu:\n%s\n", i, out.p);
        }
        assert_str(buf_str(&out), str_from_c(rows[i].out));
        assert_true(kind_of(buf_str(&out)) <= rows[i].able);
    }
}

/* A message inside a message: parts are recoded, the label around them becomes honest. */
static void test_message_in_message(void **state)
{
    struct str in =
        STR("MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n"
            "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=latin1\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n\xe9\r\n");
    CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
    assert_int_equal(convert_message(in, takes(CONTENT_7BIT), add, &out), ERR_OK);
    assert_int_equal(kind_of(buf_str(&out)), CONTENT_7BIT);
    struct str s = buf_str(&out);
    assert_true(str_find_str(s, STR("Content-Transfer-Encoding: 7bit\r\n\r\nSubject: x")) < s.n);
    assert_true(str_ends(s, STR("quoted-printable\r\n\r\n=E9\r\n")));
}

/* S-4: what is under a signature passes untouched or not at all (RFC 1847, 2.1). */
static void test_signed(void **state)
{
    static const struct {
        const char *text;
        enum content_kind able;
        enum err err;
    } cases[] = {
        {"plain", CONTENT_7BIT, ERR_OK},
        {"gr\xc3\xbcn", CONTENT_8BIT, ERR_OK},
        {"gr\xc3\xbcn", CONTENT_7BIT, ERR_CONVERSION},
        {"bare\nend", CONTENT_8BIT, ERR_CONVERSION},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CLEANUP(buf_release) struct buf in = BUF_INIT(1 << 16);
        CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 16);
        buf_addf(&in,
                 "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
                 "Content-Type: multipart/signed; boundary=s; micalg=pgp-sha512;\r\n"
                 " protocol=\"application/pgp-signature\"\r\n\r\n"
                 "--s\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n--s\r\n"
                 "Content-Type: application/pgp-signature\r\n\r\nxyz\r\n--s--\r\n--o\r\n\r\n"
                 "beside\r\n--o--\r\n",
                 cases[i].text);
        assert_int_equal(convert_message(buf_str(&in), takes(cases[i].able), add, &out),
                         cases[i].err);
        if (cases[i].err == ERR_OK) {
            assert_str(buf_str(&out), buf_str(&in));
        }
    }
}

/* X-SMTPUTF8: for a host without it all headers become ASCII, those of parts and inner messages, too, bodies stay; what is
 * sealed, or cannot be written so, goes back. */
static void test_utf8_headers(void **state)
{
    static const struct {
        const char *in;
        enum err err;
        const char *out;
    } cases[] = {
        {"Subject: \xC3\xBC\r\n\r\n\xC3\xBC\r\n", ERR_OK,
         "Subject: =?utf-8?B?w7w=?=\r\n\r\n\xC3\xBC\r\n"},
        {"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Description: "
         "\xC3\xBC\r\n\r\n\xC3\xBC\r\n"
         "--b--\r\n",
         ERR_OK,
         "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Description: "
         "=?utf-8?B?w7w=?=\r\n\r\n"
         "\xC3\xBC\r\n--b--\r\n"},
        {"Subject: x\r\nContent-Type: message/global\r\n\r\nSubject: \xC3\xBC\r\n\r\nx\r\n", ERR_OK,
         "Subject: x\r\nContent-Type: message/rfc822\r\nMIME-Version: 1.0\r\n\r\nSubject: "
         "=?utf-8?B?w7w=?=\r\n\r\nx\r\n"},
        {"From: \xC3\xBC@x.example\r\n\r\nx\r\n", ERR_UTF8_HEADER, NULL},
        {"Subject: \xC3\xBC\r\nContent-Type: multipart/signed; "
         "boundary=s\r\n\r\n--s\r\n\r\n\xC3\xBC\r\n--s--\r\n",
         ERR_OK,
         "Subject: =?utf-8?B?w7w=?=\r\nContent-Type: multipart/signed; "
         "boundary=s\r\n\r\n--s\r\n\r\n\xC3\xBC\r\n--s--\r\n"},
        {"Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\nContent-Description: "
         "\xC3\xBC\r\n\r\nx\r\n--s--\r\n",
         ERR_UTF8_HEADER, NULL},
        {"Content-Type: multipart/encrypted; boundary=s\r\n\r\n--s\r\nContent-Description: "
         "\xC3\xBC\r\n\r\nx\r\n"
         "--s--\r\n",
         ERR_UTF8_HEADER, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 16);
        struct str in = str_from_c(cases[i].in);
        enum err e = convert_message(in, (struct content_able){CONTENT_8BIT, false}, add, &out);
        assert_int_equal(e, cases[i].err);
        if (e == ERR_OK) {
            assert_str(buf_str(&out), str_from_c(cases[i].out));
        }
        buf_clear(&out);
        assert_int_equal(convert_message(in, takes(CONTENT_8BIT), add, &out), ERR_OK);
        assert_str(buf_str(&out), in);
    }
}

/* Encrypted parts are left alone, too; an S/MIME object is recoded, and decodes to the same octets. */
static void test_encrypted(void **state)
{
    struct str sealed = STR("Content-Type: multipart/encrypted; boundary=s\r\n\r\n--s\r\n"
                            "Content-Type: application/octet-stream\r\n\r\n\xFF\r\n--s--\r\n");
    struct str smime = STR("Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n"
                           "Content-Transfer-Encoding: binary\r\n\r\n\xFF\xFE");
    CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 16);
    assert_int_equal(convert_message(sealed, takes(CONTENT_7BIT), add, &out), ERR_CONVERSION);
    buf_clear(&out);
    assert_int_equal(convert_message(smime, takes(CONTENT_7BIT), add, &out), ERR_OK);
    assert_true(str_ends(buf_str(&out), STR("Transfer-Encoding: base64\r\n\r\n//4=\r\n")));
}

/* A header line that no host has to take is folded, and nothing but line ends is new. */
static void test_long_header(void **state)
{
    CLEANUP(buf_release) struct buf in = BUF_INIT(1 << 16);
    CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 16);
    buf_add(&in, STR("Subject: x\r\nReferences:"));
    for (unsigned i = 0; i < 200; i++) {
        buf_addf(&in, " <%u@example.test>", i);
    }
    buf_add(&in, STR("\r\nX: 1\r\n\r\nbody\r\n"));
    assert_int_equal(kind_of(buf_str(&in)), CONTENT_BINARY);
    assert_int_equal(convert_message(buf_str(&in), takes(CONTENT_8BIT), add, &out), ERR_OK);
    assert_int_equal(kind_of(buf_str(&out)), CONTENT_7BIT);
    CLEANUP(buf_release) struct buf unfolded = BUF_INIT(1 << 16);
    for (struct str rest = buf_str(&out); rest.n > 0;) {
        size_t fold = str_find_str(rest, STR("\r\n "));
        buf_add(&unfolded, str_sub(rest, 0, fold));
        rest = str_skip(rest, fold < rest.n ? fold + 2 : fold);
    }
    assert_str(buf_str(&unfolded), buf_str(&in));
    /* Without a blank there is nothing to be done: it goes back (5.6.3). */
    buf_clear(&in);
    buf_clear(&out);
    buf_addf(&in, "X: %01200d\r\n\r\nbody\r\n", 0);
    assert_int_equal(convert_message(buf_str(&in), takes(CONTENT_8BIT), add, &out), ERR_OK);
    assert_int_equal(kind_of(buf_str(&out)), CONTENT_BINARY);
}

/* Lines of what is encoded are never too long, whatever goes in. */
static void test_long_lines(void **state)
{
    for (unsigned seed = 1; seed < 200; seed++) {
        CLEANUP(buf_release) struct buf in = BUF_INIT(1 << 20);
        CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
        buf_add(&in, seed % 2 == 0 ? STR("Content-Type: text/plain\r\nMIME-Version: 1.0\r\n\r\n")
                                   : STR("Content-Type: a/b\r\nMIME-Version: 1.0\r\n\r\n"));
        uint32_t x = seed * 2654435761U;
        for (unsigned i = 0; i < 3000; i++) {
            x = x * 1664525U + 1013904223U;
            buf_add_char(&in, (x >> 24) % 50 == 0 ? ' ' : (char)(32 + (x >> 20) % 200));
        }
        assert_int_equal(convert_message(buf_str(&in), takes(CONTENT_7BIT), add, &out), ERR_OK);
        assert_int_equal(kind_of(buf_str(&out)), CONTENT_7BIT);
        for (struct str rest = buf_str(&out); rest.n > 0;) {
            assert_true(str_split(&rest, '\n').n <= 77);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_message_in_message),
        cmocka_unit_test(test_signed),
        cmocka_unit_test(test_utf8_headers),
        cmocka_unit_test(test_encrypted),
        cmocka_unit_test(test_long_header),
        cmocka_unit_test(test_long_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
