#ifndef LIMETTA_AUTH_AUTH_PRIV_H
#define LIMETTA_AUTH_AUTH_PRIV_H

/* What auth.c (logins), outside.c (those that somebody else judges) and mail_request.c (what submit asks) share. */
#include "auth/attempt.h"
#include "auth/auth.h"
#include "auth/checks.h"
#include "auth/delays.h"
#include "base/log.h"
#include "base/map.h"
#include "net/fields.h"

struct auth {
    struct auth_options o;
    struct sasl *sasl;
    struct delays *delays;
    struct checks *checks;
    struct shares *shares;
    struct list at_work;  /* attempts that a helper thread has */
    struct map *attempts; /* by id */
    struct list order;
    uint64_t next_id;
    struct auth_counts counts;
    uint64_t users_version;
    struct verifier dummy;
    uint8_t site_key[SITE_KEY_SIZE];
    enum err find_err; /* of the last look into the database */
    bool is_stopping;
    uint64_t
        dropped_ms; /* Unix time: when a user was dropped last; tickets of before are not renewed */
    struct log_pace pace;
};

/* ---- auth.c: how a login goes on. But for the challenge, t is gone or only waits to be. ---- */

/* Asks the client: data is the server's next message. */
void attempt_challenge(struct attempt *t, struct str data);
/* The client is who it says: a ticket, if it may be whom it wants to be. data: SCRAM's last server message. */
void attempt_succeed(struct attempt *t, struct str data);
/* The client has proved to be user: a ticket. data: likewise. */
void attempt_give_ticket(struct attempt *t, struct str user, struct str data);
/* Not the password, not the proof, nobody of that name: "no", after a while. */
void attempt_fail(struct attempt *t);
/* "No" with a reason that the client may know, at once. */
void attempt_refuse(struct attempt *t, enum err why);

/* "Later": as if it had not begun, and the edge asks again. Not after a challenge. */
void attempt_postpone(struct attempt *t);

/* ---- outside.c: an answer goes on with t. auth_outside must be there. ---- */

void outside_ask_for_password(struct attempt *t);
void outside_ask_for_token(struct attempt *t);

/* ---- mail_request.c: requests "lookup" and "sender" (docs/architecture.md) ---- */

void auth_lookup(struct auth *a, const struct auth_asker *asker, uint32_t id,
                 const struct fields *f);
void auth_check_sender(struct auth *a, const struct auth_asker *asker, uint32_t id,
                       const struct fields *f);

#endif
