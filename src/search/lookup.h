#ifndef LIMETTA_SEARCH_LOOKUP_H
#define LIMETTA_SEARCH_LOOKUP_H

#include "base/str.h"
#include "base/vec.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* What the text index says about one key of a search, asked for as the search comes to the bodies. */
struct lookup {
    struct str
        keys[2];  /* casemap keys, borrowed; both are in the text of a body that has the key */
    size_t count; /* 0: the index cannot help */
    bool
        is_cheap; /* looking at a body oneself costs little more: ask only while it rules much out */
    VEC(struct lookup_slice *) slices; /* owned; NULL: not asked yet */
};

/* A body is asked for. cost grows by what it cost. False: the body does not hold the keys, for sure. */
bool lookup_may_hold(struct lookup *l, struct account *a, uint64_t body_id, uint64_t *cost);
/* The index need not be asked for that. */
bool lookup_is_known(const struct lookup *l, uint64_t body_id);
/* Adds a key, if it can be looked up. */
void lookup_add(struct lookup *l, struct str key);
void lookup_release(struct lookup *l);

#endif
