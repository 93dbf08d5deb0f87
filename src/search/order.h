#ifndef LIMETTA_SEARCH_ORDER_H
#define LIMETTA_SEARCH_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Putting many items in order, in portions: a stable sort that can stop anywhere. */

struct order_item {
    uint64_t key;  /* by which they are ordered */
    uint32_t more; /* the owner's: where more of the key is; 0: there is none */
    uint32_t id;   /* the owner's */
};

struct order {
    struct order_item *items; /* owned; in order when order_step() says so */
    size_t count;
    /* Compares what is behind equal keys; called when one of the items has more. NULL: nothing is. */
    int (*compare)(void *owner, const struct order_item *a, const struct order_item *b);
    void *owner;
    /* its own */
    struct order_item *other; /* the target of a merge; owned */
    size_t width;             /* of the runs being merged; 0: runs are being made */
    size_t at;                /* in the target */
    size_t left;              /* next item of the left run, of the right run */
    size_t right;
};

/* Takes items (of malloc). compare and owner are to be set behind it, if they are needed. */
void order_init(struct order *o, struct order_item *items, size_t count);
void order_release(struct order *o);
/* Goes on until the budget is used, one unit an item moved; true: the items are in order. */
bool order_step(struct order *o, uint64_t *budget);

#endif
