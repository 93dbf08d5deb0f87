/* SEARCH keys to programs (RFC 3501, 6.4.4): the tree is written down again and compared. */
#include "unit.h"

#include "imap/search_keys.h"
#include "store/view.h"

#include <stdio.h>

static void write_key(struct buf *out, const struct search_key *k)
{
    buf_addf(out, "%u", (unsigned)k->kind);
    if (k->number != 0) {
        buf_addf(out, "#%lld", (long long)k->number);
    }
    for (size_t i = 0; i < k->set.count; i++) {
        buf_addf(out, "[%u-%u]", k->set.at[i].first, k->set.at[i].last);
    }
    if (k->field.n > 0) {
        buf_addf(out, "<%.*s>", STR_ARG(k->field));
    }
    if (k->text.n > 0) {
        buf_addf(out, "'%.*s'", STR_ARG(k->text));
    }
    if (k->child != NULL) {
        buf_add_char(out, '(');
        for (const struct search_key *c = k->child; c != NULL; c = c->next) {
            write_key(out, c);
            buf_add_char(out, c->next != NULL ? ' ' : ')');
        }
    }
}

static enum err parse(struct str text, struct str charset, struct buf *out)
{
    struct arena *a = arena_new(1 << 20);
    struct search_keys keys = {.arena = a, .charset = charset};
    struct scan c = scan_make(text);
    const struct search_key *k = search_keys_parse(&keys, &c);
    scan_require_end(&c);
    enum err e = scan_get_err(&c);
    if (e == ERR_OK) {
        write_key(out, k);
    }
    arena_free(&a);
    return e;
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",     "BOGUS",          "ALL ", "ALL  ALL", "NOT",           "OR ALL",
        "(ALL", "ALL)",           "()",   "SINCE",    "SINCE 1-1-25",  "LARGER x",
        "FROM", "HEADER X",       "UID",  "UID 0",    "KEYWORD \"a b", "MODSEQ -1",
        "NEWS", "MODSEQ \"x\" 1", "1:",   "SEENALL",  "NOTALL",        "LARGER 9223372036854775808",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = BUF_INIT(4096);
        if (parse(str_from_c(cases[i]), STR_EMPTY, &out) != ERR_SYNTAX) {
            fail_msg("\"%s\" was taken", cases[i]);
        }
        buf_release(&out);
    }
}

static void check(const char *text, const char *want)
{
    struct buf out = BUF_INIT(4096);
    assert_int_equal(parse(str_from_c(text), STR_EMPTY, &out), ERR_OK);
    assert_str(buf_str(&out), str_from_c(want));
    buf_release(&out);
}

static void test_programs(void **state)
{
    (void)state;
    char want[256];
    (void)snprintf(want, sizeof(want), "%u(%u)", SEARCH_AND, SEARCH_ALL);
    check("all", want);
    (void)snprintf(want, sizeof(want), "%u(%u(%u#%u))", SEARCH_AND, SEARCH_NOT, SEARCH_FLAGS,
                   (unsigned)FLAG_SEEN);
    check("UNSEEN", want);
    (void)snprintf(want, sizeof(want), "%u(%u(%u %u(%u#%u)))", SEARCH_AND, SEARCH_AND,
                   SEARCH_RECENT, SEARCH_NOT, SEARCH_FLAGS, (unsigned)FLAG_SEEN);
    check("NEW", want);
    (void)snprintf(want, sizeof(want), "%u(%u(%u'a' %u(%u#5)))", SEARCH_AND, SEARCH_OR, SEARCH_FROM,
                   SEARCH_NOT, SEARCH_LARGER);
    check("OR FROM a NOT LARGER 5", want);
    (void)snprintf(want, sizeof(want), "%u(%u[5-0][2-2] %u[90-0])", SEARCH_AND, SEARCH_SEQ,
                   SEARCH_UID);
    check("5:*,2 UID 90:*", want);
    (void)snprintf(want, sizeof(want), "%u(%u<X-A>'b')", SEARCH_AND, SEARCH_HEADER);
    check("HEADER X-A b", want);
    (void)snprintf(want, sizeof(want), "%u(%u#1 %u#31)", SEARCH_AND, SEARCH_MODSEQ, SEARCH_SENTON);
    check("MODSEQ \"/flags/x\" all 1 SENTON 1-Feb-1970", want);
}

static void test_charset(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    char want[64];
    assert_int_equal(parse(STR("SUBJECT {1}\r\n\xe4"), STR("iso-8859-1"), &out), ERR_OK);
    (void)snprintf(want, sizeof(want), "%u(%u'\xc3\xa4')", SEARCH_AND, SEARCH_SUBJECT);
    assert_str(buf_str(&out), str_from_c(want));
    buf_clear(&out);
    assert_int_equal(parse(STR("SUBJECT {1}\r\n\xe4"), STR("utf-8"), &out), ERR_SYNTAX);
    buf_release(&out);
}

static void test_bounds(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(65536);
    struct buf out = BUF_INIT(65536);
    for (int i = 0; i < 200; i++) {
        buf_add(&text, STR("NOT "));
    }
    buf_add(&text, STR("ALL"));
    assert_int_equal(parse(buf_str(&text), STR_EMPTY, &out), ERR_TOO_DEEP);
    buf_clear(&text);
    for (int i = 0; i < SEARCH_KEYS_MOST; i++) {
        buf_add(&text, STR("ALL "));
    }
    buf_add(&text, STR("ALL"));
    assert_int_equal(parse(buf_str(&text), STR_EMPTY, &out), ERR_LIMIT);
    buf_release(&text);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_charset),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
