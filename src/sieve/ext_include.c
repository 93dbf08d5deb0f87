/* include and return (RFC 6609).
 *
 * Scripts are loaded when they are reached: a script may be stored before those that it includes, and what it says now counts, not what
 * it said when it was stored. Each is compiled once a run. A script that is included has its own requirements, its own variables and its
 * own match variables; the header, the flags and the actions are common. Scripts cannot include one another in a circle, except by
 * :once, which then does nothing (3.2). */
#include "sieve/control.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "sieve/run_priv.h"

enum { SCRIPT_NAME_MOST = 512 };

/* "Implementations MUST restrict script names according to ManageSieve" (3.2): no controls (RFC 5804, 1.6); and nothing that could be
 * a path. */
static bool is_script_name(struct str s)
{
    bool is_dots = str_eq(s, STR(".")) || str_eq(s, STR(".."));
    if (s.n == 0 || s.n > SCRIPT_NAME_MOST || !utf8_is_valid(s) || is_dots
        || str_find_char(s, '/') < s.n) {
        return false;
    }
    struct str rest = s;
    uint32_t c;
    while (utf8_next(&rest, &c)) {
        if (c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029) {
            return false;
        }
    }
    return true;
}

enum err sieve_include_check(struct sieve_compiler *c, struct sieve_node *n)
{
    const struct sieve_string *name = &n->params[0].strings[0];
    if (name->pieces != NULL) {
        return sieve_compile_fail(c, n->line, "The name of an included script holds no variables");
    }
    if (!is_script_name(name->text)) {
        return sieve_compile_fail(c, n->line, "\"%.*s\" is no name of a script",
                                  STR_ARG(str_sub(name->text, 0, 60)));
    }
    return ERR_OK;
}

static struct sieve_included *find_included(struct sieve_run *r, bool is_site, struct str name)
{
    struct sieve_included *i = r->included;
    while (i != NULL && (i->is_site != is_site || !str_eq(i->name, name))) {
        i = i->next;
    }
    return i;
}

static enum err compile_included(struct sieve_run *r, struct sieve_included *i, struct str text)
{
    struct sieve_error error = {.line = 0};
    TRY(sieve_run_spend(r, sieve_steps_for(text.n, SIEVE_RATE_COMPILE)));
    if (sieve_compile(text, r->env->config, &i->script, &error) != ERR_OK) {
        return sieve_run_fail(r, "\"%.*s\" cannot be included; its line %u: %s", STR_ARG(i->name),
                              error.line, error.text);
    }
    return ERR_OK;
}

/* The script, from the host; its script is NULL when there is none. */
static enum err load(struct sieve_run *r, bool is_site, struct str name,
                     struct sieve_included **out)
{
    bool exists = false;
    struct str text = STR_EMPTY;
    struct sieve_included *i = sieve_run_array(r, struct sieve_included, 1);
    if (i == NULL) {
        return sieve_run_full(r);
    }
    *i = (struct sieve_included){.name = name, .is_site = is_site, .next = r->included};
    if (r->host->script_load != NULL) {
        TRY(sieve_run_spend(r, SIEVE_STEPS_ASK));
        TRY(r->host->script_load(r->env->owner, is_site, name, &exists, &text));
    }
    r->included = i;
    *out = i;
    return exists ? compile_included(r, i, text) : ERR_OK;
}

static bool is_running(const struct sieve_run *r, const struct sieve_included *i)
{
    const struct sieve_frame *f = r->frame;
    while (f->outer != NULL && f->script != i->script) {
        f = f->outer;
    }
    return f->outer != NULL;
}

/* Match variables are variables, too: "private" to the immediate script (3.4). */
struct saved_matches {
    struct str at[SIEVE_MATCHES_MOST + 1];
    uint32_t count;
};

static enum err run_included(struct sieve_run *r, struct sieve_included *i)
{
    struct saved_matches *saved = mem_new(sizeof(*saved));
    struct sieve_frame frame = {.script = i->script,
                                .name = i->name,
                                .is_site = i->is_site,
                                .enabled = i->script->required,
                                .outer = r->frame};
    memcpy(saved->at, r->matches, sizeof(saved->at));
    saved->count = r->match_count;
    memset(r->matches, 0, sizeof(r->matches));
    r->match_count = 0;
    r->frame = &frame;
    r->depth++;
    enum err e = sieve_run_commands(r, i->script->commands);
    r->depth--;
    r->frame = frame.outer;
    memcpy(r->matches, saved->at, sizeof(saved->at));
    r->match_count = saved->count;
    free(saved);
    if (r->flow == SIEVE_FLOW_RETURN) {
        r->flow = SIEVE_FLOW_NEXT;
    }
    return e;
}

enum err sieve_include_run(struct sieve_run *r, const struct sieve_node *n)
{
    struct str name = n->params[0].strings[0].text;
    bool is_site = sieve_node_has(n, SIEVE_TAG_GLOBAL);
    bool is_once = sieve_node_has(n, SIEVE_TAG_ONCE);
    struct sieve_included *i = find_included(r, is_site, name);
    bool is_known = i != NULL;
    if (r->included_count == r->limits.includes || r->depth == r->limits.include_depth) {
        return sieve_run_fail(r, "Too many scripts are included, or too deep in one another");
    }
    if (!is_known) {
        TRY(load(r, is_site, name, &i));
    }
    if (i->script == NULL) {
        return sieve_node_has(n, SIEVE_TAG_OPTIONAL)
                   ? ERR_OK
                   : sieve_run_fail(r, "There is no script \"%.*s\"", STR_ARG(name));
    }
    if (is_once && is_known) {
        return ERR_OK;
    }
    if (is_running(r, i)) {
        return sieve_run_fail(r, "\"%.*s\" includes itself", STR_ARG(name));
    }
    sieve_run_trace(r, "include \"%.*s\"", STR_ARG(name));
    r->included_count++;
    return run_included(r, i);
}

/* "If used in the main script [...], it has the same effect as the "stop" command" (3.3). */
enum err sieve_return_run(struct sieve_run *r, const struct sieve_node *n)
{
    (void)n;
    sieve_run_trace(r, "return");
    r->flow = SIEVE_FLOW_RETURN;
    return ERR_OK;
}
