/* LIST patterns (RFC 3501, 6.3.8). */
#include "unit.h"

#include "imap/pattern.h"

static void test_matches(void **state)
{
    (void)state;
    static const struct {
        struct str pattern;
        struct str name;
        bool is_match;
    } cases[] = {
        {{"", 0}, {"a", 1}, false},
        {{"a", 1}, {"", 0}, false},
        {{"%", 1}, {"a/b", 3}, false},
        {{"%/%", 3}, {"a", 1}, false},
        {{"%/%", 3}, {"a/b/c", 5}, false},
        {{"%b", 2}, {"a/b", 3}, false},
        {{"Archive", 7}, {"archive", 7}, false},
        {{"INBOX", 5}, {"INBOXES", 7}, false},
        {{"inbox*", 6}, {"INBOXES", 7}, false},
        {{"*a*b", 4}, {"xaxbx", 5}, false},
        {{"%*x", 3}, {"a/b", 3}, false},
        {{"*", 1}, {"", 0}, true},
        {{"*", 1}, {"a/b/c", 5}, true},
        {{"%", 1}, {"abc", 3}, true},
        {{"%/%", 3}, {"a/b", 3}, true},
        {{"a/%", 3}, {"a/bcd", 5}, true},
        {{"a*c", 3}, {"a/b/c", 5}, true},
        {{"*%", 2}, {"a/b", 3}, true},
        {{"%*", 2}, {"a/b", 3}, true},
        {{"*/%b%", 5}, {"x/y/abc", 7}, true},
        {{"inbox", 5}, {"INBOX", 5}, true},
        {{"iNb%", 4}, {"INBOX", 5}, true},
        {{"inbox/%", 7}, {"INBOX/a", 7}, true},
        {{"*a*b", 4}, {"xaxbxab", 7}, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (pattern_matches(cases[i].pattern, cases[i].name) != cases[i].is_match) {
            fail_msg("\"%.*s\" and \"%.*s\"", STR_ARG(cases[i].pattern), STR_ARG(cases[i].name));
        }
    }
}

/* A recursive matcher would take longer than the universe here. */
static void test_cost(void **state)
{
    (void)state;
    char pattern[400];
    char name[1000];
    for (size_t i = 0; i < sizeof(pattern); i += 2) {
        pattern[i] = i % 4 == 0 ? '*' : '%';
        pattern[i + 1] = 'a';
    }
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = 'b';
    assert_false(pattern_matches(str_make(pattern, sizeof(pattern)), str_make(name, sizeof(name))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
