/* Failing disks. The same turns are played again and again; each time another write or sync goes wrong, once with an
 * I/O error or from then on with a full disk. Whatever fails, a turn that was refused must have left nothing, a turn that
 * was granted everything, sessions go on when the disk is well again, and what is stored verifies.
 *
 * Also here, because the disk under us counts: how many syncs a change costs. */
#include "fault_vfs.h"
#include "mail_model.h"
#include "unit.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { TURNS = 14, CALLS_MOST = 600, STEP = 3 };

struct trial {
    char dir[MILL_DIR_SIZE];
    struct mill mill;
    struct model got;
    unsigned refused;
};

/* The state that everybody sees is the one before the turn or the one after it, whole. */
static void check_state(struct trial *t, bool may_be_next)
{
    assert_int_equal(model_read(t->mill.account, &t->got), ERR_OK);
    uint64_t got = model_get_digest(&t->got);
    bool is_next = got == model_get_digest(&t->mill.next);
    assert_true(got == model_get_digest(&t->mill.now) || (may_be_next && is_next));
    t->mill.now = t->got;
}

static void play_turn(struct trial *t, unsigned kind)
{
    enum err played = mill_play(&t->mill, kind);
    enum err committed = mill_commit(&t->mill);
    if (played != ERR_OK || committed != ERR_OK) {
        t->refused++;
        assert_true(fault_has_struck());
        fault_disarm();
        /* a body alone may be refused without harm to its turn: then the commit had nothing or less to do */
        check_state(t, played == ERR_OK);
    }
}

static void play_all(struct trial *t)
{
    for (unsigned i = 0; i < TURNS; i++) {
        play_turn(t, i % MILL_KINDS);
        if (i % 4 == 3) {
            mill_tick(&t->mill);
        }
    }
}

static void start_trial(struct trial *t)
{
    assert_int_equal(mill_make_dir(t->dir), ERR_OK);
    t->mill.random = 7;
    assert_int_equal(mill_open(&t->mill, t->dir), ERR_OK);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(mill_play(&t->mill, i), ERR_OK);
        assert_int_equal(mill_commit(&t->mill), ERR_OK);
    }
}

static void end_trial(struct trial *t)
{
    fault_disarm();
    check_state(t, false);
    mill_tick(&t->mill);
    assert_int_equal(mill_verify(&t->mill), ERR_OK);
    uint64_t digest = model_get_digest(&t->mill.now);
    mill_close(&t->mill);
    assert_int_equal(mill_open(&t->mill, t->dir), ERR_OK);
    assert_true(digest == model_get_digest(&t->mill.now));
    assert_int_equal(mill_verify(&t->mill), ERR_OK);
    mill_close(&t->mill);
    mill_remove_dir(t->dir);
}

static void fail_each(enum fault_kind kind)
{
    unsigned refused = 0;
    unsigned trials = 0;
    bool has_struck = true;
    for (unsigned at = 1; has_struck && at < CALLS_MOST; at += at < 60 ? 1 : STEP) {
        struct trial *t = calloc(1, sizeof(*t));
        assert_non_null(t);
        start_trial(t);
        fault_arm(kind, at);
        play_all(t);
        has_struck = fault_has_struck();
        refused += t->refused;
        trials++;
        end_trial(t);
        free(t);
    }
    print_message("%u trials, %u turns refused\n", trials, refused);
    assert_true(refused > trials / 3);
}

static void test_io_errors(void **state)
{
    (void)state;
    fail_each(FAULT_IO);
}

static void test_full_disk(void **state)
{
    (void)state;
    fail_each(FAULT_NO_SPACE);
}

/* ---- what a change costs ---- */

static unsigned count_syncs(struct trial *t, unsigned kind)
{
    fault_arm(FAULT_NONE, 0);
    assert_int_equal(mill_play(&t->mill, kind), ERR_OK);
    assert_int_equal(mill_commit(&t->mill), ERR_OK);
    return fault_get_syncs();
}

static void append_one(struct trial *t)
{
    struct mailbox *inbox;
    struct body_writer *w;
    struct uid uid;
    const struct append_args args = {0};
    fault_arm(FAULT_NONE, 0);
    assert_int_equal(account_find_mailbox(t->mill.account, STR("INBOX"), &inbox), ERR_OK);
    assert_int_equal(body_writer_new(t->mill.account, &w), ERR_OK);
    assert_int_equal(body_writer_add(w, STR("Subject: one sync\r\n\r\nhello\r\n")), ERR_OK);
    assert_int_equal(body_writer_finish(w), ERR_OK);
    assert_int_equal(mailbox_append(inbox, w, &args, &uid), ERR_OK);
    body_writer_free(&w);
    store_commit(t->mill.store);
    mailbox_unref(&inbox);
}

static void test_syncs(void **state)
{
    (void)state;
    struct trial *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    start_trial(t);
    for (unsigned i = 0; i < 20; i++) {
        append_one(t);
        assert_int_equal(fault_get_syncs(), 1);
    }
    /* after a clean start: the append, and the head of SQLite's new log */
    mill_close(&t->mill);
    assert_int_equal(mill_open(&t->mill, t->dir), ERR_OK);
    append_one(t);
    assert_in_range(fault_get_syncs(), 1, 2);
    assert_int_equal(model_read(t->mill.account, &t->mill.now), ERR_OK);
    (void)count_syncs(t, 3);
    assert_int_equal(count_syncs(t, 3), 0); /* flags are lazy */
    fault_arm(FAULT_NONE, 0);
    t->mill.now_ms += 500;
    mill_tick(&t->mill);
    assert_int_equal(fault_get_syncs(), 1); /* and on disk within the second */
    end_trial(t);
    free(t);
}

int main(void)
{
    log_init("store_disk_test", LOG_LEVEL_ERROR);
    fault_vfs_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syncs),
        cmocka_unit_test(test_io_errors),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
