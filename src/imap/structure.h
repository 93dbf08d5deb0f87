#ifndef LIMETTA_IMAP_STRUCTURE_H
#define LIMETTA_IMAP_STRUCTURE_H

#include "base/buf.h"
#include "mime/shape.h"

#include <stdbool.h>

/* Shapes as IMAP writes them (RFC 3501, 7.4.2). */

/* ENVELOPE's parenthesised list. */
void structure_write_envelope(struct buf *out, const struct envelope *e);
/* BODYSTRUCTURE's list; is_extended false: BODY's. */
void structure_write_body(struct buf *out, const struct part *p, bool is_extended);

#endif
