/* The line to auth.
 *
 * Most of the time it is empty: a login's question goes to auth within line_ask(). But auth may be away for a moment (it is restarted, or
 * its host cannot be reached), and it may say "later": to the whole edge, when that has brought too many logins that did not succeed, or to
 * an address, when too many from there are being looked at. Then logins wait here, and the client hears nothing of it:
 *
 *     round:  [192.0.2.1] -> [198.51.100.7] -> ...        rows whose turn comes
 *                  |               |
 *                  a b c           x                      who came first, first
 *     paused: [203.0.113.9] -> ...                        rows that auth told to wait
 *
 * Rows take turns, so one address with a thousand phones, or guessers, behind it does not keep others waiting; and of a row at most
 * LINE_OUT_MOST are at auth at once, fewer than what auth takes of an address. When auth is back they go in portions: who has
 * just started is not to drown.
 *
 * A row is there while somebody stands in it or is at auth. There are at most as many as strangers. Pauses are short and nearly of one
 * length, so those that end first stand first. */
#include "edge/line.h"

#include "base/map.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

enum { PORTION = 64, PORTION_MS = 10 };

struct line_row {
    struct list node;  /* in line->round, line->paused, or nowhere */
    struct list seats; /* that wait for their turn */
    unsigned out;      /* whose turn it is */
    uint64_t until_ms; /* nobody goes before */
    char key[LINE_PLACE_MOST];
    size_t key_len;
};

struct line {
    struct loop *loop;
    struct timer *timer;
    struct map *rows;
    struct list round; /* the row whose turn is next comes first */
    struct list paused;
    void (*on_turn)(void *owner, struct line_seat *s);
    void *owner;
    bool is_open;
    uint64_t until_ms;   /* nobody goes before */
    uint64_t portion_ms; /* when the last portion began */
    unsigned left;       /* of it */
    size_t waiting;
    uint64_t next_number;
};

void line_init_seat(struct line_seat *s)
{
    list_init(&s->node);
    s->row = NULL;
    s->is_out = false;
}

/* Puts a row where it belongs; frees one that is of no use. */
static void place(struct line *l, struct line_row *r)
{
    list_remove(&r->node);
    if (!list_is_empty(&r->seats)) {
        bool is_paused = r->until_ms > loop_now_ms(l->loop);
        if (is_paused || r->out < LINE_OUT_MOST) {
            list_append(is_paused ? &l->paused : &l->round, &r->node);
        }
    } else if (r->out == 0) {
        (void)map_remove(l->rows, str_make(r->key, r->key_len));
        free(r);
    }
}

static void end_pauses(struct line *l)
{
    while (!list_is_empty(&l->paused)) {
        struct line_row *r = list_entry(l->paused.next, struct line_row, node);
        if (r->until_ms > loop_now_ms(l->loop)) {
            return;
        }
        place(l, r);
    }
}

/* When something can be done next; somebody waits. */
static void set_timer(struct line *l)
{
    uint64_t now_ms = loop_now_ms(l->loop);
    uint64_t due_ms = UINT64_MAX;
    if (!list_is_empty(&l->round)) {
        due_ms = l->until_ms > now_ms ? l->until_ms : l->portion_ms + PORTION_MS;
    }
    if (!list_is_empty(&l->paused)) {
        uint64_t end_ms = list_entry(l->paused.next, struct line_row, node)->until_ms;
        due_ms = end_ms < due_ms ? end_ms : due_ms;
    }
    if (due_ms != UINT64_MAX) {
        timer_start(l->timer, due_ms > now_ms ? due_ms - now_ms : 1);
    }
}

static bool may_go(struct line *l)
{
    uint64_t now_ms = loop_now_ms(l->loop);
    if (now_ms >= l->portion_ms + PORTION_MS) {
        l->portion_ms = now_ms;
        l->left = PORTION;
    }
    return l->is_open && l->until_ms <= now_ms && l->left > 0 && !list_is_empty(&l->round);
}

static void serve(struct line *l)
{
    if (!l->is_open) {
        return;
    }
    end_pauses(l);
    while (may_go(l)) {
        struct line_row *r = list_entry(l->round.next, struct line_row, node);
        struct line_seat *s = list_entry(r->seats.next, struct line_seat, node);
        list_remove(&s->node);
        s->is_out = true;
        r->out++;
        l->waiting--;
        l->left--;
        place(l, r);
        l->on_turn(l->owner, s);
    }
    if (l->is_open) {
        set_timer(l);
    }
}

static void on_timer(void *owner)
{
    serve(owner);
}

struct line *line_new(struct loop *l, void (*on_turn)(void *owner, struct line_seat *s),
                      void *owner)
{
    struct line *line = mem_new(sizeof(*line));
    line->loop = l;
    line->timer = timer_new(l, on_timer, line);
    line->rows = map_new();
    list_init(&line->round);
    list_init(&line->paused);
    line->on_turn = on_turn;
    line->owner = owner;
    line->left = PORTION;
    line->portion_ms = loop_now_ms(l);
    return line;
}

void line_free(struct line **l)
{
    if (*l == NULL) {
        return;
    }
    assert(map_get_count((*l)->rows) == 0);
    map_free(&(*l)->rows);
    timer_free(&(*l)->timer);
    free(*l);
    *l = NULL;
}

void line_open(struct line *l)
{
    l->is_open = true;
    l->until_ms = 0;
    serve(l);
}

void line_close(struct line *l)
{
    l->is_open = false;
    timer_stop(l->timer);
}

bool line_is_open(const struct line *l)
{
    return l->is_open;
}

static struct line_row *get_row(struct line *l, struct str key)
{
    struct line_row *r = map_find(l->rows, key);
    assert(key.n <= LINE_PLACE_MOST);
    if (r == NULL) {
        r = mem_new(sizeof(*r));
        list_init(&r->node);
        list_init(&r->seats);
        memcpy(r->key, key.p, key.n);
        r->key_len = key.n;
        (void)map_put(l->rows, key, r);
    }
    return r;
}

/* Never shorter than it was told before. */
static void pause_row(struct line *l, struct line_row *r, uint64_t wait_ms)
{
    uint64_t until_ms = wait_ms == 0 ? 0 : loop_now_ms(l->loop) + wait_ms;
    r->until_ms = until_ms > r->until_ms ? until_ms : r->until_ms;
}

void line_ask(struct line *l, struct line_seat *s, struct str place_name, uint64_t wait_ms)
{
    struct line_row *r = get_row(l, place_name);
    assert(s->row == NULL);
    s->row = r;
    s->number = l->next_number++;
    list_append(&r->seats, &s->node);
    l->waiting++;
    pause_row(l, r, wait_ms);
    if (wait_ms > 0 || list_is_empty(&r->node)) { /* else it keeps its place in the round */
        place(l, r);
    }
    serve(l);
}

/* In the order in which they came: of many that went together the first would otherwise be the last. */
static void stand_again(struct line_row *r, struct line_seat *s)
{
    struct list *next = r->seats.next;
    while (next != &r->seats && list_entry(next, struct line_seat, node)->number < s->number) {
        next = next->next;
    }
    list_append(next, &s->node);
}

void line_put_back(struct line *l, struct line_seat *s, uint64_t wait_ms, bool is_all)
{
    struct line_row *r = s->row;
    assert(s->is_out);
    s->is_out = false;
    r->out--;
    stand_again(r, s);
    l->waiting++;
    if (is_all) {
        l->until_ms = loop_now_ms(l->loop) + wait_ms;
    } else {
        pause_row(l, r, wait_ms);
    }
    place(l, r);
    serve(l);
}

void line_leave(struct line *l, struct line_seat *s)
{
    struct line_row *r = s->row;
    if (r == NULL) {
        return;
    }
    if (s->is_out) {
        r->out--;
    } else {
        list_remove(&s->node);
        l->waiting--;
    }
    line_init_seat(s);
    if (list_is_empty(&r->seats) || list_is_empty(&r->node)) {
        place(l, r);
    }
    serve(l);
}

size_t line_get_waiting(const struct line *l)
{
    return l->waiting;
}
