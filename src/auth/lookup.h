#ifndef LIMETTA_AUTH_LOOKUP_H
#define LIMETTA_AUTH_LOOKUP_H

#include "auth/users.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>

enum { LOOKUP_ACCOUNT_MOST = 1024 };

/* Appends the account that gets mail for address, a Mailbox of RFC 5321 without brackets. domains: the local ones, separated
 * by spaces. postmaster: who gets its mail when nobody is called so (RFC 5321, 4.5.1), or empty.
 * False when there is none, or when the database cannot be read. */
bool lookup_account(struct users *u, struct str domains, struct str postmaster, struct str address,
                    struct buf *out);

#endif
