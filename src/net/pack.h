#ifndef LIMETTA_NET_PACK_H
#define LIMETTA_NET_PACK_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Octets made smaller, in one piece (RFC 1950). For what is kept for long and looked at rarely. */

/* Appends them; quick rather than small. A full out shows there. */
void pack_write(struct str plain, struct buf *out);
/* Appends what was packed, at most out's cap. Errors: ERR_CORRUPT, ERR_LIMIT. */
MUST_USE enum err pack_read(struct str packed, struct buf *out);

#endif
