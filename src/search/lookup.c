/* Candidates, slice by slice.
 *
 * The index is asked for SLICE body ids at a time, when the search comes to the first of them, and the answer is kept as a bit map: 4 KiB
 * a slice, so a million bodies cost 128 KiB a key, and no question takes long. An answer stays true whatever happens to the
 * index meanwhile, because bodies do not change: it is the mark of that moment that says for which bodies it speaks. */
#include "search/lookup.h"

#include "store/textindex.h"

#include <stdlib.h>

enum {
    SLICE = 32768,
    SLICES_MOST = 65536,    /* bodies behind them are looked at */
    SLICE_COST = 512 * 1024 /* up to 4 ms, when a text is everywhere */
};

struct lookup_slice {
    uint64_t first; /* body id */
    uint64_t mark;  /* the bits speak for bodies up to here */
    uint64_t count; /* bits that are set */
    uint8_t bits[SLICE / 8];
};

static void on_body(void *owner, uint64_t body_id)
{
    struct lookup_slice *s = owner;
    uint64_t at = body_id - s->first;
    s->count++;
    s->bits[at / 8] |= (uint8_t)(1U << at % 8);
}

static struct lookup_slice *ask(const struct lookup *l, struct account *a, uint64_t first)
{
    struct lookup_slice *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        abort();
    }
    s->first = first;
    const struct text_query q = {.keys = l->keys,
                                 .count = l->count,
                                 .first = first,
                                 .last = first + SLICE - 1,
                                 .on_body = on_body,
                                 .owner = s};
    s->mark = account_find_text(a, &q);
    return s;
}

void lookup_add(struct lookup *l, struct str key)
{
    if (l->count < sizeof(l->keys) / sizeof(l->keys[0]) && text_is_findable(key)) {
        l->keys[l->count++] = key;
    }
}

bool lookup_is_known(const struct lookup *l, uint64_t body_id)
{
    uint64_t i = body_id / SLICE;
    return l->count == 0 || i >= SLICES_MOST || (i < l->slices.count && l->slices.at[i] != NULL);
}

bool lookup_may_hold(struct lookup *l, struct account *a, uint64_t body_id, uint64_t *cost)
{
    uint64_t i = body_id / SLICE;
    if (l->count == 0 || i >= SLICES_MOST) {
        return true;
    }
    while (l->slices.count <= i) {
        vec_push(&l->slices, NULL);
    }
    if (l->slices.at[i] == NULL) {
        l->slices.at[i] = ask(l, a, i * SLICE);
        *cost += SLICE_COST;
    }
    const struct lookup_slice *s = l->slices.at[i];
    if (l->is_cheap && s->count > SLICE / 2) {
        l->count = 0; /* half of all have it, so it will be no better elsewhere */
        return true;
    }
    uint64_t at = body_id - s->first;
    return body_id > s->mark || (s->bits[at / 8] >> at % 8 & 1) != 0;
}

void lookup_release(struct lookup *l)
{
    for (size_t i = 0; i < l->slices.count; i++) {
        free(l->slices.at[i]);
    }
    vec_release(&l->slices);
}
