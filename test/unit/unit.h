#ifndef LIMETTA_TEST_UNIT_H
#define LIMETTA_TEST_UNIT_H

/* What every unit test includes: cmocka in its order, and comparing slices. */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

#endif
