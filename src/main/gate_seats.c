/* The links between this host and others.
 *
 * A seat is one link that there should be: our store 3 with the edge of dmz1. They are all known from the
 * configuration, so a host, whatever it does, fills its own seats and no more. The host that has the other's address
 * connects; when both have it, the one whose name sorts first.
 *
 *     seat:  empty --connect, TLS, HELLO, WELCOME--> open --either end goes--> empty, for a pause that doubles (0.1 to 10 s)
 *
 * What a host may cost before its certificate is known: strangers are bounded altogether and by address, and so are
 * connections within ten seconds by address; each has GATE_SHAKE_MS. So a neighbour that floods this port fills its
 * own share. What it may cost after that: a seat that is taken again ends the link that had it (which may be half
 * dead), at most once in SEAT_AGAIN_MS. What a link then carries is bounded by the roles (net/link.c, auth/).
 *
 * Everything that is refused is logged with name and address; of refusals that come thick, one line a second says how
 * many there were. */
#include "main/gate_seats.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "main/control.h"
#include "main/gate_link.h"
#include "main/link_identity.h"
#include "net/resolve.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PAUSE_FIRST_MS = 100,
    PAUSE_MOST_MS = 10 * 1000,
    STEADY_MS = 5 * 1000, /* a link that lived so long is no failure */
    STAGGER_MS = 10,      /* between the first tries of two seats */
    SEAT_AGAIN_MS = 500,
    CONNECT_MS = 30 * 1000,
    STRANGERS_MOST = 512,
    STRANGERS_PER_ADDRESS = 64,
    NEIGHBOURS_MOST = 256,
    WINDOW_MS = 10 * 1000,
    WINDOW_FREE = 100, /* connections of an address within it, besides WINDOW_TRIES for each seat */
    WINDOW_TRIES = 8,
    URIS_MOST = 1024
};

struct seat {
    struct gate_seats *all;
    const struct host *host;
    struct wish wish;
    struct visit *visit; /* that has it; NULL: empty */
    struct timer *again; /* NULL: the other host connects */
    uint64_t pause_ms;
    uint64_t since_ms; /* when the visit took it */
    size_t tries;      /* which address comes next */
    bool is_told;      /* why it is empty; once is enough */
};

/* A connection, ours or theirs. */
struct visit {
    struct list node;
    struct gate_seats *all;
    struct stream *socket; /* being connected */
    struct gate_link *link;
    struct seat *seat; /* NULL: a stranger */
    struct link_identity who;
    char address[INET6_ADDRSTRLEN];
};

/* How often an address came. */
struct neighbour {
    char address[INET6_ADDRSTRLEN];
    uint64_t since_ms;
    unsigned count;
};

struct gate_seats {
    struct gate_seats_args a;
    VEC(struct seat *) seats;
    VEC(struct neighbour) neighbours;
    struct list visits;
    uint64_t refused;
    struct log_pace
        paces[HOSTS_MOST]; /* of lines about refusals, by host; strangers have the first */
};

/* ---- words ---- */

/* A line a second for strangers, and for each host. */
static void log_refusal(struct gate_seats *s, const struct visit *v, const char *why)
{
    const struct host *host = hosts_find(s->a.hosts, str_from_c(v->who.name));
    size_t at = host == NULL ? 0 : (size_t)(host - s->a.hosts->at);
    s->refused++;
    const char *others = log_pace(&s->paces[at], loop_now_ms(s->a.loop));
    if (others != NULL) {
        log_warn("refused a link from %s [%s]: %s%s",
                 v->who.name[0] != '\0' ? v->who.name : "somebody", v->address, why, others);
    }
}

static void log_seat(const struct seat *t, const char *what)
{
    log_info("link of %s %u to %.*s, %s %u: %s", control_role_name(t->wish.here),
             t->wish.here_index, STR_ARG(t->host->name), control_role_name(t->wish.there),
             t->wish.there_index, what);
}

/* ---- seats ---- */

static void try_later(struct seat *t)
{
    if (t->again != NULL) {
        timer_start(t->again, t->pause_ms);
        t->pause_ms = t->pause_ms * 2 < PAUSE_MOST_MS ? t->pause_ms * 2 : PAUSE_MOST_MS;
    }
}

static void visit_free(struct visit *v)
{
    list_remove(&v->node);
    stream_free(&v->socket);
    gate_link_free(&v->link);
    if (v->seat != NULL && v->seat->visit == v) {
        v->seat->visit = NULL;
    }
    free(v);
}

static void leave(struct visit *v, const char *why)
{
    struct seat *t = v->seat;
    visit_free(v);
    if (t == NULL || t->visit != NULL) {
        return;
    }
    bool was_steady = t->since_ms != 0 && loop_now_ms(t->all->a.loop) - t->since_ms >= STEADY_MS;
    if (!t->is_told) {
        log_seat(t, why);
    }
    t->is_told = true;
    t->since_ms = 0;
    t->pause_ms = was_steady ? PAUSE_FIRST_MS : t->pause_ms;
    try_later(t);
}

/* ---- what a link asks ---- */

/* The host that the certificate names, with all that it says allowed by its section. */
static const struct host *find_host(const struct gate_seats *s, struct visit *v)
{
    CLEANUP(buf_release) struct buf uris = BUF_INIT(URIS_MOST);
    if (tls_get_peer_uris(gate_link_get_far(v->link), &uris) != ERR_OK
        || link_identity_parse(buf_str(&uris), &v->who) != ERR_OK) {
        return NULL;
    }
    return hosts_find(s->a.hosts, str_from_c(v->who.name));
}

static bool on_ready(void *owner, struct gate_link *l)
{
    struct visit *v = owner;
    const struct host *host = find_host(v->all, v);
    if (host == NULL) {
        log_refusal(v->all, v, "no section link is called so");
        return false;
    }
    if (v->seat != NULL
        && (host != v->seat->host || (v->who.roles >> v->seat->wish.there & 1) == 0)) {
        log_refusal(v->all, v,
                    "it is at the address of another host, or has not the role it should have");
        return false;
    }
    return true;
}

static struct seat *find_seat(const struct gate_seats *s, const struct host *host,
                              const struct wish *w)
{
    for (size_t i = 0; i < s->seats.count; i++) {
        struct seat *t = s->seats.at[i];
        if (t->host == host && t->wish.here == w->here && t->wish.here_index == w->here_index
            && t->wish.there == w->there && t->wish.there_index == w->there_index) {
            return t;
        }
    }
    return NULL;
}

static bool on_hello(void *owner, struct gate_link *l, const struct wish *w)
{
    struct visit *v = owner;
    struct gate_seats *s = v->all;
    const struct host *host = hosts_find(s->a.hosts, str_from_c(v->who.name));
    struct seat *t = find_seat(s, host, w);
    if ((v->who.roles >> w->there & 1) == 0) {
        log_refusal(s, v, "its certificate does not say the role that it claims");
        return false;
    }
    if (t == NULL) {
        log_refusal(s, v, "it wants what its section link, or its role, may not have");
        return false;
    }
    if (t->again != NULL && str_cmp(s->a.hosts->at[0].name, host->name) < 0) {
        log_refusal(s, v, "this host connects to that one");
        return false;
    }
    uint64_t now_ms = loop_now_ms(s->a.loop);
    if (t->visit != NULL && now_ms - t->since_ms < SEAT_AGAIN_MS) {
        log_refusal(s, v, "it has this link already");
        return false;
    }
    if (t->visit != NULL) {
        struct visit *old = t->visit;
        t->visit = NULL;
        t->since_ms = 0;
        visit_free(old);
    }
    v->seat = t;
    t->visit = v;
    return true;
}

static struct stream *on_open(void *owner, struct gate_link *l)
{
    struct visit *v = owner;
    struct seat *t = v->seat;
    struct gate_seats *s = v->all;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        return NULL;
    }
    unsigned index = hosts_get_index(s->a.hosts, t->host, t->wish.there, t->wish.there_index);
    bool is_joined = s->a.join(s->a.owner, &t->wish, index, t->host->name, pair[1]);
    if (!is_joined) {
        (void)close(pair[0]);
        return NULL;
    }
    t->since_ms = loop_now_ms(s->a.loop);
    t->is_told = false;
    log_seat(t, "it stands");
    return stream_from_fd(s->a.loop, pair[0]);
}

static void on_over(void *owner, struct gate_link *l, const char *why)
{
    leave(owner, why);
}

static const struct gate_link_handler LINK = {on_ready, on_hello, on_open, on_over};

static void start_link(struct visit *v, struct stream *far)
{
    struct gate_link_args args = {
        .loop = v->all->a.loop,
        .far = far,
        .hello = v->seat == NULL ? NULL : &v->seat->wish,
        .ping_ms = v->all->a.ping_ms,
        .dead_ms = v->all->a.dead_ms,
        .handler = &LINK,
        .owner = v,
    };
    v->link = gate_link_new(&args);
}

static struct visit *visit_new(struct gate_seats *s)
{
    struct visit *v = mem_new(sizeof(*v));
    v->all = s;
    list_append(&s->visits, &v->node);
    return v;
}

/* ---- connecting ---- */

static void on_connected(void *owner, enum err why)
{
    struct visit *v = owner;
    if (why != ERR_OK) {
        leave(v, err_get_info(why)->meaning);
        return;
    }
    struct stream *socket = v->socket;
    v->socket = NULL;
    start_link(v, tls_client_new(v->all->a.loop, v->all->a.client, socket, STR_EMPTY));
}

/* The address whose turn it is. */
static struct str get_address(struct seat *t)
{
    struct str rest = t->host->dial;
    size_t count = 0;
    for (struct str all = rest; all.n > 0;) {
        count += str_split(&all, ' ').n > 0 ? 1 : 0;
    }
    size_t at = count > 0 ? t->tries++ % count : 0;
    struct str one = STR_EMPTY;
    while (rest.n > 0) {
        one = str_split(&rest, ' ');
        if (one.n > 0 && at-- == 0) {
            break;
        }
    }
    return one;
}

static void on_again(void *owner)
{
    struct seat *t = owner;
    struct gate_seats *s = t->all;
    struct sockaddr_storage at;
    if (t->visit != NULL) {
        return; /* the other host came first */
    }
    struct str address = get_address(t);
    if (!resolve_numeric(address, t->host->port, &at)) {
        log_error("link \"%.*s\": %.*s is not an IPv4 or IPv6 address", STR_ARG(t->host->name),
                  STR_ARG(address));
        try_later(t);
        return;
    }
    struct visit *v = visit_new(s);
    (void)snprintf(v->address, sizeof(v->address), "%.*s", STR_ARG(address));
    v->seat = t;
    t->visit = v;
    v->socket = stream_connect(s->a.loop, &at, CONNECT_MS, on_connected, v);
}

/* ---- being connected to ---- */

static void write_address(const struct sockaddr_storage *peer, char out[INET6_ADDRSTRLEN])
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    memcpy(&v4, peer, sizeof(v4));
    memcpy(&v6, peer, sizeof(v6));
    const void *octets =
        peer->ss_family == AF_INET6 ? (const void *)&v6.sin6_addr : (const void *)&v4.sin_addr;
    if (inet_ntop(peer->ss_family, octets, out, INET6_ADDRSTRLEN) == NULL) {
        (void)snprintf(out, INET6_ADDRSTRLEN, "?");
    }
}

/* The count of an address; the one that was not seen for longest makes room for a new one. */
static struct neighbour *find_neighbour(struct gate_seats *s, const char *address)
{
    size_t oldest = 0;
    for (size_t i = 0; i < s->neighbours.count; i++) {
        struct neighbour *n = &s->neighbours.at[i];
        if (strcmp(n->address, address) == 0) {
            return n;
        }
        oldest = n->since_ms < s->neighbours.at[oldest].since_ms ? i : oldest;
    }
    if (s->neighbours.count == NEIGHBOURS_MOST) {
        vec_remove(&s->neighbours, oldest);
    }
    struct neighbour n = {.since_ms = loop_now_ms(s->a.loop)};
    (void)snprintf(n.address, sizeof(n.address), "%s", address);
    vec_push(&s->neighbours, n);
    return &s->neighbours.at[s->neighbours.count - 1];
}

/* Does the address keep to its share? */
static bool may_come(struct gate_seats *s, const char *address)
{
    size_t strangers = 0;
    size_t its_own = 0;
    list_each(node, &s->visits)
    {
        const struct visit *v = list_entry(node, struct visit, node);
        strangers += v->seat == NULL ? 1 : 0;
        its_own += v->seat == NULL && strcmp(v->address, address) == 0 ? 1 : 0;
    }
    struct neighbour *n = find_neighbour(s, address);
    uint64_t now_ms = loop_now_ms(s->a.loop);
    if (now_ms - n->since_ms >= WINDOW_MS) {
        n->since_ms = now_ms;
        n->count = 0;
    }
    n->count++;
    return strangers < STRANGERS_MOST && its_own < STRANGERS_PER_ADDRESS
           && n->count <= WINDOW_FREE + WINDOW_TRIES * s->seats.count;
}

void gate_seats_accept(struct gate_seats *s, int fd, const struct sockaddr_storage *peer)
{
    struct visit guest = {.all = s};
    write_address(peer, guest.address);
    if (!may_come(s, guest.address)) {
        log_refusal(s, &guest, "too many connections");
        (void)close(fd);
        return;
    }
    struct visit *v = visit_new(s);
    memcpy(v->address, guest.address, sizeof(v->address));
    start_link(v, tls_server_new(s->a.loop, s->a.server, stream_from_fd(s->a.loop, fd)));
}

/* ---- all of them ---- */

static void add_seats(struct gate_seats *s, const struct host *host)
{
    size_t at = 0;
    struct wish w;
    while (hosts_next_wish(s->a.hosts, host, &at, &w)) {
        struct seat *t = mem_new(sizeof(*t));
        *t = (struct seat){.all = s, .host = host, .wish = w, .pause_ms = PAUSE_FIRST_MS};
        if (host->dial.n > 0) {
            t->again = timer_new(s->a.loop, on_again, t);
            timer_start(t->again, 1 + STAGGER_MS * s->seats.count);
        }
        vec_push(&s->seats, t);
    }
}

struct gate_seats *gate_seats_new(const struct gate_seats_args *a)
{
    struct gate_seats *s = mem_new(sizeof(*s));
    s->a = *a;
    list_init(&s->visits);
    for (size_t i = 1; i < a->hosts->count; i++) {
        add_seats(s, &a->hosts->at[i]);
    }
    return s;
}

void gate_seats_free(struct gate_seats **s)
{
    struct gate_seats *gone = *s;
    *s = NULL;
    if (gone == NULL) {
        return;
    }
    list_each_safe(node, &gone->visits)
    {
        visit_free(list_entry(node, struct visit, node));
    }
    for (size_t i = 0; i < gone->seats.count; i++) {
        timer_free(&gone->seats.at[i]->again);
        free(gone->seats.at[i]);
    }
    vec_release(&gone->seats);
    vec_release(&gone->neighbours);
    free(gone);
}

void gate_seats_write_metrics(const struct gate_seats *s, struct buf *out)
{
    buf_add_c(out,
              "# TYPE limetta_host_links gauge\n"
              "# HELP limetta_host_links Links with other hosts that stand, and that should.\n");
    for (size_t h = 1; h < s->a.hosts->count; h++) {
        const struct host *host = &s->a.hosts->at[h];
        size_t wanted = 0;
        size_t open = 0;
        for (size_t i = 0; i < s->seats.count; i++) {
            const struct seat *t = s->seats.at[i];
            wanted += t->host == host ? 1 : 0;
            open += t->host == host && t->visit != NULL && t->since_ms != 0 ? 1 : 0;
        }
        buf_addf(out,
                 "limetta_host_links{host=\"%.*s\",state=\"up\"} %zu\n"
                 "limetta_host_links{host=\"%.*s\",state=\"wanted\"} %zu\n",
                 STR_ARG(host->name), open, STR_ARG(host->name), wanted);
    }
    buf_addf(out,
             "# TYPE limetta_host_links_refused counter\n"
             "# HELP limetta_host_links_refused Links that other hosts asked for and did not get.\n"
             "limetta_host_links_refused_total %llu\n",
             (unsigned long long)s->refused);
}
