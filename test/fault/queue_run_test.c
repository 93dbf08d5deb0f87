/* X-QUEUE: the queue at work over crashes and full disks. Messages arrive, some for an alias of two, reach a next hop
 * that refuses one of two recipients, unless he is unknown here, and reports go back, all on the virtual clock; each
 * time another write or sync goes wrong: SIGKILL, a power cut, or a disk that is full from then on for a while. Then the
 * work goes on, and in the end: what was answered 250 was delivered, and its sender has heard of the recipient that was
 * refused; what a crash interrupted came twice at most, and nothing did that was only refused by the disk; no row and no
 * blob is left. */
#include "fault_vfs.h"
#include "temp_dir.h"
#include "unit.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/stream.h"
#include "queue/runner.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

ssize_t __real_write(int fd, const void *from, size_t n);

enum { SECOND = 1000, HOUR = 3600 * SECOND, MESSAGES = 6, BIG = 100000, CALLS_MOST = 3000 };

static char dir[] = "/tmp/limetta-queue-run-XXXXXX";
static struct loop *loop;
static struct queue *queue;
static struct routes *routes;
static struct runner *runner;
static int records; /* pipe: pairs of octets, what and which message */

static void say(char what, char number)
{
    const char record[2] = {what, number};
    if (__real_write(records, record, sizeof(record)) != (ssize_t)sizeof(record)) {
        _exit(3);
    }
}

/* ---- a next hop ---- */

struct server {
    struct stream *stream;
    struct buf in;
    struct buf text; /* the message, or its beginning */
    char number;     /* whose it is */
    bool is_data;
};

/* "good3@..." or "bad3@...": 3 */
static char get_number(struct str s, const char *before)
{
    size_t at = str_find_str(s, str_from_c(before));
    return at < s.n ? str_skip(s, at + strlen(before)).p[0] : '\0';
}

/* The server has it, and says so in the next moment. */
static void keep(struct server *s)
{
    char bad = get_number(buf_str(&s->text), "Final-Recipient: rfc822; bad");
    if (bad != '\0') {
        say('r', bad);
    } else if (s->number != '\0') {
        say('d', s->number);
    }
    buf_clear(&s->text);
    s->number = '\0';
    stream_write(s->stream, STR("250 2.0.0 ok\r\n"));
}

static void answer(struct server *s, struct str line)
{
    if (s->is_data) {
        buf_add(&s->text, line);
        buf_add_c(&s->text, "\n");
        s->is_data = !str_eq(line, STR("."));
        if (!s->is_data) {
            keep(s);
        }
    } else if (str_starts(line, STR("DATA"))) {
        s->is_data = true;
        stream_write(s->stream, STR("354 go on\r\n"));
    } else {
        bool is_bad = str_starts(line, STR("RCPT TO:<bad"));
        s->number = str_starts(line, STR("RCPT TO:<good")) ? get_number(line, "good") : s->number;
        if (is_bad) {
            stream_write(s->stream, STR("550 5.1.1 nobody\r\n"));
            return;
        }
        bool is_ehlo = str_starts(line, STR("EHLO"));
        stream_write(s->stream,
                     is_ehlo ? STR("250-hop.test\r\n250 DELIVERBY\r\n") : STR("250 2.1.0 ok\r\n"));
    }
}

static void on_octets(void *owner, struct str octets)
{
    struct server *s = owner;
    buf_add(&s->in, octets);
    for (;;) {
        struct str all = buf_str(&s->in);
        size_t end = str_find_str(all, STR("\r\n"));
        if (end == all.n) {
            return;
        }
        answer(s, str_sub(all, 0, end));
        buf_consume(&s->in, end + 2);
    }
}

static void on_drained(void *owner)
{
}

static void on_end(void *owner, enum err why)
{
    struct server *s = owner;
    stream_free(&s->stream);
    buf_release(&s->in);
    buf_release(&s->text);
    free(s);
}

static bool on_connect(void *owner, const struct sockaddr_storage *to, struct stream *stream)
{
    static const struct stream_handler HANDLER = {on_octets, on_drained, on_end};
    struct server *s = mem_new(sizeof(*s));
    s->stream = stream;
    s->in = BUF_INIT(1 << 20);
    s->text = BUF_INIT(4000);
    stream_set_handler(stream, &HANDLER, s);
    stream_write(stream, STR("220 hop.test\r\n"));
    return true;
}

/* ---- the queue ---- */

static struct stream *open_store(void *owner, unsigned index)
{
    return NULL;
}

static void find_user(void *owner, struct str address,
                      void (*tell)(void *asker, enum err e, const struct mail_found *found),
                      void *asker)
{
    char targets[100];
    struct mail_found found = {.users = STR(". .")};
    char number = get_number(address, "all");
    (void)snprintf(targets, sizeof(targets), "good%c@far.test bad%c@far.test", number, number);
    found.targets = str_from_c(targets);
    tell(asker, number != '\0' ? ERR_OK : ERR_NO_USER, &found);
}

static void forget(void *owner, void *asker)
{
}

/* Who waits for the commit of message number. */
struct client {
    struct queue_wait wait;
    char number;
};

static void on_commit(struct queue_wait *w, enum err e)
{
    struct client *c = (struct client *)w;
    if (e == ERR_OK) {
        say('a', c->number);
    }
}

static void turn_end(void *owner)
{
    if (!queue_has_pending(queue)) {
        return;
    }
    if (queue_commit(queue) == ERR_OK) {
        runner_wake(runner);
    } else {
        runner_pause(runner);
    }
}

static enum err start(void)
{
    static struct runner_args args;
    loop = loop_new_fake(1700000000000);
    stream_set_fake_connect(loop, on_connect, NULL);
    struct routes_args to = {.loop = loop, .routes = STR("*=smtp://192.0.2.1:25?tls=off")};
    TRY(queue_open(str_from_c(dir), &queue));
    TRY(routes_new(&to, &routes));
    args = (struct runner_args){
        .loop = loop,
        .routes = routes,
        .queue = queue,
        .hostname = STR("mail.here.test"),
        .domains = STR("here.test"),
        .workers = 1,
        .schedule = SCHEDULE_DEFAULT,
        .jobs_most = 4,
        .jobs_per_destination = 4,
        .host = {open_store, find_user, forget, NULL},
    };
    runner = runner_new(&args);
    loop_set_turn_end(loop, turn_end, NULL);
    return ERR_OK;
}

static void stop(void)
{
    loop_set_turn_end(loop, NULL, NULL);
    runner_free(&runner);
    routes_free(&routes);
    loop_advance(loop, 1);
    queue_close(&queue);
    loop_free(&loop);
}

static void submit(unsigned i, struct client *client)
{
    CLEANUP(buf_release) struct buf good = BUF_INIT(100);
    CLEANUP(buf_release) struct buf bad = BUF_INIT(100);
    bool is_alias = i % 3 == 2;
    buf_addf(&good, is_alias ? "all%u@here.test" : "good%u@far.test", i);
    buf_addf(&bad, i % 3 == 1 ? "bad%u@here.test" : "bad%u@far.test", i);
    struct spool *s = queue_spool_new(queue, 1 << 20);
    enum err e = spool_add(s, STR("Subject: hello\r\n\r\n"));
    for (size_t n = 0; e == ERR_OK && i % 2 == 1 && n < BIG; n += 50) {
        e = spool_add(s, STR("0123456789012345678901234567890123456789012345678\r\n"));
    }
    if (e != ERR_OK) {
        spool_free(&s);
        return;
    }
    struct queue_recipient r[2] = {
        {.to = {.address = buf_str(&good)}, .next_ms = loop_wall_ms(loop)},
        {.to = {.address = buf_str(&bad)}, .next_ms = loop_wall_ms(loop)},
    };
    struct queue_message m = {.arrived_ms = loop_wall_ms(loop),
                              .return_path = STR("bob@bob.test"),
                              .recipients = r,
                              .recipient_count = is_alias ? 1 : 2};
    if (queue_add(queue, &m, &s) == ERR_OK) {
        client->number = (char)('0' + i);
        client->wait.on_commit = on_commit;
        queue_wait_commit(queue, &client->wait);
    }
}

static void work(void)
{
    static struct client clients[MESSAGES];
    for (unsigned i = 0; i < MESSAGES; i++) {
        submit(i, &clients[i]);
        loop_advance(loop, i % 3 == 0 ? 0 : SECOND);
    }
    loop_advance(loop, SECOND);
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

/* ---- children ---- */

__attribute__((noreturn)) static void crash(enum fault_kind kind, unsigned at)
{
    fault_keep_undo();
    fault_arm(kind, at);
    if (start() != ERR_OK) {
        _exit(2);
    }
    work();
    _exit(0); /* as sudden, and the end of the trials */
}

/* The disk is full from the at-th call on, and has room again some time later. */
__attribute__((noreturn)) static void fill_up(enum fault_kind kind, unsigned at)
{
    if (start() != ERR_OK) {
        _exit(2);
    }
    fault_arm(kind, at);
    work();
    loop_advance(loop, 10 * 60 * SECOND);
    bool has_struck = fault_has_struck();
    fault_disarm();
    loop_advance(loop, 3 * HOUR);
    stop();
    _exit(has_struck ? 1 : 0);
}

__attribute__((noreturn)) static void finish(enum fault_kind kind, unsigned at)
{
    if (start() != ERR_OK) {
        _exit(2);
    }
    loop_advance(loop, 3 * HOUR);
    bool is_clean = queue_get_counts(queue).messages == 0 && queue_get_counts(queue).octets == 0
                    && queue_get_counts(queue).recipients == 0 && count_blobs() == 0;
    stop();
    _exit(is_clean ? 0 : 4);
}

struct tally {
    unsigned acknowledged[MESSAGES];
    unsigned delivered[MESSAGES];
    unsigned reported[MESSAGES];
};

/* The child's exit status; adds what it said. */
static int run_child(void (*run)(enum fault_kind kind, unsigned at), enum fault_kind kind,
                     unsigned at, struct tally *t)
{
    int fds[2];
    int status = 0;
    char record[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(fds[0]);
        records = fds[1];
        run(kind, at);
    }
    (void)close(fds[1]);
    while (read(fds[0], record, sizeof(record)) == (ssize_t)sizeof(record)) {
        unsigned i = (unsigned)(record[1] - '0');
        assert_true(i < MESSAGES);
        t->acknowledged[i] += record[0] == 'a';
        t->delivered[i] += record[0] == 'd';
        t->reported[i] += record[0] == 'r';
    }
    (void)close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void check(const struct tally *t, unsigned most)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        assert_true(t->acknowledged[i] <= 1);
        assert_true(t->delivered[i] >= t->acknowledged[i] && t->delivered[i] <= most);
        assert_true(t->reported[i] >= t->acknowledged[i] && t->reported[i] <= most);
        assert_true(t->delivered[i] > 0 || t->reported[i] == 0);
    }
}

/* Nothing went wrong. */
static void check_all_acknowledged(const struct tally *t)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        assert_int_equal(t->acknowledged[i], 1);
    }
}

static void crash_each(enum fault_kind kind)
{
    unsigned crashes = 0;
    for (unsigned at = 1; at < CALLS_MOST; at += at < 30 ? 1 : 7) {
        struct tally t = {{0}, {0}, {0}};
        temp_dir_make(dir, sizeof(dir));
        int status = run_child(crash, kind, at, &t);
        int end = run_child(finish, FAULT_NONE, 0, &t);
        assert_true(WIFEXITED(end) && WEXITSTATUS(end) == 0);
        check(&t, 2);
        temp_dir_remove(dir);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            check_all_acknowledged(&t);
            break;
        }
        crashes++;
    }
    print_message("%u crashes\n", crashes);
    assert_true(crashes > 40);
}

static void test_kill(void **state)
{
    crash_each(FAULT_KILL);
}

static void test_power_cut(void **state)
{
    crash_each(FAULT_CUT);
}

static void disturb_each(enum fault_kind kind)
{
    unsigned trials = 0;
    for (unsigned at = 1; at < CALLS_MOST; at += at < 30 ? 1 : 7) {
        struct tally t = {{0}, {0}, {0}};
        temp_dir_make(dir, sizeof(dir));
        int status = run_child(fill_up, kind, at, &t);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
        int end = run_child(finish, FAULT_NONE, 0, &t);
        assert_true(WIFEXITED(end) && WEXITSTATUS(end) == 0);
        check(&t, 1); /* the process lives, and remembers */
        temp_dir_remove(dir);
        if (WEXITSTATUS(status) == 0) {
            check_all_acknowledged(&t);
            break;
        }
        trials++;
    }
    print_message("%u trials\n", trials);
    assert_true(trials > 40);
}

static void test_full_disk(void **state)
{
    disturb_each(FAULT_NO_SPACE);
}

static void test_io_errors(void **state)
{
    disturb_each(FAULT_IO);
}

int main(void)
{
    log_init("queue_run_test", LOG_LEVEL_ERROR);
    fault_vfs_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_power_cut),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_io_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
