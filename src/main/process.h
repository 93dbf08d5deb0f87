#ifndef LIMETTA_MAIN_PROCESS_H
#define LIMETTA_MAIN_PROCESS_H

#include "base/err.h"
#include "main/config.h"
#include "main/hosts.h"
#include "main/listen.h"
#include "main/state.h"
#include "net/link.h"

#include <sys/types.h>

/* Starting a role as a process of its own, and telling it what it needs. Used by supervisor.c. */
struct process_context {
    const struct config *config;
    const struct state *state;
    const struct hosts *hosts;
    const struct listenings *listenings;
    unsigned port_offset;
};

/* Forks and execs limetta-<role> from the folder of our own program, with one end of a new control socket; the other is
 * *control (non-blocking use only). Errors: ERR_IO, ERR_NOT_FOUND (no such program), logged. */
MUST_USE enum err process_start(enum link_role role, unsigned index, pid_t *pid, int *control);

/* Sends settings (docs/architecture.md), listening sockets and "start". Errors: those of control_send(). */
MUST_USE enum err process_tell(const struct process_context *x, enum link_role role, unsigned index,
                               int control);

/* Is the role's program there, beside our own? Errors: ERR_NOT_FOUND, ERR_IO, logged. */
MUST_USE enum err process_check_program(enum link_role role);
/* Which roles (bits) are told a setting as it stands in the configuration; 0: none. */
unsigned process_get_told(enum config_id id);
/* Sends the settings that a running role takes anew, then "start"; has_certificate: the certificate and its key, too.
 * Errors: those of control_send(). */
MUST_USE enum err process_tell_again(const struct process_context *x, enum link_role role,
                                     int control, bool has_certificate);
/* Is it among those? */
bool process_is_taken_anew(enum config_id id);

/* May these two roles of one host talk to each other? docs/architecture.md, "Links". */
bool process_may_link(enum link_role a, enum link_role b);

#endif
