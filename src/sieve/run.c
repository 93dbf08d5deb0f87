/* The interpreter: walks the commands of a checked script and gathers actions (RFC 5228, 2.10).
 *
 * A script runs to its end before anything is done, so that its actions can be carried out together, or not at all: when it fails,
 * by an error of its own or at a limit, what is left is the implicit keep and an error with its line (2.10.6). An error of the host
 * (a disk, a peer) is another thing: there is no result then, and the delivery is tried again.
 *
 * Two arenas: results live in the caller's, what a command needs for itself in `scratch`, which is cleared behind each command. Every
 * command, test and comparison costs steps; the functions here call themselves as deep as blocks, tests and includes are nested, and
 * all three are bounded. */
#include "sieve/run.h"

#include "sieve/control.h"
#include "sieve/run_priv.h"

#include <stdarg.h>
#include <stdio.h>

static void write_place(const struct sieve_run *r, struct sieve_error *error)
{
    if (r->frame->outer != NULL) {
        snprintf(error->text, sizeof(error->text),
                 "In \"%.*s\": ", STR_ARG(str_sub(r->frame->name, 0, 128)));
    }
}

/* What a script's author gave us may be cut anywhere; a line end in it would break a log. */
static void clean_text(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) {
            *text = ' ';
        }
    }
}

void sieve_run_note_failure(struct sieve_run *r, const char *format, ...)
{
    if (!r->out->is_failed) {
        struct sieve_error *error = &r->out->error;
        r->out->is_failed = true;
        error->line = r->line;
        write_place(r, error);
        size_t n = strlen(error->text);
        va_list args;
        va_start(args, format);
        vsnprintf(error->text + n, sizeof(error->text) - n, format, args);
        va_end(args);
        clean_text(error->text);
    }
}

enum err sieve_run_spend(struct sieve_run *r, uint64_t steps)
{
    if (steps > r->limits.steps - r->out->steps) {
        r->out->steps = r->limits.steps;
        return sieve_run_fail(r, "The script takes too long with this message");
    }
    r->out->steps += steps;
    return ERR_OK;
}

void *sieve_run_alloc(struct sieve_run *r, size_t count, size_t size)
{
    size_t octets;
    if (__builtin_mul_overflow(count, size, &octets)
        || octets > r->limits.memory_octets - r->memory) {
        return NULL;
    }
    void *p = arena_alloc(r->arena, octets);
    r->memory += p != NULL ? octets : 0;
    return p;
}

enum err sieve_run_keep(struct sieve_run *r, struct str s, struct str *out)
{
    char *p = sieve_run_alloc(r, s.n + 1, 1);
    if (p == NULL) {
        return sieve_run_full(r);
    }
    if (s.n > 0) {
        memcpy(p, s.p, s.n);
    }
    *out = str_make(p, s.n);
    return ERR_OK;
}

bool sieve_run_is_traced(const struct sieve_run *r)
{
    return r->host->trace != NULL;
}

void sieve_run_trace(struct sieve_run *r, const char *format, ...)
{
    if (!sieve_run_is_traced(r)) {
        return;
    }
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    clean_text(text);
    r->host->trace(r->env->owner, r->line, str_from_c(text));
}

/* What the compiler could not promise, because of ihave (RFC 5463, 4). */
static enum err check_node(struct sieve_run *r, const struct sieve_node *n)
{
    r->line = n->line;
    TRY(sieve_run_spend(r, 1));
    if (n->problem != NULL) {
        return sieve_run_fail(r, "%s", n->problem);
    }
    uint64_t missing = n->needs & ~r->frame->enabled;
    for (unsigned e = 0; missing != 0 && e < SIEVE_EXT_COUNT; e++) {
        if (missing >> e & 1) {
            return sieve_run_fail(r,
                                  "\"%.*s\" needs \"%.*s\", which was neither required nor found",
                                  STR_ARG(n->spec->name), STR_ARG(sieve_ext_get_word(e)));
        }
    }
    return ERR_OK;
}

enum err sieve_run_test(struct sieve_run *r, const struct sieve_node *n, bool *out)
{
    TRY(check_node(r, n));
    *out = false;
    TRY(n->spec->test(r, n, out));
    r->line = n->line;
    sieve_run_trace(r, "test %.*s: %s", STR_ARG(n->spec->name), *out ? "true" : "false");
    return ERR_OK;
}

/* Runs `if` and what follows it (RFC 5228, 3.1): is_chosen: one of its blocks was run. */
static enum err run_branch(struct sieve_run *r, const struct sieve_node *n, bool *is_chosen)
{
    bool is_else = n->tests == NULL;
    bool is_if = n->detail == 1;
    if (!is_if && *is_chosen) {
        return ERR_OK;
    }
    *is_chosen = is_else;
    if (!is_else) {
        TRY(sieve_run_test(r, n->tests, is_chosen));
    }
    arena_clear(r->scratch);
    return *is_chosen ? sieve_run_commands(r, n->block) : ERR_OK;
}

enum err sieve_run_commands(struct sieve_run *r, const struct sieve_node *first)
{
    bool is_chosen = false;
    for (const struct sieve_node *n = first; n != NULL && r->flow == SIEVE_FLOW_NEXT; n = n->next) {
        TRY(check_node(r, n));
        if (n->spec->has_block) {
            TRY(run_branch(r, n, &is_chosen));
            continue;
        }
        TRY(n->spec->run(r, n));
        arena_clear(r->scratch);
    }
    return ERR_OK;
}

/* The last of the actions, if it is due: there is room for it always. */
static void add_implicit_keep(struct sieve_run *r)
{
    struct sieve_action *keep = &r->actions[r->out->count++];
    *keep = (struct sieve_action){.kind = SIEVE_KEEP, .is_implicit = true};
    keep->target.mailbox = r->env->inbox.n > 0 ? r->env->inbox : STR("INBOX");
    r->out->is_implicit_keep = true;
}

/* An implicit keep sees the flags and the header as the script left them. */
static enum err finish(struct sieve_run *r)
{
    TRY(sieve_reject_finish(r));
    if (r->is_implicit_keep_cancelled) {
        return ERR_OK;
    }
    r->line = 0;
    add_implicit_keep(r);
    struct sieve_action *keep = &r->actions[r->out->count - 1];
    keep->target.flags = r->flags;
    keep->target.has_flags = sieve_run_has(r, SIEVE_EXT_IMAP4FLAGS);
    keep->is_edited = r->message.is_edited && r->env->cause == SIEVE_DELIVERY;
    sieve_run_trace(r, "implicit keep");
    return keep->is_edited ? sieve_message_write(r, &keep->header) : ERR_OK;
}

static void free_included(struct sieve_run *r)
{
    for (struct sieve_included *i = r->included; i != NULL; i = i->next) {
        sieve_script_free(&i->script);
    }
}

/* reject, ereject, vacation: "Their appearance in the "require" control or their use in an IMAP event MUST result in an error condition"
 * (RFC 6785, 3.11). */
static enum err check_requirements(struct sieve_run *r)
{
    static const enum sieve_ext forbidden[] = {SIEVE_EXT_REJECT, SIEVE_EXT_EREJECT,
                                               SIEVE_EXT_VACATION};
    for (size_t i = 0; r->env->cause != SIEVE_DELIVERY && i < 3; i++) {
        if (sieve_run_has(r, forbidden[i])) {
            return sieve_run_fail(r, "\"%.*s\" is for mail that is being delivered",
                                  STR_ARG(sieve_ext_get_word(forbidden[i])));
        }
    }
    return ERR_OK;
}

static enum err run_all(struct sieve_run *r)
{
    r->actions = sieve_run_array(r, struct sieve_action, r->limits.actions + 1u);
    if (r->actions == NULL) {
        return ERR_LIMIT;
    }
    r->out->actions = r->actions;
    enum err e = check_requirements(r);
    if (e == ERR_OK) {
        e = sieve_run_commands(r, r->frame->script->commands);
    }
    if (e == ERR_OK) {
        e = finish(r);
    }
    if (e == ERR_OK || !r->out->is_failed) {
        return e;
    }
    sieve_run_trace(r, "error: %s", r->out->error.text);
    r->out->count = 0;
    add_implicit_keep(r);
    return ERR_OK;
}

enum err sieve_run(const struct sieve_script *script, const struct sieve_env *env, struct arena *a,
                   struct sieve_result *out)
{
    static const struct sieve_host no_host = {.trace = NULL};
    struct sieve_frame main_frame = {.script = script, .enabled = script->required};
    *out = (struct sieve_result){.count = 0};
    struct sieve_run r = {
        .env = env,
        .host = env->host != NULL ? env->host : &no_host,
        .arena = a,
        .out = out,
        .frame = &main_frame,
        .flags = env->flags,
    };
    sieve_limits_init(&r.limits);
    if (env->limits != NULL) {
        r.limits = *env->limits;
    }
    r.scratch = arena_new((size_t)r.limits.memory_octets + 1024 * 1024);
    enum err e = run_all(&r);
    free_included(&r);
    arena_free(&r.scratch);
    return e;
}
