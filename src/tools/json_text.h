#ifndef LIMETTA_TOOLS_JSON_TEXT_H
#define LIMETTA_TOOLS_JSON_TEXT_H

#include "base/buf.h"

/* Appends s as a JSON string (RFC 8259), with its quotes; what is no UTF-8 becomes U+FFFD. */
void json_text_add(struct buf *out, struct str s);

#endif
