/* Unit tests of wire/imap_write: whatever octets go in, the scanners read the same back. */
#include "wire/imap_write.h"

#include "random.h"
#include "unit.h"
#include "wire/imap_scan.h"

static void check_string(struct str s, const char *want_c)
{
    struct buf out = BUF_INIT(10000);
    imap_write_string(&out, s);
    assert_str(buf_str(&out), str_from_c(want_c));
    buf_release(&out);
}

static void test_strings(void **state)
{
    (void)state;
    check_string(STR("a\r\nb"), "{4}\r\na\r\nb");
    check_string(STR("a\tb"), "{3}\r\na\tb");
    check_string(STR("\xC3\xA9"), "{2}\r\n\xC3\xA9");
    check_string(STR("\x7F"), "{1}\r\n\x7F");
    check_string(STR_EMPTY, "\"\"");
    check_string(STR("a\"b\\c"), "\"a\\\"b\\\\c\"");
    check_string(STR("(x) NIL"), "\"(x) NIL\"");
}

static void test_others(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(10000);
    imap_write_ntext(&out, STR("x"), false, false);
    imap_write_ntext(&out, STR_EMPTY, true, false);
    assert_str(buf_str(&out), STR("NIL\"\""));
    buf_clear(&out);
    imap_write_astring(&out, STR("nil"));
    imap_write_astring(&out, STR_EMPTY);
    imap_write_astring(&out, STR("a]"));
    imap_write_astring(&out, STR("plain"));
    assert_str(buf_str(&out), STR("\"nil\"\"\"\"a]\"plain"));
    buf_clear(&out);
    imap_write_binary(&out, STR("a\0"));
    imap_write_binary(&out, STR("a"));
    assert_str(buf_str(&out), STR("~{2}\r\na\0\"a\""));
    buf_clear(&out);
    imap_write_mailbox(&out, STR("Entwürfe"));
    buf_add_char(&out, ' ');
    imap_write_mailbox(&out, STR("a b"));
    buf_add_char(&out, ' ');
    imap_write_mailbox(&out, STR("\xFF"));
    assert_str(buf_str(&out), STR("Entw&APw-rfe \"a b\" {1}\r\n\xFF"));
    buf_clear(&out);
    imap_write_client_literal_head(&out, 5, false);
    imap_write_client_literal_head(&out, 5, true);
    imap_write_literal_head(&out, 5, true);
    assert_str(buf_str(&out), STR("{5+}\r\n{5}\r\n~{5}\r\n"));
    buf_clear(&out);
    struct imap_address address = {.name = STR("A \"B\""),
                                   .mailbox = STR("a"),
                                   .host = STR("h"),
                                   .has_name = true,
                                   .has_mailbox = true,
                                   .has_host = true};
    imap_write_address(&out, &address);
    assert_str(buf_str(&out), STR("(\"A \\\"B\\\"\" NIL \"a\" \"h\")"));
    buf_release(&out);
}

static void test_responses(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(10000);
    imap_write_response(&out, STR("a1"), STR("OK"), STR("READ-WRITE"), STR("done"));
    imap_write_response(&out, STR_EMPTY, STR("BYE"), STR_EMPTY, STR("a\r\nb"));
    imap_write_response(&out, STR("a"), STR("NO"), STR("X\r\ny"), STR_EMPTY);
    imap_write_continue(&out, STR("\r\n"));
    assert_str(buf_str(&out), STR("a1 OK [READ-WRITE] done\r\n* BYE a  b\r\na NO [X  y] -\r\n"
                                  "+   \r\n"));
    buf_clear(&out);
    imap_write_err(&out, STR("a"), ERR_TRY_CREATE);
    assert_str(buf_str(&out), STR("a NO [TRYCREATE] No such mailbox; create it first\r\n"));
    buf_clear(&out);
    struct scan c = scan_make(STR("a SELECT )"));
    c.at = 9;
    struct arena *a = arena_new(100);
    (void)scan_mailbox(&c, a);
    imap_write_scan_err(&out, STR("a"), &c);
    assert_str(buf_str(&out), STR("a BAD at octet 10: expected a mailbox name\r\n"));
    buf_clear(&out);
    c = scan_make(STR("&"));
    (void)scan_mailbox(&c, a);
    imap_write_scan_err(&out, STR_EMPTY, &c);
    assert_true(str_starts(buf_str(&out), STR("* NO [CANNOT] ")));
    arena_free(&a);
    buf_release(&out);
}

/* M-1: what the writers write, the scanners read. */
static void test_round_trips(void **state)
{
    (void)state;
    static const char set[] = "ab \"\\\r\n()[]{}%*&+-~\x01\x7F\x80\xFFNIL0";
    struct random r = {5};
    struct arena *a = arena_new(1 << 20);
    struct buf out = BUF_INIT(100000);
    char raw[1200];
    for (int i = 0; i < 5000; i++) {
        struct str s =
            str_make(raw, i % 100 == 0 ? 990 + random_below(&r, 20) : random_below(&r, 9));
        random_fill(&r, raw, s.n, set, sizeof(set) - 1);
        buf_clear(&out);
        arena_clear(a);
        imap_write_string(&out, s);
        imap_write_astring(&out, s);
        imap_write_ntext(&out, s, true, false);
        imap_write_ntext(&out, s, false, false);
        struct scan c = scan_make(buf_str(&out));
        struct str n;
        assert_str(scan_string(&c, a), s);
        /* an atom would run into the string behind it */
        struct str astring = scan_peek(&c) == '"' || scan_peek(&c) == '{' ? scan_astring(&c, a)
                                                                          : scan_take(&c, s.n, "");
        assert_str(astring, s);
        assert_true(scan_nstring(&c, a, &n));
        assert_str(n, s);
        assert_false(scan_nstring(&c, a, &n));
        scan_require_end(&c);
        assert_int_equal(scan_get_err(&c), ERR_OK);
    }
    arena_free(&a);
    buf_release(&out);
}

static void test_dates_round_trip(void **state)
{
    (void)state;
    struct random r = {11};
    struct buf out = BUF_INIT(100);
    for (int i = 0; i < 20000; i++) {
        int64_t t = (int64_t)(random_next(&r) % 315569519999U) - 62167219200;
        buf_clear(&out);
        imap_write_date_time(&out, t);
        struct scan c = scan_make(buf_str(&out));
        assert_true(scan_date_time(&c) == t);
        scan_require_end(&c);
        assert_int_equal(scan_get_err(&c), ERR_OK);
    }
    buf_clear(&out);
    imap_write_date_time(&out, INT64_MAX);
    imap_write_date_time(&out, INT64_MIN);
    assert_str(buf_str(&out), STR("\"31-Dec-9999 23:59:59 +0000\"\" 1-Jan-0000 00:00:00 +0000\""));
    buf_release(&out);
}

static void test_flags(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(100);
    struct arena *a = arena_new(1000);
    assert_false(imap_write_system_flags(&out, 0));
    for (unsigned bits = 1; bits < 32; bits++) {
        struct flag_list flags;
        buf_clear(&out);
        buf_add_char(&out, '(');
        assert_true(imap_write_system_flags(&out, bits));
        buf_add_char(&out, ')');
        struct scan c = scan_make(buf_str(&out));
        scan_flag_list(&c, a, &flags);
        assert_int_equal(scan_get_err(&c), ERR_OK);
        assert_int_equal(flags.system, bits);
    }
    arena_free(&a);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),          cmocka_unit_test(test_others),
        cmocka_unit_test(test_responses),        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_dates_round_trip), cmocka_unit_test(test_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
