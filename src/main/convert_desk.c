/* The desk of the convert role.
 *
 *     WAITING --a slot is free--> TAKING --all octets--> RUNNING --child and pipe ended--> ANSWERED
 *        |                          |                       |
 *        '-- too many: "busy"       '-- too large: "no"     '-- late: killed, "busy"; too much said: killed, "no"
 *
 * A conversion that waits is not read: its octets stay with the worker, so memory is bounded by the slots. The part is
 * gathered in a file in memory, the result in a buffer up to a bound. Whose turn it is: the first in line of the user who has
 * the fewest conversions running, and of those the one whose last turn was longest ago, so that nobody's hundred pictures
 * stand before somebody's one.
 *
 * Whatever the child does, it costs this process a few octets of state: it is another program with limits of its own
 * (convert_child.c), its output is counted, its time is measured by the clock, too. A session that goes away takes its child
 * with it. */
#include "main/convert_desk.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "convert/params.h"
#include "main/convert_child.h"
#include "main/convert_tools.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MOST = 256, JOBS_OF_USER_MOST = 24, USER_MOST = 256, READ_SIZE = 64 * 1024 };
enum { USERS = 1024 };
enum { TAKE_MS = 60 * 1000, GRACE_MS = 1000 };

enum job_state { JOB_WAITING, JOB_TAKING, JOB_RUNNING, JOB_ANSWERED };

struct job {
    struct list node;
    struct convert_desk *desk;
    struct stream *stream;
    enum job_state state;
    char user[USER_MOST];
    enum convert_tool tool;
    struct convert_settings settings;
    struct buf from;
    struct buf to;
    int in; /* the part */
    uint64_t size;
    pid_t pid; /* 0: none */
    int status;
    int out; /* of the child; -1: it has ended */
    struct fd_watch *watch;
    struct buf result;
    struct timer *timer;
    uint64_t start_ms;
    bool is_late;
    bool is_too_much;
};

struct convert_desk {
    struct convert_desk_config config;
    struct list jobs; /* in the order they came */
    unsigned count;
    unsigned running; /* slots taken */
    uint64_t turn;    /* conversions begun */
    uint64_t turns
        [USERS]; /* when a user had his last turn, by the hash of his name; who shares a place shares the turn */
};

static void start_next(void *owner);

/* ---- a job ---- */

static void close_output(struct job *j)
{
    if (j->watch != NULL) {
        fd_watch_free(&j->watch);
    }
    if (j->out >= 0) {
        (void)close(j->out);
        j->out = -1;
    }
}

static void free_job(struct job *j)
{
    struct convert_desk *d = j->desk;
    close_output(j);
    if (j->pid > 0) {
        (void)kill(j->pid, SIGKILL);
        (void)waitpid(j->pid, NULL, 0);
    }
    if (j->in >= 0) {
        (void)close(j->in);
    }
    if (j->stream != NULL) {
        stream_free(&j->stream);
    }
    if (j->state == JOB_TAKING || j->state == JOB_RUNNING) {
        d->running--;
        loop_defer(d->config.loop, start_next, d);
    }
    timer_free(&j->timer);
    buf_release(&j->from);
    buf_release(&j->to);
    buf_release(&j->result);
    list_remove(&j->node);
    d->count--;
    free(j);
}

/* The last word, then the end. */
static void answer(struct job *j, struct str line, struct str octets)
{
    stream_write(j->stream, line);
    stream_write(j->stream, octets);
    stream_finish(j->desk->config.loop, &j->stream);
    free_job(j);
}

static void refuse(struct job *j, const char *why, bool is_for_now)
{
    log_info("conversion of %.*s to %.*s for %s: %s", STR_ARG(buf_str(&j->from)),
             STR_ARG(buf_str(&j->to)), j->user, why);
    answer(j, is_for_now ? STR("busy\n") : STR("no\n"), STR_EMPTY);
}

/* ---- running ---- */

static bool is_fine(const struct job *j)
{
    return WIFEXITED(j->status) && WEXITSTATUS(j->status) == 0 && !j->is_late && !j->is_too_much
           && j->result.len > 0;
}

static const char *find_why(const struct job *j)
{
    if (j->is_late) {
        return "it took too long";
    }
    if (j->is_too_much) {
        return "the result is too large";
    }
    if (WIFSIGNALED(j->status)) {
        int signum = WTERMSIG(j->status);
        return signum == SIGSYS    ? "it made a forbidden system call"
               : signum == SIGXCPU ? "it needed too much processor time"
                                   : "it crashed";
    }
    return "it cannot be converted";
}

/* Ends the job when the child has ended and everything that it said was read. */
static void finish_if_done(struct job *j)
{
    char line[64];
    if (j->pid > 0 || j->out >= 0) {
        return;
    }
    if (WIFEXITED(j->status) && WEXITSTATUS(j->status) == CONVERT_CHILD_CANNOT) {
        log_error("a conversion could not be confined, so it did not begin");
        refuse(j, "not now", true);
        return;
    }
    if (!is_fine(j)) {
        refuse(j, find_why(j), j->is_late);
        return;
    }
    log_info("conversion of %.*s to %.*s for %s: %llu octets to %zu in %llu ms",
             STR_ARG(buf_str(&j->from)), STR_ARG(buf_str(&j->to)), j->user,
             (unsigned long long)j->size, j->result.len,
             (unsigned long long)(loop_now_ms(j->desk->config.loop) - j->start_ms));
    int n = snprintf(line, sizeof(line), "ok %zu\n", j->result.len);
    answer(j, str_make(line, (size_t)n), buf_str(&j->result));
}

/* It may have ended and left its last octets in the pipe; and 0 would mean all our relatives. */
static void kill_child(const struct job *j)
{
    if (j->pid > 0) {
        (void)kill(j->pid, SIGKILL);
    }
}

static void on_output(void *owner)
{
    struct job *j = owner;
    char *at = buf_reserve(&j->result, READ_SIZE);
    if (at == NULL) {
        j->is_too_much = true;
        kill_child(j);
        close_output(j);
        finish_if_done(j);
        return;
    }
    ssize_t n = read(j->out, at, READ_SIZE);
    if (n > 0) {
        buf_commit(&j->result, (size_t)n);
    } else if (n == 0 || errno != EAGAIN) {
        close_output(j);
        finish_if_done(j);
    }
}

static void on_time(void *owner)
{
    struct job *j = owner;
    if (j->state != JOB_RUNNING) {
        refuse(j, "its octets did not come", true);
        return;
    }
    j->is_late = true;
    kill_child(j);
}

static void run(struct job *j)
{
    const struct convert_desk_config *c = &j->desk->config;
    struct tool_command command;
    const struct tool_task task = {j->tool, buf_str(&j->from), buf_str(&j->to), &j->settings,
                                   c->pixels};
    convert_tools_write(&task, c->dir, &command);
    const struct convert_child child = {
        .argv = command.argv,
        .reads = command.reads,
        .time_s = c->time_s,
        .memory = c->memory,
        .in = j->in,
    };
    j->state = JOB_RUNNING;
    j->start_ms = loop_now_ms(c->loop);
    if (convert_child_start(&child, &j->pid, &j->out) != ERR_OK) {
        refuse(j, "no process could be started", true);
        return;
    }
    (void)close(j->in);
    j->in = -1;
    j->watch = fd_watch_new(c->loop, j->out, on_output, j);
    timer_start(j->timer, c->time_s * 1000 + GRACE_MS);
}

void convert_desk_on_child(struct convert_desk *d)
{
    list_each_safe(node, &d->jobs)
    {
        struct job *j = list_entry(node, struct job, node);
        if (j->pid > 0 && waitpid(j->pid, &j->status, WNOHANG) == j->pid) {
            j->pid = 0;
            finish_if_done(j);
        }
    }
}

/* ---- taking the part ---- */

static void on_octets(void *owner, struct str octets)
{
    struct job *j = owner;
    j->size += octets.n;
    if (j->size > j->desk->config.input_most) {
        refuse(j, "the part is too large", false);
        return;
    }
    while (octets.n > 0) {
        ssize_t n = write(j->in, octets.p, octets.n);
        if (n <= 0) {
            refuse(j, "no memory for the part", true);
            return;
        }
        octets = str_skip(octets, (size_t)n);
    }
}

static void on_drained(void *owner)
{
    (void)owner; /* what is said is said at the end */
}

static void on_end(void *owner, enum err why)
{
    struct job *j = owner;
    if (why != ERR_OK || j->state == JOB_WAITING) {
        free_job(j);
    } else if (j->state == JOB_TAKING) {
        timer_stop(j->timer);
        run(j);
    }
}

static const struct stream_handler HANDLER = {on_octets, on_drained, on_end};

static void take(struct job *j)
{
    struct convert_desk *d = j->desk;
    d->running++;
    j->state = JOB_TAKING;
    j->in = memfd_create("part", MFD_CLOEXEC);
    if (j->in < 0) {
        refuse(j, "no memory for the part", true);
        return;
    }
    timer_start(j->timer, TAKE_MS);
    stream_set_handler(j->stream, &HANDLER, j);
    stream_resume(j->stream);
}

/* ---- whose turn it is ---- */

static unsigned count_jobs(const struct convert_desk *d, const char *user, bool is_running)
{
    unsigned count = 0;
    list_each(node, &d->jobs)
    {
        const struct job *j = list_entry(node, struct job, node);
        bool counts = !is_running || j->state == JOB_TAKING || j->state == JOB_RUNNING;
        count += counts && strcmp(j->user, user) == 0 ? 1 : 0;
    }
    return count;
}

static size_t get_place(const struct job *j)
{
    return str_hash(str_from_c(j->user)) % USERS;
}

static struct job *find_next(const struct convert_desk *d)
{
    struct job *best = NULL;
    unsigned best_running = 0;
    uint64_t best_turn = 0;
    list_each(node, &d->jobs)
    {
        struct job *j = list_entry(node, struct job, node);
        if (j->state != JOB_WAITING) {
            continue;
        }
        unsigned running = count_jobs(d, j->user, true);
        uint64_t turn = d->turns[get_place(j)];
        if (best == NULL || running < best_running
            || (running == best_running && turn < best_turn)) {
            best = j;
            best_running = running;
            best_turn = turn;
        }
    }
    return best;
}

static void start_next(void *owner)
{
    struct convert_desk *d = owner;
    while (d->running < d->config.slots) {
        struct job *j = find_next(d);
        if (j == NULL) {
            return;
        }
        d->turns[get_place(j)] = ++d->turn;
        take(j);
    }
}

/* ---- the desk ---- */

struct convert_desk *convert_desk_new(const struct convert_desk_config *c)
{
    struct convert_desk *d = mem_new(sizeof(*d));
    d->config = *c;
    list_init(&d->jobs);
    return d;
}

void convert_desk_free(struct convert_desk **d)
{
    if (*d == NULL) {
        return;
    }
    list_each_safe(node, &(*d)->jobs)
    {
        free_job(list_entry(node, struct job, node));
    }
    loop_cancel_deferred((*d)->config.loop, *d);
    free(*d);
    *d = NULL;
}

/* Reads the open message; false when it asks for what is not here. */
static bool read_head(struct job *j, const struct fields *head)
{
    struct convert_pair pair;
    struct str user = fields_get(head, STR("user"));
    (void)snprintf(j->user, sizeof(j->user), "%.*s", STR_ARG(user));
    buf_add(&j->from, fields_get(head, STR("from")));
    buf_add(&j->to, fields_get(head, STR("to")));
    convert_settings_read_fields(head, &j->settings);
    return convert_tool_find(fields_get(head, STR("tool")), &j->tool)
           && convert_find(j->desk->config.tools, buf_str(&j->from), buf_str(&j->to), &pair)
           && pair.tool == j->tool;
}

void convert_desk_open(struct convert_desk *d, const struct fields *head, struct stream *s)
{
    struct job *j = mem_new(sizeof(*j));
    j->desk = d;
    j->stream = s;
    j->in = -1;
    j->out = -1;
    buf_init(&j->from, USER_MOST);
    buf_init(&j->to, USER_MOST);
    buf_init(&j->result, (size_t)d->config.output_most + READ_SIZE);
    j->timer = timer_new(d->config.loop, on_time, j);
    bool is_known = read_head(j, head);
    bool is_room = d->count < JOBS_MOST && count_jobs(d, j->user, false) < JOBS_OF_USER_MOST;
    list_append(&d->jobs, &j->node);
    d->count++;
    stream_pause(s);
    if (!is_known || !is_room) {
        refuse(j, is_known ? "too many wait" : "there is no such conversion", is_known);
        return;
    }
    start_next(d);
}
