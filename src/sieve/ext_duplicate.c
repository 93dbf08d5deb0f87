/* The test duplicate (RFC 7352). Which ids were seen is the host's to know, and to keep when all went well. */
#include "sieve/control.h"

#include "sieve/run_priv.h"

enum { DAY_S = 86400, DAYS_DEFAULT = 7, DAYS_MOST = 90 };

/* "the maximum value MUST be silently substituted" (3.3). */
static uint64_t get_seconds(const struct sieve_node *n)
{
    const uint64_t most = (uint64_t)DAYS_MOST * DAY_S;
    const struct sieve_arg *arg = sieve_node_find(n, SIEVE_TAG_SECONDS);
    if (arg == NULL) {
        return (uint64_t)DAYS_DEFAULT * DAY_S;
    }
    return arg->number < most ? arg->number : most;
}

/* The unique id; has_id: false when there is none (3.1). */
static enum err get_id(struct sieve_run *r, const struct sieve_node *n, bool *has_id,
                       struct str *out)
{
    const struct sieve_arg *id = sieve_node_find(n, SIEVE_TAG_UNIQUEID);
    const struct sieve_arg *header = sieve_node_find(n, SIEVE_TAG_HEADER);
    *has_id = true;
    if (id != NULL) {
        return sieve_expand_kept(r, id, out);
    }
    struct str name = STR("message-id");
    TRY(sieve_message_read(r));
    if (header != NULL) {
        TRY(sieve_expand_one(r, header, &name));
    }
    const struct sieve_field *f = sieve_message_find(r, name);
    *has_id = f != NULL;
    if (f == NULL) {
        return ERR_OK;
    }
    TRY(sieve_run_spend(r, sieve_field_count_steps(f)));
    struct buf text = BUF_INIT(f->value.n * 4 + 64);
    sieve_field_write_text(f, &text);
    enum err e = sieve_run_keep(r, str_trim(buf_str(&text)), out);
    buf_release(&text);
    return e;
}

enum err sieve_duplicate_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    struct str handle;
    struct str id;
    bool has_id;
    /* "implementations SHOULD NOT allow the "duplicate" test to be used in the context of "imapsieve"" (3.4). */
    if (r->env->cause != SIEVE_DELIVERY) {
        return sieve_run_fail(r, "\"duplicate\" is for mail that is being delivered");
    }
    TRY(sieve_expand_kept(r, sieve_node_find(n, SIEVE_TAG_HANDLE), &handle));
    TRY(get_id(r, n, &has_id, &id));
    uint64_t seconds = get_seconds(n);
    if (!has_id || seconds == 0 || r->host->duplicate_is_seen == NULL) {
        return ERR_OK;
    }
    TRY(sieve_run_spend(r, SIEVE_STEPS_ASK));
    sieve_run_trace(r, "duplicate: id \"%.*s\"", STR_ARG(str_sub(id, 0, 200)));
    return r->host->duplicate_is_seen(r->env->owner, handle, id, seconds,
                                      sieve_node_has(n, SIEVE_TAG_LAST), out);
}
