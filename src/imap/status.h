#ifndef LIMETTA_IMAP_STATUS_H
#define LIMETTA_IMAP_STATUS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stddef.h>

struct imap_session;

/* Writes the untagged STATUS of a mailbox under its name as the client spells it; atts: bits of enum status_att. Adds to *work
 * what it costs at most (reading the view included), a unit for each 2 or 3 nanoseconds. Writes nothing on an error:
 * ERR_NO_MAILBOX, ERR_MAILBOX_NAME, ERR_CORRUPT, ERR_IO. */
MUST_USE enum err status_write(const struct imap_session *s, struct str name, unsigned atts,
                               struct buf *out, size_t *work);

#endif
