/* imap4flags (RFC 5232): sets of flags, in the internal variable or in named ones, where a set is a string with spaces. */
#include "sieve/control.h"
#include "sieve/match.h"
#include "sieve/run_priv.h"
#include "sieve/target.h"

/* "When the "variables" extension is not enabled, the explicit variable name parameter [...] MUST NOT be used" (1). Names of variables
 * are constant. */
enum err sieve_flags_check(struct sieve_compiler *c, struct sieve_node *n)
{
    const struct sieve_arg *names = &n->params[0];
    if (names->kind == SIEVE_VALUE_NONE) {
        return ERR_OK;
    }
    if (!sieve_is_required(c, SIEVE_EXT_VARIABLES)) {
        return sieve_compile_fail(c, n->line, "Flags in variables need \"require \"variables\";\"");
    }
    for (uint32_t i = 0; i < names->count; i++) {
        const struct sieve_string *name = &names->strings[i];
        TRY(sieve_variable_check_name(c, n->line, name));
    }
    return ERR_OK;
}

/* The flags that a variable holds; NULL: the internal one. */
static enum err get_flags(struct sieve_run *r, const struct sieve_string *variable,
                          struct sieve_strings *out)
{
    if (variable == NULL) {
        *out = r->flags;
        return ERR_OK;
    }
    TRY(sieve_run_spend(r, sieve_variable_count_steps(r)));
    struct str value = sieve_variable_get_named(r, variable->text);
    struct sieve_strings words = {.at = &value, .count = 1};
    return sieve_flags_read(r, &words, out);
}

/* "a set of flags is represented as a string containing a space-separated list of flag names" (3). */
static enum err put_flags(struct sieve_run *r, const struct sieve_string *variable,
                          const struct sieve_strings *flags)
{
    if (variable == NULL) {
        r->flags = *flags;
        return ERR_OK;
    }
    struct buf text = BUF_INIT(r->limits.variable_octets);
    for (uint32_t i = 0; i < flags->count; i++) {
        buf_add_c(&text, i > 0 ? " " : "");
        buf_add(&text, flags->at[i]);
    }
    enum err e = sieve_variable_set_named(r, variable->text, buf_str(&text));
    buf_release(&text);
    return e;
}

static enum err join_flags(struct sieve_run *r, const struct sieve_strings *a,
                           const struct sieve_strings *b, struct sieve_strings *out)
{
    struct str *list = arena_array(r->scratch, struct str, a->count + b->count + 1u);
    if (list == NULL) {
        return sieve_run_full(r);
    }
    for (uint32_t i = 0; i < a->count; i++) {
        list[i] = a->at[i];
    }
    for (uint32_t i = 0; i < b->count; i++) {
        list[a->count + i] = b->at[i];
    }
    struct sieve_strings all = {.at = list, .count = a->count + b->count};
    return sieve_flags_read(r, &all, out);
}

static enum err remove_flags(struct sieve_run *r, const struct sieve_strings *from,
                             const struct sieve_strings *gone, struct sieve_strings *out)
{
    struct str *list = sieve_run_array(r, struct str, from->count + 1u);
    if (list == NULL) {
        return sieve_run_full(r);
    }
    uint64_t looks = (uint64_t)from->count * gone->count;
    TRY(sieve_run_spend(r, 1 + looks / SIEVE_LOOKS_A_STEP));
    *out = (struct sieve_strings){.at = list};
    for (uint32_t i = 0; i < from->count; i++) {
        if (!sieve_flags_have(gone, from->at[i])) {
            list[out->count++] = from->at[i];
        }
    }
    return ERR_OK;
}

/* What the command is about: the flags that it names, the variable that it changes, and what that holds. */
struct change {
    const struct sieve_string *variable;
    struct sieve_strings named;
    struct sieve_strings held;
};

static enum err change_read(struct sieve_run *r, const struct sieve_node *n, struct change *out)
{
    struct sieve_strings words;
    out->variable = n->params[0].kind == SIEVE_VALUE_NONE ? NULL : &n->params[0].strings[0];
    TRY(sieve_expand_list(r, &n->params[1], &words));
    TRY(sieve_flags_read(r, &words, &out->named));
    return get_flags(r, out->variable, &out->held);
}

enum err sieve_setflag_run(struct sieve_run *r, const struct sieve_node *n)
{
    struct change c;
    TRY(change_read(r, n, &c));
    return put_flags(r, c.variable, &c.named);
}

enum err sieve_addflag_run(struct sieve_run *r, const struct sieve_node *n)
{
    struct change c;
    struct sieve_strings all;
    TRY(change_read(r, n, &c));
    TRY(join_flags(r, &c.held, &c.named, &all));
    return put_flags(r, c.variable, &all);
}

enum err sieve_removeflag_run(struct sieve_run *r, const struct sieve_node *n)
{
    struct change c;
    struct sieve_strings left;
    TRY(change_read(r, n, &c));
    TRY(remove_flags(r, &c.held, &c.named, &left));
    return put_flags(r, c.variable, &left);
}

static enum err give_flags(struct sieve_match *m, const struct sieve_string *variable)
{
    struct sieve_strings flags;
    TRY(get_flags(m->run, variable, &flags));
    for (uint32_t i = 0; i < flags.count && !sieve_match_is_decided(m); i++) {
        TRY(sieve_match_give(m, flags.at[i]));
    }
    return ERR_OK;
}

/* The keys are flags, too: words between spaces, each a key of its own (2). Not when they are numbers of flags, or patterns. */
static enum err split_keys(struct sieve_match *m)
{
    if (m->type == SIEVE_COUNT) {
        return ERR_OK;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->key_count; i++) {
        for (size_t at = 0; at <= m->keys[i].n; at++) {
            count += at == m->keys[i].n || m->keys[i].p[at] == ' ';
        }
    }
    struct str *list = arena_array(m->run->scratch, struct str, count + 1u);
    if (list == NULL) {
        return sieve_run_full(m->run);
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->key_count; i++) {
        struct str rest = m->keys[i];
        while (rest.n > 0) {
            struct str key = str_split(&rest, ' ');
            list[n] = key;
            n += key.n > 0;
        }
    }
    m->keys = list;
    m->key_count = n;
    return ERR_OK;
}

enum err sieve_hasflag_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    struct sieve_match m;
    TRY(sieve_match_init(&m, r, n, &n->params[1]));
    TRY(split_keys(&m));
    if (n->params[0].kind == SIEVE_VALUE_NONE) {
        TRY(give_flags(&m, NULL));
    }
    for (uint32_t i = 0; i < n->params[0].count && !sieve_match_is_decided(&m); i++) {
        TRY(give_flags(&m, &n->params[0].strings[i]));
    }
    return sieve_match_finish(&m, out);
}
