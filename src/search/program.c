/* Building search programs.
 *
 * Nodes come from the command's arena and are linked, first child and next sibling, so a parser appends keys as it reads
 * them. At the arena's cap a key is NULL and adding it does nothing: the parser asks once, at the end, whether the arena was
 * full. Depth and count are checked where the program is about to run (run.c), for all parsers alike. */
#include "search/program.h"

struct search_key *search_key_new(struct arena *a, enum search_kind kind)
{
    struct search_key *k = arena_one(a, struct search_key);
    if (k != NULL) {
        k->kind = kind;
    }
    return k;
}

void search_key_add(struct search_key *parent, struct search_key *child)
{
    if (parent == NULL || child == NULL) {
        return;
    }
    if (parent->last == NULL) {
        parent->child = child;
    } else {
        parent->last->next = child;
    }
    parent->last = child;
}

struct search_key *search_key_not(struct arena *a, struct search_key *child)
{
    struct search_key *k = child == NULL ? NULL : search_key_new(a, SEARCH_NOT);
    search_key_add(k, child);
    return k;
}

enum err search_set_copy(struct arena *a, const struct numrange *at, size_t count,
                         struct search_set *out)
{
    struct numrange *copy = arena_array(a, struct numrange, count + 1);
    if (copy == NULL) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        copy[i] = at[i];
    }
    *out = (struct search_set){copy, count};
    return ERR_OK;
}

/* The key without its children. */
static struct search_key *copy_one(struct arena *a, const struct search_key *k)
{
    struct search_key *copy = search_key_new(a, k->kind);
    if (copy == NULL || search_set_copy(a, k->set.at, k->set.count, &copy->set) != ERR_OK) {
        return NULL;
    }
    copy->number = k->number;
    copy->is_fuzzy = k->is_fuzzy;
    copy->text = arena_str(a, k->text);
    copy->field = arena_str(a, k->field);
    return copy->text.n == k->text.n && copy->field.n == k->field.n ? copy : NULL;
}

struct search_key *search_key_copy(struct arena *a, const struct search_key *k)
{
    struct search_key *copy = copy_one(a, k);
    for (const struct search_key *child = k->child; copy != NULL && child != NULL;
         child = child->next) {
        struct search_key *c = search_key_copy(a, child);
        search_key_add(copy, c);
        copy = c == NULL ? NULL : copy;
    }
    return copy;
}
