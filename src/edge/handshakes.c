/* Turns for TLS handshakes.
 *
 * A handshake costs us a signature and a key exchange, a tenth of a millisecond to some milliseconds, and whoever asks for it next to
 * nothing. So there is a bound on how many we do in a second, and what is left of the processor belongs to those who are logged in. A
 * client that waits has sent its whole ClientHello, and that is all it has cost so far (net/tls.h: tls_hold()).
 *
 *     round:  [192.0.2/24] -> [198.51.100/24] -> [203.0.113/24] -> ...
 *                  |                |                  |
 *                  a                x x x x x          y y
 *
 * Places take turns, whoever waits there: so in a storm from a few networks all others are served as if there was none, and one from n
 * networks leaves everybody a share of one in n and one. Who waits is still a stranger, and leaves when his time is over, or to make room.
 *
 * A place is there while somebody of it waits, or until its turn finds nobody. Credit grows with time, and what is not used for
 * CREDIT_MOST_US is gone: after a quiet moment a few go at once. */
#include "edge/handshakes.h"

#include "base/map.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

enum { LEAST_AT_ONCE = 8 };

static const uint64_t SECOND_US = 1000 * 1000;
static const uint64_t CREDIT_MOST_US = 100 * 1000;

struct place {
    struct list node;    /* in handshakes->round */
    struct list waiting; /* who came first, first */
    char key[HANDSHAKES_PLACE_MOST];
    size_t key_len;
};

struct handshakes {
    struct loop *loop;
    struct timer *timer;
    struct map *places;
    struct list round; /* the place whose turn is next comes first */
    void (*on_turn)(void *owner, struct list *node);
    void *owner;
    uint64_t cost_us; /* of one; 0: nothing */
    uint64_t credit_us;
    uint64_t counted_ms; /* up to when the credit is counted */
};

static void forget(struct handshakes *h, struct place *p)
{
    (void)map_remove(h->places, str_make(p->key, p->key_len));
    list_remove(&p->node);
    list_detach(&p->waiting);
    free(p);
}

/* The place whose turn it is; those where nobody waits any more go. NULL: nobody waits. */
static struct place *find_next(struct handshakes *h)
{
    while (!list_is_empty(&h->round)) {
        struct place *p = list_entry(h->round.next, struct place, node);
        if (!list_is_empty(&p->waiting)) {
            return p;
        }
        forget(h, p);
    }
    return NULL;
}

static void count_credit(struct handshakes *h)
{
    uint64_t now_ms = loop_now_ms(h->loop);
    uint64_t most = LEAST_AT_ONCE * h->cost_us;
    most = most > CREDIT_MOST_US ? most : CREDIT_MOST_US;
    uint64_t passed_ms = now_ms - h->counted_ms;
    uint64_t grown =
        passed_ms >= most / 1000 ? most : h->credit_us + 1000 * passed_ms; /* no overflow */
    h->credit_us = grown < most ? grown : most;
    h->counted_ms = now_ms;
}

static void serve(struct handshakes *h)
{
    count_credit(h);
    struct place *p = find_next(h);
    while (p != NULL && h->credit_us >= h->cost_us) {
        struct list *node = p->waiting.next;
        h->credit_us -= h->cost_us;
        list_remove(node);
        list_remove(&p->node);
        list_append(&h->round, &p->node);
        h->on_turn(h->owner, node);
        p = find_next(h);
    }
    if (p != NULL) {
        timer_start(h->timer, (h->cost_us - h->credit_us) / 1000 + 1);
    }
}

static void on_timer(void *owner)
{
    serve(owner);
}

struct handshakes *handshakes_new(struct loop *l, unsigned a_second,
                                  void (*on_turn)(void *owner, struct list *node), void *owner)
{
    struct handshakes *h = mem_new(sizeof(*h));
    h->loop = l;
    h->timer = timer_new(l, on_timer, h);
    h->places = map_new();
    h->on_turn = on_turn;
    h->owner = owner;
    h->cost_us = a_second == 0 ? 0 : SECOND_US / a_second;
    h->credit_us = UINT32_MAX; /* as much as there may be */
    list_init(&h->round);
    return h;
}

void handshakes_free(struct handshakes **h)
{
    if (*h == NULL) {
        return;
    }
    while (!list_is_empty(&(*h)->round)) {
        forget(*h, list_entry((*h)->round.next, struct place, node));
    }
    map_free(&(*h)->places);
    timer_free(&(*h)->timer);
    free(*h);
    *h = NULL;
}

void handshakes_ask(struct handshakes *h, struct list *node, struct str place)
{
    struct place *p = map_find(h->places, place);
    assert(place.n <= HANDSHAKES_PLACE_MOST);
    if (p == NULL) {
        p = mem_new(sizeof(*p));
        memcpy(p->key, place.p, place.n);
        p->key_len = place.n;
        list_init(&p->waiting);
        list_append(&h->round, &p->node);
        (void)map_put(h->places, place, p);
    }
    list_append(&p->waiting, node);
    serve(h);
}
