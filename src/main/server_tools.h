#ifndef LIMETTA_MAIN_SERVER_TOOLS_H
#define LIMETTA_MAIN_SERVER_TOOLS_H

/* What an operator says to a running server (main/operator.c). argv[0] is the tool's name; they return exit codes. */

/* limetta reload: configuration and certificate are read again. */
int tool_reload(int argc, char **argv);
/* limetta restart ROLE[.N] ...: roles start anew, from disk, under their clients. */
int tool_restart(int argc, char **argv);

#endif
