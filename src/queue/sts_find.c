/* A domain's policy, by the order of RFC 8461, 5.1:
 *
 *     TXT _mta-sts.<domain>     no record, no answer: what the cache has
 *     its id is the cached one, and that is young: what the cache has
 *     else                      fetch https://mta-sts.<domain>/.well-known/mta-sts.txt, keep it; cannot be had: what the cache has
 *
 * so whoever only suppresses answers never gets rid of a policy before its time; and a policy is fetched anew long before that (3.3), so
 * suppressing has to last for most of its age. A host that failed is left alone for a few minutes; only
 * so many failures are remembered, for strangers name the domains. */
#include "queue/sts_find.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

enum {
    MEMORY_MOST = 256 * 1024,
    FETCH_MS = 20 * 1000,
    FAILED_MOST = 64,
    FAILED_MS = 5 * 60 * 1000,
    DAY_MS = 24 * 60 * 60 * 1000,
    ADDRESSES_MOST = 8,
    STATUS_OK = 200
};

struct failed {
    uint64_t domain; /* its hash */
    uint64_t until_ms;
};

struct sts_finder {
    struct sts_finder_args args;
    struct sts_store *store;
    struct failed failed[FAILED_MOST];
    size_t failed_at;
};

struct sts_search {
    struct sts_finder *finder;
    struct arena *arena;
    struct str domain;
    struct str host; /* "mta-sts.<domain>" */
    struct str id;   /* of the record */
    bool has_cached;
    struct sts_entry entry; /* from the cache, or new */
    struct dns_query *query;
    struct http_call *call;
    struct sockaddr_storage at[ADDRESSES_MOST];
    size_t at_count;
    void (*on_answer)(void *owner, const struct sts_policy *policy);
    void *owner;
};

static void search_free(struct sts_search *s)
{
    loop_cancel_deferred(s->finder->args.loop, s);
    dns_cancel(&s->query);
    http_cancel(&s->call);
    arena_free(&s->arena);
    free(s);
}

static void answer(void *owner)
{
    struct sts_search *s = owner;
    bool has_policy = s->has_cached && s->entry.policy.mode != STS_NONE;
    s->on_answer(s->owner, has_policy ? &s->entry.policy : NULL);
    search_free(s);
}

static void finish(struct sts_search *s)
{
    loop_defer(s->finder->args.loop, answer, s);
}

/* ---- failures ---- */

static bool has_failed(const struct sts_finder *f, struct str domain)
{
    uint64_t hash = str_hash(domain);
    for (size_t i = 0; i < FAILED_MOST; i++) {
        if (f->failed[i].domain == hash && f->failed[i].until_ms > loop_now_ms(f->args.loop)) {
            return true;
        }
    }
    return false;
}

/* The policy that is there, if any, has to do. */
static void give_up(struct sts_search *s, const char *why)
{
    struct sts_finder *f = s->finder;
    log_info("queue: the MTA-STS policy of %.*s: %s", STR_ARG(s->domain), why);
    f->failed[f->failed_at] =
        (struct failed){str_hash(s->domain), loop_now_ms(f->args.loop) + FAILED_MS};
    f->failed_at = (f->failed_at + 1) % FAILED_MOST;
    finish(s);
}

/* ---- fetching ---- */

static void keep(struct sts_search *s, const struct sts_policy *policy)
{
    struct sts_finder *f = s->finder;
    s->entry = (struct sts_entry){
        .policy = *policy,
        .id = s->id,
        .expires_ms = loop_wall_ms(f->args.loop) + policy->max_age_s * 1000,
    };
    s->has_cached = true;
    if (sts_store_put(f->store, s->domain, &s->entry) != ERR_OK) {
        log_warn("queue: the MTA-STS policy of %.*s is not kept", STR_ARG(s->domain));
    }
}

static void on_fetched(void *owner, enum err e, const struct http_answer *a)
{
    struct sts_search *s = owner;
    struct sts_policy policy;
    s->call = NULL;
    if (e != ERR_OK || a->status != STATUS_OK) {
        give_up(s, e != ERR_OK ? err_get_info(e)->meaning : "the web server has none");
        return;
    }
    struct str type = a->content_type;
    if (!str_eq_nocase(str_trim(str_split(&type, ';')), STR("text/plain"))
        || sts_parse_policy(s->arena, a->body, &policy) != ERR_OK) {
        give_up(s, "cannot be read");
        return;
    }
    keep(s, &policy);
    finish(s);
}

static void fetch(struct sts_search *s)
{
    const struct sts_finder_args *args = &s->finder->args;
    CLEANUP(buf_release) struct buf url = BUF_INIT(1024);
    buf_addf(&url, "https://%.*s", STR_ARG(s->host));
    if (args->port != 443) {
        buf_addf(&url, ":%u", args->port);
    }
    buf_add(&url, STR("/.well-known/mta-sts.txt"));
    struct http_request r = {
        .url = buf_str(&url),
        .at = s->at,
        .at_count = s->at_count,
        .answer_most = STS_POLICY_MOST,
        .timeout_ms = FETCH_MS,
    };
    s->call = http_start(args->http, &r, on_fetched, s);
}

static void take_addresses(struct sts_search *s, enum err e, const struct dns_answer *a)
{
    s->query = NULL;
    for (size_t i = 0; e == ERR_OK && i < a->count && s->at_count < ADDRESSES_MOST; i++) {
        if (mx_may_reach(s->finder->args.reach, &a->records[i].at)) {
            s->at[s->at_count++] = a->records[i].at;
        }
    }
}

static void on_v6(void *owner, enum err e, const struct dns_answer *a)
{
    struct sts_search *s = owner;
    take_addresses(s, e, a);
    if (s->at_count == 0) {
        give_up(s, "its host has no address");
        return;
    }
    fetch(s);
}

static void on_v4(void *owner, enum err e, const struct dns_answer *a)
{
    struct sts_search *s = owner;
    take_addresses(s, e, a);
    s->query = dns_ask(s->finder->args.dns, s->host, DNS_AAAA, on_v6, s);
}

/* ---- the record ---- */

/* The one record of version STSv1; several are none (3.1). */
static bool find_id(const struct dns_answer *a, struct str *id)
{
    unsigned count = 0;
    for (size_t i = 0; i < a->count; i++) {
        count += sts_parse_record(a->records[i].text, id) ? 1 : 0;
    }
    return count == 1;
}

/* Needs no new look (3.3): less than a day, or half of its age, has gone by. */
static bool is_young(const struct sts_search *s)
{
    uint64_t age_ms = s->entry.policy.max_age_s * 1000;
    uint64_t left_ms = age_ms / 2 > DAY_MS ? age_ms - DAY_MS : age_ms / 2;
    return s->entry.expires_ms > loop_wall_ms(s->finder->args.loop) + left_ms;
}

static void on_record(void *owner, enum err e, const struct dns_answer *a)
{
    struct sts_search *s = owner;
    struct str id = STR_EMPTY;
    s->query = NULL;
    bool has_record = e == ERR_OK && find_id(a, &id);
    if (!has_record || (s->has_cached && str_eq(id, s->entry.id) && is_young(s))
        || has_failed(s->finder, s->domain)) {
        finish(s);
        return;
    }
    s->id = arena_str(s->arena, id);
    s->query = dns_ask(s->finder->args.dns, s->host, DNS_A, on_v4, s);
}

struct sts_search *sts_find(struct sts_finder *f, struct str domain,
                            void (*on_answer)(void *owner, const struct sts_policy *policy),
                            void *owner)
{
    struct sts_search *s = mem_new(sizeof(*s));
    s->finder = f;
    s->arena = arena_new(MEMORY_MOST);
    s->domain = arena_str(s->arena, domain);
    s->host = arena_printf(s->arena, "mta-sts.%.*s", STR_ARG(domain));
    s->on_answer = on_answer;
    s->owner = owner;
    s->has_cached =
        sts_store_find(f->store, domain, loop_wall_ms(f->args.loop), s->arena, &s->entry) == ERR_OK;
    struct str record = arena_printf(s->arena, "_mta-sts.%.*s", STR_ARG(domain));
    s->query = dns_ask(f->args.dns, record, DNS_TXT, on_record, s);
    return s;
}

void sts_cancel(struct sts_search **s)
{
    if (*s != NULL) {
        search_free(*s);
        *s = NULL;
    }
}

enum err sts_finder_new(const struct sts_finder_args *args, struct sts_finder **out)
{
    struct sts_store *store = NULL;
    TRY(sts_store_open(args->path, loop_wall_ms(args->loop), &store));
    struct sts_finder *f = mem_new(sizeof(*f));
    f->args = *args;
    f->store = store;
    *out = f;
    return ERR_OK;
}

void sts_finder_free(struct sts_finder **f)
{
    if (*f != NULL) {
        sts_store_close(&(*f)->store);
        free(*f);
        *f = NULL;
    }
}
