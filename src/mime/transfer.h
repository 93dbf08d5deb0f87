#ifndef LIMETTA_MIME_TRANSFER_H
#define LIMETTA_MIME_TRANSFER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Content-Transfer-Encoding (RFC 2045, 6), undone as a stream. Tolerant: any octets decode to something. */
enum transfer_kind { TRANSFER_IDENTITY, TRANSFER_BASE64, TRANSFER_QUOTED_PRINTABLE };

enum { TRANSFER_WHITE_MOST = 128 };

struct transfer {
    enum transfer_kind kind;
    uint32_t bits;   /* base64: gathered, not yet whole octets */
    unsigned digits; /* base64: 0..3 gathered */
    char held[TRANSFER_WHITE_MOST
              + 4]; /* quoted-printable: white space that may end the line, or a begun "=XX" */
    size_t held_n;
};

/* The kind that a part's encoding names (without case): 7bit, 8bit, binary are the identity. Errors: ERR_UNKNOWN_CTE. */
MUST_USE enum err transfer_find(struct str encoding, enum transfer_kind *out);
void transfer_init(struct transfer *t, enum transfer_kind kind);
/* Appends octets decoded. is_last: none comes, what waits is written or dropped. Line ends stay as they are.
 * At out's cap octets are lost (out->is_full). */
void transfer_decode(struct transfer *t, struct str octets, bool is_last, struct buf *out);

/* Is c one of the 64 digits of base64 (RFC 2045, 6.8)? */
bool transfer_is_base64_digit(char c);

#endif
