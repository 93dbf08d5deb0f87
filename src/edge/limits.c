/* How many connections a neighbour has.
 *
 * The bound is per neighbour so that one of them cannot use up everybody's; it should be generous, for a mobile carrier
 * puts many phones behind one address (RFC 5383, 7). An entry lives as long as a connection counts in it, and where there is a
 * bound by the minute, to the end of the minute: then all of them are gone through. Whoever comes too often is heard again in the
 * next minute. */
#include "edge/limits.h"

#include "base/map.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

enum { MINUTE_MS = 60 * 1000 };

struct neighbour {
    size_t count;  /* connections now */
    size_t recent; /* begun in this minute */
};

struct limits {
    struct map *neighbours; /* of struct neighbour */
    size_t per_neighbour_most;
    size_t minute_most;
    uint64_t minute;
    size_t count;
};

struct limits *limits_new(size_t per_neighbour_most, size_t minute_most)
{
    struct limits *l = mem_new(sizeof(*l));
    l->neighbours = map_new();
    l->per_neighbour_most = per_neighbour_most;
    l->minute_most = minute_most;
    return l;
}

/* Forgets those without a connection; all may begin as many as before. */
static void begin_minute(struct limits *l)
{
    struct map *left = map_new();
    struct str key;
    void *value = NULL;
    for (size_t at = 0; map_next(l->neighbours, &at, &key, &value);) {
        struct neighbour *n = value;
        n->recent = 0;
        if (n->count > 0) {
            (void)map_put(left, key, n);
        } else {
            free(n);
        }
    }
    map_free(&l->neighbours);
    l->neighbours = left;
}

void limits_free(struct limits **l)
{
    if (*l != NULL) {
        assert((*l)->count == 0);
        begin_minute(*l);
        map_free(&(*l)->neighbours);
        free(*l);
        *l = NULL;
    }
}

bool limits_take(struct limits *l, const struct address *peer, uint64_t now_ms)
{
    if (now_ms / MINUTE_MS != l->minute) {
        l->minute = now_ms / MINUTE_MS;
        begin_minute(l);
    }
    struct str key = address_get_neighbour(peer);
    struct neighbour *n = map_find(l->neighbours, key);
    if (n == NULL) {
        n = mem_new(sizeof(*n));
        (void)map_put(l->neighbours, key, n);
    }
    bool is_often = l->minute_most > 0 && n->recent >= l->minute_most;
    if ((n->count >= l->per_neighbour_most && n->count > 0) || is_often) {
        return false;
    }
    n->recent++;
    n->count++;
    l->count++;
    return true;
}

void limits_give(struct limits *l, const struct address *peer)
{
    struct str key = address_get_neighbour(peer);
    struct neighbour *n = map_find(l->neighbours, key);
    assert(n != NULL && n->count > 0);
    l->count--;
    if (--n->count == 0 && l->minute_most == 0) {
        free(map_remove(l->neighbours, key));
    }
}

size_t limits_get_count(const struct limits *l)
{
    return l->count;
}
