/* How fast the store is, without network or protocol: one mailbox of many messages (100,000 unless told otherwise), the
 * figures that docs/store.md promises. Prints one line a measurement: name, value, unit.
 *
 *     store_bench [messages [folder]]
 *
 * Durable appends are measured on the file system of the folder (default: a new one under /tmp). */
#include "base/log.h"
#include "store/store.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct bench {
    struct store *store;
    struct account *account;
    struct mailbox *inbox;
    struct buf octets;
    uint32_t count;
};

static double now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static uint64_t unix_ms(void *owner)
{
    struct timespec t;
    (void)owner;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void must(enum err e)
{
    if (e != ERR_OK) {
        (void)fprintf(stderr, "store_bench: %s\n", err_get_info(e)->meaning);
        exit(1);
    }
}

static void report(const char *name, double value, const char *unit)
{
    (void)printf("%-44s %12.2f %s\n", name, value, unit);
}

static void make_message(struct buf *out, unsigned n, size_t size)
{
    buf_clear(out);
    buf_addf(out,
             "From: Ann <ann%u@example.org>\r\nTo: Bob <bob@example.org>\r\nSubject: Number %u\r\n"
             "Date: Mon, 1 Jan 2024 10:00:00 +0000\r\nMessage-ID: <%u@example.org>\r\n\r\n",
             n, n, n);
    while (out->len + 72 < size) {
        buf_add_c(out, "The quick brown fox jumps over the lazy dog, again and again.\r\n");
    }
}

static void append(struct bench *b, unsigned n, size_t size)
{
    struct body_writer *w;
    struct uid uid;
    const struct append_args args = {.internaldate_s = 1700000000 + n};
    make_message(&b->octets, n, size);
    must(body_writer_new(b->account, &w));
    must(body_writer_add(w, buf_str(&b->octets)));
    must(body_writer_finish(w));
    must(mailbox_append(b->inbox, w, &args, &uid));
    body_writer_free(&w);
}

static void fill(struct bench *b)
{
    double start = now_us();
    for (uint32_t i = 0; i < b->count; i++) {
        append(b, i, 600);
        if (i % 1000 == 999) {
            store_commit(b->store);
            (void)store_tick(b->store);
        }
    }
    store_commit(b->store);
    report("fill, 600 octets, 1000 a commit", (double)b->count / ((now_us() - start) / 1e6),
           "messages/s");
}

static struct view *get_view(struct bench *b)
{
    struct view *v;
    must(mailbox_get_view(b->inbox, &v));
    return v;
}

static void measure_select(struct bench *b)
{
    double start = now_us();
    (void)get_view(b);
    report("load the view (first SELECT)", now_us() - start, "us");
    uint64_t sum = 0;
    start = now_us();
    for (unsigned i = 0; i < 1000; i++) {
        const struct view *v = get_view(b);
        sum += view_get_count(v) + view_get_unseen_count(v) + view_get_first_unseen(v).v
               + view_get_uidnext(v).v + view_get_highestmodseq(v);
    }
    report("what SELECT asks", (now_us() - start) / 1000, sum > 0 ? "us" : "?");
}

static void measure_flags(struct bench *b)
{
    struct numset one = NUMSET_INIT;
    struct numset all = NUMSET_INIT;
    numset_add(&all, 1, UINT32_MAX);
    double total = 0;
    double committed = 0;
    enum { ROUNDS = 200 };
    for (unsigned i = 0; i < ROUNDS; i++) {
        numset_clear(&one);
        uint32_t uid = 1 + (i * 7919) % b->count;
        numset_add(&one, uid, uid);
        double start = now_us();
        must(mailbox_store_flags(b->inbox, &one, FLAG_OP_ADD, FLAG_FLAGGED, UINT64_MAX, NULL));
        total += now_us() - start;
        store_commit(b->store);
        committed += now_us() - start;
    }
    report("store flags of one, in memory", total / ROUNDS, "us");
    report("store flags of one, with its commit", committed / ROUNDS, "us");
    double start = now_us();
    must(mailbox_store_flags(b->inbox, &all, FLAG_OP_ADD, FLAG_SEEN, UINT64_MAX, NULL));
    report("store flags of all, in memory", (now_us() - start) / 1000, "ms");
    store_commit(b->store);
    report("store flags of all, with its commit", (now_us() - start) / 1000, "ms");
    numset_release(&one);
    numset_release(&all);
}

static void measure_shapes(struct bench *b)
{
    struct view *v = get_view(b);
    struct message m;
    struct str shape;
    size_t octets = 0;
    uint32_t most = b->count < 1000 ? b->count : 1000;
    must(view_get(v, (struct seq){1}, &m));
    double start = now_us();
    for (uint32_t i = 1; i <= most; i++) {
        must(view_get(v, (struct seq){i}, &m));
        must(account_get_shape(b->account, m.body_id, &shape));
        octets += shape.n;
    }
    report("1000 shapes in a row", (now_us() - start) / 1000, "ms");
    report("  octets a shape", (double)octets / most, "octets");
    start = now_us();
    for (uint32_t i = 0; i < most; i++) {
        must(view_get(v, (struct seq){1 + (i * 7919) % b->count}, &m));
        must(account_get_shape(b->account, m.body_id, &shape));
    }
    report("1000 shapes here and there", (now_us() - start) / 1000, "ms");
    start = now_us();
    for (uint32_t i = 1; i <= most; i++) {
        struct body_reader *r;
        struct str s;
        must(view_get(v, (struct seq){i}, &m));
        must(body_reader_new(b->account, m.body_id, &r));
        must(body_reader_get(r, 0, m.size, &s));
        body_reader_free(&r);
    }
    report("1000 small bodies", (now_us() - start) / 1000, "ms");
}

static void measure_diff(struct bench *b)
{
    struct view *before = view_ref(get_view(b));
    struct numset ten = NUMSET_INIT;
    for (uint32_t i = 0; i < 10; i++) {
        uint32_t uid = 1 + (i * 9973) % b->count;
        numset_add(&ten, uid, uid);
    }
    must(mailbox_store_flags(b->inbox, &ten, FLAG_OP_ADD, FLAG_ANSWERED, UINT64_MAX, NULL));
    store_commit(b->store);
    struct view *after = get_view(b);
    struct diff d;
    struct diff_item item;
    unsigned items = 0;
    double start = now_us();
    diff_init(&d, before, after);
    while (diff_next(&d, &item)) {
        items++;
    }
    report("diff of two views, 10 changes", now_us() - start, items == 10 ? "us" : "?");
    view_unref(&before);
    numset_release(&ten);
}

static void measure_appends(struct bench *b)
{
    enum { ROUNDS = 300, GROUP = 16 };
    double start = now_us();
    for (unsigned i = 0; i < ROUNDS; i++) {
        append(b, i, 10000);
        store_commit(b->store);
    }
    double each = (now_us() - start) / ROUNDS;
    report("durable append of 10 KB", each, "us");
    report("  one writer", 1e6 / each, "/s");
    start = now_us();
    for (unsigned i = 0; i < ROUNDS; i++) {
        append(b, i, 10000);
        if (i % GROUP == GROUP - 1) {
            store_commit(b->store);
        }
    }
    store_commit(b->store);
    report("  sixteen writers", ROUNDS / ((now_us() - start) / 1e6), "/s");
}

static void measure_expunge(struct bench *b)
{
    struct numset all = NUMSET_INIT;
    numset_add(&all, 1, UINT32_MAX);
    double start = now_us();
    must(mailbox_expunge(b->inbox, &all, false, NULL));
    store_commit(b->store);
    report("expunge all, with its commit", (now_us() - start) / 1000, "ms");
    numset_release(&all);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static void open_account(struct bench *b, const char *dir)
{
    const struct store_config config = {.dir = str_from_c(dir), .now_ms = unix_ms};
    must(store_new(&config, &b->store));
    must(store_open_account(b->store, STR("bench"), true, &b->account));
    must(account_find_mailbox(b->account, STR("INBOX"), &b->inbox));
}

static void close_account(struct bench *b)
{
    mailbox_unref(&b->inbox);
    account_unref(&b->account);
    store_free(&b->store);
}

int main(int argc, char **argv)
{
    char dir[4096];
    uint64_t count = 100000;
    struct bench b = {.octets = BUF_INIT(1 << 20)};
    log_init("store_bench", LOG_LEVEL_WARN);
    if (argc > 1 && !str_to_u64(str_from_c(argv[1]), 10000000, &count)) {
        (void)fprintf(stderr, "usage: store_bench [messages [folder]]\n");
        return 2;
    }
    (void)snprintf(dir, sizeof(dir), "%s/limetta-bench-XXXXXX", argc > 2 ? argv[2] : "/tmp");
    if (count == 0 || mkdtemp(dir) == NULL) {
        return 3;
    }
    b.count = (uint32_t)count;
    open_account(&b, dir);
    fill(&b);
    close_account(&b);
    double start = now_us();
    open_account(&b, dir);
    report("open the account", now_us() - start, "us");
    measure_select(&b);
    measure_flags(&b);
    measure_shapes(&b);
    measure_diff(&b);
    measure_appends(&b);
    measure_expunge(&b);
    close_account(&b);
    buf_release(&b.octets);
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
