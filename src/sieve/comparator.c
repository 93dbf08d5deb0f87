/* Comparators and globs.
 *
 * A comparator maps a text to a key, octets that are compared as they are. For i;unicode-casemap the key of a text is the keys of
 * its characters in a row (mime/casemap.h), so "contains" is a search in keys. i;ascii-numeric alone has no key: it compares
 * numbers of any length by how many digits they have, then by their digits; what does not begin with a digit is infinity
 * (RFC 4790, 9.1.1).
 *
 * A glob is cut at its stars. What stands before the first star must be where the value begins, what stands behind the last where it
 * ends, and what is between is looked for from left to right, each where it is found first. That is right, and the shortest for every
 * star: when the rest does not fit behind the first place, it fits behind no later one, for less is left there. So nothing is ever
 * tried again: no pattern takes exponential time. Wildcards stand for whole characters: octets, or with i;unicode-casemap characters
 * of the value; the map `origin` leads from its key back to them. */
#include "sieve/comparator.h"

#include "base/utf8.h"
#include "mime/casemap.h"

enum sieve_comparator sieve_comparator_find(struct str name)
{
    static const char *const names[] = {"i;octet", "i;ascii-casemap", "i;ascii-numeric",
                                        "i;unicode-casemap"};
    unsigned c = 0;
    while (c < SIEVE_COMPARATOR_COUNT && !str_eq(name, str_from_c(names[c]))) {
        c++;
    }
    return c;
}

void sieve_comparator_write_key(enum sieve_comparator c, struct str s, struct buf *out)
{
    if (c == SIEVE_UNICODE) {
        casemap_write(s, out);
        return;
    }
    char *p = s.n > 0 ? buf_reserve(out, s.n) : NULL;
    if (p == NULL) {
        return;
    }
    memcpy(p, s.p, s.n);
    for (size_t i = 0; c == SIEVE_CASEMAP && i < s.n; i++) {
        p[i] = ascii_upper(p[i]);
    }
    buf_commit(out, s.n);
}

/* The digits of a number without leading zeros; false: infinity. */
static bool take_number(struct str s, struct str *digits)
{
    size_t n = 0;
    while (n < s.n && ascii_is_digit(s.p[n])) {
        n++;
    }
    size_t zeros = 0;
    while (zeros < n && s.p[zeros] == '0') {
        zeros++;
    }
    *digits = str_sub(s, zeros, n - zeros);
    return n > 0;
}

static int compare_numbers(struct str a, struct str b)
{
    struct str digits_a;
    struct str digits_b;
    bool is_a = take_number(a, &digits_a);
    bool is_b = take_number(b, &digits_b);
    if (!is_a || !is_b) {
        return (int)is_b - (int)is_a;
    }
    if (digits_a.n != digits_b.n) {
        return digits_a.n < digits_b.n ? -1 : 1;
    }
    return str_cmp(digits_a, digits_b);
}

int sieve_comparator_compare(enum sieve_comparator c, struct str a, struct str b)
{
    if (c == SIEVE_NUMERIC) {
        return compare_numbers(a, b);
    }
    if (c == SIEVE_OCTET) {
        return str_cmp(a, b);
    }
    struct buf key_a = BUF_INIT(sieve_comparator_key_cap(a));
    struct buf key_b = BUF_INIT(sieve_comparator_key_cap(b));
    sieve_comparator_write_key(c, a, &key_a);
    sieve_comparator_write_key(c, b, &key_b);
    int order = str_cmp(buf_str(&key_a), buf_str(&key_b));
    buf_release(&key_a);
    buf_release(&key_b);
    return order;
}

bool sieve_comparator_contains(enum sieve_comparator c, struct str a, struct str b)
{
    struct buf key_a = BUF_INIT(sieve_comparator_key_cap(a));
    struct buf key_b = BUF_INIT(sieve_comparator_key_cap(b));
    sieve_comparator_write_key(c, a, &key_a);
    sieve_comparator_write_key(c, b, &key_b);
    bool found = key_b.len == 0 || str_find_str(buf_str(&key_a), buf_str(&key_b)) < key_a.len;
    buf_release(&key_a);
    buf_release(&key_b);
    return found;
}

/* The value as a glob sees it. */
struct hay {
    struct str key;
    struct str value;
    const uint32_t *
        origin; /* of an octet of the key: where its character begins, NOWHERE within one; NULL: the same place */
};

enum { NOWHERE = UINT32_MAX };

/* A pattern that is being read. */
struct glob {
    enum sieve_comparator comparator;
    struct str pattern;
    size_t at;
    struct hay hay;
    struct sieve_glob_match *out;
};

static bool is_boundary(const struct hay *h, size_t at)
{
    return h->origin == NULL || h->origin[at] != (uint32_t)NOWHERE;
}

static struct str hay_sub(const struct hay *h, size_t from, size_t to)
{
    if (h->origin != NULL) {
        from = h->origin[from];
        to = h->origin[to];
    }
    return str_sub(h->value, from, to - from);
}

static void keep_wildcard(struct glob *g, size_t from, size_t to)
{
    if (g->out->count < SIEVE_WILDCARDS_MOST) {
        g->out->wildcards[g->out->count] = hay_sub(&g->hay, from, to);
    }
    g->out->count++;
}

/* One character of a segment at `at` of the pattern: its octets in the pattern, how many it takes. is_any: "?". */
struct item {
    struct str text;
    size_t size;
    bool is_any;
};

static struct item item_at(const struct glob *g, size_t at)
{
    struct str rest = str_skip(g->pattern, at);
    if (rest.p[0] == '?') {
        return (struct item){.text = str_sub(rest, 0, 1), .size = 1, .is_any = true};
    }
    size_t quote = rest.p[0] == '\\' && rest.n > 1 ? 1 : 0;
    struct str text = str_skip(rest, quote);
    size_t n = g->comparator == SIEVE_UNICODE ? utf8_check(text) : 1;
    n = n == 0 || n == SIZE_MAX ? 1 : n;
    return (struct item){.text = str_sub(text, 0, n), .size = quote + n};
}

/* The end of the segment that begins at `at` of the pattern: the next star, or the pattern's end. */
static size_t segment_end(const struct glob *g, size_t at)
{
    while (at < g->pattern.n && g->pattern.p[at] != '*') {
        at += item_at(g, at).size;
    }
    return at;
}

static size_t next_boundary(const struct hay *h, size_t at)
{
    do {
        at++;
    } while (at < h->key.n && !is_boundary(h, at));
    return at;
}

/* A character's key, without the heap. */
static struct str item_key(const struct glob *g, const struct item *item, struct buf *room)
{
    buf_clear(room);
    sieve_comparator_write_key(g->comparator, item->text, room);
    return buf_str(room);
}

/* Does the segment [from, to) of the pattern stand at `at` of the key? end: behind it. */
static bool segment_is_at(struct glob *g, size_t from, size_t to, size_t at, struct buf *room,
                          size_t *end)
{
    for (; from < to; from += item_at(g, from).size) {
        struct item item = item_at(g, from);
        if (g->out->cost > 0) {
            g->out->cost--;
        }
        if (at >= g->hay.key.n || g->out->cost == 0) {
            return false;
        }
        if (item.is_any) {
            if (!is_boundary(&g->hay, at)) {
                return false;
            }
            at = next_boundary(&g->hay, at);
            continue;
        }
        struct str key = item_key(g, &item, room);
        if (!str_starts(str_skip(g->hay.key, at), key)) {
            return false;
        }
        at += key.n;
    }
    *end = at;
    return is_boundary(&g->hay, at);
}

/* What the question marks of a segment that stands at `at` are. */
static void keep_segment(struct glob *g, size_t from, size_t to, size_t at, struct buf *room)
{
    for (; from < to; from += item_at(g, from).size) {
        struct item item = item_at(g, from);
        size_t next = item.is_any ? next_boundary(&g->hay, at) : at + item_key(g, &item, room).n;
        if (item.is_any) {
            keep_wildcard(g, at, next);
        }
        at = next;
    }
}

/* Behind a star: the first place from `at` on where the segment stands; is_last: and the value ends. */
static bool find_segment(struct glob *g, size_t from, size_t to, size_t *at, struct buf *room)
{
    bool is_last = to == g->pattern.n;
    if (from == to && is_last) {
        keep_wildcard(g, *at, g->hay.key.n);
        *at = g->hay.key.n;
        return true;
    }
    for (size_t start = *at; start <= g->hay.key.n && g->out->cost > 0; start++) {
        size_t end;
        g->out->cost--;
        if (is_boundary(&g->hay, start) && segment_is_at(g, from, to, start, room, &end)
            && (!is_last || end == g->hay.key.n)) {
            keep_wildcard(g, *at, start);
            keep_segment(g, from, to, start, room);
            *at = end;
            return true;
        }
    }
    return false;
}

static bool glob_run(struct glob *g, struct buf *room)
{
    size_t to = segment_end(g, 0);
    size_t at = 0;
    if (!segment_is_at(g, 0, to, 0, room, &at)) {
        return false;
    }
    keep_segment(g, 0, to, 0, room);
    if (to == g->pattern.n) {
        return at == g->hay.key.n;
    }
    while (to < g->pattern.n) {
        size_t from = to + 1;
        to = segment_end(g, from);
        if (!find_segment(g, from, to, &at, room)) {
            return false;
        }
    }
    return true;
}

/* The key of a text in characters, and where each came from: origin has one entry an octet, and one for the end. */
static void write_unicode_key(struct str value, struct buf *key, struct buf *origin)
{
    for (size_t at = 0; at < value.n;) {
        struct str rest = str_skip(value, at);
        size_t n = utf8_check(rest);
        n = n == 0 || n == SIZE_MAX ? 1 : n;
        size_t before = key->len;
        casemap_write(str_sub(rest, 0, n), key);
        for (size_t i = before; i < key->len; i++) {
            uint32_t from = i == before ? (uint32_t)at : (uint32_t)NOWHERE;
            buf_add(origin, str_make((const char *)&from, sizeof(from)));
        }
        at += n;
    }
    uint32_t end = (uint32_t)value.n;
    buf_add(origin, str_make((const char *)&end, sizeof(end)));
}

bool sieve_glob(enum sieve_comparator c, struct str pattern, struct str value,
                struct sieve_glob_match *out)
{
    struct buf key = BUF_INIT(sieve_comparator_key_cap(value));
    struct buf origin = BUF_INIT(sieve_comparator_key_cap(value) * sizeof(uint32_t));
    struct buf room = BUF_INIT(256);
    if (c == SIEVE_UNICODE) {
        write_unicode_key(value, &key, &origin);
    } else {
        sieve_comparator_write_key(c, value, &key);
    }
    struct glob g = {.comparator = c, .pattern = pattern, .out = out};
    g.hay = (struct hay){.key = buf_str(&key),
                         .value = value,
                         .origin = c == SIEVE_UNICODE ? (const void *)origin.p : NULL};
    out->count = 0;
    bool is_match = glob_run(&g, &room);
    if (out->count > SIEVE_WILDCARDS_MOST) {
        out->count = SIEVE_WILDCARDS_MOST;
    }
    buf_release(&key);
    buf_release(&origin);
    buf_release(&room);
    return is_match;
}
