/* ihave and error (RFC 5463): scripts that make do with what there is. What a script may hold that is never run is judged in
 * sieve/check.c; here is what makes extensions usable while it runs. */
#include "sieve/control.h"
#include "sieve/run_priv.h"

enum err sieve_ihave_check(struct sieve_compiler *c, struct sieve_node *n)
{
    for (uint32_t i = 0; i < n->params[0].count; i++) {
        if (n->params[0].strings[i].pieces != NULL) {
            return sieve_compile_fail(c, n->line, "\"ihave\" asks for constant words");
        }
    }
    return ERR_OK;
}

/* "If any of the specified capabilities are unavailable, the test fails and none of the capabilities are enabled" (4). */
enum err sieve_ihave_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    uint64_t found = 0;
    for (uint32_t i = 0; i < n->params[0].count; i++) {
        enum sieve_ext e = sieve_ext_find(n->params[0].strings[i].text);
        bool is_enabled = e != SIEVE_EXT_NONE && sieve_run_has(r, e);
        bool is_offered = e != SIEVE_EXT_NONE && (r->frame->script->offered & sieve_ext_bit(e)) != 0
                          && sieve_ext_is_late(e);
        if (!is_enabled && !is_offered) {
            return ERR_OK;
        }
        found |= sieve_ext_get_all(e);
    }
    r->frame->enabled |= found;
    *out = true;
    return ERR_OK;
}

enum err sieve_error_run(struct sieve_run *r, const struct sieve_node *n)
{
    struct str text;
    TRY(sieve_expand_one(r, &n->params[0], &text));
    return sieve_run_fail(r, "%.*s", STR_ARG(str_sub(text, 0, SIEVE_ERROR_MOST)));
}
