/* The cache of conversions: a map, and a list in the order of use.
 *
 *     entry: key, size and digest of what was told, [result]     at most ENTRIES_MOST of them
 *
 * In memory, not in files: a result can always be made again, holds what somebody's mail says, and would have to go with
 * the message, the quota and the backup if it lay on disk. A result that is larger than the whole cache is not kept. */
#include "convert/cache.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#include <stdlib.h>

enum { ENTRIES_MOST = 8192 };

struct entry {
    struct list node; /* in the order of use, the last used at the end */
    struct buf key;
    struct convert_result *result; /* counted; NULL: only told */
    enum err err;
    size_t size;
    uint64_t digest;
};

struct convert_cache {
    struct map *map;
    struct list entries;
    size_t octets;
    size_t octets_most;
};

/* ---- results ---- */

struct convert_result *convert_result_new(enum err e, const char *why, struct str octets)
{
    struct convert_result *r = mem_new(sizeof(*r));
    *r = (struct convert_result){
        .refs = 1,
        .err = e,
        .why = why,
        .octets = BUF_INIT(octets.n),
        .lines = str_count_char(octets, '\n'),
    };
    buf_add(&r->octets, octets);
    return r;
}

struct convert_result *convert_result_ref(struct convert_result *r)
{
    r->refs++;
    return r;
}

void convert_result_unref(struct convert_result **r)
{
    struct convert_result *old = *r;
    *r = NULL;
    if (old == NULL || --old->refs > 0) {
        return;
    }
    if (old->held != NULL) {
        *old->held -= old->octets.len;
    }
    buf_release(&old->octets);
    free(old);
}

/* ---- entries ---- */

/* The octets go, what was told stays. */
static void drop_octets(struct convert_cache *c, struct entry *e)
{
    if (e->result != NULL) {
        c->octets -= e->size;
        convert_result_unref(&e->result);
    }
}

static void free_entry(struct convert_cache *c, struct entry *e)
{
    drop_octets(c, e);
    list_remove(&e->node);
    (void)map_remove(c->map, buf_str(&e->key));
    buf_release(&e->key);
    free(e);
}

struct convert_cache *convert_cache_new(size_t octets_most)
{
    struct convert_cache *c = mem_new(sizeof(*c));
    c->map = map_new();
    c->octets_most = octets_most;
    list_init(&c->entries);
    return c;
}

void convert_cache_free(struct convert_cache **c)
{
    if (*c == NULL) {
        return;
    }
    list_each_safe(node, &(*c)->entries)
    {
        free_entry(*c, list_entry(node, struct entry, node));
    }
    map_free(&(*c)->map);
    free(*c);
    *c = NULL;
}

static void touch(struct convert_cache *c, struct entry *e)
{
    list_remove(&e->node);
    list_append(&c->entries, &e->node);
}

struct convert_result *convert_cache_find(struct convert_cache *c, struct str key)
{
    struct entry *e = map_find(c->map, key);
    if (e == NULL || e->result == NULL) {
        return NULL;
    }
    touch(c, e);
    return convert_result_ref(e->result);
}

static void make_room(struct convert_cache *c, size_t n)
{
    list_each(node, &c->entries)
    {
        if (c->octets + n <= c->octets_most) {
            return;
        }
        drop_octets(c, list_entry(node, struct entry, node));
    }
}

static struct entry *add_entry(struct convert_cache *c, struct str key,
                               const struct convert_result *r)
{
    if (map_get_count(c->map) >= ENTRIES_MOST) {
        free_entry(c, list_entry(c->entries.next, struct entry, node));
    }
    struct entry *e = mem_new(sizeof(*e));
    buf_init(&e->key, key.n);
    buf_add(&e->key, key);
    e->err = r->err;
    e->size = r->octets.len;
    e->digest = str_hash(buf_str(&r->octets));
    list_append(&c->entries, &e->node);
    (void)map_put(c->map, key, e);
    return e;
}

enum err convert_cache_put(struct convert_cache *c, struct str key, struct convert_result *r)
{
    struct entry *e = map_find(c->map, key);
    if (e == NULL) {
        e = add_entry(c, key, r);
    } else if (e->err != r->err || e->size != r->octets.len
               || e->digest != str_hash(buf_str(&r->octets))) {
        return ERR_MODIFIED;
    }
    touch(c, e);
    if (e->result == NULL && r->octets.len <= c->octets_most) {
        make_room(c, r->octets.len);
        e->result = convert_result_ref(r);
        c->octets += e->size;
    }
    return ERR_OK;
}
