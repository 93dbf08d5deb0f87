/* MIME parameters (RFC 2045, 5.1), as they come.
 *
 *   field  = token ["/" token] *(";" name "=" value)
 *
 * What broken mail does, and what is read:
 *   name=my file.pdf            no quotes: the value goes on to ";"; runs of white space become one space
 *   charset=utf-8 format=flowed no ";": a token with "=" behind it begins a new parameter
 *   ; foo ;                     no "=": passed over
 *   name="x" junk;              junk behind a quoted string is passed over
 *   name="x                     an open quote: the quote is dropped
 *   us-ascii (plain)            comments are no part of the value (RFC 2045's own example)
 * A name given twice is kept twice; param_find() takes the first. */
#include "mime/param.h"

#include "mime/lex.h"

#include <stddef.h>

struct parser {
    struct arena *arena;
    struct lex lex;
    struct buf name;
    struct buf value;
    struct param *at;
    uint32_t count;
    uint32_t most;
    bool is_full; /* the arena's cap was met */
};

static struct str keep(struct parser *p, const struct buf *b)
{
    struct str s = b->len == 0 ? STR_EMPTY : arena_str(p->arena, buf_str(b));
    p->is_full = p->is_full || s.n != b->len;
    return s;
}

static void add_param(struct parser *p)
{
    if (p->count < p->most) {
        p->at[p->count].name = keep(p, &p->name);
        p->at[p->count].value = keep(p, &p->value);
        p->count++;
    }
}

static bool init(struct parser *p, struct arena *a, struct str value, char separator)
{
    size_t most = 1;
    for (size_t i = 0; i < value.n; i++) {
        most += value.p[i] == separator || value.p[i] == ',' ? 1U : 0U;
    }
    *p = (struct parser){.arena = a, .lex = lex_make(value), .most = (uint32_t)most};
    buf_init(&p->name, value.n + 1);
    buf_init(&p->value, value.n + 1);
    p->at = most > UINT32_MAX ? NULL : arena_array(a, struct param, most);
    return p->at != NULL;
}

static enum err finish(struct parser *p, struct param_list *out)
{
    buf_release(&p->name);
    buf_release(&p->value);
    if (p->is_full) {
        return ERR_LIMIT;
    }
    *out = (struct param_list){p->at, p->count};
    return ERR_OK;
}

/* Is a token followed by "=" next? */
static bool is_at_param(const struct lex *l)
{
    struct lex ahead = *l;
    struct buf none = BUF_INIT(0);
    size_t n = lex_take_run(&ahead, ";=,/", &none);
    (void)lex_skip_cfws(&ahead, NULL);
    return n > 0 && lex_peek(&ahead) == '=';
}

/* Behind "=": up to ";" or to what begins another parameter. */
static void take_value(struct parser *p)
{
    struct lex *l = &p->lex;
    bool was_quoted = false;
    for (;;) {
        bool is_apart = lex_skip_cfws(l, NULL);
        int c = lex_peek(l);
        if (c < 0 || c == ';' || (is_apart && p->value.len > 0 && is_at_param(l))) {
            return;
        }
        if (was_quoted) {
            lex_skip_to(l, ';');
            return;
        }
        if (c == '"' && p->value.len == 0) {
            was_quoted = lex_take_quoted(l, &p->value);
            continue;
        }
        if (is_apart && p->value.len > 0) {
            buf_add_char(&p->value, ' ');
        }
        if (lex_take_run(l, ";", &p->value) == 0) {
            l->at++;
        }
    }
}

/* Reads *(";" name "=" value), and the same with ";" missing. */
static void take_params(struct parser *p)
{
    struct lex *l = &p->lex;
    while (lex_peek(l) >= 0) {
        (void)lex_skip_cfws(l, NULL);
        buf_clear(&p->name);
        buf_clear(&p->value);
        if (lex_peek(l) == ';') {
            l->at++;
            continue;
        }
        (void)lex_take_run(l, ";=", &p->name);
        (void)lex_skip_cfws(l, NULL);
        if (lex_peek(l) == '=' && p->name.len > 0) {
            l->at++;
            take_value(p);
            add_param(p);
        } else if (p->name.len == 0 || lex_peek(l) == ';') {
            lex_skip_to(l, ';');
        }
    }
}

enum err param_field_parse(struct arena *a, struct str value, struct param_field *out)
{
    struct parser p;
    struct param_field field = {0};
    if (!init(&p, a, value, '=')) {
        return ERR_LIMIT;
    }
    (void)lex_skip_cfws(&p.lex, NULL);
    (void)lex_take_run(&p.lex, "/;=", &p.name);
    field.type = keep(&p, &p.name);
    (void)lex_skip_cfws(&p.lex, NULL);
    if (lex_peek(&p.lex) == '/') {
        p.lex.at++;
        (void)lex_skip_cfws(&p.lex, NULL);
        buf_clear(&p.name);
        (void)lex_take_run(&p.lex, "/;=", &p.name);
        field.subtype = keep(&p, &p.name);
    }
    (void)lex_skip_cfws(&p.lex, NULL);
    if (!is_at_param(&p.lex)) {
        lex_skip_to(&p.lex, ';');
    }
    take_params(&p);
    TRY(finish(&p, &field.params));
    *out = field;
    return ERR_OK;
}

enum err param_names_parse(struct arena *a, struct str value, struct param_list *out)
{
    struct parser p;
    if (!init(&p, a, value, ',')) {
        return ERR_LIMIT;
    }
    while (lex_peek(&p.lex) >= 0) {
        (void)lex_skip_cfws(&p.lex, NULL);
        buf_clear(&p.name);
        (void)lex_take_run(&p.lex, ",;", &p.name);
        if (p.name.len > 0) {
            add_param(&p);
        }
        lex_skip_to(&p.lex, ',');
        p.lex.at++;
    }
    return finish(&p, out);
}

enum err param_token_parse(struct arena *a, struct str value, struct str *out)
{
    struct param_list l = {0};
    TRY(param_names_parse(a, value, &l));
    *out = l.count == 0 ? STR_EMPTY : l.at[0].name;
    return ERR_OK;
}

struct str param_find(const struct param_list *l, struct str name)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (str_eq_nocase(l->at[i].name, name)) {
            return l->at[i].value;
        }
    }
    return STR_EMPTY;
}
