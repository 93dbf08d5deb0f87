#ifndef LIMETTA_IMAP_PATTERN_H
#define LIMETTA_IMAP_PATTERN_H

#include "base/str.h"

#include <stdbool.h>

/* LIST patterns (RFC 3501, 6.3.8): "*" matches anything, "%" anything but the delimiter "/". INBOX is matched without
 * case, alone or as the first level. */
bool pattern_matches(struct str pattern, struct str name);

#endif
