#ifndef LIMETTA_SIEVE_MATCH_H
#define LIMETTA_SIEVE_MATCH_H

#include "base/err.h"
#include "base/str.h"
#include "sieve/comparator.h"

#include <stdbool.h>
#include <stdint.h>

/* For insiders of the room: match types over comparators (RFC 5228, 2.7; RFC 5231). A test gives the values that it finds, one
 * after the other, until it is told that it is enough; so tests stop as early as they can (RFC 5229, 3.2). */

struct sieve_run;
struct sieve_node;
struct sieve_arg;
struct sieve_compiler;

enum sieve_match_type { SIEVE_IS, SIEVE_CONTAINS, SIEVE_MATCHES, SIEVE_COUNT, SIEVE_VALUE };
enum sieve_relation { SIEVE_GT, SIEVE_GE, SIEVE_LT, SIEVE_LE, SIEVE_EQ, SIEVE_NE };

struct sieve_match {
    struct sieve_run *run;
    enum sieve_comparator comparator;
    enum sieve_match_type type;
    enum sieve_relation relation;
    const struct str *keys; /* as they stand in the script, variables expanded */
    uint32_t key_count;
    uint64_t count; /* values that were given */
    bool is_true;
    bool is_silent; /* leaves match variables alone */
};

/* What is to be right before a test with :comparator and match types can be run. */
MUST_USE enum err sieve_match_check(struct sieve_compiler *c, struct sieve_node *n);
/* keys: NULL: every value matches. */
MUST_USE enum err sieve_match_init(struct sieve_match *m, struct sieve_run *r,
                                   const struct sieve_node *n, const struct sieve_arg *keys);
/* One value. */
MUST_USE enum err sieve_match_give(struct sieve_match *m, struct str value);
/* No further value can change the outcome. */
static inline bool sieve_match_is_decided(const struct sieve_match *m)
{
    return m->is_true;
}
/* All values were given. */
MUST_USE enum err sieve_match_finish(struct sieve_match *m, bool *out);
/* Only counts: the value is of no interest then, and need not be made. */
static inline bool sieve_match_is_count(const struct sieve_match *m)
{
    return m->type == SIEVE_COUNT;
}

#endif
