/* The wake table.
 *
 * A parked session is somebody's phone asleep, and there may be a hundred thousand in a worker; so an entry is small (48 octets; with
 * what the maps need, some 150), and a commit looks only at the sessions of its own account.
 *
 *     user -> sleeper (link, id, mailbox) -> sleeper -> ...
 *     (link, id) -> sleeper
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
    struct list sleepers;
    size_t user_len;
    char user[];
};

struct sleeper {
    struct list node; /* of its household, or among the doubtful */
    struct household *household;
    struct link *link;
    uint64_t mailbox_id; /* 0: anything in the account */
    uint32_t id;
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

static void drop(struct parked *p, struct sleeper *s)
{
    struct key key = {s->link, s->id};
    struct household *h = s->household;
    get_share(p, s->link)->count--;
    (void)map_remove(p->sleepers, key_str(&key));
    list_remove(&s->node);
    free(s);
    if (h != NULL && list_is_empty(&h->sleepers)) {
        (void)map_remove(p->households, str_make(h->user, h->user_len));
        free(h);
    }
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
        list_init(&h->sleepers);
        h->user_len = user.n;
        memcpy(h->user, user.p, user.n);
        (void)map_put(p->households, user, h);
    }
    return h;
}

/* NULL: there is no room, and it was woken. */
static struct sleeper *add(struct parked *p, struct link *l, uint32_t id)
{
    struct key key = {l, id};
    parked_forget(p, l, id);
    struct share *share = get_share(p, l);
    if (share->count >= p->most) {
        link_wake(l, id);
        return NULL;
    }
    share->count++;
    struct sleeper *s = mem_new(sizeof(*s));
    list_init(&s->node);
    s->link = l;
    s->id = id;
    (void)map_put(p->sleepers, key_str(&key), s);
    return s;
}

void parked_add(struct parked *p, struct link *l, struct str user, const struct session_save *save,
                uint32_t id)
{
    if (save->watch == SESSION_WATCH_NONE) {
        return;
    }
    struct sleeper *s = add(p, l, id);
    if (s == NULL) {
        return;
    }
    s->household = get_household(p, user);
    s->mailbox_id = save->watch == SESSION_WATCH_MAILBOX ? save->mailbox_id : 0;
    list_append(&s->household->sleepers, &s->node);
}

void parked_forget(struct parked *p, const struct link *l, uint32_t id)
{
    struct key key = {l, id};
    struct sleeper *s = map_find(p->sleepers, key_str(&key));
    if (s != NULL) {
        drop(p, s);
    }
}

void parked_forget_link(struct parked *p, const struct link *l)
{
    size_t at = 0;
    struct str key;
    void *value = NULL;
    while (map_next(p->sleepers, &at, &key, &value)) {
        struct sleeper *s = value;
        if (s->link == l) {
            drop(p, s);
        }
    }
    size_t share = (size_t)(get_share(p, l) - p->shares.at);
    vec_remove(&p->shares, share);
}

static void wake(struct parked *p, struct sleeper *s)
{
    link_wake(s->link, s->id);
    drop(p, s);
}

void parked_note_change(struct parked *p, struct str user, uint64_t mailbox_id)
{
    struct household *h = map_find(p->households, user);
    if (h == NULL) {
        return;
    }
    struct list *node = h->sleepers.next;
    bool is_last = false;
    while (!is_last) {
        struct sleeper *s = list_entry(node, struct sleeper, node);
        node = node->next;
        is_last = node == &h->sleepers; /* with the last one the household may go */
        if (s->mailbox_id == 0 || s->mailbox_id == mailbox_id) {
            wake(p, s);
        }
    }
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
        wake(p, list_entry(p->doubtful.next, struct sleeper, node));
    }
    start_doubts(p);
}

void parked_doubt(struct parked *p, struct link *l, uint32_t id)
{
    struct sleeper *s = add(p, l, id);
    if (s != NULL) {
        list_append(&p->doubtful, &s->node);
        start_doubts(p);
    }
}

size_t parked_get_count(const struct parked *p)
{
    return map_get_count(p->sleepers);
}
