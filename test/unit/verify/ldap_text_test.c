/* X-LDAP: unit tests of verify/ldap_text: RFC 4514, 2.4, and RFC 4515, 3. */
#include "verify/ldap_text.h"

#include "unit.h"

static void test_text(void **state)
{
    static const struct {
        struct str pattern;
        struct str name;
        struct str text;
    } CASES[] = {
        {STR("uid=%n,ou=people"), STR("anna"), STR("uid=anna,ou=people")},
        {STR("uid=%n"), STR("anna-b_c.d@example.org"), STR("uid=anna-b_c.d@example.org")},
        {STR("(|(uid=%n)(mail=%n))"), STR("x"), STR("(|(uid=x)(mail=x))")},
        {STR("(uid=%n)"), STR("*"), STR("(uid=\\2a)")},
        {STR("(uid=%n)"), STR("a)(cn=*"), STR("(uid=a\\29\\28cn\\3d\\2a)")},
        {STR("uid=%n,o=x"), STR("a,cn=admin"), STR("uid=a\\2ccn\\3dadmin,o=x")},
        {STR("uid=%n"), STR(" #a+\"<>;\\"), STR("uid=\\20\\23a\\2b\\22\\3c\\3e\\3b\\5c")},
        {STR("uid=%n"), STR("J\xc3\xbcrgen"), STR("uid=J\\c3\\bcrgen")},
        {STR("uid=%n"), STR("a\0b"), STR("uid=a\\00b")},
        {STR("100%%,%x,%"), STR("a"), STR("100%,%x,%")},
        {STR("(uid=%n)"), STR("%n"), STR("(uid=\\25n)")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct buf b = BUF_INIT(1000);
        ldap_write_text(&b, CASES[i].pattern, CASES[i].name);
        assert_str(buf_str(&b), CASES[i].text);
        buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
