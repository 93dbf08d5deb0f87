#ifndef LIMETTA_MIME_PREPARE_H
#define LIMETTA_MIME_PREPARE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { PREPARED_MOST = 255 };

/* Appends a name of a user in the form in which names are kept and compared: SASLprep (RFC 4013), ASCII letters in lower case.
 * Errors: ERR_SYNTAX for what SASLprep forbids, for nothing, and for more than PREPARED_MOST octets before or after. */
MUST_USE enum err name_fold_and_prepare(struct str raw, struct buf *out);

#endif
