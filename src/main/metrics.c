/* GET /metrics.
 *
 * As much of HTTP/1.1 (RFC 9112) as one resource needs: the head of a request is gathered up to its empty line, within a
 * bound and a time; its first line decides; the answer says "close", and we do. Nothing of the request but the first line
 * is looked at, and nothing is kept. The port is on loopback only, because the numbers are the operator's business. */
#include "main/metrics.h"

#include "base/list.h"
#include "main/control.h"
#include "net/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BODY_MOST = 4 * 1024 * 1024 };

struct metrics {
    struct loop *loop;
    struct listener *listener;
    void (*write)(void *owner, struct buf *out);
    void *owner;
    struct list connections;
    size_t count;
};

struct connection {
    struct list node;
    struct metrics *metrics;
    struct stream *stream;
    struct timer *timer;
    struct buf request;
    bool is_answered;
};

static void connection_free(struct connection *c)
{
    list_remove(&c->node);
    if (c->metrics->count-- == METRICS_CONNECTIONS_MOST) {
        listener_resume(c->metrics->listener);
    }
    stream_free(&c->stream);
    timer_free(&c->timer);
    buf_release(&c->request);
    free(c);
}

static void add_head(struct buf *out, const char *status, const char *type, size_t size)
{
    buf_addf(out,
             "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
             "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
             status, type, size);
}

bool metrics_answer(struct str request, void (*write)(void *owner, struct buf *out), void *owner,
                    struct buf *out)
{
    if (str_find_str(request, STR("\r\n\r\n")) >= request.n) {
        return false;
    }
    struct str line = request;
    line = str_split(&line, '\r');
    struct str method = str_split(&line, ' ');
    struct str target = str_split(&line, ' ');
    if (!str_starts(line, STR("HTTP/1."))) {
        add_head(out, "400 Bad Request", "text/plain", 0);
    } else if (!str_eq(target, STR("/metrics"))) {
        add_head(out, "404 Not Found", "text/plain", 0);
    } else if (!str_eq(method, STR("GET"))) {
        add_head(out, "405 Method Not Allowed\r\nAllow: GET", "text/plain", 0);
    } else {
        struct buf body = BUF_INIT(BODY_MOST);
        write(owner, &body);
        add_head(out, "200 OK", "application/openmetrics-text; version=1.0.0; charset=utf-8",
                 body.len);
        buf_add(out, buf_str(&body));
        buf_release(&body);
    }
    return true;
}

static void on_octets(void *owner, struct str octets)
{
    struct connection *c = owner;
    if (c->is_answered) {
        return;
    }
    buf_add(&c->request, octets);
    struct buf answer = BUF_INIT(BODY_MOST + METRICS_REQUEST_MOST);
    if (metrics_answer(buf_str(&c->request), c->metrics->write, c->metrics->owner, &answer)) {
        c->is_answered = true;
    } else if (c->request.is_full) {
        add_head(&answer, "431 Request Header Fields Too Large", "text/plain", 0);
        c->is_answered = true;
    }
    if (c->is_answered) {
        stream_write(c->stream, buf_str(&answer));
        stream_shutdown(c->stream);
    }
    buf_release(&answer);
}

static void on_end(void *owner, enum err why)
{
    connection_free(owner);
}

static void on_late(void *owner)
{
    connection_free(owner);
}

static void on_accept(void *owner, int fd, const struct sockaddr_storage *peer)
{
    static const struct stream_handler HANDLER = {.on_octets = on_octets, .on_end = on_end};
    struct metrics *m = owner;
    struct connection *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        abort();
    }
    c->metrics = m;
    c->request = BUF_INIT(METRICS_REQUEST_MOST);
    c->timer = timer_new(m->loop, on_late, c);
    timer_start(c->timer, METRICS_TIMEOUT_MS);
    list_append(&m->connections, &c->node);
    if (++m->count == METRICS_CONNECTIONS_MOST) {
        listener_pause(m->listener);
    }
    c->stream = stream_from_fd(m->loop, fd);
    stream_set_handler(c->stream, &HANDLER, c);
}

struct metrics *metrics_new(struct loop *l, int fd, void (*write)(void *owner, struct buf *out),
                            void *owner)
{
    struct metrics *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        abort();
    }
    m->loop = l;
    m->write = write;
    m->owner = owner;
    list_init(&m->connections);
    m->listener = listener_new(l, fd, on_accept, m);
    return m;
}

void metrics_free(struct metrics **m)
{
    if (*m == NULL) {
        return;
    }
    list_each_safe(node, &(*m)->connections)
    {
        connection_free(list_entry(node, struct connection, node));
    }
    listener_free(&(*m)->listener);
    free(*m);
    *m = NULL;
}

/* ---- what is told ---- */

/* The second number of /proc/PID/statm, in pages. */
uint64_t metrics_get_resident(pid_t pid)
{
    char text[128];
    uint64_t pages = 0;
    (void)snprintf(text, sizeof(text), "/proc/%d/statm", pid);
    FILE *f = pid > 0 ? fopen(text, "re") : NULL;
    if (f == NULL) {
        return 0;
    }
    struct str rest = str_make(text, fread(text, 1, sizeof(text), f));
    (void)fclose(f);
    (void)str_split(&rest, ' ');
    bool is_number = str_to_u64(str_split(&rest, ' '), UINT32_MAX, &pages);
    return is_number ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

enum value { IS_READY, RESTARTS, RESIDENT };

static uint64_t get_value(const struct metrics_role *r, enum value v)
{
    return v == IS_READY ? r->is_ready : v == RESTARTS ? r->restarts : metrics_get_resident(r->pid);
}

static bool is_metrics_line(struct str line)
{
    static const char *const STARTS[] = {"limetta_", "# TYPE limetta_", "# HELP limetta_",
                                         "# UNIT limetta_"};
    bool is_named = false;
    for (size_t i = 0; i < sizeof(STARTS) / sizeof(STARTS[0]); i++) {
        is_named = is_named || str_starts(line, str_from_c(STARTS[i]));
    }
    for (size_t i = 0; i < line.n; i++) {
        is_named = is_named && line.p[i] >= 32 && line.p[i] <= 126;
    }
    return is_named;
}

bool metrics_is_text(struct str text)
{
    if (text.n == 0 || text.p[text.n - 1] != '\n') {
        return false;
    }
    while (text.n > 0) {
        if (!is_metrics_line(str_split(&text, '\n'))) {
            return false;
        }
    }
    return true;
}

/* The next family of a role's text: its "# TYPE" line and all up to the next one. */
static struct str take_family(struct str *text)
{
    struct str rest = *text;
    size_t n = str_find_char(rest, '\n') + 1;
    while (n < rest.n && !str_starts(str_skip(rest, n), STR("# TYPE "))) {
        n += str_find_char(str_skip(rest, n), '\n') + 1;
    }
    *text = str_skip(rest, n);
    return str_sub(rest, 0, n);
}

static struct str get_type(struct str family)
{
    return str_split(&family, '\n');
}

/* The family of that type in a role's text; empty: it has none. */
static struct str find_family(struct str text, struct str type)
{
    while (text.n > 0) {
        struct str family = take_family(&text);
        if (str_eq(get_type(family), type)) {
            return family;
        }
    }
    return STR_EMPTY;
}

static void add_samples(struct buf *out, struct str family)
{
    while (family.n > 0) {
        struct str line = str_split(&family, '\n');
        if (!str_starts(line, STR("#"))) {
            buf_addf(out, "%.*s\n", STR_ARG(line));
        }
    }
}

/* Every family once (OpenMetrics, "MetricFamily": no interleaving), with the samples of all roles that have it. */
static void add_families(struct buf *out, const struct metrics_role *roles, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct str text = roles[i].text;
        while (text.n > 0) {
            struct str family = take_family(&text);
            bool is_written = false;
            for (size_t k = 0; k < i; k++) {
                is_written = is_written || find_family(roles[k].text, get_type(family)).n > 0;
            }
            if (is_written) {
                continue;
            }
            buf_add(out, family);
            for (size_t k = i + 1; k < count; k++) {
                add_samples(out, find_family(roles[k].text, get_type(family)));
            }
        }
    }
}

void metrics_write_roles(struct buf *out, const struct metrics_role *roles, size_t count,
                         uint64_t start_wall_ms)
{
    static const struct {
        const char *name;
        const char *suffix; /* of the sample */
        const char *type;
        const char *help;
        enum value value;
    } FAMILIES[] = {
        {"limetta_role_ready", "", "gauge", "The role runs and serves", IS_READY},
        {"limetta_role_restarts", "_total", "counter", "How often the role was started again",
         RESTARTS},
        {"limetta_role_resident_memory_bytes", "", "gauge", "Resident memory of the role",
         RESIDENT},
    };
    buf_addf(out,
             "# TYPE limetta_build info\n# HELP limetta_build Which Limetta this is.\n"
             "limetta_build_info{version=\"%s\"} 1\n"
             "# TYPE limetta_start_time_seconds gauge\n# UNIT limetta_start_time_seconds seconds\n"
             "# HELP limetta_start_time_seconds When the supervisor started, Unix time.\n"
             "limetta_start_time_seconds %llu.%03llu\n",
             LIMETTA_VERSION, (unsigned long long)(start_wall_ms / 1000),
             (unsigned long long)(start_wall_ms % 1000));
    for (size_t f = 0; f < sizeof(FAMILIES) / sizeof(FAMILIES[0]); f++) {
        buf_addf(out, "# TYPE %s %s\n", FAMILIES[f].name, FAMILIES[f].type);
        if (str_ends(str_from_c(FAMILIES[f].name), STR("_bytes"))) {
            buf_addf(out, "# UNIT %s bytes\n", FAMILIES[f].name);
        }
        buf_addf(out, "# HELP %s %s.\n", FAMILIES[f].name, FAMILIES[f].help);
        for (size_t i = 0; i < count; i++) {
            buf_addf(out, "%s%s{role=\"%s\",index=\"%u\"} %llu\n", FAMILIES[f].name,
                     FAMILIES[f].suffix, control_role_name(roles[i].role), roles[i].index,
                     (unsigned long long)get_value(&roles[i], FAMILIES[f].value));
        }
    }
    add_families(out, roles, count);
    buf_add_c(out, "# EOF\n");
}
