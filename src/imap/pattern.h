#ifndef LIMETTA_IMAP_PATTERN_H
#define LIMETTA_IMAP_PATTERN_H

#include "base/arena.h"
#include "base/str.h"

#include <stdbool.h>

/* LIST patterns (RFC 3501, 6.3.8): "*" matches anything, "%" anything but the delimiter "/". INBOX is matched without
 * case, alone or as the first level. */
bool pattern_matches(struct str pattern, struct str name);

/* The two arguments of LIST as one pattern, in a and spelt as names are (RFC 9051, 5.1). Its p is NULL when a is full. */
struct str pattern_make(struct arena *a, struct str reference, struct str pattern);

#endif
