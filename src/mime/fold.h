#ifndef LIMETTA_MIME_FOLD_H
#define LIMETTA_MIME_FOLD_H

#include "base/buf.h"
#include "base/str.h"

#include <stddef.h>

/* Writes the value of a header field in lines of less than 78 octets (RFC 5322, 2.1.1), as far as there is white space to fold
 * at. Folds that are there stay. */
struct fold {
    struct buf *out;
    size_t column;    /* octets in the line so far */
    struct str white; /* stands before the next token, not yet written */
};

enum { FOLD_COLUMNS = 77 };

/* column: octets that stand in the line already. out may hold anything before. */
void fold_init(struct fold *f, struct buf *out, size_t column);
/* Text as it stands in a field: white space, folds and tokens. Borrowed until the next call. */
void fold_text(struct fold *f, struct str text);
/* A token without white space in it; `more`: octets that will follow it in the same line at least. */
void fold_token(struct fold *f, struct str token, size_t more);
/* White space that stands before the next token. */
void fold_white(struct fold *f, struct str white);
/* A new line, with one space in front. */
void fold_break(struct fold *f);
/* Octets that fit in the line, with the white space that is due. */
size_t fold_get_room(const struct fold *f);
/* White space at the end. */
void fold_end(struct fold *f);

#endif
