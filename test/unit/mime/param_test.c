/* Unit tests of mime/param: values with parameters as broken mail writes them. */
#include "mime/param.h"

#include "base/buf.h"
#include "unit.h"

enum { ARENA_CAP = 1024 * 1024 };

static const struct {
    const char *value;
    const char *want; /* type/subtype{name=value}... */
} CASES[] = {
    {"", "/"},
    {";", "/"},
    {"=", "/"},
    {"text", "text/"},
    {"text/", "text/"},
    {"/plain", "/plain"},
    {"text/plain; charset", "text/plain"},
    {"text/plain; =x; a=b", "text/plain{a=b}"},
    {"text/plain; charset=", "text/plain{charset=}"},
    {"text/plain charset=utf-8", "text/plain{charset=utf-8}"},
    {"text/plain; charset=utf-8 format=flowed", "text/plain{charset=utf-8}{format=flowed}"},
    {"text/plain; name=my file.pdf; a=b", "text/plain{name=my file.pdf}{a=b}"},
    {"text/plain; name=\"open; a=b", "text/plain{name=open}{a=b}"},
    {"text/plain; name=\"a\" junk; b=c", "text/plain{name=a}{b=c}"},
    {"text/plain;;; a=b;", "text/plain{a=b}"},
    {"text/plain; a=b\\;c", "text/plain{a=b;c}"},
    {"Text / Plain ; Charset = US-ASCII (plain)", "Text/Plain{Charset=US-ASCII}"},
    {"text/plain (a ; b=c) ; d=e", "text/plain{d=e}"},
    {"multipart/mixed; boundary=\"a b \\\"c\\\"; d\"", "multipart/mixed{boundary=a b \"c\"; d}"},
    {"attachment; filename*0*=x''%41; filename*1=b",
     "attachment/{filename*0*=x''%41}{filename*1=b}"},
};

static void test_fields(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct arena *a = arena_new(ARENA_CAP);
        struct buf got = BUF_INIT(1000);
        struct param_field f;
        assert_int_equal(param_field_parse(a, str_from_c(CASES[i].value), &f), ERR_OK);
        buf_addf(&got, "%.*s/%.*s", STR_ARG(f.type), STR_ARG(f.subtype));
        for (uint32_t k = 0; k < f.params.count; k++) {
            const struct param *p = &f.params.at[k];
            buf_addf(&got, "{%.*s=%.*s}", STR_ARG(p->name), STR_ARG(p->value));
        }
        if (!str_eq(buf_str(&got), str_from_c(CASES[i].want))) {
            print_message("%s\nwant %s\n got %s\n", CASES[i].value, CASES[i].want, got.p);
            wrong++;
        }
        buf_release(&got);
        arena_free(&a);
    }
    assert_int_equal(wrong, 0);
}

static void test_tokens(void **state)
{
    (void)state;
    struct arena *a = arena_new(ARENA_CAP);
    struct param_list names;
    struct str token;
    assert_int_equal(param_names_parse(a, STR("en, (x) de-AT;q=1, ,fr"), &names), ERR_OK);
    assert_int_equal(names.count, 3);
    assert_str(names.at[1].name, STR("de-AT"));
    assert_str(names.at[2].name, STR("fr"));
    assert_int_equal(param_token_parse(a, STR(" (c) base64 (d)"), &token), ERR_OK);
    assert_str(token, STR("base64"));
    assert_int_equal(param_token_parse(a, STR(" (c) "), &token), ERR_OK);
    assert_int_equal(token.n, 0);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
