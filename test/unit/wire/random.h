#ifndef LIMETTA_TEST_WIRE_RANDOM_H
#define LIMETTA_TEST_WIRE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* The seeded generator of the property tests (xorshift64): the same cases at every run. */
struct random {
    uint64_t state; /* not 0 */
};

static inline uint64_t random_next(struct random *r)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return r->state >> 11;
}

/* 0 .. below-1 */
static inline uint32_t random_below(struct random *r, uint32_t below)
{
    return (uint32_t)(random_next(r) % below);
}

/* Fills to with n octets taken from the set. */
static inline void random_fill(struct random *r, char *to, size_t n, const char *set,
                               size_t set_size)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = set[random_below(r, (uint32_t)set_size)];
    }
}

#endif
