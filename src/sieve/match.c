/* Match types: :is :contains :matches (RFC 5228, 2.7.1), :count :value (RFC 5231).
 *
 * Every test that compares goes through here: it takes its keys once, then gives value after value. A count is compared when all
 * are given, and as a number whatever the comparator: "only makes sense with numeric comparators" (RFC 5231, 5), and a script that
 * forgot to say so means the number, too. */
#include "sieve/match.h"

#include "sieve/run_priv.h"

#include <stdio.h>

static const char *const relation_names[] = {"gt", "ge", "lt", "le", "eq", "ne"};
enum { RELATION_COUNT = sizeof(relation_names) / sizeof(relation_names[0]) };

static unsigned find_relation(struct str name)
{
    unsigned i = 0;
    while (i < RELATION_COUNT && !str_eq_nocase(name, str_from_c(relation_names[i]))) {
        i++;
    }
    return i;
}

static const struct sieve_arg *find_relation_arg(const struct sieve_node *n)
{
    const struct sieve_arg *arg = sieve_node_find(n, SIEVE_TAG_COUNTING);
    return arg != NULL ? arg : sieve_node_find(n, SIEVE_TAG_VALUE);
}

static enum err check_relation(struct sieve_compiler *c, const struct sieve_node *n)
{
    const struct sieve_arg *arg = find_relation_arg(n);
    if (arg != NULL
        && (arg->strings[0].pieces != NULL
            || find_relation(arg->strings[0].text) == RELATION_COUNT)) {
        return sieve_compile_fail(c, n->line,
                                  "A relation is one of \"gt\", \"ge\", \"lt\", \"le\", "
                                  "\"eq\", \"ne\"");
    }
    return ERR_OK;
}

static enum sieve_comparator get_comparator(const struct sieve_node *n)
{
    const struct sieve_arg *arg = sieve_node_find(n, SIEVE_TAG_COMPARATOR);
    return arg == NULL ? SIEVE_CASEMAP : sieve_comparator_find(arg->strings[0].text);
}

/* "If the comparator is not declared with require, it is also an error" (RFC 5228, 2.7.3), except for the two that all have. */
static enum err check_comparator(struct sieve_compiler *c, struct sieve_node *n)
{
    const struct sieve_arg *arg = sieve_node_find(n, SIEVE_TAG_COMPARATOR);
    if (arg == NULL) {
        return ERR_OK;
    }
    struct str name = arg->strings[0].text;
    enum sieve_comparator comparator = sieve_comparator_find(name);
    if (comparator == SIEVE_COMPARATOR_COUNT || arg->strings[0].pieces != NULL) {
        return sieve_compile_doubt(c, n, "There is no comparator \"%.*s\"",
                                   STR_ARG(str_sub(name, 0, 60)));
    }
    static const enum sieve_ext extensions[] = {
        SIEVE_EXT_NONE, SIEVE_EXT_NONE, SIEVE_EXT_COMPARATOR_NUMERIC, SIEVE_EXT_COMPARATOR_UNICODE};
    uint64_t bit = sieve_ext_bit(extensions[comparator]);
    if ((bit & ~c->required) == 0) {
        return ERR_OK;
    }
    n->needs |= bit;
    if (sieve_is_required(c, SIEVE_EXT_IHAVE) && (c->offered & bit) != 0) {
        return ERR_OK;
    }
    return sieve_compile_doubt(c, n, "This comparator needs \"require \"comparator-%.*s\";\"",
                               STR_ARG(name));
}

enum err sieve_match_check(struct sieve_compiler *c, struct sieve_node *n)
{
    TRY(check_comparator(c, n));
    TRY(check_relation(c, n));
    if (get_comparator(n) == SIEVE_NUMERIC
        && (sieve_node_has(n, SIEVE_TAG_CONTAINS) || sieve_node_has(n, SIEVE_TAG_MATCHES))) {
        return sieve_compile_fail(c, n->line,
                                  "i;ascii-numeric compares numbers: it goes with :is, :count "
                                  "and :value");
    }
    return ERR_OK;
}

static enum sieve_match_type get_type(const struct sieve_node *n)
{
    static const struct {
        enum sieve_tag tag;
        enum sieve_match_type type;
    } types[] = {{SIEVE_TAG_CONTAINS, SIEVE_CONTAINS},
                 {SIEVE_TAG_MATCHES, SIEVE_MATCHES},
                 {SIEVE_TAG_COUNTING, SIEVE_COUNT},
                 {SIEVE_TAG_VALUE, SIEVE_VALUE}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (sieve_node_has(n, types[i].tag)) {
            return types[i].type;
        }
    }
    return SIEVE_IS;
}

enum err sieve_match_init(struct sieve_match *m, struct sieve_run *r, const struct sieve_node *n,
                          const struct sieve_arg *keys)
{
    *m = (struct sieve_match){.run = r, .comparator = get_comparator(n), .type = get_type(n)};
    const struct sieve_arg *relation = find_relation_arg(n);
    if (relation != NULL) {
        m->relation = find_relation(relation->strings[0].text);
    }
    struct sieve_strings list = {.count = 0};
    if (keys != NULL) {
        TRY(sieve_expand_list(r, keys, &list));
    }
    m->keys = list.at;
    m->key_count = list.count;
    return ERR_OK;
}

static bool is_related(enum sieve_relation relation, int order)
{
    const bool answers[] = {order > 0, order >= 0, order < 0, order <= 0, order == 0, order != 0};
    return answers[relation];
}

static enum err keep_matches(struct sieve_match *m, struct str value,
                             const struct sieve_glob_match *found)
{
    struct sieve_run *r = m->run;
    if (m->is_silent || !sieve_run_has(r, SIEVE_EXT_VARIABLES)) {
        return ERR_OK;
    }
    struct str kept;
    TRY(sieve_run_keep(r, value, &kept));
    r->matches[0] = kept;
    r->match_count = found->count;
    for (uint32_t i = 0; i < found->count; i++) {
        size_t from = found->wildcards[i].n > 0 ? (size_t)(found->wildcards[i].p - value.p) : 0;
        r->matches[i + 1] = str_sub(kept, from, found->wildcards[i].n);
    }
    return ERR_OK;
}

/* What is compared: the key, in room, or the text itself. A glob makes its own. */
static struct str fold(const struct sieve_match *m, struct str text, struct buf *room)
{
    if (m->type == SIEVE_MATCHES || !sieve_comparator_is_folding(m->comparator)) {
        return text;
    }
    sieve_comparator_write_key(m->comparator, text, room);
    return buf_str(room);
}

static enum err match_glob(struct sieve_match *m, struct str value, struct str key, bool *out)
{
    struct sieve_run *r = m->run;
    uint64_t most = r->limits.steps - r->out->steps;
    struct sieve_glob_match found = {.cost = most + 1};
    uint64_t before = found.cost;
    *out = sieve_glob(m->comparator, key, value, &found);
    TRY(sieve_run_spend(r, before - found.cost));
    return *out ? keep_matches(m, value, &found) : ERR_OK;
}

static enum sieve_rate get_rate(const struct sieve_match *m)
{
    return m->comparator == SIEVE_UNICODE ? SIEVE_RATE_CHARACTER : SIEVE_RATE_FOLD;
}

/* Both as the comparator sees them. */
static bool match_folded(const struct sieve_match *m, struct str value, struct str key)
{
    enum sieve_comparator c =
        sieve_comparator_is_folding(m->comparator) ? SIEVE_OCTET : m->comparator;
    if (m->type == SIEVE_CONTAINS) {
        return sieve_comparator_contains(c, value, key);
    }
    int order = sieve_comparator_compare(c, value, key);
    return m->type == SIEVE_VALUE ? is_related(m->relation, order) : order == 0;
}

/* folded: the value's key. */
static enum err match_key(struct sieve_match *m, struct str value, struct str folded,
                          struct str key, bool *out)
{
    if (m->type == SIEVE_MATCHES) {
        TRY(sieve_run_spend(m->run, sieve_steps_for(value.n + key.n, get_rate(m))));
        return match_glob(m, value, key, out);
    }
    TRY(sieve_run_spend(m->run, sieve_steps_for(folded.n, SIEVE_RATE_COPY)
                                    + sieve_steps_for(key.n, get_rate(m))));
    struct buf room = BUF_INIT(sieve_comparator_key_cap(key));
    *out = match_folded(m, folded, fold(m, key, &room));
    buf_release(&room);
    return ERR_OK;
}

static void trace_value(const struct sieve_match *m, struct str value, struct str key)
{
    static const char *const words[] = {"is", "contains", "matches", "is", "is"};
    bool has_relation = m->type == SIEVE_VALUE || m->type == SIEVE_COUNT;
    sieve_run_trace(m->run, "\"%.*s\" %s%s%s \"%.*s\": %s", STR_ARG(str_sub(value, 0, 100)),
                    words[m->type], has_relation ? " " : "",
                    has_relation ? relation_names[m->relation] : "", STR_ARG(str_sub(key, 0, 100)),
                    m->is_true ? "yes" : "no");
}

static enum err match_keys(struct sieve_match *m, struct str value, struct str folded)
{
    for (uint32_t i = 0; i < m->key_count && !m->is_true; i++) {
        TRY(match_key(m, value, folded, m->keys[i], &m->is_true));
        trace_value(m, value, m->keys[i]);
    }
    return ERR_OK;
}

enum err sieve_match_give(struct sieve_match *m, struct str value)
{
    m->count++;
    if (m->type == SIEVE_COUNT) {
        return ERR_OK;
    }
    if (m->keys == NULL) {
        m->is_true = true;
    }
    TRY(sieve_run_spend(m->run, sieve_steps_for(value.n, get_rate(m))));
    struct buf room = BUF_INIT(sieve_comparator_key_cap(value));
    enum err e = match_keys(m, value, fold(m, value, &room));
    buf_release(&room);
    return e;
}

enum err sieve_match_finish(struct sieve_match *m, bool *out)
{
    if (m->type == SIEVE_COUNT) {
        char digits[24];
        int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)m->count);
        struct str count = str_make(digits, (size_t)n);
        for (uint32_t i = 0; i < m->key_count && !m->is_true; i++) {
            int order = sieve_comparator_compare(SIEVE_NUMERIC, count, m->keys[i]);
            m->is_true = is_related(m->relation, order);
            trace_value(m, count, m->keys[i]);
        }
    }
    *out = m->is_true;
    return ERR_OK;
}
