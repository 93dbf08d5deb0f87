/* Random walks over links, against a model.
 *
 * Two links face each other over a pipe in memory whose pieces change, and which is stopped and goes on: the road is full, half full and
 * free in all orders. Sessions are opened both ways; their users write, save states, say marks, pause, end, reset, park, wake and resume,
 * from outside the loop, from the middle of it, and inside their own callbacks. Now and then the link is cut.
 *
 * What must hold at every octet: what was written comes, unaltered and in order; a state comes right behind its octets; a mark keeps its
 * place among octets and states. And whenever the loop is idle and the road open: nothing waits, but for a reader who paused, whose
 * writer is then stopped at one window; the last state counts and has come; who was over the high-water mark was told that it drained;
 * every end, wake-up and answer has come.
 *
 * Seeds: 1 to SEEDS; the one that fails is named. An argument runs that seed alone. */
#include "net/link.h"

#include "../wire/random.h"
#include "unit.h"

#include <stdlib.h>

enum {
    SEEDS = 50,
    ACTIONS = 400, /* of a seed; a few more happen inside callbacks */
    SLOTS = 6,
    SAVES_KEPT = 256,
    WRITE_MOST = 300 * 1024,
    ROAD_MOST =
        2 * 1024
        * 1024, /* what may wait under a link: its sessions stop at STREAM_HIGH_WATER, short frames do not */
    PERIOD = 256, /* of the octets */
    /* A paused reader's, when more waits: credit goes back in quarters of a window, and what a state comes with does not come apart. */
    LEAST_UNDER_WAY = LINK_WINDOW - LINK_WINDOW / 4 - LINK_SAVE_MOST,
};

/* One direction of a session. */
struct way {
    uint32_t seed;
    uint64_t written;
    uint64_t heard;
    uint64_t saved; /* states so far; each is named by its number, from 1 */
    uint64_t saved_before_mark;
    uint64_t save_heard; /* the last that came */
    uint64_t save_at[SAVES_KEPT];
    uint64_t of
        [SAVES_KEPT]; /* whose octets a state has: its own, or those of one that holds on; 0: none */
    uint64_t kept;    /* whose octets the reader has */
    uint64_t mark_at; /* with mark */
    uint8_t mark;     /* under way, or 0 */
};

enum place { OPENER, ACCEPTOR };

struct slot;

struct end {
    struct slot *slot;
    enum place place;
    struct stream *s; /* NULL: none */
    struct way *in;
    struct way *out;
    bool is_shut;
    bool is_paused;
    bool owes_drained;
    bool has_ended;
    bool is_end_first; /* when doomed: the orderly end had been said, and waits for who paused */
    bool is_doomed;    /* its peer reset it, or the link is cut: it must hear so */
    bool
        is_over; /* the same, but both sides had said that they are done: it may have come to a good end before */
};

struct slot {
    struct world *w;
    uint32_t generation;
    int side; /* of the opener */
    struct end ends[2];
    struct way ways[2]; /* by the place of the writer */
    bool is_kept;       /* the opener has it parked: */
    uint32_t kept_id;
    bool is_watched; /* the acceptor's process has forgotten it, and knows: */
    uint32_t watch_id;
    uint32_t watch_generation;
    bool is_woken; /* a wake-up is under way */
};

struct side {
    struct world *w;
    struct link *link;
    struct stream *under; /* the link's */
    uint64_t asked;
    uint64_t answered;
    bool is_down;
};

struct world {
    struct loop *loop;
    struct random random;
    struct side sides[2];
    struct slot slots[SLOTS];
    int pokes;    /* actions due inside the loop */
    int depth;    /* of callbacks that act */
    bool is_calm; /* nobody acts any more */
};

static char letters[WRITE_MOST + PERIOD];

static uint32_t below(struct world *w, uint32_t n)
{
    return random_below(&w->random, n);
}

static bool one_in(struct world *w, uint32_t n)
{
    return below(w, n) == 0;
}

/* Octets of a way: from here on they are as in letters. */
static size_t phase(const struct way *y, uint64_t at)
{
    return (size_t)((at + y->seed) % PERIOD);
}

static struct str octets_at(const struct way *y, uint64_t at, size_t n)
{
    return str_make(letters + phase(y, at), n);
}

static void act(struct world *w);

/* Inside a callback anything may happen. */
static void act_inside(struct world *w)
{
    if (!w->is_calm && w->depth < 2 && one_in(w, 4)) {
        w->depth++;
        act(w);
        w->depth--;
    }
}

/* ---- what is heard ---- */

static void on_octets(void *owner, struct str octets)
{
    struct end *e = owner;
    struct way *y = e->in;
    assert_true(octets.n > 0 && octets.n <= WRITE_MOST);
    assert_false(e->has_ended);
    assert_true(y->heard + octets.n <= y->written);
    assert_memory_equal(octets.p, octets_at(y, y->heard, octets.n).p, octets.n);
    y->heard += octets.n;
    assert_true(y->mark == 0 || y->heard <= y->mark_at);
    act_inside(e->slot->w);
}

static void on_drained(void *owner)
{
    struct end *e = owner;
    assert_true(stream_get_queued(e->s) < STREAM_LOW_WATER);
    e->owes_drained = false;
    act_inside(e->slot->w);
}

static void forget_end(struct end *e)
{
    e->is_doomed = false;
    e->is_end_first = false;
    e->is_over = false;
    e->is_shut = false;
    e->is_paused = false;
    e->owes_drained = false;
    e->has_ended = false;
}

static void on_end(void *owner, enum err why)
{
    struct end *e = owner;
    struct way *y = e->in;
    assert_true(!e->has_ended || why != ERR_OK);
    if (why == ERR_OK) {
        assert_int_equal(y->heard, y->written);
        assert_int_equal(y->save_heard, y->saved);
        assert_int_equal(y->mark, 0);
        e->has_ended = true;
        return;
    }
    assert_int_equal(why, ERR_PEER_GONE);
    assert_true(e->is_doomed || e->is_over);
    stream_free(&e->s);
    forget_end(e);
}

static const struct stream_handler USER = {on_octets, on_drained, on_end};

static void on_mark(void *owner, uint8_t mark)
{
    struct end *e = owner;
    struct way *y = e->in;
    assert_int_equal(mark, y->mark);
    assert_int_equal(y->heard, y->mark_at);
    assert_int_equal(y->save_heard, y->saved_before_mark);
    y->mark = 0;
    act_inside(e->slot->w);
}

static void on_save(void *owner, const struct link_save *save)
{
    struct end *e = owner;
    struct way *y = e->in;
    uint64_t name = save->used;
    assert_true(name > y->save_heard && name <= y->saved);
    assert_int_equal(y->heard, y->save_at[name % SAVES_KEPT]);
    assert_true(y->mark == 0 || name <= y->saved_before_mark);
    assert_int_equal(save->literal, name * 3);
    assert_int_equal(save->may_park, name % 2);
    uint64_t of = y->of[name % SAVES_KEPT];
    assert_memory_equal(save->state.p, octets_at(y, of, 0).p, save->state.n);
    assert_true(save->is_same ? of == y->kept && save->state.n == 0
                              : (save->state.n > 0) == (of > 0));
    y->kept = of;
    y->save_heard = name;
}

static void on_parked(void *owner)
{
    struct end *e = owner;
    assert_int_equal(e->place, OPENER);
    assert_int_equal(e->in->heard, e->in->written);
    assert_int_equal(e->in->save_heard, e->in->saved);
    e->slot->kept_id = link_keep(&e->s, e->slot);
    e->slot->is_kept = true;
    forget_end(e);
}

static const struct link_keeper KEEPER = {on_save, on_parked};

static void put(struct end *e, struct stream *s)
{
    forget_end(e);
    e->s = s;
    stream_set_handler(s, &USER, e);
    stream_on_mark(s, on_mark);
    link_set_keeper(s, &KEEPER);
}

/* ---- what is done ---- */

static void init_ways(struct slot *k)
{
    for (int i = 0; i < 2; i++) {
        k->ways[i] = (struct way){.seed = below(k->w, PERIOD)};
    }
}

static void note_water(struct end *e)
{
    e->owes_drained =
        e->owes_drained || (e->s != NULL && stream_get_queued(e->s) > STREAM_HIGH_WATER);
}

static size_t pick_length(struct world *w)
{
    static const uint32_t MOST[] = {10, 2000, 40000, 70000, WRITE_MOST};
    return 1 + below(w, MOST[below(w, 5)]);
}

static bool may_write(const struct end *e)
{
    return e->s != NULL && !e->is_shut && !e->is_doomed && !e->is_over;
}

/* What a write causes may end the session before it returns. */
static void do_write(struct end *e)
{
    struct way *y = e->out;
    if (!may_write(e) || (stream_get_queued(e->s) > STREAM_HIGH_WATER && !one_in(e->slot->w, 8))) {
        return;
    }
    size_t n = pick_length(e->slot->w);
    y->written += n;
    stream_write(e->s, octets_at(y, y->written - n, n));
    note_water(e);
}

static void do_mark(struct end *e)
{
    struct way *y = e->out;
    if (!may_write(e) || y->mark != 0) {
        return;
    }
    y->mark = (uint8_t)(1 + below(e->slot->w, 255));
    y->mark_at = y->written;
    y->saved_before_mark = y->saved;
    stream_mark(e->s, y->mark);
}

static bool may_save(const struct end *e)
{
    const struct way *y = e->out;
    bool has_unheard = y->saved_before_mark > y->save_heard;
    return may_write(e) && y->saved - y->save_heard < SAVES_KEPT && !(y->mark != 0 && has_unheard);
}

static void do_save(struct end *e)
{
    struct world *w = e->slot->w;
    struct way *y = e->out;
    if (!may_save(e)) {
        return;
    }
    size_t n = one_in(w, 3) ? 0 : pick_length(w);
    uint64_t name = ++y->saved;
    size_t at = phase(y, y->written);
    y->written += n;
    y->save_at[name % SAVES_KEPT] = y->written;
    uint64_t last = y->of[(name - 1) % SAVES_KEPT];
    bool is_same = name > 1 && last > 0 && one_in(w, 3);
    size_t size = is_same ? 0 : one_in(w, 5) ? below(w, LINK_STATE_MOST + 1) : below(w, 200);
    y->of[name % SAVES_KEPT] = is_same ? last : size > 0 ? name : 0;
    struct link_save save = {
        .used = name,
        .literal = name * 3,
        .may_park = name % 2 == 1,
        .is_same = is_same,
        .state = octets_at(y, name, size),
    };
    if (y->mark == 0 && one_in(w, 6)) {
        save.mark = 7;
        y->mark = 7;
        y->mark_at = y->written;
        y->saved_before_mark = name;
    }
    link_save(e->s, &save, str_make(letters + at, n));
    note_water(e);
}

static void do_pause(struct end *e, bool is_paused)
{
    if (e->s == NULL) {
        return;
    }
    e->is_paused = is_paused;
    if (is_paused) {
        stream_pause(e->s);
    } else {
        stream_resume(e->s);
    }
}

static void do_shutdown(struct end *e)
{
    if (may_write(e) && e->out->mark == 0) {
        e->is_shut = true;
        stream_shutdown(e->s);
    }
}

static struct end *peer_of(struct end *e)
{
    return &e->slot->ends[1 - e->place];
}

static void doom(struct end *e)
{
    bool is_done = e->is_shut && peer_of(e)->is_shut;
    e->is_over = e->is_over || (e->s != NULL && is_done);
    e->is_doomed = e->is_doomed || (e->s != NULL && !e->is_over);
    e->is_end_first = e->is_end_first || peer_of(e)->is_shut;
}

static void do_reset(struct end *e)
{
    if (e->s != NULL) {
        doom(peer_of(e));
        stream_free(&e->s);
        forget_end(e);
    }
}

static bool is_vacant(const struct slot *k)
{
    return k->ends[OPENER].s == NULL && k->ends[ACCEPTOR].s == NULL && !k->is_kept;
}

static void write_head(const struct slot *k, char *head)
{
    uint32_t index = (uint32_t)(k - k->w->slots);
    memcpy(head, &index, 4);
    memcpy(head + 4, &k->generation, 4);
}

static void do_open(struct slot *k)
{
    struct world *w = k->w;
    char head[8];
    int side = (int)below(w, 2);
    if (!is_vacant(k) || w->sides[side].link == NULL) {
        return;
    }
    k->generation++;
    k->side = side;
    k->is_watched = false;
    k->is_woken = false;
    init_ways(k);
    write_head(k, head);
    struct link *l = w->sides[k->side].link;
    put(&k->ends[OPENER], link_open(l, str_make(head, sizeof(head))));
    k->ends[OPENER].is_doomed = w->sides[k->side].is_down;
}

static void do_park(struct slot *k)
{
    struct end *e = &k->ends[ACCEPTOR];
    if (e->s == NULL || e->is_doomed || e->is_over || !link_park(&e->s, &k->watch_id)) {
        return;
    }
    k->is_watched = true;
    k->watch_generation = k->generation;
    forget_end(e);
}

static void do_wake(struct slot *k)
{
    if (k->is_watched) {
        k->is_watched = false;
        k->is_woken =
            k->generation == k->watch_generation && (k->ends[OPENER].s != NULL || k->is_kept);
        link_wake(k->w->sides[1 - k->side].link, k->watch_id);
    }
}

static void resume(struct slot *k)
{
    struct link *l = k->w->sides[k->side].link;
    char head[8];
    k->generation++;
    k->is_woken = false;
    init_ways(k);
    write_head(k, head);
    struct stream *s = link_resume(l, str_make(head, sizeof(head)), octets_at(&k->ways[0], 0, 9));
    put(&k->ends[OPENER], s);
    k->ends[OPENER].is_doomed = k->w->sides[k->side].is_down;
}

/* The opener wants it back, or does not want it any more. */
static void do_unpark(struct slot *k, bool is_wanted)
{
    struct link *l = k->w->sides[k->side].link;
    if (!k->is_kept || !link_is_up(l)) {
        return;
    }
    k->is_kept = false;
    k->is_woken = false;
    link_forget(l, k->kept_id);
    if (is_wanted) {
        resume(k);
    }
}

static void on_reply(void *owner, enum err e, struct str body)
{
    struct side *d = owner;
    assert_true(e == ERR_OK || d->is_down);
    assert_true(e != ERR_OK || body.n == 3);
    d->answered++;
}

static void do_ask(struct side *d)
{
    if (d->link != NULL && !d->is_down) {
        d->asked++;
        link_request(d->link, STR("why"), on_reply, d);
    }
}

static void do_road(struct world *w)
{
    static const uint32_t PIECES[] = {0, 100, 5000, 20000, 60000, 100000};
    struct side *d = &w->sides[below(w, 2)];
    if (!link_is_up(d->link)) {
        return;
    }
    stream_pair_set_piece(d->under, PIECES[below(w, 6)] + below(w, 100));
    if (one_in(w, 3)) {
        stream_pause(d->under);
    } else {
        stream_resume(d->under);
    }
}

static void do_cut(struct world *w)
{
    struct side *d = &w->sides[below(w, 2)];
    if (d->link == NULL || w->depth > 0) {
        return;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        doom(&w->slots[i].ends[OPENER]);
        doom(&w->slots[i].ends[ACCEPTOR]);
        w->slots[i].is_watched = false;
    }
    w->sides[0].is_down = true;
    w->sides[1].is_down = true;
    link_free(&d->link);
}

static void act_on_slot(struct slot *k, uint32_t what)
{
    struct end *e = &k->ends[below(k->w, 2)];
    if (what < 30) {
        do_write(e);
    } else if (what < 45) {
        do_save(e);
    } else if (what < 50) {
        do_mark(e);
    } else if (what < 60) {
        do_pause(e, true);
    } else if (what < 72) {
        do_pause(e, false);
    } else if (what < 74) {
        do_shutdown(e);
    } else if (what < 76) {
        do_reset(e);
    } else if (what < 82) {
        do_park(k);
    } else if (what < 85) {
        do_wake(k);
    } else if (what < 88) {
        do_unpark(k, !one_in(k->w, 4));
    } else {
        do_open(k);
    }
}

static void act(struct world *w)
{
    uint32_t what = below(w, 400);
    if (what < 60) {
        do_road(w);
    } else if (what < 66) {
        do_ask(&w->sides[below(w, 2)]);
    } else if (what < 67) {
        do_cut(w);
    } else {
        act_on_slot(&w->slots[below(w, SLOTS)], below(w, 100));
    }
}

/* Acts in the middle of the loop. */
static void poke(void *owner)
{
    struct world *w = owner;
    if (w->is_calm) {
        return;
    }
    act(w);
    if (--w->pokes > 0) {
        loop_defer(w->loop, poke, w);
    }
}

/* ---- links ---- */

static struct slot *find_slot(struct side *d, struct str head)
{
    uint32_t index;
    uint32_t generation;
    assert_int_equal(head.n, 8);
    memcpy(&index, head.p, 4);
    memcpy(&generation, head.p + 4, 4);
    struct slot *k = &d->w->slots[index];
    return k->generation == generation ? k : NULL;
}

static void on_open(void *owner, struct link *l, struct str head, struct stream *s)
{
    struct side *d = owner;
    struct slot *k = find_slot(d, head);
    (void)l;
    if (k == NULL || one_in(d->w, 20)) {
        if (k != NULL) {
            doom(&k->ends[OPENER]);
        }
        stream_free(&s);
        return;
    }
    put(&k->ends[ACCEPTOR], s);
    k->ends[ACCEPTOR].is_doomed = k->ends[OPENER].s == NULL || k->ends[OPENER].is_doomed;
    act_inside(d->w);
}

static void on_resume(void *owner, struct link *l, struct str head, struct str state,
                      struct stream *s)
{
    struct side *d = owner;
    struct slot *k = find_slot(d, head);
    assert_int_equal(state.n, 9);
    if (k != NULL) {
        assert_memory_equal(state.p, octets_at(&k->ways[0], 0, 9).p, 9);
        k->is_watched = false;
    }
    on_open(owner, l, head, s);
}

static void on_request(void *owner, struct link *l, uint32_t id, struct str body)
{
    (void)owner;
    assert_str(body, STR("why"));
    link_reply(l, id, STR("yes"));
}

static void on_down(void *owner, struct link *l)
{
    struct side *d = owner;
    (void)l;
    assert_true(d->is_down); /* nobody breaks a link but do_cut() */
}

static void on_park(void *owner, struct link *l, uint32_t id, struct str head, struct str state)
{
    struct slot *k = find_slot(owner, head);
    (void)l;
    assert_int_equal(state.n, 5);
    if (k != NULL && k->ends[ACCEPTOR].s == NULL) {
        k->is_watched = true;
        k->watch_id = id;
        k->watch_generation = k->generation;
    }
}

static void on_forget(void *owner, struct link *l, uint32_t id)
{
    struct side *d = owner;
    (void)l;
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *k = &d->w->slots[i];
        if (&d->w->sides[1 - k->side] == d && k->is_watched && k->watch_id == id) {
            k->is_watched = false;
        }
    }
}

static void on_wake(void *owner, struct link *l, void *whose)
{
    struct slot *k = whose;
    (void)owner;
    (void)l;
    assert_true(k->is_kept && k->is_woken);
    k->is_kept = false;
    resume(k);
}

static const struct link_handler HANDLER = {
    .on_open = on_open,
    .on_request = on_request,
    .on_down = on_down,
    .on_resume = on_resume,
    .on_park = on_park,
    .on_forget = on_forget,
    .on_wake = on_wake,
};

/* Parked sessions are shown to the new peer. */
static void join(struct world *w)
{
    struct stream *ends[2];
    stream_pair(w->loop, &ends[0], &ends[1]);
    for (int i = 0; i < 2; i++) {
        struct side *d = &w->sides[i];
        link_free(&d->link);
        d->under = ends[i];
        d->is_down = false;
        d->link = link_new(w->loop, ends[i], ROLE_STORE, 0, &HANDLER, d);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *k = &w->slots[i];
        char head[8];
        k->is_watched = false;
        k->is_woken = false;
        if (k->is_kept) {
            write_head(k, head);
            k->kept_id = link_keep_again(w->sides[k->side].link, str_make(head, sizeof(head)),
                                         STR("state"), k);
        }
    }
}

/* ---- what holds when nothing moves ---- */

static void check_way(const struct end *from, const struct end *to)
{
    const struct way *y = from->out;
    size_t queued = stream_get_queued(from->s);
    uint64_t under_way = y->written - queued - y->heard;
    assert_true(under_way <= LINK_WINDOW);
    if (!to->is_paused) {
        assert_int_equal(queued, 0);
        assert_int_equal(y->heard, y->written);
        assert_int_equal(y->save_heard, y->saved);
        assert_int_equal(y->mark, 0);
        assert_int_equal(to->has_ended, from->is_shut);
    } else if (queued > 0) {
        assert_true(under_way >= LEAST_UNDER_WAY);
    }
    assert_true(!from->owes_drained || queued >= STREAM_LOW_WATER);
}

/* Who is to hear that it is over has heard so, but for an orderly end before that, which waits for who paused. */
static void check_end(const struct end *e)
{
    assert_true(!e->is_doomed || (e->is_end_first && e->is_paused));
}

/* Its peer is not there any more, or never was. */
static void check_rest(const struct end *e)
{
    assert_true(e->s == NULL || e->has_ended || e->is_paused);
}

static void check_slot(struct slot *k)
{
    struct end *o = &k->ends[OPENER];
    struct end *a = &k->ends[ACCEPTOR];
    bool is_over = o->s == NULL || o->is_doomed || a->is_doomed || o->is_over || a->is_over;
    check_end(o);
    check_end(a);
    assert_false(k->is_woken && k->is_kept && !k->w->sides[0].is_down);
    if (is_over) {
        check_rest(o);
        check_rest(a);
    } else if (a->s != NULL) {
        check_way(o, a);
        check_way(a, o);
    } else {
        assert_true(k->is_watched || o->is_paused); /* PARK waits for who paused */
    }
}

/* The road opens, and the loop runs until nothing moves. */
static void settle(struct world *w)
{
    for (int i = 0; i < 2; i++) {
        if (link_is_up(w->sides[i].link)) {
            assert_true(stream_get_queued(w->sides[i].under) <= ROAD_MOST);
            stream_resume(w->sides[i].under);
        }
    }
    w->is_calm = true;
    loop_run(w->loop);
    for (size_t i = 0; i < SLOTS; i++) {
        check_slot(&w->slots[i]);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(w->sides[i].asked, w->sides[i].answered);
    }
    w->is_calm = false;
    if (w->sides[0].is_down) {
        join(w);
    }
}

static void resume_all(struct world *w)
{
    for (size_t i = 0; i < SLOTS; i++) {
        do_pause(&w->slots[i].ends[OPENER], false);
        do_pause(&w->slots[i].ends[ACCEPTOR], false);
    }
}

static void run_seed(uint32_t seed)
{
    static struct world w;
    w = (struct world){.loop = loop_new_fake(0), .random = {seed * UINT64_C(0x9e3779b97f4a7c15)}};
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *k = &w.slots[i];
        k->w = &w;
        for (int p = 0; p < 2; p++) {
            k->ends[p] = (struct end){
                .slot = k, .place = (enum place)p, .in = &k->ways[1 - p], .out = &k->ways[p]};
        }
    }
    w.sides[0].w = &w;
    w.sides[1].w = &w;
    join(&w);
    for (int i = 0; i < ACTIONS; i++) {
        act(&w);
        w.pokes = (int)below(&w, 6);
        if (w.pokes > 0) {
            loop_defer(w.loop, poke, &w);
        }
        if (one_in(&w, 3)) {
            loop_run(w.loop);
        }
        if (w.sides[0].is_down || one_in(&w, 40)) {
            settle(&w);
        }
    }
    resume_all(&w);
    settle(&w);
    link_free(&w.sides[0].link);
    link_free(&w.sides[1].link);
    for (size_t i = 0; i < SLOTS; i++) {
        stream_free(&w.slots[i].ends[OPENER].s);
        stream_free(&w.slots[i].ends[ACCEPTOR].s);
    }
    loop_free(&w.loop);
}

static void test_model(void **state)
{
    const uint32_t *only = *state;
    for (size_t i = 0; i < sizeof(letters); i++) {
        size_t at = i % PERIOD;
        letters[i] = (char)(unsigned char)(at * 7 + at / 16);
    }
    uint32_t last = only != NULL ? *only : unit_rounds(SEEDS);
    for (uint32_t seed = only != NULL ? *only : 1; seed <= last; seed++) {
        print_message("seed %u\n", seed);
        run_seed(seed);
    }
}

int main(int argc, char **argv)
{
    uint32_t seed = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_model, argc > 1 ? &seed : NULL),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
