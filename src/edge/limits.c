/* How many connections a neighbour has.
 *
 * The bound is per neighbour so that one of them cannot use up everybody's; it should be generous, for a mobile carrier
 * puts many phones behind one address (RFC 5383, 7). An entry lives as long as a connection counts in it. */
#include "edge/limits.h"

#include "base/map.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

struct limits {
    struct map *counts; /* of size_t */
    size_t per_neighbour_most;
    size_t count;
};

struct limits *limits_new(size_t per_neighbour_most)
{
    struct limits *l = mem_new(sizeof(*l));
    l->counts = map_new();
    l->per_neighbour_most = per_neighbour_most;
    return l;
}

void limits_free(struct limits **l)
{
    if (*l != NULL) {
        assert((*l)->count == 0);
        map_free(&(*l)->counts);
        free(*l);
        *l = NULL;
    }
}

bool limits_take(struct limits *l, const struct address *peer)
{
    struct str key = address_get_neighbour(peer);
    size_t *n = map_find(l->counts, key);
    if (n == NULL) {
        n = mem_new(sizeof(*n));
        (void)map_put(l->counts, key, n);
    }
    if (*n >= l->per_neighbour_most && *n > 0) {
        return false;
    }
    (*n)++;
    l->count++;
    return true;
}

void limits_give(struct limits *l, const struct address *peer)
{
    struct str key = address_get_neighbour(peer);
    size_t *n = map_find(l->counts, key);
    assert(n != NULL && *n > 0);
    l->count--;
    if (--*n == 0) {
        free(map_remove(l->counts, key));
    }
}

size_t limits_get_count(const struct limits *l)
{
    return l->count;
}
