/* The semantic check: does a name exist and may it be used, do the arguments fit its row of the table (sieve/commands.c)?
 *
 * Everything that can be wrong in a script without running it is found here, with words that say what to do. A script that
 * requires ihave (RFC 5463) is judged more mildly: it may hold commands, tags and extensions that do not exist here, as long as they
 * are not run. Such a node keeps its problem and fails when it is run. */
#include "sieve/match.h"
#include "sieve/script_priv.h"

#include <stdarg.h>
#include <stdio.h>

void sieve_compile_note_mistake(struct sieve_compiler *c, uint32_t line, const char *format, ...)
{
    if (c->error->text[0] == '\0') {
        c->error->line = line;
        va_list args;
        va_start(args, format);
        vsnprintf(c->error->text, sizeof(c->error->text), format, args);
        va_end(args);
    }
}

enum err sieve_compile_doubt(struct sieve_compiler *c, struct sieve_node *n, const char *format,
                             ...)
{
    char text[SIEVE_ERROR_MOST];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (!sieve_is_required(c, SIEVE_EXT_IHAVE)) {
        return sieve_compile_fail(c, n->line, "%s", text);
    }
    if (n->problem == NULL) {
        n->problem = arena_c(c->arena, str_from_c(text));
    }
    return ERR_OK;
}

/* How many letters two words differ in: Levenshtein's distance; far away when one is long. */
static unsigned measure_distance(struct str a, struct str b)
{
    enum { WORD_MOST = 40, FAR = 99 };
    unsigned row[WORD_MOST + 1];
    if (a.n > WORD_MOST || b.n > WORD_MOST) {
        return FAR;
    }
    for (unsigned j = 0; j <= b.n; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            bool is_same = ascii_lower(a.p[i - 1]) == ascii_lower(b.p[j - 1]);
            unsigned best = diagonal + (is_same ? 0 : 1);
            diagonal = row[j];
            best = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
            row[j] = best < row[j] + 1 ? best : row[j] + 1;
        }
    }
    return row[b.n];
}

enum { GUESSES_MOST = 500 };

/* Keeps the nearer of two words; only what is near enough to be a slip. */
struct guess {
    struct str word;
    unsigned distance;
};

static void guess_try(struct guess *g, struct str wrong, struct str word)
{
    unsigned distance = measure_distance(wrong, word);
    if (distance <= wrong.n / 3 + 1 && distance < g->distance) {
        *g = (struct guess){.word = word, .distance = distance};
    }
}

static struct guess guess_make(void)
{
    return (struct guess){.distance = 4};
}

/* "; did you mean ..." or nothing. */
enum { HINT_MOST = 80 };

static const char *guess_write(const struct guess *g, const char *mark, char out[static HINT_MOST])
{
    out[0] = '\0';
    if (g->word.n > 0) {
        snprintf(out, HINT_MOST, "; did you mean \"%s%.*s\"?", mark, STR_ARG(g->word));
    }
    return out;
}

/* A guess takes a while, and a script with ihave may hold wrong words without end. */
static bool may_guess(struct sieve_compiler *c)
{
    return c->guesses++ < GUESSES_MOST;
}

static struct guess guess_name(struct sieve_compiler *c, struct str name, bool is_test)
{
    struct guess g = guess_make();
    if (!may_guess(c)) {
        return g;
    }
    for (size_t i = 0; sieve_spec_get(is_test, i) != NULL; i++) {
        guess_try(&g, name, sieve_spec_get(is_test, i)->name);
    }
    return g;
}

/* An extension that is needed: it must be required; in a script with ihave it may come to be, while the script runs. */
static enum err need_extension(struct sieve_compiler *c, struct sieve_node *n, enum sieve_ext e,
                               struct str what)
{
    if (e == SIEVE_EXT_NONE || sieve_is_required(c, e)) {
        return ERR_OK;
    }
    struct str word = sieve_ext_get_word(e);
    if ((c->offered & sieve_ext_bit(e)) == 0) {
        return sieve_compile_doubt(c, n, "\"%.*s\" needs \"%.*s\", which is not offered here",
                                   STR_ARG(what), STR_ARG(word));
    }
    n->needs |= sieve_ext_bit(e);
    if (sieve_is_required(c, SIEVE_EXT_IHAVE)) {
        return ERR_OK;
    }
    return sieve_compile_fail(c, n->line, "\"%.*s\" needs \"require \"%.*s\";\" at the top",
                              STR_ARG(what), STR_ARG(word));
}

enum err sieve_check_name(struct sieve_compiler *c, struct sieve_node *n, struct str name,
                          bool is_test)
{
    n->spec = sieve_spec_find(name, is_test);
    c->is_body |= !is_test && !str_eq_nocase(name, STR("require"));
    if (n->spec != NULL) {
        return need_extension(c, n, n->spec->extension, n->spec->name);
    }
    if (sieve_spec_find(name, !is_test) != NULL) {
        return sieve_compile_fail(c, n->line, "\"%.*s\" is a %s, and here stands a %s",
                                  STR_ARG(name), is_test ? "command" : "test",
                                  is_test ? "test" : "command");
    }
    struct guess g = guess_name(c, name, is_test);
    char hint[HINT_MOST];
    return sieve_compile_doubt(c, n, "There is no %s \"%.*s\"%s", is_test ? "test" : "command",
                               STR_ARG(str_sub(name, 0, 60)), guess_write(&g, "", hint));
}

static enum sieve_tag find_tag(struct str word)
{
    unsigned tag = 0;
    while (tag < SIEVE_TAG_COUNT && !str_eq_nocase(sieve_tag_get_info(tag)->word, word)) {
        tag++;
    }
    return tag;
}

static enum err fail_tag(struct sieve_compiler *c, struct sieve_node *n, struct str word)
{
    struct guess g = guess_make();
    for (unsigned tag = 0; tag < SIEVE_TAG_COUNT && may_guess(c); tag++) {
        if (n->spec->tags >> tag & 1) {
            guess_try(&g, word, sieve_tag_get_info(tag)->word);
        }
    }
    char hint[HINT_MOST];
    return sieve_compile_doubt(c, n, "\"%.*s\" has no tag \":%.*s\"%s", STR_ARG(n->spec->name),
                               STR_ARG(str_sub(word, 0, 60)), guess_write(&g, ":", hint));
}

static const char *value_get_name(enum sieve_value_kind kind)
{
    static const char *const names[] = {"nothing", "a number", "a string", "a list of strings"};
    return names[kind];
}

/* A string does for a list, a list with brackets not for a string. */
static bool is_value(const struct sieve_raw *raw, enum sieve_value_kind kind)
{
    if (raw == NULL || raw->arg.kind == SIEVE_VALUE_NONE) {
        return false;
    }
    if (kind == SIEVE_VALUE_STRING) {
        return raw->arg.kind == SIEVE_VALUE_LIST && !raw->arg.is_list;
    }
    return raw->arg.kind == kind;
}

static enum err check_group(struct sieve_compiler *c, const struct sieve_node *n,
                            enum sieve_tag tag)
{
    const struct sieve_tag_info *info = sieve_tag_get_info(tag);
    if (sieve_node_has(n, tag)) {
        return sieve_compile_fail(c, n->line, "\":%.*s\" stands twice", STR_ARG(info->word));
    }
    for (unsigned other = 0; other < SIEVE_TAG_COUNT; other++) {
        const struct sieve_tag_info *o = sieve_tag_get_info(other);
        if (sieve_node_has(n, other) && info->group != SIEVE_GROUP_NONE
            && o->group == info->group) {
            return sieve_compile_fail(c, n->line, "\":%.*s\" and \":%.*s\" exclude each other",
                                      STR_ARG(o->word), STR_ARG(info->word));
        }
    }
    return ERR_OK;
}

static enum err add_tag_arg(struct sieve_compiler *c, struct sieve_node *n, enum sieve_tag tag,
                            const struct sieve_arg *arg)
{
    struct sieve_tag_arg *grown = arena_array(c->arena, struct sieve_tag_arg, n->tag_arg_count + 1);
    if (grown == NULL) {
        return sieve_compile_fail(c, n->line, "The script is too large");
    }
    if (n->tag_arg_count > 0) {
        memcpy(grown, n->tag_args, n->tag_arg_count * sizeof(*grown));
    }
    grown[n->tag_arg_count++] = (struct sieve_tag_arg){.tag = tag, .arg = *arg};
    n->tag_args = grown;
    return ERR_OK;
}

/* The tag at *at, with its value; steps over both. */
static enum err check_tag(struct sieve_compiler *c, struct sieve_node *n,
                          const struct sieve_raw **at)
{
    const struct sieve_raw *raw = *at;
    struct str word = raw->token.text;
    enum sieve_tag tag = find_tag(word);
    *at = raw->next;
    if (tag == SIEVE_TAG_COUNT || (n->spec->tags >> tag & 1) == 0) {
        TRY(fail_tag(c, n, word));
        return ERR_OK;
    }
    const struct sieve_tag_info *info = sieve_tag_get_info(tag);
    TRY(check_group(c, n, tag));
    n->tags |= UINT64_C(1) << tag;
    if ((n->spec->own_tags >> tag & 1) == 0) {
        TRY(need_extension(c, n, info->extension, info->word));
    }
    if (info->value == SIEVE_VALUE_NONE) {
        return ERR_OK;
    }
    if (!is_value(raw->next, info->value)) {
        return sieve_compile_fail(c, raw->token.line, "\":%.*s\" is followed by %s",
                                  STR_ARG(info->word), value_get_name(info->value));
    }
    *at = raw->next->next;
    return add_tag_arg(c, n, tag, &raw->next->arg);
}

static unsigned count_params(const struct sieve_spec *spec)
{
    unsigned count = 0;
    while (count < SIEVE_PARAMS_MOST && spec->params[count] != SIEVE_VALUE_NONE) {
        count++;
    }
    return count;
}

static unsigned count_raw(const struct sieve_raw *raw)
{
    unsigned count = 0;
    for (; raw != NULL; raw = raw->next) {
        count++;
    }
    return count;
}

static enum err fail_count(struct sieve_compiler *c, const struct sieve_node *n, unsigned wanted,
                           unsigned given)
{
    unsigned least = wanted - n->spec->optional - n->spec->is_last_optional;
    return sieve_compile_fail(c, n->line, "\"%.*s\" takes %s%u argument%s besides tags, not %u",
                              STR_ARG(n->spec->name), least < wanted ? "at most " : "", wanted,
                              wanted == 1 ? "" : "s", given);
}

static enum err check_params(struct sieve_compiler *c, struct sieve_node *n,
                             const struct sieve_raw *raw)
{
    unsigned wanted = count_params(n->spec);
    unsigned given = count_raw(raw);
    if (given > wanted || given + n->spec->optional + n->spec->is_last_optional < wanted) {
        return fail_count(c, n, wanted, given);
    }
    unsigned first = n->spec->is_last_optional ? 0 : wanted - given;
    for (unsigned i = first; raw != NULL; i++, raw = raw->next) {
        if (raw->token.kind == SIEVE_TOKEN_TAG) {
            return sieve_compile_fail(c, raw->token.line, "Tags stand before other arguments");
        }
        if (!is_value(raw, n->spec->params[i])) {
            return sieve_compile_fail(c, raw->token.line, "Argument %u of \"%.*s\" is %s",
                                      i + 1 - first, STR_ARG(n->spec->name),
                                      value_get_name(n->spec->params[i]));
        }
        n->params[i] = raw->arg;
    }
    return ERR_OK;
}

static enum err check_tests(struct sieve_compiler *c, const struct sieve_node *n)
{
    if (n->spec->tests == SIEVE_TESTS_NONE || n->tests != NULL) {
        return ERR_OK;
    }
    return sieve_compile_fail(c, n->line, "\"%.*s\" needs a test", STR_ARG(n->spec->name));
}

enum err sieve_check_arguments(struct sieve_compiler *c, struct sieve_node *n,
                               const struct sieve_raw *args)
{
    while (args != NULL && args->token.kind == SIEVE_TOKEN_TAG) {
        TRY(check_tag(c, n, &args));
        if (n->problem != NULL) {
            return ERR_OK; /* what an unknown tag makes of the rest is unknown, too */
        }
    }
    TRY(check_params(c, n, args));
    TRY(check_tests(c, n));
    if ((n->spec->tags & SIEVE_TAG_BIT(COMPARATOR)) != 0) {
        TRY(sieve_match_check(c, n));
    }
    return n->spec->check != NULL ? n->spec->check(c, n) : ERR_OK;
}
