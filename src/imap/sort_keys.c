/* Sort criteria to a sort program. A criterion that comes a second time says nothing new, so it takes no room in the keys of all
 * messages. */
#include "imap/sort_keys.h"

#include "wire/imap_scan.h"

static void parse_criterion(struct scan *c, struct sort_criterion *out)
{
    static const struct {
        struct str name;
        enum sort_kind kind;
    } KEYS[] = {
        {{"ARRIVAL", 7}, SORT_ARRIVAL},     {{"CC", 2}, SORT_CC},
        {{"DATE", 4}, SORT_DATE},           {{"DISPLAYFROM", 11}, SORT_DISPLAYFROM},
        {{"DISPLAYTO", 9}, SORT_DISPLAYTO}, {{"FROM", 4}, SORT_FROM},
        {{"RELEVANCY", 9}, SORT_RELEVANCY}, {{"SIZE", 4}, SORT_SIZE},
        {{"SUBJECT", 7}, SORT_SUBJECT},     {{"TO", 2}, SORT_TO},
    };
    if (scan_accept_word(c, STR("REVERSE"))) {
        out->is_reverse = true;
        scan_sp(c);
    }
    for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
        if (scan_accept_word(c, KEYS[i].name)) {
            out->kind = KEYS[i].kind;
            return;
        }
    }
    scan_fail(c, ERR_SYNTAX, "a sort criterion");
}

static bool has_kind(const struct sort_program *p, enum sort_kind kind)
{
    bool has = false;
    for (size_t i = 0; i < p->count; i++) {
        has = has || p->at[i].kind == kind;
    }
    return has;
}

void sort_keys_parse(struct scan *c, struct sort_program *out)
{
    unsigned written = 0;
    *out = (struct sort_program){0};
    scan_require(c, '(', "a list of sort criteria");
    do {
        struct sort_criterion criterion = {0};
        if (++written > SORT_CRITERIA_MOST) {
            scan_fail(c, ERR_LIMIT, "fewer sort criteria");
            return;
        }
        parse_criterion(c, &criterion);
        if (scan_is_ok(c) && !has_kind(out, criterion.kind)) {
            out->at[out->count++] = criterion;
        }
    } while (scan_accept(c, ' '));
    scan_require(c, ')', "the end of the sort criteria");
}
