/* What the text index costs and what it gives, without network or protocol: one mailbox of many messages (100,000 unless told
 * otherwise), the figures that docs/store.md promises. Prints one line a measurement: name, value, unit.
 *
 *     search_bench [messages [folder]]
 *
 * Times are processor time: neighbours on the machine do not count, nor does waiting for the disk.
 *
 * The mail is prose of 20,000 made-up words, some much more frequent than others; ten messages have a word of their own. */
#include "base/log.h"
#include "search/indexer.h"
#include "search/run.h"
#include "store/store.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    WORDS = 20000,
    WORD_MOST = 12,
    INDEX_BUDGET = 32 * 1024, /* as main/role_store.c has it */
    SEARCH_BUDGET = 256 * 1024
};

struct bench {
    const char *dir;
    struct store *store;
    struct account *account;
    struct mailbox *inbox;
    struct buf octets;
    uint32_t count;
    uint64_t late_ms; /* how far the store's clock is ahead: nobody waits for quiet here */
    uint64_t random;
    uint64_t text; /* octets of all bodies */
    char words[WORDS][WORD_MOST];
};

static double now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static uint64_t unix_ms(void *owner)
{
    const struct bench *b = owner;
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 + b->late_ms;
}

static void must(enum err e)
{
    if (e != ERR_OK) {
        (void)fprintf(stderr, "search_bench: %s\n", err_get_info(e)->meaning);
        exit(1);
    }
}

static void report(const char *name, double value, const char *unit)
{
    (void)printf("%-44s %12.2f %s\n", name, value, unit);
}

static uint32_t pick(struct bench *b, uint32_t below)
{
    b->random = b->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((b->random >> 33) % below);
}

/* ---- mail ---- */

static void make_words(struct bench *b)
{
    static const char LETTERS[] = "etaoinshrdlucmfwypvbgk";
    for (size_t i = 0; i < WORDS; i++) {
        uint32_t n = 2 + pick(b, WORD_MOST - 3);
        for (uint32_t at = 0; at < n; at++) {
            b->words[i][at] = LETTERS[pick(b, sizeof(LETTERS) - 1)];
        }
    }
}

/* Word number n comes about 1/n as often as the first. */
static const char *pick_word(struct bench *b)
{
    double r = (double)pick(b, 1 << 24) / (1 << 24);
    return b->words[(size_t)(pow(WORDS, r)) - 1];
}

static void make_message(struct bench *b, uint32_t n)
{
    struct buf *out = &b->octets;
    buf_clear(out);
    buf_addf(out,
             "From: User %u <user%u@example.org>\r\nTo: Bob <bob@example.org>\r\nSubject: %s %s\r\n"
             "Date: Mon, 1 Jan 2024 10:00:00 +0000\r\nMessage-ID: <%u@example.org>\r\n\r\n",
             n % 1000, n % 1000, pick_word(b), pick_word(b), n);
    for (uint32_t i = 30 + pick(b, 600); i > 0; i--) {
        buf_add_c(out, pick_word(b));
        buf_add_c(out, i % 12 == 0 ? "\r\n" : " ");
    }
    if (n % (b->count / 10 + 1) == 5) {
        buf_add_c(out, "xylophone\r\n");
    }
}

static void fill(struct bench *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        struct body_writer *w;
        struct uid uid;
        const struct append_args args = {.internaldate_s = 1700000000 + i};
        make_message(b, i);
        b->text += b->octets.len;
        must(body_writer_new(b->account, &w));
        must(body_writer_add(w, buf_str(&b->octets)));
        must(body_writer_finish(w));
        must(mailbox_append(b->inbox, w, &args, &uid));
        body_writer_free(&w);
        if (i % 1000 == 999) {
            store_commit(b->store);
            (void)store_tick(b->store);
        }
    }
    store_commit(b->store);
}

/* ---- measuring ---- */

static void measure_searches(struct bench *b, const char *when)
{
    static const struct {
        const char *name;
        enum search_kind kind;
        const char *text;
    } SEARCHES[] = {
        {"BODY, in ten", SEARCH_BODY, "xylophone"}, {"BODY, in none", SEARCH_BODY, "no such words"},
        {"TEXT, in ten", SEARCH_TEXT, "xylophone"}, {"BODY, in most", SEARCH_BODY, "ing"},
        {"BODY, two letters", SEARCH_BODY, "qq"},   {"FROM, a thousandth", SEARCH_FROM, "user777@"},
        {"FROM, all", SEARCH_FROM, "example.org"},
    };
    struct view *v;
    must(mailbox_get_view(b->inbox, &v));
    for (size_t i = 0; i < sizeof(SEARCHES) / sizeof(SEARCHES[0]); i++) {
        struct search_key k = {.kind = SEARCHES[i].kind, .text = str_from_c(SEARCHES[i].text)};
        const struct search_args args = {.mailbox = b->inbox, .view = v, .program = &k};
        struct search *s;
        char name[100];
        double start = now_us();
        double longest = 0;
        must(search_new(&args, &s));
        for (enum step step = STEP_MORE; step == STEP_MORE;) {
            double began = now_us();
            step = search_step(s, SEARCH_BUDGET);
            longest = now_us() - began > longest ? now_us() - began : longest;
        }
        (void)snprintf(name, sizeof(name), "%s, %s / longest step", SEARCHES[i].name, when);
        report(name, (now_us() - start) / 1000, "ms");
        report("", longest / 1000, "ms");
        search_free(&s);
    }
}

static double get_size(const struct bench *b, const char *name)
{
    char path[4200];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s/bench/%s", b->dir, name);
    return stat(path, &st) == 0 ? (double)st.st_size : 0;
}

static void measure_indexing(struct bench *b)
{
    struct indexer *x = indexer_new(b->store);
    double start = now_us();
    double longest = 0;
    b->late_ms = 3600000;
    for (bool has_more = true; has_more;) {
        double began = now_us();
        has_more = indexer_step(x, INDEX_BUDGET) != 0;
        longest = now_us() - began > longest ? now_us() - began : longest;
    }
    report("indexing, a message", (now_us() - start) / b->count, "us");
    report("indexing, longest step", longest / 1000, "ms");
    report("octets of mail, a message", (double)b->text / b->count, "octets");
    report("index.db", (get_size(b, "index.db") + get_size(b, "index.db-wal")) / 1e6, "MB");
    report("index.db, against the octets of mail", get_size(b, "index.db") / (double)b->text,
           "times");
    indexer_free(&x);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static void open_account(struct bench *b)
{
    const struct store_config config = {
        .dir = str_from_c(b->dir), .now_ms = unix_ms, .now_owner = b};
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
    struct bench *b = calloc(1, sizeof(*b));
    log_init("search_bench", LOG_LEVEL_WARN);
    if (argc > 1 && !str_to_u64(str_from_c(argv[1]), 10000000, &count)) {
        (void)fprintf(stderr, "usage: search_bench [messages [folder]]\n");
        free(b);
        return 2;
    }
    (void)snprintf(dir, sizeof(dir), "%s/limetta-bench-XXXXXX", argc > 2 ? argv[2] : "/tmp");
    if (b == NULL || count == 0 || mkdtemp(dir) == NULL) {
        free(b);
        return 3;
    }
    b->dir = dir;
    b->count = (uint32_t)count;
    buf_init(&b->octets, 1 << 20);
    make_words(b);
    open_account(b);
    fill(b);
    measure_searches(b, "scan");
    measure_indexing(b);
    measure_searches(b, "index");
    close_account(b);
    double start = now_us();
    open_account(b);
    report("open the account", now_us() - start, "us");
    measure_searches(b, "index, opened anew");
    close_account(b);
    buf_release(&b->octets);
    free(b);
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
