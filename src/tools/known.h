#ifndef LIMETTA_TOOLS_KNOWN_H
#define LIMETTA_TOOLS_KNOWN_H

#include "base/err.h"
#include "base/str.h"
#include "store/store.h"

#include <stdbool.h>

/* The messages that a mailbox held before an import, to pass over what is there already. Each stored message excuses
 * one incoming message with the same octets: so an import that is run again adds nothing, and two equal messages in the
 * source stay two. */
struct known;

/* Errors: ERR_IO, ERR_CORRUPT. Borrows m. */
MUST_USE enum err known_new(struct mailbox *m, struct known **out);
void known_free(struct known **k);
/* Is it there already? Uses that message up. Errors: ERR_IO, ERR_CORRUPT. */
MUST_USE enum err known_take(struct known *k, struct str octets, bool *is_known);

#endif
