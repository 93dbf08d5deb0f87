/* The base actions (RFC 5228, 4): keep, fileinto, redirect, discard.
 *
 * They gather in order. A mailbox gets one copy and an address one message, however often a script asks (2.10.3); then "the last flag
 * list value MUST win" (RFC 5232, 3), the rest stays as it was asked for first. Each action remembers the header as it was then
 * (RFC 5293, 7). */
#include "sieve/control.h"
#include "sieve/run_priv.h"
#include "sieve/target.h"

enum err sieve_action_add(struct sieve_run *r, enum sieve_action_kind kind,
                          struct sieve_action **out)
{
    if (r->out->count == r->limits.actions) {
        return sieve_run_fail(r, "A script takes at most %u actions", r->limits.actions);
    }
    struct sieve_action *a = &r->actions[r->out->count];
    *a = (struct sieve_action){.kind = kind, .line = r->line};
    /* In a mailbox, messages are immutable: what stays there is what was there (RFC 6785, 3.7). */
    a->is_edited = r->message.is_edited && (kind != SIEVE_KEEP || r->env->cause == SIEVE_DELIVERY);
    if (a->is_edited) {
        TRY(sieve_message_write(r, &a->header));
    }
    r->out->count++;
    *out = a;
    return ERR_OK;
}

struct sieve_action *sieve_action_find(struct sieve_run *r, enum sieve_action_kind kind)
{
    for (uint32_t i = 0; i < r->out->count; i++) {
        if (r->actions[i].kind == kind) {
            return &r->actions[i];
        }
    }
    return NULL;
}

static bool is_inbox(struct str name)
{
    return str_eq_nocase(name, STR("INBOX"));
}

static bool is_same_target(const struct sieve_target *a, const struct sieve_target *b)
{
    bool is_same_name =
        str_eq(a->mailbox, b->mailbox) || (is_inbox(a->mailbox) && is_inbox(b->mailbox));
    return is_same_name && str_eq_nocase(a->special_use, b->special_use)
           && str_eq(a->mailbox_id, b->mailbox_id);
}

/* An action that copies into the same mailbox. */
static struct sieve_action *find_target(struct sieve_run *r, const struct sieve_target *t)
{
    for (uint32_t i = 0; i < r->out->count; i++) {
        struct sieve_action *a = &r->actions[i];
        if ((a->kind == SIEVE_KEEP || a->kind == SIEVE_FILEINTO) && is_same_target(&a->target, t)) {
            return a;
        }
    }
    return NULL;
}

static enum err add_copy(struct sieve_run *r, enum sieve_action_kind kind,
                         const struct sieve_target *t)
{
    struct sieve_action *a = find_target(r, t);
    if (a != NULL) {
        sieve_run_trace(r, "there is a copy in \"%.*s\" already", STR_ARG(t->mailbox));
        a->target.flags = t->flags;
        a->target.has_flags = t->has_flags;
        a->target.is_create |= t->is_create;
        return ERR_OK;
    }
    TRY(sieve_action_add(r, kind, &a));
    a->target = *t;
    return ERR_OK;
}

enum err sieve_keep_run(struct sieve_run *r, const struct sieve_node *n)
{
    struct sieve_target t;
    TRY(sieve_target_read(r, n, NULL, &t));
    sieve_run_trace(r, "keep");
    r->is_implicit_keep_cancelled = true;
    return add_copy(r, SIEVE_KEEP, &t);
}

enum err sieve_fileinto_check(struct sieve_compiler *c, struct sieve_node *n)
{
    return sieve_target_check(c, n);
}

enum err sieve_fileinto_run(struct sieve_run *r, const struct sieve_node *n)
{
    struct sieve_target t;
    TRY(sieve_target_read(r, n, &n->params[0], &t));
    sieve_run_trace(r, "fileinto \"%.*s\"", STR_ARG(t.mailbox));
    r->is_implicit_keep_cancelled |= !sieve_node_has(n, SIEVE_TAG_COPY);
    return add_copy(r, SIEVE_FILEINTO, &t);
}

enum err sieve_discard_run(struct sieve_run *r, const struct sieve_node *n)
{
    (void)n;
    sieve_run_trace(r, "discard");
    r->is_implicit_keep_cancelled = true;
    struct sieve_action *a = sieve_action_find(r, SIEVE_DISCARD);
    return a != NULL ? ERR_OK : sieve_action_add(r, SIEVE_DISCARD, &a);
}

enum err sieve_redirect_check(struct sieve_compiler *c, struct sieve_node *n)
{
    const struct sieve_string *s = &n->params[0].strings[0];
    struct str address;
    if (s->pieces == NULL && !sieve_address_read(s->text, &address)) {
        return sieve_compile_fail(c, n->line, "\"%.*s\" is no address to redirect to",
                                  STR_ARG(str_sub(s->text, 0, 100)));
    }
    return ERR_OK;
}

/* Case counts in local parts only (RFC 5321, 2.4). */
static bool is_same_address(struct str a, struct str b)
{
    size_t at = str_find_last_char(a, '@');
    return at == str_find_last_char(b, '@') && str_eq(str_sub(a, 0, at), str_sub(b, 0, at))
           && str_eq_nocase(str_skip(a, at), str_skip(b, at));
}

static bool is_redirected(const struct sieve_run *r, struct str address)
{
    for (uint32_t i = 0; i < r->out->count; i++) {
        if (r->actions[i].kind == SIEVE_REDIRECT
            && is_same_address(r->actions[i].address, address)) {
            return true;
        }
    }
    return false;
}

enum err sieve_redirect_run(struct sieve_run *r, const struct sieve_node *n)
{
    struct str text;
    struct str address;
    TRY(sieve_expand_kept(r, &n->params[0], &text));
    if (!sieve_address_read(text, &address)) {
        return sieve_run_fail(r, "\"%.*s\" is no address to redirect to",
                              STR_ARG(str_sub(text, 0, 100)));
    }
    sieve_run_trace(r, "redirect \"%.*s\"", STR_ARG(address));
    r->is_implicit_keep_cancelled |= !sieve_node_has(n, SIEVE_TAG_COPY);
    if (is_redirected(r, address)) {
        return ERR_OK;
    }
    if (r->redirects == r->limits.redirects) {
        return sieve_run_fail(r, "A script redirects to at most %u addresses", r->limits.redirects);
    }
    r->redirects++;
    struct sieve_action *a;
    TRY(sieve_action_add(r, SIEVE_REDIRECT, &a));
    a->address = address;
    return ERR_OK;
}
