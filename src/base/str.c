/* Slices: the one way in which this program passes octets around.
 *
 * A slice borrows. Who owns the octets is said where the slice is stored. Nothing here allocates, nothing here
 * knows a locale, and no function needs a terminating NUL. */
#include "base/str.h"

struct str str_sub(struct str s, size_t from, size_t n)
{
    if (from >= s.n) {
        return STR_EMPTY;
    }
    size_t left = s.n - from;
    return str_make(s.p + from, n < left ? n : left);
}

struct str str_skip(struct str s, size_t n)
{
    return str_sub(s, n, SIZE_MAX);
}

bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static int cmp_nocase(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int d = (unsigned char)ascii_lower(a[i]) - (unsigned char)ascii_lower(b[i]);
        if (d != 0) {
            return d;
        }
    }
    return 0;
}

bool str_eq_nocase(struct str a, struct str b)
{
    return a.n == b.n && cmp_nocase(a.p, b.p, a.n) == 0;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq(str_sub(s, 0, prefix.n), prefix);
}

bool str_starts_nocase(struct str s, struct str prefix)
{
    return s.n >= prefix.n && cmp_nocase(s.p, prefix.p, prefix.n) == 0;
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eq(str_skip(s, s.n - suffix.n), suffix);
}

bool str_ends_nocase(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eq_nocase(str_skip(s, s.n - suffix.n), suffix);
}

static int cmp_len(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n == 0 ? 0 : memcmp(a.p, b.p, n);
    return d != 0 ? d : cmp_len(a.n, b.n);
}

size_t str_find_char(struct str s, char c)
{
    const char *hit = s.n == 0 ? NULL : memchr(s.p, c, s.n);
    return hit == NULL ? s.n : (size_t)(hit - s.p);
}

size_t str_find_str(struct str s, struct str needle)
{
    if (needle.n == 0) {
        return 0;
    }
    const char *hit = s.n == 0 ? NULL : memmem(s.p, s.n, needle.p, needle.n);
    return hit == NULL ? s.n : (size_t)(hit - s.p);
}

size_t str_count_char(struct str s, char c)
{
    size_t count = 0;
    for (size_t at = str_find_char(s, c); at < s.n; at = str_find_char(s, c)) {
        s = str_skip(s, at + 1);
        count++;
    }
    return count;
}

size_t str_find_last_char(struct str s, char c)
{
    const char *hit = s.n == 0 ? NULL : memrchr(s.p, c, s.n);
    return hit == NULL ? s.n : (size_t)(hit - s.p);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && is_space(s.p[0])) {
        s = str_skip(s, 1);
    }
    while (s.n > 0 && is_space(s.p[s.n - 1])) {
        s.n--;
    }
    return s;
}

struct str str_put(char **at, struct str s)
{
    struct str copy = str_make(*at, s.n);
    if (s.n > 0) {
        memcpy(*at, s.p, s.n);
        *at += s.n;
    }
    return copy;
}

struct str str_split(struct str *s, char sep)
{
    size_t at = str_find_char(*s, sep);
    struct str head = str_sub(*s, 0, at);
    *s = str_skip(*s, at + 1);
    return head;
}

static bool has_word(struct str words, struct str word, bool (*is_same)(struct str a, struct str b))
{
    while (words.n > 0 && word.n > 0) {
        if (is_same(str_split(&words, ' '), word)) {
            return true;
        }
    }
    return false;
}

bool str_has_word(struct str words, struct str word)
{
    return has_word(words, word, str_eq);
}

bool str_has_word_nocase(struct str words, struct str word)
{
    return has_word(words, word, str_eq_nocase);
}

bool str_to_u64(struct str s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    if (s.n == 0) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_is_digit(s.p[i]) || __builtin_mul_overflow(v, 10U, &v)
            || __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v)) {
            return false;
        }
    }
    if (v > max) {
        return false;
    }
    *out = v;
    return true;
}

uint64_t str_hash(struct str s)
{
    uint64_t h = 14695981039346656037U;
    for (size_t i = 0; i < s.n; i++) {
        h = (h ^ (unsigned char)s.p[i]) * 1099511628211U;
    }
    return h;
}

bool str_eq_secret(struct str a, struct str b)
{
    unsigned diff = 0;
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        diff |= (unsigned)((unsigned char)a.p[i] ^ (unsigned char)b.p[i]);
    }
    return diff == 0;
}

int ascii_hex_value(char c)
{
    if (ascii_is_digit(c)) {
        return c - '0';
    }
    char l = ascii_lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}
