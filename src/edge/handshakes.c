/* Turns for TLS handshakes.
 *
 * A handshake costs us a signature and a key exchange, a tenth of a millisecond to some milliseconds, and whoever asks for it next to
 * nothing. So there is a bound on how many we do in a second, and what is left of the processor belongs to those who are logged in. A
 * client that waits has sent its whole ClientHello, and that is all it has cost so far (net/tls.h: tls_hold()).
 *
 *     quiet:  [a] [b]              from places that begin few connections: first
 *     busy:   [x] [x] [y] [x] ...  from those that begin many: when no quiet one waits
 *
 * In a storm of handshakes from a few networks the others are served as if there was no storm. Who waits is still a stranger, and leaves
 * when his time is over, or to make room.
 *
 * Credit grows with time, and what is not used for CREDIT_MOST_US is gone: after a quiet moment a few go at once. */
#include "edge/handshakes.h"

#include "base/mem.h"

#include <stdlib.h>

enum { LISTS = 2, LEAST_AT_ONCE = 8 };

static const uint64_t SECOND_US = 1000 * 1000;
static const uint64_t CREDIT_MOST_US = 100 * 1000;

struct handshakes {
    struct loop *loop;
    struct timer *timer;
    struct list waiting[LISTS]; /* quiet, busy */
    void (*on_turn)(void *owner, struct list *node);
    void *owner;
    uint64_t cost_us; /* of one; 0: nothing */
    uint64_t credit_us;
    uint64_t counted_ms; /* up to when the credit is counted */
};

static struct list *find_next(struct handshakes *h)
{
    for (int i = 0; i < LISTS; i++) {
        if (!list_is_empty(&h->waiting[i])) {
            return h->waiting[i].next;
        }
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
    struct list *next = find_next(h);
    while (next != NULL && h->credit_us >= h->cost_us) {
        h->credit_us -= h->cost_us;
        list_remove(next);
        h->on_turn(h->owner, next);
        next = find_next(h);
    }
    if (next != NULL) {
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
    h->on_turn = on_turn;
    h->owner = owner;
    h->cost_us = a_second == 0 ? 0 : SECOND_US / a_second;
    h->credit_us = UINT32_MAX; /* as much as there may be */
    for (int i = 0; i < LISTS; i++) {
        list_init(&h->waiting[i]);
    }
    return h;
}

void handshakes_free(struct handshakes **h)
{
    if (*h == NULL) {
        return;
    }
    for (int i = 0; i < LISTS; i++) {
        list_detach(&(*h)->waiting[i]);
    }
    timer_free(&(*h)->timer);
    free(*h);
    *h = NULL;
}

void handshakes_ask(struct handshakes *h, struct list *node, bool is_busy)
{
    list_append(&h->waiting[is_busy ? 1 : 0], node);
    serve(h);
}
