/* Histograms of how long commands took.
 *
 * Bounds go by threes from 0.1 ms to 10 s: what a phone's user notices begins at 0.1 s, what a disk needs at 1 ms. Commands fall into ten
 * groups, so that a scrape stays small; a search of ten and one of a million messages are still in one, for the point is to see
 * when a server becomes slow, not to profile it. A command costs two readings of the clock and an increment. */
#include "main/latencies.h"

enum group { SELECT, FETCH, STORE, SEARCH, APPEND, COPY, EXPUNGE, LIST, CONVERT, OTHER };

static const char *const NAMES[LATENCY_GROUPS] = {
    "select", "fetch", "store", "search", "append", "copy", "expunge", "list", "convert", "other",
};

static const struct {
    struct str command;
    enum group group;
} GROUPS[] = {
    {{"FETCH", 5}, FETCH},    {{"STORE", 5}, STORE},     {{"SELECT", 6}, SELECT},
    {{"EXAMINE", 7}, SELECT}, {{"SEARCH", 6}, SEARCH},   {{"ESEARCH", 7}, SEARCH},
    {{"SORT", 4}, SEARCH},    {{"THREAD", 6}, SEARCH},   {{"APPEND", 6}, APPEND},
    {{"COPY", 4}, COPY},      {{"MOVE", 4}, COPY},       {{"EXPUNGE", 7}, EXPUNGE},
    {{"CLOSE", 5}, EXPUNGE},  {{"LIST", 4}, LIST},       {{"LSUB", 4}, LIST},
    {{"STATUS", 6}, LIST},    {{"CONVERT", 7}, CONVERT}, {{"URLFETCH", 8}, CONVERT},
};

static const struct {
    uint64_t us;
    const char *le;
} BOUNDS[LATENCY_BUCKETS] = {
    {100, "0.0001"},  {300, "0.0003"},  {1000, "0.001"},    {3000, "0.003"},
    {10000, "0.01"},  {30000, "0.03"},  {100000, "0.1"},    {300000, "0.3"},
    {1000000, "1.0"}, {3000000, "3.0"}, {10000000, "10.0"},
};

static enum group find_group(struct str command)
{
    for (size_t i = 0; i < sizeof(GROUPS) / sizeof(GROUPS[0]); i++) {
        if (str_eq(GROUPS[i].command, command)) {
            return GROUPS[i].group;
        }
    }
    return OTHER;
}

void latencies_add(struct latencies *l, struct str command, uint64_t took_us)
{
    size_t bucket = 0;
    if (str_eq(command, STR("IDLE"))) {
        return; /* it takes as long as its client likes */
    }
    while (bucket < LATENCY_BUCKETS && took_us > BOUNDS[bucket].us) {
        bucket++;
    }
    struct latency *of = &l->of[find_group(command)];
    of->counts[bucket]++;
    of->sum_us += took_us;
}

static uint64_t get_count(const struct latency *l)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= LATENCY_BUCKETS; i++) {
        count += l->counts[i];
    }
    return count;
}

static void write_group(const struct latency *l, const char *name, unsigned worker, struct buf *out)
{
    static const char FAMILY[] = "limetta_command_seconds";
    uint64_t count = 0;
    for (size_t i = 0; i <= LATENCY_BUCKETS; i++) {
        count += l->counts[i];
        buf_addf(out, "%s_bucket{worker=\"%u\",command=\"%s\",le=\"%s\"} %llu\n", FAMILY, worker,
                 name, i < LATENCY_BUCKETS ? BOUNDS[i].le : "+Inf", (unsigned long long)count);
    }
    buf_addf(out, "%s_sum{worker=\"%u\",command=\"%s\"} %llu.%06llu\n", FAMILY, worker, name,
             (unsigned long long)(l->sum_us / 1000000), (unsigned long long)(l->sum_us % 1000000));
    buf_addf(out, "%s_count{worker=\"%u\",command=\"%s\"} %llu\n", FAMILY, worker, name,
             (unsigned long long)count);
}

void latencies_write(const struct latencies *l, unsigned worker, struct buf *out)
{
    buf_add_c(out,
              "# TYPE limetta_command_seconds histogram\n# UNIT limetta_command_seconds seconds\n"
              "# HELP limetta_command_seconds How long IMAP commands took, from their line to the "
              "tagged reply.\n");
    for (size_t i = 0; i < LATENCY_GROUPS; i++) {
        if (get_count(&l->of[i]) > 0) {
            write_group(&l->of[i], NAMES[i], worker, out);
        }
    }
}
