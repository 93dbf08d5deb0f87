/* What FETCH asks for (RFC 3501, 9: fetch-att; RFC 3516; RFC 7162) and the modifiers of FETCH and STORE (RFC 4466).
 *
 * Attributes are one table: name, kind, whether a section in brackets must or may follow, and whether a partial may. */
#include "wire/imap_scan.h"

#include "wire/chars.h"

enum { NO_SECTION, MAY_SECTION, MUST_SECTION, MUST_PATH };

struct row {
    struct str name;
    enum fetch_att_kind kind;
    bool is_peek;
    unsigned section;
};

static const struct row ROWS[] = {
    {{"FLAGS", 5}, FETCH_FLAGS, false, NO_SECTION},
    {{"UID", 3}, FETCH_UID, false, NO_SECTION},
    {{"BODY.PEEK", 9}, FETCH_BODY_SECTION, true, MUST_SECTION},
    {{"BODY", 4}, FETCH_BODY, false, MAY_SECTION},
    {{"BODYSTRUCTURE", 13}, FETCH_BODYSTRUCTURE, false, NO_SECTION},
    {{"ENVELOPE", 8}, FETCH_ENVELOPE, false, NO_SECTION},
    {{"INTERNALDATE", 12}, FETCH_INTERNALDATE, false, NO_SECTION},
    {{"MODSEQ", 6}, FETCH_MODSEQ, false, NO_SECTION},
    {{"RFC822", 6}, FETCH_RFC822, false, NO_SECTION},
    {{"RFC822.PEEK", 11}, FETCH_RFC822, true, NO_SECTION}, /* of RFC 1730; Outlook still says it */
    {{"RFC822.HEADER", 13}, FETCH_RFC822_HEADER, false, NO_SECTION},
    {{"RFC822.SIZE", 11}, FETCH_RFC822_SIZE, false, NO_SECTION},
    {{"RFC822.TEXT", 11}, FETCH_RFC822_TEXT, false, NO_SECTION},
    {{"BINARY", 6}, FETCH_BINARY, false, MUST_PATH},
    {{"BINARY.PEEK", 11}, FETCH_BINARY, true, MUST_PATH},
    {{"BINARY.SIZE", 11}, FETCH_BINARY_SIZE, false, MUST_PATH},
    {{"SAVEDATE", 8}, FETCH_SAVEDATE, false, NO_SECTION},
    {{"PREVIEW", 7}, FETCH_PREVIEW, false, NO_SECTION},
    {{"EMAILID", 7}, FETCH_EMAILID, false, NO_SECTION},
    {{"THREADID", 8}, FETCH_THREADID, false, NO_SECTION},
};

/* ALL, FAST and FULL are beginnings of one list. */
static const struct fetch_att FULL[] = {
    {.kind = FETCH_FLAGS},    {.kind = FETCH_INTERNALDATE}, {.kind = FETCH_RFC822_SIZE},
    {.kind = FETCH_ENVELOPE}, {.kind = FETCH_BODY},
};

static bool is_name_char(unsigned char octet)
{
    return is_let_dig(octet) || octet == '.';
}

static const struct row *find_row(struct str name)
{
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        if (str_eq_nocase(name, ROWS[i].name)) {
            return &ROWS[i];
        }
    }
    return NULL;
}

/* "<" number "." nz-number ">" */
bool scan_partial(struct scan *c, struct partial *out)
{
    if (!scan_accept(c, '<')) {
        return false;
    }
    out->offset = scan_number64(c);
    scan_require(c, '.', "a partial range");
    size_t start = c->at;
    out->length = scan_number64(c);
    if (scan_is_ok(c) && out->length == 0) {
        c->at = start;
        scan_fail(c, ERR_SYNTAX, "a nonzero length");
    }
    scan_require(c, '>', "the end of a partial range");
    return true;
}

static void scan_section(struct scan *c, struct arena *a, struct fetch_att *att)
{
    size_t start = c->at;
    scan_require(c, '[', "a section in brackets");
    scan_section_spec(c, a, &att->section);
    bool is_binary = att->kind != FETCH_BODY_SECTION;
    if (scan_is_ok(c) && is_binary && att->section.text != SECTION_ALL) {
        c->at = start + 1;
        scan_fail(c, ERR_SYNTAX, "part numbers only");
    }
    scan_require(c, ']', "the end of a section");
    if (att->kind != FETCH_BINARY_SIZE) {
        att->has_partial = scan_partial(c, &att->partial);
    }
}

/* [SP "(" preview-mod *(SP preview-mod) ")"]; another list belongs to the command */
static void scan_preview_mods(struct scan *c, struct fetch_att *att)
{
    if (!scan_accept_nocase(c, STR(" (LAZY"))) {
        return;
    }
    att->is_lazy = true;
    while (scan_accept(c, ' ')) {
        if (!scan_accept_word(c, STR("LAZY"))) {
            scan_fail(c, ERR_SYNTAX, "LAZY");
        }
    }
    scan_require(c, ')', "the end of a list of modifiers");
}

static void scan_fetch_att(struct scan *c, struct arena *a, struct fetch_att *att)
{
    size_t start = c->at;
    const struct row *row = find_row(scan_run(c, is_name_char));
    *att = (struct fetch_att){.kind = FETCH_FLAGS};
    bool is_removed = row != NULL && c->is_rev2
                      && (row->kind == FETCH_RFC822 || row->kind == FETCH_RFC822_HEADER
                          || row->kind == FETCH_RFC822_TEXT); /* RFC 9051, appendix E, 18 */
    if (row == NULL || is_removed) {
        c->at = scan_is_ok(c) ? start : c->at;
        scan_fail(c, ERR_SYNTAX, "a FETCH attribute");
        return;
    }
    att->kind = row->kind;
    att->is_peek = row->is_peek;
    if (row->kind == FETCH_PREVIEW) {
        scan_preview_mods(c, att);
    } else if (row->section == MAY_SECTION && scan_peek(c) == '[') {
        att->kind = FETCH_BODY_SECTION;
        scan_section(c, a, att);
    } else if (row->section == MUST_SECTION || row->section == MUST_PATH) {
        scan_section(c, a, att);
    }
}

/* fetch-att *(SP fetch-att); at NULL: only counts them */
static uint32_t scan_list(struct scan *c, struct arena *a, struct fetch_att *at)
{
    struct fetch_att att;
    uint32_t n = 0;
    do {
        scan_fetch_att(c, a, &att);
        if (n == FETCH_ATTS_MOST) {
            scan_fail(c, ERR_LIMIT, "fewer FETCH attributes");
            return 0;
        }
        if (at != NULL && scan_is_ok(c)) {
            at[n] = att;
        }
        n++;
    } while (scan_accept(c, ' '));
    return n;
}

static bool scan_macro(struct scan *c, struct fetch_atts *out)
{
    uint32_t count = scan_accept_word(c, STR("FAST"))   ? 3
                     : scan_accept_word(c, STR("ALL"))  ? 4
                     : scan_accept_word(c, STR("FULL")) ? 5
                                                        : 0;
    *out = (struct fetch_atts){FULL, count};
    return count > 0;
}

static void scan_one(struct scan *c, struct arena *a, struct fetch_atts *out)
{
    struct fetch_att *att = arena_one(a, struct fetch_att);
    if (att == NULL) {
        scan_fail(c, ERR_LIMIT, "a shorter command");
        return;
    }
    scan_fetch_att(c, a, att);
    *out = (struct fetch_atts){att, 1};
}

/* "ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")" */
void scan_fetch_atts(struct scan *c, struct arena *a, struct fetch_atts *out)
{
    if (scan_macro(c, out)) {
        return;
    }
    if (!scan_accept(c, '(')) {
        scan_one(c, a, out);
        return;
    }
    struct scan probe = *c;
    uint32_t count = scan_list(&probe, a, NULL);
    if (scan_get_err(&probe) != ERR_OK) {
        *c = probe;
        return;
    }
    struct fetch_att *at = arena_array(a, struct fetch_att, count);
    if (at == NULL) {
        scan_fail(c, ERR_LIMIT, "a shorter command");
        return;
    }
    (void)scan_list(c, a, at);
    *out = (struct fetch_atts){at, count};
    scan_require(c, ')', "the end of a list of FETCH attributes");
}

/* fetch-modifiers: "(" fetch-modifier *(SP fetch-modifier) ")" */
void scan_fetch_modifiers(struct scan *c, struct fetch_modifiers *out)
{
    size_t start = c->at;
    *out = (struct fetch_modifiers){.has_changedsince = false};
    scan_require(c, '(', "a list of modifiers");
    do {
        if (!out->has_changedsince && scan_accept_word(c, STR("CHANGEDSINCE"))) {
            scan_sp(c);
            out->has_changedsince = true;
            out->changedsince = scan_mod_sequence_value(c);
        } else if (!out->is_vanished && scan_accept_word(c, STR("VANISHED"))) {
            out->is_vanished = true;
        } else if (!out->has_partial && scan_accept_word(c, STR("PARTIAL"))) {
            scan_sp(c);
            out->has_partial = true;
            out->partial = scan_partial_range(c);
        } else {
            scan_fail(c, ERR_SYNTAX, "CHANGEDSINCE, VANISHED or PARTIAL");
        }
    } while (scan_accept(c, ' '));
    scan_require(c, ')', "the end of a list of modifiers");
    /* RFC 7162, 3.2.6: VANISHED is used with CHANGEDSINCE only, else BAD. */
    if (scan_is_ok(c) && out->is_vanished && !out->has_changedsince) {
        c->at = start;
        scan_fail(c, ERR_SYNTAX, "CHANGEDSINCE with VANISHED");
    }
}

/* store-modifiers: "(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")" (RFC 7162, 3.1.3) */
uint64_t scan_store_modifiers(struct scan *c)
{
    scan_require(c, '(', "a list of modifiers");
    if (!scan_accept_word(c, STR("UNCHANGEDSINCE"))) {
        scan_fail(c, ERR_SYNTAX, "UNCHANGEDSINCE");
    }
    scan_sp(c);
    uint64_t v = scan_number(c, INT64_MAX, "a mod-sequence");
    scan_require(c, ')', "the end of a list of modifiers");
    return scan_is_ok(c) ? v : UINT64_MAX;
}
