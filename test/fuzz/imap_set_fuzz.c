/* Fuzzes sequence sets: written they read back as themselves, and resolving agrees with looking at each range. The first
 * octet is the highest number. */
#include "fuzz.h"

#include "wire/imap_scan.h"

#include <assert.h>

static bool is_in(const struct seq_range *r, uint32_t max, uint32_t n)
{
    uint32_t first = r->first == 0 ? max : r->first;
    uint32_t last = r->last == 0 ? max : r->last;
    if (first == 0 || last == 0) {
        return false;
    }
    return first <= last ? first <= n && n <= last : last <= n && n <= first;
}

static bool is_in_any(const struct seq_set *set, uint32_t max, uint32_t n)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (is_in(&set->at[i], max, n)) {
            return true;
        }
    }
    return false;
}

static void check(struct arena *a, const struct seq_set *set, uint32_t max)
{
    struct numset numbers = NUMSET_INIT;
    struct buf text = BUF_INIT(1 << 20);
    struct seq_set again;
    seq_set_resolve(set, max, &numbers);
    for (uint32_t n = 1; n < 300; n++) {
        assert(numset_has(&numbers, n) == is_in_any(set, max, n));
    }
    if (seq_set_is_within(set, max)) {
        assert(max > 0 && numbers.at[numbers.count - 1].last <= max);
    }
    seq_set_write(&text, set);
    struct scan c = scan_make(buf_str(&text));
    scan_seq_set(&c, a, &again);
    scan_require_end(&c);
    assert(scan_is_ok(&c) && again.count == set->count);
    assert(memcmp(again.at, set->at, set->count * sizeof(*set->at)) == 0);
    numset_release(&numbers);
    buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 4096) {
        return 0;
    }
    struct arena *a = arena_new(1 << 20);
    struct seq_set set;
    struct scan c = scan_make(str_make((const char *)data + 1, size - 1));
    scan_seq_set(&c, a, &set);
    if (scan_is_ok(&c)) {
        check(a, &set, data[0]);
    }
    struct numset uids = NUMSET_INIT;
    c = scan_make(c.s);
    scan_uid_set(&c, &uids);
    numset_release(&uids);
    arena_free(&a);
    return 0;
}
