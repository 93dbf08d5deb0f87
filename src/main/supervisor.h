#ifndef LIMETTA_MAIN_SUPERVISOR_H
#define LIMETTA_MAIN_SUPERVISOR_H

#include "main/config.h"
#include "main/listen.h"
#include "main/state.h"

/* Runs the roles until SIGTERM or SIGINT (a second one: at once), restarting what dies. on_ready is called once, when every
 * role serves. Returns an exit code: EXIT_ENVIRONMENT when a role does not even start. Borrows everything. */
int supervise(const struct config *c, const struct state *s, const struct listenings *l,
              unsigned port_offset, void (*on_ready)(void *owner), void *owner);

#endif
