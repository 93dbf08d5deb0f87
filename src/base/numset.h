#ifndef LIMETTA_BASE_NUMSET_H
#define LIMETTA_BASE_NUMSET_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A message's UID in its mailbox and its sequence number in a view. Never mixed; 0 means none. */
struct uid {
    uint32_t v;
};
struct seq {
    uint32_t v;
};

/* first <= last, both included. */
struct numrange {
    uint32_t first;
    uint32_t last;
};

/* A set of 32-bit numbers as sorted, disjoint, non-adjacent ranges. Heap memory. */
struct numset {
    struct numrange *at;
    size_t count; /* ranges */
    size_t size;
};

#define NUMSET_INIT ((struct numset){NULL, 0, 0})

void numset_release(struct numset *s);
void numset_clear(struct numset *s);
/* Adds the numbers between first and last, both included, in either order; merges what touches. Appending in rising order costs O(1). */
void numset_add(struct numset *s, uint32_t first, uint32_t last);
void numset_add_set(struct numset *s, const struct numset *other);
/* Removes what is in other. */
void numset_subtract(struct numset *s, const struct numset *other);
/* Removes the numbers between a and b, both included, in either order. */
void numset_remove(struct numset *s, uint32_t a, uint32_t b);
/* Keeps what is in other, too. */
void numset_intersect(struct numset *s, const struct numset *other);
bool numset_has(const struct numset *s, uint32_t n);
bool numset_is_empty(const struct numset *s);
/* How many numbers. */
uint64_t numset_get_count(const struct numset *s);
void numset_copy(struct numset *to, const struct numset *from);
/* Appends "1:3,7" (an IMAP sequence-set without "*"); nothing for the empty set. */
void numset_write(struct buf *out, const struct numset *s);

#endif
