/* Sets of sequence numbers and UIDs as commands write them (RFC 3501, 9: sequence-set; RFC 4315: uid-set; RFC 9394:
 * partial-range).
 *
 * A sequence-set cannot become a numset while it is parsed, because "*" is a number only in a mailbox: so it is kept as it
 * was sent, 0 standing for "*", and resolved when the command runs. */
#include "wire/imap_scan.h"

enum { RANGES_FIRST = 8 };

/* seq-number = nz-number / "*" */
static uint32_t scan_seq_number(struct scan *c)
{
    return scan_accept(c, '*') ? 0 : scan_nz_number(c);
}

static struct seq_range scan_seq_range(struct scan *c)
{
    struct seq_range r;
    r.first = scan_seq_number(c);
    r.last = scan_accept(c, ':') ? scan_seq_number(c) : r.first;
    return r;
}

/* How many commas follow before something that is no part of a set: the array is allocated once. */
static size_t count_ranges(const struct scan *c)
{
    struct str rest = scan_rest(c);
    size_t count = 1;
    for (size_t i = 0; i < rest.n; i++) {
        char octet = rest.p[i];
        count += octet == ',' ? 1 : 0;
        if (octet != ',' && octet != ':' && octet != '*' && !ascii_is_digit(octet)) {
            break;
        }
    }
    return count;
}

/* sequence-set = (seq-number / seq-range) *("," sequence-set) */
void scan_seq_set(struct scan *c, struct arena *a, struct seq_set *out)
{
    *out = (struct seq_set){NULL, 0};
    int octet = scan_peek(c);
    if (octet != '*' && (octet < '1' || octet > '9')) {
        scan_fail(c, ERR_SYNTAX, "a sequence set");
        return;
    }
    size_t count = count_ranges(c);
    struct seq_range *at = arena_array(a, struct seq_range, count);
    if (at == NULL) {
        scan_fail(c, ERR_LIMIT, "a smaller set");
        return;
    }
    uint32_t n = 0;
    do {
        at[n++] = scan_seq_range(c);
    } while (scan_accept(c, ','));
    *out = (struct seq_set){at, n};
}

void seq_set_resolve(const struct seq_set *s, uint32_t max, struct numset *out)
{
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t first = s->at[i].first == 0 ? max : s->at[i].first;
        uint32_t last = s->at[i].last == 0 ? max : s->at[i].last;
        if (first != 0 && last != 0) {
            numset_add(out, first, last);
        }
    }
}

static bool is_within(uint32_t n, uint32_t count)
{
    return n <= count && count > 0;
}

bool seq_set_is_within(const struct seq_set *s, uint32_t count)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (!is_within(s->at[i].first, count) || !is_within(s->at[i].last, count)) {
            return false;
        }
    }
    return true;
}

static void write_seq_number(struct buf *out, uint32_t n)
{
    if (n == 0) {
        buf_add_char(out, '*');
        return;
    }
    buf_add_u64(out, n);
}

void seq_set_write(struct buf *out, const struct seq_set *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (i > 0) {
            buf_add_char(out, ',');
        }
        write_seq_number(out, s->at[i].first);
        if (s->at[i].last != s->at[i].first) {
            buf_add_char(out, ':');
            write_seq_number(out, s->at[i].last);
        }
    }
}

/* uid-set = (uniqueid / uid-range) *("," uid-set) */
void scan_uid_set(struct scan *c, struct numset *out)
{
    do {
        uint32_t first = scan_nz_number(c);
        uint32_t last = scan_accept(c, ':') ? scan_nz_number(c) : first;
        if (scan_is_ok(c)) {
            numset_add(out, first, last);
        }
    } while (scan_accept(c, ','));
}

/* partial-range-first = nz-number ":" nz-number; partial-range-last = MINUS nz-number ":" MINUS nz-number */
struct partial_range scan_partial_range(struct scan *c)
{
    bool is_from_end = scan_accept(c, '-');
    int64_t first = scan_nz_number(c);
    scan_require(c, ':', "a range");
    if (is_from_end) {
        scan_require(c, '-', "a negative number");
    }
    int64_t last = scan_nz_number(c);
    return is_from_end ? (struct partial_range){-first, -last}
                       : (struct partial_range){first, last};
}

uint64_t partial_range_get_count(struct partial_range r)
{
    return (uint64_t)(r.first < r.last ? r.last - r.first : r.first - r.last) + 1;
}

void partial_range_apply(struct partial_range r, const struct numset *all, struct numset *out)
{
    int64_t count = (int64_t)numset_get_count(all);
    int64_t low = r.first < r.last ? r.first : r.last;
    int64_t high = r.first < r.last ? r.last : r.first;
    if (low < 0) {
        low += count + 1;
        high += count + 1;
    }
    int64_t before = 0; /* places below the range at hand */
    for (size_t i = 0; i < all->count && before < high; i++) {
        struct numrange range = all->at[i];
        int64_t size = (int64_t)range.last - range.first + 1;
        int64_t from = low - before > 1 ? low - before : 1;
        int64_t to = high - before < size ? high - before : size;
        if (from <= to) {
            numset_add(out, (uint32_t)(range.first + from - 1), (uint32_t)(range.first + to - 1));
        }
        before += size;
    }
}
