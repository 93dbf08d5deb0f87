/* The queue in numbers, for GET /metrics and the operator's status. All of them are kept, none is counted here. */
#include "queue/runner_priv.h"

static const char *const OUTCOMES[RUNNER_OUTCOMES] = {
    [RUNNER_DELIVERED] = "delivered", [RUNNER_RELAYED] = "relayed", [RUNNER_EXPANDED] = "expanded",
    [RUNNER_DEFERRED] = "deferred",   [RUNNER_FAILED] = "failed",
};

struct runner_status runner_get_status(const struct runner *r)
{
    struct runner_status s = {r->local_jobs, r->remote_jobs, map_get_count(r->busy), {0}};
    memcpy(s.outcomes, r->outcomes, sizeof(s.outcomes));
    return s;
}

bool runner_has(const struct runner *r, uint64_t recipient_id)
{
    return runner_is_busy(r, recipient_id);
}

static void add_gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
    buf_addf(out, "# TYPE limetta_queue_%s gauge\n", name);
    struct str unit = str_from_c(name);
    unit = str_skip(unit, str_find_last_char(unit, '_') + 1);
    if (str_eq(unit, STR("bytes")) || str_eq(unit, STR("seconds"))) {
        buf_addf(out, "# UNIT limetta_queue_%s %.*s\n", name, STR_ARG(unit));
    }
    buf_addf(out, "# HELP limetta_queue_%s %s.\nlimetta_queue_%s %llu\n", name, help, name,
             (unsigned long long)value);
}

static void add_states(struct buf *out, const struct queue_counts *c, size_t busy)
{
    uint64_t settled = c->held + busy;
    uint64_t rest = c->recipients > settled ? c->recipients - settled : 0;
    buf_addf(out,
             "# TYPE limetta_queue_recipients gauge\n"
             "# HELP limetta_queue_recipients Recipients still to be served, by state.\n"
             "limetta_queue_recipients{state=\"active\"} %zu\n"
             "limetta_queue_recipients{state=\"held\"} %llu\n"
             "limetta_queue_recipients{state=\"waiting\"} %llu\n",
             busy, (unsigned long long)c->held, (unsigned long long)rest);
}

void runner_write_metrics(struct runner *r, struct buf *out)
{
    struct queue_counts c = queue_get_counts(r->args.queue);
    uint64_t now = runner_now_ms(r);
    uint64_t oldest = now;
    if (queue_get_oldest_ms(r->args.queue, &oldest) != ERR_OK || oldest > now) {
        oldest = now;
    }
    add_gauge(out, "messages", "Messages in the queue", c.messages);
    add_gauge(out, "size_bytes", "Their octets", c.octets);
    add_gauge(out, "deferred", "Recipients that were tried in vain", c.deferred);
    add_gauge(out, "oldest_age_seconds", "Since the oldest message came", (now - oldest) / 1000);
    add_states(out, &c, map_get_count(r->busy));
    buf_addf(out,
             "# TYPE limetta_queue_attempts gauge\n"
             "# HELP limetta_queue_attempts Attempts under way.\n"
             "limetta_queue_attempts{to=\"here\"} %u\nlimetta_queue_attempts{to=\"elsewhere\"} %u\n"
             "# TYPE limetta_queue_outcomes counter\n"
             "# HELP limetta_queue_outcomes What became of recipients.\n",
             r->local_jobs, r->remote_jobs);
    for (size_t i = 0; i < RUNNER_OUTCOMES; i++) {
        buf_addf(out, "limetta_queue_outcomes_total{outcome=\"%s\"} %llu\n", OUTCOMES[i],
                 (unsigned long long)r->outcomes[i]);
    }
}
