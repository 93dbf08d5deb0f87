/* Heartbeats: who is to have them.
 *
 * A phone that sleeps is left alone for nearly two hours (RFC 5383, 4.1), which is right, and kills the connection of clients that
 * take silence for death. An operator who has such clients can name their users, or the clients: by the name and the version that
 * they say with ID.
 *
 * RFC 2971, 3, forbids servers to do anything else for a client because of its ID. So this is nobody's default: without a list
 * nothing is compared and nothing depends on it; with one a client that fits hears a line more often, and that is all. What clients
 * say is compared where it is read and forgotten; only seconds are kept.
 *
 * Names of clients have spaces in them ("K-9 Mail") and words of a list have not, so a space is written "?". */
#include "wire/heartbeats.h"

#include "wire/imap_scan.h"

bool heartbeats_next(struct str *list, struct str *who, uint64_t *s)
{
    *list = str_trim(*list);
    if (list->n == 0) {
        return false;
    }
    struct str word = str_split(list, ' ');
    size_t colon = str_find_last_char(word, ':');
    *who = str_sub(word, 0, colon);
    bool is_fine = colon > 0 && colon < word.n
                   && str_to_u64(str_skip(word, colon + 1), HEARTBEAT_MOST_S, s)
                   && *s >= HEARTBEAT_LEAST_S;
    *s = is_fine ? *s : 0;
    return true;
}

/* ---- ID ---- */

/* field_value: string SP nstring */
static void scan_field(struct scan *c, struct arena *a, struct imap_id *out)
{
    struct str value = STR_EMPTY;
    struct str field = scan_string(c, a);
    scan_sp(c);
    (void)scan_nstring(c, a, &value);
    if (str_eq_nocase(field, STR("name")) && out->name.n == 0) {
        out->name = value;
    } else if (str_eq_nocase(field, STR("version")) && out->version.n == 0) {
        out->version = value;
    }
}

void scan_id_params(struct scan *c, struct arena *a, struct imap_id *out)
{
    *out = (struct imap_id){STR_EMPTY, STR_EMPTY};
    if (scan_accept_word(c, STR("NIL"))) {
        return;
    }
    scan_require(c, '(', "NIL or a list of fields and values");
    for (unsigned i = 0; scan_is_ok(c) && !scan_accept(c, ')'); i++) {
        if (i == IMAP_ID_FIELDS_MOST) {
            scan_fail(c, ERR_SYNTAX, "at most 30 fields");
        }
        if (i > 0) {
            scan_sp(c);
        }
        scan_field(c, a, out);
    }
}

/* ---- clients ---- */

/* Only the last "*" is ever taken back: what stands before it fits as far to the left as it can. */
static bool fits(struct str s, struct str pattern)
{
    size_t at = 0;
    size_t p = 0;
    size_t star = pattern.n; /* the last one met; pattern.n: none */
    size_t covered = 0;      /* where what it stands for ends */
    while (at < s.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            covered = at;
        } else if (p < pattern.n
                   && (pattern.p[p] == '?' || ascii_lower(pattern.p[p]) == ascii_lower(s.p[at]))) {
            p++;
            at++;
        } else if (star < pattern.n) {
            p = star + 1;
            at = ++covered;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*') {
        p++;
    }
    return p == pattern.n;
}

static bool is_meant(const struct imap_id *id, struct str who)
{
    size_t slash = str_find_char(who, '/');
    struct str version = slash < who.n ? str_skip(who, slash + 1) : STR("*");
    return id->name.n > 0 && id->name.n <= IMAP_ID_VALUE_MOST && id->version.n <= IMAP_ID_VALUE_MOST
           && fits(id->name, str_sub(who, 0, slash)) && fits(id->version, version);
}

uint16_t heartbeats_find_client(struct str list, const struct imap_id *id)
{
    struct str who = STR_EMPTY;
    uint64_t s = 0;
    if (str_trim(list).n == 0) {
        return 0;
    }
    while (heartbeats_next(&list, &who, &s)) {
        if (s > 0 && is_meant(id, who)) {
            return (uint16_t)s;
        }
    }
    return HEARTBEAT_NONE;
}
