/* Unit tests of heartbeats: who is to have them, and how settings and ID say it. */
#include "wire/heartbeats.h"

#include "base/buf.h"
#include "unit.h"

enum { NONE = HEARTBEAT_NONE };

static struct imap_id make(const char *name, const char *version)
{
    return (struct imap_id){str_from_c(name), str_from_c(version)};
}

static uint16_t find(const char *list, const char *name, const char *version)
{
    struct imap_id id = make(name, version);
    return heartbeats_find_client(str_from_c(list), &id);
}

static void test_words(void **state)
{
    struct str list = STR(" ann:60  bob:65534 low:59 high:65535 none :300 a:b:70 x:7x ");
    static const struct {
        const char *who;
        uint64_t s;
    } WANT[] = {{"ann", 60}, {"bob", 65534}, {"low", 0},  {"high", 0},
                {"none", 0}, {"", 0},        {"a:b", 70}, {"x", 0}};
    struct str who;
    uint64_t s = 1;
    (void)state;
    for (size_t i = 0; i < sizeof(WANT) / sizeof(WANT[0]); i++) {
        assert_true(heartbeats_next(&list, &who, &s));
        assert_str(who, str_from_c(WANT[i].who));
        assert_int_equal(s, WANT[i].s);
    }
    assert_false(heartbeats_next(&list, &who, &s));
}

static void test_clients(void **state)
{
    (void)state;
    assert_int_equal(find("", "imapflow", "1"), 0);
    assert_int_equal(find("  ", "imapflow", "1"), 0);
    assert_int_equal(find("imapflow:300", "imapflow", "1.0.8"), 300);
    assert_int_equal(find("imapflow:300", "ImapFlow", ""), 300);
    assert_int_equal(find("imapflow:300", "imapflow2", ""), NONE);
    assert_int_equal(find("imapflow:300", "my imapflow", ""), NONE);
    assert_int_equal(find("K-9?Mail:600", "K-9 Mail", "6.0"), 600);
    assert_int_equal(find("K-9?Mail:600", "K-9Mail", "6.0"), NONE);
    /* The first that fits counts, and what is none fits nobody. */
    assert_int_equal(find("x:5 mail*/5.*:100 mail*:200", "Mail App", "5.1"), 100);
    assert_int_equal(find("x:5 mail*/5.*:100 mail*:200", "Mail App", "6.5.1"), 200);
    assert_int_equal(find("x:5 mail*/5.*:100 mail*:200", "x", "1"), NONE);
    assert_int_equal(find("*/5:100", "anything", "5"), 100);
    /* Who says no name is nobody, whatever the list has. */
    assert_int_equal(find("*:100", "", ""), NONE);
    assert_int_equal(find("*:100 */*:90", "", "5"), NONE);
    assert_int_equal(find("a/:100", "a", ""), 100);
    assert_int_equal(find("a/:100", "a", "1"), NONE);
}

static void test_patterns(void **state)
{
    (void)state;
    assert_int_equal(find("*a*b*c:60", "xxaxxbxxc", ""), 60);
    assert_int_equal(find("*a*b*c:60", "xxaxxbxxcx", ""), NONE);
    assert_int_equal(find("*aab:60", "aaaaaab", ""), 60);
    assert_int_equal(find("a**:60", "a", ""), 60);
    assert_int_equal(find("a?:60", "a", ""), NONE);
    assert_int_equal(find("?*?:60", "a", ""), NONE);
    assert_int_equal(find("?*?:60", "ab", ""), 60);
    char longest[IMAP_ID_VALUE_MOST + 2];
    memset(longest, 'a', sizeof(longest));
    longest[IMAP_ID_VALUE_MOST] = '\0';
    assert_int_equal(find("*a*a*a*a*a*a*a*b:60", longest, ""), NONE);
    assert_int_equal(find("a*:60", longest, ""), 60);
    assert_int_equal(find("x*/a*:60", "x", longest), 60);
    longest[IMAP_ID_VALUE_MOST] = 'a';
    longest[IMAP_ID_VALUE_MOST + 1] = '\0';
    assert_int_equal(find("a*:60", longest, ""), NONE);
    assert_int_equal(find("x*/a*:60", "x", longest), NONE);
}

static enum err parse(struct arena *a, const char *text, struct imap_id *out)
{
    struct scan c = scan_make(str_from_c(text));
    scan_id_params(&c, a, out);
    scan_require_end(&c);
    return c.err;
}

static void test_id(void **state)
{
    struct arena *a = arena_new(100000);
    struct imap_id id = make("left", "over");
    struct buf most = BUF_INIT(10000);
    (void)state;
    assert_int_equal(parse(a, "NIL", &id), ERR_OK);
    assert_int_equal(id.name.n + id.version.n, 0);
    assert_int_equal(parse(a, "()", &id), ERR_OK);
    assert_int_equal(
        parse(a, "(\"os\" NIL \"NAME\" \"K-9 Mail\" \"Version\" \"5\" \"name\" \"x\")", &id),
        ERR_OK);
    assert_str(id.name, STR("K-9 Mail"));
    assert_str(id.version, STR("5"));
    assert_int_equal(parse(a, "(\"name\" NIL \"version\" \"\")", &id), ERR_OK);
    assert_int_equal(id.name.n + id.version.n, 0);
    static const char *const WRONG[] = {"",
                                        "(",
                                        "(\"name\")",
                                        "(\"name\" x)",
                                        "nope",
                                        "(\"a\" \"b\"",
                                        "(\"a\" \"b\" )",
                                        "(NIL \"b\")",
                                        "() x",
                                        "(\"a\"  \"b\")"};
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        assert_int_not_equal(parse(a, WRONG[i], &id), ERR_OK);
    }
    buf_add_c(&most, "(\"a\" \"b\"");
    for (int i = 1; i < IMAP_ID_FIELDS_MOST; i++) {
        buf_add_c(&most, " \"a\" \"b\"");
    }
    size_t n = most.len;
    buf_add_c(&most, ")");
    assert_int_equal(parse(a, most.p, &id), ERR_OK);
    most.len = n;
    buf_add_c(&most, " \"a\" \"b\")");
    assert_int_not_equal(parse(a, most.p, &id), ERR_OK);
    buf_release(&most);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_clients),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
