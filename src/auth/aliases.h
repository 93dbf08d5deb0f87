#ifndef LIMETTA_AUTH_ALIASES_H
#define LIMETTA_AUTH_ALIASES_H

#include "auth/users.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

/* Aliases and senders' further addresses, in the verifier database (users.h). Addresses of aliases and senders are in their
 * prepared form (address_prepare() in names.h): "info@example.org", "info" (at each of our domains), "@example.org" (what
 * nobody else gets there). A target is an account, an alias or a foreign address, as the operator wrote it: "anna",
 * "anna+lists", "bob@example.net". */

/* Rows come to on_row; name: the alias's address, or the user; value: a target, or an address; borrowed for the call. It
 * returns false when it wants no more. */

/* Errors of all: those of users.h; and: */
/* One more target. ERR_EXISTS. */
MUST_USE enum err alias_add(struct users *u, struct str address, struct str target);
/* target empty: all of them. ERR_NOT_FOUND. */
MUST_USE enum err alias_remove(struct users *u, struct str address, struct str target);
/* Sorted. address empty: all aliases. */
MUST_USE enum err alias_list(struct users *u, struct str address,
                             bool (*on_row)(void *owner, struct str name, struct str value),
                             void *owner);
/* The targets of one alias. ERR_NOT_FOUND: there is no such alias. */
MUST_USE enum err alias_find(struct users *u, struct str address,
                             bool (*on_row)(void *owner, struct str name, struct str value),
                             void *owner);

/* user may send as address. ERR_EXISTS. */
MUST_USE enum err sender_add(struct users *u, struct str user, struct str address);
/* address empty: all of them. ERR_NOT_FOUND. */
MUST_USE enum err sender_remove(struct users *u, struct str user, struct str address);
/* Sorted. user empty: of all users. */
MUST_USE enum err sender_list(struct users *u, struct str user,
                              bool (*on_row)(void *owner, struct str name, struct str value),
                              void *owner);
/* ERR_NOT_FOUND. */
MUST_USE enum err sender_find(struct users *u, struct str user, struct str address);

#endif
