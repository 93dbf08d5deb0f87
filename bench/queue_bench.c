/* How the queue bears a million messages (or as many as told), without network: half of them wait for one next hop, the others
 * for two hundred others. Prints one line a measurement: name, value, unit.
 *
 *     queue_bench [messages [folder]]
 *
 * The folder (default: a new one under /tmp) must be empty; commits are measured on its file system. The runner runs with
 * a real clock, and nobody listens at any next hop, so that they are found out to be down one by one, meanwhile. */
#include "base/log.h"
#include "queue/admin.h"
#include "queue/runner.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { HOPS = 200, BATCH = 2000, ROUNDS = 300, SIZE = 1024 };

struct bench {
    struct queue *queue;
    struct runner *runner;
    struct loop *loop;
    struct timer *timer;
    unsigned rounds;
    double submit_us[ROUNDS];
};

static double now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static uint64_t wall_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void must(enum err e)
{
    if (e != ERR_OK) {
        (void)fprintf(stderr, "queue_bench: %s\n", err_get_info(e)->meaning);
        exit(1);
    }
}

static void report(const char *name, double value, const char *unit)
{
    (void)printf("%-60s %12.2f %s\n", name, value, unit);
    (void)fflush(stdout);
}

static double get_resident_mb(void)
{
    char line[256] = "";
    FILE *f = fopen("/proc/self/statm", "re");
    if (f != NULL) {
        (void)!fgets(line, sizeof(line), f);
        (void)fclose(f);
    }
    struct str words = str_from_c(line);
    uint64_t resident = 0;
    (void)str_split(&words, ' '); /* the size of the address space */
    (void)str_to_u64(str_split(&words, ' '), UINT64_MAX, &resident);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

static void write_key(void *owner, const struct mail_recipient *to, struct buf *key)
{
    buf_add(key, STR("hop/"));
    must(routes_write_key(owner, str_skip(to->address, str_find_last_char(to->address, '@') + 1),
                          key));
}

/* Each second message is for the hop that is down. */
static void add(struct queue *q, unsigned i)
{
    static const char text[SIZE - 20] = "";
    CLEANUP(buf_release) struct buf to = BUF_INIT(100);
    if (i % 2 == 0) {
        buf_add(&to, STR("someone@dead.example"));
    } else {
        buf_addf(&to, "user%u@hop%u.example", i, i / 2 % HOPS);
    }
    struct spool *s = queue_spool_new(q, SIZE);
    must(spool_add(s, STR("Subject: bench\r\n\r\n")));
    must(spool_add(s, str_make(text, sizeof(text))));
    struct queue_recipient r = {.to = {.address = buf_str(&to)}, .next_ms = wall_ms()};
    struct queue_message m = {.arrived_ms = wall_ms(),
                              .expires_ms = wall_ms() + SCHEDULE_LIFETIME_MS,
                              .return_path = STR("bench@here.example"),
                              .recipients = &r,
                              .recipient_count = 1};
    must(queue_add(q, &m, &s));
}

static void fill(struct bench *b, struct routes *routes, unsigned count)
{
    double start = now_us();
    queue_set_rules(b->queue, &(struct queue_rules){.write_key = write_key, .owner = routes});
    for (unsigned i = 0; i < count; i++) {
        add(b->queue, i);
        if (i % BATCH == BATCH - 1) {
            must(queue_commit(b->queue));
        }
    }
    must(queue_commit(b->queue));
    report("fill, one commit for 2000 messages", count / (now_us() - start) * 1e6, "messages/s");
}

/* ---- the runner at work ---- */

static struct stream *open_store(void *owner, unsigned worker)
{
    return NULL;
}

static void find_user(void *owner, struct str address,
                      void (*answer)(void *asker, enum err e, const struct mail_found *found),
                      void *asker)
{
    answer(asker, ERR_UNAVAILABLE, &(struct mail_found){.user = STR_EMPTY});
}

static void forget(void *owner, void *asker)
{
}

static void turn_end(void *owner)
{
    struct bench *b = owner;
    if (queue_has_pending(b->queue)) {
        must(queue_commit(b->queue));
        runner_wake(b->runner);
    }
}

/* A submission in the middle of it all: content, row, commit. */
static void submit(void *owner)
{
    struct bench *b = owner;
    double start = now_us();
    add(b->queue, b->rounds);
    must(queue_commit(b->queue));
    runner_wake(b->runner);
    b->submit_us[b->rounds++] = now_us() - start;
    if (b->rounds == ROUNDS) {
        loop_stop(b->loop);
        return;
    }
    timer_start(b->timer, 10);
}

static int compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void run(struct bench *b, struct routes *routes)
{
    struct runner_args args = {
        .loop = b->loop,
        .queue = b->queue,
        .hostname = STR("here.example"),
        .domains = STR("here.example"),
        .workers = 1,
        .routes = routes,
        .schedule = SCHEDULE_DEFAULT,
        .jobs_most = RUNNER_JOBS_MOST,
        .jobs_per_destination = RUNNER_JOBS_PER_DESTINATION,
        .host = {open_store, find_user, forget, NULL},
    };
    b->timer = timer_new(b->loop, submit, b);
    loop_set_turn_end(b->loop, turn_end, b);
    double start = now_us();
    b->runner = runner_new(&args);
    timer_start(b->timer, 1);
    loop_run(b->loop);
    report("runner and submissions together", (now_us() - start) / 1e6, "s");
    qsort(b->submit_us, ROUNDS, sizeof(double), compare);
    report("  a submission, one durable commit, median", b->submit_us[ROUNDS / 2] / 1e3, "ms");
    report("  a submission, one durable commit, slowest of 300", b->submit_us[ROUNDS - 1] / 1e3,
           "ms");
    loop_set_turn_end(b->loop, NULL, NULL);
    runner_free(&b->runner);
    timer_free(&b->timer);
}

/* ---- the operator ---- */

static void ask(struct bench *b, const char *name, const char *request)
{
    struct admin a = {.queue = b->queue, .hostname = STR("here.example"), .now_ms = wall_ms()};
    CLEANUP(buf_release) struct buf out = BUF_INIT(ADMIN_ANSWER_MOST);
    double start = now_us();
    for (int i = 0; i < 20; i++) {
        buf_clear(&out);
        admin_answer(&a, str_from_c(request), &out);
    }
    report(name, (now_us() - start) / 20 / 1e3, "ms");
}

static void count_destination(void *owner, const struct queue_destination *d)
{
    ++*(unsigned *)owner;
}

static void choose(struct bench *b)
{
    unsigned count = 0;
    uint64_t next = 0;
    double start = now_us();
    for (int i = 0; i < 100; i++) {
        must(queue_find_destinations(b->queue, wall_ms(), 128, count_destination, &count));
        must(queue_get_next_ms(b->queue, wall_ms(), &next));
    }
    report("choose what is due", (now_us() - start) / 100 / 1e3, "ms");
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/limetta-queue-bench-XXXXXX";
    uint64_t count = 1000000;
    bool is_own = argc < 3;
    if (argc > 1 && !str_to_u64(str_from_c(argv[1]), 100000000, &count)) {
        (void)fprintf(stderr, "usage: queue_bench [messages [folder]]\n");
        return 2;
    }
    if (is_own && mkdtemp(dir) == NULL) {
        return 3;
    }
    struct str folder = is_own ? str_from_c(dir) : str_from_c(argv[2]);
    struct bench b = {.loop = loop_new()};
    log_init("queue_bench", LOG_LEVEL_ERROR);
    must(queue_open(folder, &b.queue));
    /* Each hop an address of its own, at all of which nobody listens. */
    CLEANUP(buf_release) struct buf words = BUF_INIT(1 << 20);
    buf_add_c(&words, "dead.example=smtp://127.9.9.9:9");
    for (unsigned i = 0; i < HOPS; i++) {
        buf_addf(&words, " hop%u.example=smtp://127.1.%u.%u:9", i, i / 200, i % 200 + 1);
    }
    struct routes_args hops = {.loop = b.loop, .routes = buf_str(&words)};
    struct routes *routes = NULL;
    must(routes_new(&hops, &routes));
    fill(&b, routes, (unsigned)count);
    queue_close(&b.queue);
    double start = now_us();
    must(queue_open(folder, &b.queue));
    report("open the queue", (now_us() - start) / 1e3, "ms");
    report("memory after opening", get_resident_mb(), "MB");
    choose(&b);
    run(&b, routes);
    routes_free(&routes);
    ask(&b, "status", "op=status\n");
    ask(&b, "list: a page of 200 messages", "op=list\n");
    ask(&b, "list: the last page", "op=list\nafter=999700\n");
    report("memory at the end", get_resident_mb(), "MB");
    queue_close(&b.queue);
    loop_free(&b.loop);
    if (is_own) {
        (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    return 0;
}
