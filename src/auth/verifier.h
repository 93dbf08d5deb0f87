#ifndef LIMETTA_AUTH_VERIFIER_H
#define LIMETTA_AUTH_VERIFIER_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* What is kept in place of a password: an Argon2id string for PLAIN and LOGIN, and the two SCRAM-SHA-256 keys. Nothing of
 * it gives the password back or logs anybody in by itself. */
enum { ARGON2_MOST = 128, SCRAM_SALT_SIZE = 16, SCRAM_KEY_SIZE = 32 };
enum { SCRAM_ITERATIONS_LEAST = 4096, SCRAM_ITERATIONS_MOST = 1000000 };

struct verifier {
    char argon2[ARGON2_MOST]; /* "$argon2id$v=19$m=65536,t=2,p=1$..." NUL behind it */
    uint8_t scram_salt[SCRAM_SALT_SIZE];
    uint32_t scram_iterations;
    uint8_t scram_stored_key[SCRAM_KEY_SIZE];
    uint8_t scram_server_key[SCRAM_KEY_SIZE];
};

/* What a check costs whoever guesses, and us. */
struct verifier_cost {
    uint64_t argon2_passes;        /* 1 to 16 */
    uint64_t argon2_memory_octets; /* 8 MiB to 1 GiB */
    uint32_t scram_iterations;     /* SCRAM_ITERATIONS_LEAST to _MOST (RFC 7677, 4) */
};

/* libsodium's "interactive": 2 passes over 64 MiB; 20,000 rounds of PBKDF2. */
struct verifier_cost verifier_get_default_cost(void);

/* Makes the verifier of a prepared password with fresh salts; takes a fraction of a second.
 * Errors: ERR_IO (no memory or no randomness). */
MUST_USE enum err verifier_make(struct str password, const struct verifier_cost *cost,
                                struct verifier *out);
/* A verifier that no password fits, with the cost of a real one: what an unknown user is checked against. */
MUST_USE enum err verifier_make_dummy(const struct verifier_cost *cost, struct verifier *out);

/* The verifier of a user whose password or token somebody else checks (auth.h, auth_outside): no password fits it. Errors: ERR_IO. */
MUST_USE enum err verifier_make_outside(struct verifier *out);
bool verifier_is_outside(const struct verifier *v);

/* Does the prepared password fit? Pure computation, safe on a helper thread; costs what verifier_make() cost. */
bool verifier_check(const struct verifier *v, struct str password);

/* SCRAM-SHA-256's keys (RFC 5802, 3): Hi() over password and salt, then StoredKey and ServerKey. Errors: ERR_IO. */
MUST_USE enum err scram_derive(struct str password, struct str salt, uint32_t iterations,
                               uint8_t stored_key[SCRAM_KEY_SIZE],
                               uint8_t server_key[SCRAM_KEY_SIZE]);

#endif
