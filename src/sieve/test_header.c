/* Tests of the header and of the size (RFC 5228, 5.5, 5.7, 5.9), with :index and :last (RFC 5260, 6). */
#include "sieve/control.h"
#include "sieve/match.h"
#include "sieve/run_priv.h"

/* "If an optional :last argument is used without :index, it is an error" (RFC 5260, 6); fields are counted from 1. */
enum err sieve_index_check(struct sieve_compiler *c, struct sieve_node *n)
{
    const struct sieve_arg *index = sieve_node_find(n, SIEVE_TAG_INDEX);
    if (index == NULL && sieve_node_has(n, SIEVE_TAG_LAST)) {
        return sieve_compile_fail(c, n->line, "\":last\" goes with \":index\"");
    }
    if (index != NULL && index->number == 0) {
        return sieve_compile_fail(c, n->line, "\":index\" counts from 1");
    }
    return ERR_OK;
}

static enum err give_field(struct sieve_match *m, const struct sieve_field *f)
{
    TRY(sieve_run_spend(m->run, sieve_match_is_count(m) ? 1 : sieve_field_count_steps(f)));
    struct buf text = BUF_INIT(f->value.n * 4 + 64);
    if (!sieve_match_is_count(m)) {
        sieve_field_write_text(f, &text);
    }
    enum err e = sieve_match_give(m, str_trim(buf_str(&text)));
    buf_release(&text);
    return e;
}

enum err sieve_header_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    struct sieve_match m;
    struct sieve_strings names;
    TRY(sieve_message_read(r));
    TRY(sieve_expand_list(r, &n->params[0], &names));
    TRY(sieve_match_init(&m, r, n, &n->params[1]));
    struct sieve_fields fields = sieve_fields_make(&names, n);
    const struct sieve_field *f;
    while (!sieve_match_is_decided(&m) && (f = sieve_fields_next(r, &fields)) != NULL) {
        TRY(give_field(&m, f));
    }
    TRY(sieve_fields_spend(r, &fields));
    return sieve_match_finish(&m, out);
}

enum err sieve_exists_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    struct sieve_strings names;
    TRY(sieve_message_read(r));
    TRY(sieve_expand_list(r, &n->params[0], &names));
    *out = true;
    for (uint32_t i = 0; i < names.count && *out; i++) {
        *out = sieve_message_find(r, names.at[i]) != NULL;
        TRY(sieve_run_spend(r, 1 + r->message.count / SIEVE_FIELDS_A_STEP));
    }
    return ERR_OK;
}

enum err sieve_size_check(struct sieve_compiler *c, struct sieve_node *n)
{
    if (n->tag_arg_count == 0) {
        return sieve_compile_fail(c, n->line, "\"size\" needs \":over\" or \":under\"");
    }
    return ERR_OK;
}

enum err sieve_size_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    uint64_t limit = n->tag_args[0].arg.number;
    *out = n->tag_args[0].tag == SIEVE_TAG_OVER ? r->env->message.n > limit
                                                : r->env->message.n < limit;
    sieve_run_trace(r, "the message has %zu octets", r->env->message.n);
    return ERR_OK;
}
