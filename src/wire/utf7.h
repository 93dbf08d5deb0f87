#ifndef LIMETTA_WIRE_UTF7_H
#define LIMETTA_WIRE_UTF7_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Modified UTF-7, the spelling of mailbox names in IMAP4rev1 (RFC 3501, 5.1.3).
 *
 * Each name has exactly one accepted spelling: the one that utf7_write() makes. So names can be compared, and no
 * mailbox has an alias. */

/* Appends the UTF-8 of s. Refused are: octets outside printable ASCII; "&" without its "-"; base64 of what needs none
 * (printable ASCII) or of U+0000; unpaired surrogates; bits left over that are not zero; two shifts in a row.
 * Errors: ERR_SYNTAX (out keeps what it had), ERR_LIMIT at out's cap. */
MUST_USE enum err utf7_parse(struct str s, struct buf *out);
/* Appends the modified UTF-7 of s. Errors: ERR_SYNTAX when s is not UTF-8 or holds U+0000 (out keeps what it had),
 * ERR_LIMIT. */
MUST_USE enum err utf7_write(struct buf *out, struct str s);

#endif
