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

enum { SHARES_MOST = 128, SHARES_MINUTE_MS = 60 * 1000 };

/* One edge's. Open, for auth.c counts in it. */
struct share {
    char name[64];
    size_t attempts;     /* in the table now */
    struct list waiting; /* attempts that wait for their turn; whoever waits takes himself out */
    uint64_t minute_ms;  /* when the running minute began */
    uint64_t begun;      /* within it */
};

/* minute_most: logins that an edge may begin within a minute; 0: any number. */
struct shares *shares_new(uint64_t minute_most);
void shares_free(struct shares **s);
/* The share of the edge that is called so; lives as long as s. Beyond SHARES_MOST names the last ones have one together. */
struct share *shares_get(struct shares *s, struct str edge);
/* It begins a login at monotonic now_ms. False: too many in this minute (logged once a minute). */
bool shares_begin(struct shares *s, struct share *edge, uint64_t now_ms);
/* Takes out who has waited longest of the edge whose turn it is; edges take turns. NULL: nobody waits. */
struct list *shares_next(struct shares *s);
/* The edge with the most attempts. NULL: there is no edge. */
const struct share *shares_find_largest(const struct shares *s);

#endif
