/* What the submission server changes in a header (RFC 6409, 8), and that it changes nothing else. */
#include "smtp/header_fix.h"

#include "unit.h"

#define ADDED "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nMessage-ID: <u@d.test>\r\n"
#define HAS "Date: x\r\nMessage-ID: <y>\r\n"

static const struct {
    const char *in;
    const char *out;
} rows[] = {
    {"", ADDED "\r\n"},
    {"\r\n", ADDED "\r\n"},
    {"\r\nbody", ADDED "\r\nbody"},
    {HAS "\r\nbcc: x", HAS "\r\nbcc: x"},
    {HAS "Bcc: x\r\n y\r\nX: 1\r\n\r\n", HAS "X: 1\r\n\r\n"},
    {"BCC : x\r\n" HAS "Resent-Bcc: q\r\nReturn-Path: <z>\r\n\r\n", HAS "\r\n"},
    {"Bcc: x", ADDED "\r\n"},
    {"Subject: cut", "Subject: cut\r\n" ADDED "\r\n"},
    {"no header at all\r\nmore", ADDED "\r\nno header at all\r\nmore"},
    {"X: 1\nno field\n", "X: 1\n" ADDED "\r\nno field\n"},
    {"X: 1\n\nbody\n", "X: 1\n" ADDED "\nbody\n"},
    {" folded start\r\n\r\n", ADDED "\r\n folded start\r\n\r\n"},
    {HAS "To: a\r\n\r\n", HAS "To: a@d.test\r\n\r\n"},
    {HAS "X-To: a\r\n\r\n", HAS "X-To: a\r\n\r\n"},
    {HAS "Resent-To: a\r\nResent-Bcc: b\r\n\r\n", HAS "Resent-To: a@d.test\r\n\r\n"},
    {HAS "MT-Priority: 2\r\n\r\n", HAS "MT-Priority: 2\r\n\r\n"},
    {"MT-Priority: -9\r\n" HAS "\r\n", HAS "MT-Priority: -9\r\n\r\n"},
    {"MT-Priority: 9\r\n" HAS "\r\n", HAS "MT-Priority: 4\r\n\r\n"},
    {"MT-Priority: 2\r\nmt-priority: 3\r\n" HAS "\r\n", HAS "MT-Priority: 0\r\n\r\n"},
    {"MT-Priority: two\r\n" HAS "\r\n", HAS "MT-Priority: 0\r\n\r\n"},
};

static void test_rows(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t piece = 1; piece < 100; piece += 9) {
            struct header_fix_args args = {
                .domain = STR("d.test"), .unique = STR("u"), .priority_most = 4};
            struct header_fix *f = header_fix_new(&args);
            CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
            for (struct str in = str_from_c(rows[i].in); in.n > 0; in = str_skip(in, piece)) {
                header_fix_add(f, str_sub(in, 0, piece), &out);
            }
            header_fix_finish(f, &out);
            assert_true(header_fix_is_done(f));
            assert_str(buf_str(&out), str_from_c(rows[i].out));
            header_fix_free(&f);
        }
    }
}

static const struct {
    const char *in;
    const char *out;
} addresses[] = {
    {" a", " a@d"},
    {" a@b", " a@b"},
    {" a, b@c ,d", " a@d, b@c ,d@d"},
    {" Anna <a>", " Anna <a@d>"},
    {" \"x, y\" <a>, <>", " \"x, y\" <a@d>, <>"},
    {" a (c, d)", " a@d (c, d)"},
    {" (only a comment)", " (only a comment)"},
    {" team: a, b;", " team: a@d, b@d;"},
    {" undisclosed:;", " undisclosed:;"},
    {" \"odd one\"", " \"odd one\"@d"},
    {" two words", " two words"},
    {" <@r:a@b>", " <@r:a@b>"},
    {" <a", " <a"},
    {" \"open", " \"open@d"},
    {" a\r\n ,b", " a@d\r\n ,b@d"},
};

static void test_qualify(void **state)
{
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(1000);
        header_qualify(&out, str_from_c(addresses[i].in), STR("d"));
        if (!str_eq(buf_str(&out), str_from_c(addresses[i].out))) {
            print_error("%s -> %s\n", addresses[i].in, out.p);
        }
        assert_str(buf_str(&out), str_from_c(addresses[i].out));
    }
}

/* Fields larger than what is held: passed or dropped unread, and the next field is judged again. */
static void test_huge_fields(void **state)
{
    enum { HUGE = 200000 };
    static const char *const names[] = {"X: ", "Bcc: ", "X: 1\r\nBcc: "};
    static const size_t kept[] = {3 + HUGE + 2, 0, 6};
    for (size_t i = 0; i < 3; i++) {
        struct header_fix_args args = {.domain = STR("d.test"), .unique = STR("u")};
        struct header_fix *f = header_fix_new(&args);
        CLEANUP(buf_release) struct buf in = BUF_INIT(1 << 20);
        CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
        buf_addf(&in, "%s%*s\r\nBcc: secret\r\nTo: a\r\n" HAS "\r\nb", names[i], HUGE, "");
        for (struct str s = buf_str(&in); s.n > 0; s = str_skip(s, 32768)) {
            header_fix_add(f, str_sub(s, 0, 32768), &out);
        }
        header_fix_finish(f, &out);
        struct str rest = str_skip(buf_str(&out), kept[i]);
        assert_str(rest, STR("To: a@d.test\r\n" HAS "\r\nb"));
        header_fix_free(&f);
    }
}

static struct header_notes fix(const struct header_fix_args *args, struct str in, struct buf *out)
{
    struct header_fix *f = header_fix_new(args);
    for (; in.n > 0; in = str_skip(in, 7)) {
        header_fix_add(f, str_sub(in, 0, 7), out);
    }
    header_fix_finish(f, out);
    struct header_notes notes = header_fix_get_notes(f);
    header_fix_free(&f);
    return notes;
}

/* S-18: a message without From gets the sender of the envelope; X-MT-PRIORITY: what MAIL said goes before what the header says, and
 * becomes a field. */
static void test_envelope(void **state)
{
    struct header_fix_args args = {.domain = STR("d.test"),
                                   .unique = STR("u"),
                                   .from = STR("j\xC3\xBC@d.test"),
                                   .has_priority = true,
                                   .priority = -3,
                                   .priority_most = 4};
    CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 16);
    struct header_notes notes = fix(&args, STR("MT-Priority: 3\r\n" HAS "\r\nx"), &out);
    assert_str(buf_str(&out), STR(HAS "From: <j\xC3\xBC@d.test>\r\nMT-Priority: -3\r\n\r\nx"));
    assert_int_equal(notes.priority, -3);
    assert_true(notes.has_8bit && !notes.is_bad_utf8 && !notes.is_priority_lowered);
    buf_clear(&out);
    args.has_priority = false;
    notes = fix(&args, STR("From: a\r\nMT-Priority: 7\r\n" HAS "\r\n\xFF"), &out);
    assert_str(buf_str(&out), STR("From: a@d.test\r\n" HAS "MT-Priority: 4\r\n\r\n\xFF"));
    assert_true(notes.priority == 4 && notes.is_priority_lowered && !notes.has_8bit);
}

/* X-REQUIRETLS, X-SMTPUTF8: what else a header has to say. */
static void test_notes(void **state)
{
    static const struct {
        const char *in;
        bool is_tls_optional;
        bool has_8bit;
        bool is_bad_utf8;
    } cases[] = {
        {"TLS-Required: No\r\n\r\n", true, false, false},
        {"tls-required:\r\n no\r\n\r\n", true, false, false},
        {"TLS-Required: Yes\r\n\r\n", false, false, false},
        {"TLS-Required: No\r\nTLS-Required: No\r\n\r\n", false, false, false},
        {"X: y\r\n\r\nTLS-Required: No\r\n\xFF", false, false, false},
        {"Subject: \xC3\xBC\r\n\r\n", false, true, false},
        {"Subject: \xFC\r\n\r\n", false, true, true},
        {"Bcc: \xC3\r\n\xBC\r\n\r\n", false, true, true},
    };
    struct header_fix_args args = {.domain = STR("d.test"), .unique = STR("u")};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 16);
        struct header_notes notes = fix(&args, str_from_c(cases[i].in), &out);
        assert_int_equal(notes.is_tls_optional, cases[i].is_tls_optional);
        assert_int_equal(notes.has_8bit, cases[i].has_8bit);
        assert_int_equal(notes.is_bad_utf8, cases[i].is_bad_utf8);
    }
    /* A field beyond what is held may be cut inside a character, and a header has a bound. */
    CLEANUP(buf_release) struct buf in = BUF_INIT(1 << 23);
    CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 23);
    buf_add(&in, STR("X: "));
    for (unsigned i = 0; i < 200000; i++) {
        buf_add(&in, STR("\xE2\x82\xAC"));
    }
    struct header_notes notes = fix(&args, buf_str(&in), &out);
    assert_true(notes.has_8bit && !notes.is_bad_utf8 && !notes.is_big);
    for (unsigned i = 0; i < 600000; i++) {
        buf_add(&in, STR("\xE2\x82\xAC"));
    }
    buf_clear(&out);
    assert_true(fix(&args, buf_str(&in), &out).is_big);
}

static void test_date(void **state)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(100);
    header_write_date(&out, 951782399);
    assert_str(buf_str(&out), STR("Mon, 28 Feb 2000 23:59:59 +0000"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),        cmocka_unit_test(test_qualify),
        cmocka_unit_test(test_huge_fields), cmocka_unit_test(test_envelope),
        cmocka_unit_test(test_notes),       cmocka_unit_test(test_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
