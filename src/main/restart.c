/* Restarting roles under their clients: limetta restart.
 *
 *     next process -> "stop" -> it finishes what is under way, and ends -> started from disk -> READY -> next process
 *
 * Clients live in the edge, which stays; so this is also how a new version comes in: the program that is started is the one that
 * is on disk now. One process at a time, so that all others serve meanwhile, and the first one that does not come back
 * ends the round: the rest then still runs what worked. A process that takes longer than RESTART_LATE_MS to end is
 * killed, which costs what a crash costs: commands that are answered "try again".
 *
 * Whoever asked hears of each process when it serves again, and of the end. */
#include "base/log.h"
#include "main/supervisor_priv.h"
#include "net/fields.h"

#include <signal.h>

enum { RESTART_LATE_MS = 15 * 1000, TRIES = 3, BLOCK_MOST = 1024 };

static void say(struct supervisor *s, const struct buf *block, bool is_last)
{
    if (s->rolling.visit == NULL) {
        return;
    }
    if (is_last) {
        struct desk_visit *v = s->rolling.visit;
        s->rolling.visit = NULL;
        desk_answer(v, buf_str(block));
    } else {
        desk_say(s->rolling.visit, buf_str(block));
    }
}

static void end(struct supervisor *s, struct str why)
{
    CLEANUP(buf_release) struct buf block = BUF_INIT(BLOCK_MOST);
    fields_add(&block, STR("type"), STR("end"));
    fields_add(&block, STR("result"), why.n == 0 ? STR("ok") : STR("no"));
    fields_add(&block, STR("why"), why);
    buf_add_char(&block, '\n');
    s->rolling.roles = 0;
    timer_stop(s->rolling.late);
    say(s, &block, true);
}

static bool is_meant(const struct rolling *r, const struct process *p)
{
    return (r->roles >> p->role & 1) != 0 && (r->index < 0 || (unsigned)r->index == p->index);
}

/* Asks the next one to end; without a next one that was all. */
static void advance(struct supervisor *s)
{
    struct rolling *r = &s->rolling;
    while (r->at < s->processes.count && !is_meant(r, s->processes.at[r->at])) {
        r->at++;
    }
    if (r->at == s->processes.count) {
        end(s, STR_EMPTY);
        return;
    }
    struct process *p = s->processes.at[r->at];
    if (process_check_program(p->role) != ERR_OK) {
        end(s, STR("a program is missing"));
        return;
    }
    p->crashes = 0;
    timer_start(r->late, RESTART_LATE_MS);
    if (p->pid <= 0) { /* it waits for its turn after a crash */
        timer_stop(p->restart);
        supervisor_start(p);
        return;
    }
    struct control_message stop = {.type = CONTROL_STOP, .fd = -1};
    p->is_leaving = true;
    log_info("%s %u is restarted", control_role_name(p->role), p->index);
    if (control_send(p->control, &stop) != ERR_OK) {
        supervisor_kill(p, "does not hear that it should stop");
    }
}

/* It takes too long: to end, or to come back. */
static void on_late(void *owner)
{
    struct supervisor *s = owner;
    struct process *p = s->processes.at[s->rolling.at];
    if (p->is_leaving) {
        supervisor_kill(p, "does not stop");
        timer_start(s->rolling.late, RESTART_LATE_MS);
        return;
    }
    end(s, STR("a role does not start; the log says why"));
}

bool restart_begin(struct supervisor *s, unsigned roles, int index, struct desk_visit *visit)
{
    struct rolling *r = &s->rolling;
    if (r->roles != 0 || s->stage > 0) {
        return false;
    }
    if (r->late == NULL) {
        r->late = timer_new(s->loop, on_late, s);
    }
    r->roles = roles;
    r->index = index;
    r->at = 0;
    r->visit = visit;
    advance(s);
    return true;
}

static bool is_turn(const struct process *p)
{
    const struct rolling *r = &p->supervisor->rolling;
    return r->roles != 0 && p->supervisor->processes.at[r->at] == p;
}

void restart_on_ready(struct process *p)
{
    CLEANUP(buf_release) struct buf block = BUF_INIT(BLOCK_MOST);
    if (!is_turn(p)) {
        return;
    }
    fields_add(&block, STR("type"), STR("restarted"));
    fields_add(&block, STR("role"), str_from_c(control_role_name(p->role)));
    fields_add_u64(&block, STR("index"), p->index);
    fields_add_u64(&block, STR("pid"), (uint64_t)p->pid);
    buf_add_char(&block, '\n');
    say(p->supervisor, &block, false);
    p->supervisor->rolling.at++;
    advance(p->supervisor);
}

bool restart_on_death(struct process *p)
{
    bool was_leaving = p->is_leaving;
    p->is_leaving = false;
    if (was_leaving) {
        p->restarts++;
        supervisor_start(p);
        return true;
    }
    if (is_turn(p) && p->crashes + 1 >= TRIES) {
        end(p->supervisor, STR("a role does not start; the log says why"));
    }
    return false;
}

void restart_cancel(struct supervisor *s)
{
    if (s->rolling.roles != 0) {
        end(s, STR("the server stops"));
    }
}
