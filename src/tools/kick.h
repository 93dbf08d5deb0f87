#ifndef LIMETTA_TOOLS_KICK_H
#define LIMETTA_TOOLS_KICK_H

#include "base/str.h"

#include <stdbool.h>

/* Ends the sessions of a user (prepared: auth/names.h) at the server that runs with a state folder, and says on standard output how many
 * there were. service: "imap", "submission", "sieve", or NULL for all. is_running: receives false when no server answers there; then
 * nothing was said or done. Returns an exit code: EXIT_NOT_SO, after a line on standard error, when not everything was reached. */
int kick_user(const char *state, struct str user, const char *service, bool *is_running);

#endif
