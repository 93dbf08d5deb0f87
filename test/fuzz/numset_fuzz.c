/* Fuzzes base/numset: each three octets are an operation on a set of numbers below 256, checked against a bitmap.
 * The invariants of the header (sorted, disjoint, non-adjacent ranges) must hold after each. */
#include "fuzz.h"

#include "base/numset.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

static void check(const struct numset *s, const bool *has)
{
    for (size_t i = 0; i < s->count; i++) {
        assert(s->at[i].first <= s->at[i].last);
        assert(i == 0 || s->at[i - 1].last + 1 < s->at[i].first);
    }
    uint64_t count = 0;
    for (uint32_t n = 0; n < 256; n++) {
        assert(numset_has(s, n) == has[n]);
        count += has[n];
    }
    assert(numset_get_count(s) == count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct numset s = NUMSET_INIT;
    bool has[256] = {false};
    for (size_t at = 0; at + 3 <= size && at < 300; at += 3) {
        uint32_t first = data[at + 1];
        uint32_t last = data[at + 2];
        bool is_add = (data[at] & 1) == 0;
        if (is_add) {
            numset_add(&s, first, last);
        } else {
            numset_remove(&s, first, last);
        }
        uint32_t end = first < last ? last : first;
        for (uint32_t n = first < last ? first : last; n <= end; n++) {
            has[n] = is_add;
        }
        check(&s, has);
    }
    numset_release(&s);
    return 0;
}
