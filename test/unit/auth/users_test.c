/* The verifier database, read and written by two at once. */
#include "auth/aliases.h"
#include "auth/users.h"

#include "unit.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct verifier_cost CHEAP = {1, 8192 * 1024, 4096};
static char folder[] = "/tmp/users-XXXXXX";
static char path[PATH_MAX];

static struct users *open_users(void)
{
    struct users *u = NULL;
    assert_int_equal(users_open(path, &u), ERR_OK);
    return u;
}

static int tear_down(void **state)
{
    (void)unlink(path);
    return 0;
}

static void test_not_ours(void **state)
{
    struct users *u = NULL;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs("this is not a database, however long it may be; this is not a database", f);
    (void)fclose(f);
    assert_int_equal(users_open(path, &u), ERR_CORRUPT);
    assert_null(u);
    assert_int_equal(users_open("/nonexistent/users.db", &u), ERR_NOT_FOUND);
}

static void test_changes(void **state)
{
    struct verifier v;
    struct verifier w;
    struct verifier got;
    enum user_kind kind = USER_PERSON;
    assert_int_equal(verifier_make(STR("one"), &CHEAP, &v), ERR_OK);
    assert_int_equal(verifier_make(STR("two"), &CHEAP, &w), ERR_OK);
    struct users *u = open_users();
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(users_find(u, STR("anna"), &got, NULL), ERR_NOT_FOUND);
    assert_int_equal(users_set(u, STR("anna"), &v), ERR_NOT_FOUND);
    assert_int_equal(users_delete(u, STR("anna")), ERR_NOT_FOUND);
    assert_int_equal(users_add(u, STR("anna"), USER_ENTITY, &v), ERR_OK);
    assert_int_equal(users_add(u, STR("anna"), USER_PERSON, &w), ERR_EXISTS);
    assert_int_equal(users_find(u, STR("anna"), &got, &kind), ERR_OK);
    assert_int_equal(kind, USER_ENTITY);
    assert_memory_equal(&got, &v, sizeof(v));
    assert_int_equal(users_set(u, STR("anna"), &w), ERR_OK);
    assert_int_equal(users_find(u, STR("anna"), &got, NULL), ERR_OK);
    assert_memory_equal(&got, &w, sizeof(w));
    assert_int_equal(users_delete(u, STR("anna")), ERR_OK);
    assert_int_equal(users_find(u, STR("anna"), NULL, NULL), ERR_NOT_FOUND);
    users_close(&u);
}

static void test_two_processes(void **state)
{
    struct verifier v;
    assert_int_equal(verifier_make(STR("one"), &CHEAP, &v), ERR_OK);
    struct users *reader = open_users();
    struct users *writer = open_users();
    uint64_t before = users_get_version(reader);
    assert_int_not_equal(before, 0);
    assert_int_equal(users_get_version(reader), before);
    assert_int_equal(users_add(writer, STR("anna"), USER_PERSON, &v), ERR_OK);
    uint64_t after = users_get_version(reader);
    assert_int_not_equal(after, before);
    assert_int_equal(users_find(reader, STR("anna"), NULL, NULL), ERR_OK);
    assert_int_equal(users_get_version(reader), after);
    assert_int_equal(users_delete(writer, STR("anna")), ERR_OK);
    assert_int_not_equal(users_get_version(reader), after);
    uint8_t a[SITE_KEY_SIZE];
    uint8_t b[SITE_KEY_SIZE];
    users_get_site_key(reader, a);
    users_get_site_key(writer, b);
    assert_memory_equal(a, b, SITE_KEY_SIZE);
    users_close(&reader);
    users_close(&writer);
}

/* A file of the first version takes the step. */
static void test_old_file(void **state)
{
    sqlite3 *db = NULL;
    struct verifier v;
    struct users *u = open_users();
    assert_int_equal(verifier_make(STR("one"), &CHEAP, &v), ERR_OK);
    assert_int_equal(users_add(u, STR("anna"), USER_PERSON, &v), ERR_OK);
    users_close(&u);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TABLE alias; DROP TABLE sender; PRAGMA user_version=1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    (void)sqlite3_close(db);
    u = open_users();
    assert_int_equal(users_find(u, STR("anna"), NULL, NULL), ERR_OK);
    assert_int_equal(alias_add(u, STR("info"), STR("anna")), ERR_OK);
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
        cmocka_unit_test_teardown(test_not_ours, tear_down),
        cmocka_unit_test_teardown(test_changes, tear_down),
        cmocka_unit_test_teardown(test_two_processes, tear_down),
        cmocka_unit_test_teardown(test_old_file, tear_down),
    };
    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
