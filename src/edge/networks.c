/* How long do NATs and firewalls on the way remember a connection that is silent?
 *
 * They should for 2 hours 4 minutes (RFC 5382, REQ-5; RFC 5383, 7: D36), and for most that is so, or we cannot know better: such networks
 * have no entry here, and hear one keep-alive in just under two hours. For a network that was seen to forget earlier the keep-alive is
 * shortened to just under what was seen, for that network alone, which is logged (D38: a NOOP for a NAT's sake is a waste, but a lost
 * connection is a bigger one).
 *
 * Lengths are rungs of a ladder: 6900 s, 5175 s, 3881 s ... 69 s, each three quarters of the one above, so that a rule of silence
 * (silence.h) each is enough.
 *
 *     forgotten after 29 min     once: noted; a third time, with nothing that survived as long in between: shortened to
 *                                the first rung below (1637 s)
 *     forgotten again, shorter   twice: shortened further
 *     survived longer            what was seen was something else (a phone that was switched off): forgiven
 *     a day later                one connection is tried one rung higher; when it survives, all go there;
 *                                when it is forgotten, two days, four days, at most eight
 *     back at 6900 s             the entry goes
 *
 * A switched-off phone must not count, and mostly does not (comeback.c decides what is seen as "forgotten"); those that do are outvoted by
 * phones that were silent for longer and live. What a mistake costs is some packets for one network, for a day. */
#include "edge/networks.h"

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include <stdlib.h>

enum { SUSPICIONS = 3, SUSPICIONS_AGAIN = 2, WAIT_MOST_DAYS = 8, NAME_MOST = 64 };

struct network {
    struct list node; /* in networks->by_age */
    struct address first;
    uint64_t forgotten_ms; /* the shortest silence that was, since the last verdict */
    uint64_t try_ms;       /* when the next rung is to be tried */
    unsigned wait_days;
    unsigned suspicions;
    unsigned rung;
    bool is_trying;
};

struct networks {
    struct map *entries; /* by prefix */
    struct list by_age;  /* not heard of for longest first */
    uint64_t full_ms;
    uint64_t day_ms;
    size_t most;
};

struct networks *networks_new(uint64_t full_ms, uint64_t day_ms, size_t most)
{
    struct networks *n = mem_new(sizeof(*n));
    n->entries = map_new();
    list_init(&n->by_age);
    n->full_ms = full_ms;
    n->day_ms = day_ms;
    n->most = most;
    return n;
}

static void forget(struct networks *n, struct network *w)
{
    (void)map_remove(n->entries, address_get_prefix(&w->first));
    list_remove(&w->node);
    free(w);
}

void networks_free(struct networks **n)
{
    if (*n != NULL) {
        while (!list_is_empty(&(*n)->by_age)) {
            forget(*n, list_entry((*n)->by_age.next, struct network, node));
        }
        map_free(&(*n)->entries);
        free(*n);
        *n = NULL;
    }
}

uint64_t networks_get_rung_ms(const struct networks *n, unsigned rung)
{
    uint64_t ms = n->full_ms;
    for (unsigned i = 0; i < rung; i++) {
        ms = ms / 4 * 3 + ms % 4 * 3 / 4;
    }
    return ms;
}

static struct network *find(const struct networks *n, const struct address *peer)
{
    return map_get_count(n->entries) == 0 ? NULL : map_find(n->entries, address_get_prefix(peer));
}

static struct network *make(struct networks *n, const struct address *peer)
{
    if (map_get_count(n->entries) >= n->most) {
        forget(n, list_entry(n->by_age.next, struct network, node));
    }
    struct network *w = mem_new(sizeof(*w));
    w->first = *peer;
    w->wait_days = 1;
    list_append(&n->by_age, &w->node);
    (void)map_put(n->entries, address_get_prefix(peer), w);
    return w;
}

static void tell(const struct networks *n, const struct network *w, const char *what)
{
    CLEANUP(buf_release) struct buf name = BUF_INIT(NAME_MOST);
    address_write(&name, &w->first);
    log_info("the network around %.*s %s: keep-alive after %llu s of silence there",
             STR_ARG(buf_str(&name)), what,
             (unsigned long long)networks_get_rung_ms(n, w->rung) / 1000);
}

static void wait_days(const struct networks *n, struct network *w, unsigned days, uint64_t now_ms)
{
    w->wait_days = days < WAIT_MOST_DAYS ? days : WAIT_MOST_DAYS;
    w->try_ms = now_ms + w->wait_days * n->day_ms;
    w->is_trying = false;
}

unsigned networks_get_rung(struct networks *n, const struct address *peer, uint64_t now_ms)
{
    struct network *w = find(n, peer);
    if (w == NULL || w->rung == 0 || now_ms < w->try_ms) {
        return w == NULL ? 0 : w->rung;
    }
    wait_days(n, w, w->wait_days,
              now_ms); /* this one; the others stay, and so does it when it comes again */
    w->is_trying = true;
    return w->rung - 1;
}

void networks_note_survived(struct networks *n, const struct address *peer, uint64_t silent_ms,
                            uint64_t now_ms)
{
    struct network *w = find(n, peer);
    if (w == NULL) {
        return;
    }
    if (w->suspicions > 0 && silent_ms >= w->forgotten_ms) {
        w->suspicions = 0;
    }
    unsigned before = w->rung;
    while (w->rung > 0 && silent_ms >= networks_get_rung_ms(n, w->rung - 1)) {
        w->rung--;
    }
    if (w->rung < before) {
        tell(n, w, "remembers for longer than was seen before");
        wait_days(n, w, 1, now_ms);
    }
    if (w->rung == 0 && w->suspicions == 0) {
        forget(n, w);
    }
}

void networks_note_forgotten(struct networks *n, const struct address *peer, uint64_t silent_ms,
                             uint64_t now_ms)
{
    struct network *w = find(n, peer);
    w = w == NULL ? make(n, peer) : w;
    list_remove(&w->node);
    list_append(&n->by_age, &w->node);
    if (w->is_trying && silent_ms > networks_get_rung_ms(n, w->rung)) {
        wait_days(n, w, 2 * w->wait_days, now_ms); /* it has not become better */
        return;
    }
    if (w->suspicions == 0 || silent_ms < w->forgotten_ms) {
        w->forgotten_ms = silent_ms;
    }
    w->suspicions++;
    if (w->suspicions < (w->rung == 0 ? SUSPICIONS : SUSPICIONS_AGAIN)) {
        return;
    }
    unsigned before = w->rung;
    while (w->rung + 1 < NETWORKS_RUNGS && networks_get_rung_ms(n, w->rung) >= w->forgotten_ms) {
        w->rung++;
    }
    w->suspicions = 0;
    if (w->rung > before) {
        tell(n, w, "forgets silent connections");
    }
    wait_days(n, w, 1, now_ms);
}

size_t networks_get_count(const struct networks *n)
{
    return map_get_count(n->entries);
}
