/* What one message needs from one host is a run: its fetches, in order, on one connection, asked for in one go. Only the first
 * of them may be open (its octets are wanted), and while it is not, the connection is not read, so what the owner has no use
 * for yet stays in the server's socket and costs us nothing.
 *
 *     owner --ask, ask, open--> run --> kept connection to that place, or a new one, or the place's queue
 *                                ^                |
 *                                '--- octets, in order, paused until open
 *
 * A connection serves one run at a time; when the run is empty the connection stays, logged in, for half a minute, because a
 * TLS handshake and a login cost more than a small part. A kept connection may have died meanwhile without our noticing: a
 * run that loses one before an octet of its first fetch was handed on is tried once more on a new one. So is a run whose server
 * answers in another order than it was asked (imap_fetch.h); that place is from then on asked for one URL at a time.
 *
 * Where the connection goes, and how, depends on the place alone. Our own store is on this host (net/resolve.h says how
 * that is known; else it is not our own store): STARTTLS when it insists. For the others the configuration decides, and TLS
 * is verified against the host's configured name (RFC 4468, 8).
 *
 * Ends are told by deferred calls, so an owner may do there whatever it likes. An open fetch has one time limit for everything, so
 * the client's BURL is answered in time whatever the server does. */
#include "smtp/fetcher.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/resolve.h"
#include "net/stream.h"
#include "smtp/imap_fetch.h"

enum { CONNECT_MS = 30 * 1000, AGAIN_MS = 1000, OUT_MOST = 512 * 1024 };

/* A message store: a configured host, or our own at one of this host's addresses. */
struct place {
    struct list node;
    struct fetcher *fetcher;
    const struct burl_host *host; /* NULL: our own store */
    struct sockaddr_storage to;   /* then: where */
    struct list connections;
    size_t connection_count;
    struct list waiting; /* runs without a connection */
    bool is_serial;      /* it mixes up what it is asked at once */
};

struct connection {
    struct list node;
    struct place *place;
    bool is_up;   /* connected, maybe not logged in */
    bool is_kept; /* may have died since it was last used */
    struct resolve *resolve;
    struct sockaddr_storage at[RESOLVE_MOST];
    size_t at_count;
    size_t at_next;
    bool is_no_route;  /* routers said so of one of them */
    uint64_t until_ms; /* while it makes sense to try again */
    struct stream *stream;
    struct imap_fetch *imap;
    struct timer *timer; /* while kept and unused */
    struct timer *again; /* until the addresses are tried once more */
    struct run *run;     /* NULL: unused */
};

struct run {
    struct list node; /* in the place's waiting */
    struct place *place;
    struct connection *connection;
    struct list fetches;
    const void *owner;
    bool is_again; /* on a new connection, since the last result */
};

struct fetch {
    struct list node;
    struct fetcher *fetcher;
    struct run *run; /* NULL: over */
    struct buf url;
    bool may_be_binary;
    bool is_asked;
    bool is_open;
    bool has_octets;
    uint64_t most;
    enum err err; /* when over */
    struct timer *timer;
    const struct fetch_handler *handler;
    void *owner;
};

struct fetcher {
    struct fetcher_args args;
    struct list places;
    struct list over; /* fetches whose end is to be told */
};

static void step(struct connection *c);
static void find_connection(struct run *r);

struct fetcher *fetcher_new(const struct fetcher_args *args)
{
    struct fetcher *f = mem_new(sizeof(*f));
    f->args = *args;
    list_init(&f->places);
    list_init(&f->over);
    return f;
}

static struct loop *get_loop(const struct place *p)
{
    return p->fetcher->args.loop;
}

static void fetch_free(struct fetch *f)
{
    list_remove(&f->node);
    loop_cancel_deferred(f->fetcher->args.loop, f);
    timer_free(&f->timer);
    buf_release(&f->url);
    free(f);
}

static void run_free(struct run *r)
{
    list_remove(&r->node);
    loop_cancel_deferred(get_loop(r->place), r);
    if (r->connection != NULL) {
        r->connection->run = NULL;
    }
    list_each_safe(node, &r->fetches)
    {
        fetch_free((struct fetch *)node);
    }
    free(r);
}

/* Closes; its run, if any, is left without a connection. */
static void connection_free(struct connection *c)
{
    list_remove(&c->node);
    c->place->connection_count--;
    if (c->run != NULL) {
        c->run->connection = NULL;
    }
    resolve_cancel(&c->resolve);
    if (c->stream != NULL) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(OUT_MOST);
        imap_fetch_logout(c->imap, &out);
        if (out.len > 0) {
            stream_write(c->stream, buf_str(&out));
            stream_finish(get_loop(c->place), &c->stream);
        } else {
            stream_free(&c->stream);
        }
    }
    imap_fetch_free(&c->imap);
    timer_free(&c->timer);
    timer_free(&c->again);
    free(c);
}

static void place_free(struct place *p)
{
    list_each_safe(node, &p->waiting)
    {
        run_free((struct run *)node);
    }
    list_each_safe(connection_node, &p->connections)
    {
        struct connection *c = (struct connection *)connection_node;
        if (c->run != NULL) {
            run_free(c->run);
        }
        connection_free(c);
    }
    list_remove(&p->node);
    free(p);
}

void fetcher_free(struct fetcher **f)
{
    if (*f == NULL) {
        return;
    }
    list_each_safe(node, &(*f)->places)
    {
        place_free((struct place *)node);
    }
    list_each_safe(fetch_node, &(*f)->over)
    {
        fetch_free((struct fetch *)fetch_node);
    }
    free(*f);
    *f = NULL;
}

/* ---- ends ---- */

static void tell_end(void *owner)
{
    struct fetch *f = owner;
    const struct fetch_handler *h = f->handler;
    void *whose = f->owner;
    enum err e = f->err;
    fetch_free(f);
    h->on_end(whose, e);
}

/* The fetch is over; its owner hears of it when it wants to. */
static void fetch_end(struct fetch *f, enum err e)
{
    list_remove(&f->node);
    list_append(&f->fetcher->over, &f->node);
    f->run = NULL;
    f->err = e;
    timer_stop(f->timer);
    if (f->is_open) {
        loop_defer(f->fetcher->args.loop, tell_end, f);
    }
}

static bool is_empty(const struct run *r)
{
    return list_is_empty(&r->fetches);
}

/* Of a run that is not empty. */
static struct fetch *get_first(const struct run *r)
{
    return (struct fetch *)r->fetches.next;
}

static void end_run(struct run *r, enum err e)
{
    list_each_safe(node, &r->fetches)
    {
        fetch_end((struct fetch *)node, e);
    }
    run_free(r);
}

/* ---- connections ---- */

static struct connection *find_unused(const struct place *p)
{
    list_each(node, &p->connections)
    {
        struct connection *c = (struct connection *)node;
        if (c->run == NULL) {
            return c;
        }
    }
    return NULL;
}

/* A run that waits gets what was freed. */
static void start_waiting(struct place *p)
{
    bool is_free = find_unused(p) != NULL || p->connection_count < FETCH_CONNECTIONS_MOST;
    if (is_free && !list_is_empty(&p->waiting)) {
        struct run *r = (struct run *)p->waiting.next;
        list_remove(&r->node);
        find_connection(r);
    }
}

/* From the start, on another connection. */
static void ask_again(struct run *r)
{
    r->is_again = true;
    list_each(node, &r->fetches)
    {
        ((struct fetch *)node)->is_asked = false;
    }
    find_connection(r);
}

/* The connection is of no more use. */
static void drop(struct connection *c, enum err why)
{
    struct run *r = c->run;
    struct place *p = c->place;
    bool is_stale = c->is_kept && why == ERR_UNREACHABLE;
    bool may_retry = r != NULL && !is_empty(r) && !get_first(r)->has_octets && !r->is_again
                     && (is_stale || why == ERR_WRONG_STATE);
    p->is_serial = p->is_serial || why == ERR_WRONG_STATE;
    connection_free(c);
    if (may_retry) {
        ask_again(r);
    } else if (r != NULL) {
        end_run(r, why == ERR_WRONG_STATE ? ERR_UNREACHABLE : why);
    }
    start_waiting(p);
}

static void on_octets(void *owner, struct str octets)
{
    struct connection *c = owner;
    imap_fetch_feed(c->imap, octets);
    step(c);
}

static void on_drained(void *owner)
{
}

static void on_end(void *owner, enum err why)
{
    struct connection *c = owner;
    if (why == ERR_TLS_FAILED) {
        log_warn("burl: no TLS with %.*s that can be trusted",
                 STR_ARG(c->place->host == NULL ? STR("our own store") : c->place->host->name));
    }
    drop(c, ERR_UNREACHABLE);
}

static const struct stream_handler handler = {on_octets, on_drained, on_end};

static void on_kept_long_enough(void *owner)
{
    connection_free(owner);
}

static size_t count_unused(const struct place *p)
{
    size_t count = 0;
    list_each(node, &p->connections)
    {
        count += ((struct connection *)node)->run == NULL;
    }
    return count;
}

/* Nothing to do for the connection. */
static void keep(struct connection *c)
{
    struct place *p = c->place;
    c->is_kept = true;
    if (!list_is_empty(&p->waiting)) {
        start_waiting(p);
    } else if (count_unused(p) > FETCH_CONNECTIONS_UNUSED) {
        connection_free(c);
    } else {
        timer_start(c->timer, FETCH_KEEP_MS);
    }
}

static void start_tls(struct connection *c)
{
    const struct burl_host *h = c->place->host;
    struct tls_context *context = h == NULL ? c->place->fetcher->args.tls_here : h->tls_context;
    struct str name = h == NULL ? STR_EMPTY : h->name;
    c->stream = tls_client_new(get_loop(c->place), context, c->stream, name);
    stream_set_handler(c->stream, &handler, c);
    c->is_up = true;
}

/* Hands a piece to the first fetch. False: the connection was closed. */
static bool pass_octets(struct connection *c)
{
    struct fetch *f = get_first(c->run);
    f->has_octets = true;
    enum err e = f->handler->on_octets(f->owner, imap_fetch_get_octets(c->imap));
    if (e != ERR_OK) {
        drop(c, e);
        return false;
    }
    return true;
}

/* The first fetch may be wanted now. False: not yet. */
static bool open_first(struct connection *c)
{
    const struct fetch *f = get_first(c->run);
    if (!f->is_open) {
        stream_pause(c->stream);
        return false;
    }
    imap_fetch_open(c->imap, f->most);
    stream_resume(c->stream);
    return true;
}

/* Logged in and nothing asked. False: the run is done, if there was one. */
static bool has_more(struct connection *c)
{
    if (c->run != NULL && !is_empty(c->run)) {
        return true;
    }
    if (c->run != NULL) {
        run_free(c->run);
    }
    keep(c);
    return false;
}

/* Acts on one want. False: nothing more can be done now. */
static bool act(struct connection *c, enum imap_fetch_want want)
{
    switch (want) {
    case IMAP_FETCH_INPUT:
        return false;
    case IMAP_FETCH_TLS:
        start_tls(c);
        imap_fetch_on_tls(c->imap);
        return true;
    case IMAP_FETCH_OCTETS:
        return pass_octets(c);
    case IMAP_FETCH_READY:
        return has_more(c);
    case IMAP_FETCH_WAIT:
        return open_first(c);
    case IMAP_FETCH_RESULT:
        c->is_kept = true;
        c->run->is_again = false;
        fetch_end(get_first(c->run), imap_fetch_get_err(c->imap));
        return true;
    case IMAP_FETCH_FAILED:
        break;
    }
    drop(c, imap_fetch_get_err(c->imap));
    return false;
}

/* Asks for what the run has and was not asked for yet. */
static void ask_all(struct connection *c)
{
    unsigned most = c->place->is_serial ? 1 : IMAP_FETCH_ASKED_MOST;
    if (c->run == NULL) {
        return;
    }
    list_each(node, &c->run->fetches)
    {
        struct fetch *f = (struct fetch *)node;
        if (!f->is_asked && imap_fetch_may_ask(c->imap) && imap_fetch_count_asked(c->imap) < most) {
            f->is_asked = true;
            imap_fetch_ask(c->imap, buf_str(&f->url), f->may_be_binary);
        }
    }
}

static void step(struct connection *c)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(OUT_MOST);
    bool is_going = true;
    while (is_going) {
        ask_all(c);
        enum imap_fetch_want want = imap_fetch_step(c->imap, &out);
        stream_write(c->stream, buf_str(&out));
        buf_clear(&out);
        is_going = act(c, want);
    }
}

static void connect_next(struct connection *c);

static void on_connected(void *owner, enum err why)
{
    struct connection *c = owner;
    const struct burl_host *h = c->place->host;
    c->is_no_route = c->is_no_route || why == ERR_NO_ROUTE;
    if (why != ERR_OK && c->at_next < c->at_count) {
        stream_free(&c->stream);
        connect_next(c);
    } else if (why != ERR_OK && c->is_no_route && loop_now_ms(get_loop(c->place)) < c->until_ms) {
        stream_free(&c->stream);
        timer_start(c->again, AGAIN_MS);
    } else if (why != ERR_OK) {
        log_warn("burl: %.*s cannot be reached: %s",
                 STR_ARG(h == NULL ? STR("our own store") : h->name), err_get_info(why)->meaning);
        drop(c, ERR_UNREACHABLE);
    } else if (h != NULL && h->tls == BURL_TLS_IMMEDIATE) {
        start_tls(c);
    } else {
        stream_set_handler(c->stream, &handler, c);
        c->is_up = true;
    }
}

static void connect_next(struct connection *c)
{
    const struct sockaddr_storage *to = &c->at[c->at_next++];
    c->stream = stream_connect(get_loop(c->place), to, CONNECT_MS, on_connected, c);
}

static void on_resolved(void *owner, enum err e, const struct sockaddr_storage *at, size_t count)
{
    struct connection *c = owner;
    c->resolve = NULL;
    if (e != ERR_OK) {
        log_warn("burl: %.*s has no address", STR_ARG(c->place->host->name));
        drop(c, ERR_UNREACHABLE);
        return;
    }
    c->at_count = count;
    memcpy(c->at, at, count * sizeof(*at));
    connect_next(c);
}

/* "Unreachable" is soft (RFC 1122, 4.2.3.9): a link that is changed over loses its routes for a moment. */
static void on_again(void *owner)
{
    struct connection *c = owner;
    c->at_next = 0;
    c->is_no_route = false;
    connect_next(c);
}

static struct imap_fetch *new_imap(const struct place *p)
{
    const struct burl_host *h = p->host;
    const struct fetcher_args *args = &p->fetcher->args;
    struct imap_fetch_args imap = {args->user, args->password, STR("our own store"), false, false};
    if (h != NULL) {
        imap = (struct imap_fetch_args){h->user, h->password, h->name, h->tls != BURL_TLS_OFF,
                                        h->tls == BURL_TLS_IMMEDIATE};
    }
    return imap_fetch_new(&imap);
}

static void start_connection(struct run *r)
{
    struct place *p = r->place;
    const struct burl_host *h = p->host;
    struct connection *c = mem_new(sizeof(*c));
    c->place = p;
    c->timer = timer_new(get_loop(p), on_kept_long_enough, c);
    c->again = timer_new(get_loop(p), on_again, c);
    c->until_ms = loop_now_ms(get_loop(p)) + CONNECT_MS;
    c->imap = new_imap(p);
    c->run = r;
    r->connection = c;
    list_append(&p->connections, &c->node);
    p->connection_count++;
    if (h == NULL) {
        c->at[c->at_count++] = p->to;
        connect_next(c);
        return;
    }
    struct str where = h->address.n > 0 ? h->address : h->name;
    c->resolve = resolve_start(get_loop(p), where, h->port, on_resolved, c);
}

static void on_begin(void *owner)
{
    struct run *r = owner;
    if (r->connection != NULL && r->connection->is_up) {
        step(r->connection);
    }
}

/* For a run that has none: one that is kept (not when such a one just failed it), a new one, or it waits. */
static void find_connection(struct run *r)
{
    struct place *p = r->place;
    struct connection *c = r->is_again ? NULL : find_unused(p);
    if (c != NULL) {
        timer_stop(c->timer);
        c->run = r;
        r->connection = c;
        loop_defer(get_loop(p), on_begin, r);
    } else if (p->connection_count < FETCH_CONNECTIONS_MOST) {
        start_connection(r);
    } else {
        list_append(&p->waiting, &r->node);
    }
}

/* ---- fetches ---- */

static struct place *find_place(struct fetcher *f, const struct burl_target *target)
{
    struct sockaddr_storage to = {0};
    bool is_own = target->host == NULL;
    if (is_own
        && (!resolve_numeric(target->address, target->port, &to) || !resolve_is_own_address(&to))) {
        return NULL;
    }
    list_each(node, &f->places)
    {
        struct place *p = (struct place *)node;
        if (p->host == target->host && (!is_own || memcmp(&p->to, &to, sizeof(to)) == 0)) {
            return p;
        }
    }
    struct place *p = mem_new(sizeof(*p));
    p->fetcher = f;
    p->host = target->host;
    p->to = to;
    list_init(&p->connections);
    list_init(&p->waiting);
    list_append(&f->places, &p->node);
    return p;
}

/* The owner's run at this place, if it has one with room. */
static struct run *find_run(const struct place *p, const void *owner)
{
    list_each(node, &p->waiting)
    {
        struct run *r = (struct run *)node;
        if (r->owner == owner) {
            return r;
        }
    }
    list_each(connection_node, &p->connections)
    {
        struct run *r = ((struct connection *)connection_node)->run;
        if (r != NULL && r->owner == owner) {
            return r;
        }
    }
    return NULL;
}

static struct run *run_new(struct place *p, const void *owner)
{
    struct run *r = mem_new(sizeof(*r));
    r->place = p;
    r->owner = owner;
    list_init(&r->node);
    list_init(&r->fetches);
    return r;
}

static void on_timeout(void *owner)
{
    struct fetch *f = owner;
    struct connection *c = f->run->connection;
    log_info("burl: the message store takes too long");
    if (c == NULL) {
        end_run(f->run, ERR_UNREACHABLE);
        return;
    }
    c->run->is_again = true; /* there is no time for another try */
    drop(c, ERR_UNREACHABLE);
}

struct fetch *fetch_ask(struct fetcher *fetcher, const struct burl_target *target,
                        const struct fetch_handler *h, void *owner)
{
    struct fetch *f = mem_new(sizeof(*f));
    f->fetcher = fetcher;
    buf_init(&f->url, target->url.n + 1);
    buf_add(&f->url, target->url);
    f->may_be_binary = target->may_be_binary;
    f->handler = h;
    f->owner = owner;
    f->timer = timer_new(fetcher->args.loop, on_timeout, f);
    struct place *p = find_place(fetcher, target);
    if (p == NULL) {
        f->err = ERR_UNREACHABLE;
        list_append(&fetcher->over, &f->node);
        return f;
    }
    struct run *r = find_run(p, owner);
    bool is_new = r == NULL;
    r = is_new ? run_new(p, owner) : r;
    f->run = r;
    list_append(&r->fetches, &f->node);
    if (is_new) {
        find_connection(r);
    } else {
        loop_defer(fetcher->args.loop, on_begin, r);
    }
    return f;
}

/* From a fresh stack: the connection may wait for this. */
static void on_open(void *owner)
{
    struct fetch *f = owner;
    if (f->run != NULL) {
        on_begin(f->run);
    }
}

void fetch_open(struct fetch *f, uint64_t most)
{
    struct loop *loop = f->fetcher->args.loop;
    f->is_open = true;
    f->most = most;
    if (f->run == NULL) {
        loop_defer(loop, tell_end, f);
        return;
    }
    timer_start(f->timer, FETCH_MOST_MS);
    loop_defer(loop, on_open, f);
}

/* A fetch of the run was cancelled; when it was asked for, its answer is not worth reading. */
static void shrink_run(struct run *r, bool was_asked)
{
    struct place *p = r->place;
    struct connection *c = r->connection;
    if (!is_empty(r)) {
        if (c != NULL && was_asked) {
            connection_free(c);
            ask_again(r);
        }
        return;
    }
    run_free(r);
    if (c != NULL && imap_fetch_is_idle(c->imap)) {
        keep(c);
    } else if (c != NULL) {
        connection_free(c);
        start_waiting(p);
    }
}

void fetch_cancel(struct fetch **f)
{
    struct fetch *gone = *f;
    *f = NULL;
    if (gone == NULL) {
        return;
    }
    struct run *r = gone->run;
    bool was_asked = gone->is_asked;
    fetch_free(gone);
    if (r != NULL) {
        shrink_run(r, was_asked);
    }
}
