#ifndef LIMETTA_IMAP_BINARY_H
#define LIMETTA_IMAP_BINARY_H

#include "base/buf.h"
#include "base/err.h"
#include "mime/shape.h"
#include "mime/transfer.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parts without their Content-Transfer-Encoding (RFC 3516): how large they are, and their octets from any place on. */

/* A place in a part: so much is read, so much has come of it, and what waits between. */
struct binary_mark {
    uint64_t raw;
    uint64_t decoded;
    struct transfer transfer;
    bool is_after_cr;
};

/* Whether base64 has lines of one length, found while it is read once. */
struct binary_lines {
    bool is_irregular;
    bool is_ended; /* by padding or a short line: only line ends may follow */
    bool is_after_cr;
    uint64_t column;
    uint64_t line;    /* digits of a full line; 0: no line has ended yet */
    unsigned newline; /* octets of a line end: 2, or 1 for LF alone */
};

/* A part of a stored message, and what is known of it. */
struct binary_part {
    uint64_t body_id;
    uint64_t offset;
    uint64_t size; /* stored octets */
    enum transfer_kind kind;
    bool is_text; /* its lines are sent with CRLF (RFC 3516, 6) */
    bool is_measured;
    /* found by measuring */
    bool has_nul;
    uint64_t decoded_size; /* as it is sent */
    uint64_t bare_count;   /* LF without CR */
    uint64_t line_count;   /* LF */
    struct binary_lines lines;
    struct binary_mark mark; /* measuring: as far as it came; then: where the last reading ended */
};

/* Describes part p of a stored message; NULL: the whole message, which has no encoding. shape: as stored.
 * Errors: ERR_UNKNOWN_CTE, also for a multipart, which has no octets of its own to decode. */
MUST_USE enum err binary_describe(uint64_t body_id, const struct shape *shape, const struct part *p,
                                  struct binary_part *out);
/* Finds size and NUL, a bounded piece of work a call; after STEP_DONE they are known for good. STEP_BAD: the store failed. */
MUST_USE enum step binary_measure(struct binary_part *part, struct body_reader *r);

/* What a session remembers of the parts it read last, so that a fetch of the middle of a part begins there. */
enum { BINARY_CACHE_PARTS = 4 };

struct binary_cache {
    struct binary_part parts[BINARY_CACHE_PARTS];
    unsigned next; /* to be forgotten */
};

/* The entry for such a part, as it was left or new (*described is copied). Valid until BINARY_CACHE_PARTS others were asked for. */
struct binary_part *binary_cache_get(struct binary_cache *cache,
                                     const struct binary_part *described);

/* A reading of decoded octets. All zero: closed. */
struct binary_octets {
    struct binary_part *part;
    struct body_reader *reader;
    uint64_t size; /* octets to come */
    uint64_t skip; /* decoded octets before them */
    struct binary_mark at;
    struct binary_mark begun; /* before what is in decoded */
    struct buf raw;
    struct buf decoded;
    size_t decoded_at;
};

/* Begins at a decoded offset; fewer octets than length when there are not so many. part: measured. Borrows part and r until
 * binary_close(). */
void binary_open(struct binary_octets *o, struct binary_part *part, struct body_reader *r,
                 uint64_t offset, uint64_t length);
/* The next octets, at most n; size > 0. Borrowed until the next call. STEP_MORE: nothing yet, after a bounded piece of work. STEP_BAD:
 * the store failed. */
MUST_USE enum step binary_read(struct binary_octets *o, size_t n, struct str *out);
void binary_close(struct binary_octets *o);

#endif
