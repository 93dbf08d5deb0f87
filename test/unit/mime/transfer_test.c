/* Unit tests of mime/transfer: broken encodings, the rules of RFC 2045, and pieces of any size; round trips of random octets. */
#include "mime/transfer.h"

#include "base/base64.h"
#include "unit.h"

#include <stdlib.h>

static void decode(enum transfer_kind kind, struct str s, size_t piece, struct buf *out)
{
    struct transfer t;
    transfer_init(&t, kind);
    for (; s.n > piece; s = str_skip(s, piece)) {
        transfer_decode(&t, str_sub(s, 0, piece), false, out);
    }
    transfer_decode(&t, s, true, out);
}

static const struct {
    enum transfer_kind kind;
    const char *octets;
    const char *want;
} CASES[] = {
    {TRANSFER_IDENTITY, "a=3D \r\n", "a=3D \r\n"},
    {TRANSFER_BASE64, "", ""},
    {TRANSFER_BASE64, "Y", ""},
    {TRANSFER_BASE64, "YQ", "a"},
    {TRANSFER_BASE64, "YQ==", "a"},
    {TRANSFER_BASE64, "Y!W\r\nJ*j", "abc"},
    {TRANSFER_BASE64, "YQ==Yg==", "ab"},
    {TRANSFER_BASE64, "YWI=YWJj", "ababc"},
    {TRANSFER_BASE64, "====", ""},
    {TRANSFER_QUOTED_PRINTABLE, "", ""},
    {TRANSFER_QUOTED_PRINTABLE, "a=3Db=3d", "a=b="},
    {TRANSFER_QUOTED_PRINTABLE, "a=\r\nb=\nc", "abc"},
    {TRANSFER_QUOTED_PRINTABLE, "a= \t\r\nb", "ab"},
    {TRANSFER_QUOTED_PRINTABLE, "a \t\r\nb \nc  d", "a\r\nb\nc  d"},
    {TRANSFER_QUOTED_PRINTABLE, "a=", "a"},
    {TRANSFER_QUOTED_PRINTABLE, "a=\r", "a"},
    {TRANSFER_QUOTED_PRINTABLE, "a=4", "a=4"},
    {TRANSFER_QUOTED_PRINTABLE, "a=zz=4g=\rx= x", "a=zz=4g=\rx= x"},
    {TRANSFER_QUOTED_PRINTABLE, "==41", "=A"},
    {TRANSFER_QUOTED_PRINTABLE, "a  ", "a"},
    {TRANSFER_QUOTED_PRINTABLE, "a \rb", "a \rb"},
    {TRANSFER_QUOTED_PRINTABLE, "a \r=41", "a \rA"},
};

static void test_cases(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        for (size_t piece = 1; piece <= 4; piece++) {
            struct buf got = BUF_INIT(1000);
            decode(CASES[i].kind, str_from_c(CASES[i].octets), piece == 4 ? SIZE_MAX : piece, &got);
            if (!str_eq(buf_str(&got), str_from_c(CASES[i].want))) {
                print_message("%s in pieces of %zu: got %s\n", CASES[i].octets, piece, got.p);
                wrong++;
            }
            buf_release(&got);
        }
    }
    assert_int_equal(wrong, 0);
}

static void test_find(void **state)
{
    (void)state;
    enum transfer_kind kind = TRANSFER_IDENTITY;
    assert_int_equal(transfer_find(STR("x-uuencode"), &kind), ERR_UNKNOWN_CTE);
    assert_int_equal(transfer_find(STR("BASE64"), &kind), ERR_OK);
    assert_int_equal(kind, TRANSFER_BASE64);
    assert_int_equal(transfer_find(STR("Quoted-Printable"), &kind), ERR_OK);
    assert_int_equal(kind, TRANSFER_QUOTED_PRINTABLE);
    assert_int_equal(transfer_find(STR("binary"), &kind), ERR_OK);
    assert_int_equal(kind, TRANSFER_IDENTITY);
}

/* Everything as =XX, with soft line breaks strewn in. */
static void encode_quoted_printable(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        buf_addf(out, "=%02X%s", (unsigned char)s.p[i], i % 7 == 0 ? "=\r\n" : "");
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    unsigned seed = 1;
    for (int round = 0; round < 500; round++) {
        char raw[200];
        size_t n = (size_t)rand_r(&seed) % sizeof(raw);
        for (size_t i = 0; i < n; i++) {
            raw[i] = (char)(unsigned char)rand_r(&seed);
        }
        size_t piece = 1 + (size_t)rand_r(&seed) % 10;
        struct buf coded = BUF_INIT(10000);
        struct buf got = BUF_INIT(10000);
        base64_write(&coded, str_make(raw, n));
        decode(TRANSFER_BASE64, buf_str(&coded), piece, &got);
        assert_str(buf_str(&got), str_make(raw, n));
        buf_clear(&coded);
        buf_clear(&got);
        encode_quoted_printable(str_make(raw, n), &coded);
        decode(TRANSFER_QUOTED_PRINTABLE, buf_str(&coded), piece, &got);
        assert_str(buf_str(&got), str_make(raw, n));
        buf_release(&coded);
        buf_release(&got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
