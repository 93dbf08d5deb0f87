#ifndef LIMETTA_AUTH_LOOKUP_H
#define LIMETTA_AUTH_LOOKUP_H

#include "auth/users.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"

#include <stdbool.h>

/* Who gets the mail for an address, and who may write as one. */

enum {
    LOOKUP_OCTETS_MOST = 48 * 1024, /* of all targets together: an answer goes over a link */
    LOOKUP_TARGETS_MOST = 1000,
    LOOKUP_DEPTH_MOST = 16,  /* aliases of aliases */
    LOOKUP_STEPS_MOST = 4000 /* addresses looked at for one answer */
};

struct lookup_config {
    struct str domains; /* the local ones, separated by spaces */
    struct str
        postmaster; /* who gets its mail when nobody is called so (RFC 5321, 4.5.1), or empty */
    struct str delimiters; /* octets that begin a detail; empty: there is none */
};

/* One way that a message takes. Slices of lookup.octets. */
struct lookup_target {
    struct str address;
    struct str user; /* the account; empty: a foreign address, or a local one that nobody has */
};

struct lookup {
    struct buf octets;
    struct str user; /* the one account that gets it under this very address; else empty, and */
    struct str
        detail; /* of the address as it was asked for (RFC 5233, 1), which user's filter may see */
    VEC(struct lookup_target) targets; /* in the place of the address: an alias. At least one */
    bool is_circle;                    /* an alias on the way leads back to itself through others */
};

void lookup_init(struct lookup *l);
void lookup_release(struct lookup *l);

/* address: a Mailbox of RFC 5321 without brackets. out: as by lookup_init(). Errors: ERR_NO_USER; ERR_LIMIT (aliases lead to
 * too many targets, or too deep); ERR_IN_USE, ERR_IO, ERR_CORRUPT (the database cannot be read). */
MUST_USE enum err lookup_address(struct users *u, const struct lookup_config *c, struct str address,
                                 struct lookup *out);

/* May user write as address? His are the addresses called like him, those whose mail reaches him (is_shared: also when it
 * reaches others, too), and what sender_add() gave him, each with any detail. Errors: ERR_NOT_AUTHORIZED, and those
 * above. */
MUST_USE enum err lookup_sender(struct users *u, const struct lookup_config *c, bool is_shared,
                                struct str user, struct str address);

/* Is domain, as it was written, one of ours? */
bool lookup_is_local(const struct lookup_config *c, struct str domain);

#endif
