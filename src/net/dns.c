/* c-ares asks: it knows resolvers, timeouts, retries and the way from UDP to TCP. We write the question (the AD bit in it asks for the AD
 * bit in the answer, RFC 6840, 5.7) and read the response ourselves (dns_message.c), for its parsers drop that bit.
 *
 * Answers are read when they arrive and told from the loop. A query that nobody wants any more stays until c-ares is done with it, which
 * is bounded: TRIES times the resolvers. /etc/resolv.conf is read again when nothing is under way and the last look is a minute old, for
 * servers move between networks, too. */
#include "net/dns.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "net/loop_priv.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <stdlib.h>
#include <sys/time.h>

enum {
    TRY_MS = 2500,
    TRIES = 3,
    UDP_SIZE = 1232, /* RFC 9715: no fragments */
    SERVERS_MOST = 1024,
    ANSWER_MEMORY_MOST = 256 * 1024,
    MESSAGE_MOST = 65535,
    FLAGS_AT = 3, /* in a question */
    FLAG_AUTHENTIC = 0x20,
    REMAKE_MS = 60 * 1000
};

struct dns {
    struct dns_args args;
    struct buf servers; /* as c-ares wants them; empty: the system's */
    ares_channel channel;
    bool has_channel;
    uint64_t made_ms;
    struct timer *timer;
    struct list queries;
    struct map *watched; /* descriptor -> struct watched */
};

struct watched {
    struct dns *dns;
    struct io *io;
    ares_socket_t fd;
    unsigned events;
};

struct dns_query {
    struct list node;
    struct dns *dns; /* NULL: cancelled */
    struct loop *loop;
    struct arena *arena;
    struct buf name;
    enum dns_type type;
    enum err err;
    struct dns_answer answer;
    void (*on_done)(void *owner, enum err e, const struct dns_answer *answer);
    void *owner;
};

/* ---- the end of a query ---- */

static void query_free(struct dns_query *q)
{
    list_remove(&q->node);
    loop_cancel_deferred(q->loop, q);
    arena_free(&q->arena);
    buf_release(&q->name);
    free(q);
}

static void report(void *owner)
{
    struct dns_query *q = owner;
    list_remove(&q->node);
    q->on_done(q->owner, q->err, &q->answer);
    query_free(q);
}

static void finish(struct dns_query *q, enum err e)
{
    q->err = e;
    loop_defer(q->loop, report, q);
}

static void on_response(void *owner, int status, int timeouts, unsigned char *octets, int n)
{
    struct dns_query *q = owner;
    (void)timeouts;
    if (q->dns == NULL || status == ARES_EDESTRUCTION) {
        query_free(q);
        return;
    }
    q->dns = NULL; /* c-ares is done with it */
    /* A response of any code is in octets; without one, status says why. */
    if (octets == NULL || n <= 0) {
        log_info("dns: %.*s: %s", STR_ARG(buf_str(&q->name)), ares_strerror(status));
        finish(q, ERR_UNAVAILABLE);
        return;
    }
    struct str message = str_make((const char *)octets, (size_t)n);
    enum err e = dns_parse(q->arena, message, buf_str(&q->name), q->type, &q->answer);
    finish(q, e == ERR_OK || e == ERR_NOT_FOUND ? e : ERR_UNAVAILABLE);
}

/* ---- between c-ares and the loop ---- */

static void set_timer(struct dns *d)
{
    struct timeval most = {.tv_sec = TRY_MS / 1000 + 1};
    struct timeval wait;
    if (!d->has_channel || list_is_empty(&d->queries)) {
        timer_stop(d->timer);
        return;
    }
    const struct timeval *next = ares_timeout(d->channel, &most, &wait);
    timer_start(d->timer, (uint64_t)next->tv_sec * 1000 + (uint64_t)next->tv_usec / 1000 + 1);
}

static void on_timer(void *owner)
{
    struct dns *d = owner;
    ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(d);
}

static void on_ready(void *owner, unsigned events)
{
    struct watched *w = owner;
    struct dns *d = w->dns;
    io_set(w->io, w->events); /* an error stopped it; c-ares is still to hear of the next one */
    ares_process_fd(d->channel, (events & IO_READ) != 0 ? w->fd : ARES_SOCKET_BAD,
                    (events & IO_WRITE) != 0 ? w->fd : ARES_SOCKET_BAD);
    set_timer(d);
}

static void watch(void *owner, ares_socket_t fd, int is_read, int is_write)
{
    struct dns *d = owner;
    uint64_t id = (uint64_t)fd;
    struct watched *w = map_find(d->watched, map_id(&id));
    if (is_read == 0 && is_write == 0) {
        if (w != NULL) {
            (void)map_remove(d->watched, map_id(&id));
            io_free(&w->io);
            free(w);
        }
        return;
    }
    if (w == NULL) {
        w = mem_new(sizeof(*w));
        *w = (struct watched){.dns = d, .fd = fd};
        w->io = io_new(d->args.loop, fd, on_ready, w);
        (void)map_put(d->watched, map_id(&id), w);
    }
    w->events = (is_read != 0 ? IO_READ : 0U) | (is_write != 0 ? IO_WRITE : 0U);
    io_set(w->io, w->events);
}

/* ---- the resolvers ---- */

static enum err make_channel(struct dns *d)
{
    struct ares_options options = {
        .flags = ARES_FLAG_EDNS,
        .timeout = TRY_MS,
        .tries = TRIES,
        .ednspsz = UDP_SIZE,
        .sock_state_cb = watch,
        .sock_state_cb_data = d,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ
               | ARES_OPT_SOCK_STATE_CB;
    if (ares_init_options(&d->channel, &options, mask) != ARES_SUCCESS) {
        log_error("dns: the resolver cannot be set up");
        return ERR_IO;
    }
    d->has_channel = true;
    d->made_ms = loop_now_ms(d->args.loop);
    bool is_set =
        d->servers.len == 0 || ares_set_servers_ports_csv(d->channel, d->servers.p) == ARES_SUCCESS;
    return is_set ? ERR_OK : ERR_SYNTAX;
}

static void drop_channel(struct dns *d)
{
    if (d->has_channel) {
        ares_destroy(d->channel);
        d->has_channel = false;
    }
}

static enum err refresh(struct dns *d)
{
    bool is_old = d->servers.len == 0 && list_is_empty(&d->queries)
                  && loop_now_ms(d->args.loop) - d->made_ms > REMAKE_MS;
    if (is_old) {
        drop_channel(d);
    }
    return d->has_channel ? ERR_OK : make_channel(d);
}

enum err dns_new(const struct dns_args *args, struct dns **out)
{
    struct dns *d = mem_new(sizeof(*d));
    struct str servers = args->servers;
    d->args = *args;
    d->servers = BUF_INIT(SERVERS_MOST);
    d->watched = map_new();
    d->timer = timer_new(args->loop, on_timer, d);
    list_init(&d->queries);
    while (servers.n > 0) {
        struct str one = str_split(&servers, ' ');
        buf_add(&d->servers, d->servers.len > 0 && one.n > 0 ? STR(",") : STR_EMPTY);
        buf_add(&d->servers, one);
    }
    enum err e = ERR_OK;
    if (args->fake == NULL) {
        e = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS ? make_channel(d) : ERR_IO;
    }
    if (e != ERR_OK) {
        dns_free(&d);
        return e;
    }
    *out = d;
    return ERR_OK;
}

void dns_free(struct dns **d)
{
    if (*d == NULL) {
        return;
    }
    struct dns *gone = *d;
    *d = NULL;
    drop_channel(gone); /* frees what c-ares has */
    list_each_safe(node, &gone->queries)
    {
        query_free((struct dns_query *)node);
    }
    if (gone->args.fake == NULL) {
        ares_library_cleanup();
    }
    timer_free(&gone->timer);
    map_free(&gone->watched);
    buf_release(&gone->servers);
    free(gone);
}

/* ---- the start of a query ---- */

static void send_query(struct dns_query *q)
{
    struct dns *d = q->dns;
    unsigned char *question = NULL;
    int n = 0;
    if (ares_create_query(q->name.p, ns_c_in, (int)q->type, 0, 1, &question, &n, UDP_SIZE)
        != ARES_SUCCESS) {
        q->dns = NULL;
        finish(q, ERR_SYNTAX);
        return;
    }
    question[FLAGS_AT] |= FLAG_AUTHENTIC;
    ares_send(d->channel, question, n, on_response, q);
    ares_free_string(question);
    set_timer(d);
}

static bool is_name(struct str name)
{
    bool is_plain = name.n > 0 && name.n <= DNS_NAME_MOST;
    for (size_t i = 0; i < name.n && is_plain; i++) {
        char c = name.p[i];
        is_plain = ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_' || c == '.';
    }
    return is_plain && str_find_str(name, STR("..")) == name.n && name.p[0] != '.';
}

struct dns_query *dns_ask(struct dns *d, struct str name, enum dns_type type,
                          void (*on_done)(void *owner, enum err e, const struct dns_answer *answer),
                          void *owner)
{
    struct dns_query *q = mem_new(sizeof(*q));
    q->loop = d->args.loop;
    q->arena = arena_new(ANSWER_MEMORY_MOST);
    q->name = BUF_INIT(DNS_NAME_MOST + 1);
    q->type = type;
    q->on_done = on_done;
    q->owner = owner;
    buf_add(&q->name, name);
    list_init(&q->node);
    enum err e = is_name(name) ? ERR_OK : ERR_SYNTAX;
    if (e == ERR_OK && d->args.fake != NULL) {
        e = d->args.fake(d->args.fake_owner, name, type, &q->answer);
        list_append(&d->queries, &q->node);
        finish(q, e);
        return q;
    }
    e = e == ERR_OK ? refresh(d) : e;
    list_append(&d->queries, &q->node);
    if (e != ERR_OK) {
        finish(q, e == ERR_SYNTAX ? e : ERR_UNAVAILABLE);
        return q;
    }
    q->dns = d;
    send_query(q);
    return q;
}

void dns_cancel(struct dns_query **q)
{
    struct dns_query *gone = *q;
    *q = NULL;
    if (gone == NULL) {
        return;
    }
    if (gone->dns == NULL) {
        query_free(gone);
        return;
    }
    gone->dns = NULL; /* c-ares will tell when it is done */
}
