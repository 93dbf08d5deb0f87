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
