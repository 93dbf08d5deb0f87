#ifndef LIMETTA_MAIN_SERVE_H
#define LIMETTA_MAIN_SERVE_H

struct config;

/* Fills in what only the running system knows: hostname, host_names, domains. */
void serve_complete_config(struct config *c);
/* limetta serve; argv[0] is "serve". Runs until told to stop; returns an exit code. */
int serve(int argc, char **argv);

#endif
