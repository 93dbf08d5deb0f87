/* Accounts of other workers.
 *
 * Any worker may die, and the supervisor starts it again and hands out a new link to it. Whoever has a session there waits for that: the
 * sessions that wait stand in one line, for a worker that comes back finds all of them at once, and who waited too long is asked
 * whether that matters (imap/peer_saved.c). Nobody is called from within his own call, but from timers of the loop. */
#include "main/far_desk.h"

#include "imap/peer.h"
#include "net/ticket.h"

enum { SECOND_MS = 1000, LATE_S = 60 };

static void on_up_due(void *owner);
static void on_late_due(void *owner);

void far_desk_init(struct far_desk *d, const struct boot *b, struct loop *l, struct peers *p)
{
    *d = (struct far_desk){
        .loop = l,
        .peers = p,
        .index = boot_get_index(b),
        .workers = (unsigned)boot_get_u64(b, STR("workers"), 1),
        .late_ms = SECOND_MS * boot_get_u64(b, STR("resume_wait_s"), LATE_S),
    };
    list_init(&d->waits);
    d->late = timer_new(l, on_late_due, d);
    d->up = timer_new(l, on_up_due, d);
}

void far_desk_release(struct far_desk *d)
{
    while (d->loop != NULL && !list_is_empty(&d->waits)) {
        list_remove(d->waits.next);
    }
    timer_free(&d->late);
    timer_free(&d->up);
}

static struct link *find_link(const struct far_desk *d, unsigned index)
{
    struct link *l = peers_find(d->peers, ROLE_STORE, index);
    return link_is_up(l) ? l : NULL;
}

struct link *far_desk_find(const struct far_desk *d, struct str user, bool *is_here)
{
    unsigned index = ticket_get_worker(user, d->workers);
    *is_here = index == d->index;
    return *is_here ? NULL : find_link(d, index);
}

struct stream *far_desk_open(struct far_desk *d, struct str user, struct str head, struct str state)
{
    bool is_here;
    struct link *l = far_desk_find(d, user, &is_here);
    if (is_here) {
        return NULL;
    }
    if (l != NULL) {
        return state.n > 0 ? link_resume(l, head, state) : link_open(l, head);
    }
    struct stream *near = NULL;
    struct stream *far = NULL;
    stream_pair(d->loop, &near, &far);
    stream_free(&far);
    return near;
}

/* ---- who waits ---- */

static void watch_late(struct far_desk *d)
{
    if (list_is_empty(&d->waits)) {
        return;
    }
    uint64_t now_ms = loop_now_ms(d->loop);
    uint64_t due_ms = list_entry(d->waits.next, struct imap_peer_wait, node)->since_ms + d->late_ms;
    timer_start(d->late, due_ms > now_ms ? due_ms - now_ms : 0);
}

void far_desk_await(struct far_desk *d, struct str user, struct imap_peer_wait *w)
{
    w->index = ticket_get_worker(user, d->workers);
    w->since_ms = loop_now_ms(d->loop);
    list_remove(&w->node);
    list_append(&d->waits, &w->node);
    watch_late(d);
    if (find_link(d, w->index) != NULL) {
        timer_start(d->up, 0);
    }
}

void far_desk_note_link(struct far_desk *d)
{
    timer_start(d->up, 0);
}

static void on_up_due(void *owner)
{
    struct far_desk *d = owner;
    struct list *node = d->waits.next;
    while (node != &d->waits) {
        struct imap_peer_wait *w = list_entry(node, struct imap_peer_wait, node);
        node = node->next;
        if (find_link(d, w->index) != NULL) {
            list_remove(&w->node);
            w->on_up(w);
        }
    }
}

static void on_late_due(void *owner)
{
    struct far_desk *d = owner;
    uint64_t now_ms = loop_now_ms(d->loop);
    while (!list_is_empty(&d->waits)) {
        struct imap_peer_wait *w = list_entry(d->waits.next, struct imap_peer_wait, node);
        if (w->since_ms + d->late_ms > now_ms) {
            break;
        }
        list_remove(&w->node);
        w->on_late(w);
    }
    watch_late(d);
}

/* ---- sessions of others here ---- */

static bool seal(void *owner, const struct session_save *save, struct buf *out)
{
    (void)owner;
    peer_seal_state(save, out);
    return !out->is_full;
}

static void free_nothing(void *owner)
{
    (void)owner;
}

void far_desk_keep(struct session_runner *r)
{
    static const struct session_keeper KEEPER = {.seal = seal, .free = free_nothing};
    session_runner_keep(r, &KEEPER, r);
}
