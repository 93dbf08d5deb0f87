/* LIST patterns.
 *
 * The usual two-pointer match with one place to come back to for each kind of wildcard: after a mismatch the last "%"
 * takes one octet more, unless that is the delimiter; then the last "*" does. So the cost is at most the product of the two
 * lengths, whatever the pattern (a recursive matcher takes exponential time on "*a*a*a*").
 */
#include "imap/pattern.h"

#include "base/buf.h"
#include "mime/nfc.h"

/* A wildcard to come back to. */
struct retry {
    size_t pattern; /* behind the wildcard; 0: none */
    size_t name;    /* where its match ended */
};

static bool is_same(struct str pattern, size_t p, struct str name, size_t n, size_t folded)
{
    if (n < folded) {
        return ascii_upper(pattern.p[p]) == ascii_upper(name.p[n]);
    }
    return pattern.p[p] == name.p[n];
}

/* How many octets of name compare without case: those of INBOX as its first level. */
static size_t get_folded(struct str name)
{
    struct str first = str_sub(name, 0, str_find_char(name, '/'));
    return str_eq_nocase(first, STR("INBOX")) ? first.n : 0;
}

/* Goes back to a wildcard that can take one octet more; false: there is none. */
static bool go_back(struct str name, struct retry *percent, struct retry *star, size_t *p,
                    size_t *n)
{
    if (percent->pattern > 0 && percent->name < name.n && name.p[percent->name] != '/') {
        *n = ++percent->name;
        *p = percent->pattern;
        return true;
    }
    percent->pattern = 0;
    if (star->pattern > 0 && star->name < name.n) {
        *n = ++star->name;
        *p = star->pattern;
        return true;
    }
    return false;
}

bool pattern_matches(struct str pattern, struct str name)
{
    size_t folded = get_folded(name);
    struct retry percent = {0, 0};
    struct retry star = {0, 0};
    size_t p = 0;
    size_t n = 0;
    while (p < pattern.n || n < name.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = (struct retry){++p, n};
            percent.pattern = 0;
        } else if (p < pattern.n && pattern.p[p] == '%') {
            percent = (struct retry){++p, n};
        } else if (p < pattern.n && n < name.n && is_same(pattern, p, name, n, folded)) {
            p++;
            n++;
        } else if (!go_back(name, &percent, &star, &p, &n)) {
            return false;
        }
    }
    return true;
}

struct str pattern_make(struct arena *a, struct str reference, struct str pattern)
{
    CLEANUP(buf_release) struct buf normal = BUF_INIT(NFC_MOST);
    struct str whole = arena_printf(a, "%.*s%.*s", STR_ARG(reference), STR_ARG(pattern));
    if (whole.p == NULL || nfc_write(whole, &normal) != ERR_OK || normal.is_full) {
        return whole; /* too long to match anything */
    }
    return arena_str(a, buf_str(&normal));
}
