#ifndef LIMETTA_BASE_MAP_H
#define LIMETTA_BASE_MAP_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Hash map from octets to pointers, keyed with a secret so that peers cannot choose collisions.
 * Keys are copied; values are borrowed. */
struct map;

struct map *map_new(void);
/* Frees the map and its keys, not the values. */
void map_free(struct map **m);
/* NULL when the key is not there. */
void *map_find(const struct map *m, struct str key);
/* Sets or replaces; value must not be NULL. Returns the value that was there, or NULL. */
void *map_put(struct map *m, struct str key, void *value);
/* Returns the value that was there, or NULL. */
void *map_remove(struct map *m, struct str key);
size_t map_get_count(const struct map *m);
/* Walks all entries in no order: start with *at = 0; false at the end. The map must not change meanwhile,
 * except that the entry just given may be removed. */
bool map_next(const struct map *m, size_t *at, struct str *key, void **value);

/* Integer keys: the 8 octets of id as the key. */
static inline struct str map_id(const uint64_t *id)
{
    return str_make((const char *)id, sizeof(*id));
}

#endif
