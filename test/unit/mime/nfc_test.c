/* Unit tests of mime/nfc: what composes, what does not, what is refused. */
#include "mime/nfc.h"

#include "unit.h"

static void check(const char *text, const char *expected)
{
    struct buf out = BUF_INIT(NFC_MOST);
    assert_int_equal(nfc_write(str_from_c(text), &out), ERR_OK);
    assert_true(str_eq(buf_str(&out), str_from_c(expected)));
    buf_release(&out);
}

static void test_composes(void **state)
{
    (void)state;
    check("", "");
    check("INBOX", "INBOX");
    check("Entwu\xcc\x88rfe", "Entw\xc3\xbcrfe");
    check("Entw\xc3\xbcrfe", "Entw\xc3\xbcrfe");
    check("\xe2\x84\xab", "\xc3\x85");                             /* ANGSTROM SIGN */
    check("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c"); /* HANGUL */
    check("\xef\xbc\xa1", "\xef\xbc\xa1");                         /* compatible is not the same */
}

static void test_refuses(void **state)
{
    (void)state;
    static char large[NFC_MOST + 1];
    struct buf out = BUF_INIT(NFC_MOST);
    assert_int_equal(nfc_write(STR("x\xff"), &out), ERR_SYNTAX);
    assert_int_equal(nfc_write(STR("\xc3"), &out), ERR_SYNTAX);
    memset(large, 'x', sizeof(large));
    large[0] = '\xc3';
    large[1] = '\xbc';
    assert_int_equal(nfc_write(str_make(large, sizeof(large)), &out), ERR_LIMIT);
    /* U+1D160 becomes three characters of four octets each */
    for (size_t i = 0; i + 4 <= NFC_MOST; i += 4) {
        memcpy(large + i, "\xf0\x9d\x85\xa0", 4);
    }
    assert_int_equal(nfc_write(str_make(large, NFC_MOST), &out), ERR_LIMIT);
    assert_int_equal(out.len, 0);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_composes),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
