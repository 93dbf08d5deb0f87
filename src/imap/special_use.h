#ifndef LIMETTA_IMAP_SPECIAL_USE_H
#define LIMETTA_IMAP_SPECIAL_USE_H

#include "base/buf.h"
#include "base/scan.h"

#include <stdbool.h>

/* The names of special uses (RFC 6154, 2). */

/* Appends the attributes of uses, bits of enum special_use, with a space before each but (is_first) the first. */
void special_use_write(struct buf *out, unsigned uses, bool is_first);
/* One use-attr, "\Drafts" and so on: adds its bit to *uses. Syntactically right attributes that are none of RFC 6154 fail with
 * ERR_USE_ATTR. */
void scan_special_use(struct scan *c, unsigned *uses);

#endif
