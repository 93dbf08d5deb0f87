#ifndef LIMETTA_QUEUE_RATES_H
#define LIMETTA_QUEUE_RATES_H

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

/* How much mail somebody has submitted within the last hour. Somebody is a key: a user, an address. */
struct rates;

struct rates_sum {
    uint64_t messages;
    uint64_t recipients;
    uint64_t octets;
};

/* Opens or makes dir/rates.db; one that cannot be read is made anew. Errors: ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err rates_open(struct str dir, struct rates **out);
void rates_close(struct rates **r);

/* Of the hour before now_ms (Unix time), to five minutes. Errors: ERR_IO. */
MUST_USE enum err rates_get(struct rates *r, struct str key, uint64_t now_ms,
                            struct rates_sum *out);
/* Errors: ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err rates_add(struct rates *r, struct str key, uint64_t now_ms,
                            const struct rates_sum *sum);

#endif
