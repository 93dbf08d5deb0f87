/* Aliases files of other mail servers (X-ALIASES). */
#include "auth/alias_file.h"
#include "base/buf.h"

#include "unit.h"

static void on_target(void *owner, unsigned line, struct str name, struct str target)
{
    buf_addf(owner, "%u %.*s -> %.*s\n", line, STR_ARG(name), STR_ARG(target));
}

static void on_problem(void *owner, unsigned line, struct str what, const char *why)
{
    buf_addf(owner, "%u ! %.*s\n", line, STR_ARG(what));
}

static void test_forms(void **state)
{
    static const struct {
        const char *text;
        const char *said;
    } CASES[] = {
        {"", ""},
        {"# nothing\n\n   \n", ""},
        {"root: anna", "1 root -> anna\n"},
        {"root:anna\r\nmail:  root\r\n", "1 root -> anna\n2 mail -> root\n"},
        {"team : anna , bert,,carl\n", "1 team -> anna\n1 team -> bert\n1 team -> carl\n"},
        {"team: anna,\n  bert\n# between\n\tcarl\nx: y\n",
         "1 team -> anna\n1 team -> bert\n1 team -> carl\n5 x -> y\n"},
        {"a@example.org b@example.net, c\n",
         "1 a@example.org -> b@example.net\n1 a@example.org -> c\n"},
        {"\"two words\": anna\n", "1 two words -> anna\n"},
        {"x: \"a,b\"@example.org, \"c\"\n", "1 x -> \"a,b\"@example.org\n1 x -> c\n"},
        {"x: \"|/bin/prog a, b\"\n", "1 ! \"|/bin/prog a, b\"\n"},
        {"x: |prog\ny: /var/mail/x\nz: :include:/etc/list, anna\n",
         "1 ! |prog\n2 ! /var/mail/x\n3 ! :include:/etc/list\n3 z -> anna\n"},
        {"lonely\n: x\ny:\n", "1 ! lonely\n2 ! : x\n3 ! y:\n"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct buf said = BUF_INIT(4096);
        const struct alias_file_handler h = {on_target, on_problem, &said};
        alias_file_read(str_from_c(CASES[i].text), &h);
        assert_str(buf_str(&said), str_from_c(CASES[i].said));
        buf_release(&said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
