/* The edge's numbers, in OpenMetrics text. docs/metrics.md explains each family to who reads them. */
#include "main/edge_metrics.h"

static const char *const SERVICES[SERVICE_ACAP] = {
    [SERVICE_IMAP] = "imap", [SERVICE_SUBMIT] = "submission", [SERVICE_SIEVE] = "sieve"};

const char *edge_metrics_get_name(enum service service)
{
    return (unsigned)service < SERVICE_ACAP ? SERVICES[service] : NULL;
}

static void begin(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_addf(out, "# TYPE limetta_%s %s\n# HELP limetta_%s %s.\n", name, type, name, help);
}

static void add_sessions(const struct edge_counts *counts, struct buf *out)
{
    begin(out, "sessions", "gauge",
          "Connections of clients: before login (stranger), logged in (live), kept by the edge "
          "alone (parked)");
    for (unsigned i = 0; i < SERVICE_ACAP; i++) {
        const struct edge_count *n = &counts->of[i];
        if (SERVICES[i] != NULL) {
            buf_addf(out,
                     "limetta_sessions{service=\"%s\",state=\"stranger\"} %zu\n"
                     "limetta_sessions{service=\"%s\",state=\"live\"} %zu\n"
                     "limetta_sessions{service=\"%s\",state=\"parked\"} %zu\n",
                     SERVICES[i], n->strangers, SERVICES[i], n->sessions - n->parked, SERVICES[i],
                     n->parked);
        }
    }
    begin(out, "sessions_opened", "counter", "Sessions that were opened by a login");
    for (unsigned i = 0; i < SERVICE_ACAP; i++) {
        if (SERVICES[i] != NULL) {
            buf_addf(out, "limetta_sessions_opened_total{service=\"%s\"} %llu\n", SERVICES[i],
                     (unsigned long long)counts->of[i].logins);
        }
    }
}

static void add_counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
    begin(out, name, "counter", help);
    buf_addf(out, "limetta_%s_total %llu\n", name, (unsigned long long)value);
}

static void add_labelled(struct buf *out, const char *name, const char *label,
                         const char *const *values, const uint64_t *counts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_addf(out, "limetta_%s_total{%s=\"%s\"} %llu\n", name, label, values[i],
                 (unsigned long long)counts[i]);
    }
}

/* Adds the label edge="..." to each sample of text. */
static void add_edge(struct str text, struct str edge, struct buf *out)
{
    while (text.n > 0) {
        struct str line = str_split(&text, '\n');
        size_t end = str_find_char(line, '}');
        size_t name = str_find_char(line, ' ');
        if (str_starts(line, STR("#"))) {
            buf_add(out, line);
        } else if (end < line.n) {
            buf_addf(out, "%.*s,edge=\"%.*s\"%.*s", STR_ARG(str_sub(line, 0, end)), STR_ARG(edge),
                     STR_ARG(str_skip(line, end)));
        } else {
            buf_addf(out, "%.*s{edge=\"%.*s\"}%.*s", STR_ARG(str_sub(line, 0, name)), STR_ARG(edge),
                     STR_ARG(str_skip(line, name)));
        }
        buf_add_char(out, '\n');
    }
}

static void write_all(const struct edge_counts *counts, struct buf *out)
{
    const char *reasons[SHED_REASONS];
    static const char *const HANDSHAKES[EDGE_HANDSHAKES] = {
        [EDGE_TLS_FULL] = "full", [EDGE_TLS_RESUMED] = "resumed", [EDGE_TLS_FAILED] = "failed"};
    static const char *const DIRECTIONS[] = {"in", "out"};
    static const char *const RESUMES[] = {"resumed", "refused", "late"};
    const uint64_t octets[] = {counts->octets_in, counts->octets_out};
    const uint64_t resumes[] = {counts->resumes, counts->resumes_refused, counts->resumes_late};
    add_sessions(counts, out);
    add_counter(out, "wakeups", "Parked sessions that went on", counts->wakeups);
    begin(out, "resumes", "counter", "Sessions that went on in a process, or could not");
    add_labelled(out, "resumes", "result", RESUMES, resumes, 3);
    add_counter(out, "keepalives", "Keep-alives said to silent clients", counts->keepalives);
    begin(out, "client_octets", "counter", "Octets from and to clients, without TLS and DEFLATE");
    add_labelled(out, "client_octets", "direction", DIRECTIONS, octets, 2);
    begin(out, "tls_handshakes", "counter", "TLS handshakes of clients");
    add_labelled(out, "tls_handshakes", "result", HANDSHAKES, counts->handshakes, EDGE_HANDSHAKES);
    begin(out, "shed", "counter", "Connections turned away or ended because there were too many");
    for (unsigned i = 0; i < SHED_REASONS; i++) {
        reasons[i] = edge_get_shed_name((enum edge_shed)i);
    }
    add_labelled(out, "shed", "reason", reasons, counts->shed, SHED_REASONS);
}

void edge_metrics_write(const struct edge_counts *counts, struct str edge, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(out->cap);
    if (edge.n == 0) {
        write_all(counts, out);
        return;
    }
    write_all(counts, &text);
    add_edge(buf_str(&text), edge, out);
}
