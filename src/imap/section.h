#ifndef LIMETTA_IMAP_SECTION_H
#define LIMETTA_IMAP_SECTION_H

#include "base/err.h"
#include "base/vec.h"
#include "imap/shown.h"
#include "wire/imap_scan.h"

#include <stdbool.h>
#include <stdint.h>

/* The octets that BODY[section]<partial> names, as pieces of a message: nothing is copied until it is read. */
struct section_piece {
    uint64_t offset; /* in the message as it is shown */
    uint64_t size;
};

struct section_octets {
    VEC(struct section_piece) pieces;
    uint64_t size; /* of all pieces */
    /* reading */
    size_t at;         /* piece */
    uint64_t consumed; /* octets of piece `at` that were read */
};

/* Finds the section. s: knows its shape, unless it is the whole message that is meant. o: empty, or cleared.
 * *is_found is false when the message has no such part. Errors: ERR_IO, ERR_CORRUPT. */
MUST_USE enum err section_find(struct shown *s, const struct section *section,
                               struct section_octets *o, bool *is_found);
/* Keeps length octets from offset on, or fewer when there are not so many (RFC 3501, 6.4.5). */
void section_cut(struct section_octets *o, uint64_t offset, uint64_t length);
/* The next octets, at most n; empty at the end. Borrowed until the next call. Errors: ERR_IO, ERR_CORRUPT. */
MUST_USE enum err section_read(struct shown *s, struct section_octets *o, size_t n,
                               struct str *out);
void section_clear(struct section_octets *o);
void section_release(struct section_octets *o);

#endif
