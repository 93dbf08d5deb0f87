/* limetta doctor: the rules one after the other, and what they found.
 *
 *     limetta doctor [--config FILE] [--state DIR] [--listen ADDR] [--port-offset N] [--json]
 *                    [--strict]
 *
 * Each finding has a level, the name of its rule, and words that say what to do. Behind them stands what listens where, and what that
 * exposes: RFC 5383, 8, wants operators to decide that with open eyes. Works on a host whose server runs, stands still, or has
 * never run. A configuration that cannot be read at all is exit code 2, as everywhere. */
#include "main/doctor.h"

#include "main/listen.h"
#include "main/serve.h"
#include "tools/desk_link.h"
#include "tools/json_text.h"
#include "tools/tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEXT_MOST = 8192, OUT_MOST = 1 << 20, OFFSET_WITHOUT_ROOT = 10000 };

static const char *const LEVELS[DOCTOR_LEVELS] = {
    [DOCTOR_NOTE] = "note", [DOCTOR_WARNING] = "warning", [DOCTOR_ERROR] = "error"};

void doctor_say(struct doctor *d, enum doctor_level level, const char *rule, const char *format,
                ...)
{
    va_list args;
    struct doctor_finding f = {level, rule, BUF_INIT(TEXT_MOST)};
    va_start(args, format);
    buf_vaddf(&f.text, format, args);
    va_end(args);
    vec_push(&d->findings, f);
}

void doctor_release(struct doctor *d)
{
    for (size_t i = 0; i < d->findings.count; i++) {
        buf_release(&d->findings.at[i].text);
    }
    vec_release(&d->findings);
}

static size_t count_level(const struct doctor *d, enum doctor_level level)
{
    size_t count = 0;
    for (size_t i = 0; i < d->findings.count; i++) {
        count += d->findings.at[i].level == level ? 1 : 0;
    }
    return count;
}

/* ---- what is printed ---- */

static void print_text(const struct doctor *d, const struct doctor_service *services, size_t count)
{
    for (int level = DOCTOR_LEVELS - 1; level >= 0; level--) {
        for (size_t i = 0; i < d->findings.count; i++) {
            const struct doctor_finding *f = &d->findings.at[i];
            if (f->level == (enum doctor_level)level) {
                (void)printf("%s: %s: %.*s\n", LEVELS[level], f->rule, STR_ARG(buf_str(&f->text)));
            }
        }
    }
    for (int level = DOCTOR_LEVELS - 1; level >= 0; level--) {
        size_t n = count_level(d, (enum doctor_level)level);
        (void)printf("%zu %s%s%s", n, LEVELS[level], n == 1 ? "" : "s", level > 0 ? ", " : "; ");
    }
    (void)printf("the server %s\n", d->host.is_running ? "runs" : "does not run");
    (void)printf("What this host exposes:\n");
    for (size_t i = 0; i < count; i++) {
        const struct doctor_service *s = &services[i];
        (void)printf("  port %-5u  %-11s  on %.*s: %s\n", s->port, s->name, STR_ARG(s->addresses),
                     s->exposes);
    }
}

static void add_member(struct buf *out, const char *name, struct str value)
{
    buf_addf(out, "\"%s\":", name);
    json_text_add(out, value);
}

static void print_json(const struct doctor *d, const struct doctor_service *services, size_t count)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(OUT_MOST);
    buf_add_c(&out, "{\"findings\":[");
    for (size_t i = 0; i < d->findings.count; i++) {
        const struct doctor_finding *f = &d->findings.at[i];
        buf_add_c(&out, i > 0 ? ",{" : "{");
        add_member(&out, "level", str_from_c(LEVELS[f->level]));
        buf_add_char(&out, ',');
        add_member(&out, "rule", str_from_c(f->rule));
        buf_add_char(&out, ',');
        add_member(&out, "text", buf_str(&f->text));
        buf_add_char(&out, '}');
    }
    buf_addf(&out, "],\"errors\":%zu,\"warnings\":%zu,\"running\":%s,\"exposure\":[",
             count_level(d, DOCTOR_ERROR), count_level(d, DOCTOR_WARNING),
             d->host.is_running ? "true" : "false");
    for (size_t i = 0; i < count; i++) {
        const struct doctor_service *s = &services[i];
        buf_addf(&out, "%s{\"port\":%u,", i > 0 ? "," : "", s->port);
        add_member(&out, "service", str_from_c(s->name));
        buf_add_char(&out, ',');
        add_member(&out, "addresses", s->addresses);
        buf_add_char(&out, ',');
        add_member(&out, "exposes", str_from_c(s->exposes));
        buf_add_char(&out, '}');
    }
    buf_add_c(&out, "]}\n");
    (void)fwrite(out.p, 1, out.len, stdout);
}

/* ---- the tool ---- */

struct doctor_args {
    const char *state;
    const char *config;
    const char *offset;
    const char *listen;
    bool is_json;
    bool is_strict;
};

/* What a running server says of itself. False: none runs. */
static bool ask_where(const char *state, struct buf *answer, struct fields *out)
{
    int fd = desk_link_open(state, "control");
    bool is_there = fd >= 0 && desk_link_ask(fd, STR("op=where\n"), answer) == ERR_OK
                    && fields_parse(desk_link_find_end(buf_str(answer)), out) == ERR_OK;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_there;
}

/* Where it listens: as limetta serve takes it, but that a running server knows its own. listen: room for d->listen. */
static int find_ports(const struct doctor_args *a, struct doctor *d, struct buf *listen)
{
    CLEANUP(buf_release) struct buf answer = BUF_INIT(OUT_MOST);
    const struct config *c = d->config;
    struct fields f;
    uint64_t v = config_get(c, CONFIG_port_offset).n > 0 ? config_get_u64(c, CONFIG_port_offset)
                 : geteuid() != 0                        ? OFFSET_WITHOUT_ROOT
                                                         : 0;
    if (ask_where(a->state, &answer, &f)) {
        v = fields_get_u64(&f, STR("offset"), v);
        buf_add(listen, fields_get(&f, STR("listen")));
        fields_release(&f);
    }
    if (a->offset != NULL && !str_to_u64(str_from_c(a->offset), PORT_OFFSET_MOST, &v)) {
        return tool_fail(EXIT_USAGE, "--port-offset must be a number from 0 to %d",
                         PORT_OFFSET_MOST);
    }
    d->offset = (unsigned)v;
    d->listen = a->listen != NULL ? str_from_c(a->listen) : buf_str(listen);
    return EXIT_FINE;
}

static int examine(const struct doctor_args *a, struct config *c)
{
    struct doctor d = {.config = c, .dir = a->state, .config_path = a->config};
    struct doctor_service services[DOCTOR_SERVICES_MOST];
    uint16_t ports[DOCTOR_PORTS_MOST];
    CLEANUP(buf_release) struct buf listen = BUF_INIT(OUT_MOST);
    d.has_domains = config_get(c, CONFIG_domains).n > 0;
    int code = serve_check_config(c);
    code = code == EXIT_FINE ? find_ports(a, &d, &listen) : code;
    if (code != EXIT_FINE) {
        return code;
    }
    serve_complete_config(c);
    doctor_read_host(a->state, ports, &d.host);
    size_t count = doctor_list_services(&d, services);
    doctor_check_ports(&d, services, count);
    doctor_check_config(&d);
    doctor_check_tls(&d);
    doctor_check_files(&d);
    doctor_check_host(&d);
    if (a->is_json) {
        print_json(&d, services, count);
    } else {
        print_text(&d, services, count);
    }
    bool is_bad =
        count_level(&d, DOCTOR_ERROR) > 0 || (a->is_strict && count_level(&d, DOCTOR_WARNING) > 0);
    doctor_release(&d);
    return is_bad ? EXIT_NOT_SO : EXIT_FINE;
}

int tool_doctor(int argc, char **argv)
{
    static const char USAGE[] = "limetta doctor [--config FILE] [--state DIR] [--listen ADDR] "
                                "[--port-offset N] [--json] [--strict]";
    struct doctor_args a = {.state = "state"};
    struct tool_words words = {.most = 0};
    struct config *c = NULL;
    const struct tool_option options[] = {
        {"--state", &a.state, NULL},
        {"--config", &a.config, NULL},
        {"--port-offset", &a.offset, NULL},
        {"--listen", &a.listen, NULL},
        {"--json", NULL, &a.is_json},
        {"--strict", NULL, &a.is_strict},
        {NULL, NULL, NULL},
    };
    int code = tool_parse(argc, argv, options, USAGE, &words);
    if (code != EXIT_FINE) {
        return code;
    }
    if (access(a.state, R_OK | X_OK) != 0 && errno == EACCES) {
        return tool_fail(EXIT_ENVIRONMENT, "%s: %s", a.state, tool_explain(ERR_NO_PERMISSION));
    }
    enum err e = config_read(a.config, &c);
    if (e != ERR_OK) {
        return e == ERR_SYNTAX ? EXIT_USAGE : EXIT_ENVIRONMENT;
    }
    code = examine(&a, c);
    config_free(&c);
    return code;
}
