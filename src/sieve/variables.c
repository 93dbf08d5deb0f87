/* Variables: their names, and where their values live (RFC 5229; RFC 6609, 3.4).
 *
 * Each script that runs has a scope of its own; the global scope is shared by all that a run includes. A script that says `global`
 * for a name has a variable there that stands for the global one. Scopes are lists: a script has few variables, and their number
 * is bounded. */
#include "sieve/variables.h"

#include "base/utf8.h"
#include "sieve/run_priv.h"

bool sieve_variable_is_identifier(struct str s)
{
    if (s.n == 0 || ascii_is_digit(s.p[0])) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_is_alpha(s.p[i]) && !ascii_is_digit(s.p[i]) && s.p[i] != '_') {
            return false;
        }
    }
    return true;
}

static bool is_number(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_is_digit(s.p[i])) {
            return false;
        }
    }
    return s.n > 0;
}

/* variable-ref = "${" [namespace] variable-name "}"
 * namespace = identifier "." *sub-namespace; sub-namespace = variable-name "."
 * variable-name = num-variable / identifier */
bool sieve_variable_is_reference(struct str s)
{
    bool is_first = true;
    bool is_more = true;
    while (is_more) {
        is_more = str_find_char(s, '.') < s.n;
        struct str part = is_more ? str_split(&s, '.') : s;
        bool is_namespace = is_first && is_more;
        if (!sieve_variable_is_identifier(part) && (is_namespace || !is_number(part))) {
            return false;
        }
        is_first = false;
    }
    return true;
}

enum err sieve_variable_check_space(struct sieve_compiler *c, uint32_t line, struct str space,
                                    struct str name)
{
    if (!str_eq_nocase(space, STR("global"))) {
        return sieve_compile_fail(c, line, "There is no namespace \"%.*s\" of variables",
                                  STR_ARG(str_sub(space, 0, 40)));
    }
    if (!sieve_is_required(c, SIEVE_EXT_INCLUDE)) {
        return sieve_compile_fail(c, line,
                                  "Global variables need \"require \"include\";\" at the top");
    }
    if (!sieve_variable_is_identifier(name)) {
        return sieve_compile_fail(c, line, "\"%.*s\" is no name of a global variable",
                                  STR_ARG(str_sub(name, 0, 40)));
    }
    return ERR_OK;
}

static struct sieve_variable *scope_find(const struct sieve_scope *s, struct str name)
{
    struct sieve_variable *v = s->first;
    while (v != NULL && !str_eq(v->name, name)) {
        v = v->next;
    }
    return v;
}

struct str sieve_variable_get(const struct sieve_run *r, bool is_global, struct str name)
{
    const struct sieve_variable *v = NULL;
    if (!is_global) {
        v = scope_find(&r->frame->scope, name);
        is_global = v != NULL && v->is_global;
    }
    if (is_global) {
        v = scope_find(&r->globals, name);
    }
    return v != NULL ? v->value : STR_EMPTY;
}

uint64_t sieve_variable_count_steps(const struct sieve_run *r)
{
    return 1 + (r->frame->scope.count + r->globals.count) / SIEVE_LOOKS_A_STEP;
}

static enum err scope_add(struct sieve_run *r, struct sieve_scope *s, struct str name,
                          struct sieve_variable **out)
{
    if (s->count == r->limits.variables) {
        return sieve_run_fail(r, "A script has at most %u variables", r->limits.variables);
    }
    struct sieve_variable *v = sieve_run_array(r, struct sieve_variable, 1);
    if (v == NULL) {
        return sieve_run_full(r);
    }
    *v = (struct sieve_variable){.name = name, .next = s->first};
    s->first = v;
    s->count++;
    *out = v;
    return ERR_OK;
}

/* "the value SHOULD be truncated, and it MUST NOT be treated as an error" (RFC 5229, 6); whole characters stay. */
static struct str cut_value(struct str value, size_t most)
{
    if (value.n <= most) {
        return value;
    }
    size_t n = most;
    while (n > 0 && most - n < 4 && ((unsigned char)value.p[n] & 0xc0) == 0x80) {
        n--;
    }
    return str_sub(value, 0, n);
}

enum err sieve_variable_set(struct sieve_run *r, bool is_global, struct str name, struct str value)
{
    struct sieve_scope *s = is_global ? &r->globals : &r->frame->scope;
    TRY(sieve_run_spend(r, sieve_variable_count_steps(r)));
    struct sieve_variable *v = scope_find(s, name);
    if (v != NULL && v->is_global) {
        s = &r->globals;
        v = scope_find(s, name);
    }
    if (v == NULL) {
        TRY(scope_add(r, s, name, &v));
    }
    return sieve_run_keep(r, cut_value(value, r->limits.variable_octets), &v->value);
}

enum err sieve_variable_check_name(struct sieve_compiler *c, uint32_t line,
                                   const struct sieve_string *name)
{
    struct str rest = name->text;
    if (name->pieces != NULL) {
        return sieve_compile_fail(c, line, "The name of a variable cannot hold variables");
    }
    if (str_find_char(rest, '.') < rest.n) {
        struct str space = str_split(&rest, '.');
        return sieve_variable_check_space(c, line, space, rest);
    }
    if (!sieve_variable_is_identifier(rest) || rest.n > SIEVE_NAME_MOST) {
        return sieve_compile_fail(c, line, "\"%.*s\" is no name of a variable that can be set",
                                  STR_ARG(str_sub(rest, 0, 60)));
    }
    return ERR_OK;
}

/* Lower case, without the namespace; is_global: there was one. */
static struct str fold_name(struct str name, bool *is_global, char room[static SIEVE_NAME_MOST])
{
    *is_global = str_find_char(name, '.') < name.n;
    name = *is_global ? str_skip(name, str_find_char(name, '.') + 1) : name;
    size_t n = name.n < SIEVE_NAME_MOST ? name.n : SIEVE_NAME_MOST;
    for (size_t i = 0; i < n; i++) {
        room[i] = ascii_lower(name.p[i]);
    }
    return str_make(room, n);
}

struct str sieve_variable_get_named(const struct sieve_run *r, struct str name)
{
    char room[SIEVE_NAME_MOST];
    bool is_global;
    struct str folded = fold_name(name, &is_global, room);
    return sieve_variable_get(r, is_global, folded);
}

enum err sieve_variable_set_named(struct sieve_run *r, struct str name, struct str value)
{
    char room[SIEVE_NAME_MOST];
    bool is_global;
    struct str kept;
    TRY(sieve_run_keep(r, fold_name(name, &is_global, room), &kept));
    return sieve_variable_set(r, is_global, kept, value);
}

enum err sieve_variable_keep_name(struct sieve_run *r, struct str name, struct str *out)
{
    char room[SIEVE_NAME_MOST];
    bool is_global;
    return sieve_run_keep(r, fold_name(name, &is_global, room), out);
}

enum err sieve_variable_declare_global(struct sieve_run *r, struct str name)
{
    struct sieve_variable *v = scope_find(&r->frame->scope, name);
    if (v != NULL) {
        return v->is_global
                   ? ERR_OK
                   : sieve_run_fail(r, "\"%.*s\" was set before it was made global", STR_ARG(name));
    }
    TRY(scope_add(r, &r->frame->scope, name, &v));
    v->is_global = true;
    return ERR_OK;
}
