/* Unit tests of net/tls_hello. */
#include "net/tls_hello.h"

#include "base/buf.h"
#include "unit.h"

enum { WHOLE = 4 + 300 };

/* The first n octets of a message of that type and length, in records of at most `piece` octets. */
static void write_message(struct buf *out, int type, size_t len, size_t n, size_t piece)
{
    for (size_t at = 0; at < n; at += piece) {
        size_t size = n - at < piece ? n - at : piece;
        buf_add(out, STR("\x16\x03\x01"));
        buf_add_char(out, (char)(size >> 8));
        buf_add_char(out, (char)(size & 0xff));
        for (size_t i = at; i < at + size; i++) {
            size_t octet = i == 0 ? (size_t)type : i < 4 ? len >> (8 * (3 - i)) : 'x';
            buf_add_char(out, (char)(octet & 0xff));
        }
    }
}

/* One octet after the other: enough with the last of the message and not before; and no look is wanted too late. */
static void test_every_cut(void **state)
{
    static const size_t PIECES[] = {1, 2, 3, 4, 5, 100, 303, 304, 16384};
    (void)state;
    for (size_t i = 0; i < sizeof(PIECES) / sizeof(PIECES[0]); i++) {
        struct buf b = BUF_INIT(64 * 1024);
        write_message(&b, 1, WHOLE - 4, WHOLE, PIECES[i]);
        size_t wanted = 0;
        for (size_t n = 0; n <= b.len; n++) {
            size_t least = 0;
            assert_int_equal(tls_hello_look(str_sub(buf_str(&b), 0, n), &least), ERR_OK);
            assert_int_equal(least <= n, n == b.len);
            assert_true(least <= b.len);
            assert_true(least >= wanted);
            wanted = least;
        }
        buf_add(&b, STR("and more"));
        size_t least = 0;
        assert_int_equal(tls_hello_look(buf_str(&b), &least), ERR_OK);
        assert_true(least <= b.len);
        buf_release(&b);
    }
}

/* Whatever is no ClientHello is TLS's to refuse. */
static void test_something_else(void **state)
{
    static const struct str CASES[] = {STR("GET / HTTP/1.0\r\n"), STR("\x80\x2e\x01\x00\x02"),
                                       STR("\x15\x03\x01\x00\x02"), STR("\x16\x03\x01\x00\x00"),
                                       STR("\x16\x03\x01\x40\x01")};
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        size_t least = 99;
        assert_int_equal(tls_hello_look(CASES[i], &least), ERR_OK);
        assert_true(least <= CASES[i].n);
    }
    struct buf b = BUF_INIT(1024);
    size_t least = 99;
    write_message(&b, 2, 300, 4, 4);
    assert_int_equal(tls_hello_look(buf_str(&b), &least), ERR_OK);
    assert_true(least <= b.len);
    buf_release(&b);
}

static void test_too_long(void **state)
{
    struct buf b = BUF_INIT(1024 * 1024);
    size_t least = 0;
    (void)state;
    write_message(&b, 1, TLS_HELLO_MOST - 4, 200, 100);
    assert_int_equal(tls_hello_look(buf_str(&b), &least), ERR_OK);
    buf_clear(&b);
    write_message(&b, 1, TLS_HELLO_MOST - 3, 4, 4);
    assert_int_equal(tls_hello_look(buf_str(&b), &least), ERR_TLS_FAILED);
    buf_clear(&b);
    write_message(&b, 1, TLS_HELLO_MOST - 4, TLS_HELLO_MOST / 2, 1); /* headers without end */
    assert_int_equal(tls_hello_look(buf_str(&b), &least), ERR_TLS_FAILED);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_something_else),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
