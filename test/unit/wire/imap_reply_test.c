/* Where an answer ends, whatever pieces it comes in. */
#include "wire/imap_reply.h"

#include "base/buf.h"
#include "wire/imap_rights.h"

#include "unit.h"

enum { HEARD_MOST = 4096 };

/* Hears said in pieces of so many octets; untagged octets go to out, the tagged line to tagged. */
static void hear(struct imap_reply *r, struct str said, size_t piece, struct buf *out,
                 struct buf *tagged)
{
    struct buf in = BUF_INIT(HEARD_MOST);
    while (said.n > 0 && tagged->len == 0) {
        enum imap_reply_event event = IMAP_REPLY_OCTETS;
        struct str part = str_sub(said, 0, piece);
        said = str_skip(said, part.n);
        buf_add(&in, part);
        while (event != IMAP_REPLY_MORE && tagged->len == 0) {
            size_t used = 0;
            event = imap_reply_next(r, buf_str(&in), &used);
            buf_add(event == IMAP_REPLY_TAGGED ? tagged : out, str_sub(buf_str(&in), 0, used));
            buf_consume(&in, used);
        }
    }
    buf_release(&in);
}

static void check(const char *untagged, const char *line, bool is_ok, bool has_bye)
{
    for (size_t piece = 1; piece < 80; piece++) {
        struct imap_reply r = {.tag = STR("a1")};
        struct buf said = BUF_INIT(HEARD_MOST);
        struct buf out = BUF_INIT(HEARD_MOST);
        struct buf tagged = BUF_INIT(HEARD_MOST);
        buf_add_c(&said, untagged);
        buf_add_c(&said, line);
        buf_add_c(&said, "* 1 EXISTS\r\n");
        hear(&r, buf_str(&said), piece, &out, &tagged);
        assert_true(str_eq(buf_str(&out), str_from_c(untagged)));
        assert_true(str_eq(buf_str(&tagged), str_from_c(line)));
        assert_int_equal(imap_reply_is_ok(&r, buf_str(&tagged)), is_ok);
        assert_int_equal(r.has_said_bye, has_bye);
        buf_release(&said);
        buf_release(&out);
        buf_release(&tagged);
    }
}

static void test_pieces(void **state)
{
    (void)state;
    check("", "a1 OK done\r\n", true, false);
    check("", "a1 NO [NONEXISTENT] No such mailbox\r\n", false, false);
    check("", "a1 BAD\r\n", false, false);
    check("* 1 EXISTS\r\n* a1 OK\r\n", "a1 OK [READ-ONLY] Examined\r\n", true, false);
    check("+ idling\r\n* BYE gone\r\n", "a1 OK IDLE completed\r\n", true, true);
    /* what looks like a tagged reply in a literal, and lines that go on behind one */
    check(
        "* 1 FETCH (BODY[] {11}\r\na1 OK no\r\n{ UID 5 BODY[1] {0}\r\n BODY[2] ~{3}\r\n\r\n\r)\r\n",
        "a1 OK\r\n", true, false);
    check("* LIST () \"/\" \"{5}\"\r\n* X {a}\r\n* X {}\r\n* X {\r\n", "a1 OK x\r\n", true, false);
    /* another tag, and one that only begins like ours */
    check("a OK x\r\na12 OK x\r\n* BY\r\n", "a1 OK x\r\n", true, false);
}

static void test_literal_is_whole(void **state)
{
    (void)state;
    check("* 1 FETCH (BODY[] {8}\r\n* BYE\r\n\n)\r\n", "a1 OK x\r\n", true, false);
}

static void test_rights(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum imap_rights_op op;
        const char *written;
    } CASES[] = {
        {"", IMAP_RIGHTS_SET, "\"\""},
        {"+", IMAP_RIGHTS_ADD, "\"\""},
        {"lrswipkxtea", IMAP_RIGHTS_SET, "lrswipkxtecda"},
        {"+cd", IMAP_RIGHTS_ADD, "kxtecd"},
        {"-k", IMAP_RIGHTS_REMOVE, "kc"},
        {"tt", IMAP_RIGHTS_SET, "td"},
    };
    static const char *const BAD[] = {"q", "lrL", "l r", "+-l", "-+", "0", "l\n"};
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct scan c = scan_make(STR_EMPTY);
        struct mod_rights mod;
        struct buf out = BUF_INIT(64);
        scan_mod_rights(&c, str_from_c(CASES[i].text), &mod);
        assert_int_equal(scan_get_err(&c), ERR_OK);
        assert_int_equal(mod.op, CASES[i].op);
        imap_write_rights(&out, mod.rights);
        assert_true(str_eq(buf_str(&out), str_from_c(CASES[i].written)));
        buf_release(&out);
    }
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        struct scan c = scan_make(STR_EMPTY);
        struct mod_rights mod;
        scan_mod_rights(&c, str_from_c(BAD[i]), &mod);
        assert_int_equal(scan_get_err(&c), ERR_SYNTAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_literal_is_whole),
        cmocka_unit_test(test_rights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
