#ifndef LIMETTA_MIME_HEADER_RECODE_H
#define LIMETTA_MIME_HEADER_RECODE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

/* A header in another charset (RFC 5259, 6): encoded words and extended parameters (RFC 2231) are decoded and written again
 * in the charset asked for, still as encoded words and extended parameters, in lines of less than 78 octets. What cannot be
 * decoded (an unknown charset, octets that are not valid in it) stays as it is, as does every field without such text. */
struct header_charset {
    struct str name;
    bool has_replacement;
    struct str replacement; /* UTF-8, for characters that the charset lacks */
};

/* Appends header, which may end with its empty line. Linear. Errors: ERR_BAD_CHARSET; ERR_BAD_PARAM (the replacement cannot be
 * written in the charset); ERR_CONVERSION (a character cannot be written, and there is no replacement); ERR_LIMIT (out's cap). */
MUST_USE enum err header_recode(struct str header, const struct header_charset *charset,
                                struct buf *out);

#endif
