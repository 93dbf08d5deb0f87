/* Substring search in a stream.
 *
 *   window   | tail: the last (longest - 1) octets of keys | keys of the octets just fed |
 *
 * Whatever ends in the new octets begins at most longest - 1 octets before them, so a text that lies across any number of pieces
 * is found, and memory is one piece and one tail. Text and needles are compared by their casemap keys (mime/casemap.h),
 * which are made character by character and so can be made piece by piece. */
#include "search/match.h"

#include "mime/casemap.h"

#include <stdint.h>

void match_init(struct match *m, struct needle *needles, size_t count)
{
    *m = (struct match){.at = needles, .count = count};
    buf_init(&m->window, SIZE_MAX);
    for (size_t i = 0; i < count; i++) {
        m->longest = needles[i].key.n > m->longest ? needles[i].key.n : m->longest;
    }
}

void match_release(struct match *m)
{
    buf_release(&m->window);
}

void match_begin(struct match *m)
{
    buf_clear(&m->window);
}

static bool looks_into(const struct needle *n, const struct content_text *t)
{
    switch (t->kind) {
    case CONTENT_FIELD:
        return n->kind == SEARCH_TEXT;
    case CONTENT_VALUE:
        return n->kind == SEARCH_HEADER && str_eq_nocase(n->field, t->field);
    case CONTENT_PART:
        break;
    }
    return n->kind != SEARCH_HEADER;
}

bool match_begin_text(struct match *m, const struct content_text *t)
{
    bool is_wanted = false;
    match_begin(m);
    for (size_t i = 0; i < m->count; i++) {
        struct needle *n = &m->at[i];
        n->is_active = looks_into(n, t);
        if (n->fuzzy != NULL) {
            fuzzy_end_text(n->fuzzy);
        }
        is_wanted = is_wanted || (n->is_active && !n->is_found);
    }
    return is_wanted;
}

bool match_feed(struct match *m, struct str utf8)
{
    bool has_new = false;
    size_t before = m->window.len;
    casemap_write(utf8, &m->window);
    for (size_t i = 0; i < m->count; i++) {
        struct needle *n = &m->at[i];
        if (!n->is_active || n->is_found) {
            continue;
        }
        if (n->fuzzy != NULL) {
            fuzzy_feed(n->fuzzy, str_skip(buf_str(&m->window), before));
            continue;
        }
        n->is_found = n->key.n == 0 || str_find_str(buf_str(&m->window), n->key) < m->window.len;
        has_new = has_new || n->is_found;
    }
    size_t tail = m->longest == 0 ? 0 : m->longest - 1;
    if (m->window.len > tail) {
        buf_consume(&m->window, m->window.len - tail);
    }
    return has_new;
}
