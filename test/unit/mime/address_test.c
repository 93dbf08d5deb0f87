/* Unit tests of mime/address: broken lists first, then what RFC 5322 and its obsolete syntax write. */
#include "mime/address.h"

#include "base/buf.h"
#include "unit.h"

enum { ARENA_CAP = 1024 * 1024 };

/* Each address as [name|route|mailbox|host], a group as {name ... }. */
static void describe(const struct address_list *l, struct buf *out)
{
    for (uint32_t i = 0; i < l->count; i++) {
        const struct address *a = &l->at[i];
        if (a->is_group_start) {
            buf_addf(out, "{%.*s", STR_ARG(a->mailbox));
        } else if (a->is_group_end) {
            buf_add_char(out, '}');
        } else {
            buf_addf(out, "[%.*s|%.*s|%.*s|%.*s]", STR_ARG(a->name), STR_ARG(a->route),
                     STR_ARG(a->mailbox), STR_ARG(a->host));
        }
    }
}

static const struct {
    const char *value;
    const char *want;
} CASES[] = {
    {"", ""},
    {" , ,\t,", ""},
    {"<>", "[|||]"},
    {"<", "[|||]"},
    {">", ""},
    {"@", ""},
    {"joe", "[||joe|]"},
    {"Joe User", "[Joe User|||]"},
    {"joe@", "[||joe|]"},
    {"@example.org", "[|||example.org]"},
    {"a@b@c", "[||a|b@c]"},
    {"a b@c", "[a||b|c]"},
    {"Joe <joe@example.org", "[Joe||joe|example.org]"},
    {"Joe <joe@example.org, ann@b", "[Joe||joe|example.org][||ann|b]"},
    {"<joe@example.org> junk, a@b", "[||joe|example.org][||a|b]"},
    {"\"Joe <joe@example.org>, a@b", "[Joe||joe|example.org][||a|b]"},
    {"Joe (open <joe@b>", "[Joe open||joe|b]"},
    {"a@[1.2.3", "[||a|[1.2.3]"},
    {"joe\\", "[||joe|]"},
    {"G: a@b", "{G[||a|b]}"},
    {"G: a@b, H: c@d;", "{G[||a|b]}{H[||c|d]}"},
    {"a@b;c@d", "[||a|b][||c|d]"},
    {"joe@example.org", "[||joe|example.org]"},
    {"Joe User <joe@example.org>", "[Joe User||joe|example.org]"},
    {"\"User, Joe \\\"J\\\"\" <joe@b>", "[User, Joe \"J\"||joe|b]"},
    {"John Q. Public <j@b>", "[John Q. Public||j|b]"},
    {"J. Public <j@b>", "[J. Public||j|b]"},
    {"joe@b (Joe (the) User)", "[Joe (the) User||joe|b]"},
    {"joe@b <joe@b>", "[joe@b||joe|b]"},
    {"\"joe user\"@b", "[||joe user|b]"},
    {"joe . user @ example . org", "[||joe.user|example.org]"},
    {"a@[192.0.2.1]", "[||a|[192.0.2.1]]"},
    {"<@x,@y:a@b>", "[|@x,@y|a|b]"},
    {"undisclosed-recipients:;", "{undisclosed-recipients}"},
    {"A Group:Ed <e@f>,g@h;, i@j", "{A Group[Ed||e|f][||g|h]}[||i|j]"},
    {"=?utf-8?q?J=C3=B6?= <j@b>", "[=?utf-8?q?J=C3=B6?=||j|b]"},
    {"J\xc3\xb6 <j\xc3\xb6@b\xc3\xbc>", "[J\xc3\xb6||j\xc3\xb6|b\xc3\xbc]"},
};

static void test_lists(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct arena *a = arena_new(ARENA_CAP);
        struct buf got = BUF_INIT(1000);
        struct address_list l;
        assert_int_equal(address_list_parse(a, str_from_c(CASES[i].value), &l), ERR_OK);
        describe(&l, &got);
        if (!str_eq(buf_str(&got), str_from_c(CASES[i].want))) {
            print_message("%s\nwant %s\n got %s\n", CASES[i].value, CASES[i].want, got.p);
            wrong++;
        }
        buf_release(&got);
        arena_free(&a);
    }
    assert_int_equal(wrong, 0);
}

static void test_full_arena(void **state)
{
    (void)state;
    struct arena *a = arena_new(200);
    struct address_list l;
    assert_int_equal(address_list_parse(a, STR("a@b,c@d,e@f"), &l), ERR_LIMIT);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_full_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
