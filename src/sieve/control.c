/* Control commands (RFC 5228, 3): require, if, stop; and the tests that join tests (5.2, 5.3, 5.6, 5.8, 5.10).
 *
 * Tests are evaluated from left to right, and no further than the outcome asks for (RFC 5229, 3.2; RFC 5463, 4). */
#include "sieve/control.h"

#include "sieve/run_priv.h"

static enum err require_word(struct sieve_compiler *c, const struct sieve_node *n, struct str word)
{
    enum sieve_ext e = sieve_ext_find(word);
    if (e == SIEVE_EXT_NONE || (c->offered & sieve_ext_bit(e)) == 0) {
        return sieve_compile_fail(c, n->line, "There is no extension \"%.*s\" here",
                                  STR_ARG(str_sub(word, 0, 60)));
    }
    c->required |= sieve_ext_get_all(e);
    return ERR_OK;
}

enum err sieve_require_check(struct sieve_compiler *c, struct sieve_node *n)
{
    if (c->is_body) {
        return sieve_compile_fail(c, n->line, "\"require\" stands before all other commands");
    }
    for (uint32_t i = 0; i < n->params[0].count; i++) {
        TRY(require_word(c, n, n->params[0].strings[i].text));
    }
    return ERR_OK;
}

enum err sieve_require_run(struct sieve_run *r, const struct sieve_node *n)
{
    (void)r;
    (void)n;
    return ERR_OK;
}

/* The place in the chain: what sieve/parse.c and sieve/run.c go by. */
enum err sieve_if_check(struct sieve_compiler *c, struct sieve_node *n)
{
    (void)c;
    n->detail = n->spec->tests == SIEVE_TESTS_NONE ? 3 : str_eq(n->spec->name, STR("if")) ? 1 : 2;
    return ERR_OK;
}

enum err sieve_stop_run(struct sieve_run *r, const struct sieve_node *n)
{
    (void)n;
    sieve_run_trace(r, "stop");
    r->flow = SIEVE_FLOW_STOP;
    return ERR_OK;
}

enum err sieve_allof_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    *out = true;
    for (const struct sieve_node *t = n->tests; t != NULL && *out; t = t->next) {
        TRY(sieve_run_test(r, t, out));
    }
    return ERR_OK;
}

enum err sieve_anyof_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    *out = false;
    for (const struct sieve_node *t = n->tests; t != NULL && !*out; t = t->next) {
        TRY(sieve_run_test(r, t, out));
    }
    return ERR_OK;
}

enum err sieve_not_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    bool is_true;
    TRY(sieve_run_test(r, n->tests, &is_true));
    *out = !is_true;
    return ERR_OK;
}

enum err sieve_true_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    (void)r;
    (void)n;
    *out = true;
    return ERR_OK;
}

enum err sieve_false_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    (void)r;
    (void)n;
    *out = false;
    return ERR_OK;
}
