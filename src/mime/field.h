#ifndef LIMETTA_MIME_FIELD_H
#define LIMETTA_MIME_FIELD_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/* One field of a header, as it stands in the octets. Everything borrows from the header. */
struct field {
    struct str name;  /* without white space before the colon */
    struct str value; /* behind the colon, still folded, without the last line end */
    size_t offset;    /* of its first octet in the header */
    size_t size;      /* with all its lines and line ends */
};

/* Walks the fields of header, which may end with its empty line or without: start with *at = 0; false at the end. Lines
 * that are no field ("From " of mbox, lines without a colon) are passed over with their continuations. Linear. */
bool field_next(struct str header, size_t *at, struct field *out);
/* Appends the value unfolded (RFC 5322, 2.2.3) and trimmed: a line end with the white space around it becomes one space, so
 * that text folded with a tab, or twice, reads as it was written; NUL and lone CR become spaces. */
void field_unfold(struct str value, struct buf *out);
/* The line at offset `at` of s, with its line end: up to and with LF, or to the end. Empty only at the end of s. */
struct str field_line(struct str s, size_t at);
/* CRLF or LF alone: ends a header. */
bool field_is_empty_line(struct str line);

#endif
