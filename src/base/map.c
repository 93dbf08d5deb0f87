/* The one hash map.
 *
 * Open addressing with linear probing over a power of two of slots, at most 3/4 of them used. Removal leaves a mark in its
 * slot (TOMB), which stays used until the table is full and made anew: without marks, twice as large or as large as before,
 * never smaller. To shift the following run back would need no marks, but map_next() promises that the entry just given may
 * be removed.
 *
 * The hash is SipHash-1-3 under a key drawn at random for each map, so a peer that picks names (mailboxes, recipients) cannot
 * make them collide: with a plain hash and a seed mixed in, keys that collide do so under every seed. */
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
    uint64_t secret[2];
};

static char tomb_mark;
#define TOMB (&tomb_mark)

/* ---- SipHash-1-3 (Aumasson and Bernstein) ---- */

struct sip {
    uint64_t a;
    uint64_t b;
    uint64_t c;
    uint64_t d;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(struct sip *s)
{
    s->a += s->b;
    s->b = rotate(s->b, 13) ^ s->a;
    s->a = rotate(s->a, 32);
    s->c += s->d;
    s->d = rotate(s->d, 16) ^ s->c;
    s->a += s->d;
    s->d = rotate(s->d, 21) ^ s->a;
    s->c += s->b;
    s->b = rotate(s->b, 17) ^ s->c;
    s->c = rotate(s->c, 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
    s->d ^= word;
    sip_round(s);
    s->a ^= word;
}

static uint64_t load(const char *p, size_t n)
{
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++) {
        word |= (uint64_t)(unsigned char)p[i] << (8 * i);
    }
    return word;
}

static uint64_t hash_of(const struct map *m, struct str key)
{
    struct sip s = {
        m->secret[0] ^ 0x736f6d6570736575U,
        m->secret[1] ^ 0x646f72616e646f6dU,
        m->secret[0] ^ 0x6c7967656e657261U,
        m->secret[1] ^ 0x7465646279746573U,
    };
    size_t whole = key.n / 8 * 8;
    for (size_t i = 0; i < whole; i += 8) {
        sip_word(&s, load(key.p + i, 8));
    }
    uint64_t rest = key.n > whole ? load(key.p + whole, key.n - whole) : 0;
    sip_word(&s, (uint64_t)key.n << 56 | rest);
    s.c ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}

/* ---- the map ---- */

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
    if (getrandom(m->secret, sizeof(m->secret), 0) != (ssize_t)sizeof(m->secret)) {
        abort();
    }
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
