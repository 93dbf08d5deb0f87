/* What a script says that its author may not have meant. It compiles and runs all the same.
 *
 *     stop;          nothing behind it in its block is ever run
 *     ihave          a command or test that is not offered here, where the script cares for that itself (RFC 5463, 4)
 *     redirect       one more than a run may carry out, counted along each way through the script: of an if and its elsif and else
 *                    only one block is taken
 *
 * Blocks nest as deep as the compiler let them (limits.nesting), so the walk may recurse. */
#include "sieve/script_priv.h"

#include <stdio.h>

enum { TEXT_MOST = 300 };

struct walk {
    uint32_t redirects_most;
    void (*on_warning)(void *owner, uint32_t line, struct str text);
    void *owner;
};

static void warn(const struct walk *w, uint32_t line, const char *text)
{
    w->on_warning(w->owner, line, str_from_c(text));
}

static bool is_called(const struct sieve_node *n, const char *name)
{
    return str_eq(n->spec->name, str_from_c(name));
}

static void warn_redirect(const struct walk *w, const struct sieve_node *n)
{
    char text[TEXT_MOST];
    (void)snprintf(text, sizeof(text), "This redirect may be one too many: %u are the most",
                   w->redirects_most);
    warn(w, n->line, text);
}

/* What ihave lets pass; it may have no spec. */
static void look_at(const struct walk *w, const struct sieve_node *n)
{
    if (n->problem != NULL) {
        warn(w, n->line, n->problem);
        return;
    }
    for (const struct sieve_node *t = n->tests; t != NULL; t = t->next) {
        look_at(w, t);
    }
}

/* before: redirects that may have been carried out. Returns how many may have been behind the block. */
static uint32_t walk_block(const struct walk *w, const struct sieve_node *first, uint32_t before)
{
    uint32_t chain = before; /* in front of the if that elsif and else belong to */
    uint32_t most = before;
    for (const struct sieve_node *n = first; n != NULL; n = n->next) {
        look_at(w, n);
        if (n->problem != NULL) {
            continue;
        }
        if (n->spec->has_block) {
            chain = is_called(n, "if") ? most : chain;
            uint32_t behind = walk_block(w, n->block, chain);
            most = behind > most ? behind : most;
        } else if (is_called(n, "redirect")) {
            most++;
            if (most == w->redirects_most + 1) {
                warn_redirect(w, n);
            }
        } else if (is_called(n, "stop") && n->next != NULL) {
            warn(w, n->next->line, "This is never run: there is a stop before it");
            break;
        }
    }
    return most;
}

void sieve_script_warn(const struct sieve_script *s, const struct sieve_limits *limits,
                       void (*on_warning)(void *owner, uint32_t line, struct str text), void *owner)
{
    struct sieve_limits defaults;
    sieve_limits_init(&defaults);
    const struct walk w = {
        .redirects_most = limits != NULL ? limits->redirects : defaults.redirects,
        .on_warning = on_warning,
        .owner = owner,
    };
    (void)walk_block(&w, s->commands, 0);
}
