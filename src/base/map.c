/* The one hash map.
 *
 * Open addressing with linear probing over a power of two of slots, at most 3/4 full. Removal leaves no
 * tombstone: it shifts the following run back. But map_next() promises that the entry just given may be
 * removed, which a shift would break, so removal marks the slot as empty-but-passed (TOMB) and growth sweeps
 * them away. The hash is FNV-1a started from a random value drawn once a process, so a peer that picks keys
 * (mailbox names, recipients) cannot line them up. */
#include "base/map.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

enum { SLOTS_FIRST = 16 };

struct slot {
    char *key; /* owned; NULL: never used; TOMB: was used */
    size_t key_len;
    uint64_t hash;
    void *value;
};

struct map {
    struct slot *slots;
    size_t size;
    size_t count;
    size_t used; /* count and tombs */
    uint64_t seed;
};

static char tomb_mark;
#define TOMB (&tomb_mark)

static uint64_t hash_of(const struct map *m, struct str key)
{
    uint64_t h = str_hash(key) ^ m->seed;
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdU;
    h ^= h >> 33;
    return h;
}

static uint64_t random_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        abort();
    }
    return seed;
}

static void *must_alloc(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (p == NULL) {
        abort();
    }
    return p;
}

struct map *map_new(void)
{
    struct map *m = must_alloc(1, sizeof(*m));
    m->size = SLOTS_FIRST;
    m->slots = must_alloc(m->size, sizeof(*m->slots));
    m->seed = random_seed();
    return m;
}

static bool is_live(const struct slot *s)
{
    return s->key != NULL && s->key != TOMB;
}

void map_free(struct map **m)
{
    if (*m == NULL) {
        return;
    }
    for (size_t i = 0; i < (*m)->size; i++) {
        if (is_live(&(*m)->slots[i])) {
            free((*m)->slots[i].key);
        }
    }
    free((*m)->slots);
    free(*m);
    *m = NULL;
}

/* The slot that holds key, or the empty slot that ends its run. */
static struct slot *find_slot(const struct map *m, struct str key, uint64_t hash)
{
    for (size_t i = hash & (m->size - 1);; i = (i + 1) & (m->size - 1)) {
        struct slot *s = &m->slots[i];
        if (s->key == NULL) {
            return s;
        }
        if (s->key != TOMB && s->hash == hash && str_eq(str_make(s->key, s->key_len), key)) {
            return s;
        }
    }
}

void *map_find(const struct map *m, struct str key)
{
    struct slot *s = find_slot(m, key, hash_of(m, key));
    return s->key == NULL ? NULL : s->value;
}

static void grow(struct map *m)
{
    struct slot *old = m->slots;
    size_t old_size = m->size;
    m->size = m->count * 2 >= old_size ? old_size * 2 : old_size;
    m->slots = must_alloc(m->size, sizeof(*m->slots));
    m->used = m->count;
    for (size_t i = 0; i < old_size; i++) {
        if (is_live(&old[i])) {
            *find_slot(m, str_make(old[i].key, old[i].key_len), old[i].hash) = old[i];
        }
    }
    free(old);
}

void *map_put(struct map *m, struct str key, void *value)
{
    assert(value != NULL);
    uint64_t hash = hash_of(m, key);
    struct slot *s = find_slot(m, key, hash);
    if (s->key != NULL) {
        void *before = s->value;
        s->value = value;
        return before;
    }
    if ((m->used + 1) * 4 > m->size * 3) {
        grow(m);
        s = find_slot(m, key, hash);
    }
    s->key = must_alloc(key.n + 1, 1);
    if (key.n > 0) {
        memcpy(s->key, key.p, key.n);
    }
    s->key_len = key.n;
    s->hash = hash;
    s->value = value;
    m->count++;
    m->used++;
    return NULL;
}

void *map_remove(struct map *m, struct str key)
{
    struct slot *s = find_slot(m, key, hash_of(m, key));
    if (s->key == NULL) {
        return NULL;
    }
    void *before = s->value;
    free(s->key);
    *s = (struct slot){.key = TOMB};
    m->count--;
    return before;
}

size_t map_get_count(const struct map *m)
{
    return m->count;
}

bool map_next(const struct map *m, size_t *at, struct str *key, void **value)
{
    for (; *at < m->size; (*at)++) {
        const struct slot *s = &m->slots[*at];
        if (is_live(s)) {
            *key = str_make(s->key, s->key_len);
            *value = s->value;
            (*at)++;
            return true;
        }
    }
    return false;
}
