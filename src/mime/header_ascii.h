#ifndef LIMETTA_MIME_HEADER_ASCII_H
#define LIMETTA_MIME_HEADER_ASCII_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

/* Headers in UTF-8 (RFC 6532) for those who know only ASCII ones. */

/* Is there an octet above 127? */
bool header_has_8bit(struct str header);
/* Appends header, fields with or without the empty line behind them, in ASCII: text as encoded words (RFC 2047), parameters in their
 * extended form (RFC 2231), domains as A-labels. Fields in ASCII stay as they are, octet for octet. Linear.
 * Errors: ERR_UTF8_HEADER: not everything can be written so (a local part, a Message-ID, octets that are no UTF-8); ERR_LIMIT at
 * out's cap, or for a field beyond the bounds. */
MUST_USE enum err header_to_ascii(struct str header, struct buf *out);

#endif
