#ifndef LIMETTA_MIME_SHAPE_FIELDS_H
#define LIMETTA_MIME_SHAPE_FIELDS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a part's header for shape_build(): appends what the shape keeps of it, tells what the structure hangs on. */
struct shape_fields {
    struct arena *scratch; /* rewound after each field */
    struct buf unfolded;   /* scratch */
    size_t text_left;      /* of SHAPE_TEXT_MOST */
};

/* A slice of the buffer that was appended to. */
struct shape_slice {
    size_t at;
    size_t n;
};

enum { BOUNDARY_MOST = 200 };

/* What one header says. */
struct shape_header {
    unsigned
        kind; /* KIND_DEFAULT_TYPE, KIND_DEFAULT_ENCODING, KIND_MULTIPART (has a boundary), KIND_MESSAGE */
    unsigned present; /* HAS_ */
    bool is_digest;   /* multipart/digest: its parts are messages by default */
    char boundary
        [BOUNDARY_MOST]; /* only its beginning when it is longer; a prefix is what counts (RFC 2046, 5.1.1) */
    size_t boundary_n;
    struct shape_slice envelope; /* n 0: none was asked for */
    struct shape_slice fields;
};

void shape_fields_init(struct shape_fields *f);
void shape_fields_release(struct shape_fields *f);
/* header: the octets of the header. wants_envelope: it is a message's. is_in_digest: the default type is message/rfc822. */
void shape_fields_read(struct shape_fields *f, struct str header, bool wants_envelope,
                       bool is_in_digest, struct buf *out, struct shape_header *h);
/* LEB128: seven bits an octet, low first; the high bit says that more follow. */
void shape_write_number(struct buf *out, uint64_t v);

#endif
