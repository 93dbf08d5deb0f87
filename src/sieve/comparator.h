#ifndef LIMETTA_SIEVE_COMPARATOR_H
#define LIMETTA_SIEVE_COMPARATOR_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For insiders of the room: comparators (RFC 4790), and glob patterns over them. */

enum sieve_comparator {
    SIEVE_OCTET,   /* i;octet */
    SIEVE_CASEMAP, /* i;ascii-casemap */
    SIEVE_NUMERIC, /* i;ascii-numeric */
    SIEVE_UNICODE, /* i;unicode-casemap (RFC 5051) */
    SIEVE_COMPARATOR_COUNT
};

/* "i;octet" ...; SIEVE_COMPARATOR_COUNT: no such name. */
enum sieve_comparator sieve_comparator_find(struct str name);
/* Appends the octets that stand for s when it is compared: equal, ordered, and found in one another as the texts are. Not for
 * SIEVE_NUMERIC. */
void sieve_comparator_write_key(enum sieve_comparator c, struct str s, struct buf *out);
/* A key grows to a few times its text at most. */
static inline size_t sieve_comparator_key_cap(struct str s)
{
    return s.n * 24 + 64;
}
/* Is the key something else than the text? */
static inline bool sieve_comparator_is_folding(enum sieve_comparator c)
{
    return c == SIEVE_CASEMAP || c == SIEVE_UNICODE;
}
/* The order of two texts: <0, 0, >0. */
int sieve_comparator_compare(enum sieve_comparator c, struct str a, struct str b);
/* Is b in a? Not for SIEVE_NUMERIC. */
bool sieve_comparator_contains(enum sieve_comparator c, struct str a, struct str b);

enum { SIEVE_WILDCARDS_MOST = 99 };

struct sieve_glob_match {
    struct str
        wildcards[SIEVE_WILDCARDS_MOST]; /* what each "?" and "*" stands for, within the value */
    uint32_t count;                      /* of them; more are matched, and not kept */
    uint64_t cost; /* in: how many octets may be compared; out: what is left; 0: it was given up */
};

/* Does the pattern match all of value (RFC 5228, 2.7.1)? "*" stands for as little as possible. Takes time that the product of the
 * sizes bounds, whatever the pattern, and cost bounds that. Not for SIEVE_NUMERIC. */
bool sieve_glob(enum sieve_comparator c, struct str pattern, struct str value,
                struct sieve_glob_match *out);

#endif
