/* Fuzzes MTA-STS: a policy that is taken is whole, and each name that it gives covers itself. */
#include "fuzz.h"

#include "queue/sts.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    struct arena *a = arena_new(1 << 20);
    struct sts_policy p;
    struct str id;
    if (sts_parse_record(text, &id)) {
        assert(id.n > 0 && id.n <= STS_ID_MOST);
    }
    if (sts_parse_policy(a, text, &p) == ERR_OK) {
        struct str left = p.mx;
        assert(p.max_age_s <= STS_AGE_MOST_S && (p.mx.n > 0 || p.mode == STS_NONE));
        while (left.n > 0) {
            struct str one = str_split(&left, ' ');
            assert(str_starts(one, STR("*.")) || sts_covers(&p, one));
        }
    }
    arena_free(&a);
    return 0;
}
