#ifndef LIMETTA_SIEVE_CONTROL_H
#define LIMETTA_SIEVE_CONTROL_H

#include "base/err.h"

#include <stdbool.h>

/* For insiders of the room: what the rows of sieve/commands.c name. Each family of commands has its file; _check looks at a node when
 * a script is compiled, _run and _test carry it out. Errors: the script's, or the host's. */

struct sieve_compiler;
struct sieve_node;
struct sieve_run;

#define SIEVE_CHECK(name)                                                                          \
    enum err sieve_##name##_check(struct sieve_compiler *c, struct sieve_node *n)
#define SIEVE_RUN(name) enum err sieve_##name##_run(struct sieve_run *r, const struct sieve_node *n)
#define SIEVE_TEST(name)                                                                           \
    enum err sieve_##name##_test(struct sieve_run *r, const struct sieve_node *n, bool *out)

/* control.c */
SIEVE_CHECK(require);
SIEVE_RUN(require);
SIEVE_CHECK(if);
SIEVE_RUN(stop);
SIEVE_TEST(allof);
SIEVE_TEST(anyof);
SIEVE_TEST(not );
SIEVE_TEST(true);
SIEVE_TEST(false);

/* action.c */
SIEVE_RUN(keep);
SIEVE_RUN(discard);
SIEVE_RUN(fileinto);
SIEVE_CHECK(fileinto);
SIEVE_CHECK(redirect);
SIEVE_RUN(redirect);

/* test_header.c */
SIEVE_TEST(header);
SIEVE_TEST(exists);
SIEVE_TEST(size);
SIEVE_CHECK(size);
SIEVE_CHECK(index);

#endif
