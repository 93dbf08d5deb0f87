/* Who may be joined to whom between hosts, and what link certificates say (D41, D43). */
#include "main/hosts.h"
#include "main/link_identity.h"

#include "unit.h"

static void add(struct hosts *h, const char *name, const char *roles, const char *workers)
{
    struct buf b = BUF_INIT(4096);
    struct buf why = BUF_INIT(1024);
    fields_add(&b, STR("host"), str_from_c(name));
    fields_add(&b, STR("roles"), str_from_c(roles));
    fields_add(&b, STR("workers"), str_from_c(workers));
    fields_add(&b, STR("address"), STR(" 192.0.2.1 "));
    fields_add(&b, STR("port"), STR("9144"));
    assert_int_equal(hosts_add(h, buf_str(&b), &why), ERR_OK);
    buf_release(&b);
    buf_release(&why);
}

static void begin(struct hosts *h, const char *roles, const char *range)
{
    struct buf why = BUF_INIT(1024);
    assert_int_equal(hosts_init(h, STR("own"), str_from_c(roles), str_from_c(range), 4, &why),
                     ERR_OK);
    buf_release(&why);
}

static bool wants(const struct hosts *h, const char *name, enum link_role here, unsigned here_index,
                  enum link_role there, unsigned there_index)
{
    const struct host *host = hosts_find(h, str_from_c(name));
    struct wish want = {here, here_index, there, there_index};
    assert_non_null(host);
    return hosts_has_wish(h, host, &want);
}

/* Roles of other hosts get what their role has, and no role of one host gets what another one's has. */
static void test_table(void **state)
{
    static const bool MAY[5][5] = {
        /* edge, auth, store, submit, convert */
        [ROLE_EDGE] = {false, true, true, true, false},
        [ROLE_AUTH] = {true, false, false, true, false},
        [ROLE_STORE] = {true, false, true, true, false},
        [ROLE_SUBMIT] = {true, true, true, false, false},
        [ROLE_CONVERT] = {false, false, false, false, false},
    };
    for (unsigned a = 0; a < 5; a++) {
        for (unsigned b = 0; b < 5; b++) {
            assert_int_equal(hosts_may_link((enum link_role)a, (enum link_role)b), MAY[a][b]);
        }
    }
    assert_false(hosts_may_link(ROLE_GATE, ROLE_STORE));
    assert_false(hosts_may_link(ROLE_STORE, ROLE_SUPERVISOR));
    assert_false(hosts_may_link(ROLE_VERIFY, ROLE_AUTH)); /* only on one host */
    assert_false(hosts_may_link((enum link_role)99, ROLE_AUTH));
}

static void test_wishes(void **state)
{
    static struct hosts h;
    begin(&h, "auth store convert", "0-1");
    add(&h, "dmz1", "edge submit", "");
    add(&h, "dmz2", "edge", "");
    add(&h, "store2", "store", "2-3");
    assert_true(wants(&h, "dmz1", ROLE_AUTH, 0, ROLE_EDGE, 0));
    assert_true(wants(&h, "dmz1", ROLE_STORE, 1, ROLE_SUBMIT, 0));
    assert_false(wants(&h, "dmz1", ROLE_STORE, 2, ROLE_EDGE, 0)); /* lives elsewhere */
    assert_false(wants(&h, "dmz1", ROLE_STORE, 0, ROLE_EDGE, 1)); /* there is one edge a host */
    assert_false(wants(&h, "dmz1", ROLE_STORE, 0, ROLE_STORE, 2));
    assert_false(wants(&h, "dmz1", ROLE_CONVERT, 0, ROLE_EDGE, 0));
    assert_false(wants(&h, "dmz2", ROLE_AUTH, 0, ROLE_SUBMIT, 0)); /* not its role */
    assert_true(wants(&h, "store2", ROLE_STORE, 0, ROLE_STORE, 3));
    assert_false(wants(&h, "store2", ROLE_STORE, 0, ROLE_STORE, 1)); /* ours */
    assert_false(wants(&h, "store2", ROLE_STORE, 0, ROLE_STORE, 1000));
    size_t at = 0;
    size_t count = 0;
    struct wish w;
    while (hosts_next_wish(&h, hosts_find(&h, STR("dmz1")), &at, &w)) {
        assert_true(hosts_has_wish(&h, hosts_find(&h, STR("dmz1")), &w));
        count++;
    }
    assert_int_equal(count, 2 + 2 * 2); /* auth and two stores, each with edge and submit */
    assert_int_equal(hosts_get_index(&h, hosts_find(&h, STR("dmz2")), ROLE_EDGE, 0), 1);
    assert_int_equal(hosts_get_index(&h, hosts_find(&h, STR("store2")), ROLE_STORE, 3), 3);
    assert_null(hosts_find(&h, STR("own")));
    assert_null(hosts_find(&h, STR("")));
    hosts_release(&h);
}

/* An edge uses one submission server: its own host's, or the first. */
static void test_one_submit(void **state)
{
    static struct hosts h;
    begin(&h, "edge", "");
    add(&h, "a", "submit", "");
    add(&h, "b", "submit auth store", "");
    assert_true(wants(&h, "a", ROLE_EDGE, 0, ROLE_SUBMIT, 0));
    assert_false(wants(&h, "b", ROLE_EDGE, 0, ROLE_SUBMIT, 0));
    hosts_release(&h);
    begin(&h, "edge submit", "");
    add(&h, "a", "submit auth store", "");
    assert_false(wants(&h, "a", ROLE_EDGE, 0, ROLE_SUBMIT, 0));
    hosts_release(&h);
}

static void test_identity(void **state)
{
    static const struct {
        const char *uris;
        const char *name; /* NULL: refused */
        unsigned roles;
    } CASES[] = {
        {"limetta://dmz1/edge", "dmz1", 1 << ROLE_EDGE},
        {"limetta://a.b-c/auth limetta://a.b-c/store", "a.b-c", 1 << ROLE_AUTH | 1 << ROLE_STORE},
        {"", NULL, 0},
        {"limetta://dmz1/edge limetta://dmz2/store", NULL, 0},
        {"limetta://dmz1/edge https://dmz1/", NULL, 0},
        {"limetta://dmz1/", NULL, 0},
        {"limetta://dmz1", NULL, 0},
        {"limetta:///edge", NULL, 0},
        {"limetta://dmz1/edge/", NULL, 0},
        {"limetta://dmz1/supervisor", NULL, 0},
        {"limetta://dmz1/edge  limetta://dmz1/store", NULL, 0},
        {"limetta://local/edge", NULL, 0},
        {"limetta://DMZ1/edge", NULL, 0},
        {"limetta://-dmz/edge", NULL, 0},
        {"limetta://d%20z/edge", NULL, 0},
        {"limetta://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/edge", NULL,
         0},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct link_identity who;
        enum err e = link_identity_parse(str_from_c(CASES[i].uris), &who);
        assert_int_equal(e, CASES[i].name == NULL ? ERR_SYNTAX : ERR_OK);
        if (e == ERR_OK) {
            struct buf b = BUF_INIT(1024);
            assert_string_equal(who.name, CASES[i].name);
            assert_int_equal(who.roles, CASES[i].roles);
            link_identity_write(&who, &b);
            assert_true(str_starts(buf_str(&b), STR("URI:limetta://")));
            buf_release(&b);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_wishes),
                                       cmocka_unit_test(test_one_submit),
                                       cmocka_unit_test(test_identity)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
