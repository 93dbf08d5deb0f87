/* Flags, and what STORE does with them (RFC 3501, 9: flag-list, store-att-flags).
 *
 * System flags are bits, in the order in which the store keeps them; keywords stay words, since each mailbox numbers its
 * own. Lists are read twice: first to count, so that the array is allocated once and exactly. */
#include "wire/imap_scan.h"

static const struct {
    struct str name;
    unsigned bit;
} SYSTEM_FLAGS[] = {
    {{"Seen", 4}, IMAP_SEEN},       {{"Answered", 8}, IMAP_ANSWERED},
    {{"Flagged", 7}, IMAP_FLAGGED}, {{"Deleted", 7}, IMAP_DELETED},
    {{"Draft", 5}, IMAP_DRAFT},
};

/* Behind the backslash. flag-extension is for future standards (RFC 3501, 2.3.2): there is none here. */
static void scan_system_flag(struct scan *c, struct flag_list *out)
{
    size_t start = c->at;
    struct str name = scan_atom(c);
    for (size_t i = 0; i < sizeof(SYSTEM_FLAGS) / sizeof(SYSTEM_FLAGS[0]); i++) {
        if (str_eq_nocase(name, SYSTEM_FLAGS[i].name)) {
            out->system |= SYSTEM_FLAGS[i].bit;
            return;
        }
    }
    if (str_eq_nocase(name, STR("Recent"))) {
        out->has_recent = true;
        return;
    }
    c->at = scan_is_ok(c) ? start : c->at;
    scan_fail(c, ERR_SYNTAX, "a system flag");
}

/* flag *(SP flag); keywords NULL: only counts them */
static void scan_flags(struct scan *c, struct str *keywords, struct flag_list *out)
{
    do {
        if (scan_accept(c, '\\')) {
            scan_system_flag(c, out);
            continue;
        }
        struct str keyword = scan_atom(c);
        if (scan_is_ok(c) && keywords != NULL) {
            keywords[out->keyword_count] = keyword;
        }
        out->keyword_count++;
    } while (scan_accept(c, ' '));
}

static void scan_some_flags(struct scan *c, struct arena *a, struct flag_list *out)
{
    struct scan probe = *c;
    struct flag_list counted = {0, false, NULL, 0};
    scan_flags(&probe, NULL, &counted);
    struct str *keywords = arena_array(a, struct str, counted.keyword_count);
    if (keywords == NULL) {
        scan_fail(c, ERR_LIMIT, "fewer flags");
        return;
    }
    scan_flags(c, keywords, out);
    out->keywords = keywords;
}

/* flag-list = "(" [flag *(SP flag)] ")" */
void scan_flag_list(struct scan *c, struct arena *a, struct flag_list *out)
{
    *out = (struct flag_list){0, false, NULL, 0};
    scan_require(c, '(', "a list of flags");
    if (scan_accept(c, ')')) {
        return;
    }
    scan_some_flags(c, a, out);
    scan_require(c, ')', "the end of a list of flags");
}

/* store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag))) */
void scan_store_att_flags(struct scan *c, struct arena *a, struct store_att_flags *out)
{
    *out = (struct store_att_flags){.op = STORE_SET};
    if (scan_accept(c, '+')) {
        out->op = STORE_ADD;
    } else if (scan_accept(c, '-')) {
        out->op = STORE_REMOVE;
    }
    out->is_silent = scan_accept_word(c, STR("FLAGS.SILENT"));
    if (!out->is_silent && !scan_accept_word(c, STR("FLAGS"))) {
        scan_fail(c, ERR_SYNTAX, "FLAGS, +FLAGS or -FLAGS");
    }
    scan_sp(c);
    if (scan_peek(c) == '(') {
        scan_flag_list(c, a, &out->flags);
        return;
    }
    scan_some_flags(c, a, &out->flags);
}
