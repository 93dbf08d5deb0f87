/* Growing delays for failed logins.
 *
 * Each failure is counted twice, for the address (IPv4 whole, IPv6 its /64, which is what one customer has) and for the
 * prefix around it (/24, /48). The count decides how late the "no" is said; a "yes" is never late, so whoever shares a
 * carrier's NAT with a guesser still logs in at once. The count grows when the failure happens, not when it is
 * answered: guesses sent side by side wait longer and longer, too.
 *
 * The account is counted, too, without its address: an edge that was taken over can say any address it likes.
 *
 * The table holds DELAYS_TABLE_MOST entries in order of their last failure; a new one pushes out the oldest. So a
 * guesser with many addresses forgets himself, but each /24 or /48 of his is still one entry. */
#include "auth/delays.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"

#include <arpa/inet.h>
#include <stdlib.h>

enum {
    HALF_LIFE_MS = 15 * 60 * 1000,
    NEIGHBOURS = 16,
    ACCOUNT_SHARE = 4,
    COUNT_MOST = 1 << 20,
    KEY_MOST = 20
};

struct place {
    struct list node; /* oldest failure first */
    char key[KEY_MOST];
    size_t key_size;
    uint32_t count;
    uint64_t last_ms;
};

struct delays {
    struct map *places;
    struct list order;
};

struct place_key {
    char octets[KEY_MOST];
    size_t n;
};

struct delays *delays_new(void)
{
    struct delays *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        abort();
    }
    d->places = map_new();
    list_init(&d->order);
    return d;
}

static void forget(struct delays *d, struct place *p)
{
    (void)map_remove(d->places, str_make(p->key, p->key_size));
    list_remove(&p->node);
    free(p);
}

void delays_free(struct delays **d)
{
    if (*d == NULL) {
        return;
    }
    while (!list_is_empty(&(*d)->order)) {
        forget(*d, list_entry((*d)->order.next, struct place, node));
    }
    map_free(&(*d)->places);
    free(*d);
    *d = NULL;
}

static struct place_key make_key(char kind, const uint8_t *octets, size_t n)
{
    struct place_key k = {.n = n + 1};
    k.octets[0] = kind;
    memcpy(k.octets + 1, octets, n);
    return k;
}

/* The keys of the address itself and of the prefix around it. */
static void get_keys(struct str address, struct place_key *own, struct place_key *around)
{
    char c[INET6_ADDRSTRLEN + 1] = "";
    uint8_t octets[16];
    if (address.n < sizeof(c)) {
        memcpy(c, address.p == NULL ? "" : address.p, address.n);
    }
    if (inet_pton(AF_INET, c, octets) == 1) {
        *own = make_key('4', octets, 4);
        *around = make_key('a', octets, 3);
    } else if (inet_pton(AF_INET6, c, octets) == 1) {
        static const uint8_t MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
        if (memcmp(octets, MAPPED, sizeof(MAPPED)) == 0) {
            *own = make_key('4', octets + 12, 4);
            *around = make_key('a', octets + 12, 3);
            return;
        }
        *own = make_key('6', octets, 8);
        *around = make_key('b', octets, 6);
    } else {
        *own = make_key('?', octets, 0);
        *around = make_key('!', octets, 0);
    }
}

static struct place *find_place(const struct delays *d, const struct place_key *k)
{
    return map_find(d->places, str_make(k->octets, k->n));
}

static struct place *add_place(struct delays *d, const struct place_key *k)
{
    if (map_get_count(d->places) >= DELAYS_TABLE_MOST) {
        forget(d, list_entry(d->order.next, struct place, node));
    }
    struct place *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        abort();
    }
    memcpy(p->key, k->octets, k->n);
    p->key_size = k->n;
    list_init(&p->node);
    (void)map_put(d->places, str_make(p->key, p->key_size), p);
    return p;
}

/* Counts one more and returns the count. */
static uint32_t count_failure(struct delays *d, const struct place_key *k, uint64_t now_ms)
{
    struct place *p = find_place(d, k);
    if (p == NULL) {
        p = add_place(d, k);
    } else {
        uint64_t halvings = (now_ms - p->last_ms) / HALF_LIFE_MS;
        p->count = halvings >= 32 ? 0 : p->count >> halvings;
    }
    p->count += p->count < COUNT_MOST ? 1 : 0;
    p->last_ms = now_ms;
    list_remove(&p->node);
    list_append(&d->order, &p->node);
    return p->count;
}

static uint64_t get_delay_ms(uint32_t earlier)
{
    uint64_t delay_ms = earlier >= 16 ? DELAY_MOST_MS : (uint64_t)DELAY_FIRST_MS << earlier;
    return delay_ms < DELAY_MOST_MS ? delay_ms : DELAY_MOST_MS;
}

uint64_t delays_fail(struct delays *d, struct str address, uint64_t now_ms)
{
    struct place_key own;
    struct place_key around;
    get_keys(address, &own, &around);
    uint32_t count = count_failure(d, &own, now_ms) - 1;
    uint32_t neighbours = count_failure(d, &around, now_ms) / NEIGHBOURS;
    count = neighbours > count ? neighbours : count;
    return get_delay_ms(count);
}

uint64_t delays_fail_account(struct delays *d, struct str name, uint64_t now_ms)
{
    uint64_t hash = str_hash(name);
    struct place_key key = make_key('u', (const uint8_t *)&hash, sizeof(hash));
    return get_delay_ms(count_failure(d, &key, now_ms) / ACCOUNT_SHARE);
}

uint64_t delays_get_place(struct str address)
{
    struct place_key own;
    struct place_key around;
    get_keys(address, &own, &around);
    return str_hash(str_make(own.octets, own.n));
}

void delays_succeed(struct delays *d, struct str address)
{
    struct place_key own;
    struct place_key around;
    get_keys(address, &own, &around);
    struct place *p = find_place(d, &own);
    if (p != NULL) {
        forget(d, p);
    }
}
