#ifndef LIMETTA_AUTH_ATTEMPT_H
#define LIMETTA_AUTH_ATTEMPT_H

#include "auth/auth.h"
#include "auth/exchange.h"
#include "auth/names.h"
#include "auth/shares.h"
#include "base/list.h"

#include <stdbool.h>

/* One login attempt, from its first message to its answer. Used inside auth only. */
enum attempt_state {
    ATTEMPT_CLIENT,   /* the client has a challenge to answer */
    ATTEMPT_CHECK,    /* Argon2id runs on a helper thread, or soon will */
    ATTEMPT_OUTSIDE,  /* somebody else is asked (auth_outside) */
    ATTEMPT_HELD_BACK /* failed; the answer waits */
};

struct attempt {
    struct list node;
    struct auth *auth; /* NULL when auth went while the helper thread ran */
    uint64_t id;
    uint32_t about; /* for the log: the client's connection */
    enum attempt_state state;
    struct auth_asker asker; /* peer NULL: the link is gone */
    uint32_t request;        /* what the next reply answers */
    struct exchange *exchange;
    struct timer *timer; /* gives up on the client; says a late answer */
    enum service service;
    uint8_t nonce[TICKET_NONCE_SIZE];
    struct share *share; /* of the edge it came through */
    struct list wait;    /* in the line for Argon2id, or at it */
    struct auth *line;   /* whose line it is in; NULL when auth went while the helper thread ran */
    bool is_at_work;     /* a helper thread has it */
    uint64_t guessed;    /* hash of the name, once the attempt failed */
    uint64_t place;      /* where the client is (delays.h) */
    uint64_t asked_ms;   /* when the client last said something */
    char address[48];    /* the client's, NUL behind it */
    char mechanism[24];  /* for the log */
    uint64_t users_version; /* when the verifier was read */
    struct verifier verifier;
    bool is_known;               /* there is such a user */
    char account[NAME_MOST + 1]; /* whose a token is; NUL behind it */
    bool fits;                   /* what the helper thread found */
};

#endif
