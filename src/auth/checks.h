#ifndef LIMETTA_AUTH_CHECKS_H
#define LIMETTA_AUTH_CHECKS_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Password checks that succeeded lately, so that a thousand phones that come back at once do not cost a thousand Argon2id
 * runs. Holds keyed hashes, never passwords; the key lives and dies with the process. */
struct checks;

enum { CHECKS_MOST = 8192, CHECKS_KEEP_MS = 60 * 60 * 1000 };

struct checks *checks_new(void);
void checks_free(struct checks **c);
/* The check of user and password succeeded at monotonic now_ms. One a user is kept. */
void checks_remember(struct checks *c, struct str user, struct str password, uint64_t now_ms);
/* Did just this succeed within CHECKS_KEEP_MS? False says nothing. */
bool checks_has(const struct checks *c, struct str user, struct str password, uint64_t now_ms);
/* Forgets everything: the verifiers changed. */
void checks_clear(struct checks *c);

#endif
