/* What strangers may cost, by where they come from.
 *
 * Bounds are per place, so that nobody can use up what is everybody's; they should be generous, for a mobile carrier puts many phones
 * behind one address (RFC 5383, 7). A connection counts at two places: its address (of IPv6 the /64, in which every host has more
 * addresses than we could count) and the prefix around it, for whoever has a whole /24 or /48.
 *
 *     place   connections now, strangers now, and for what happens over time a bucket each: begun, octets, failures
 *
 * A bucket is one number: when it will be empty. An event that costs 1 of n a minute moves that by a n-th of a minute; what would be
 * more than a whole minute ahead is too much. So it fills at once and leaks evenly, and needs no timer.
 *
 * A place lives while a connection counts at it, and as long after that as a bucket is not empty. There are at most
 * LIMITS_REMEMBERED_MOST without a connection: the one unused for longest makes room. So who has addresses without end makes
 * us forget his own first ones; but each /24 or /48 of his is still one place, and the newest.
 *
 * Keys: 16 octets an IPv4 address, 15 its /24, 8 an IPv6 /64, 6 its /48: their length tells them apart. */
#include "edge/limits.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

enum { SCOPES = 2, KEY_MOST = 16, SWEEP = 4 };

static const uint64_t MINUTE_US = 60ULL * 1000 * 1000;
static const uint64_t HOUR_US = 3600ULL * 1000 * 1000;

struct bucket {
    uint64_t empty_us; /* of the monotonic clock */
};

struct place {
    struct list node; /* in limits->remembered, when there is no connection */
    struct bucket begun;
    struct bucket octets;
    struct bucket failures;
    uint32_t connections;
    uint32_t strangers;
    uint8_t key[KEY_MOST];
    uint8_t key_len;
};

struct limits {
    struct map *places;     /* of struct place */
    struct list remembered; /* those without a connection; unused for longest first */
    size_t remembered_count;
    struct limits_bounds bounds[SCOPES];
    size_t count;
};

struct limits *limits_new(const struct limits_bounds *address, const struct limits_bounds *prefix)
{
    struct limits *l = mem_new(sizeof(*l));
    l->places = map_new();
    list_init(&l->remembered);
    l->bounds[0] = *address;
    l->bounds[1] = *prefix;
    return l;
}

static struct str get_key(const struct place *p)
{
    return str_make((const char *)p->key, p->key_len);
}

static void forget(struct limits *l, struct place *p)
{
    assert(p->connections == 0);
    (void)map_remove(l->places, get_key(p));
    list_remove(&p->node);
    l->remembered_count--;
    free(p);
}

static struct place *get_oldest(const struct limits *l)
{
    return list_entry(l->remembered.next, struct place, node);
}

void limits_free(struct limits **l)
{
    if (*l == NULL) {
        return;
    }
    assert((*l)->count == 0);
    while (!list_is_empty(&(*l)->remembered)) {
        forget(*l, get_oldest(*l));
    }
    map_free(&(*l)->places);
    free(*l);
    *l = NULL;
}

/* ---- buckets ---- */

static uint64_t get_level(const struct bucket *b, uint64_t now_us)
{
    return b->empty_us > now_us ? b->empty_us - now_us : 0;
}

/* It holds as much as it may. */
static bool is_full(const struct bucket *b, uint64_t most, uint64_t period_us, uint64_t now_us)
{
    return most > 0 && get_level(b, now_us) + period_us / most > period_us;
}

static void pour(struct bucket *b, uint64_t n, uint64_t most, uint64_t period_us, uint64_t now_us)
{
    if (most == 0) {
        return;
    }
    /* At most two periods ahead: whoever went over is not shut out for ever. */
    uint64_t cost = n >= 2 * most ? 2 * period_us : n * period_us / most;
    uint64_t level = get_level(b, now_us) + cost;
    b->empty_us = now_us + (level < 2 * period_us ? level : 2 * period_us);
}

static bool is_forgettable(const struct place *p, uint64_t now_us)
{
    return p->begun.empty_us <= now_us && p->octets.empty_us <= now_us
           && p->failures.empty_us <= now_us;
}

/* ---- places ---- */

static struct str make_key(const struct address *a, int scope)
{
    return scope == 0 ? address_get_neighbour(a) : address_get_prefix(a);
}

static struct place *find(const struct limits *l, const struct address *a, int scope)
{
    return map_find(l->places, make_key(a, scope));
}

/* Lets go of those that nothing is known of any more, and of the oldest when there are too many. */
static void sweep(struct limits *l, uint64_t now_us)
{
    for (int i = 0; i < SWEEP && !list_is_empty(&l->remembered); i++) {
        struct place *oldest = get_oldest(l);
        if (!is_forgettable(oldest, now_us) && l->remembered_count <= LIMITS_REMEMBERED_MOST) {
            return;
        }
        forget(l, oldest);
    }
}

/* Puts a place without a connection where the newest are. */
static void remember(struct limits *l, struct place *p)
{
    if (list_is_empty(&p->node)) {
        l->remembered_count++;
    } else {
        list_remove(&p->node);
    }
    list_append(&l->remembered, &p->node);
}

static struct place *get(struct limits *l, const struct address *a, int scope)
{
    struct str key = make_key(a, scope);
    struct place *p = map_find(l->places, key);
    if (p != NULL) {
        return p;
    }
    p = mem_new(sizeof(*p));
    list_init(&p->node);
    memcpy(p->key, key.p, key.n);
    p->key_len = (uint8_t)key.n;
    (void)map_put(l->places, key, p);
    remember(l, p);
    return p;
}

static enum limits_verdict judge(const struct place *p, const struct limits_bounds *b,
                                 uint64_t now_us)
{
    if (is_full(&p->failures, b->failures_hour, HOUR_US, now_us)) {
        return LIMITS_FAILURES;
    }
    if (is_full(&p->begun, b->begun_minute, MINUTE_US, now_us)) {
        return LIMITS_OFTEN;
    }
    if (is_full(&p->octets, b->octets_minute, MINUTE_US, now_us)) {
        return LIMITS_OCTETS;
    }
    if (b->connections > 0 && p->connections >= b->connections) {
        return LIMITS_CONNECTIONS;
    }
    return b->strangers > 0 && p->strangers >= b->strangers ? LIMITS_STRANGERS : LIMITS_FINE;
}

/* Whoever is refused and comes again is not forgotten before others. */
static void keep_in_mind(struct limits *l, struct place *const at[SCOPES])
{
    for (int i = 0; i < SCOPES; i++) {
        if (at[i]->connections == 0) {
            remember(l, at[i]);
        }
    }
}

enum limits_verdict limits_take(struct limits *l, const struct address *peer, uint64_t now_ms)
{
    uint64_t now_us = now_ms * 1000;
    struct place *at[SCOPES];
    sweep(l, now_us);
    for (int i = 0; i < SCOPES; i++) {
        at[i] = get(l, peer, i);
    }
    for (int i = 0; i < SCOPES; i++) {
        enum limits_verdict v = judge(at[i], &l->bounds[i], now_us);
        if (v != LIMITS_FINE) {
            keep_in_mind(l, at);
            return v;
        }
    }
    for (int i = 0; i < SCOPES; i++) {
        pour(&at[i]->begun, 1, l->bounds[i].begun_minute, MINUTE_US, now_us);
        at[i]->strangers++;
        if (at[i]->connections++ == 0) {
            list_remove(&at[i]->node);
            l->remembered_count--;
        }
    }
    l->count++;
    return LIMITS_FINE;
}

void limits_give(struct limits *l, const struct address *peer, bool is_stranger)
{
    for (int i = 0; i < SCOPES; i++) {
        struct place *p = find(l, peer, i);
        assert(p != NULL && p->connections > 0 && (!is_stranger || p->strangers > 0));
        p->strangers -= is_stranger ? 1 : 0;
        if (--p->connections == 0) {
            remember(l, p);
        }
    }
    l->count--;
}

void limits_note_login(struct limits *l, const struct address *peer)
{
    for (int i = 0; i < SCOPES; i++) {
        struct place *p = find(l, peer, i);
        assert(p != NULL && p->strangers > 0);
        p->strangers--;
    }
}

void limits_note_return(struct limits *l, const struct address *peer)
{
    for (int i = 0; i < SCOPES; i++) {
        struct place *p = find(l, peer, i);
        assert(p != NULL);
        p->strangers++;
    }
}

bool limits_note_octets(struct limits *l, const struct address *peer, size_t n, uint64_t now_ms)
{
    bool is_good = true;
    for (int i = 0; i < SCOPES; i++) {
        struct place *p = find(l, peer, i);
        uint64_t most = l->bounds[i].octets_minute;
        assert(p != NULL);
        is_good = is_good && !is_full(&p->octets, most, MINUTE_US, now_ms * 1000);
        pour(&p->octets, n, most, MINUTE_US, now_ms * 1000);
    }
    return is_good;
}

void limits_note_failure(struct limits *l, const struct address *peer, uint64_t now_ms)
{
    for (int i = 0; i < SCOPES; i++) {
        struct place *p = get(l, peer, i);
        pour(&p->failures, 1, l->bounds[i].failures_hour, HOUR_US, now_ms * 1000);
    }
}

size_t limits_get_count(const struct limits *l)
{
    return l->count;
}

size_t limits_get_places(const struct limits *l)
{
    return map_get_count(l->places);
}
