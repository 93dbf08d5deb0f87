/* Tests of addresses (RFC 5228, 5.1 and 5.4) and of their parts (2.7.4; subaddress, RFC 5233).
 *
 * A detail begins behind the first delimiter of the local part, as it does where mail is delivered. Where a name of a field comes from a
 * variable, one that holds no addresses has none; where it stands in the script, it is an error. */
#include "sieve/control.h"

#include "mime/address.h"
#include "mime/field.h"
#include "sieve/match.h"
#include "sieve/run_priv.h"

/* "Implementations MUST restrict the address test to headers that contain addresses" (5.1); names that begin with "x-" may. */
static bool is_address_field(struct str name)
{
    static const char *const names[] = {"from",
                                        "to",
                                        "cc",
                                        "bcc",
                                        "sender",
                                        "reply-to",
                                        "resent-from",
                                        "resent-to",
                                        "resent-cc",
                                        "resent-bcc",
                                        "resent-sender",
                                        "resent-reply-to",
                                        "return-path",
                                        "delivered-to",
                                        "envelope-to",
                                        "errors-to",
                                        "apparently-to",
                                        "disposition-notification-to",
                                        "approved-by",
                                        "mail-reply-to",
                                        "mail-followup-to",
                                        "return-receipt-to"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq_nocase(name, str_from_c(names[i]))) {
            return true;
        }
    }
    return str_starts_nocase(name, STR("x-"));
}

enum err sieve_address_check(struct sieve_compiler *c, struct sieve_node *n)
{
    for (uint32_t i = 0; i < n->params[0].count; i++) {
        const struct sieve_string *name = &n->params[0].strings[i];
        if (name->pieces == NULL && !is_address_field(name->text)) {
            return sieve_compile_fail(c, n->line, "\"%.*s\" is no header field of addresses",
                                      STR_ARG(str_sub(name->text, 0, 60)));
        }
    }
    return sieve_index_check(c, n);
}

/* One address, in its two parts. */
struct parts {
    struct str local;
    struct str domain;
};

/* What follows the first delimiter of the local part; false: there is none. user: what stands before it. */
static bool split_detail(const struct sieve_run *r, struct str local, struct str *user,
                         struct str *detail)
{
    struct str delimiters = r->env->delimiters.n > 0 ? r->env->delimiters : STR("+");
    for (size_t i = 0; i < local.n; i++) {
        if (str_find_char(delimiters, local.p[i]) < delimiters.n) {
            *user = str_sub(local, 0, i);
            *detail = str_skip(local, i + 1);
            return true;
        }
    }
    *user = local;
    return false;
}

static enum err give_all(struct sieve_match *m, const struct parts *p)
{
    struct buf all = BUF_INIT(p->local.n + p->domain.n + 1);
    buf_add(&all, p->local);
    if (p->domain.n > 0) {
        buf_add_char(&all, '@');
        buf_add(&all, p->domain);
    }
    enum err e = sieve_match_give(m, buf_str(&all));
    buf_release(&all);
    return e;
}

/* The part that the tags of the test ask for. "If an address is not syntactically valid, then it will not be matched by tests
 * specifying :localpart or :domain" (2.7.4), nor :user and :detail (RFC 5233, 4). */
static enum err give_parts(struct sieve_match *m, const struct sieve_node *n, const struct parts *p)
{
    uint64_t narrow = SIEVE_TAG_BIT(LOCALPART) | SIEVE_TAG_BIT(DOMAIN) | SIEVE_TAG_BIT(USER)
                      | SIEVE_TAG_BIT(DETAIL);
    if ((n->tags & narrow) == 0) {
        return give_all(m, p);
    }
    if (p->local.n == 0 || p->domain.n == 0) {
        return ERR_OK;
    }
    struct str user;
    struct str detail;
    bool has_detail = split_detail(m->run, p->local, &user, &detail);
    if (sieve_node_has(n, SIEVE_TAG_LOCALPART)) {
        return sieve_match_give(m, p->local);
    }
    if (sieve_node_has(n, SIEVE_TAG_DOMAIN)) {
        return sieve_match_give(m, p->domain);
    }
    if (sieve_node_has(n, SIEVE_TAG_USER)) {
        return sieve_match_give(m, user);
    }
    return has_detail ? sieve_match_give(m, detail) : ERR_OK;
}

/* "It also never acts on group names, although it does act on the addresses within the group construct" (5.1). */
static enum err give_list(struct sieve_match *m, const struct sieve_node *n,
                          const struct address_list *list)
{
    for (uint32_t i = 0; i < list->count && !sieve_match_is_decided(m); i++) {
        const struct address *a = &list->at[i];
        if (a->is_group_start || a->is_group_end) {
            continue;
        }
        struct parts p = {.local = a->mailbox, .domain = a->host};
        TRY(give_parts(m, n, &p));
    }
    return ERR_OK;
}

static enum err give_field(struct sieve_match *m, const struct sieve_node *n,
                           const struct sieve_field *f)
{
    struct sieve_run *r = m->run;
    TRY(sieve_run_spend(r, sieve_steps_for(f->octets.n, SIEVE_RATE_DECODE)));
    struct buf text = BUF_INIT(f->value.n + 1);
    field_unfold(f->value, &text);
    struct arena_mark mark = arena_mark(r->scratch);
    struct address_list list = {.count = 0};
    enum err e = address_list_parse(r->scratch, buf_str(&text), &list);
    e = e != ERR_OK ? sieve_run_full(r) : give_list(m, n, &list);
    arena_rewind(r->scratch, mark);
    buf_release(&text);
    return e;
}

enum err sieve_address_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    struct sieve_match m;
    struct sieve_fields fields;
    struct sieve_strings names;
    TRY(sieve_message_read(r));
    TRY(sieve_expand_list(r, &n->params[0], &names));
    TRY(sieve_match_init(&m, r, n, &n->params[1]));
    fields = sieve_fields_make(&names, n);
    const struct sieve_field *f;
    while (!sieve_match_is_decided(&m) && (f = sieve_fields_next(r, &fields)) != NULL) {
        if (is_address_field(f->name)) {
            TRY(give_field(&m, n, f));
        }
    }
    TRY(sieve_fields_spend(r, &fields));
    return sieve_match_finish(&m, out);
}

static bool is_envelope_part(struct str name)
{
    return str_eq_nocase(name, STR("from")) || str_eq_nocase(name, STR("to"))
           || str_eq_nocase(name, STR("auth"));
}

enum err sieve_envelope_check(struct sieve_compiler *c, struct sieve_node *n)
{
    for (uint32_t i = 0; i < n->params[0].count; i++) {
        const struct sieve_string *name = &n->params[0].strings[i];
        if (name->pieces == NULL && !is_envelope_part(name->text)) {
            return sieve_compile_fail(c, n->line, "The envelope has no part \"%.*s\"",
                                      STR_ARG(str_sub(name->text, 0, 60)));
        }
    }
    return ERR_OK;
}

/* "All tests against envelopes MUST drop source routes" (5.4). */
static struct parts split_path(struct str path)
{
    size_t colon = str_find_char(path, ':');
    if (str_starts(path, STR("@")) && colon < path.n) {
        path = str_skip(path, colon + 1);
    }
    size_t at = str_find_last_char(path, '@');
    return (struct parts){.local = str_sub(path, 0, at), .domain = str_skip(path, at + 1)};
}

static enum err give_envelope(struct sieve_match *m, const struct sieve_node *n, struct str name)
{
    const struct sieve_env *env = m->run->env;
    if (!is_envelope_part(name)) {
        return sieve_run_fail(m->run, "The envelope has no part \"%.*s\"",
                              STR_ARG(str_sub(name, 0, 60)));
    }
    bool is_from = str_eq_nocase(name, STR("from"));
    bool is_to = str_eq_nocase(name, STR("to"));
    struct str path = is_from ? env->from : is_to ? env->to : env->auth;
    if (path.n == 0) {
        /* "The null reverse-path is matched against as the empty string, regardless of the ADDRESS-PART" (5.4); it counts as
         * nothing (RFC 5231, 4.2). */
        return is_from && !sieve_match_is_count(m) ? sieve_match_give(m, path) : ERR_OK;
    }
    struct parts p = split_path(path);
    return give_parts(m, n, &p);
}

enum err sieve_envelope_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    /* "envelope tests MUST NOT be permitted [...] and their use MUST generate a runtime error" (RFC 6785, 4.6). */
    if (r->env->cause != SIEVE_DELIVERY) {
        return sieve_run_fail(r, "There is no envelope when mail is not being delivered");
    }
    struct sieve_match m;
    struct sieve_strings names;
    TRY(sieve_expand_list(r, &n->params[0], &names));
    TRY(sieve_match_init(&m, r, n, &n->params[1]));
    if (!r->env->has_envelope) {
        return ERR_OK;
    }
    for (uint32_t i = 0; i < names.count && !sieve_match_is_decided(&m); i++) {
        TRY(give_envelope(&m, n, names.at[i]));
    }
    return sieve_match_finish(&m, out);
}
