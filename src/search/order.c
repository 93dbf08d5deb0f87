/* Sorting in portions.
 *
 * A merge from the bottom up: runs of RUN items are put in order by insertion, then runs are merged pass by pass between two arrays. It
 * keeps three places and can stop at each item. It is stable: what compares equal stays as it came. A pair of runs that is in order
 * already is copied: mail often arrives sorted. */
#include "search/order.h"

#include <stdlib.h>
#include <string.h>

enum { RUN = 16, PIECE = 4096 };

void order_init(struct order *o, struct order_item *items, size_t count)
{
    *o = (struct order){.items = items, .count = count};
}

void order_release(struct order *o)
{
    free(o->items);
    free(o->other);
    *o = (struct order){0};
}

static bool is_after(const struct order *o, const struct order_item *a, const struct order_item *b)
{
    if (a->key != b->key) {
        return a->key > b->key;
    }
    return (a->more | b->more) != 0 && o->compare != NULL && o->compare(o->owner, a, b) > 0;
}

static void sort_run(const struct order *o, struct order_item *items, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct order_item item = items[i];
        size_t k = i;
        for (; k > 0 && is_after(o, &items[k - 1], &item); k--) {
            items[k] = items[k - 1];
        }
        items[k] = item;
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void begin_pass(struct order *o, size_t width)
{
    o->width = width;
    o->at = 0;
}

static void step_runs(struct order *o, uint64_t *budget)
{
    for (; o->at<o->count && * budget> 0; o->at += RUN) {
        sort_run(o, o->items + o->at, least(RUN, o->count - o->at));
        *budget -= *budget < RUN ? *budget : RUN;
    }
    if (o->at < o->count) {
        return;
    }
    o->other = o->count > RUN ? calloc(o->count, sizeof(*o->other)) : NULL;
    if (o->other == NULL && o->count > RUN) {
        abort();
    }
    begin_pass(o, RUN);
}

/* Merges n items of the pair of runs that ends at end, the right one beginning at middle. */
static void merge(struct order *o, size_t middle, size_t end, size_t n)
{
    for (; n > 0; n--) {
        bool is_right = o->left == middle
                        || (o->right < end && is_after(o, &o->items[o->left], &o->items[o->right]));
        o->other[o->at++] = o->items[is_right ? o->right++ : o->left++];
    }
}

/* One portion of a pass; returns what it cost. */
static uint64_t step_pair(struct order *o)
{
    size_t start = o->at / (2 * o->width) * (2 * o->width);
    size_t middle = least(start + o->width, o->count);
    size_t end = least(start + 2 * o->width, o->count);
    if (o->at == start) {
        o->left = start;
        o->right = middle;
        if (middle == end || !is_after(o, &o->items[middle - 1], &o->items[middle])) {
            memcpy(o->other + start, o->items + start, (end - start) * sizeof(*o->items));
            o->at = end;
            return (end - start) / RUN + 1;
        }
    }
    size_t n = least(end - o->at, PIECE);
    merge(o, middle, end, n);
    return n;
}

bool order_step(struct order *o, uint64_t *budget)
{
    if (o->width == 0) {
        step_runs(o, budget);
    }
    while (o->width > 0 && o->width<o->count && * budget> 0) {
        uint64_t cost = step_pair(o);
        *budget -= *budget < cost ? *budget : cost;
        if (o->at == o->count) {
            struct order_item *items = o->items;
            o->items = o->other;
            o->other = items;
            begin_pass(o, 2 * o->width);
        }
    }
    return o->width > 0 && o->width >= o->count;
}
