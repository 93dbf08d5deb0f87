/* X-QUEUE: the queue on failing disks, and over crashes. The same turns are played again and again; each time another write or sync
 * goes wrong: an I/O error, a disk that is full from then on, SIGKILL, or a power cut that takes everything unsynced.
 *
 * A turn that was refused has left nothing, one that was granted everything: so what was answered 250 is there after the
 * power cut, and what was not answered is not there, or whole. No blob stays that no message names. */
#include "fault_vfs.h"
#include "temp_dir.h"
#include "unit.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/log.h"
#include "queue/queue.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

ssize_t __real_write(int fd, const void *from, size_t n);

enum { TURNS = 12, BIG = 150000, SMALL = 700, CALLS_MOST = 2000, ARENA_MOST = 1 << 20 };

static char dir[] = "/tmp/limetta-queue-disk-XXXXXX";

/* ---- what is there ---- */

static void add_to_digest(uint64_t *digest, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        *digest = (*digest ^ (unsigned char)s.p[i]) * 0x100000001b3;
    }
    *digest = (*digest ^ s.n) * 0x100000001b3;
}

static enum err add_message(struct queue *q, struct arena *a, uint64_t id, uint64_t *digest)
{
    struct queue_message m = {0};
    struct spool_reader *r = NULL;
    struct str content = STR_EMPTY;
    enum err e = queue_load(q, a, id, &m);
    if (e == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    TRY(e);
    TRY(queue_read(q, id, &r));
    e = spool_reader_map(r, &content);
    if (e == ERR_OK) {
        add_to_digest(digest, content);
    }
    spool_reader_free(&r);
    add_to_digest(digest, m.return_path);
    for (size_t i = 0; i < m.recipient_count; i++) {
        const struct queue_recipient *to = &m.recipients[i];
        add_to_digest(digest, to->to.address);
        add_to_digest(digest, to->to.user);
        add_to_digest(digest, to->last_reply);
        CLEANUP(buf_release) struct buf numbers = BUF_INIT(200);
        buf_addf(&numbers, "%llu %u %llu %d", (unsigned long long)to->id, to->attempts,
                 (unsigned long long)to->next_ms, to->is_delay_told);
        add_to_digest(digest, buf_str(&numbers));
    }
    return e;
}

/* Of all messages, also of those that the open transaction holds. */
static uint64_t get_digest(struct queue *q)
{
    uint64_t digest = 0xcbf29ce484222325;
    struct arena *a = arena_new(ARENA_MOST);
    for (uint64_t id = 1; id <= 3 * TURNS; id++) {
        if (add_message(q, a, id, &digest) != ERR_OK) {
            digest = 0;
            break;
        }
        arena_clear(a);
    }
    arena_free(&a);
    return digest;
}

static size_t count_blobs(void)
{
    char path[100];
    size_t count = 0;
    (void)snprintf(path, sizeof(path), "%s/blobs", dir);
    DIR *d = opendir(path);
    for (struct dirent *e = d == NULL ? NULL : readdir(d); e != NULL; e = readdir(d)) {
        count += e->d_name[0] != '.';
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    return count;
}

static size_t count_large(struct queue *q)
{
    size_t count = 0;
    struct arena *a = arena_new(ARENA_MOST);
    for (uint64_t id = 1; id <= 3 * TURNS; id++) {
        struct queue_message m = {0};
        count += queue_load(q, a, id, &m) == ERR_OK && m.size >= BIG;
        arena_clear(a);
    }
    arena_free(&a);
    return count;
}

/* ---- turns ---- */

/* Foreign recipients stand in line 3, ours in line 4, as long as somebody stands there. */
static void write_key(void *owner, const struct mail_recipient *to, struct buf *key)
{
    buf_add(key, to->user.n > 0 ? STR("store") : STR("hop"));
}

static enum err open_queue(struct queue **out)
{
    TRY(queue_open(str_from_c(dir), out));
    queue_set_rules(*out, &(struct queue_rules){.write_key = write_key});
    return ERR_OK;
}

/* The queue after a restart, swept. */
static struct queue *reopen_queue(void)
{
    struct queue *q = NULL;
    assert_int_equal(open_queue(&q), ERR_OK);
    while (queue_sweep(q, 10)) {
    }
    return q;
}

static enum err submit(struct queue *q, size_t size, unsigned seed)
{
    struct spool *s = queue_spool_new(q, 1 << 20);
    char piece[5000];
    memset(piece, (int)('a' + seed % 26), sizeof(piece));
    enum err e = ERR_OK;
    for (size_t left = size; left > 0 && e == ERR_OK;) {
        size_t n = left < sizeof(piece) ? left : sizeof(piece);
        e = spool_add(s, str_make(piece, n));
        left -= n;
    }
    if (e != ERR_OK) {
        spool_free(&s);
        return e;
    }
    struct queue_recipient r[2] = {
        {.to = {.address = STR("carol@far.test")}, .next_ms = 1000},
        {.to = {.address = STR("anna@here.test"), .user = STR("anna")}, .next_ms = 1000},
    };
    struct queue_message m = {
        .arrived_ms = seed,
        .return_path = STR("bob@here.test"),
        .recipients = r,
        .recipient_count = 2,
    };
    return queue_add(q, &m, &s);
}

static void note_due(void *owner, uint64_t message_id, uint64_t recipient_id)
{
    uint64_t *due = owner;
    due[0] = message_id;
    due[1] = recipient_id;
}

/* One recipient is served, or gets another time. */
static enum err attempt(struct queue *q, bool is_local, unsigned turn)
{
    uint64_t due[2] = {0, 0};
    TRY(queue_find_due(q, is_local ? 4 : 3, UINT32_MAX, 1, note_due, due));
    if (due[0] == 0) {
        return ERR_OK;
    }
    if (turn % 3 != 0) {
        return queue_remove(q, due[0], due[1]);
    }
    struct queue_recipient r = {
        .id = due[1], .attempts = turn, .next_ms = 1000 + turn, .last_reply = STR("451 4.3.0 no")};
    TRY(queue_update(q, &r));
    return queue_set_user(q, due[1], STR("other"));
}

static enum err play(struct queue *q, unsigned turn)
{
    TRY(submit(q, turn % 2 == 0 ? SMALL : BIG, turn));
    if (turn % 4 == 3) {
        TRY(submit(q, BIG, turn + 1));
    }
    TRY(attempt(q, true, turn));
    return attempt(q, false, turn);
}

/* ---- failures that the process survives ---- */

struct trial {
    struct queue *q;
    uint64_t now;
    unsigned refused;
};

static void play_turn(struct trial *t, unsigned turn)
{
    enum err played = play(t->q, turn);
    uint64_t next = played == ERR_OK ? get_digest(t->q) : 0;
    /* The session whose content failed hears so at once; the others' changes go on. */
    enum err committed = queue_commit(t->q);
    if (played == ERR_OK && committed == ERR_OK) {
        t->now = next;
        assert_true(get_digest(t->q) == next);
        return;
    }
    t->refused++;
    assert_true(fault_has_struck());
    fault_disarm();
    if (committed != ERR_OK) {
        assert_true(get_digest(t->q) == t->now);
    }
    assert_int_equal(count_blobs(), count_large(t->q));
    t->now = get_digest(t->q);
    assert_true(t->now != 0);
}

static void fail_at(enum fault_kind kind, unsigned at, struct trial *t)
{
    *t = (struct trial){.now = 0};
    temp_dir_make(dir, sizeof(dir));
    fault_arm(kind, at);
    if (open_queue(&t->q) != ERR_OK) {
        assert_true(fault_has_struck());
        fault_disarm();
        t->refused++;
        assert_int_equal(open_queue(&t->q), ERR_OK);
    }
    t->now = get_digest(t->q);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        play_turn(t, turn);
    }
    fault_disarm();
    queue_close(&t->q);
    t->q = reopen_queue();
    assert_true(get_digest(t->q) == t->now);
    assert_int_equal(count_blobs(), count_large(t->q));
    queue_close(&t->q);
    temp_dir_remove(dir);
}

static void fail_each(enum fault_kind kind)
{
    unsigned refused = 0;
    unsigned trials = 0;
    for (unsigned at = 1; at < CALLS_MOST; at += at < 30 ? 1 : 4) {
        struct trial t;
        fail_at(kind, at, &t);
        if (t.refused == 0 && at > 100) {
            break;
        }
        refused += t.refused;
        trials++;
    }
    print_message("%u trials, %u turns refused\n", trials, refused);
    assert_true(refused > trials / 3);
}

static void test_io_errors(void **state)
{
    fail_each(FAULT_IO);
}

static void test_full_disk(void **state)
{
    fail_each(FAULT_NO_SPACE);
}

/* ---- failures that it does not survive ---- */

struct record {
    char kind; /* 'p': about to commit, 'a': acknowledged */
    uint64_t digest;
};

static void say(int fd, char kind, uint64_t digest)
{
    const struct record r = {.kind = kind, .digest = digest};
    if (__real_write(fd, &r, sizeof(r)) != (ssize_t)sizeof(r)) {
        _exit(3);
    }
}

__attribute__((noreturn)) static void run_child(enum fault_kind kind, unsigned at, int fd)
{
    struct queue *q = NULL;
    fault_keep_undo();
    fault_arm(kind, at);
    if (open_queue(&q) != ERR_OK) {
        _exit(2);
    }
    say(fd, 'a', get_digest(q));
    for (unsigned turn = 0; turn < TURNS; turn++) {
        if (play(q, turn) != ERR_OK) {
            _exit(2);
        }
        uint64_t digest = get_digest(q);
        say(fd, 'p', digest);
        if (queue_commit(q) != ERR_OK) {
            _exit(2);
        }
        say(fd, 'a', digest);
    }
    _exit(0);
}

/* False: the child came to its end. */
static bool crash_at(enum fault_kind kind, unsigned at)
{
    struct record last = {'a', 0};
    struct record acknowledged = {'a', 0};
    int fds[2];
    int status = 0;
    temp_dir_make(dir, sizeof(dir));
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(fds[0]);
        run_child(kind, at, fds[1]);
    }
    (void)close(fds[1]);
    struct record r;
    while (read(fds[0], &r, sizeof(r)) == (ssize_t)sizeof(r)) {
        last = r;
        acknowledged = r.kind == 'a' ? r : acknowledged;
    }
    (void)close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    struct queue *q = reopen_queue();
    uint64_t got = get_digest(q);
    assert_true(acknowledged.digest == 0 || got == acknowledged.digest || got == last.digest);
    assert_int_equal(count_blobs(), count_large(q));
    queue_close(&q);
    temp_dir_remove(dir);
    return WIFSIGNALED(status);
}

static void crash_each(enum fault_kind kind)
{
    unsigned at = 1;
    unsigned crashes = 0;
    /* In steps of a prime: over all turns every kind of call is hit. */
    while (at < CALLS_MOST && crash_at(kind, at)) {
        at += at < 30 ? 1 : 3;
        crashes++;
    }
    print_message("%u crashes\n", crashes);
    assert_true(crashes > 60 && at < CALLS_MOST);
}

static void test_kill(void **state)
{
    crash_each(FAULT_KILL);
}

static void test_power_cut(void **state)
{
    crash_each(FAULT_CUT);
}

/* One sync for all that a turn accepted; a blob costs its own and its folder's. */
static void test_syncs(void **state)
{
    struct queue *q = NULL;
    temp_dir_make(dir, sizeof(dir));
    assert_int_equal(open_queue(&q), ERR_OK);
    assert_int_equal(submit(q, SMALL, 0), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    fault_arm(FAULT_NONE, 0);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(submit(q, SMALL, i), ERR_OK);
    }
    assert_int_equal(fault_get_syncs(), 0);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_int_equal(fault_get_syncs(), 1);
    fault_arm(FAULT_NONE, 0);
    assert_int_equal(submit(q, BIG, 1), ERR_OK);
    assert_int_equal(queue_commit(q), ERR_OK);
    assert_int_equal(fault_get_syncs(), 3);
    queue_close(&q);
    temp_dir_remove(dir);
}

int main(void)
{
    log_init("queue_disk_test", LOG_LEVEL_ERROR);
    fault_vfs_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syncs),     cmocka_unit_test(test_io_errors),
        cmocka_unit_test(test_full_disk), cmocka_unit_test(test_kill),
        cmocka_unit_test(test_power_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
