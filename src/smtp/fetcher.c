/* One connection serves one fetch at a time; when it is done the connection stays, logged in, for half a minute, because a
 * message by BDAT and BURL often has several URLs, and a TLS handshake and a login cost more than a small part. A kept
 * connection may have died meanwhile without our noticing: a fetch that fails on one before its first octet is tried
 * once more on a new one.
 *
 *     fetch --> kept connection to the same place, or a new one --> octets --> handler
 *                        ^-------------------- READY ------------------'
 *
 * STARTTLS comes first, unless the server is this very host (RFC 4468, 8; net/resolve.h says how that is known). The whole
 * fetch has one time limit, so the client's BURL is answered in time whatever the server does. */
#include "smtp/fetcher.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/resolve.h"
#include "net/stream.h"
#include "smtp/imap_fetch.h"

enum { CONNECT_MS = 30 * 1000, KEEP_MS = 30 * 1000, KEPT_MOST = 8, OUT_MOST = 64 * 1024 };

struct connection {
    struct list node;
    struct fetcher *fetcher;
    struct sockaddr_storage to;
    bool is_here; /* the server is this host */
    bool is_kept; /* has served a fetch before */
    struct stream *stream;
    struct imap_fetch *imap;
    struct timer *timer; /* while kept and unused */
    struct fetch *fetch; /* NULL: unused */
};

struct fetch {
    struct list node;
    struct fetcher *fetcher;
    struct buf url;
    struct sockaddr_storage to;
    uint64_t most;
    bool may_be_binary;
    bool is_asked;
    bool has_octets;
    enum err err; /* to be told by the deferred call */
    struct timer *timer;
    struct connection *connection;
    const struct fetch_handler *handler;
    void *owner;
};

struct fetcher {
    struct fetcher_args args;
    struct list connections;
    struct list fetches;
};

static void step(struct connection *c);

struct fetcher *fetcher_new(const struct fetcher_args *args)
{
    struct fetcher *f = mem_new(sizeof(*f));
    f->args = *args;
    list_init(&f->connections);
    list_init(&f->fetches);
    return f;
}

static void connection_free(struct connection *c)
{
    list_remove(&c->node);
    if (c->fetch != NULL) {
        c->fetch->connection = NULL;
    }
    if (c->stream != NULL) {
        CLEANUP(buf_release) struct buf out = BUF_INIT(OUT_MOST);
        imap_fetch_logout(c->imap, &out);
        if (out.len > 0) {
            stream_write(c->stream, buf_str(&out));
            stream_finish(c->fetcher->args.loop, &c->stream);
        } else {
            stream_free(&c->stream);
        }
    }
    imap_fetch_free(&c->imap);
    timer_free(&c->timer);
    free(c);
}

static void fetch_free(struct fetch *f)
{
    list_remove(&f->node);
    loop_cancel_deferred(f->fetcher->args.loop, f);
    timer_free(&f->timer);
    buf_release(&f->url);
    free(f);
}

void fetcher_free(struct fetcher **f)
{
    if (*f == NULL) {
        return;
    }
    list_each_safe(node, &(*f)->connections)
    {
        connection_free((struct connection *)node);
    }
    list_each_safe(fetch_node, &(*f)->fetches)
    {
        fetch_free((struct fetch *)fetch_node);
    }
    free(*f);
    *f = NULL;
}

static void fetch_end(struct fetch *f, enum err e)
{
    const struct fetch_handler *h = f->handler;
    void *owner = f->owner;
    if (f->connection != NULL) {
        f->connection->fetch = NULL;
    }
    fetch_free(f);
    h->on_end(owner, e);
}

/* ---- connections ---- */

static void start_new(struct fetch *f);

/* The connection is of no more use. */
static void drop(struct connection *c, enum err why)
{
    struct fetch *f = c->fetch;
    bool may_retry = c->is_kept && f != NULL && !f->has_octets && why == ERR_UNREACHABLE;
    connection_free(c);
    if (may_retry) {
        start_new(f);
    } else if (f != NULL) {
        fetch_end(f, why);
    }
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
    drop(owner, ERR_UNREACHABLE);
}

static const struct stream_handler handler = {on_octets, on_drained, on_end};

static void on_kept_long_enough(void *owner)
{
    connection_free(owner);
}

static size_t count_kept(const struct fetcher *f)
{
    size_t count = 0;
    list_each(node, &f->connections)
    {
        count += ((struct connection *)node)->fetch == NULL;
    }
    return count;
}

/* Nothing to do for the connection. False: it was closed. */
static bool keep(struct connection *c)
{
    if (count_kept(c->fetcher) > KEPT_MOST) {
        connection_free(c);
        return false;
    }
    timer_start(c->timer, KEEP_MS);
    return true;
}

static void start_tls(struct connection *c)
{
    const struct fetcher_args *args = &c->fetcher->args;
    struct tls_context *context = c->is_here ? args->tls_here : args->tls_there;
    c->stream = tls_client_new(args->loop, context, c->stream, STR_EMPTY);
    stream_set_handler(c->stream, &handler, c);
    imap_fetch_on_tls(c->imap);
}

/* Hands a piece to the fetch. False: the connection was closed. */
static bool pass_octets(struct connection *c)
{
    struct fetch *f = c->fetch;
    if (f == NULL) {
        drop(c, ERR_UNREACHABLE); /* cancelled: the rest is not worth reading */
        return false;
    }
    f->has_octets = true;
    enum err e = f->handler->on_octets(f->owner, imap_fetch_get_octets(c->imap));
    if (e != ERR_OK) {
        drop(c, e);
        return false;
    }
    return true;
}

/* Acts on one want. False: nothing more can be done now. */
static bool act(struct connection *c, enum imap_fetch_want want)
{
    switch (want) {
    case IMAP_FETCH_INPUT:
        return false;
    case IMAP_FETCH_TLS:
        start_tls(c);
        return true;
    case IMAP_FETCH_OCTETS:
        return pass_octets(c);
    case IMAP_FETCH_READY:
        if (c->fetch == NULL) {
            (void)keep(c);
            return false;
        }
        c->fetch->is_asked = true;
        imap_fetch_start(c->imap, buf_str(&c->fetch->url), c->fetch->most, c->fetch->may_be_binary);
        return true;
    case IMAP_FETCH_RESULT:
        c->is_kept = true;
        if (c->fetch != NULL) {
            fetch_end(c->fetch, imap_fetch_get_err(c->imap));
        }
        return true;
    case IMAP_FETCH_FAILED:
        break;
    }
    drop(c, imap_fetch_get_err(c->imap));
    return false;
}

static void step(struct connection *c)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(OUT_MOST);
    bool is_going = true;
    while (is_going) {
        enum imap_fetch_want want = imap_fetch_step(c->imap, &out);
        stream_write(c->stream, buf_str(&out));
        buf_clear(&out);
        is_going = act(c, want);
    }
}

static void on_connected(void *owner, enum err why)
{
    struct connection *c = owner;
    if (why != ERR_OK) {
        drop(c, ERR_UNREACHABLE);
        return;
    }
    stream_set_handler(c->stream, &handler, c);
}

static void start_new(struct fetch *f)
{
    const struct fetcher_args *args = &f->fetcher->args;
    struct connection *c = mem_new(sizeof(*c));
    c->fetcher = f->fetcher;
    c->to = f->to;
    c->is_here = resolve_is_own_address(&f->to);
    c->timer = timer_new(args->loop, on_kept_long_enough, c);
    struct imap_fetch_args imap = {args->user, args->password, !c->is_here};
    c->imap = imap_fetch_new(&imap);
    c->fetch = f;
    f->connection = c;
    list_append(&f->fetcher->connections, &c->node);
    c->stream = stream_connect(args->loop, &f->to, CONNECT_MS, on_connected, c);
}

/* A kept connection to the same place; NULL: none. */
static struct connection *find_kept(struct fetcher *f, const struct sockaddr_storage *to)
{
    list_each(node, &f->connections)
    {
        struct connection *c = (struct connection *)node;
        if (c->fetch == NULL && c->is_kept && memcmp(&c->to, to, sizeof(*to)) == 0) {
            return c;
        }
    }
    return NULL;
}

/* ---- fetches ---- */

static void on_timeout(void *owner)
{
    struct fetch *f = owner;
    log_info("burl: the message store takes too long");
    if (f->connection != NULL) {
        struct connection *c = f->connection;
        c->fetch = NULL;
        f->connection = NULL;
        connection_free(c);
    }
    fetch_end(f, ERR_UNREACHABLE);
}

/* From a fresh stack: finds a connection. */
static void begin(void *owner)
{
    struct fetch *f = owner;
    if (f->err != ERR_OK) {
        fetch_end(f, f->err);
        return;
    }
    struct connection *c = find_kept(f->fetcher, &f->to);
    if (c == NULL) {
        start_new(f);
        return;
    }
    timer_stop(c->timer);
    c->fetch = f;
    f->connection = c;
    step(c);
}

struct fetch *fetch_start(struct fetcher *fetcher, const struct burl_target *target, uint64_t most,
                          const struct fetch_handler *h, void *owner)
{
    struct fetch *f = mem_new(sizeof(*f));
    f->fetcher = fetcher;
    buf_init(&f->url, target->url.n + 1);
    buf_add(&f->url, target->url);
    f->most = most;
    f->may_be_binary = target->may_be_binary;
    f->handler = h;
    f->owner = owner;
    f->timer = timer_new(fetcher->args.loop, on_timeout, f);
    timer_start(f->timer, FETCH_MOST_MS);
    list_append(&fetcher->fetches, &f->node);
    if (!resolve_numeric(target->address, target->port, &f->to)) {
        f->err = ERR_UNREACHABLE;
    }
    loop_defer(fetcher->args.loop, begin, f);
    return f;
}

void fetch_cancel(struct fetch **f)
{
    struct fetch *gone = *f;
    *f = NULL;
    if (gone == NULL) {
        return;
    }
    if (gone->connection != NULL) {
        struct connection *c = gone->connection;
        c->fetch = NULL;
        connection_free(c);
    }
    fetch_free(gone);
}
