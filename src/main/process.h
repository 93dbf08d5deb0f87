#ifndef LIMETTA_MAIN_PROCESS_H
#define LIMETTA_MAIN_PROCESS_H

#include "base/err.h"
#include "main/config.h"
#include "main/listen.h"
#include "main/state.h"
#include "net/link.h"

#include <sys/types.h>

/* Starting a role as a process of its own, and telling it what it needs. Used by supervisor.c. */
struct process_context {
    const struct config *config;
    const struct state *state;
    const struct listenings *listenings;
    unsigned port_offset;
};

/* Forks and execs limetta-<role> from the folder of our own program, with one end of a new control socket; the other is
 * *control (non-blocking use only). Errors: ERR_IO, ERR_NOT_FOUND (no such program), logged. */
MUST_USE enum err process_start(enum link_role role, unsigned index, pid_t *pid, int *control);

/* Sends settings (docs/architecture.md), listening sockets and "start". Errors: those of control_send(). */
MUST_USE enum err process_tell(const struct process_context *x, enum link_role role, unsigned index,
                               int control);

/* May these two roles talk to each other? docs/architecture.md, "Links". */
bool process_may_link(enum link_role a, enum link_role b);

#endif
