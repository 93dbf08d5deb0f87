#ifndef LIMETTA_IMAP_OUT_H
#define LIMETTA_IMAP_OUT_H

#include "base/buf.h"
#include "base/str.h"

#include <stdint.h>
#include <string.h>

/* Writers for the hot paths: they put octets at p, which has room, and return the place behind. A FETCH of the flags of
 * 100,000 messages is nothing but these. */

enum { PUT_U64_MOST = 20 };

/* v in decimal, at most PUT_U64_MOST octets. */
static inline char *put_u64(char *p, uint64_t v)
{
    char digits[PUT_U64_MOST];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    size_t n = sizeof(digits) - at;
    memcpy(p, digits + at, n);
    return p + n;
}

static inline char *put_str(char *p, struct str s)
{
    memcpy(p, s.p, s.n);
    return p + s.n;
}

#define put_lit(p, lit) put_str((p), STR(lit))

#endif
