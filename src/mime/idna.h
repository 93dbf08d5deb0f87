#ifndef LIMETTA_MIME_IDNA_H
#define LIMETTA_MIME_IDNA_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Appends domain in A-labels, lower case, as the domain name system knows it (RFC 5891, 4; UTS 46 without its transitional mappings). An
 * ASCII domain only becomes lower case, whatever it holds. Errors: ERR_BAD_ADDRESS (U-labels that cannot be), ERR_LIMIT. */
MUST_USE enum err idna_to_ascii(struct str domain, struct buf *out);

#endif
