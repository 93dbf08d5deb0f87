/* The arguments of GETMETADATA and SETMETADATA:
 *
 *     GETMETADATA [SP options] SP mailbox [SP options] SP (entry / "(" entry *(SP entry) ")")
 *     SETMETADATA SP mailbox SP "(" entry SP value *(SP entry SP value) ")"
 *     options = "(" ("MAXSIZE" SP number / "DEPTH" SP ("0" / "1" / "infinity")) ... ")"
 *
 * RFC 5464's grammar puts the options before the mailbox, its examples behind it; clients do both. A list behind the mailbox that
 * begins with a slash or a quote holds entries, else options.
 *
 * An entry's name begins with "/private" or "/shared" and is checked here, so nobody behind this meets a bad one: ASCII without
 * controls and wildcards, no empty component. To be set it needs two components, a vendor's four (RFC 5464, 3.2). */
#include "imap/metadata_scan.h"

#include "wire/imap_scan.h"

static bool is_entry_octet(char octet)
{
    unsigned char o = (unsigned char)octet;
    return o >= 0x20 && o < 0x7f && o != '*' && o != '%';
}

/* How many components the name has; 0: it is no name. */
static unsigned count_components(struct str name)
{
    unsigned count = 0;
    for (size_t i = 0; i < name.n; i++) {
        if (!is_entry_octet(name.p[i])) {
            return 0;
        }
        if (name.p[i] == '/') {
            if (i + 1 == name.n || name.p[i + 1] == '/') {
                return 0;
            }
            count++;
        }
    }
    return count;
}

static bool is_within(struct str name, struct str tree)
{
    return str_starts_nocase(name, tree) && (name.n == tree.n || name.p[tree.n] == '/');
}

static bool is_name(struct str name, bool is_set)
{
    unsigned count = count_components(name);
    bool is_vendor =
        is_within(name, STR("/private/vendor")) || is_within(name, STR("/shared/vendor"));
    if (!is_within(name, STR("/private")) && !is_within(name, STR("/shared"))) {
        return false;
    }
    return name.n <= ANNOTATION_NAME_MOST && count >= (is_set ? (is_vendor ? 4u : 2u) : 1u);
}

static struct str scan_entry(struct scan *c, struct arena *a, bool is_set)
{
    size_t start = c->at;
    struct str name = scan_astring(c, a);
    if (scan_is_ok(c) && !is_name(name, is_set)) {
        c->at = start;
        scan_fail(c, ERR_SYNTAX, "the name of an entry");
    }
    return name;
}

/* The rest of a list of entries, behind "(". */
static void scan_entry_list(struct scan *c, struct arena *a, struct metadata_entries *out)
{
    struct str *names = arena_array(a, struct str, METADATA_ENTRIES_MOST);
    if (names == NULL) {
        scan_fail(c, ERR_LIMIT, "a shorter command");
        return;
    }
    out->at = names;
    do {
        if (out->count == METADATA_ENTRIES_MOST) {
            scan_fail(c, ERR_LIMIT, "fewer entries");
            return;
        }
        names[out->count++] = scan_entry(c, a, false);
    } while (scan_accept(c, ' '));
    scan_require(c, ')', "the end of entries");
}

void scan_metadata_entries(struct scan *c, struct arena *a, struct metadata_entries *out)
{
    *out = (struct metadata_entries){NULL, 0};
    scan_require(c, '(', "entries");
    scan_entry_list(c, a, out);
}

static unsigned scan_depth(struct scan *c)
{
    if (scan_accept_word(c, STR("0"))) {
        return 0;
    }
    if (scan_accept_word(c, STR("1"))) {
        return 1;
    }
    if (!scan_accept_word(c, STR("infinity"))) {
        scan_fail(c, ERR_SYNTAX, "0, 1 or infinity");
    }
    return METADATA_DEPTH_INFINITY;
}

/* The rest of a list of options, behind "(". */
static void scan_options(struct scan *c, struct metadata_get *out)
{
    do {
        if (scan_accept_word(c, STR("MAXSIZE"))) {
            scan_sp(c);
            out->maxsize = scan_number32(c);
        } else if (scan_accept_word(c, STR("DEPTH"))) {
            scan_sp(c);
            out->depth = scan_depth(c);
        } else {
            scan_fail(c, ERR_SYNTAX, "MAXSIZE or DEPTH");
        }
    } while (scan_accept(c, ' '));
    scan_require(c, ')', "the end of options");
}

static bool is_entry_next(const struct scan *c)
{
    int next = scan_peek(c);
    return next == '/' || next == '"' || next == '{';
}

static void scan_one(struct scan *c, struct arena *a, struct metadata_entries *out)
{
    struct str *name = arena_one(a, struct str);
    if (name == NULL) {
        scan_fail(c, ERR_LIMIT, "a shorter command");
        return;
    }
    *name = scan_entry(c, a, false);
    *out = (struct metadata_entries){name, 1};
}

void metadata_scan_get(struct scan *c, struct arena *a, struct metadata_get *out)
{
    *out = (struct metadata_get){.maxsize = UINT64_MAX};
    scan_sp(c);
    if (scan_accept(c, '(')) {
        scan_options(c, out);
        scan_sp(c);
    }
    out->mailbox = scan_mailbox(c, a);
    scan_sp(c);
    bool is_list = scan_accept(c, '(');
    if (is_list && !is_entry_next(c)) {
        scan_options(c, out);
        scan_sp(c);
        is_list = scan_accept(c, '(');
    }
    if (is_list) {
        scan_entry_list(c, a, &out->entries);
    } else {
        scan_one(c, a, &out->entries);
    }
}

/* value = nstring / literal8 */
static void scan_value(struct scan *c, struct arena *a, struct annotation *out)
{
    if (scan_peek(c) != '~') {
        out->has_value = scan_nstring(c, a, &out->value);
        return;
    }
    struct scan_literal_out literal = scan_literal(c);
    if (literal.is_streamed) {
        scan_fail(c, ERR_SYNTAX, "a value");
    }
    out->value = literal.octets;
    out->has_value = true;
}

void metadata_scan_set(struct scan *c, struct arena *a, struct metadata_set *out)
{
    *out = (struct metadata_set){.count = 0};
    scan_sp(c);
    out->mailbox = scan_mailbox(c, a);
    scan_sp(c);
    scan_require(c, '(', "entries and values");
    struct annotation *at = arena_array(a, struct annotation, METADATA_ENTRIES_MOST);
    if (at == NULL) {
        scan_fail(c, ERR_LIMIT, "a shorter command");
        return;
    }
    out->at = at;
    do {
        if (out->count == METADATA_ENTRIES_MOST) {
            scan_fail(c, ERR_LIMIT, "fewer entries");
            return;
        }
        struct annotation *x = &at[out->count++];
        x->name = scan_entry(c, a, true);
        scan_sp(c);
        scan_value(c, a, x);
    } while (scan_accept(c, ' '));
    scan_require(c, ')', "the end of entries and values");
}
