#ifndef LIMETTA_MAIN_SUPERVISOR_H
#define LIMETTA_MAIN_SUPERVISOR_H

#include "main/config.h"
#include "main/hosts.h"
#include "main/listen.h"
#include "main/state.h"

struct supervise_options {
    struct config **config;  /* another one after a reload */
    const char *config_path; /* absolute; NULL: only defaults */
    struct state *state;
    const struct hosts *hosts;
    const struct listenings *listenings;
    unsigned port_offset;
    const char *listen; /* where clients come in, in place of the setting; NULL: that counts */
    int metrics_fd;     /* listening socket, taken; -1: none */
    int control_fd;     /* likewise, of the tools */
    void (*on_ready)(void *owner);
    void *owner;
};

/* Runs the roles until SIGTERM or SIGINT (a second one: at once), restarting what dies. on_ready is called once, when every
 * role serves. Returns an exit code: EXIT_ENVIRONMENT when a role does not even start. Borrows everything. */
int supervise(const struct supervise_options *o);

#endif
