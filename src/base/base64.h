#ifndef LIMETTA_BASE_BASE64_H
#define LIMETTA_BASE_BASE64_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Appends raw as base64 in one line with padding (RFC 4648, 4). */
void base64_write(struct buf *out, struct str raw);
/* Appends the octets of s, which must be canonical base64: padding required, no white space, no stray bits
 * (as SASL asks, RFC 4954, 4). Errors: ERR_SYNTAX, and out may then hold part; ERR_LIMIT at out's cap. */
MUST_USE enum err base64_parse(struct str s, struct buf *out);
/* Appends lower-case hex. */
void hex_write(struct buf *out, struct str raw);
/* Reads an even number of hex digits. Errors: ERR_SYNTAX, ERR_LIMIT. */
MUST_USE enum err hex_parse(struct str s, struct buf *out);

#endif
