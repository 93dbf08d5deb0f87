/* Shares of edges.
 *
 * An edge says where its clients are, so limits by address (delays.h) hold for clients and not for an edge that lies.
 * What it cannot choose is its own name, which comes with the link. By that name it has
 *
 *     a number of logins within a minute that do not succeed,
 *     its attempts in the table, where in a full one the edge that has most of them makes room,
 *     a line for Argon2id: edges take turns, so that a thousand guesses through one of them delay a login through
 * another by one check.
 *
 * The number is a bucket that leaks, as in edge/limits.c: a login that begins fills it by one, one that succeeds takes fifteen
 * sixteenths of that out again. So a taken-over edge can't guess faster, nor begin exchanges without end; phones that all come
 * back at once, with the right passwords, hardly fill it; and an edge that was slowed waits for its turn, with its logins in
 * line (edge/line.h), and refuses nobody.
 *
 * Names come from certificates and the configuration, so there are few; shares are kept. */
#include "auth/shares.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"

#include <stdio.h>
#include <stdlib.h>

static const uint64_t MINUTE_US = 60ULL * 1000 * 1000;

struct shares {
    VEC(struct share *) all;
    size_t turn; /* whose it is */
    uint64_t minute_most;
    struct log_pace pace;
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

static uint64_t get_cost_us(const struct shares *s)
{
    return s->minute_most == 0 ? 0 : MINUTE_US / s->minute_most;
}

uint64_t shares_begin(struct shares *s, struct share *edge, uint64_t now_ms)
{
    uint64_t now_us = now_ms * 1000;
    uint64_t full_us = now_us + MINUTE_US;
    uint64_t from_us = edge->empty_us > now_us ? edge->empty_us : now_us;
    uint64_t empty_us = from_us + get_cost_us(s);
    if (empty_us <= full_us) {
        edge->empty_us = empty_us;
        return 0;
    }
    const char *others = log_pace(&s->pace, now_ms);
    if (others != NULL) {
        log_warn("edge %s brings more than %llu logins within a minute that do not succeed; it has "
                 "to wait%s",
                 edge->name, (unsigned long long)s->minute_most, others);
    }
    return (empty_us - full_us) / 1000 + 1;
}

static void take_out(struct share *edge, uint64_t back_us, uint64_t now_ms)
{
    uint64_t level_us = edge->empty_us > now_ms * 1000 ? edge->empty_us - now_ms * 1000 : 0;
    edge->empty_us -= back_us < level_us ? back_us : level_us;
}

void shares_note_success(const struct shares *s, struct share *edge, uint64_t now_ms)
{
    take_out(edge, get_cost_us(s) / SHARES_SUCCESS_PART * (SHARES_SUCCESS_PART - 1), now_ms);
}

void shares_take_back(const struct shares *s, struct share *edge, uint64_t now_ms)
{
    take_out(edge, get_cost_us(s), now_ms);
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
