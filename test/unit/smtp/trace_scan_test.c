/* Where a message has been, read in any pieces (X-LMTP). */
#include "smtp/trace_scan.h"

#include "unit.h"

#include <stdio.h>

static const char MESSAGE[] = "Received: from a\r\n\tby b\r\n"
                              "received : x\r\n"
                              "Delivered-To: Anna+x@Example.org\r\n"
                              "Delivered-To:\r\n bob@example.org\r\n"
                              "X-Received: no\r\n"
                              "Message-ID:\r\n <1@x>\r\n"
                              "Message-ID: <2@x>\r\n"
                              "tls-required:\r\n no \r\n"
                              "\r\n"
                              "Received: in the body\r\nDelivered-To: body@x\r\n";

static void test_pieces(void **state)
{
    struct str all = str_from_c(MESSAGE);
    for (size_t piece = 1; piece <= all.n; piece++) {
        struct trace_scan t;
        trace_scan_init(&t);
        for (struct str rest = all; rest.n > 0; rest = str_skip(rest, piece)) {
            trace_scan_add(&t, str_sub(rest, 0, piece));
        }
        trace_scan_finish(&t);
        assert_int_equal(trace_scan_get_hops(&t), 2);
        assert_true(trace_scan_has_passed(&t, STR("anna+X@example.org")));
        assert_true(trace_scan_has_passed(&t, STR("bob@example.org")));
        assert_false(trace_scan_has_passed(&t, STR("anna@example.org")));
        assert_false(trace_scan_has_passed(&t, STR("body@x")));
        assert_false(trace_scan_has_passed(&t, STR_EMPTY));
        assert_str(trace_scan_get_message_id(&t), STR("<1@x>"));
        assert_true(trace_scan_is_tls_optional(&t));
        trace_scan_release(&t);
    }
}

static void on_identity(void *owner, struct str octets)
{
    buf_add(owner, octets);
}

static void identify(const char *message, size_t piece, struct buf *out)
{
    struct trace_scan t;
    trace_scan_init(&t);
    t.on_identity = on_identity;
    t.owner = out;
    for (struct str rest = str_from_c(message); rest.n > 0; rest = str_skip(rest, piece)) {
        trace_scan_add(&t, str_sub(rest, 0, piece));
    }
    trace_scan_finish(&t);
    trace_scan_release(&t);
}

/* X-DUPLICATES, X-LOOPS: what makes the message is the same in any pieces, and without what servers add. */
static void test_identity(void **state)
{
    static char huge[3 * 4096];
    struct buf first = BUF_INIT(1 << 16);
    struct buf next = BUF_INIT(1 << 16);
    (void)snprintf(huge, sizeof(huge), "Received: %5000s\r\nX-Long: %5000s!\r\n\r\nb", "", "");
    identify("A: 1\r\nMessage-ID: <1>\r\n\r\nbody\r\n", 1, &first);
    identify(
        "Return-Path: <>\r\nDelivered-To: x\r\nA: 1\r\nReceived: a\r\n b\r\nMessage-ID: <1>\r\n"
        "\r\nbody\r\n",
        1000, &next);
    assert_str(buf_str(&first), buf_str(&next));
    assert_true(str_find_str(buf_str(&first), STR("body")) < first.len);
    buf_clear(&first);
    identify(huge, 100000, &first);
    assert_true(first.len > 5000 && first.len < 5100);
    assert_true(str_find_char(buf_str(&first), '!') < first.len);
    for (size_t piece = 1; piece < 5000; piece += 997) {
        buf_clear(&next);
        identify(huge, piece, &next);
        assert_str(buf_str(&first), buf_str(&next));
    }
    buf_release(&first);
    buf_release(&next);
}

static void test_header_only(void **state)
{
    struct trace_scan t;
    trace_scan_init(&t);
    trace_scan_add(&t, STR("Delivered-To: a@b"));
    assert_false(trace_scan_has_passed(&t, STR("a@b")));
    trace_scan_finish(&t);
    assert_true(trace_scan_has_passed(&t, STR("a@b")));
    trace_scan_release(&t);
}

/* Fields without end and without number. */
static void test_bounds(void **state)
{
    struct trace_scan t;
    char x[4096];
    memset(x, 'x', sizeof(x));
    trace_scan_init(&t);
    for (int i = 0; i < 1000; i++) {
        trace_scan_add(&t, STR("Delivered-To: "));
        trace_scan_add(&t, str_make(x, sizeof(x)));
        trace_scan_add(&t, STR("\r\nReceived: y\r\n"));
    }
    assert_int_equal(trace_scan_get_hops(&t), 999);
    trace_scan_finish(&t);
    assert_int_equal(trace_scan_get_hops(&t), 1000);
    trace_scan_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_header_only),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
