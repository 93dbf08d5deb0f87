#ifndef LIMETTA_TEST_UNIT_H
#define LIMETTA_TEST_UNIT_H

/* What every unit test includes: cmocka in its order, and comparing slices. */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define assert_str(got, want)                                                                      \
    do {                                                                                           \
        struct str got_ = (got);                                                                   \
        struct str want_ = (want);                                                                 \
        assert_int_equal(got_.n, want_.n);                                                         \
        if (want_.n > 0) {                                                                         \
            assert_memory_equal(got_.p, want_.p, want_.n);                                         \
        }                                                                                          \
    } while (0)

/* Does each instruction cost many (LIMETTA_SLOW: memcheck)? Then what is only much of the same is less, or is left to the sanitizers. */
static inline bool unit_is_slow(void)
{
    return getenv("LIMETTA_SLOW") != NULL;
}

/* How often to do what is done at random, n being as often as it can be. */
static inline unsigned unit_rounds(unsigned n)
{
    return unit_is_slow() ? (n + 9) / 10 : n;
}

/* First line of a test whose many are its point. */
static inline void unit_skip_if_slow(void)
{
    if (unit_is_slow()) {
        skip();
    }
}

#endif
