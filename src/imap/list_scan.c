/* The arguments of LIST, plain and extended (RFC 5258, 6):
 *
 *     LIST [SP "(" selection options ")"] SP reference SP (pattern / "(" pattern *(SP pattern) ")")
 *          [SP "RETURN" SP "(" return options ")"]
 *
 * Options are words of two tables; STATUS (RFC 5819) and METADATA (RFC 9590) bring lists of their own. An
 * option that is not in its table is an error, as RFC 5258, 3 asks, one that comes twice counts once.
 *
 * SPECIAL-USE (RFC 6154, 6) is among the options that do not go together with others there, but it chooses names as
 * SUBSCRIBED does, so here RECURSIVEMATCH may stand beside it. */
#include "imap/list_scan.h"

#include "imap/pattern.h"

struct option {
    struct str name;
    unsigned bit;
};

/* Steps over a word of the table and returns its bit. */
static unsigned scan_option(struct scan *c, const struct option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (scan_accept_word(c, options[i].name)) {
            return options[i].bit;
        }
    }
    scan_fail(c, ERR_SYNTAX, "an option of LIST");
    return 0;
}

/* list-select-opts */
static void scan_selects(struct scan *c, struct list_scan *out)
{
    static const struct option OPTIONS[] = {
        {{"SUBSCRIBED", 10}, LIST_SELECT_SUBSCRIBED},
        {{"SPECIAL-USE", 11}, LIST_SELECT_SPECIAL_USE},
        {{"REMOTE", 6}, LIST_SELECT_REMOTE},
        {{"RECURSIVEMATCH", 14}, LIST_SELECT_RECURSIVEMATCH},
    };
    if (!scan_accept(c, ')')) {
        do {
            out->selects |= scan_option(c, OPTIONS, sizeof(OPTIONS) / sizeof(OPTIONS[0]));
        } while (scan_accept(c, ' '));
        scan_require(c, ')', "the end of selection options");
    }
    bool is_recursive = (out->selects & LIST_SELECT_RECURSIVEMATCH) != 0;
    if (is_recursive && (out->selects & LIST_SELECT_CRITERIA) == 0) {
        scan_fail(c, ERR_SYNTAX, "RECURSIVEMATCH beside another option");
    }
}

/* list-return-opts, behind "RETURN" */
static void scan_returns(struct scan *c, struct arena *a, struct list_scan *out)
{
    static const struct option OPTIONS[] = {
        {{"SUBSCRIBED", 10}, LIST_RETURN_SUBSCRIBED},   {{"CHILDREN", 8}, LIST_RETURN_CHILDREN},
        {{"SPECIAL-USE", 11}, LIST_RETURN_SPECIAL_USE}, {{"STATUS", 6}, LIST_RETURN_STATUS},
        {{"METADATA", 8}, LIST_RETURN_METADATA},        {{"MYRIGHTS", 8}, LIST_RETURN_MYRIGHTS},
    };
    scan_sp(c);
    scan_require(c, '(', "return options");
    if (scan_accept(c, ')')) {
        return;
    }
    do {
        unsigned bit = scan_option(c, OPTIONS, sizeof(OPTIONS) / sizeof(OPTIONS[0]));
        out->returns |= bit;
        if (bit == LIST_RETURN_STATUS) {
            scan_sp(c);
            out->status |= scan_status_atts(c);
        }
        if (bit == LIST_RETURN_METADATA) {
            scan_sp(c);
            scan_metadata_entries(c, a, &out->entries);
        }
    } while (scan_accept(c, ' '));
    scan_require(c, ')', "the end of return options");
}

static void add_pattern(struct scan *c, struct arena *a, struct str reference,
                        struct list_scan *out, struct str *patterns)
{
    struct str pattern = scan_list_mailbox(c, a);
    out->is_delimiter = pattern.n == 0;
    if (pattern.n == 0 || !scan_is_ok(c)) {
        return;
    }
    patterns[out->count] = pattern_make(a, reference, pattern);
    if (patterns[out->count++].p == NULL) {
        scan_fail(c, ERR_LIMIT, "shorter patterns");
    }
}

/* mbox-or-pat */
static void scan_patterns(struct scan *c, struct arena *a, struct str reference,
                          struct list_scan *out)
{
    bool is_list = scan_accept(c, '(');
    struct str *patterns = arena_array(a, struct str, is_list ? LIST_PATTERNS_MOST : 1);
    if (patterns == NULL) {
        scan_fail(c, ERR_LIMIT, "a shorter command");
        return;
    }
    out->patterns = patterns;
    if (!is_list) {
        add_pattern(c, a, reference, out, patterns);
        return;
    }
    out->is_extended = true;
    do {
        if (out->count == LIST_PATTERNS_MOST) {
            scan_fail(c, ERR_LIMIT, "fewer patterns");
        } else {
            add_pattern(c, a, reference, out, patterns);
        }
    } while (scan_accept(c, ' '));
    scan_require(c, ')', "the end of patterns");
}

void list_scan(struct scan *c, struct arena *a, struct list_scan *out)
{
    *out = (struct list_scan){.is_extended = false};
    scan_sp(c);
    if (scan_accept(c, '(')) {
        out->is_extended = true;
        scan_selects(c, out);
        scan_sp(c);
    }
    struct str reference = scan_list_mailbox(c, a);
    scan_sp(c);
    scan_patterns(c, a, reference, out);
    if (scan_accept(c, ' ')) {
        out->is_extended = true;
        if (!scan_accept_word(c, STR("RETURN"))) {
            scan_fail(c, ERR_SYNTAX, "RETURN");
        }
        scan_returns(c, a, out);
    }
    /* RFC 5258 §3.1: the selection option implies the return option. */
    out->returns |= (out->selects & LIST_SELECT_SUBSCRIBED) != 0 ? LIST_RETURN_SUBSCRIBED : 0;
    out->is_delimiter = out->is_delimiter && !out->is_extended;
}
