#ifndef LIMETTA_MAIN_SUPERVISOR_PRIV_H
#define LIMETTA_MAIN_SUPERVISOR_PRIV_H

/* What supervisor.c (processes), restart.c (one after the other anew) and operator.c (who asks for it) share. */
#include "base/vec.h"
#include "main/control.h"
#include "main/desk.h"
#include "main/process.h"
#include "main/supervisor.h"
#include "net/loop.h"

enum { SUPERVISOR_SIGNALS = 4, METRICS_PART_MOST = 64 * 1024 };

struct process {
    struct supervisor *supervisor;
    enum link_role role;
    unsigned index;
    pid_t pid; /* 0: not running */
    int control;
    struct fd_watch *watch;
    struct timer *restart;
    uint64_t started_ms;
    uint64_t started_wall_ms;
    unsigned crashes;    /* in a row */
    uint64_t restarts;   /* in all */
    struct buf metrics;  /* what it says of itself */
    struct buf incoming; /* the beginning of what replaces it */
    bool is_ready;
    bool is_leaving; /* was told to stop, to be started anew */
};

/* Roles that are started anew, one process after the other. */
struct rolling {
    unsigned roles; /* bits of enum link_role; 0: nothing under way */
    int index;      /* -1: all of them */
    size_t at;      /* in supervisor.processes */
    struct timer *late;
    struct desk_visit *visit; /* who asked; NULL: gone */
};

/* A wish of the operator that sessions end, with auth. */
struct kick {
    struct desk_visit *visit; /* who asked; NULL: gone */
    bool is_busy;
};

struct supervisor {
    struct process_context context;
    const struct supervise_options *options;
    struct loop *loop;
    VEC(struct process *) processes;
    struct signal_watch *signals[SUPERVISOR_SIGNALS];
    struct timer *stop_timer;
    struct metrics *metrics;
    struct desk *desk;
    struct rolling rolling;
    struct kick kicks[DESK_VISITS_MOST];
    uint64_t start_wall_ms;
    uint64_t reloads;
    bool was_ready;
    bool had_terminal;
    uint64_t stop_ms; /* when stopping began */
    unsigned stage;   /* of stopping; 0: not stopping */
    int exit_code;
};

/* ---- supervisor.c ---- */

/* Starts a process that does not run. */
void supervisor_start(struct process *p);
/* Something that a role should have taken did not go through: it hangs. Its death brings it back. */
void supervisor_kill(struct process *p, const char *why);

/* ---- restart.c ---- */

/* Begins to start processes anew. False: something is under way already. visit: hears how it went. */
bool restart_begin(struct supervisor *s, unsigned roles, int index, struct desk_visit *visit);
/* A process says that it serves. */
void restart_on_ready(struct process *p);
/* A process ended. True: it was meant to, and is started anew. */
bool restart_on_death(struct process *p);
/* The server stops. */
void restart_cancel(struct supervisor *s);

/* ---- operator.c ---- */

/* Reads configuration and certificate again and applies what can be (SIGHUP, limetta reload); what cannot be used changes nothing.
 * report: what happened, as blocks. Returns an exit code; what is wrong stands in the log. */
int operator_reload(struct supervisor *s, struct buf *report);
/* Opens the desk where the tools ask, on a listening socket (taken); -1: none. */
void operator_open(struct supervisor *s, int fd);
void operator_close(struct supervisor *s);

/* ---- operator_kick.c ---- */

struct fields;
/* Asks auth to end sessions; answers v, now or later. */
void operator_kick(struct supervisor *s, struct desk_visit *v, const struct fields *f);
/* What came of it. False: p did not have to say that. */
bool operator_take_kicked(struct process *p, const struct control_message *m);
/* p ended: nothing comes of it. */
void operator_drop_kicks(struct process *p);
void operator_forget_visit(struct supervisor *s, const struct desk_visit *v);

#endif
