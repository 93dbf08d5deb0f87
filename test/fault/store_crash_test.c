/* Crashes. A child uses a store at random and says over a pipe what it is about to commit and what was acknowledged; then
 * it dies, by SIGKILL at a random moment, at a chosen write or sync, or by a power cut that takes everything unsynced. The
 * parent opens what is left: it must open without repair, verify, and hold exactly the last acknowledged state, or
 * the one that was in flight, whole. A power cut may take flag changes back to the last synced turn, but modseqs
 * that were shown must not come again. */
#include "fault_vfs.h"
#include "mail_model.h"
#include "unit.h"

#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

ssize_t __real_write(int fd, const void *from, size_t n);

enum { TURNS_MOST = 300, STATES_MOST = 2 * TURNS_MOST + 8 };

/* What the child says. */
struct record {
    char
        kind; /* 'p': about to commit, 'a': acknowledged, 'f': acknowledged, flags only or nothing */
    uint64_t digest; /* of the state then */
    uint64_t modseq; /* shown */
};

struct crash {
    char dir[MILL_DIR_SIZE];
    uint64_t random;
    enum fault_kind kind; /* FAULT_NONE: the parent kills */
    unsigned at;
    unsigned acknowledged; /* in all */
    struct record said[STATES_MOST];
    size_t said_count;
};

/* ---- the child ---- */

static void say(int fd, char kind, uint64_t digest, uint64_t modseq)
{
    const struct record r = {.kind = kind, .digest = digest, .modseq = modseq};
    if (__real_write(fd, &r, sizeof(r)) != (ssize_t)sizeof(r)) {
        _exit(3);
    }
}

static void must(enum err e)
{
    if (e != ERR_OK) {
        (void)fprintf(stderr, "child: %s\n", err_get_info(e)->meaning);
        _exit(2);
    }
}

static void use_store(const struct crash *c, int fd)
{
    struct mill *m = calloc(1, sizeof(*m));
    m->random = c->random;
    if (c->kind == FAULT_CUT) {
        fault_keep_undo();
    }
    must(mill_open(m, c->dir));
    say(fd, 'a', model_get_digest(&m->now), mill_get_modseq(m));
    fault_arm(c->kind, c->at);
    for (unsigned turn = 0; turn < TURNS_MOST; turn++) {
        must(mill_play(m, mill_draw(m, MILL_KINDS)));
        uint64_t next = model_get_digest(&m->next);
        /* a turn that changed nothing has nothing to sync */
        bool is_lazy = m->has_only_flags || next == model_get_digest(&m->now);
        say(fd, 'p', next, 0);
        must(mill_commit(m));
        say(fd, is_lazy ? 'f' : 'a', next, mill_get_modseq(m));
        if (mill_draw(m, 6) == 0) {
            mill_tick(m);
        }
        if (mill_draw(m, 25) == 0) {
            mill_close(m);
            must(mill_open(m, c->dir));
        }
    }
    _exit(0);
}

/* ---- the parent ---- */

static uint32_t draw(struct crash *c, uint32_t below)
{
    c->random = c->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((c->random >> 33) % below);
}

static void listen_to(struct crash *c, int fd)
{
    c->said_count = 0;
    struct record r;
    while (read(fd, &r, sizeof(r)) == (ssize_t)sizeof(r)) {
        assert_true(c->said_count < STATES_MOST);
        c->said[c->said_count++] = r;
        c->acknowledged += r.kind != 'p';
    }
}

static void run_child(struct crash *c)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(fds[0]);
        use_store(c, fds[1]);
    }
    (void)close(fds[1]);
    if (c->kind == FAULT_NONE) {
        const struct timespec t = {0, (long)(1000000 + draw(c, 60) * 1000000)};
        (void)nanosleep(&t, NULL);
        (void)kill(pid, SIGKILL);
    }
    listen_to(c, fds[0]);
    (void)close(fds[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    bool is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    bool is_done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    assert_true(is_killed || is_done);
}

/* The state found is one that the child's words allow. */
static bool is_allowed(const struct crash *c, uint64_t digest)
{
    if (c->said_count == 0) {
        return true; /* it died while opening: what was there before is checked by the next round's first word */
    }
    for (size_t i = c->said_count; i > 0; i--) {
        const struct record *r = &c->said[i - 1];
        if (r->digest == digest) {
            return true;
        }
        bool is_synced = r->kind == 'a' || (r->kind == 'f' && c->kind != FAULT_CUT);
        if (is_synced) {
            return false;
        }
    }
    return false;
}

static uint64_t get_shown(const struct crash *c)
{
    uint64_t most = 0;
    for (size_t i = 0; i < c->said_count; i++) {
        most = c->said[i].modseq > most ? c->said[i].modseq : most;
    }
    return most;
}

/* A change after the crash gets a modseq that nobody has seen (X-RESYNC). */
static void check_new_modseq(struct mill *m, uint64_t shown)
{
    struct mailbox *x;
    struct view *v;
    struct numset all = NUMSET_INIT;
    numset_add(&all, 1, UINT32_MAX);
    assert_int_equal(account_find_mailbox(m->account, STR("INBOX"), &x), ERR_OK);
    assert_int_equal(mailbox_store_flags(x, &all, FLAG_OP_ADD, FLAG_FLAGGED, UINT64_MAX, NULL),
                     ERR_OK);
    bool is_change = account_has_pending(m->account);
    store_commit(m->store);
    assert_int_equal(mailbox_get_view(x, &v), ERR_OK);
    if (is_change) {
        assert_true(view_get_highestmodseq(v) > shown);
    }
    mailbox_unref(&x);
    numset_release(&all);
}

static void check_rest(struct crash *c)
{
    struct mill *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    assert_int_equal(mill_open(m, c->dir), ERR_OK);
    assert_int_equal(mill_verify(m), ERR_OK);
    assert_true(is_allowed(c, model_get_digest(&m->now)));
    /* HIGHESTMODSEQ of a mailbox that is no more does not count, so only when there were no such turns */
    uint64_t shown = get_shown(c);
    if (draw(c, 3) == 0) {
        check_new_modseq(m, shown);
    }
    mill_close(m);
    free(m);
}

static void crash_often(enum fault_kind kind, unsigned rounds)
{
    struct crash *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    assert_int_equal(mill_make_dir(c->dir), ERR_OK);
    c->kind = kind;
    c->random = 42 + (uint64_t)kind;
    for (unsigned i = 1; i <= rounds; i++) {
        c->at = i <= rounds / 2 ? i : 1 + draw(c, 4 * rounds);
        run_child(c);
        check_rest(c);
    }
    print_message("%u turns acknowledged in %u lives\n", c->acknowledged, rounds);
    assert_true(c->acknowledged > rounds);
    mill_remove_dir(c->dir);
    free(c);
}

static void test_kill_any_time(void **state)
{
    (void)state;
    crash_often(FAULT_NONE, 120);
}

static void test_kill_at_each_call(void **state)
{
    (void)state;
    crash_often(FAULT_KILL, 160);
}

static void test_power_cut(void **state)
{
    (void)state;
    crash_often(FAULT_CUT, 160);
}

int main(void)
{
    log_init("store_crash_test", LOG_LEVEL_ERROR);
    fault_vfs_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_any_time),
        cmocka_unit_test(test_kill_at_each_call),
        cmocka_unit_test(test_power_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
