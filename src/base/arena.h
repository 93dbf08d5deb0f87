#ifndef LIMETTA_BASE_ARENA_H
#define LIMETTA_BASE_ARENA_H

#include "base/err.h"
#include "base/str.h"

#include <stddef.h>

/* Memory with one lifetime: allocate freely, free all at once. Never thread-safe, never implicit.
 * Returned memory is zeroed and aligned for anything. */
struct arena;

/* A point to go back to; valid until the arena is cleared or rewound before it. */
struct arena_mark {
    void *chunk;
    size_t used;
};

/* cap: the most octets that may be allocated from it before a clear. Aborts when out of memory. */
struct arena *arena_new(size_t cap);
void arena_free(struct arena **a);
/* Frees everything allocated; keeps at most one small chunk. */
void arena_clear(struct arena *a);

/* NULL at the cap: then the caller's builder goes ERR_LIMIT. */
void *arena_alloc(struct arena *a, size_t size);
/* count items of size octets, checked for overflow. */
void *arena_alloc_array(struct arena *a, size_t count, size_t size);
#define arena_array(a, T, count) ((T *)arena_alloc_array((a), (count), sizeof(T)))
#define arena_one(a, T) ((T *)arena_alloc((a), sizeof(T)))

/* Copies s into the arena, NUL behind it. {NULL, 0} at the cap. */
struct str arena_str(struct arena *a, struct str s);
/* The same as a C string for libraries; NULL at the cap. */
char *arena_c(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct arena_mark arena_mark(struct arena *a);
/* Frees what was allocated since the mark. */
void arena_rewind(struct arena *a, struct arena_mark m);

#endif
