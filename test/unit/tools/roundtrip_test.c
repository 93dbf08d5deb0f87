/* Import and export together: octets, flags, keywords, dates and mailboxes survive the way in and out, a second import adds
 * nothing, and equal messages in one source stay apart. */
#include "tools/source.h"
#include "tools/tool.h"

#include "base/buf.h"

#include "temp_dir.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

static char root[64];

static int make_root(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/limetta-roundtrip-XXXXXX");
    temp_dir_make(root, strlen(root) + 1);
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    temp_dir_remove(root);
    return 0;
}

static void path_of(char *out, const char *name)
{
    (void)snprintf(out, 256, "%s/%s", root, name);
}

static void make_dir(const char *name)
{
    char path[256];
    path_of(path, name);
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
}

static void make_file(const char *name, struct str octets, time_t mtime)
{
    char path[256];
    path_of(path, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(octets.p, 1, octets.n, f), octets.n);
    assert_int_equal(fclose(f), 0);
    const struct utimbuf times = {mtime, mtime};
    assert_int_equal(utime(path, &times), 0);
}

static void make_source(void)
{
    static const char *const DIRS[] = {
        "md",       "md/cur",      "md/new", "md/.Trips.2026", "md/.Trips.2026/cur",
        "md/Empty", "md/Empty/cur"};
    for (size_t i = 0; i < sizeof(DIRS) / sizeof(DIRS[0]); i++) {
        make_dir(DIRS[i]);
    }
    make_file("md/dovecot-keywords", STR("0 $Forwarded\n1 todo\n"), 1);
    make_file("md/cur/1:2,SRFab", STR("Subject: x\n\nhello\n"), 1000000000);
    make_file("md/cur/2,S=10,W=10:2,DT", STR("A: b\n\nc\nd\n"), 1100000000);
    make_file("md/cur/3:2,", STR("A: b\r\n\r\n\0\r\xff\n"), 1200000000);
    make_file("md/cur/4:2,", STR(""), 1300000000);
    make_file("md/cur/5:2,", STR("twice\n"), 1400000000);
    make_file("md/cur/6:2,", STR("twice\n"), 1400000000);
    make_file("md/.Trips.2026/cur/7:2,S", STR("T: u\n\nv"), 1500000000);
}

static int run(int (*tool)(int, char **), const char *user, const char *path)
{
    char state[256];
    char where[256];
    path_of(state, "state");
    path_of(where, path);
    char name[] = "tool";
    char user_option[] = "--user";
    char state_option[] = "--state";
    char who[32];
    (void)snprintf(who, sizeof(who), "%s", user);
    char *argv[] = {name, user_option, who, state_option, state, where, NULL};
    return tool(6, argv);
}

/* Walks a Maildir into sorted text, so that two can be compared. */
static enum err note_message(void *owner, const struct source_message *m)
{
    struct buf *b = owner;
    buf_addf(b, "<%.*s> %llu %lld", STR_ARG(m->mailbox), (unsigned long long)m->flags,
             (long long)m->date_s);
    for (unsigned i = 0; i < m->keyword_count; i++) {
        buf_addf(b, " %.*s", STR_ARG(m->keywords[i]));
    }
    buf_addf(b, " %zu ", m->octets.n);
    buf_add(b, m->octets);
    buf_add_char(b, '\n');
    return ERR_OK;
}

static enum err note_folder(void *owner, struct str mailbox)
{
    buf_addf(owner, "[%.*s]\n", STR_ARG(mailbox));
    return ERR_OK;
}

static void note_all(const char *name, struct buf *out)
{
    char path[256];
    struct source_sink sink = {note_message, note_folder, out};
    path_of(path, name);
    assert_int_equal(source_walk(path, SOURCE_MAILDIR, &sink), ERR_OK);
}

static void test_round_trip(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf one = BUF_INIT(100000);
    CLEANUP(buf_release) struct buf two = BUF_INIT(100000);
    make_dir("state");
    make_dir("state/accounts");
    make_source();
    assert_int_equal(run(tool_import, "ann", "md"), EXIT_FINE);
    assert_int_equal(run(tool_export, "ann", "out1"), EXIT_FINE);
    note_all("out1", &one);
    assert_true(str_find_str(buf_str(&one), STR("<> 7 1000000000 $Forwarded todo 21 Subject"))
                < one.len);
    assert_true(str_find_str(buf_str(&one), STR("<> 24 1100000000 10 A: b\n\nc\nd\n")) < one.len);
    assert_true(str_find_str(buf_str(&one), STR("<> 0 1200000000 12 A: b\r\n\r\n\0\r\xff\n"))
                < one.len);
    assert_true(str_find_str(buf_str(&one), STR("<Trips/2026> 1 1500000000 9 T: u")) < one.len);
    assert_true(str_find_str(buf_str(&one), STR("[Empty]")) < one.len);
    assert_int_equal(run(tool_import, "bob", "out1"), EXIT_FINE);
    assert_int_equal(run(tool_export, "bob", "out2"), EXIT_FINE);
    note_all("out2", &two);
    assert_str(buf_str(&two), buf_str(&one));
}

static void test_again_adds_nothing(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf one = BUF_INIT(100000);
    CLEANUP(buf_release) struct buf two = BUF_INIT(100000);
    make_dir("state");
    make_dir("state/accounts");
    make_source();
    assert_int_equal(run(tool_import, "ann", "md"), EXIT_FINE);
    assert_int_equal(run(tool_export, "ann", "out1"), EXIT_FINE);
    assert_int_equal(run(tool_import, "ann", "md"), EXIT_FINE);
    assert_int_equal(run(tool_export, "ann", "out2"), EXIT_FINE);
    note_all("out1", &one);
    note_all("out2", &two);
    assert_str(buf_str(&two), buf_str(&one));
    size_t first = str_find_str(buf_str(&one), STR("twice"));
    size_t second = str_find_str(str_skip(buf_str(&one), first + 1), STR("twice"));
    assert_true(first + 1 + second < one.len);
}

static void test_refusals(void **state)
{
    (void)state;
    make_dir("state");
    make_dir("state/accounts");
    make_source();
    assert_int_equal(run(tool_import, "ann", "missing"), EXIT_NOT_SO);
    assert_int_equal(run(tool_export, "nobody", "out"), EXIT_NOT_SO);
    assert_int_equal(run(tool_import, "ann", "md"), EXIT_FINE);
    assert_int_equal(tool_import(1, (char *[]){(char[]){"import"}, NULL}), EXIT_USAGE);
    assert_int_equal(tool_verify(1, (char *[]){(char[]){"verify"}, NULL}), EXIT_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_again_adds_nothing, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_refusals, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
