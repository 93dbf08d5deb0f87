#ifndef LIMETTA_CONVERT_TEXT_H
#define LIMETTA_CONVERT_TEXT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "convert/params.h"
#include "convert/registry.h"

/* Text to text as a stream, in memory: charsets, and HTML to what a reader sees of it. */
struct text_conversion;

/* from_charset: what the part says, or empty. Copies what it keeps. Errors: ERR_BAD_CHARSET (the part's), ERR_BAD_PARAM
 * (what is asked for cannot be). */
MUST_USE enum err text_conversion_new(enum convert_text kind, struct str from_charset,
                                      const struct convert_settings *s,
                                      struct text_conversion **out);
void text_conversion_free(struct text_conversion **t);
/* Appends what octets give. is_last: none comes. Errors: ERR_CONVERSION (a character that the charset lacks), ERR_LIMIT. */
MUST_USE enum err text_conversion_add(struct text_conversion *t, struct str octets, bool is_last,
                                      struct buf *out);

#endif
