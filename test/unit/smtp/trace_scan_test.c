/* Where a message has been, read in any pieces (X-LMTP). */
#include "smtp/trace_scan.h"

#include "unit.h"

static const char MESSAGE[] = "Received: from a\r\n\tby b\r\n"
                              "received : x\r\n"
                              "Delivered-To: Anna+x@Example.org\r\n"
                              "Delivered-To:\r\n bob@example.org\r\n"
                              "X-Received: no\r\n"
                              "Message-ID:\r\n <1@x>\r\n"
                              "Message-ID: <2@x>\r\n"
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
        trace_scan_release(&t);
    }
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
        cmocka_unit_test(test_header_only),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
