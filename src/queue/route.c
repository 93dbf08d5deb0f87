/* The way to the next hop. A domain meets, in this order: the route that names it best, then what `delivery` says: a relay, the domain's
 * own mail hosts, or nobody.
 *
 *     routes    exact domain, else the longest ".domain" above it, else "*"
 *     relay     its hosts, the next when one cannot be spoken to
 *     mx        queue/mx.c, with what the domain says about TLS: DANE (part of that search), else MTA-STS (sts_find.c)
 *
 * The two policies meet here. DANE goes first for a host that has anchors (RFC 8461, 2): a policy cannot weaken it. Without anchors, a
 * policy in mode enforce leaves out hosts that it does not name and demands the right certificate of the others; in mode testing it
 * only lets the log say what would have failed. Without both, TLS is taken when offered, from whoever answers (RFC 7435). */
#include "queue/route.h"

#include <stdlib.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "mime/idna.h"
#include "net/resolve.h"
#include "queue/sts_find.h"
#include "wire/next_hop.h"

enum {
    RELAYS_MOST = 16,
    MEMORY_MOST = 64 * 1024,
    DOMAIN_MOST = 255,
    FAMILY_FAILED = 3 /* in a row: then the other family goes first */
};

enum target_kind { TO_NOBODY, TO_RELAYS, TO_MX, TO_HOST };

/* One word of the setting. */
struct entry {
    struct str pattern;
    struct str target; /* as written: the key */
    enum target_kind kind;
    struct route_host host;
    struct sockaddr_storage path; /* of a Unix socket */
};

struct routes {
    struct routes_args args;
    VEC(struct entry) entries;
    struct route_host relays[RELAYS_MOST];
    size_t relay_count;
    struct sts_finder *sts;
    struct kept *kept;
    unsigned v6_failed;
};

struct route {
    struct routes *routes;
    struct arena *arena;
    struct str domain;
    enum err err;
    struct route_host *hosts;
    size_t host_count;
    struct mx_search *mx;
    struct sts_search *sts;
    const struct mx_host *found; /* borrowed from mx */
    size_t found_count;
    bool has_mx; /* it has answered */
    bool has_sts;
    struct sts_policy policy; /* STS_NONE: none */
    void (*on_answer)(void *owner, enum err e, const struct route_host *hosts, size_t count);
    void *owner;
};

/* ---- reading the settings ---- */

/* What a policy of ours means. */
static void set_policy(const struct routes_args *args, enum smtp_tls_policy tls,
                       struct route_host *h)
{
    h->tls = tls;
    h->is_checked = h->is_authentic = tls == SMTP_TLS_REQUIRED;
    h->tls_context = h->is_checked ? args->tls_checked : args->tls_any;
}

static void set_host(const struct routes_args *args, const struct next_hop *hop, struct entry *e)
{
    static const enum smtp_tls_policy POLICIES[] = {[NEXT_HOP_TLS_OFFERED] = SMTP_TLS_OFFERED,
                                                    [NEXT_HOP_TLS_OFF] = SMTP_TLS_OFF,
                                                    [NEXT_HOP_TLS_REQUIRED] = SMTP_TLS_REQUIRED};
    e->host = (struct route_host){
        .name = hop->name,
        .port = hop->port,
        .is_lmtp = hop->kind != NEXT_HOP_SMTP,
        .is_tls_implicit = hop->is_implicit,
    };
    set_policy(args, POLICIES[hop->tls], &e->host);
    if (hop->kind == NEXT_HOP_LMTP_UNIX) {
        struct sockaddr_un *at = (struct sockaddr_un *)&e->path;
        at->sun_family = AF_UNIX;
        memcpy(at->sun_path, hop->name.p, hop->name.n); /* it fits: next_hop.c */
        e->host.tls = SMTP_TLS_OFF;
        e->host.at_count = 1;
    }
}

static enum err read_routes(struct routes *r)
{
    struct str left = r->args.routes;
    while (left.n > 0) {
        struct next_hop_route route;
        struct entry e = {.kind = TO_HOST};
        struct str word = str_split(&left, ' ');
        if (word.n == 0) {
            continue;
        }
        if (!next_hop_parse_route(word, &route)) {
            return ERR_SYNTAX;
        }
        e.pattern = route.pattern;
        e.target = route.target;
        if (route.hop.kind == NEXT_HOP_MX || route.hop.kind == NEXT_HOP_RELAY) {
            e.kind = route.hop.kind == NEXT_HOP_MX ? TO_MX : TO_RELAYS;
        } else {
            set_host(&r->args, &route.hop, &e);
        }
        vec_push(&r->entries, e);
    }
    return ERR_OK;
}

/* A password is for the relay alone. Where anybody may answer in its place (RFC 5383, 3), TLS that is merely offered would give it away. */
static enum smtp_tls_policy get_relay_tls(const struct routes_args *args)
{
    bool is_secret = args->relay_user.n > 0 && args->relay_tls == SMTP_TLS_OFFERED;
    return is_secret ? SMTP_TLS_REQUIRED : args->relay_tls;
}

static enum err read_relays(struct routes *r)
{
    const struct routes_args *args = &r->args;
    struct str left = args->relay_hosts;
    while (left.n > 0) {
        struct str word = str_split(&left, ' ');
        struct route_host h = {
            .port = args->relay_port,
            .is_tls_implicit = args->is_relay_implicit,
            .user = args->relay_user,
            .password = args->relay_password,
        };
        if (word.n == 0) {
            continue;
        }
        if (r->relay_count == RELAYS_MOST || !next_hop_parse_host(word, &h.name, &h.port)) {
            return ERR_SYNTAX;
        }
        set_policy(args, get_relay_tls(args), &h);
        r->relays[r->relay_count++] = h;
    }
    return ERR_OK;
}

static enum err start_sts(struct routes *r)
{
    const struct routes_args *args = &r->args;
    if (args->http == NULL || args->mx.dns == NULL) {
        return ERR_OK;
    }
    struct sts_finder_args sts = {args->loop,     args->mx.dns,   args->http,
                                  args->sts_path, args->sts_port, args->mx.reach};
    return sts_finder_new(&sts, &r->sts);
}

enum err routes_new(const struct routes_args *args, struct routes **out)
{
    struct routes *r = mem_new(sizeof(*r));
    r->args = *args;
    r->kept = kept_new(args->loop);
    enum err e = read_routes(r);
    e = e == ERR_OK ? read_relays(r) : e;
    if (e != ERR_OK) {
        log_error("the settings routes and relay_host cannot be read");
    }
    e = e == ERR_OK ? start_sts(r) : e;
    if (e != ERR_OK) {
        routes_free(&r);
        return e;
    }
    *out = r;
    return ERR_OK;
}

void routes_free(struct routes **r)
{
    if (*r != NULL) {
        kept_free(&(*r)->kept);
        sts_finder_free(&(*r)->sts);
        vec_release(&(*r)->entries);
        free(*r);
        *r = NULL;
    }
}

struct kept *routes_get_kept(struct routes *r)
{
    return r->kept;
}

struct tls_context *routes_get_tls_any(const struct routes *r)
{
    return r->args.tls_any;
}

void routes_on_connect(struct routes *r, int family, bool has_succeeded)
{
    if (family != AF_INET6) {
        return;
    }
    r->v6_failed = has_succeeded ? 0 : r->v6_failed + 1;
    r->args.mx.is_v4_first = r->v6_failed >= FAMILY_FAILED;
}

/* ---- choosing ---- */

/* How well the pattern fits: 0: not at all. */
static size_t get_fit(struct str pattern, struct str domain)
{
    if (str_eq_nocase(pattern, domain)) {
        return SIZE_MAX;
    }
    if (str_eq(pattern, STR("*"))) {
        return 1;
    }
    bool is_below = pattern.n > 1 && pattern.p[0] == '.' && str_ends_nocase(domain, pattern);
    return is_below ? pattern.n : 0;
}

static const struct entry *find_entry(const struct routes *r, struct str domain)
{
    const struct entry *best = NULL;
    size_t best_fit = 0;
    for (size_t i = 0; i < r->entries.count; i++) {
        size_t fit = get_fit(r->entries.at[i].pattern, domain);
        if (fit > best_fit) {
            best = &r->entries.at[i];
            best_fit = fit;
        }
    }
    return best;
}

static enum target_kind find_kind(const struct routes *r, const struct entry *e)
{
    static const enum target_kind KINDS[] = {
        [ROUTE_NONE] = TO_NOBODY, [ROUTE_RELAY] = TO_RELAYS, [ROUTE_DIRECT] = TO_MX};
    enum target_kind kind = e != NULL ? e->kind : KINDS[r->args.delivery];
    bool is_there =
        (kind != TO_RELAYS || r->relay_count > 0) && (kind != TO_MX || r->args.mx.dns != NULL);
    return is_there ? kind : TO_NOBODY;
}

enum err routes_write_key(const struct routes *r, struct str domain, struct buf *key)
{
    CLEANUP(buf_release) struct buf ascii = BUF_INIT(DOMAIN_MOST);
    if (domain.n == 0 || idna_to_ascii(domain, &ascii) != ERR_OK) {
        return ERR_BAD_ADDRESS;
    }
    const struct entry *e = find_entry(r, buf_str(&ascii));
    switch (find_kind(r, e)) {
    case TO_RELAYS:
        buf_add(key, STR("relay"));
        return ERR_OK;
    case TO_MX:
        buf_addf(key, "mx:%.*s", STR_ARG(buf_str(&ascii)));
        return buf_err(key);
    case TO_HOST:
        buf_add(key, e->target);
        return buf_err(key);
    case TO_NOBODY:
    default:
        return ERR_NO_RELAY;
    }
}

/* ---- answering ---- */

static void answer(void *owner)
{
    struct route *q = owner;
    q->on_answer(q->owner, q->err, q->hosts, q->host_count);
}

static void finish(struct route *q, enum err e)
{
    q->err = e;
    loop_defer(q->routes->args.loop, answer, q);
}

/* What is asked of one mail host of the domain. */
static void set_terms(const struct route *q, const struct mx_host *m, struct route_host *h)
{
    const struct routes_args *args = &q->routes->args;
    h->tls = SMTP_TLS_OFFERED;
    h->tls_context = args->tls_any;
    h->is_own_policy = true;
    if (m->is_tls_needed) {
        h->tls = SMTP_TLS_REQUIRED;
        h->anchors = m->anchors;
        h->anchor_count = m->anchor_count;
        h->also = m->also;
        h->is_authentic = m->anchor_count > 0;
        return;
    }
    bool is_covered = q->policy.mode == STS_NONE || sts_covers(&q->policy, m->name);
    if (!is_covered) {
        log_info("queue: mail host %.*s of %.*s is not in its MTA-STS policy%s", STR_ARG(m->name),
                 STR_ARG(q->domain), q->policy.mode == STS_TESTING ? " (testing)" : "");
    }
    if (q->policy.mode == STS_ENFORCE) {
        h->tls = SMTP_TLS_REQUIRED;
        h->tls_context = args->tls_checked;
        h->is_checked = h->is_authentic = true;
        h->is_outside_policy = !is_covered;
    }
}

static void combine(struct route *q)
{
    if (!q->has_mx || !q->has_sts || q->err != ERR_OK) {
        return;
    }
    q->hosts = arena_array(q->arena, struct route_host, q->found_count);
    for (size_t i = 0; q->hosts != NULL && i < q->found_count; i++) {
        const struct mx_host *m = &q->found[i];
        struct route_host *h = &q->hosts[q->host_count++];
        h->name = m->name;
        h->port = q->routes->args.mx.port;
        h->at = m->at;
        h->at_count = m->at_count;
        set_terms(q, m, h);
    }
    finish(q, q->host_count > 0 ? ERR_OK : ERR_LIMIT);
}

static void on_mx(void *owner, enum err e, const struct mx_host *hosts, size_t count)
{
    struct route *q = owner;
    q->has_mx = true;
    q->found = hosts;
    q->found_count = count;
    if (e != ERR_OK) {
        sts_cancel(&q->sts);
        finish(q, e);
        return;
    }
    combine(q);
}

static void on_policy(void *owner, const struct sts_policy *policy)
{
    struct route *q = owner;
    q->sts = NULL;
    q->has_sts = true;
    if (policy != NULL) {
        q->policy = *policy;
        q->policy.mx = arena_str(q->arena, policy->mx);
    }
    combine(q);
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321, 4.1.3): that is the host. */
static bool take_literal(struct route *q)
{
    struct sockaddr_storage at;
    const struct mx_args *mx = &q->routes->args.mx;
    struct str inner = q->domain;
    if (!str_starts(inner, STR("[")) || !str_ends(inner, STR("]"))) {
        return false;
    }
    inner = str_sub(inner, 1, inner.n - 2);
    inner = str_starts_nocase(inner, STR("IPv6:")) ? str_skip(inner, 5) : inner;
    struct sockaddr_storage *kept = arena_one(q->arena, struct sockaddr_storage);
    struct route_host *h = arena_one(q->arena, struct route_host);
    if (kept == NULL || h == NULL || !resolve_numeric(inner, mx->port, &at)) {
        finish(q, ERR_NO_DOMAIN);
        return true;
    }
    if (mx->reach != MX_REACH_ANY && resolve_is_own_address(&at)) {
        finish(q, ERR_MX_LOOP);
        return true;
    }
    *kept = at;
    *h = (struct route_host){.name = q->domain, .port = mx->port, .at = kept, .at_count = 1};
    h->tls = SMTP_TLS_OFFERED;
    h->tls_context = q->routes->args.tls_any;
    q->hosts = h;
    q->host_count = 1;
    finish(q, mx_may_reach(mx->reach, &at) ? ERR_OK : ERR_NO_HOST);
    return true;
}

static void start_mx(struct route *q)
{
    struct routes *r = q->routes;
    if (take_literal(q)) {
        return;
    }
    q->mx = mx_find(&r->args.mx, q->domain, on_mx, q);
    q->has_sts = r->sts == NULL;
    if (!q->has_sts) {
        q->sts = sts_find(r->sts, q->domain, on_policy, q);
    }
}

static void give_hosts(struct route *q, const struct route_host *hosts, size_t count)
{
    q->hosts = arena_array(q->arena, struct route_host, count);
    if (q->hosts == NULL) {
        finish(q, ERR_LIMIT);
        return;
    }
    memcpy(q->hosts, hosts, count * sizeof(*hosts));
    q->host_count = count;
    finish(q, ERR_OK);
}

static void start(struct route *q)
{
    const struct routes *r = q->routes;
    const struct entry *e = find_entry(r, q->domain);
    enum target_kind kind = find_kind(r, e);
    if (kind == TO_MX) {
        start_mx(q);
    } else if (kind == TO_RELAYS) {
        give_hosts(q, r->relays, r->relay_count);
    } else if (kind == TO_HOST) {
        give_hosts(q, &e->host, 1);
        q->hosts[0].at = e->path.ss_family == AF_UNIX ? &e->path : NULL;
    } else {
        finish(q, ERR_NO_RELAY);
    }
}

struct route *route_find(struct routes *r, struct str domain,
                         void (*on_answer)(void *owner, enum err e, const struct route_host *hosts,
                                           size_t count),
                         void *owner)
{
    CLEANUP(buf_release) struct buf ascii = BUF_INIT(DOMAIN_MOST);
    struct route *q = mem_new(sizeof(*q));
    q->routes = r;
    q->arena = arena_new(MEMORY_MOST);
    q->on_answer = on_answer;
    q->owner = owner;
    if (domain.n == 0 || idna_to_ascii(domain, &ascii) != ERR_OK) {
        finish(q, ERR_BAD_ADDRESS);
        return q;
    }
    q->domain = arena_str(q->arena, buf_str(&ascii));
    start(q);
    return q;
}

void route_free(struct route **q)
{
    if (*q == NULL) {
        return;
    }
    mx_free(&(*q)->mx);
    sts_cancel(&(*q)->sts);
    loop_cancel_deferred((*q)->routes->args.loop, *q);
    arena_free(&(*q)->arena);
    free(*q);
    *q = NULL;
}
