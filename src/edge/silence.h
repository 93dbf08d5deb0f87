#ifndef LIMETTA_EDGE_SILENCE_H
#define LIMETTA_EDGE_SILENCE_H

#include "base/list.h"
#include "net/loop.h"

#include <stdint.h>

/* Who has been silent for how long: many places, few rules, one timer. A rule is a length of silence; whoever stands under it and is
 * not noted again for so long is told to the owner. Noting costs two list operations, whatever the number of places. */
struct silence;

enum { SILENCE_RULES_MOST = 64 };

/* Embedded in who is watched; initialise with silence_init_place(). */
struct silence_place {
    struct list node;
    uint64_t since_ms; /* of the loop's clock: when it was noted */
    uint8_t rule;
};

void silence_init_place(struct silence_place *p);

/* on_silent: p was silent for as long as its rule says, and stands nowhere now; it may be noted again, or freed with its owner. */
struct silence *silence_new(struct loop *l, void (*on_silent)(void *owner, struct silence_place *p),
                            void *owner);
/* Forgets all places. */
void silence_free(struct silence **s);
/* How long rule (below SILENCE_RULES_MOST) waits. Say it while nobody stands there. */
void silence_set_rule(struct silence *s, uint8_t rule, uint64_t after_ms);
uint64_t silence_get_rule_ms(const struct silence *s, uint8_t rule);
/* p's silence begins now, under rule, which was set. */
void silence_note(struct silence *s, struct silence_place *p, uint8_t rule);
/* p stands nowhere. */
void silence_remove(struct silence_place *p);
/* Who has been silent for longest under a rule, or NULL. */
struct silence_place *silence_find_longest(const struct silence *s, uint8_t rule);
/* Who stands behind p under p's rule: silent for less long, or as long; or NULL. */
struct silence_place *silence_find_next(const struct silence *s, const struct silence_place *p);

#endif
