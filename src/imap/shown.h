#ifndef LIMETTA_IMAP_SHOWN_H
#define LIMETTA_IMAP_SHOWN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "mime/present.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The octets of a message as BODY[...] shows them: those that are stored, but binary parts in base64 (mime/present.h; RFC 3516,
 * 6), and NUL nowhere. All zero: closed. */
struct shown {
    struct body_reader *reader;
    uint64_t size; /* as shown: the message's size in its view */
    bool
        is_encoded; /* it is not shown as it is stored: shown_set_shape() before anything is read */
    const struct shape *shape; /* as shown; NULL before shown_set_shape(); borrowed */
    struct present present;
    struct buf window;
};

/* Opens the message's octets. m: its cold columns. Errors: ERR_NO_MESSAGE, ERR_IO, ERR_CORRUPT. */
MUST_USE enum err shown_open(struct shown *s, struct account *a, const struct message *m);
/* Tells the shape of the stored message; borrowed, as is a, which holds what presenting needs. Errors: as present_build(). */
MUST_USE enum err shown_set_shape(struct shown *s, struct arena *a, const struct shape *stored);
/* At most n octets from offset, fewer only at the end; borrowed until the next call. Errors: ERR_IO, ERR_CORRUPT. */
MUST_USE enum err shown_get(struct shown *s, uint64_t offset, size_t n, struct str *out);
void shown_close(struct shown *s);

#endif
