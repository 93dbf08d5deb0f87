/* Regions.
 *
 * An arena is a chain of chunks, newest first; allocation bumps a counter in the newest one. Lifetimes nest
 * (process, session, command, scratch) and each has one arena, so parse trees and responses in the making need no
 * owner and no free. The cap turns "the peer made us allocate" into NULL, which callers report as ERR_LIMIT.
 *
 * Under AddressSanitizer each allocation is a chunk of its own, so an overrun or a use after clear is seen. */
#include "base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_FIRST = 1024, CHUNK_MOST = 65536, CHUNK_KEEP = 4096 };

struct chunk {
    struct chunk *older;
    size_t size; /* octets in data */
    size_t used;
    alignas(max_align_t) char data[];
};

struct arena {
    struct chunk *newest;
    size_t used;
    size_t cap;
};

#ifdef __SANITIZE_ADDRESS__
static const bool ONE_CHUNK_EACH = true;
#else
static const bool ONE_CHUNK_EACH = false;
#endif

struct arena *arena_new(size_t cap)
{
    struct arena *a = calloc(1, sizeof(*a));
    if (a == NULL) {
        abort();
    }
    a->cap = cap;
    return a;
}

static void free_newest(struct arena *a)
{
    struct chunk *c = a->newest;
    a->newest = c->older;
    free(c);
}

void arena_free(struct arena **a)
{
    if (*a == NULL) {
        return;
    }
    while ((*a)->newest != NULL) {
        free_newest(*a);
    }
    free(*a);
    *a = NULL;
}

void arena_clear(struct arena *a)
{
    while (a->newest != NULL && (a->newest->older != NULL || a->newest->size > CHUNK_KEEP)) {
        free_newest(a);
    }
    if (a->newest != NULL) {
        memset(a->newest->data, 0, a->newest->used);
        a->newest->used = 0;
    }
    a->used = 0;
}

static struct chunk *add_chunk(struct arena *a, size_t need)
{
    size_t size = a->newest == NULL ? CHUNK_FIRST : a->newest->size * 2;
    size = size > CHUNK_MOST ? CHUNK_MOST : size;
    size = ONE_CHUNK_EACH || size < need ? need : size;
    struct chunk *c = calloc(1, sizeof(*c) + size);
    if (c == NULL) {
        abort();
    }
    c->size = size;
    c->older = a->newest;
    a->newest = c;
    return c;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t align = alignof(max_align_t);
    if (size > a->cap || a->used > a->cap - size) {
        return NULL;
    }
    size_t need = ONE_CHUNK_EACH ? (size == 0 ? 1 : size) : (size + align - 1) / align * align;
    struct chunk *c = a->newest;
    if (c == NULL || ONE_CHUNK_EACH || need > c->size - c->used) {
        c = add_chunk(a, need);
    }
    void *p = c->data + c->used;
    c->used += need;
    a->used += size;
    return p;
}

void *arena_alloc_array(struct arena *a, size_t count, size_t size)
{
    size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total)) {
        return NULL;
    }
    return arena_alloc(a, total);
}

char *arena_c(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);
    if (p != NULL && s.n > 0) {
        memcpy(p, s.p, s.n);
    }
    return p;
}

struct str arena_str(struct arena *a, struct str s)
{
    char *p = arena_c(a, s);
    return p == NULL ? STR_EMPTY : str_make(p, s.n);
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    assert(n >= 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    if (p != NULL) {
        (void)vsnprintf(p, (size_t)n + 1, format, again);
    }
    va_end(again);
    va_end(args);
    return p == NULL ? STR_EMPTY : str_make(p, (size_t)n);
}

struct arena_mark arena_mark(struct arena *a)
{
    return (struct arena_mark){a->newest, a->newest == NULL ? 0 : a->newest->used};
}

void arena_rewind(struct arena *a, struct arena_mark m)
{
    while (a->newest != NULL && a->newest != m.chunk) {
        a->used -= a->newest->used < a->used ? a->newest->used : a->used;
        free_newest(a);
    }
    if (a->newest != NULL) {
        size_t freed = a->newest->used - m.used;
        memset(a->newest->data + m.used, 0, freed);
        a->newest->used = m.used;
        a->used -= freed < a->used ? freed : a->used;
    }
}
