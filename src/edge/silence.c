/* Lists of who is silent, and one timer.
 *
 * A hundred thousand phones sleep, each for hours. A timer each would be memory and a heap to sift for every octet. But all who wait
 * for the same length of time are due in the order in which they last spoke: so a rule is a list, noting somebody moves him to its
 * end, and only the first of each list can be due.
 *
 *     rule 0   180 s:  [k] [c] [x]            first of each: k due 12:03, a due 12:01, f due 13:55
 *     rule 1   600 s:  [a] [b]                the timer: 12:01
 *     rule 2  6900 s:  [f] [d] [e] ...
 *
 * The timer is never later than the first that is due, and may be too early (who was first has spoken meanwhile): then it is set
 * again. Those due are told in portions, so that a crowd that fell silent in the same moment does not hold up the others. */
#include "edge/silence.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

enum { PORTION = 256 };

struct rule {
    struct list places; /* silent for longest first */
    uint64_t after_ms;
};

struct silence {
    struct loop *loop;
    struct timer *timer;
    uint64_t alarm_ms; /* when the timer goes off; UINT64_MAX: it does not */
    void (*on_silent)(void *owner, struct silence_place *p);
    void *owner;
    struct rule rules[SILENCE_RULES_MOST];
};

void silence_init_place(struct silence_place *p)
{
    list_init(&p->node);
}

static struct silence_place *get_first(const struct rule *r)
{
    return list_entry(r->places.next, struct silence_place, node);
}

/* The rule whose first is due soonest; NULL: nobody is silent. */
static struct rule *find_next(struct silence *s, uint64_t *due_ms)
{
    struct rule *next = NULL;
    for (size_t i = 0; i < SILENCE_RULES_MOST; i++) {
        struct rule *r = &s->rules[i];
        if (list_is_empty(&r->places)) {
            continue;
        }
        uint64_t due = get_first(r)->since_ms + r->after_ms;
        if (next == NULL || due < *due_ms) {
            next = r;
            *due_ms = due;
        }
    }
    return next;
}

static void set_alarm(struct silence *s, uint64_t due_ms)
{
    uint64_t now = loop_now_ms(s->loop);
    s->alarm_ms = due_ms;
    timer_start(s->timer, due_ms > now ? due_ms - now : 0);
}

static void on_timer(void *owner)
{
    struct silence *s = owner;
    uint64_t now = loop_now_ms(s->loop);
    uint64_t due = 0;
    struct rule *r = find_next(s, &due);
    s->alarm_ms = 0; /* who is noted by on_silent() need not set it: that is done below */
    for (int i = 0; r != NULL && due <= now && i < PORTION; i++) {
        struct silence_place *p = get_first(r);
        list_remove(&p->node);
        s->on_silent(s->owner, p);
        r = find_next(s, &due);
    }
    s->alarm_ms = UINT64_MAX;
    if (r != NULL) {
        set_alarm(s, due);
    }
}

struct silence *silence_new(struct loop *l, void (*on_silent)(void *owner, struct silence_place *p),
                            void *owner)
{
    struct silence *s = mem_new(sizeof(*s));
    s->loop = l;
    s->timer = timer_new(l, on_timer, s);
    s->alarm_ms = UINT64_MAX;
    s->on_silent = on_silent;
    s->owner = owner;
    for (size_t i = 0; i < SILENCE_RULES_MOST; i++) {
        list_init(&s->rules[i].places);
    }
    return s;
}

void silence_free(struct silence **s)
{
    if (*s != NULL) {
        for (size_t i = 0; i < SILENCE_RULES_MOST; i++) {
            list_detach(&(*s)->rules[i].places);
        }
        timer_free(&(*s)->timer);
        free(*s);
        *s = NULL;
    }
}

void silence_set_rule(struct silence *s, uint8_t rule, uint64_t after_ms)
{
    assert(rule < SILENCE_RULES_MOST && list_is_empty(&s->rules[rule].places));
    s->rules[rule].after_ms = after_ms;
}

uint64_t silence_get_rule_ms(const struct silence *s, uint8_t rule)
{
    return s->rules[rule].after_ms;
}

void silence_note(struct silence *s, struct silence_place *p, uint8_t rule)
{
    struct rule *r = &s->rules[rule];
    assert(rule < SILENCE_RULES_MOST);
    list_remove(&p->node);
    list_append(&r->places, &p->node);
    p->rule = rule;
    p->since_ms = loop_now_ms(s->loop);
    if (p->since_ms + r->after_ms < s->alarm_ms) {
        set_alarm(s, p->since_ms + r->after_ms);
    }
}

void silence_remove(struct silence_place *p)
{
    list_remove(&p->node);
}

struct silence_place *silence_find_longest(const struct silence *s, uint8_t rule)
{
    const struct rule *r = &s->rules[rule];
    return list_is_empty(&r->places) ? NULL : get_first(r);
}

struct silence_place *silence_find_next(const struct silence *s, const struct silence_place *p)
{
    const struct rule *r = &s->rules[p->rule];
    return p->node.next == &r->places ? NULL : list_entry(p->node.next, struct silence_place, node);
}
