/* Tests of mailboxes: do they exist, with an id, a use, metadata (RFC 5490; RFC 8579, 3; RFC 9042, 4)? All of it is the host's to know;
 * where several are named, all of them must be there. */
#include "sieve/control.h"
#include "sieve/match.h"
#include "sieve/run_priv.h"

typedef enum err exists_fn(void *owner, struct str name, bool *out);

static enum err all_exist(struct sieve_run *r, const struct sieve_node *n, exists_fn *exists,
                          uint64_t steps, bool *out)
{
    struct sieve_strings names;
    TRY(sieve_expand_list(r, &n->params[0], &names));
    *out = exists != NULL;
    for (uint32_t i = 0; i < names.count && *out; i++) {
        TRY(sieve_run_spend(r, steps));
        TRY(exists(r->env->owner, names.at[i], out));
        sieve_run_trace(r, "mailbox \"%.*s\": %s", STR_ARG(names.at[i]), *out ? "yes" : "no");
    }
    return ERR_OK;
}

enum err sieve_mailboxexists_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    return all_exist(r, n, r->host->mailbox_exists, SIEVE_STEPS_ASK, out);
}

enum err sieve_mailboxidexists_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    return all_exist(r, n, r->host->mailbox_id_exists, SIEVE_STEPS_SEARCH, out);
}

enum err sieve_specialuse_exists_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    struct str mailbox;
    struct sieve_strings uses;
    TRY(sieve_expand_one(r, &n->params[0], &mailbox));
    TRY(sieve_expand_list(r, &n->params[1], &uses));
    *out = r->host->special_use_exists != NULL;
    for (uint32_t i = 0; i < uses.count && *out; i++) {
        TRY(sieve_run_spend(r, SIEVE_STEPS_SEARCH));
        TRY(r->host->special_use_exists(r->env->owner, mailbox, uses.at[i], out));
    }
    return ERR_OK;
}

static enum err get_metadata(struct sieve_run *r, struct str mailbox, struct str name, bool *exists,
                             struct str *out)
{
    *exists = false;
    TRY(sieve_run_spend(r, SIEVE_STEPS_ASK));
    if (r->host->metadata_get == NULL) {
        return ERR_OK;
    }
    return r->host->metadata_get(r->env->owner, mailbox, name, exists, out);
}

/* mailbox: NULL: of the server. */
static enum err test_metadata(struct sieve_run *r, const struct sieve_node *n,
                              const struct sieve_arg *mailbox, bool *out)
{
    struct sieve_match m;
    struct str of;
    struct str name;
    struct str value;
    bool exists;
    const struct sieve_arg *args = mailbox != NULL ? &n->params[1] : &n->params[0];
    TRY(sieve_expand_one(r, mailbox, &of));
    TRY(sieve_expand_one(r, &args[0], &name));
    TRY(sieve_match_init(&m, r, n, &args[1]));
    TRY(get_metadata(r, of, name, &exists, &value));
    if (exists) {
        TRY(sieve_match_give(&m, value));
    }
    return sieve_match_finish(&m, out);
}

static enum err test_metadata_exists(struct sieve_run *r, const struct sieve_node *n,
                                     const struct sieve_arg *mailbox, bool *out)
{
    struct str of;
    struct str value;
    struct sieve_strings names;
    TRY(sieve_expand_one(r, mailbox, &of));
    TRY(sieve_expand_list(r, mailbox != NULL ? &n->params[1] : &n->params[0], &names));
    *out = true;
    for (uint32_t i = 0; i < names.count && *out; i++) {
        TRY(get_metadata(r, of, names.at[i], out, &value));
    }
    return ERR_OK;
}

/* An empty name of a mailbox means the server to the host, and none to the script. */
static enum err check_name(struct sieve_run *r, const struct sieve_node *n, bool *is_empty)
{
    struct str name;
    TRY(sieve_expand_one(r, &n->params[0], &name));
    *is_empty = name.n == 0;
    return ERR_OK;
}

enum err sieve_metadata_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    bool is_empty;
    TRY(check_name(r, n, &is_empty));
    return is_empty ? ERR_OK : test_metadata(r, n, &n->params[0], out);
}

enum err sieve_metadataexists_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    bool is_empty;
    TRY(check_name(r, n, &is_empty));
    return is_empty ? ERR_OK : test_metadata_exists(r, n, &n->params[0], out);
}

enum err sieve_servermetadata_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    return test_metadata(r, n, NULL, out);
}

enum err sieve_servermetadataexists_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    return test_metadata_exists(r, n, NULL, out);
}
