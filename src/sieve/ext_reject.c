/* reject and ereject (RFC 5429): the message is refused. Both cancel the implicit keep; one of them can be executed, once ("MUST prohibit
 * the execution of more than one", 2.4), and neither beside what delivers the message: that would tell its sender something untrue. */
#include "sieve/control.h"
#include "sieve/run_priv.h"

static enum err reject(struct sieve_run *r, const struct sieve_node *n, enum sieve_action_kind kind)
{
    struct sieve_action *a;
    if (r->env->cause != SIEVE_DELIVERY) {
        return sieve_run_fail(r, "A message that was delivered cannot be rejected");
    }
    if (sieve_action_find(r, SIEVE_REJECT) != NULL || sieve_action_find(r, SIEVE_EREJECT) != NULL) {
        return sieve_run_fail(r, "A message is rejected once only");
    }
    TRY(sieve_action_add(r, kind, &a));
    TRY(sieve_expand_text(r, &n->params[0], &a->reason));
    sieve_run_trace(r, "%.*s", STR_ARG(n->spec->name));
    r->is_implicit_keep_cancelled = true;
    return ERR_OK;
}

enum err sieve_reject_run(struct sieve_run *r, const struct sieve_node *n)
{
    return reject(r, n, SIEVE_REJECT);
}

enum err sieve_ereject_run(struct sieve_run *r, const struct sieve_node *n)
{
    return reject(r, n, SIEVE_EREJECT);
}

enum err sieve_reject_finish(struct sieve_run *r)
{
    static const char *const names[] = {"keep", "fileinto", "redirect", NULL,
                                        NULL,   NULL,       "vacation", NULL};
    if (sieve_action_find(r, SIEVE_REJECT) == NULL && sieve_action_find(r, SIEVE_EREJECT) == NULL) {
        return ERR_OK;
    }
    for (uint32_t i = 0; i < r->out->count; i++) {
        const char *name = names[r->actions[i].kind];
        if (name != NULL) {
            r->line = r->actions[i].line;
            return sieve_run_fail(r, "\"%s\" and a rejection exclude each other", name);
        }
    }
    return ERR_OK;
}
