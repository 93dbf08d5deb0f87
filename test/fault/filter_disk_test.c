/* X-OUTBOX: a delivery by a script is whole or has not happened, whichever write or sync goes wrong, and whenever the process dies:
 * copies, the mailbox that was made, what is sent, what is remembered. And when it is tried again, it is done once. */
#include "fault_vfs.h"

#include "../unit/filter/filter_fixture.h"
#include "unit.h"

#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS_MOST = 400, LETTERS = 3 };

static const char SCRIPT[] =
    "require [\"fileinto\", \"copy\", \"mailbox\", \"vacation\", \"duplicate\", \"editheader\"];\n"
    "if duplicate { discard; stop; }\n"
    "vacation \"away\"; fileinto :create :copy \"New/One\"; redirect :copy \"b@far.example\";\n"
    "addheader \"X-Y\" \"z\"; redirect :copy \"c@far.example\"; fileinto :copy \"Archive\";";

static char message[120 * 1024]; /* larger than what is stored inside the database */

static void make_message(void)
{
    size_t n =
        (size_t)snprintf(message, sizeof(message),
                         "From: sam@there.example\nTo: ann@example.org\nMessage-ID: <1@x>\n\n");
    while (n + 100 < sizeof(message)) {
        n += (size_t)snprintf(message + n, 80, "0123456789 0123456789 0123456789\n");
    }
}

static void check_whole(struct world *w)
{
    assert_int_equal(world_count(w, "INBOX"), 1);
    assert_int_equal(world_count(w, "New/One"), 1);
    assert_int_equal(world_count(w, "Archive"), 1);
    assert_int_equal(world_count_items(w), LETTERS);
    fixture_verify(w->f.account);
}

static void check_nothing(struct world *w)
{
    assert_int_equal(world_count(w, "INBOX"), 0);
    assert_int_equal(world_count(w, "New/One"), -1);
    assert_int_equal(world_count(w, "Archive"), 0);
    assert_int_equal(world_count_items(w), 0);
    fixture_verify(w->f.account);
}

static void fail_each(enum fault_kind kind)
{
    bool has_struck = true;
    unsigned refused = 0;
    for (unsigned at = 1; has_struck && at < CALLS_MOST; at++) {
        struct world w;
        world_open(&w);
        world_script(&w, SCRIPT);
        fault_arm(kind, at);
        enum err e = world_deliver(&w, message);
        has_struck = fault_has_struck();
        fault_disarm();
        if (e == ERR_OK) {
            check_whole(&w);
        } else {
            assert_true(has_struck);
            refused++;
            check_nothing(&w);
            assert_int_equal(world_deliver(&w, message), ERR_OK);
            check_whole(&w);
        }
        world_close(&w);
    }
    assert_false(has_struck); /* all were tried */
    assert_true(refused > 4);
}

static void test_io_errors(void **state)
{
    fail_each(FAULT_IO);
}

static void test_full_disk(void **state)
{
    fail_each(FAULT_NO_SPACE);
}

/* What a child tells before it dies. */
struct told {
    char dir[64];
    bool is_done;
};

static void deliver_and_die(struct told *told, unsigned at)
{
    struct world w;
    world_open(&w);
    (void)snprintf(told->dir, sizeof(told->dir), "%s", w.f.dir);
    world_script(&w, SCRIPT);
    fault_arm(FAULT_KILL, at);
    told->is_done = world_deliver(&w, message) == ERR_OK;
    (void)kill(getpid(), SIGKILL);
}

static void test_killed(void **state)
{
    struct told *told =
        mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(told != MAP_FAILED);
    unsigned halves[2] = {0, 0};
    for (unsigned at = 1; !told->is_done && at < CALLS_MOST; at++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) {
            deliver_and_die(told, at);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        struct world w;
        world_adopt(&w, told->dir);
        bool is_there = world_count(&w, "INBOX") == 1;
        halves[is_there]++;
        assert_true(is_there || !told->is_done);
        if (is_there) {
            check_whole(&w);
        } else {
            check_nothing(&w);
        }
        /* Who heard no answer delivers again: by its id the script knows it. */
        assert_int_equal(world_deliver(&w, message), ERR_OK);
        check_whole(&w);
        world_close(&w);
    }
    assert_true(told->is_done);
    assert_true(halves[0] > 4 && halves[1] > 0);
    (void)munmap(told, sizeof(*told));
}

int main(void)
{
    log_init("filter_disk_test", LOG_LEVEL_ERROR);
    fault_vfs_install();
    make_message();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_io_errors),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
