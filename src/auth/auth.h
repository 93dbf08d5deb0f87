#ifndef LIMETTA_AUTH_AUTH_H
#define LIMETTA_AUTH_AUTH_H

#include "auth/lookup.h"
#include "auth/users.h"
#include "auth/verifier.h"
#include "base/err.h"
#include "base/str.h"
#include "net/link.h"
#include "net/loop.h"
#include "net/ticket.h"

#include <stddef.h>
#include <stdint.h>

/* The authentication server: answers the requests that come over links (docs/architecture.md lists them). It says yes,
 * with a ticket, or no; never why, beyond what the client may know. */
struct auth;

enum plaintext { PLAINTEXT_NEVER, PLAINTEXT_LOOPBACK, PLAINTEXT_ALWAYS };

enum {
    AUTH_ATTEMPTS_MOST = 4096, /* exchanges going on, checks running, answers held back */
    AUTH_HELD_BACK_MOST = 32,  /* of these, answers held back from one address */
    AUTH_CHECKS_MOST = 256, /* and passwords of one address being checked or in the line for it */
    AUTH_HELD_BACK_PER_ACCOUNT = 64, /* answers about one account held back, through one edge */
    AUTH_CHECKS_AT_ONCE = 4,
    AUTH_EXCHANGE_TIMEOUT_MS = 120 * 1000 /* a client that does not answer a challenge */
};

/* Somebody else who knows passwords or tokens (src/verify): asked for users that have no verifier here. What it says yes to is an account
 * only when there is such a user, or when it may make users. */
struct auth_outside {
    bool has_passwords;
    bool has_tokens;
    bool makes_users;
    struct str scope;         /* told to a client whose token does not do; may be empty */
    struct str configuration; /* the same: URL of the issuer's configuration */
    /* body: a request as docs/architecture.md lists them. answer is called once, perhaps at once. */
    void (*ask)(void *owner, struct str body,
                void (*answer)(void *asker, enum err e, struct str body), void *asker);
    /* asker wants no answer any more. */
    void (*cancel)(void *owner, void *asker);
    void *owner;
};

/* Everything is borrowed for auth's life. */
struct auth_options {
    struct loop *loop;
    struct users *users;
    struct ticket_signer *signer;
    struct lookup_config addresses;
    struct str senders_of_all; /* users who may write as anybody, separated by spaces */
    bool is_alias_shared;      /* each of an alias's accounts may write as it */
    uint64_t
        edge_minute_most; /* logins that an edge may bring within a minute (shares.h); 0: any number */
    enum plaintext plaintext; /* PLAIN and LOGIN without TLS */
    struct verifier_cost cost;
    const struct auth_outside *outside; /* NULL: there is nobody else */
};

/* A request's way back. peer tells links apart: an exchange goes on over the link it began on. */
struct auth_asker {
    void *peer;
    enum link_role role;
    struct str name; /* of its host: an edge's tickets are for it; borrowed until auth_forget() */
    void (*reply)(void *peer, uint32_t id, struct str body);
};

/* How logins ended, since the start. */
struct auth_counts {
    uint64_t succeeded;
    uint64_t failed;    /* not the password, not the proof, nobody of that name */
    uint64_t refused;   /* not allowed so, given up, or nobody could tell */
    uint64_t postponed; /* "later": not looked at, the edge asks again */
    size_t attempts;    /* under way now: exchanges, checks, answers held back */
};
struct auth_counts auth_get_counts(const struct auth *a);

/* Errors: ERR_IO (no memory or randomness for the dummy verifier). */
MUST_USE enum err auth_new(const struct auth_options *o, struct auth **out);
void auth_free(struct auth **a);
/* Answers by asker->reply, once, now or later. asker is copied. */
void auth_request(struct auth *a, const struct auth_asker *asker, uint32_t id, struct str body);
/* Logins of user that are under way come to nothing: whoever gets a ticket from now on was judged by what the database says now. */
void auth_drop_user(struct auth *a, struct str user);
/* The process is about to end: exchanges under way go on, new logins hear "later", answers that are held back are said. */
void auth_stop(struct auth *a);
/* The link is gone: nothing more is said to it. */
void auth_forget(struct auth *a, void *peer);

#endif
