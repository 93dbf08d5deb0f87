#ifndef LIMETTA_MIME_PRESENT_H
#define LIMETTA_MIME_PRESENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "mime/shape.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A message with binary parts as those see it who cannot take binary octets: each such part in base64, its header saying
 * so (RFC 3516, 6). Nothing is stored twice: the presented message is a list of pieces of the stored one, readable
 * from any offset. */

/* Where the stored octets come from: at most n from offset on, fewer only at their end; borrowed until the next call. */
struct present_source {
    enum err (*get)(void *owner, uint64_t offset, size_t n, struct str *out);
    void *owner;
};

struct present_piece;

struct present {
    const struct present_piece *pieces; /* in the arena */
    size_t count;
    struct shape shape; /* of the presented message; shares strings with the stored one's */
};

/* Does the message have a part, not empty, that holds NUL or is labelled binary? Only then it is presented otherwise than it is
 * stored, and then it is larger. */
bool present_is_needed(const struct shape *stored);
/* The size of the presented message, from its stored octets and their serialised shape. Cheap for nearly all messages.
 * Errors: as shape_parse(). */
MUST_USE enum err present_measure(struct str octets, struct str serialised, uint64_t *size);
/* Everything lives in a. Errors: those of source; ERR_LIMIT at a's cap. */
MUST_USE enum err present_build(struct arena *a, const struct shape *stored,
                                const struct present_source *source, struct present *out);
/* Appends octets of the presented message from offset on: n at most, at least one unless it ends there.
 * Errors: those of source; ERR_CORRUPT when it ends too early. */
MUST_USE enum err present_read(const struct present *p, const struct present_source *source,
                               uint64_t offset, size_t n, struct buf *out);

#endif
