/* limetta status: what runs, who is connected, what waits.
 *
 *     limetta status [--json] [--watch] [--state DIR]
 *
 * Everything comes from one question to the supervisor (main/operator.c): a block for the server and one for each process, which
 * has what that process says of itself in OpenMetrics text (docs/metrics.md). The numbers here are sums over those samples. */
#include "tools/desk_link.h"
#include "tools/json_text.h"
#include "tools/queue_print.h"
#include "tools/screen.h"
#include "tools/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { ANSWER_MOST = 8 * 1024 * 1024, FRAME_MOST = 1 << 20, METRICS_MOST = 4 * 1024 * 1024 };

/* What the numbers of the view are: samples of that name, with that in their labels. */
static const struct {
    const char *key; /* in JSON */
    const char *sample;
    const char *label; /* "": any */
} NUMBERS[] = {
    {"strangers", "limetta_sessions", "state=\"stranger\""},
    {"live", "limetta_sessions", "state=\"live\""},
    {"parked", "limetta_sessions", "state=\"parked\""},
    {"wakeups", "limetta_wakeups_total", ""},
    {"keepalives", "limetta_keepalives_total", ""},
    {"octets_in", "limetta_client_octets_total", "\"in\""},
    {"octets_out", "limetta_client_octets_total", "\"out\""},
    {"logins", "limetta_logins_total", "\"succeeded\""},
    {"login_failures", "limetta_logins_total", "\"failed\""},
    {"tls_handshakes", "limetta_tls_handshakes_total", ""},
    {"shed", "limetta_shed_total", ""},
    {"commands", "limetta_command_seconds_count", ""},
    {"queue_messages", "limetta_queue_messages", ""},
    {"queue_deferred", "limetta_queue_deferred", ""},
    {"queue_oldest_s", "limetta_queue_oldest_age_seconds", ""},
};

enum { NUMBER_COUNT = sizeof(NUMBERS) / sizeof(NUMBERS[0]) };

static const char *const SERVICES[] = {"imap", "submission", "sieve"};
static const unsigned PORTS[] = {143, 587, 4190};
static const char *const STATES[] = {"stranger", "live", "parked"};

/* The sum of the samples of a name whose labels have both words in them. */
static uint64_t sum(struct str metrics, const char *sample, const char *one, const char *other)
{
    uint64_t total = 0;
    while (metrics.n > 0) {
        struct str line = str_split(&metrics, '\n');
        struct str labels = str_skip(line, strlen(sample));
        size_t space = str_find_last_char(line, ' ');
        bool is_named = str_starts(line, str_from_c(sample)) && labels.n > 0
                        && (labels.p[0] == '{' || labels.p[0] == ' ');
        bool is_meant = is_named
                        && (*one == '\0' || str_find_str(labels, str_from_c(one)) < labels.n)
                        && (*other == '\0' || str_find_str(labels, str_from_c(other)) < labels.n);
        uint64_t value = 0;
        if (is_meant && str_to_u64(str_skip(line, space + 1), UINT64_MAX, &value)) {
            total += value;
        }
    }
    return total;
}

static uint64_t get(const struct fields *f, const char *key)
{
    return fields_get_u64(f, str_from_c(key), 0);
}

static uint64_t since(uint64_t now_ms, uint64_t then_ms)
{
    return now_ms > then_ms ? now_ms - then_ms : 0;
}

/* What the answer said of all roles together. */
struct seen {
    struct buf metrics;
    uint64_t now_ms;
    uint64_t offset;
    bool has_edge;
    bool has_auth;
    bool has_store;
    bool has_submit;
    bool has_role;
};

/* ---- for people ---- */

static void print_server(const struct fields *f, struct buf *out)
{
    buf_addf(out, "limetta %.*s on %.*s, process %" PRIu64 ", up ",
             STR_ARG(fields_get(f, STR("version"))), STR_ARG(fields_get(f, STR("hostname"))),
             get(f, "pid"));
    queue_print_time(out, since(get(f, "now"), get(f, "since")));
    buf_addf(out, ", reloaded %" PRIu64 " times\n\n", get(f, "reloads"));
    buf_add_c(out, "role        process  state      up    restarts  memory\n");
}

static void print_role(const struct fields *f, uint64_t now_ms, struct buf *out)
{
    CLEANUP(buf_release) struct buf name = BUF_INIT(64);
    CLEANUP(buf_release) struct buf up = BUF_INIT(64);
    bool is_running = get(f, "pid") > 0;
    buf_addf(&name, "%.*s.%" PRIu64, STR_ARG(fields_get(f, STR("role"))), get(f, "index"));
    if (is_running) {
        queue_print_time(&up, since(now_ms, get(f, "since")));
    }
    buf_addf(out, "%-10s %8" PRIu64 "  %-9s  %-5s %8" PRIu64 "  %" PRIu64 "K\n", name.p,
             get(f, "pid"),
             !is_running            ? "down"
             : get(f, "ready") == 1 ? "serves"
                                    : "starting",
             up.p == NULL ? "" : up.p, get(f, "restarts"), get(f, "resident") >> 10);
}

/* Who is connected; only where there is an edge. */
static void print_clients(struct str metrics, uint64_t offset, struct buf *out)
{
    buf_add_c(out, "\nclients       port strangers      live    parked\n");
    for (size_t i = 0; i < sizeof(SERVICES) / sizeof(SERVICES[0]); i++) {
        buf_addf(out, "  %-10s %5" PRIu64, SERVICES[i], PORTS[i] + offset);
        for (size_t k = 0; k < sizeof(STATES) / sizeof(STATES[0]); k++) {
            buf_addf(out, "%10" PRIu64, sum(metrics, "limetta_sessions", SERVICES[i], STATES[k]));
        }
        buf_add_char(out, '\n');
    }
}

static void print_numbers(const struct seen *s, struct buf *out)
{
    uint64_t n[NUMBER_COUNT];
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        n[i] = sum(buf_str(&s->metrics), NUMBERS[i].sample, NUMBERS[i].label, "");
    }
    if (s->has_edge) {
        print_clients(buf_str(&s->metrics), s->offset, out);
    }
    buf_add_c(out, "\nsince their processes started\n");
    if (s->has_edge) {
        buf_addf(out,
                 "  clients: %" PRIu64 " wake-ups, %" PRIu64 " keep-alives, %" PRIu64
                 " octets in, %" PRIu64 " out; %" PRIu64 " TLS handshakes; %" PRIu64
                 " turned away\n",
                 n[3], n[4], n[5], n[6], n[9], n[10]);
    }
    if (s->has_auth) {
        buf_addf(out, "  logins: %" PRIu64 ", %" PRIu64 " failed\n", n[7], n[8]);
    }
    if (s->has_store) {
        buf_addf(out, "  commands: %" PRIu64 "\n", n[11]);
    }
    if (s->has_submit) {
        buf_addf(out, "\nqueue: %" PRIu64 " messages, %" PRIu64 " tried before, oldest ", n[12],
                 n[13]);
        queue_print_time(out, n[14] * 1000);
        buf_add_char(out, '\n');
    }
}

/* ---- for programs ---- */

static void add_string(struct buf *out, const char *key, struct str value)
{
    buf_addf(out, "\"%s\":", key);
    json_text_add(out, value);
    buf_add_char(out, ',');
}

static void add_numbers(const struct fields *f, const char *const *keys, size_t count,
                        struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        buf_addf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", keys[i], get(f, keys[i]));
    }
}

static void print_server_json(const struct fields *f, struct buf *out)
{
    static const char *const KEYS[] = {"pid", "since", "now", "reloads", "offset"};
    buf_add_char(out, '{');
    add_string(out, "version", fields_get(f, STR("version")));
    add_string(out, "hostname", fields_get(f, STR("hostname")));
    add_numbers(f, KEYS, sizeof(KEYS) / sizeof(KEYS[0]), out);
    buf_add_c(out, ",\"roles\":[");
}

static void print_role_json(const struct fields *f, bool is_first, struct buf *out)
{
    static const char *const KEYS[] = {"index", "pid", "ready", "since", "restarts", "resident"};
    buf_add_c(out, is_first ? "{" : ",{");
    add_string(out, "role", fields_get(f, STR("role")));
    add_numbers(f, KEYS, sizeof(KEYS) / sizeof(KEYS[0]), out);
    buf_add_char(out, '}');
}

static void print_numbers_json(struct str metrics, struct buf *out)
{
    buf_add_c(out, "],\"sessions\":{");
    for (size_t i = 0; i < sizeof(SERVICES) / sizeof(SERVICES[0]); i++) {
        buf_addf(out, "%s\"%s\":{", i > 0 ? "," : "", SERVICES[i]);
        for (size_t k = 0; k < sizeof(STATES) / sizeof(STATES[0]); k++) {
            buf_addf(out, "%s\"%s\":%" PRIu64, k > 0 ? "," : "", STATES[k],
                     sum(metrics, "limetta_sessions", SERVICES[i], STATES[k]));
        }
        buf_add_char(out, '}');
    }
    buf_add_char(out, '}');
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        buf_addf(out, ",\"%s\":%" PRIu64, NUMBERS[i].key,
                 sum(metrics, NUMBERS[i].sample, NUMBERS[i].label, ""));
    }
    buf_add_c(out, "}\n");
}

/* ---- the tool ---- */

static void take_role(struct seen *s, const struct fields *f, bool is_json, struct buf *out)
{
    struct str role = fields_get(f, STR("role"));
    buf_add(&s->metrics, fields_get(f, STR("metrics")));
    if (is_json) {
        print_role_json(f, !s->has_role, out);
    } else {
        print_role(f, s->now_ms, out);
    }
    s->has_role = true;
    s->has_edge = s->has_edge || str_eq(role, STR("edge"));
    s->has_auth = s->has_auth || str_eq(role, STR("auth"));
    s->has_store = s->has_store || str_eq(role, STR("store"));
    s->has_submit = s->has_submit || str_eq(role, STR("submit"));
}

static void write_frame(struct str answer, bool is_json, struct buf *out)
{
    struct seen s = {.metrics = BUF_INIT(METRICS_MOST)};
    struct fields f;
    while (desk_link_next(&answer, &f)) {
        struct str type = fields_get(&f, STR("type"));
        if (str_eq(type, STR("server"))) {
            s.now_ms = get(&f, "now");
            s.offset = get(&f, "offset");
            (is_json ? print_server_json : print_server)(&f, out);
        } else if (str_eq(type, STR("role"))) {
            take_role(&s, &f, is_json, out);
        }
        fields_release(&f);
    }
    if (is_json) {
        print_numbers_json(buf_str(&s.metrics), out);
    } else {
        print_numbers(&s, out);
    }
    buf_release(&s.metrics);
}

static int ask(const char *state, bool is_json, struct buf *out)
{
    CLEANUP(buf_release) struct buf answer = BUF_INIT(ANSWER_MOST);
    int fd = desk_link_open(state, "control");
    if (fd < 0 && (errno == EACCES || errno == EPERM)) {
        return tool_fail(EXIT_ENVIRONMENT, "%s: %s", state, tool_explain(ERR_NO_PERMISSION));
    }
    if (fd < 0) {
        return tool_fail(EXIT_NOT_SO, "no server answers at %s/run/control", state);
    }
    enum err e = desk_link_ask(fd, STR("op=status\n"), &answer);
    (void)close(fd);
    if (e != ERR_OK) {
        return tool_fail(EXIT_ENVIRONMENT, "the server stopped answering");
    }
    write_frame(buf_str(&answer), is_json, out);
    return EXIT_FINE;
}

int tool_status(int argc, char **argv)
{
    static const char USAGE[] = "limetta status [--json] [--watch] [--state DIR]";
    const char *state = "state";
    bool is_json = false;
    bool is_watched = false;
    struct tool_words words = {.most = 0};
    const struct tool_option options[] = {{"--state", &state, NULL},
                                          {"--json", NULL, &is_json},
                                          {"--watch", NULL, &is_watched},
                                          {NULL, NULL, NULL}};
    int code = tool_parse(argc, argv, options, USAGE, &words);
    bool is_view = code == EXIT_FINE && is_watched && !is_json && screen_begin();
    bool goes_on = code == EXIT_FINE;
    while (goes_on) {
        CLEANUP(buf_release) struct buf frame = BUF_INIT(FRAME_MOST);
        code = ask(state, is_json, &frame);
        if (is_view && code == EXIT_FINE) {
            screen_draw(buf_str(&frame));
        } else if (code == EXIT_FINE) {
            (void)fwrite(frame.p, 1, frame.len, stdout);
        }
        goes_on = is_view && code == EXIT_FINE && screen_wait();
    }
    if (is_view) {
        screen_end();
    }
    return code;
}
