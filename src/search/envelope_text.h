#ifndef LIMETTA_SEARCH_ENVELOPE_TEXT_H
#define LIMETTA_SEARCH_ENVELOPE_TEXT_H

#include "base/buf.h"
#include "mime/shape.h"
#include "search/program.h"

#include <stdbool.h>

enum { ENVELOPE_TEXT_MOST = 8 * SHAPE_FIELD_MOST };

/* Appends what SEARCH_FROM, TO, CC, BCC or SUBJECT look for their text in: the subject, decoded, or the addresses as people write
 * them, "Name <local@host>, ...". */
void envelope_text_write(const struct envelope *e, enum search_kind kind, struct buf *out);
/* The field is there. */
bool envelope_text_is_present(const struct envelope *e, enum search_kind kind);

#endif
