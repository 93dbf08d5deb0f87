#ifndef LIMETTA_MAIN_SERVE_H
#define LIMETTA_MAIN_SERVE_H

/* limetta serve; argv[0] is "serve". Runs until told to stop; returns an exit code. */
int serve(int argc, char **argv);

#endif
