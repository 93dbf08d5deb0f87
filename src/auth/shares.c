/* Shares of edges.
 *
 * An edge says where its clients are, so limits by address (delays.h) hold for clients and not for an edge that lies.
 * What it cannot choose is its own name, which comes with the link. By that name it has
 *
 *     a number of logins within a minute,
 *     its attempts in the table, where in a full one the edge that has most of them makes room,
 *     a line for Argon2id: edges take turns, so that a thousand guesses through one of them delay a login through
 * another by one check.
 *
 * Names come from certificates and the configuration, so there are few; shares are kept. */
#include "auth/shares.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"

#include <stdio.h>
#include <stdlib.h>

struct shares {
    VEC(struct share *) all;
    size_t turn; /* whose it is */
    uint64_t minute_most;
};

struct shares *shares_new(uint64_t minute_most)
{
    struct shares *s = mem_new(sizeof(*s));
    s->minute_most = minute_most;
    return s;
}

void shares_free(struct shares **s)
{
    if (*s == NULL) {
        return;
    }
    for (size_t i = 0; i < (*s)->all.count; i++) {
        list_detach(&(*s)->all.at[i]->waiting);
        free((*s)->all.at[i]);
    }
    vec_release(&(*s)->all);
    free(*s);
    *s = NULL;
}

struct share *shares_get(struct shares *s, struct str edge)
{
    for (size_t i = 0; i < s->all.count; i++) {
        if (str_eq(str_from_c(s->all.at[i]->name), edge)) {
            return s->all.at[i];
        }
    }
    if (s->all.count == SHARES_MOST) {
        return s->all.at[SHARES_MOST - 1];
    }
    struct share *fresh = mem_new(sizeof(*fresh));
    (void)snprintf(fresh->name, sizeof(fresh->name), "%.*s", STR_ARG(edge));
    list_init(&fresh->waiting);
    vec_push(&s->all, fresh);
    return fresh;
}

bool shares_begin(struct shares *s, struct share *edge, uint64_t now_ms)
{
    if (now_ms - edge->minute_ms >= SHARES_MINUTE_MS) {
        edge->minute_ms = now_ms;
        edge->begun = 0;
    }
    edge->begun++;
    if (s->minute_most == 0 || edge->begun <= s->minute_most) {
        return true;
    }
    if (edge->begun == s->minute_most + 1) {
        log_warn("edge %s begins more than %llu logins within a minute; the rest are refused",
                 edge->name, (unsigned long long)s->minute_most);
    }
    return false;
}

struct list *shares_next(struct shares *s)
{
    for (size_t i = 0; i < s->all.count; i++) {
        struct share *edge = s->all.at[s->turn];
        s->turn = (s->turn + 1) % s->all.count;
        if (!list_is_empty(&edge->waiting)) {
            struct list *first = edge->waiting.next;
            list_remove(first);
            return first;
        }
    }
    return NULL;
}

const struct share *shares_find_largest(const struct shares *s)
{
    const struct share *largest = NULL;
    for (size_t i = 0; i < s->all.count; i++) {
        if (largest == NULL || s->all.at[i]->attempts > largest->attempts) {
            largest = s->all.at[i];
        }
    }
    return largest;
}
