/* Sets of UIDs and sequence numbers, as sorted ranges.
 *
 * Mail sets are runs: "1:90000" or "the last forty". Ranges keep them small whatever their count, make union and
 * intersection linear merges, and are already what goes on the wire. The invariant everywhere: sorted, disjoint,
 * and never adjacent (1:3 and 4:5 are one range 1:5). */
#include "base/numset.h"

#include <stdlib.h>
#include <string.h>

enum { FEW = 8 }; /* ranges that are worth no merge */

void numset_release(struct numset *s)
{
    free(s->at);
    *s = NUMSET_INIT;
}

void numset_clear(struct numset *s)
{
    s->count = 0;
}

static void make_room(struct numset *s)
{
    if (s->count < s->size) {
        return;
    }
    size_t size = s->size == 0 ? 4 : s->size * 2;
    struct numrange *at = reallocarray(s->at, size, sizeof(*at));
    if (at == NULL) {
        abort();
    }
    s->at = at;
    s->size = size;
}

static void insert_at(struct numset *s, size_t i, struct numrange r)
{
    make_room(s);
    memmove(&s->at[i + 1], &s->at[i], (s->count - i) * sizeof(r));
    s->at[i] = r;
    s->count++;
}

/* Index of the first range with last >= n; count when there is none. */
static size_t find_range(const struct numset *s, uint32_t n)
{
    size_t low = 0;
    size_t high = s->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->at[mid].last < n) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

void numset_add(struct numset *s, uint32_t first, uint32_t last)
{
    struct numrange r =
        first <= last ? (struct numrange){first, last} : (struct numrange){last, first};
    if (s->count == 0
        || (s->at[s->count - 1].last < r.first && r.first - s->at[s->count - 1].last > 1)) {
        insert_at(s, s->count, r);
        return;
    }
    size_t from = find_range(s, r.first == 0 ? 0 : r.first - 1);
    size_t to = from;
    while (to < s->count && (s->at[to].first <= r.last || s->at[to].first - r.last == 1)) {
        r.first = s->at[to].first < r.first ? s->at[to].first : r.first;
        r.last = s->at[to].last > r.last ? s->at[to].last : r.last;
        to++;
    }
    if (to == from) {
        insert_at(s, from, r);
        return;
    }
    s->at[from] = r;
    memmove(&s->at[from + 1], &s->at[to], (s->count - to) * sizeof(r));
    s->count -= to - from - 1;
}

/* Few ranges are added one by one; many are merged, so that the cost is that of both sets and not of their product. */
void numset_add_set(struct numset *s, const struct numset *other)
{
    if (other->count <= FEW || s->count == 0) {
        for (size_t i = 0; i < other->count; i++) {
            numset_add(s, other->at[i].first, other->at[i].last);
        }
        return;
    }
    struct numset all = NUMSET_INIT;
    size_t i = 0;
    size_t k = 0;
    while (i < s->count || k < other->count) {
        bool is_ours = k == other->count || (i < s->count && s->at[i].first <= other->at[k].first);
        struct numrange r = is_ours ? s->at[i++] : other->at[k++];
        numset_add(&all, r.first, r.last);
    }
    numset_release(s);
    *s = all;
}

void numset_subtract(struct numset *s, const struct numset *other)
{
    if (other->count <= FEW) {
        for (size_t i = 0; i < other->count; i++) {
            numset_remove(s, other->at[i].first, other->at[i].last);
        }
        return;
    }
    struct numset left = NUMSET_INIT;
    size_t k = 0;
    for (size_t i = 0; i < s->count; i++) {
        uint64_t from = s->at[i].first;
        while (k < other->count && other->at[k].last < from) {
            k++;
        }
        for (size_t j = k; from <= s->at[i].last; j++) {
            bool is_free = j == other->count || other->at[j].first > s->at[i].last;
            uint64_t end = is_free ? (uint64_t)s->at[i].last + 1 : other->at[j].first;
            if (from < end) {
                numset_add(&left, (uint32_t)from, (uint32_t)(end - 1));
            }
            from = is_free ? end : (uint64_t)other->at[j].last + 1;
        }
    }
    numset_release(s);
    *s = left;
}

void numset_remove(struct numset *s, uint32_t a, uint32_t b)
{
    uint32_t first = a < b ? a : b;
    uint32_t last = a < b ? b : a;
    for (size_t i = find_range(s, first); i < s->count && s->at[i].first <= last;) {
        struct numrange r = s->at[i];
        if (r.first < first && r.last > last) {
            s->at[i].last = first - 1;
            insert_at(s, i + 1, (struct numrange){last + 1, r.last});
            return;
        }
        if (r.first < first) {
            s->at[i++].last = first - 1;
        } else if (r.last > last) {
            s->at[i++].first = last + 1;
        } else {
            memmove(&s->at[i], &s->at[i + 1], (s->count - i - 1) * sizeof(r));
            s->count--;
        }
    }
}

void numset_intersect(struct numset *s, const struct numset *other)
{
    struct numset both = NUMSET_INIT;
    size_t i = 0;
    size_t k = 0;
    while (i < s->count && k < other->count) {
        struct numrange a = s->at[i];
        struct numrange b = other->at[k];
        uint32_t first = a.first > b.first ? a.first : b.first;
        uint32_t last = a.last < b.last ? a.last : b.last;
        if (first <= last) {
            numset_add(&both, first, last);
        }
        if (a.last < b.last) {
            i++;
        } else {
            k++;
        }
    }
    numset_release(s);
    *s = both;
}

bool numset_has(const struct numset *s, uint32_t n)
{
    size_t i = find_range(s, n);
    return i < s->count && s->at[i].first <= n;
}

bool numset_is_empty(const struct numset *s)
{
    return s->count == 0;
}

uint64_t numset_get_count(const struct numset *s)
{
    uint64_t count = 0;
    for (size_t i = 0; i < s->count; i++) {
        count += (uint64_t)(s->at[i].last - s->at[i].first) + 1;
    }
    return count;
}

void numset_copy(struct numset *to, const struct numset *from)
{
    numset_clear(to);
    for (size_t i = 0; i < from->count; i++) {
        insert_at(to, i, from->at[i]);
    }
}

void numset_write(struct buf *out, const struct numset *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (i > 0) {
            buf_add_char(out, ',');
        }
        buf_add_u64(out, s->at[i].first);
        if (s->at[i].last > s->at[i].first) {
            buf_add_char(out, ':');
            buf_add_u64(out, s->at[i].last);
        }
    }
}
