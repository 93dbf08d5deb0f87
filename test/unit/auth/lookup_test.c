/* Who gets the mail for an address, and who may write as one (X-ALIASES, X-SENDERS). */
#include "auth/aliases.h"
#include "auth/lookup.h"
#include "auth/users.h"

#include "unit.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/lookup-XXXXXX";
static char path[PATH_MAX];
static const struct lookup_config CONFIG = {STR("example.org example.net"), STR("anna"), STR("+")};

static void add_alias(struct users *u, const char *address, const char *target)
{
    assert_int_equal(alias_add(u, str_from_c(address), str_from_c(target)), ERR_OK);
}

static struct users *open_users(void)
{
    static const char *const PERSONS[] = {"anna", "bert", "bert@example.org", "carl", "d+e"};
    struct users *u = NULL;
    struct verifier v = {.scram_iterations = SCRAM_ITERATIONS_LEAST};
    assert_int_equal(users_open(path, &u), ERR_OK);
    for (size_t i = 0; i < sizeof(PERSONS) / sizeof(PERSONS[0]); i++) {
        assert_int_equal(users_add(u, str_from_c(PERSONS[i]), USER_PERSON, &v), ERR_OK);
    }
    assert_int_equal(users_add(u, STR("submit"), USER_ENTITY, &v), ERR_OK);
    return u;
}

static int tear_down(void **state)
{
    (void)unlink(path);
    return 0;
}

/* What look-up says in one line: "user anna detail x", "targets a@b=anna c@d=", "no", or the error's name. */
static void say(struct users *u, const struct lookup_config *c, const char *address, char *out,
                size_t size)
{
    CLEANUP(lookup_release) struct lookup l;
    lookup_init(&l);
    enum err e = lookup_address(u, c, str_from_c(address), &l);
    int n = 0;
    if (e != ERR_OK) {
        (void)snprintf(out, size, "%s", e == ERR_NO_USER ? "no" : err_get_info(e)->name);
        return;
    }
    if (l.user.n > 0) {
        assert_int_equal(l.targets.count, 0);
        (void)snprintf(out, size, "%.*s detail %.*s", STR_ARG(l.user), STR_ARG(l.detail));
        return;
    }
    for (size_t i = 0; i < l.targets.count && n >= 0 && (size_t)n < size; i++) {
        n += snprintf(out + n, size - (size_t)n, "%s%.*s=%.*s", i > 0 ? " " : "",
                      STR_ARG(l.targets.at[i].address), STR_ARG(l.targets.at[i].user));
    }
}

struct say_case {
    const char *address;
    const char *said;
};

static void check(struct users *u, const struct lookup_config *c, const struct say_case *cases,
                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char said[1024];
        say(u, c, cases[i].address, said, sizeof(said));
        assert_string_equal(said, cases[i].said);
    }
}

static void test_accounts(void **state)
{
    static const struct say_case CASES[] = {
        {"nobody@example.org", "no"},
        {"anna@elsewhere.org", "no"},
        {"submit@example.org", "no"}, /* an entity */
        {"anna", "no"},
        {"@example.org", "no"},
        {"a/b@example.org", "no"},
        {"anna@example.org", "anna detail "},
        {"Anna@EXAMPLE.net", "anna detail "},
        {"anna+lists@example.org", "anna detail lists"},
        {"anna+a+b@example.org", "anna detail a+b"},
        {"anna+@example.org", "anna detail "},
        {"+anna@example.org", "no"},
        {"\"anna+x y\"@example.org", "anna detail x y"},
        {"bert@example.org", "bert@example.org detail "},
        {"bert+x@example.org", "bert@example.org detail x"},
        {"bert@example.net", "bert detail "},
        {"d+e@example.org", "d+e detail "},
        {"d@example.org", "no"},
        {"Postmaster@example.net", "anna detail "},
        {"postmaster+x@example.net", "anna detail x"},
    };
    struct users *u = open_users();
    check(u, &CONFIG, CASES, sizeof(CASES) / sizeof(CASES[0]));
    users_close(&u);
}

static void test_delimiters(void **state)
{
    static const struct say_case NONE[] = {{"anna+x@example.org", "no"},
                                           {"anna@example.org", "anna detail "}};
    static const struct say_case TWO[] = {{"anna-x+y@example.org", "anna detail x+y"}};
    struct lookup_config c = CONFIG;
    struct users *u = open_users();
    c.delimiters = STR_EMPTY;
    check(u, &c, NONE, 2);
    c.delimiters = STR("+-");
    check(u, &c, TWO, 1);
    users_close(&u);
}

/* X-ALIASES */
static void test_aliases(void **state)
{
    static const struct say_case CASES[] = {
        {"info@example.org", "anna detail "},
        {"info+x@example.net", "anna detail x"},
        {"tagged@example.org", "anna+tag@example.org=anna"},
        {"team@example.org", "anna@example.org=anna bert@example.org=bert@example.org"},
        {"team@example.net", "bert detail "}, /* by the catch-all */
        {"team+x@example.org", "anna+x@example.org=anna bert+x@example.org=bert@example.org"},
        {"out@example.org", "Some.One@elsewhere.org="},
        {"out+x@example.org", "Some.One@elsewhere.org="},
        {"all@example.org",
         "anna@example.org=anna Some.One@elsewhere.org= bert@example.org=bert@example.org"},
        {"carl@example.org", "bob@elsewhere.org= carl@example.org=carl"}, /* keeps a copy */
        {"dangling@example.org", "gone@example.org="},
        {"ring1@example.org", "ring1@example.org="}, /* leads to nobody, which its sender hears */
        {"any.thing@example.net", "bert detail "},
        {"any+x@example.net", "bert detail x"},
        {"anna@example.net", "anna detail "},
        {"postmaster@example.net", "bert detail "}, /* the catch-all comes first */
        {"bad@example.org", "no"},
    };
    struct users *u = open_users();
    add_alias(u, "info", "anna");
    add_alias(u, "tagged", "anna+tag");
    add_alias(u, "team@example.org", "anna");
    add_alias(u, "team@example.org", "bert");
    add_alias(u, "out", "Some.One@elsewhere.org");
    add_alias(u, "all", "team");
    add_alias(u, "all", "out");
    add_alias(u, "all", "info@example.org");
    add_alias(u, "carl", "carl");
    add_alias(u, "carl", "bob@elsewhere.org");
    add_alias(u, "dangling", "gone");
    add_alias(u, "ring1", "ring2");
    add_alias(u, "ring2", "ring1");
    add_alias(u, "@example.net", "bert");
    add_alias(u, "bad", "@");
    check(u, &CONFIG, CASES, sizeof(CASES) / sizeof(CASES[0]));
    users_close(&u);
}

static void test_bounds(void **state)
{
    char address[64];
    char target[64];
    char said[64];
    struct users *u = open_users();
    assert_int_equal(users_begin(u), ERR_OK);
    for (int i = 0; i <= LOOKUP_TARGETS_MOST; i++) {
        (void)snprintf(target, sizeof(target), "t%d@elsewhere.org", i);
        add_alias(u, "wide", target);
    }
    for (int i = 0; i < LOOKUP_DEPTH_MOST + 1; i++) {
        (void)snprintf(address, sizeof(address), "deep%d", i);
        (void)snprintf(target, sizeof(target), "deep%d", i + 1);
        add_alias(u, address, target);
    }
    add_alias(u, "deep17", "anna");
    assert_int_equal(users_end(u, ERR_OK), ERR_OK);
    say(u, &CONFIG, "wide@example.org", said, sizeof(said));
    assert_string_equal(said, "LIMIT");
    say(u, &CONFIG, "deep0@example.org", said, sizeof(said));
    assert_string_equal(said, "LIMIT");
    say(u, &CONFIG, "deep2@example.org", said, sizeof(said));
    assert_string_equal(said, "anna detail ");
    users_close(&u);
}

/* X-SENDERS */
static void test_senders(void **state)
{
    static const struct {
        const char *user;
        const char *address;
        bool each; /* allowed when each of an alias's accounts may write as it */
        bool only;
    } CASES[] = {
        {"anna", "anna@example.org", true, true},
        {"anna", "Anna+x@example.net", true, true},
        {"anna", "bert@example.org", false, false},
        {"anna", "anna@elsewhere.org", false, false},
        {"anna", "nobody@example.org", false, false},
        {"anna", "", false, false},
        {"anna", "anna", false, false},
        {"", "anna@example.org", false, false},
        {"bert", "bert@example.org", true, true}, /* called so, though another gets the mail */
        {"bert@example.org", "bert@example.org", true, true},
        {"bert@example.org", "bert@example.net", false, false},
        {"anna", "info@example.org", true, true},
        {"anna", "info+x@example.org", true, true},
        {"anna", "team@example.org", true, false},
        {"bert", "team@example.org", false, false}, /* it leads to bert@example.org */
        {"carl", "team@example.org", false, false},
        {"carl", "carl@example.org", true, true}, /* also while it is forwarded */
        {"carl", "me@Elsewhere.org", true, true},
        {"carl", "me+x@elsewhere.org", true, true},
        {"carl", "you@elsewhere.org", false, false},
        {"carl", "any@third.org", true, true},
        {"anna", "me@elsewhere.org", false, false},
    };
    struct users *u = open_users();
    add_alias(u, "info", "anna");
    add_alias(u, "team@example.org", "anna");
    add_alias(u, "team@example.org", "bert");
    add_alias(u, "carl", "bob@elsewhere.org");
    assert_int_equal(sender_add(u, STR("carl"), STR("me@elsewhere.org")), ERR_OK);
    assert_int_equal(sender_add(u, STR("carl"), STR("me@elsewhere.org")), ERR_EXISTS);
    assert_int_equal(sender_add(u, STR("carl"), STR("@third.org")), ERR_OK);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct str user = str_from_c(CASES[i].user);
        struct str address = str_from_c(CASES[i].address);
        assert_int_equal(lookup_sender(u, &CONFIG, true, user, address),
                         CASES[i].each ? ERR_OK : ERR_NOT_AUTHORIZED);
        assert_int_equal(lookup_sender(u, &CONFIG, false, user, address),
                         CASES[i].only ? ERR_OK : ERR_NOT_AUTHORIZED);
    }
    assert_int_equal(users_delete(u, STR("carl")), ERR_OK); /* and his rights with him */
    assert_int_equal(sender_find(u, STR("carl"), STR("@third.org")), ERR_NOT_FOUND);
    users_close(&u);
}

static int set_up_group(void **state)
{
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof(path), "%s/users.db", folder);
    return 0;
}

static int tear_down_group(void **state)
{
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_accounts, tear_down),
        cmocka_unit_test_teardown(test_delimiters, tear_down),
        cmocka_unit_test_teardown(test_aliases, tear_down),
        cmocka_unit_test_teardown(test_bounds, tear_down),
        cmocka_unit_test_teardown(test_senders, tear_down),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
