/* The supervisor: starts the roles, joins them, restarts what dies, stops them in order.
 *
 *     process:  (none) --start--> running --READY--> ready --dies--> waiting --timer--> running ...
 *                                    '--dies before any READY, before all were ready once--> give up
 *
 * A role that died is started again after a pause that doubles with each crash (0.1 to 30 s). Crashes are forgotten after five
 * seconds of life, for clients wait meanwhile. Links belong to two processes: when one starts, each running peer gets the other end of a
 * new pair.
 *
 * Stopping goes from the outside in, so that nobody talks to a role that is gone: edge (clients hear goodbye), submit, then
 * all others. Each stage has STOP_STAGE_MS; who is late is killed, which costs nothing but sessions: what was
 * acknowledged is on disk. */
#include "main/supervisor_priv.h"

#include "base/log.h"
#include "main/metrics.h"
#include "main/notify.h"
#include "tools/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RESTART_FIRST_MS = 100, RESTART_MOST_MS = 30 * 1000, STEADY_MS = 5 * 1000 };
enum { STOP_STAGE_MS = 10 * 1000, SAME_SIGNAL_MS = 300, STAGES = 3 };

static void advance_stop(struct supervisor *s);

static const char *get_name(const struct process *p)
{
    return control_role_name(p->role);
}

static void close_control(struct process *p)
{
    if (p->watch != NULL) {
        fd_watch_free(&p->watch);
    }
    if (p->control >= 0) {
        (void)close(p->control);
        p->control = -1;
    }
}

void supervisor_kill(struct process *p, const char *why)
{
    if (p->pid > 0) {
        log_error("%s %u: %s; ending it", get_name(p), p->index, why);
        (void)kill(p->pid, SIGKILL);
    }
}

static void hand_over(struct process *to, const struct control_message *peer)
{
    enum err e = control_send(to->control, peer);
    if (e != ERR_OK && e != ERR_PEER_GONE) {
        supervisor_kill(to, "does not take its links");
    }
}

static void send_peer(struct process *to, const struct process *peer, int fd)
{
    struct control_message m = {
        .type = CONTROL_PEER,
        .role = peer->role,
        .index = peer->index,
        .key = str_from_c(to->supervisor->context.state->name),
        .fd = fd,
    };
    hand_over(to, &m);
}

static void join(struct process *a, struct process *b)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        log_error("no link between %s %u and %s %u: %s", get_name(a), a->index, get_name(b),
                  b->index, strerrordesc_np(errno));
        return;
    }
    send_peer(a, b, pair[0]);
    send_peer(b, a, pair[1]);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static void join_all(struct process *p)
{
    struct supervisor *s = p->supervisor;
    for (size_t i = 0; i < s->processes.count; i++) {
        struct process *other = s->processes.at[i];
        if (other != p && other->pid > 0 && process_may_link(p->role, other->role)) {
            join(p, other);
        }
    }
}

static void tell_when_all_ready(struct supervisor *s)
{
    for (size_t i = 0; i < s->processes.count; i++) {
        if (!s->processes.at[i]->is_ready) {
            return;
        }
    }
    if (!s->was_ready) {
        s->was_ready = true;
        s->options->on_ready(s->options->owner);
    }
}

/* A part of what the role says of itself; the last one puts it in place. */
static bool take_metrics(struct process *p, const struct control_message *m)
{
    buf_add(&p->incoming, m->value);
    if (m->has_more) {
        return buf_err(&p->incoming) == ERR_OK;
    }
    bool is_fine = buf_err(&p->incoming) == ERR_OK && metrics_is_text(buf_str(&p->incoming));
    buf_clear(&p->metrics);
    buf_add(&p->metrics, is_fine ? buf_str(&p->incoming) : STR_EMPTY);
    buf_clear(&p->incoming);
    return is_fine;
}

static struct process *find_process(struct supervisor *s, enum link_role role, unsigned index)
{
    for (size_t i = 0; i < s->processes.count; i++) {
        struct process *p = s->processes.at[i];
        if (p->role == role && p->index == index) {
            return p;
        }
    }
    return NULL;
}

/* The gate has a link to a role of another host, for one of ours ("store 3"). It is believed about who is there, for
 * it saw the certificate; not about who may talk to whom, nor that a role of another host has the number of one of
 * ours. What is not wanted is closed, which the gate hears. */
static void take_join(struct process *gate, const struct control_message *m)
{
    struct supervisor *s = gate->supervisor;
    struct str number = m->value;
    struct str word = str_split(&number, ' ');
    enum link_role role = ROLE_COUNT;
    uint64_t index = 0;
    struct process *to = NULL;
    if (gate->role == ROLE_GATE && hosts_find_role(word, &role)
        && str_to_u64(number, CONTROL_INDEX_MOST, &index) && hosts_may_link(role, m->role)
        && find_process(s, m->role, m->index) == NULL) {
        to = find_process(s, role, (unsigned)index);
    }
    if (to == NULL) {
        log_error("the gate has a link for %.*s that may not be", STR_ARG(m->value));
    } else if (to->is_ready) {
        struct control_message peer = *m;
        peer.type = CONTROL_PEER;
        peer.value = STR_EMPTY;
        hand_over(to, &peer);
    }
    (void)close(m->fd);
}

/* What a role says besides that it is ready. False: that is not it. */
static bool take_word(struct process *p, const struct control_message *m)
{
    if (m->type == CONTROL_JOIN) {
        take_join(p, m);
        return true;
    }
    return (m->type == CONTROL_METRICS && take_metrics(p, m))
           || (m->type == CONTROL_KICKED && operator_take_kicked(p, m));
}

static void on_control(void *owner)
{
    struct process *p = owner;
    char packet[CONTROL_PACKET_MOST];
    struct control_message m;
    enum err e = control_receive(p->control, false, packet, &m);
    if (e == ERR_UNAVAILABLE) {
        return;
    }
    if (e == ERR_OK && take_word(p, &m)) {
        return;
    }
    if (e != ERR_OK || m.type != CONTROL_READY) {
        if (e == ERR_OK && m.fd >= 0) {
            (void)close(m.fd);
        }
        fd_watch_free(&p->watch);
        if (e == ERR_OK || e == ERR_SYNTAX) {
            supervisor_kill(p, "breaks the control protocol");
        }
        return; /* else it is about to die, which SIGCHLD will tell */
    }
    p->is_ready = true;
    if (p->supervisor->was_ready) {
        log_info("%s %u is back", get_name(p), p->index);
    }
    tell_when_all_ready(p->supervisor);
    restart_on_ready(p);
}

static void begin_stop(struct supervisor *s)
{
    if (s->stage == 0) {
        s->stage = 1;
        notify_send("STOPPING=1");
        restart_cancel(s);
        advance_stop(s);
    }
}

static void give_up(struct supervisor *s, const struct process *p)
{
    if (s->stage == 0) {
        log_error("%s %u does not start; the reason stands above", get_name(p), p->index);
        s->exit_code = EXIT_ENVIRONMENT;
    }
    begin_stop(s);
}

void supervisor_start(struct process *p)
{
    struct supervisor *s = p->supervisor;
    if (s->stage > 0) {
        return;
    }
    if (process_start(p->role, p->index, &p->pid, &p->control) != ERR_OK) {
        p->pid = 0;
        give_up(s, p);
        return;
    }
    p->is_ready = false;
    p->started_ms = loop_now_ms(s->loop);
    p->started_wall_ms = loop_wall_ms(s->loop);
    buf_clear(&p->incoming);
    p->watch = fd_watch_new(s->loop, p->control, on_control, p);
    if (p->role == ROLE_GATE && s->was_ready) {
        state_renew_link(s->options->state, s->context.config, &s->options->hosts->at[0]);
    }
    if (process_tell(&s->context, p->role, p->index, p->control) != ERR_OK) {
        supervisor_kill(p, "does not take its settings");
        return;
    }
    join_all(p);
}

/* Its pause after a crash is over. */
static void start_again(void *owner)
{
    struct process *p = owner;
    p->restarts++;
    supervisor_start(p);
}

static void log_death(const struct process *p, int status)
{
    if (WIFSIGNALED(status)) {
        log_error("%s %u (process %d) was ended by SIG%s%s", get_name(p), p->index, p->pid,
                  sigabbrev_np(WTERMSIG(status)),
                  WTERMSIG(status) == SIGSYS ? ": it made a forbidden system call" : "");
    } else if (p->supervisor->stage == 0 && !p->is_leaving) {
        log_error("%s %u (process %d) ended by itself, exit code %d", get_name(p), p->index, p->pid,
                  WEXITSTATUS(status));
    }
}

static void on_death(struct process *p, int status)
{
    struct supervisor *s = p->supervisor;
    log_death(p, status);
    p->pid = 0;
    p->is_ready = false;
    buf_clear(&p->metrics);
    close_control(p);
    operator_drop_kicks(p);
    if (s->stage > 0) {
        advance_stop(s);
        return;
    }
    if (restart_on_death(p)) {
        return;
    }
    if (!s->was_ready && WIFEXITED(status)) {
        give_up(s, p);
        return;
    }
    p->crashes = loop_now_ms(s->loop) - p->started_ms >= STEADY_MS ? 0 : p->crashes + 1;
    uint64_t pause_ms =
        p->crashes >= 9 ? RESTART_MOST_MS : (uint64_t)RESTART_FIRST_MS << p->crashes;
    timer_start(p->restart, pause_ms < RESTART_MOST_MS ? pause_ms : RESTART_MOST_MS);
}

static void on_child(void *owner)
{
    struct supervisor *s = owner;
    for (size_t i = 0; i < s->processes.count; i++) {
        struct process *p = s->processes.at[i];
        int status;
        if (p->pid > 0 && waitpid(p->pid, &status, WNOHANG) == p->pid) {
            on_death(p, status);
        }
    }
}

static unsigned get_stage(const struct process *p)
{
    return p->role == ROLE_EDGE ? 1 : p->role == ROLE_SUBMIT ? 2 : 3;
}

/* How many processes of the stage run; sends them the word when is_asked. */
static unsigned count_running(struct supervisor *s, unsigned stage, bool is_asked)
{
    unsigned count = 0;
    for (size_t i = 0; i < s->processes.count; i++) {
        struct process *p = s->processes.at[i];
        if (p->pid <= 0 || get_stage(p) != stage) {
            continue;
        }
        count++;
        struct control_message stop = {.type = CONTROL_STOP, .fd = -1};
        if (is_asked && control_send(p->control, &stop) != ERR_OK) {
            (void)kill(p->pid, SIGKILL);
        }
    }
    return count;
}

/* Goes through the stages as their processes end. The timer runs while somebody was asked. */
static void advance_stop(struct supervisor *s)
{
    static const unsigned ASKED = 1U << 8;
    while ((s->stage & ~ASKED) <= STAGES) {
        bool was_asked = (s->stage & ASKED) != 0;
        unsigned stage = s->stage & ~ASKED;
        if (count_running(s, stage, !was_asked) > 0) {
            if (!was_asked) {
                s->stage = stage | ASKED;
                timer_start(s->stop_timer, STOP_STAGE_MS);
            }
            return;
        }
        s->stage = stage + 1;
    }
    timer_stop(s->stop_timer);
    loop_stop(s->loop);
}

static void kill_all(struct supervisor *s)
{
    for (size_t i = 0; i < s->processes.count; i++) {
        if (s->processes.at[i]->pid > 0) {
            (void)kill(s->processes.at[i]->pid, SIGKILL);
        }
    }
}

/* A stage takes too long: its processes, and only they, are ended. */
static void on_late(void *owner)
{
    struct supervisor *s = owner;
    for (size_t i = 0; i < s->processes.count; i++) {
        struct process *p = s->processes.at[i];
        if (get_stage(p) == (s->stage & 0xff)) {
            supervisor_kill(p, "does not stop");
        }
    }
}

static void on_signal(void *owner)
{
    struct supervisor *s = owner;
    if (s->stage == 0) {
        log_info("stopping");
        s->stop_ms = loop_now_ms(s->loop);
        begin_stop(s);
    } else if (loop_now_ms(s->loop) - s->stop_ms >= SAME_SIGNAL_MS) {
        log_warn("stopping at once");
        kill_all(s);
    } /* else the same wish, sent to us and to our process group */
}

/* Is there a terminal that we belong to? */
static bool has_terminal(void)
{
    int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0) {
        (void)close(fd);
    }
    return fd >= 0;
}

/* SIGHUP: as limetta reload, but the log alone says what came of it. When it is our terminal that went away, the end. */
static void on_hangup(void *owner)
{
    struct supervisor *s = owner;
    CLEANUP(buf_release) struct buf report = BUF_INIT(DESK_ANSWER_MOST);
    if (s->had_terminal && !has_terminal()) {
        on_signal(s);
    } else if (s->stage == 0) {
        (void)operator_reload(s, &report);
    }
}

static void add_process(struct supervisor *s, enum link_role role, unsigned index)
{
    struct process *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        abort();
    }
    p->supervisor = s;
    p->role = role;
    p->index = index;
    p->control = -1;
    p->metrics = BUF_INIT(METRICS_PART_MOST);
    p->incoming = BUF_INIT(METRICS_PART_MOST);
    p->restart = timer_new(s->loop, start_again, p);
    vec_push(&s->processes, p);
}

/* Does the configuration name somebody who knows passwords or tokens? */
static bool asks_outside(const struct config *c)
{
    return config_get(c, CONFIG_ldap_url).n > 0 || config_get(c, CONFIG_oauth_introspection).n > 0;
}

/* The roles of this host, and the gate when there are other hosts. */
static void add_processes(struct supervisor *s, const struct hosts *hosts)
{
    static const enum link_role ONE_EACH[] = {ROLE_SUBMIT, ROLE_CONVERT};
    const struct host *own = &hosts->at[0];
    if (hosts_has(own, ROLE_AUTH)) {
        if (asks_outside(s->context.config)) {
            add_process(s, ROLE_VERIFY, 0);
        }
        add_process(s, ROLE_AUTH, 0);
    }
    for (unsigned i = own->first; hosts_has(own, ROLE_STORE) && i <= own->last; i++) {
        add_process(s, ROLE_STORE, i);
    }
    for (size_t i = 0; i < sizeof(ONE_EACH) / sizeof(ONE_EACH[0]); i++) {
        if (hosts_has(own, ONE_EACH[i])) {
            add_process(s, ONE_EACH[i], 0);
        }
    }
    /* Other hosts count one edge a host. */
    uint64_t edges = hosts->count > 1 ? 1 : config_get_u64(s->context.config, CONFIG_edges);
    for (unsigned i = 0; hosts_has(own, ROLE_EDGE) && i < edges; i++) {
        add_process(s, ROLE_EDGE, i);
    }
    if (hosts->count > 1) {
        add_process(s, ROLE_GATE, 0);
    }
}

/* Links to be handed over are in flight for a moment, all at once when everything starts. */
static void raise_limits(void)
{
    struct rlimit fds;
    if (getrlimit(RLIMIT_NOFILE, &fds) == 0) {
        fds.rlim_cur = fds.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &fds);
    }
}

static void release(struct supervisor *s)
{
    operator_close(s);
    for (size_t i = 0; i < s->processes.count; i++) {
        struct process *p = s->processes.at[i];
        close_control(p);
        timer_free(&p->restart);
        buf_release(&p->metrics);
        buf_release(&p->incoming);
        free(p);
    }
    vec_release(&s->processes);
    for (size_t i = 0; i < SUPERVISOR_SIGNALS; i++) {
        if (s->signals[i] != NULL) {
            signal_watch_free(&s->signals[i]);
        }
    }
    timer_free(&s->stop_timer);
    timer_free(&s->rolling.late);
    metrics_free(&s->metrics);
    loop_free(&s->loop);
}

/* For GET /metrics. */
static void write_metrics(void *owner, struct buf *out)
{
    struct supervisor *s = owner;
    struct metrics_role *roles = calloc(s->processes.count, sizeof(*roles));
    if (roles == NULL) {
        abort();
    }
    for (size_t i = 0; i < s->processes.count; i++) {
        const struct process *p = s->processes.at[i];
        roles[i] = (struct metrics_role){p->role,     p->index,    p->pid,
                                         p->is_ready, p->restarts, buf_str(&p->metrics)};
    }
    metrics_write_roles(out, roles, s->processes.count, s->start_wall_ms);
    free(roles);
}

static void watch_signals(struct supervisor *s)
{
    static const struct {
        int number;
        void (*fn)(void *owner);
    } WATCHED[SUPERVISOR_SIGNALS] = {
        {SIGCHLD, on_child}, {SIGTERM, on_signal}, {SIGINT, on_signal}, {SIGHUP, on_hangup}};
    s->had_terminal = has_terminal();
    for (size_t i = 0; i < SUPERVISOR_SIGNALS; i++) {
        struct sigaction now;
        bool is_ignored =
            sigaction(WATCHED[i].number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
        if (WATCHED[i].number == SIGHUP && is_ignored) {
            continue; /* nohup(1) */
        }
        s->signals[i] = signal_watch_new(s->loop, WATCHED[i].number, WATCHED[i].fn, s);
    }
}

static void prepare(struct supervisor *s, const struct supervise_options *o)
{
    s->context =
        (struct process_context){*o->config, o->state, o->hosts, o->listenings, o->port_offset};
    s->loop = loop_new();
    s->start_wall_ms = loop_wall_ms(s->loop);
    s->stop_timer = timer_new(s->loop, on_late, s);
    watch_signals(s);
    if (o->metrics_fd >= 0) {
        s->metrics = metrics_new(s->loop, o->metrics_fd, write_metrics, s);
    }
    add_processes(s, o->hosts);
    operator_open(s, o->control_fd);
}

int supervise(const struct supervise_options *o)
{
    struct supervisor s = {.processes = VEC_INIT, .options = o, .exit_code = EXIT_FINE};
    raise_limits();
    prepare(&s, o);
    for (size_t i = 0; i < s.processes.count; i++) {
        supervisor_start(s.processes.at[i]);
    }
    loop_run(s.loop);
    release(&s);
    return s.exit_code;
}
