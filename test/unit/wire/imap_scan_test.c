/* Unit tests of wire/imap_scan: the small words, flags, dates, commands. */
#include "wire/imap_scan.h"

#include "unit.h"
#include "wire/imap_write.h"

enum { ARENA_CAP = 64 * 1024 };

/* A parser under test: reads from the scan; what it read comes as text. */
typedef void read_fn(struct scan *c, struct arena *a, struct buf *out);

struct bad_case {
    read_fn *read;
    struct str input;
    size_t at; /* where the error is */
};

struct good_case {
    read_fn *read;
    struct str input;
    struct str out;
    size_t rest; /* octets not read */
};

#define IN(s)                                                                                      \
    {                                                                                              \
        "" s, sizeof(s) - 1                                                                        \
    }

static void read_tag(struct scan *c, struct arena *a, struct buf *out)
{
    (void)a;
    buf_add(out, scan_tag(c));
}

static void read_atom(struct scan *c, struct arena *a, struct buf *out)
{
    (void)a;
    buf_add(out, scan_atom(c));
}

static void read_string(struct scan *c, struct arena *a, struct buf *out)
{
    buf_add(out, scan_string(c, a));
}

static void read_nstring(struct scan *c, struct arena *a, struct buf *out)
{
    struct str s;
    if (!scan_nstring(c, a, &s)) {
        buf_add_c(out, "<nil>");
    }
    buf_add(out, s);
}

static void read_astring(struct scan *c, struct arena *a, struct buf *out)
{
    buf_add(out, scan_astring(c, a));
}

static void read_mailbox(struct scan *c, struct arena *a, struct buf *out)
{
    buf_add(out, scan_mailbox(c, a));
}

static void read_list_mailbox(struct scan *c, struct arena *a, struct buf *out)
{
    buf_add(out, scan_list_mailbox(c, a));
}

static void read_literal(struct scan *c, struct arena *a, struct buf *out)
{
    (void)a;
    struct scan_literal_out l = scan_literal(c);
    buf_add_u64(out, l.size);
    buf_add_c(out, l.is_binary ? "~" : "");
    buf_add_c(out, l.is_streamed ? "!" : "");
    buf_add(out, l.octets);
}

static void read_number32(struct scan *c, struct arena *a, struct buf *out)
{
    (void)a;
    buf_add_u64(out, scan_number32(c));
}

static void read_nz_number(struct scan *c, struct arena *a, struct buf *out)
{
    (void)a;
    buf_add_u64(out, scan_nz_number(c));
}

static void read_modseq(struct scan *c, struct arena *a, struct buf *out)
{
    (void)a;
    buf_add_u64(out, scan_mod_sequence_value(c));
}

static void read_number64(struct scan *c, struct arena *a, struct buf *out)
{
    (void)a;
    buf_add_u64(out, scan_number64(c));
}

static void write_flags(struct buf *out, const struct flag_list *flags)
{
    (void)imap_write_system_flags(out, flags->system);
    buf_add_c(out, flags->has_recent ? " recent" : "");
    for (uint32_t i = 0; i < flags->keyword_count; i++) {
        buf_add_char(out, ' ');
        buf_add(out, flags->keywords[i]);
    }
}

static void read_flags(struct scan *c, struct arena *a, struct buf *out)
{
    struct flag_list flags;
    scan_flag_list(c, a, &flags);
    write_flags(out, &flags);
}

static void read_store(struct scan *c, struct arena *a, struct buf *out)
{
    struct store_att_flags s;
    scan_store_att_flags(c, a, &s);
    buf_add_c(out, s.op == STORE_ADD ? "+" : s.op == STORE_REMOVE ? "-" : "=");
    buf_add_c(out, s.is_silent ? "silent " : "");
    write_flags(out, &s.flags);
}

static void read_date(struct scan *c, struct arena *a, struct buf *out)
{
    (void)a;
    buf_addf(out, "%lld", (long long)scan_date(c));
}

static void read_date_time(struct scan *c, struct arena *a, struct buf *out)
{
    (void)a;
    buf_addf(out, "%lld", (long long)scan_date_time(c));
}

static void read_status(struct scan *c, struct arena *a, struct buf *out)
{
    (void)a;
    buf_add_u64(out, scan_status_atts(c));
}

static void read_initial(struct scan *c, struct arena *a, struct buf *out)
{
    (void)a;
    scan_initial_response(c, out);
}

static void read_sasl(struct scan *c, struct arena *a, struct buf *out)
{
    (void)a;
    if (!scan_sasl_line(c, out)) {
        buf_add_c(out, "<cancelled>");
    }
}

static const struct bad_case BAD[] = {
    {read_tag, IN(""), 0},
    {read_tag, IN("+x"), 0},
    {read_tag, IN("(x"), 0},
    {read_atom, IN("\"x\""), 0},
    {read_atom, IN("]"), 0},
    {read_atom, IN("{"), 0},
    {read_atom, IN("%"), 0},
    {read_atom, IN("\x80"), 0},
    {read_string, IN("x"), 0},
    {read_string, IN(""), 0},
    {read_string, IN("\"abc"), 4},
    {read_string, IN("\"a\\bc\""), 3},
    {read_string, IN("\"a\rb\""), 2},
    {read_string, IN("\"a\0b\""), 2},
    {read_string, IN("\"a\\"), 3},
    {read_string, IN("{3}\r\nab"), 5},
    {read_string, IN("{3}x"), 3},
    {read_string, IN("{3"), 2},
    {read_string, IN("{}\r\n"), 1},
    {read_string, IN("{9223372036854775808}\r\n"), 1},
    {read_string, IN("{3}\r\na\0b"), 0},
    {read_string, IN("{3!}\r\nabc"), 0},
    {read_string, IN("~{3}\r\nabc"), 0},
    {read_nstring, IN("NILL"), 0},
    {read_nstring, IN("x"), 0},
    {read_astring, IN(""), 0},
    {read_astring, IN("("), 0},
    {read_astring, IN("*"), 0},
    {read_mailbox, IN("&"), 0},
    {read_mailbox, IN("\"&AGE-\""), 0},
    {read_mailbox, IN("\"a\xC3\xA9\""), 0},
    {read_mailbox, IN(" "), 0},
    {read_list_mailbox, IN("("), 0},
    {read_number32, IN("4294967296"), 0},
    {read_number32, IN("-1"), 0},
    {read_number32, IN(""), 0},
    {read_nz_number, IN("0"), 0},
    {read_nz_number, IN("01"), 0},
    {read_nz_number, IN("4294967296"), 0},
    {read_modseq, IN("0"), 0},
    {read_modseq, IN("9223372036854775808"), 0},
    {read_number64, IN("9223372036854775808"), 0},
    {read_number64, IN("18446744073709551616"), 0},
    {read_flags, IN("\\Seen"), 0},
    {read_flags, IN("(\\Seen"), 6},
    {read_flags, IN("( \\Seen)"), 1},
    {read_flags, IN("(\\Seen )"), 7},
    {read_flags, IN("(\\*)"), 2},
    {read_flags, IN("(\\Foo)"), 2},
    {read_flags, IN("(\\)"), 2},
    {read_store, IN("FLAG (\\Seen)"), 0},
    {read_store, IN("+FLAGS\\Seen"), 6},
    {read_store, IN("FLAGS.SILENT"), 12},
    {read_store, IN("FLAGS "), 6},
    {read_date, IN("32-Jan-2026"), 0},
    {read_date, IN("29-Feb-2025"), 0},
    {read_date, IN("0-Jan-2025"), 0},
    {read_date, IN("001-Jan-2025"), 0},
    {read_date, IN("1-Foo-2025"), 5},
    {read_date, IN("1-Jan-25"), 6},
    {read_date, IN("1 Jan 2025"), 1},
    {read_date, IN("\"1-Jan-2025"), 11},
    {read_date_time, IN("1-Jan-2026 00:00:00 +0000"), 0},
    {read_date_time, IN("\"1-Jan-2026 00:00:00 +0000\""), 1},
    {read_date_time, IN("\" 1-Jan-2026 24:00:00 +0000\""), 13},
    {read_date_time, IN("\" 1-Jan-2026 00:60:00 +0000\""), 16},
    {read_date_time, IN("\" 1-Jan-2026 00:00:61 +0000\""), 19},
    {read_date_time, IN("\" 1-Jan-2026 00:00:00 0000\""), 22},
    {read_date_time, IN("\" 1-Jan-2026 00:00:00 +2400\""), 23},
    {read_date_time, IN("\" 1-Jan-2026 00:00:00 +0000"), 27},
    {read_date_time, IN("\"31-Apr-2026 00:00:00 +0000\""), 1},
    {read_status, IN("()"), 1},
    {read_status, IN("(MESSAGES"), 9},
    {read_status, IN("(MESSAGE)"), 1},
    {read_status, IN("(MESSAGES  RECENT)"), 10},
    {read_initial, IN("=="), 0},
    {read_initial, IN("YQ"), 0},
    {read_initial, IN("YQ== "), 4},
    {read_sasl, IN("**"), 0},
    {read_sasl, IN("YR=="), 0},
};

static const struct good_case GOOD[] = {
    {read_tag, IN("A.1] x"), IN("A.1]"), 2},
    {read_atom, IN("BODY[x"), IN("BODY[x"), 0},
    {read_atom, IN("$MDNSent)"), IN("$MDNSent"), 1},
    {read_string, IN("\"\""), IN(""), 0},
    {read_string, IN("\"a \\\"b\\\\\" c"), IN("a \"b\\"), 2},
    {read_string, IN("\"\xC3\xA9\""), IN("\xC3\xA9"), 0},
    {read_string, IN("{3}\r\n\"\r\n x"), IN("\"\r\n"), 2},
    {read_string, IN("{3+}\na\"b"), IN("a\"b"), 0},
    {read_string, IN("{0}\r\n"), IN(""), 0},
    {read_literal, IN("~{3+}\r\na\0b"), IN("3~a\0b"), 0},
    {read_literal, IN("{5!}\r\n)"), IN("5!"), 1},
    {read_literal, IN("~{5!}\r\n"), IN("5~!"), 0},
    {read_nstring, IN("nil)"), IN("<nil>"), 1},
    {read_nstring, IN("\"NIL\""), IN("NIL"), 0},
    {read_astring, IN("a]b c"), IN("a]b"), 2},
    {read_astring, IN("\"a b\""), IN("a b"), 0},
    {read_mailbox, IN("inBox"), IN("INBOX"), 0},
    {read_mailbox, IN("\"inbox\""), IN("INBOX"), 0},
    {read_mailbox, IN("inbox/x"), IN("inbox/x"), 0},
    {read_mailbox, IN("{12}\r\nEntw&APw-rfe"), IN("Entwürfe"), 0},
    {read_mailbox, IN("\"\""), IN(""), 0},
    {read_list_mailbox, IN("*"), IN("*"), 0},
    {read_list_mailbox, IN("a/%]&AOk-* "), IN("a/%]é*"), 1},
    {read_list_mailbox, IN("\"inbox\""), IN("inbox"), 0},
    {read_number32, IN("4294967295x"), IN("4294967295"), 1},
    {read_number32, IN("007"), IN("7"), 0},
    {read_nz_number, IN("10 "), IN("10"), 1},
    {read_modseq, IN("9223372036854775807"), IN("9223372036854775807"), 0},
    {read_number64, IN("0"), IN("0"), 0},
    {read_flags, IN("()"), IN(""), 0},
    {read_flags, IN("(\\SEEN $Forwarded \\draft x)"), IN("\\Seen \\Draft $Forwarded x"), 0},
    {read_flags, IN("(\\Recent \\Answered)"), IN("\\Answered recent"), 0},
    {read_store, IN("flags ()"), IN("="), 0},
    {read_store, IN("+FLAGS.SILENT (\\Deleted)"), IN("+silent \\Deleted"), 0},
    {read_store, IN("-FLAGS \\Flagged $SubmitPending"), IN("-\\Flagged $SubmitPending"), 0},
    {read_date, IN("1-Jan-1970"), IN("0"), 0},
    {read_date, IN("\"29-Feb-2024\" "), IN("19782"), 1},
    {read_date, IN("01-mar-0000"), IN("-719468"), 0},
    {read_date_time, IN("\"17-Jul-1996 02:44:25 -0700\""), IN("837596665"), 0},
    {read_date_time, IN("\" 1-Jan-1970 00:00:00 +0130\""), IN("-5400"), 0},
    {read_date_time, IN("\"31-Dec-2016 23:59:60 +0000\""), IN("1483228799"), 0},
    {read_status, IN("(MESSAGES uidnext HIGHESTMODSEQ)x"), IN("37"), 1},
    {read_status, IN("(UNSEEN RECENT UIDVALIDITY SIZE DELETED)"), IN("218"), 0},
    {read_initial, IN("="), IN(""), 0},
    {read_initial, IN("AGEAYg=="), IN("\0a\0b"), 0},
    {read_sasl, IN("*"), IN("<cancelled>"), 0},
    {read_sasl, IN(""), IN(""), 0},
    {read_sasl, IN("YQ=="), IN("a"), 0},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        struct arena *a = arena_new(ARENA_CAP);
        struct buf out = BUF_INIT(1000);
        struct scan c = scan_make(BAD[i].input);
        BAD[i].read(&c, a, &out);
        if (scan_is_ok(&c) || c.err_at != BAD[i].at) {
            print_error("%.*s: err %d at %zu\n", STR_ARG(BAD[i].input), (int)c.err, c.err_at);
        }
        assert_int_not_equal(scan_get_err(&c), ERR_OK);
        assert_int_equal(c.err_at, BAD[i].at);
        assert_non_null(c.expected);
        buf_release(&out);
        arena_free(&a);
    }
}

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++) {
        struct arena *a = arena_new(ARENA_CAP);
        struct buf out = BUF_INIT(1000);
        struct scan c = scan_make(GOOD[i].input);
        GOOD[i].read(&c, a, &out);
        if (!scan_is_ok(&c)) {
            print_error("%.*s: expected %s at %zu\n", STR_ARG(GOOD[i].input), c.expected, c.err_at);
        }
        assert_int_equal(scan_get_err(&c), ERR_OK);
        assert_str(buf_str(&out), GOOD[i].out);
        assert_int_equal(c.s.n - c.at, GOOD[i].rest);
        buf_release(&out);
        arena_free(&a);
    }
}

static void test_error_kinds(void **state)
{
    (void)state;
    struct arena *a = arena_new(4);
    struct scan c = scan_make(STR("\"a\\\"bcdef\""));
    (void)scan_string(&c, a);
    assert_int_equal(scan_get_err(&c), ERR_LIMIT);
    c = scan_make(STR("longname"));
    (void)scan_mailbox(&c, a);
    assert_int_equal(scan_get_err(&c), ERR_LIMIT);
    c = scan_make(STR("&AGE-"));
    (void)scan_mailbox(&c, a);
    assert_int_equal(scan_get_err(&c), ERR_MAILBOX_NAME);
    arena_free(&a);
}

static void test_commands(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        struct str tag;
        size_t at;
    } bad[] = {
        {IN(""), IN(""), 0},          {IN("a1"), IN("a1"), 2},         {IN("a1 "), IN("a1"), 3},
        {IN(" NOOP"), IN(""), 0},     {IN("a1  NOOP"), IN("a1"), 3},   {IN("a+ NOOP"), IN(""), 1},
        {IN("a1 (x)"), IN("a1"), 3},  {IN("a1 NOOP\tx"), IN("a1"), 7}, {IN("a1 UID "), IN("a1"), 7},
        {IN("\x80 NOOP"), IN(""), 0},
    };
    struct imap_command command;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(imap_command_parse(bad[i].text, &command), ERR_SYNTAX);
        assert_str(command.tag, bad[i].tag);
        assert_int_equal(command.args.err_at, bad[i].at);
    }
    assert_int_equal(imap_command_parse(STR("a1 NOOP"), &command), ERR_OK);
    assert_str(command.tag, STR("a1"));
    assert_str(command.name, STR("NOOP"));
    assert_false(command.is_uid);
    assert_true(scan_is_end(&command.args));
    assert_int_equal(imap_command_parse(STR("] uid Fetch 1:*"), &command), ERR_OK);
    assert_str(command.tag, STR("]"));
    assert_str(command.name, STR("Fetch"));
    assert_true(command.is_uid);
    assert_str(scan_rest(&command.args), STR(" 1:*"));
    assert_int_equal(imap_command_parse(STR("a UID"), &command), ERR_OK);
    assert_false(command.is_uid);
    assert_str(imap_find_tag(STR("a1 \x80\x80")), STR("a1"));
    assert_str(imap_find_tag(STR("a1")), STR("a1"));
    assert_str(imap_find_tag(STR("a\x80 x")), STR_EMPTY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_error_kinds),
        cmocka_unit_test(test_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
