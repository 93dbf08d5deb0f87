/* The test environment (RFC 5183), with the items of imapsieve (RFC 6785, 4). */
#include "sieve/control.h"
#include "sieve/match.h"
#include "sieve/run_priv.h"

/* "its value is [...] the name(s) of the flag(s) that have changed" (RFC 6785, 4.5): between spaces. */
static enum err write_changed_flags(struct sieve_run *r, struct str *out)
{
    const struct sieve_strings *flags = &r->env->changed_flags;
    struct buf text = BUF_INIT((size_t)r->limits.memory_octets);
    for (uint32_t i = 0; i < flags->count; i++) {
        buf_add_c(&text, i > 0 ? " " : "");
        buf_add(&text, flags->at[i]);
    }
    enum err e = sieve_run_keep(r, buf_str(&text), out);
    buf_release(&text);
    return e;
}

/* Items that follow from what the script runs for. */
static bool find_own(const struct sieve_env *env, struct str name, struct str *out)
{
    static const char *const causes[] = {"", "APPEND", "COPY", "FLAG"};
    bool is_delivery = env->cause == SIEVE_DELIVERY;
    const struct sieve_item own[] = {
        {STR("name"), STR("Limetta")},
        {STR("version"), STR(LIMETTA_VERSION)},
        {STR("location"), is_delivery ? STR("MDA") : STR("MS")},
        {STR("phase"), is_delivery ? STR("during") : STR("post")},
        {STR("imap.user"), env->imap_user},
        {STR("imap.email"), env->imap_email},
        {STR("imap.cause"), str_from_c(causes[env->cause])},
        {STR("imap.mailbox"), env->mailbox},
    };
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (str_eq_nocase(own[i].name, name)) {
            *out = own[i].value;
            return true;
        }
    }
    return false;
}

static bool find_item(const struct sieve_env *env, struct str name, struct str *out)
{
    for (uint32_t i = 0; i < env->item_count; i++) {
        if (str_eq_nocase(env->items[i].name, name)) {
            *out = env->items[i].value;
            return true;
        }
    }
    return find_own(env, name, out);
}

enum err sieve_environment_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    struct sieve_match m;
    struct str name;
    struct str value = STR_EMPTY;
    TRY(sieve_expand_one(r, &n->params[0], &name));
    TRY(sieve_match_init(&m, r, n, &n->params[1]));
    if (str_eq_nocase(name, STR("imap.changedflags"))) {
        TRY(write_changed_flags(r, &value));
    } else if (!find_item(r->env, name, &value)) {
        return ERR_OK; /* "MUST fail unconditionally if the specified information item does not exist" (4) */
    }
    if (value.n > 0 || !sieve_match_is_count(&m)) {
        TRY(sieve_match_give(&m, value));
    }
    return sieve_match_finish(&m, out);
}
