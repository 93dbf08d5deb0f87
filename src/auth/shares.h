#ifndef LIMETTA_AUTH_SHARES_H
#define LIMETTA_AUTH_SHARES_H

#include "base/list.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What each edge has of auth, so that one that was taken over costs the others nothing: its logins within a minute,
 * its place in the table of attempts, its turn at the processor. */
struct shares;

enum { SHARES_MOST = 128, SHARES_SUCCESS_PART = 16 };

/* One edge's. Open, for auth.c counts in it. */
struct share {
    char name[64];
    size_t attempts;     /* in the table now */
    struct list waiting; /* attempts that wait for their turn; whoever waits takes himself out */
    uint64_t empty_us;   /* when its logins of late count no more (shares.c) */
};

/* minute_most: logins that an edge may bring within a minute, of which those that succeed count a SHARES_SUCCESS_PARTth; 0: any number. */
struct shares *shares_new(uint64_t minute_most);
void shares_free(struct shares **s);
/* The share of the edge that is called so; lives as long as s. Beyond SHARES_MOST names the last ones have one together. */
struct share *shares_get(struct shares *s, struct str edge);
/* It begins a login at monotonic now_ms: 0. Else too many did not succeed of late (logged now and then): it does not, and may ask again
 * after so many milliseconds. */
uint64_t shares_begin(struct shares *s, struct share *edge, uint64_t now_ms);
/* A login that it began has succeeded. */
void shares_note_success(const struct shares *s, struct share *edge, uint64_t now_ms);
/* It came to nothing through no fault of the edge or its client, and nothing was told of it: it does not count. */
void shares_take_back(const struct shares *s, struct share *edge, uint64_t now_ms);
/* Takes out who has waited longest of the edge whose turn it is; edges take turns. NULL: nobody waits. */
struct list *shares_next(struct shares *s);
/* The edge with the most attempts. NULL: there is no edge. */
const struct share *shares_find_largest(const struct shares *s);

#endif
