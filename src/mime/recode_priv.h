#ifndef LIMETTA_MIME_RECODE_PRIV_H
#define LIMETTA_MIME_RECODE_PRIV_H

#include "base/err.h"
#include "base/str.h"
#include "mime/charset_writer.h"
#include "mime/field.h"
#include "mime/fold.h"
#include "mime/header_recode.h"

#include <stdbool.h>

/* The inside of header_recode(), for its two files only. */
struct recode {
    struct charset_writer *writer;
    const struct header_charset *charset;
    struct buf *out;
};

/* Writes value to f, its encoded words recoded. Errors: ERR_CONVERSION, ERR_LIMIT. */
MUST_USE enum err recode_words(struct recode *r, struct fold *f, struct str value);
/* Does the field have parameters in extended form? */
bool recode_has_params(const struct field *field);
/* Writes such a field, of which octets are all lines. Errors: ERR_CONVERSION, ERR_LIMIT. */
MUST_USE enum err recode_params(struct recode *r, struct str octets, const struct field *field);

#endif
