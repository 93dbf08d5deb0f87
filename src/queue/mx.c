/* From a domain to addresses, in steps; within one, questions run side by side:
 *
 *     MX of the domain        none: the domain itself is the host (implicit MX); only the root: it takes no mail (RFC 7505)
 *     sort, mix, cut          by preference; equals in random order; if we are among them, only hosts better than us (RFC 5321, 5.1)
 *     A and AAAA of each      families in turn, so that a dead one costs one attempt
 *     TLSA of each            with DANE, and only where MX and addresses were authentic (RFC 7672, 2.2)
 *
 * Records are a stranger's word for where we connect to, so what they may name is limited (mx_may_reach()). An answer that could not be
 * had is never taken for "none": a host whose TLSA records might exist is left out (RFC 7672, 2.1.2), and if nothing else is left the
 * whole search is for later. */
#include "queue/mx.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/resolve.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/random.h>

enum { FAMILY_V6, FAMILY_V4, FAMILIES };

enum { MEMORY_MOST = 512 * 1024, ANCHORS_MOST = 16 };

/* A host under examination. */
struct candidate {
    struct mx_search *search;
    struct str name;
    struct str real_name; /* where CNAMEs led */
    uint16_t preference;
    uint32_t random;
    struct dns_query *address_query[FAMILIES];
    struct dns_query *anchor_query;
    struct sockaddr_storage at[FAMILIES][MX_ADDRESSES_MOST];
    size_t at_count[FAMILIES];
    bool is_authentic; /* all addresses so far */
    bool is_later;     /* something could not be learnt */
    bool is_ours;
    bool has_asked_real;
    struct tls_anchor *anchors;
    size_t anchor_count;
    bool has_anchor_records;
};

struct mx_search {
    const struct mx_args *args;
    struct arena *arena;
    struct str domain;
    struct dns_query *mx_query;
    bool is_authentic; /* the MX records */
    struct candidate candidates[MX_HOSTS_MOST];
    size_t count;
    size_t open; /* candidates that wait for answers */
    bool is_cut; /* hosts were left out because we are one of them */
    enum err err;
    struct mx_host *hosts;
    size_t host_count;
    void (*on_answer)(void *owner, enum err e, const struct mx_host *hosts, size_t count);
    void *owner;
};

/* ---- where we may go ---- */

static bool is_private_v4(uint32_t a)
{
    return a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8
           || a >> 22 == 0x191; /* 100.64/10 */
}

static bool is_odd_v4(uint32_t a)
{
    return a >> 24 == 0 || a >> 24 == 127 || a >> 16 == 0xa9fe || a >> 28 >= 0xe;
}

static bool is_private_v6(const struct in6_addr *a)
{
    return (a->s6_addr[0] & 0xfe) == 0xfc;
}

static bool is_odd_v6(const struct in6_addr *a)
{
    return IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_LINKLOCAL(a)
           || IN6_IS_ADDR_MULTICAST(a) || IN6_IS_ADDR_SITELOCAL(a) || IN6_IS_ADDR_V4COMPAT(a);
}

/* An IPv4 address that an IPv6 address leads to: mapped, translated (RFC 6052, RFC 7915) or by 6to4 (RFC 3056). A translator on our network
 * would take us to it. */
static bool find_v4_inside(const struct in6_addr *a, uint32_t *out)
{
    static const struct {
        uint8_t prefix[12];
        size_t prefix_size;
        size_t at;
    } FORMS[] = {
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 12, 12},
        {{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0}, 12, 12},
        {{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}, 12, 12},
        {{0x20, 0x02}, 2, 2},
    };
    for (size_t i = 0; i < sizeof(FORMS) / sizeof(FORMS[0]); i++) {
        if (memcmp(a->s6_addr, FORMS[i].prefix, FORMS[i].prefix_size) == 0) {
            memcpy(out, &a->s6_addr[FORMS[i].at], sizeof(*out));
            *out = ntohl(*out);
            return true;
        }
    }
    return false;
}

/* Also the translators' prefix for use inside one network (RFC 8215). */
static bool is_local_translation(const struct in6_addr *a)
{
    static const uint8_t PREFIX[] = {0, 0x64, 0xff, 0x9b, 0, 1};
    return memcmp(a->s6_addr, PREFIX, sizeof(PREFIX)) == 0;
}

bool mx_may_reach(enum mx_reach reach, const struct sockaddr_storage *at)
{
    bool is_odd = true;
    bool is_private = false;
    if (reach == MX_REACH_ANY) {
        return true;
    }
    if (at->ss_family == AF_INET) {
        uint32_t a = ntohl(((const struct sockaddr_in *)at)->sin_addr.s_addr);
        is_odd = is_odd_v4(a);
        is_private = is_private_v4(a);
    } else if (at->ss_family == AF_INET6) {
        const struct in6_addr *a = &((const struct sockaddr_in6 *)at)->sin6_addr;
        uint32_t v4 = 0;
        bool has_v4 = find_v4_inside(a, &v4);
        is_odd = is_odd_v6(a) || is_local_translation(a) || (has_v4 && is_odd_v4(v4));
        is_private = is_private_v6(a) || (has_v4 && is_private_v4(v4));
    }
    return !is_odd && !(is_private && reach == MX_REACH_PUBLIC);
}

/* ---- the end ---- */

static void answer(void *owner)
{
    struct mx_search *s = owner;
    s->on_answer(s->owner, s->err, s->hosts, s->host_count);
}

static void finish(struct mx_search *s, enum err e)
{
    s->err = e;
    loop_defer(s->args->loop, answer, s);
}

/* The addresses of both families in turn. */
static void write_addresses(struct mx_search *s, const struct candidate *c, struct mx_host *h)
{
    struct sockaddr_storage *at =
        arena_array(s->arena, struct sockaddr_storage, FAMILIES * MX_ADDRESSES_MOST);
    int first = s->args->is_v4_first ? FAMILY_V4 : FAMILY_V6;
    for (size_t i = 0; at != NULL && i < MX_ADDRESSES_MOST; i++) {
        for (int k = 0; k < FAMILIES; k++) {
            int family = k == 0 ? first : FAMILIES - 1 - first;
            if (i < c->at_count[family]) {
                at[h->at_count++] = c->at[family][i];
            }
        }
    }
    h->at = at;
}

static bool is_usable(const struct candidate *c)
{
    return !c->is_later && c->at_count[FAMILY_V4] + c->at_count[FAMILY_V6] > 0;
}

static void add_host(struct mx_search *s, const struct candidate *c)
{
    struct mx_host *h = &s->hosts[s->host_count++];
    bool is_other = c->has_asked_real && c->real_name.n > 0 && !str_eq(c->real_name, c->name);
    *h = (struct mx_host){
        .name = c->name,
        .also = is_other ? c->real_name : s->domain,
        .anchors = c->anchors,
        .anchor_count = c->anchor_count,
        .is_tls_needed = c->has_anchor_records,
    };
    write_addresses(s, c, h);
}

/* Our own preference, if we are among the hosts: only better ones count (RFC 5321, 5.1). */
static uint32_t get_limit(const struct mx_search *s)
{
    uint32_t limit = UINT32_MAX;
    for (size_t i = 0; i < s->count; i++) {
        const struct candidate *c = &s->candidates[i];
        limit = c->is_ours && c->preference < limit ? c->preference : limit;
    }
    return limit;
}

/* All answers are in. */
static void conclude(struct mx_search *s)
{
    bool is_later = false;
    uint32_t limit = get_limit(s);
    s->hosts = arena_array(s->arena, struct mx_host, MX_HOSTS_MOST);
    for (size_t i = 0; s->hosts != NULL && i < s->count; i++) {
        const struct candidate *c = &s->candidates[i];
        bool is_cut = c->preference >= limit;
        s->is_cut = s->is_cut || is_cut;
        is_later = is_later || (c->is_later && !is_cut);
        if (is_usable(c) && !is_cut) {
            add_host(s, c);
        }
    }
    if (s->host_count > 0) {
        finish(s, ERR_OK);
    } else if (is_later) {
        finish(s, ERR_DNS_LATER);
    } else {
        finish(s, s->is_cut ? ERR_MX_LOOP : ERR_NO_HOST);
    }
}

static void candidate_done(struct candidate *c)
{
    struct mx_search *s = c->search;
    s->open--;
    if (s->open == 0) {
        conclude(s);
    }
}

/* ---- TLSA ---- */

static void ask_anchors(struct candidate *c, struct str name);

static void take_anchors(struct candidate *c, const struct dns_answer *a)
{
    c->has_anchor_records = true;
    c->anchors = arena_array(c->search->arena, struct tls_anchor, ANCHORS_MOST);
    for (size_t i = 0; c->anchors != NULL && i < a->count && c->anchor_count < ANCHORS_MOST; i++) {
        const struct dns_record *r = &a->records[i];
        struct tls_anchor anchor = {r->usage, r->selector, r->matching,
                                    arena_str(c->search->arena, r->data)};
        if (tls_anchor_is_usable(&anchor)) {
            c->anchors[c->anchor_count++] = anchor;
        }
    }
}

static void on_anchors(void *owner, enum err e, const struct dns_answer *a)
{
    struct candidate *c = owner;
    c->anchor_query = NULL;
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        log_info("queue: %.*s is left out: its TLSA records cannot be had", STR_ARG(c->name));
        c->is_later = true;
    } else if (e == ERR_OK && a->count > 0 && a->is_authentic) {
        take_anchors(c, a);
    } else if (c->has_asked_real && !str_eq(c->real_name, c->name)) {
        c->has_asked_real = false;
        ask_anchors(c, c->name);
        return;
    }
    candidate_done(c);
}

static void ask_anchors(struct candidate *c, struct str name)
{
    const struct mx_args *args = c->search->args;
    struct str full = arena_printf(c->search->arena, "_%u._tcp.%.*s", args->port, STR_ARG(name));
    c->anchor_query = dns_ask(args->dns, full, DNS_TLSA, on_anchors, c);
}

/* ---- addresses ---- */

static void after_addresses(struct candidate *c)
{
    struct mx_search *s = c->search;
    bool is_dane = s->args->has_dane && s->is_authentic && c->is_authentic && is_usable(c);
    if (is_dane) {
        c->has_asked_real = true;
        ask_anchors(c, c->real_name.n > 0 ? c->real_name : c->name);
        return;
    }
    candidate_done(c);
}

static void set_port(struct sockaddr_storage *at, uint16_t port)
{
    if (at->ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)at)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)at)->sin_port = htons(port);
    }
}

static void take_address(struct candidate *c, int family, struct sockaddr_storage at)
{
    const struct mx_args *args = c->search->args;
    if (!mx_may_reach(args->reach, &at)) {
        log_info("queue: an address of %.*s is none where mail of others may take us",
                 STR_ARG(c->name));
    } else if (args->reach != MX_REACH_ANY && resolve_is_own_address(&at)) {
        c->is_ours = true;
    } else if (c->at_count[family] < MX_ADDRESSES_MOST) {
        set_port(&at, args->port);
        c->at[family][c->at_count[family]++] = at;
    }
}

static void on_addresses(struct candidate *c, int family, enum err e, const struct dns_answer *a)
{
    c->address_query[family] = NULL;
    bool is_answered = e == ERR_OK || e == ERR_NOT_FOUND || e == ERR_SYNTAX;
    c->is_later = c->is_later || !is_answered;
    c->is_authentic = c->is_authentic && is_answered && a->is_authentic;
    for (size_t i = 0; e == ERR_OK && i < a->count; i++) {
        take_address(c, family, a->records[i].at);
    }
    if (e == ERR_OK && a->count > 0) {
        c->real_name = arena_str(c->search->arena, a->name);
    }
    if (c->address_query[FAMILY_V4] == NULL && c->address_query[FAMILY_V6] == NULL) {
        /* One family's silence does not matter when the other has answered. */
        c->is_later = c->is_later && c->at_count[FAMILY_V4] + c->at_count[FAMILY_V6] == 0;
        after_addresses(c);
    }
}

static void on_v4(void *owner, enum err e, const struct dns_answer *a)
{
    on_addresses(owner, FAMILY_V4, e, a);
}

static void on_v6(void *owner, enum err e, const struct dns_answer *a)
{
    on_addresses(owner, FAMILY_V6, e, a);
}

/* ---- hosts ---- */

static bool is_our_name(const struct mx_args *args, struct str name)
{
    return str_eq_nocase(name, args->hostname) || str_has_word_nocase(args->host_names, name);
}

static bool is_before(const struct candidate *a, const struct candidate *b)
{
    return a->preference != b->preference ? a->preference < b->preference : a->random < b->random;
}

/* Puts the host where it belongs; of too many the worst go. */
static void add_candidate(struct mx_search *s, struct str name, uint16_t preference)
{
    struct candidate c = {.search = s, .preference = preference, .is_authentic = true};
    c.name = arena_str(s->arena, name);
    c.is_ours = is_our_name(s->args, name);
    (void)!getrandom(&c.random, sizeof(c.random), GRND_NONBLOCK);
    size_t at = s->count;
    while (at > 0 && is_before(&c, &s->candidates[at - 1])) {
        at--;
    }
    if (at == MX_HOSTS_MOST) {
        return;
    }
    size_t moved = s->count < MX_HOSTS_MOST ? s->count - at : MX_HOSTS_MOST - 1 - at;
    memmove(&s->candidates[at + 1], &s->candidates[at], moved * sizeof(c));
    s->candidates[at] = c;
    s->count += s->count < MX_HOSTS_MOST ? 1 : 0;
}

static void examine(struct mx_search *s)
{
    s->open = s->count;
    for (size_t i = 0; i < s->count; i++) {
        struct candidate *c = &s->candidates[i];
        c->address_query[FAMILY_V4] = dns_ask(s->args->dns, c->name, DNS_A, on_v4, c);
        c->address_query[FAMILY_V6] = dns_ask(s->args->dns, c->name, DNS_AAAA, on_v6, c);
    }
}

static void on_mx(void *owner, enum err e, const struct dns_answer *a)
{
    struct mx_search *s = owner;
    s->mx_query = NULL;
    s->is_authentic = e == ERR_OK && a->is_authentic;
    if (e != ERR_OK) {
        bool is_gone = e == ERR_NOT_FOUND || e == ERR_SYNTAX;
        finish(s, is_gone ? ERR_NO_DOMAIN : ERR_DNS_LATER);
        return;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (a->records[i].host.n > 0) {
            add_candidate(s, a->records[i].host, a->records[i].preference);
        }
    }
    if (s->count == 0 && a->count > 0) {
        finish(s, ERR_NULL_MX);
        return;
    }
    if (s->count == 0) {
        add_candidate(s, s->domain, 0); /* RFC 5321, 5.1: the implicit MX */
    }
    examine(s);
}

struct mx_search *mx_find(const struct mx_args *args, struct str domain,
                          void (*on_answer)(void *owner, enum err e, const struct mx_host *hosts,
                                            size_t count),
                          void *owner)
{
    struct mx_search *s = mem_new(sizeof(*s));
    s->args = args;
    s->arena = arena_new(MEMORY_MOST);
    s->domain = arena_str(s->arena, domain);
    s->on_answer = on_answer;
    s->owner = owner;
    s->mx_query = dns_ask(args->dns, domain, DNS_MX, on_mx, s);
    return s;
}

void mx_free(struct mx_search **s)
{
    if (*s == NULL) {
        return;
    }
    for (size_t i = 0; i < (*s)->count; i++) {
        struct candidate *c = &(*s)->candidates[i];
        dns_cancel(&c->address_query[FAMILY_V4]);
        dns_cancel(&c->address_query[FAMILY_V6]);
        dns_cancel(&c->anchor_query);
    }
    dns_cancel(&(*s)->mx_query);
    loop_cancel_deferred((*s)->args->loop, *s);
    arena_free(&(*s)->arena);
    free(*s);
    *s = NULL;
}
