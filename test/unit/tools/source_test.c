/* Unit tests of tools/source*: what each kind of source gives for files as other programs leave them. */
#include "tools/source.h"

#include "base/buf.h"
#include "store/view.h"

#include "temp_dir.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <utime.h>

static char root[64];

static int make_root(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/limetta-source-XXXXXX");
    temp_dir_make(root, strlen(root) + 1);
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    temp_dir_remove(root);
    return 0;
}

static void make_dir(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
}

static void make_file(const char *name, struct str octets, time_t mtime)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(octets.p, 1, octets.n, f), octets.n);
    assert_int_equal(fclose(f), 0);
    const struct utimbuf times = {mtime, mtime};
    assert_int_equal(utime(path, &times), 0);
}

/* What a walk gave, as text: one line a folder, one a message. */
static enum err note_message(void *owner, const struct source_message *m)
{
    struct buf *b = owner;
    buf_addf(b, "<%.*s> %llu %lld", STR_ARG(m->mailbox), (unsigned long long)m->flags,
             (long long)(m->date_s == INT64_MIN ? -1 : m->date_s));
    for (unsigned i = 0; i < m->keyword_count; i++) {
        buf_addf(b, " %.*s", STR_ARG(m->keywords[i]));
    }
    buf_add(b, STR(" \""));
    buf_add(b, m->octets);
    buf_add(b, STR("\"\n"));
    return ERR_OK;
}

static enum err note_folder(void *owner, struct str mailbox)
{
    buf_addf(owner, "[%.*s]\n", STR_ARG(mailbox));
    return ERR_OK;
}

static void expect(const char *name, enum source_kind kind, uint64_t count, const char *want)
{
    char path[256];
    uint64_t counted = 0;
    CLEANUP(buf_release) struct buf got = BUF_INIT(100000);
    struct source_sink sink = {note_message, note_folder, &got};
    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(source_detect(path), kind);
    assert_int_equal(source_count(path, kind, &counted), ERR_OK);
    assert_int_equal(counted, count);
    assert_int_equal(source_walk(path, kind, &sink), ERR_OK);
    assert_string_equal(got.p, want);
}

static void test_nothing(void **state)
{
    char path[256];
    (void)state;
    (void)snprintf(path, sizeof(path), "%s/missing", root);
    assert_int_equal(source_detect(path), SOURCE_NONE);
}

static void test_maildir(void **state)
{
    (void)state;
    static const char *const DIRS[] = {"md",       "md/cur",      "md/new",      "md/tmp",
                                       "md/.A.B",  "md/.A.B/cur", "md/.A.B/new", "md/C",
                                       "md/C/cur", "md/C/D",      "md/C/D/cur"};
    for (size_t i = 0; i < sizeof(DIRS) / sizeof(DIRS[0]); i++) {
        make_dir(DIRS[i]);
    }
    make_file("md/dovecot-keywords", STR("0 $MDNSent\n1 todo\n"), 1);
    make_file("md/cur/1.x:2,FSab", STR("a\n\nb\n"), 1000);
    make_file("md/cur/2.x,S=4,W=4:2,PT", STR("c\n\nd"), 2000);
    make_file("md/cur/3.x,S=4,W=6:2,", STR("e\n\nf"), 3000);
    make_file("md/new/4.x", STR("g\r\nh\n"), 4000);
    make_file("md/cur/.hidden", STR("x"), 1);
    make_file("md/.A.B/cur/5.x:2,RD", STR(""), 5000);
    make_file("md/C/D/cur/6.x:2,z", STR("i"), 6000);
    expect("md", SOURCE_MAILDIR, 6,
           "[]\n"
           "<> 5 1000 $MDNSent todo \"a\r\n\r\nb\r\n\"\n"
           "<> 8 2000 $Forwarded \"c\n\nd\"\n"
           "<> 0 3000 \"e\r\n\r\nf\"\n"
           "<> 0 4000 \"g\r\nh\n\"\n"
           "[A/B]\n"
           "<A/B> 18 5000 \"\"\n"
           "[C]\n"
           "[C/D]\n"
           "<C/D> 0 6000 \"i\"\n");
}

/* A tree of Maildirs without one at its top. */
static void test_maildir_below(void **state)
{
    (void)state;
    static const char *const DIRS[] = {"tree", "tree/a", "tree/a/b", "tree/a/b/cur"};
    for (size_t i = 0; i < sizeof(DIRS) / sizeof(DIRS[0]); i++) {
        make_dir(DIRS[i]);
    }
    make_file("tree/a/b/cur/1:2,S", STR("x"), 7);
    expect("tree", SOURCE_MAILDIR, 1, "[a/b]\n<a/b> 1 7 \"x\"\n");
}

static void test_mbox(void **state)
{
    (void)state;
    make_file("box",
              STR("From a@b Sat Nov 21 10:00:00 2026\n"
                  "Status: RO\nX-Status: AF\nX-Keywords: one two\n\n"
                  "text\n\n>From here\n>>From there\nFrom now on\n\nFrom me to you\n\n"
                  "From c Sat, 21 Nov\n\n"
                  "From c@d Sat Nov 21 10:00:01 2026\n"
                  "Subject: x\n\nlast\n"),
              1);
    expect("box", SOURCE_MBOX, 2,
           "[]\n"
           "<> 7 1795255200 one two \"Status: RO\r\nX-Status: AF\r\nX-Keywords: one two\r\n\r\n"
           "text\r\n\r\nFrom here\r\n>From there\r\nFrom now on\r\n\r\nFrom me to you\r\n\r\n"
           "From c Sat, 21 Nov\r\n\"\n"
           "<> 0 1795255201 \"Subject: x\r\n\r\nlast\r\n\"\n");
    make_file("empty", STR(""), 1);
    expect("empty", SOURCE_MBOX, 0, "[]\n");
}

static void test_not_an_mbox(void **state)
{
    char path[256];
    uint64_t count = 0;
    (void)state;
    make_file("text", STR("Hello\nworld\n"), 1);
    (void)snprintf(path, sizeof(path), "%s/text", root);
    assert_int_equal(source_count(path, SOURCE_MBOX, &count), ERR_NOT_FOUND);
}

static void test_eml(void **state)
{
    (void)state;
    make_dir("eml");
    make_dir("eml/sub");
    make_file("eml/a.eml", STR("A: b\n\nc"), 1);
    make_file("eml/notes.txt", STR("no mail"), 1);
    make_file("eml/sub/b.EML", STR("A: b\r\n\r\nc\n"), 1);
    expect("eml", SOURCE_EML, 2,
           "[]\n"
           "<> 0 -1 \"A: b\r\n\r\nc\"\n"
           "[sub]\n"
           "<sub> 0 -1 \"A: b\r\n\r\nc\n\"\n");
    expect("eml/a.eml", SOURCE_EML, 1, "<> 0 -1 \"A: b\r\n\r\nc\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_maildir, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_maildir_below, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_mbox, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_not_an_mbox, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_eml, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
