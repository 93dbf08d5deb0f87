/* Compiled scripts, by their text: whoever has the same script shares what was made of it, and one that was changed is simply another.
 * Nothing has to be invalidated. A script that cannot be compiled is remembered with its error, so that mail that comes in does not try
 * it again and again. */
#include "filter/filter_priv.h"

#include "base/mem.h"

enum { OCTETS_MOST = 16 * 1024 * 1024, COUNT_MOST = 1000, COST = 4096 };

static void compiled_free(struct filter *f, struct compiled *c)
{
    f->compiled_octets -= c->text.len + COST;
    list_remove(&c->node);
    (void)map_remove(f->compiled, buf_str(&c->text));
    sieve_script_free(&c->script);
    buf_release(&c->text);
    free(c);
}

void scripts_trim(struct filter *f)
{
    while (f->compiled_octets > OCTETS_MOST || map_get_count(f->compiled) > COUNT_MOST) {
        compiled_free(f, list_entry(f->recent.next, struct compiled, node));
    }
}

void scripts_free(struct filter *f)
{
    while (!list_is_empty(&f->recent)) {
        compiled_free(f, list_entry(f->recent.next, struct compiled, node));
    }
    map_free(&f->compiled);
}

static struct compiled *compile(struct filter *f, struct str text)
{
    struct compiled *c = mem_new(sizeof(*c));
    list_init(&c->node);
    buf_init(&c->text, text.n);
    buf_add(&c->text, text);
    f->compiled_octets += text.n + COST;
    (void)map_put(f->compiled, text, c);
    if (sieve_compile(text, &f->sieve, &c->script, &c->error) != ERR_OK) {
        c->script = NULL;
    }
    return c;
}

const struct compiled *scripts_get(struct filter *f, struct str text)
{
    struct compiled *c = map_find(f->compiled, text);
    if (c == NULL) {
        c = compile(f, text);
    }
    list_remove(&c->node);
    list_append(&f->recent, &c->node);
    return c;
}
