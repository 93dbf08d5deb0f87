/* SEARCH keys to a search program (RFC 3501, 6.4.4 and 9; MODSEQ: RFC 7162, 3.1.5; FILTER: RFC 5466).
 *
 *     search-key = simple | word SP argument | "NOT" SP key | "OR" SP key SP key | sequence-set | "(" keys ")"
 *
 * The words are a table: what argument follows, which kind of key it makes, and whether that is negated, because half of
 * them are the other half with UN in front. Strings are brought to UTF-8 here, so the program has one charset.
 * A key that names a message number which is not there matches nothing; clients search "1:*" in empty mailboxes.
 */
#include "imap/search_keys.h"

#include "imap/filters.h"
#include "mime/charset.h"
#include "store/view.h"
#include "wire/imap_scan.h"

enum argument {
    ARG_NONE,
    ARG_TEXT,
    ARG_DATE,
    ARG_NUMBER,
    ARG_INTERVAL,
    ARG_KEYWORD,
    ARG_HEADER,
    ARG_UIDS,
    ARG_UID_AFTER, /* RFC 9738, 3.2 */
    ARG_UID_BEFORE,
    ARG_MODSEQ,
    ARG_OBJECTID
};

struct word {
    struct str name;
    enum argument argument;
    enum search_kind kind;
    int64_t number; /* of ARG_NONE */
    bool is_negated;
};

#define WORD(text, ...)                                                                            \
    {                                                                                              \
        {"" text, sizeof(text) - 1}, __VA_ARGS__                                                   \
    }
static const struct word words[] = {
    WORD("ALL", ARG_NONE, SEARCH_ALL, 0, false),
    WORD("ANSWERED", ARG_NONE, SEARCH_FLAGS, FLAG_ANSWERED, false),
    WORD("BCC", ARG_TEXT, SEARCH_BCC, 0, false),
    WORD("BEFORE", ARG_DATE, SEARCH_BEFORE, 0, false),
    WORD("BODY", ARG_TEXT, SEARCH_BODY, 0, false),
    WORD("CC", ARG_TEXT, SEARCH_CC, 0, false),
    WORD("DELETED", ARG_NONE, SEARCH_FLAGS, FLAG_DELETED, false),
    WORD("DRAFT", ARG_NONE, SEARCH_FLAGS, FLAG_DRAFT, false),
    WORD("EMAILID", ARG_OBJECTID, SEARCH_EMAILID, 0, false),
    WORD("FLAGGED", ARG_NONE, SEARCH_FLAGS, FLAG_FLAGGED, false),
    WORD("FROM", ARG_TEXT, SEARCH_FROM, 0, false),
    WORD("HEADER", ARG_HEADER, SEARCH_HEADER, 0, false),
    WORD("KEYWORD", ARG_KEYWORD, SEARCH_KEYWORD, 0, false),
    WORD("LARGER", ARG_NUMBER, SEARCH_LARGER, 0, false),
    WORD("MODSEQ", ARG_MODSEQ, SEARCH_MODSEQ, 0, false),
    WORD("OLD", ARG_NONE, SEARCH_RECENT, 0, true),
    WORD("OLDER", ARG_INTERVAL, SEARCH_OLDER, 0, false),
    WORD("ON", ARG_DATE, SEARCH_ON, 0, false),
    WORD("RECENT", ARG_NONE, SEARCH_RECENT, 0, false),
    WORD("SAVEDATESUPPORTED", ARG_NONE, SEARCH_ALL, 0, false),
    WORD("SAVEDBEFORE", ARG_DATE, SEARCH_SAVEDBEFORE, 0, false),
    WORD("SAVEDON", ARG_DATE, SEARCH_SAVEDON, 0, false),
    WORD("SAVEDSINCE", ARG_DATE, SEARCH_SAVEDSINCE, 0, false),
    WORD("SEEN", ARG_NONE, SEARCH_FLAGS, FLAG_SEEN, false),
    WORD("SENTBEFORE", ARG_DATE, SEARCH_SENTBEFORE, 0, false),
    WORD("SENTON", ARG_DATE, SEARCH_SENTON, 0, false),
    WORD("SENTSINCE", ARG_DATE, SEARCH_SENTSINCE, 0, false),
    WORD("SINCE", ARG_DATE, SEARCH_SINCE, 0, false),
    WORD("SMALLER", ARG_NUMBER, SEARCH_SMALLER, 0, false),
    WORD("SUBJECT", ARG_TEXT, SEARCH_SUBJECT, 0, false),
    WORD("TEXT", ARG_TEXT, SEARCH_TEXT, 0, false),
    WORD("THREADID", ARG_OBJECTID, SEARCH_THREADID, 0, false),
    WORD("TO", ARG_TEXT, SEARCH_TO, 0, false),
    WORD("UID", ARG_UIDS, SEARCH_UID, 0, false),
    WORD("UIDAFTER", ARG_UID_AFTER, SEARCH_UID, 0, false),
    WORD("UIDBEFORE", ARG_UID_BEFORE, SEARCH_UID, 0, false),
    WORD("UNANSWERED", ARG_NONE, SEARCH_FLAGS, FLAG_ANSWERED, true),
    WORD("UNDELETED", ARG_NONE, SEARCH_FLAGS, FLAG_DELETED, true),
    WORD("UNDRAFT", ARG_NONE, SEARCH_FLAGS, FLAG_DRAFT, true),
    WORD("UNFLAGGED", ARG_NONE, SEARCH_FLAGS, FLAG_FLAGGED, true),
    WORD("UNKEYWORD", ARG_KEYWORD, SEARCH_KEYWORD, 0, true),
    WORD("UNSEEN", ARG_NONE, SEARCH_FLAGS, FLAG_SEEN, true),
    WORD("YOUNGER", ARG_INTERVAL, SEARCH_YOUNGER, 0, false),
};
#undef WORD

static struct search_key *parse_key(struct search_keys *k, struct scan *c, unsigned depth);

static struct search_key *new_key(struct search_keys *k, struct scan *c, enum search_kind kind)
{
    struct search_key *key = NULL;
    if (k->count++ < SEARCH_KEYS_MOST) {
        key = search_key_new(k->arena, kind);
        if (key != NULL) {
            key->is_fuzzy = k->fuzzy_depth > 0;
        }
    }
    if (key == NULL) {
        scan_fail(c, ERR_LIMIT, "fewer search keys");
    }
    return key;
}

/* A string of the client, as UTF-8. */
static struct str parse_text(struct search_keys *k, struct scan *c)
{
    struct str octets = scan_astring(c, k->arena);
    if (!scan_is_ok(c)) {
        return STR_EMPTY;
    }
    if (octets.n > SEARCH_TEXT_MOST) {
        scan_fail(c, ERR_LIMIT, "a shorter text to search for");
        return STR_EMPTY;
    }
    struct buf utf8 = BUF_INIT((size_t)SEARCH_TEXT_MOST * 4);
    enum err e = k->charset.n > 0 ? charset_to_utf8_strict(k->charset, octets, &utf8)
                                  : charset_to_utf8(k->charset, octets, &utf8);
    struct str text = arena_str(k->arena, buf_str(&utf8));
    buf_release(&utf8);
    if (e != ERR_OK) {
        scan_fail(c, e == ERR_SYNTAX ? ERR_SYNTAX : ERR_BAD_CHARSET, "text in its charset");
    }
    return text;
}

/* "$" (RFC 5182): the UIDs that a search saved, whether UIDs or message numbers are expected. */
static struct search_set parse_saved(struct search_keys *k, struct scan *c)
{
    struct search_set set = {NULL, 0};
    if (k->saved == NULL) {
        scan_fail(c, ERR_SYNTAX, "a set of its own, in more than the selected mailbox");
    } else if (k->is_saved_lost) {
        scan_fail(c, ERR_UNAVAILABLE, "a set, not what was saved");
    } else if (search_set_copy(k->arena, k->saved->at, k->saved->count, &set) != ERR_OK) {
        scan_fail(c, ERR_LIMIT, "fewer search keys");
    }
    return set;
}

/* A set stays as it was sent: "*" is the last message of whichever mailbox the program runs in, whenever that is. */
static struct search_set parse_set(struct search_keys *k, struct scan *c)
{
    struct seq_set set;
    if (scan_accept(c, '$')) {
        return parse_saved(k, c);
    }
    scan_seq_set(c, k->arena, &set);
    struct numrange *at = scan_is_ok(c) ? arena_array(k->arena, struct numrange, set.count) : NULL;
    if (at == NULL) {
        scan_fail(c, ERR_LIMIT, "fewer search keys");
        return (struct search_set){NULL, 0};
    }
    for (uint32_t i = 0; i < set.count; i++) {
        at[i] = (struct numrange){set.at[i].first, set.at[i].last};
    }
    return (struct search_set){at, set.count};
}

/* UIDAFTER, UIDBEFORE (RFC 9738, 3.2): all above, or below, one UID. */
static struct search_set parse_uid_side(struct search_keys *k, struct scan *c, bool is_after)
{
    uint32_t uid = scan_nz_number(c);
    struct numrange *range = scan_is_ok(c) ? arena_one(k->arena, struct numrange) : NULL;
    if (range == NULL) {
        scan_fail(c, ERR_LIMIT, "fewer search keys");
        return (struct search_set){NULL, 0};
    }
    if (uid == (is_after ? UINT32_MAX : 1)) {
        return (struct search_set){range, 0};
    }
    *range = is_after ? (struct numrange){uid + 1, UINT32_MAX} : (struct numrange){1, uid - 1};
    return (struct search_set){range, 1};
}

/* MODSEQ [entry-name SP entry-type-req SP] mod-sequence-valzer; the entry does not matter here: flags share one modseq. */
static int64_t parse_modseq(struct search_keys *k, struct scan *c)
{
    k->has_modseq = true;
    if (scan_peek(c) == '"') {
        (void)scan_quoted(c, k->arena);
        scan_sp(c);
        if (!scan_accept_word(c, STR("shared")) && !scan_accept_word(c, STR("priv"))
            && !scan_accept_word(c, STR("all"))) {
            scan_fail(c, ERR_SYNTAX, "shared, priv or all");
        }
        scan_sp(c);
    }
    return (int64_t)scan_number64(c);
}

static void parse_argument(struct search_keys *k, struct scan *c, const struct word *w,
                           struct search_key *key)
{
    if (w->argument == ARG_NONE) {
        key->number = w->number;
        return;
    }
    scan_sp(c);
    switch (w->argument) {
    case ARG_HEADER:
        key->field = scan_astring(c, k->arena);
        scan_sp(c);
        key->text = parse_text(k, c);
        return;
    case ARG_TEXT:
        key->text = parse_text(k, c);
        return;
    case ARG_KEYWORD:
        key->text = scan_atom(c);
        return;
    case ARG_DATE:
        key->number = scan_date(c);
        return;
    case ARG_INTERVAL:
        key->number = scan_nz_number(c);
        return;
    case ARG_NUMBER:
        key->number = (int64_t)scan_number64(c);
        return;
    case ARG_OBJECTID:
        key->text = scan_objectid(c);
        return;
    case ARG_UIDS:
        key->set = parse_set(k, c);
        return;
    case ARG_UID_AFTER:
    case ARG_UID_BEFORE:
        key->set = parse_uid_side(k, c, w->argument == ARG_UID_AFTER);
        return;
    case ARG_MODSEQ:
        key->number = parse_modseq(k, c);
        return;
    case ARG_NONE:
        break;
    }
}

static struct search_key *negate(struct search_keys *k, struct scan *c, struct search_key *key)
{
    struct search_key *not = new_key(k, c, SEARCH_NOT);
    search_key_add(not, key);
    return not ;
}

static struct search_key *parse_word(struct search_keys *k, struct scan *c)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        bool is_removed = c->is_rev2 && words[i].kind == SEARCH_RECENT; /* RFC 9051, appendix E */
        if (is_removed || !scan_accept_word(c, words[i].name)) {
            continue;
        }
        struct search_key *key = new_key(k, c, words[i].kind);
        if (key != NULL) {
            parse_argument(k, c, &words[i], key);
        }
        return words[i].is_negated ? negate(k, c, key) : key;
    }
    scan_fail(c, ERR_SYNTAX, "a search key");
    return NULL;
}

/* search-key *(SP search-key), up to the end or ")". */
static struct search_key *parse_list(struct search_keys *k, struct scan *c, unsigned depth)
{
    struct search_key *all = new_key(k, c, SEARCH_AND);
    do {
        search_key_add(all, parse_key(k, c, depth));
    } while (scan_accept(c, ' '));
    return all;
}

/* NEW is (RECENT UNSEEN). */
static struct search_key *parse_new(struct search_keys *k, struct scan *c)
{
    struct search_key *both = new_key(k, c, SEARCH_AND);
    struct search_key *seen = new_key(k, c, SEARCH_FLAGS);
    if (seen != NULL) {
        seen->number = FLAG_SEEN;
    }
    search_key_add(both, new_key(k, c, SEARCH_RECENT));
    search_key_add(both, negate(k, c, seen));
    return both;
}

/* A chain (OR a OR b OR c d) is as deep as it is long, and clients write long ones: it becomes one key. */
static struct search_key *parse_or(struct search_keys *k, struct scan *c, unsigned depth)
{
    struct search_key *any = new_key(k, c, SEARCH_OR);
    do {
        scan_sp(c);
        search_key_add(any, parse_key(k, c, depth));
        scan_sp(c);
    } while (scan_accept_word(c, STR("OR")));
    search_key_add(any, parse_key(k, c, depth));
    return any;
}

/* "$" as a key of its own. */
static struct search_key *parse_last(struct search_keys *k, struct scan *c)
{
    struct search_key *key = new_key(k, c, SEARCH_UID);
    if (key != NULL) {
        key->set = parse_set(k, c);
    }
    return key;
}

static struct search_key *parse_numbers(struct search_keys *k, struct scan *c)
{
    if (k->is_uid_only) {
        scan_fail(c, ERR_UID_REQUIRED, "UID before the numbers");
        return NULL;
    }
    struct search_key *key = new_key(k, c, SEARCH_SEQ);
    if (key != NULL) {
        key->set = parse_set(k, c);
    }
    return key;
}

/* The criteria of a filter, in place of a key. They are UTF-8, whatever the command's charset. */
static struct search_key *parse_criteria(struct search_keys *k, struct scan *c, struct str criteria,
                                         unsigned depth)
{
    struct str charset = k->charset;
    struct scan inner = scan_make(criteria);
    k->charset = STR("UTF-8");
    k->filter_depth++;
    struct search_key *key = parse_list(k, &inner, depth + 1);
    scan_require_end(&inner);
    k->filter_depth--;
    k->charset = charset;
    if (!scan_is_ok(&inner)) {
        scan_fail(c, inner.err == ERR_SYNTAX ? ERR_BAD_FILTER : inner.err, "whole criteria");
    }
    return key;
}

/* "FILTER" SP filter-name (RFC 5466) */
static struct search_key *parse_filter(struct search_keys *k, struct scan *c, unsigned depth)
{
    bool is_utf8 = k->charset.n == 0 || str_eq_nocase(k->charset, STR("UTF-8"))
                   || str_eq_nocase(k->charset, STR("US-ASCII"));
    if (!is_utf8) {
        scan_fail(c, ERR_FILTER_CHARSET, "CHARSET UTF-8 beside FILTER");
    }
    scan_sp(c);
    struct str name = scan_filter_name(c);
    struct str criteria = STR_EMPTY;
    bool is_there = scan_is_ok(c) && k->filter_depth < FILTER_DEPTH_MOST && k->find_filter != NULL
                    && k->find_filter(k->filter_owner, k->arena, name, &criteria);
    if (is_there) {
        return parse_criteria(k, c, criteria, depth);
    }
    k->undefined_filter = name;
    return new_key(k, c, SEARCH_OR);
}

/* "FUZZY" SP search-key (RFC 6203): texts within it are matched by their words; all other keys stay exact (5). */
static struct search_key *parse_fuzzy(struct search_keys *k, struct scan *c, unsigned depth)
{
    scan_sp(c);
    k->has_fuzzy = true;
    k->fuzzy_depth++;
    struct search_key *key = parse_key(k, c, depth + 1);
    k->fuzzy_depth--;
    return key;
}

static struct search_key *parse_key(struct search_keys *k, struct scan *c, unsigned depth)
{
    if (depth >= SEARCH_DEPTH_MOST / 2) {
        scan_fail(c, ERR_TOO_DEEP, "fewer search keys within each other");
    }
    int next = scan_peek(c);
    if (next < 0) {
        scan_fail(c, ERR_SYNTAX, "a search key");
        return NULL;
    }
    if (scan_accept(c, '(')) {
        struct search_key *list = parse_list(k, c, depth + 1);
        scan_require(c, ')', "the end of a list of search keys");
        return list;
    }
    if (next == '$') {
        return parse_last(k, c);
    }
    if (next == '*' || ascii_is_digit((char)next)) {
        return parse_numbers(k, c);
    }
    if (!c->is_rev2 && scan_accept_word(c, STR("NEW"))) {
        return parse_new(k, c);
    }
    if (scan_accept_word(c, STR("NOT"))) {
        scan_sp(c);
        return negate(k, c, parse_key(k, c, depth + 1));
    }
    if (scan_accept_word(c, STR("FUZZY"))) {
        return parse_fuzzy(k, c, depth);
    }
    if (scan_accept_word(c, STR("FILTER"))) {
        return parse_filter(k, c, depth);
    }
    return scan_accept_word(c, STR("OR")) ? parse_or(k, c, depth + 1) : parse_word(k, c);
}

struct search_key *search_keys_parse(struct search_keys *k, struct scan *c)
{
    struct search_key *all = parse_list(k, c, 0);
    return scan_is_ok(c) ? all : NULL;
}
