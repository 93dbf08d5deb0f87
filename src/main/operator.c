/* The operator at the running server: a desk of the supervisor at run/control in the state folder, for limetta reload, restart and
 * status. Requests and answers are blocks (main/desk.h):
 *
 *     op=reload                       type=setting, type=certificate (main/reload.h); type=end
 *     op=restart roles=<names> index=<number or nothing>    type=restarted role= index= pid=, as they come back; type=end
 *     op=status                       type=server; a type=role for each process, with its metrics; type=end
 *     op=where                        type=end dir= config= offset= listen= tls=0|1: its folder, what it reads, its ports and
 *                                     their addresses (empty: all), whether it has a certificate
 *     op=kick                         main/operator_kick.c
 *
 * type=end says result=ok, or result=no why=<words>.
 *
 * A reload that fails changes nothing, wherever it fails: everything is read and checked before the first thing is replaced. */
#include "base/log.h"
#include "main/metrics.h"
#include "main/reload.h"
#include "main/serve.h"
#include "main/supervisor_priv.h"
#include "net/fields.h"
#include "tools/tool.h"

#include <errno.h>
#include <unistd.h>

enum { REQUEST_MOST = 4096, ALL_BUT_EDGE = ((1 << ROLE_SUPERVISOR) - 1) & ~(1 << ROLE_EDGE) };

static void write_end(struct buf *out, const char *why)
{
    fields_add(out, STR("type"), STR("end"));
    fields_add(out, STR("result"), why == NULL ? STR("ok") : STR("no"));
    if (why != NULL) {
        fields_add(out, STR("why"), str_from_c(why));
    }
    buf_add_char(out, '\n');
}

/* ---- reload ---- */

/* Tells each running role what it takes anew; who does not take it is replaced. */
static void tell_roles(struct supervisor *s, bool has_certificate, int log_fd)
{
    for (size_t i = 0; i < s->processes.count; i++) {
        struct process *p = s->processes.at[i];
        struct control_message log = {.type = CONTROL_LOG, .fd = log_fd};
        if (p->pid <= 0 || p->is_leaving) {
            continue;
        }
        enum err e = log_fd >= 0 ? control_send(p->control, &log) : ERR_OK;
        if (e == ERR_OK) {
            e = process_tell_again(&s->context, p->role, p->control, has_certificate);
        }
        if (e != ERR_OK && e != ERR_PEER_GONE) {
            supervisor_kill(p, "does not take its settings");
        }
    }
}

static void take_certificate(struct supervisor *s, struct reload *r)
{
    struct state *state = s->options->state;
    buf_release(&state->tls_cert);
    buf_wipe(&state->tls_key);
    state->tls_cert = r->tls_cert;
    state->tls_key = r->tls_key;
    r->tls_cert = BUF_INIT(0);
    r->tls_key = BUF_INIT(0);
}

static void take_config(struct supervisor *s, struct reload *r)
{
    config_free(s->options->config);
    *s->options->config = r->config;
    s->context.config = r->config;
    r->config = NULL;
}

int operator_reload(struct supervisor *s, struct buf *report)
{
    struct reload r;
    int log_fd = -1;
    int code =
        reload_read(s->options->config_path, s->context.config, s->options->state, &r, report);
    if (code == EXIT_FINE) {
        code = serve_open_log(r.config, &log_fd);
        if (code != EXIT_FINE) {
            reload_release(&r);
        }
    }
    if (code != EXIT_FINE) {
        log_error("the configuration was not reloaded; what was in force stays");
        return code;
    }
    bool has_certificate = r.is_certificate_new;
    if (has_certificate) {
        take_certificate(s, &r);
    }
    take_config(s, &r);
    reload_release(&r);
    tell_roles(s, has_certificate, log_fd);
    serve_use_log(s->context.config, log_fd);
    s->reloads++;
    log_info("the configuration was reloaded%s", has_certificate ? ", with a new certificate" : "");
    return EXIT_FINE;
}

static void answer_reload(struct supervisor *s, struct desk_visit *v)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(DESK_ANSWER_MOST);
    int code = operator_reload(s, &out);
    write_end(&out, code == EXIT_FINE ? NULL : "it cannot be used; the log says why");
    desk_answer(v, buf_str(&out));
}

/* ---- restart ---- */

/* The roles that words name; 0: a word that names none. */
static unsigned find_roles(struct str words)
{
    unsigned roles = 0;
    while (words.n > 0) {
        struct str word = str_split(&words, ' ');
        unsigned bit = str_eq(word, STR("all-but-edge")) ? ALL_BUT_EDGE : 0;
        for (unsigned i = 0; i < ROLE_SUPERVISOR; i++) {
            if (str_eq(word, str_from_c(control_role_name((enum link_role)i)))) {
                bit = 1U << i;
            }
        }
        if (bit == 0) {
            return 0;
        }
        roles |= bit;
    }
    return roles;
}

static bool has_process(const struct supervisor *s, unsigned roles, int index)
{
    for (size_t i = 0; i < s->processes.count; i++) {
        const struct process *p = s->processes.at[i];
        if ((roles >> p->role & 1) != 0 && (index < 0 || (unsigned)index == p->index)) {
            return true;
        }
    }
    return false;
}

static void answer_restart(struct supervisor *s, struct desk_visit *v, const struct fields *f)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(REQUEST_MOST);
    unsigned roles = find_roles(fields_get(f, STR("roles")));
    int index = fields_has(f, STR("index"))
                    ? (int)(fields_get_u64(f, STR("index"), 0) & CONTROL_INDEX_MOST)
                    : -1;
    if ((roles & 1 << ROLE_EDGE) != 0) {
        write_end(&out, "clients live in the edge: a new one comes with a restart of everything");
    } else if (roles == 0 || !has_process(s, roles, index)) {
        write_end(&out, "there is no such role here");
    } else if (!restart_begin(s, roles, index, v)) {
        write_end(&out, "a restart is under way already");
    }
    if (out.len > 0) {
        desk_answer(v, buf_str(&out));
    }
}

/* ---- status ---- */

static void write_process(const struct process *p, struct buf *out)
{
    fields_add(out, STR("type"), STR("role"));
    fields_add(out, STR("role"), str_from_c(control_role_name(p->role)));
    fields_add_u64(out, STR("index"), p->index);
    fields_add_u64(out, STR("pid"), (uint64_t)(p->pid > 0 ? p->pid : 0));
    fields_add_u64(out, STR("ready"), p->is_ready ? 1 : 0);
    fields_add_u64(out, STR("since"), p->started_wall_ms);
    fields_add_u64(out, STR("restarts"), p->restarts);
    fields_add_u64(out, STR("resident"), metrics_get_resident(p->pid));
    fields_add(out, STR("metrics"), buf_str(&p->metrics));
    buf_add_char(out, '\n');
}

static void answer_status(struct supervisor *s, struct desk_visit *v)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(DESK_ANSWER_MOST);
    fields_add(&out, STR("type"), STR("server"));
    fields_add(&out, STR("version"), STR(LIMETTA_VERSION));
    fields_add(&out, STR("hostname"), config_get(s->context.config, CONFIG_hostname));
    fields_add_u64(&out, STR("pid"), (uint64_t)getpid());
    fields_add_u64(&out, STR("since"), s->start_wall_ms);
    fields_add_u64(&out, STR("now"), loop_wall_ms(s->loop));
    fields_add_u64(&out, STR("reloads"), s->reloads);
    fields_add_u64(&out, STR("offset"), s->options->port_offset);
    buf_add_char(&out, '\n');
    for (size_t i = 0; i < s->processes.count; i++) {
        write_process(s->processes.at[i], &out);
    }
    write_end(&out, NULL);
    desk_answer(v, buf_str(&out));
}

static void answer_where(struct supervisor *s, struct desk_visit *v)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(DESK_ANSWER_MOST);
    const char *config = s->options->config_path;
    fields_add(&out, STR("type"), STR("end"));
    fields_add(&out, STR("result"), STR("ok"));
    fields_add(&out, STR("dir"), str_from_c(s->options->state->dir));
    fields_add(&out, STR("config"), config == NULL ? STR_EMPTY : str_from_c(config));
    fields_add_u64(&out, STR("tls"), s->options->state->tls_cert.len > 0 ? 1 : 0);
    fields_add_u64(&out, STR("offset"), s->options->port_offset);
    fields_add(&out, STR("listen"),
               s->options->listen != NULL ? str_from_c(s->options->listen)
                                          : config_get(s->context.config, CONFIG_listen));
    buf_add_char(&out, '\n');
    desk_answer(v, buf_str(&out));
}

/* ---- the desk ---- */

static void answer_nonsense(struct desk_visit *v)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(REQUEST_MOST);
    write_end(&out, "this server does not know that request");
    desk_answer(v, buf_str(&out));
}

static void on_request(void *owner, struct desk_visit *v, struct str request)
{
    struct supervisor *s = owner;
    struct fields f;
    if (fields_parse(request, &f) != ERR_OK) {
        answer_nonsense(v);
        return;
    }
    struct str op = fields_get(&f, STR("op"));
    if (str_eq(op, STR("reload"))) {
        answer_reload(s, v);
    } else if (str_eq(op, STR("restart"))) {
        answer_restart(s, v, &f);
    } else if (str_eq(op, STR("status"))) {
        answer_status(s, v);
    } else if (str_eq(op, STR("where"))) {
        answer_where(s, v);
    } else if (str_eq(op, STR("kick"))) {
        operator_kick(s, v, &f);
    } else {
        answer_nonsense(v);
    }
    fields_release(&f);
}

static void on_gone(void *owner, struct desk_visit *v)
{
    struct supervisor *s = owner;
    if (s->rolling.visit == v) {
        s->rolling.visit = NULL; /* the round goes on */
    }
    operator_forget_visit(s, v);
}

void operator_open(struct supervisor *s, int fd)
{
    static const struct desk_handler HANDLER = {on_request, on_gone};
    if (fd >= 0) {
        s->desk = desk_new(s->loop, "control", REQUEST_MOST, &HANDLER, s);
        desk_add(s->desk, fd);
    }
}

void operator_close(struct supervisor *s)
{
    desk_free(&s->desk);
}
