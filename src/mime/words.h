#ifndef LIMETTA_MIME_WORDS_H
#define LIMETTA_MIME_WORDS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "mime/param.h"

#include <stdbool.h>

/* Appends the text of an unfolded header value as UTF-8: encoded words (RFC 2047, with RFC 2231's language) decoded, 8-bit octets
 * outside them read as UTF-8 or windows-1252. An encoded word with an unknown charset or broken syntax stays as it is. */
void words_decode(struct str value, struct buf *out);
/* Appends the value of the parameter called name as UTF-8: RFC 2231 continuations joined and charsets converted; a plain
 * value with encoded words (forbidden, and common) decoded. Errors: ERR_NOT_FOUND; ERR_LIMIT at out's cap. */
MUST_USE enum err words_decode_param(const struct param_list *l, struct str name, struct buf *out);

#endif
