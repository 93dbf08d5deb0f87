/* The wake table.
 *
 * A parked session is somebody's phone asleep, and there may be a hundred thousand in a worker; so an entry is small (80 octets; with
 * what the maps need, some 180), and a commit looks only at the sessions of its own account.
 *
 *     user -> bed (mailbox) -> bed -> ...
 *               |
 *             sleeper (link, id)  <-- (link, id)
 *
 * Most have one bed; a session with a mailbox of another account selected may have two, when that account is here, too. When it is
 * another worker's, that one is asked to wake us: as an edge asks, with the state of the session there (net/link.h), so it can see whether
 * something came already.
 *
 * An entry wakes once: who was woken resumes, and is parked again with a new id.
 *
 * What an edge may have noted here is bounded (PARKED_MOST for each link), for a PARK costs it some octets, and it need not be true.
 * Whoever finds no room is woken at once: he lives on, and is only not asleep.
 *
 * After a restart the edges show their parked sessions to us, with states from before. What happened between the state and our start
 * we do not know, and finding out is what resuming does. So these are doubtful: they are woken in small portions, by and by, find
 * that nothing happened (or what happened), and are parked again. */
#include "main/parked.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"

#include <stdlib.h>

enum { DOUBTS_MS = 20, DOUBTS_PORTION = 32 };

/* The sessions of one account. */
struct household {
    struct list beds;
    size_t user_len;
    char user[];
};

struct sleeper;

/* What wakes a sleeper. */
struct bed {
    struct list node; /* of its household, or (the first of a sleeper) among the doubtful */
    struct household *household;
    struct sleeper *whose;
    uint64_t mailbox_id; /* 0: anything in the account */
};

struct sleeper {
    struct link *link;
    struct link *far; /* to the worker that wakes it; NULL: none does */
    uint32_t id;
    uint32_t far_id;
    size_t bed_count;
    struct bed beds[];
};

/* How many of a link are in the table. */
struct share {
    const struct link *link;
    size_t count;
};

struct parked {
    struct map *households; /* by user */
    struct map *sleepers;   /* by link and id */
    struct list doubtful;
    struct timer *doubts;
    bool is_doubting; /* the timer runs */
    VEC(struct share) shares;
    size_t most; /* of a link */
};

struct key {
    const struct link *link;
    uint64_t id;
};

static struct str key_str(const struct key *k)
{
    return str_make((const char *)k, sizeof(*k));
}

static void on_doubts(void *owner);

struct parked *parked_new(struct loop *l, size_t most)
{
    struct parked *p = mem_new(sizeof(*p));
    p->most = most;
    p->households = map_new();
    p->sleepers = map_new();
    list_init(&p->doubtful);
    p->doubts = timer_new(l, on_doubts, p);
    return p;
}

static struct share *get_share(struct parked *p, const struct link *l)
{
    for (size_t i = 0; i < p->shares.count; i++) {
        if (p->shares.at[i].link == l) {
            return &p->shares.at[i];
        }
    }
    vec_push(&p->shares, ((struct share){.link = l}));
    return &p->shares.at[p->shares.count - 1];
}

static void leave(struct parked *p, struct bed *b)
{
    struct household *h = b->household;
    list_remove(&b->node);
    b->household = NULL;
    if (h != NULL && list_is_empty(&h->beds)) {
        (void)map_remove(p->households, str_make(h->user, h->user_len));
        free(h);
    }
}

static void drop(struct parked *p, struct sleeper *s)
{
    struct key key = {s->link, s->id};
    get_share(p, s->link)->count--;
    (void)map_remove(p->sleepers, key_str(&key));
    for (size_t i = 0; i < s->bed_count; i++) {
        leave(p, &s->beds[i]);
    }
    if (s->far != NULL) {
        link_forget(s->far, s->far_id);
    }
    free(s);
}

void parked_free(struct parked **p)
{
    struct parked *gone = *p;
    if (gone == NULL) {
        return;
    }
    *p = NULL;
    size_t at = 0;
    struct str key;
    void *value = NULL;
    while (map_next(gone->sleepers, &at, &key, &value)) {
        drop(gone, value);
    }
    map_free(&gone->households);
    map_free(&gone->sleepers);
    timer_free(&gone->doubts);
    vec_release(&gone->shares);
    free(gone);
}

static struct household *get_household(struct parked *p, struct str user)
{
    struct household *h = map_find(p->households, user);
    if (h == NULL) {
        h = mem_new(sizeof(*h) + user.n);
        list_init(&h->beds);
        h->user_len = user.n;
        memcpy(h->user, user.p, user.n);
        (void)map_put(p->households, user, h);
    }
    return h;
}

/* NULL: there is no room, and it was woken. */
static struct sleeper *add(struct parked *p, struct link *l, uint32_t id, size_t beds)
{
    struct key key = {l, id};
    parked_forget(p, l, id);
    struct share *share = get_share(p, l);
    if (share->count >= p->most) {
        link_wake(l, id);
        return NULL;
    }
    share->count++;
    struct sleeper *s = mem_new(sizeof(*s) + beds * sizeof(s->beds[0]));
    s->link = l;
    s->id = id;
    s->bed_count = beds;
    for (size_t i = 0; i < beds; i++) {
        list_init(&s->beds[i].node);
        s->beds[i].whose = s;
    }
    (void)map_put(p->sleepers, key_str(&key), s);
    return s;
}

/* The bed is of user's household now. */
static void lay(struct parked *p, struct bed *b, struct str user, uint64_t mailbox_id)
{
    b->household = get_household(p, user);
    b->mailbox_id = mailbox_id;
    list_append(&b->household->beds, &b->node);
}

void parked_add(struct parked *p, struct link *l, struct str user, const struct session_save *save,
                uint32_t id, struct link *far)
{
    const struct session_far *other = save->far;
    bool is_watching = save->watch != SESSION_WATCH_NONE;
    bool is_here = other != NULL && far == NULL;
    if (!is_watching && other == NULL) {
        return;
    }
    struct sleeper *s = add(p, l, id, (size_t)is_watching + (size_t)is_here);
    if (s == NULL) {
        return;
    }
    if (is_watching) {
        lay(p, &s->beds[0], user, save->watch == SESSION_WATCH_MAILBOX ? save->mailbox_id : 0);
    }
    if (is_here) {
        lay(p, &s->beds[s->bed_count - 1], other->user,
            other->watch == SESSION_WATCH_MAILBOX ? other->mailbox_id : 0);
    }
    if (other != NULL && far != NULL) {
        s->far = far;
        s->far_id = link_keep_again(far, other->head, other->state, s);
    }
}

void parked_forget(struct parked *p, const struct link *l, uint32_t id)
{
    struct key key = {l, id};
    struct sleeper *s = map_find(p->sleepers, key_str(&key));
    if (s != NULL) {
        drop(p, s);
    }
}

static void wake(struct parked *p, struct sleeper *s)
{
    link_wake(s->link, s->id);
    drop(p, s);
}

/* What its far worker knew is gone with that. */
static void lose_far(struct parked *p, struct sleeper *s)
{
    struct link *l = s->link;
    uint32_t id = s->id;
    s->far = NULL;
    drop(p, s);
    parked_doubt(p, l, id);
}

void parked_forget_link(struct parked *p, const struct link *l)
{
    size_t at = 0;
    struct str key;
    void *value = NULL;
    VEC(struct sleeper *) far = VEC_INIT;
    while (map_next(p->sleepers, &at, &key, &value)) {
        struct sleeper *s = value;
        if (s->link == l) {
            drop(p, s);
        } else if (s->far == l) {
            vec_push(&far, s);
        }
    }
    for (size_t i = 0; i < far.count; i++) {
        lose_far(p, far.at[i]);
    }
    vec_release(&far);
    size_t share = (size_t)(get_share(p, l) - p->shares.at);
    vec_remove(&p->shares, share);
}

void parked_note_far(struct parked *p, void *whose)
{
    wake(p, whose);
}

void parked_note_change(struct parked *p, struct str user, uint64_t mailbox_id)
{
    VEC(struct sleeper *) woken = VEC_INIT;
    const struct household *h = map_find(p->households, user);
    if (h == NULL) {
        return;
    }
    list_each(node, &h->beds)
    {
        const struct bed *b = list_entry(node, struct bed, node);
        bool is_meant = b->mailbox_id == 0 || b->mailbox_id == mailbox_id;
        /* the beds of one sleeper were laid together */
        bool is_twice = woken.count > 0 && woken.at[woken.count - 1] == b->whose;
        if (is_meant && !is_twice) {
            vec_push(&woken, b->whose);
        }
    }
    for (size_t i = 0; i < woken.count; i++) {
        wake(p, woken.at[i]);
    }
    vec_release(&woken);
}

/* ---- the doubtful ---- */

static void start_doubts(struct parked *p)
{
    if (!p->is_doubting && !list_is_empty(&p->doubtful)) {
        p->is_doubting = true;
        timer_start(p->doubts, DOUBTS_MS);
    }
}

static void on_doubts(void *owner)
{
    struct parked *p = owner;
    p->is_doubting = false;
    for (unsigned i = 0; i < DOUBTS_PORTION && !list_is_empty(&p->doubtful); i++) {
        wake(p, list_entry(p->doubtful.next, struct bed, node)->whose);
    }
    start_doubts(p);
}

void parked_doubt(struct parked *p, struct link *l, uint32_t id)
{
    struct sleeper *s = add(p, l, id, 1);
    if (s != NULL) {
        list_append(&p->doubtful, &s->beds[0].node);
        start_doubts(p);
    }
}

size_t parked_get_count(const struct parked *p)
{
    return map_get_count(p->sleepers);
}
