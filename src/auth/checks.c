/* Remembered password checks.
 *
 * user -> BLAKE2b(key, user length, user, password) and when it was checked in full. The key is random and lives in locked
 * memory, so the hashes say nothing outside this process; entries are bounded in number (the oldest goes) and in age
 * (counted from the full check, not from the last use, so a password is checked in full at least once an hour). */
#include "auth/checks.h"

#include "base/list.h"
#include "base/map.h"

#include <sodium.h>
#include <stdlib.h>

struct check {
    struct list node; /* oldest first */
    uint8_t hash[crypto_generichash_BYTES];
    uint64_t at_ms;
    size_t user_size;
    char user[];
};

struct checks {
    struct map *by_user;
    struct list order;
    uint8_t key[crypto_generichash_KEYBYTES];
};

struct checks *checks_new(void)
{
    struct checks *c = sodium_init() < 0 ? NULL : sodium_malloc(sizeof(*c));
    if (c == NULL) {
        abort();
    }
    c->by_user = map_new();
    list_init(&c->order);
    randombytes_buf(c->key, sizeof(c->key));
    return c;
}

static void forget(struct checks *c, struct check *e)
{
    (void)map_remove(c->by_user, str_make(e->user, e->user_size));
    list_remove(&e->node);
    sodium_memzero(e->hash, sizeof(e->hash));
    free(e);
}

void checks_clear(struct checks *c)
{
    while (!list_is_empty(&c->order)) {
        forget(c, list_entry(c->order.next, struct check, node));
    }
}

void checks_free(struct checks **c)
{
    if (*c == NULL) {
        return;
    }
    checks_clear(*c);
    map_free(&(*c)->by_user);
    sodium_free(*c);
    *c = NULL;
}

static void hash(const struct checks *c, struct str user, struct str password,
                 uint8_t out[crypto_generichash_BYTES])
{
    uint64_t user_size = user.n;
    crypto_generichash_state s;
    (void)crypto_generichash_init(&s, c->key, sizeof(c->key), crypto_generichash_BYTES);
    (void)crypto_generichash_update(&s, (const unsigned char *)&user_size, sizeof(user_size));
    (void)crypto_generichash_update(&s, (const unsigned char *)user.p, user.n);
    (void)crypto_generichash_update(&s, (const unsigned char *)password.p, password.n);
    (void)crypto_generichash_final(&s, out, crypto_generichash_BYTES);
    sodium_memzero(&s, sizeof(s));
}

void checks_remember(struct checks *c, struct str user, struct str password, uint64_t now_ms)
{
    struct check *old = map_find(c->by_user, user);
    if (old != NULL) {
        forget(c, old);
    } else if (map_get_count(c->by_user) >= CHECKS_MOST) {
        forget(c, list_entry(c->order.next, struct check, node));
    }
    struct check *e = calloc(1, sizeof(*e) + user.n);
    if (e == NULL) {
        abort();
    }
    memcpy(e->user, user.p, user.n);
    e->user_size = user.n;
    e->at_ms = now_ms;
    hash(c, user, password, e->hash);
    list_append(&c->order, &e->node);
    (void)map_put(c->by_user, user, e);
}

bool checks_has(const struct checks *c, struct str user, struct str password, uint64_t now_ms)
{
    const struct check *e = map_find(c->by_user, user);
    if (e == NULL || now_ms - e->at_ms >= CHECKS_KEEP_MS) {
        return false;
    }
    uint8_t got[crypto_generichash_BYTES];
    hash(c, user, password, got);
    return sodium_memcmp(got, e->hash, sizeof(got)) == 0;
}
