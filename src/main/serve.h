#ifndef LIMETTA_MAIN_SERVE_H
#define LIMETTA_MAIN_SERVE_H

struct config;

/* Fills in what only the running system knows: hostname, host_names, domains. */
void serve_complete_config(struct config *c);
/* Whether what the table of settings cannot say is right. Returns an exit code after one line on standard error. */
int serve_check_config(const struct config *c);
/* Opens the file that the log is appended to; *fd -1: it goes to standard error. Returns an exit code likewise. */
int serve_open_log(const struct config *c, int *fd);
/* Logs there (taken) from now on, as much as c says. */
void serve_use_log(const struct config *c, int fd);
/* limetta serve; argv[0] is "serve". Runs until told to stop; returns an exit code. */
int serve(int argc, char **argv);

#endif
