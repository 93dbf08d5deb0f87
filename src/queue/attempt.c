/* Shell around the client core: finds the relay's addresses, connects to one after the other until one answers, moves
 * octets both ways under backpressure, wraps the connection in TLS when the core says so, and keeps the time limits of RFC
 * 5321, 4.5.3.2: a minute to connect, five minutes for a whole reply or for progress with the content, ten for the reply
 * after it. For a store worker the stream is there already: a session of a link.
 *
 * The content is read from the spool as it is sent. When the server cannot take it as it is, it is converted once, into a
 * spool of its own (smtp/convert.h). */
#include "queue/attempt.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/resolve.h"
#include "net/tls.h"
#include "smtp/convert.h"

enum {
    CONNECT_MS = 60 * 1000,
    REPLY_MS = 5 * 60 * 1000,
    FINAL_MS = 10 * 60 * 1000,
    STEP_MOST = 256 * 1024
};

struct attempt {
    struct attempt_args args;
    struct smtp_client *client;
    struct stream *stream;
    struct timer *timer;
    struct resolve *resolve;
    struct sockaddr_storage addresses[RESOLVE_MOST];
    size_t address_count;
    size_t address_at;
    struct spool_reader *reader;
    struct spool *converted;
    uint64_t progress; /* of the client, when the timer was started */
    bool is_connected;
    bool is_done;
};

static void step(struct attempt *a);

/* ---- the content ---- */

static enum err convert_into(void *owner, struct str octets)
{
    return spool_add(owner, octets);
}

static enum err convert(struct attempt *a, enum content_kind able)
{
    struct str message = STR_EMPTY;
    TRY(spool_reader_map(a->reader, &message));
    a->converted = queue_spool_new(a->args.queue, UINT64_MAX);
    TRY(convert_message(message, able, convert_into, a->converted));
    struct spool_reader *reader = NULL;
    TRY(queue_read_spool(a->args.queue, a->converted, &reader));
    spool_reader_free(&a->reader);
    a->reader = reader;
    return ERR_OK;
}

static enum err prepare(void *owner, enum content_kind able, enum content_kind *kind,
                        uint64_t *size)
{
    struct attempt *a = owner;
    *kind = a->args.message->kind;
    if (a->reader == NULL) {
        TRY(queue_read(a->args.queue, a->args.message->id, &a->reader));
    }
    if (*kind > able) {
        TRY(convert(a, able));
        *kind = content_get_kind(spool_get_scan(a->converted));
    }
    *size = spool_reader_get_size(a->reader);
    return *kind > able ? ERR_CONVERSION : ERR_OK;
}

static enum err read_content(void *owner, uint64_t offset, size_t n, struct str *out)
{
    struct attempt *a = owner;
    return spool_reader_get(a->reader, offset, n, out);
}

/* ---- events ---- */

static void report(void *owner)
{
    struct attempt *a = owner;
    a->args.on_done(a->args.owner, a);
}

/* Tells the owner, from a fresh stack. */
static void finish(struct attempt *a)
{
    if (!a->is_done) {
        a->is_done = true;
        timer_stop(a->timer);
        loop_defer(a->args.loop, report, a);
    }
}

static void fail(struct attempt *a, enum err why)
{
    smtp_client_fail(a->client, why);
    finish(a);
}

static void on_octets(void *owner, struct str octets)
{
    struct attempt *a = owner;
    if (!a->is_done) {
        smtp_client_feed(a->client, octets);
        step(a);
    }
}

static void on_drained(void *owner)
{
    struct attempt *a = owner;
    if (!a->is_done) {
        step(a);
    }
}

static void on_end(void *owner, enum err why)
{
    struct attempt *a = owner;
    if (!a->is_done) {
        fail(a, why == ERR_OK ? ERR_PEER_GONE : why);
    }
}

static const struct stream_handler handler = {on_octets, on_drained, on_end};

static void on_timeout(void *owner)
{
    fail(owner, ERR_TIMEOUT);
}

static void start_tls(struct attempt *a)
{
    const struct attempt_route *route = &a->args.route;
    bool is_verified = route->tls == SMTP_TLS_REQUIRED;
    a->stream = tls_client_new(a->args.loop, route->tls_context, a->stream,
                               is_verified ? route->host : STR_EMPTY);
    stream_set_handler(a->stream, &handler, a);
    smtp_client_on_tls(a->client);
    step(a);
}

static void step(struct attempt *a)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(STEP_MOST);
    enum smtp_client_want want = SMTP_CLIENT_OUTPUT;
    while (want == SMTP_CLIENT_OUTPUT && stream_get_queued(a->stream) <= STREAM_HIGH_WATER) {
        want = smtp_client_step(a->client, &out);
        stream_write(a->stream, buf_str(&out));
        buf_clear(&out);
    }
    uint64_t progress = smtp_client_get_progress(a->client);
    if (progress != a->progress) {
        a->progress = progress;
        timer_start(a->timer, smtp_client_is_final(a->client) ? FINAL_MS : REPLY_MS);
    }
    if (want == SMTP_CLIENT_TLS) {
        start_tls(a);
    } else if (want == SMTP_CLIENT_DONE) {
        finish(a);
    }
}

/* ---- getting there ---- */

static void connect_next(struct attempt *a);

static void on_connected(void *owner, enum err why)
{
    struct attempt *a = owner;
    if (why != ERR_OK) {
        stream_free(&a->stream);
        connect_next(a);
        return;
    }
    a->is_connected = true;
    stream_set_handler(a->stream, &handler, a);
    timer_start(a->timer, REPLY_MS);
}

static void connect_next(struct attempt *a)
{
    if (a->address_at == a->address_count) {
        log_info("queue: relay %.*s port %u cannot be reached", STR_ARG(a->args.route.host),
                 a->args.route.port);
        fail(a, ERR_UNREACHABLE);
        return;
    }
    a->stream =
        stream_connect(a->args.loop, &a->addresses[a->address_at++], CONNECT_MS, on_connected, a);
}

static void on_resolved(void *owner, enum err e, const struct sockaddr_storage *at, size_t count)
{
    struct attempt *a = owner;
    a->resolve = NULL;
    if (e == ERR_OK) {
        memcpy(a->addresses, at, count * sizeof(*at));
        a->address_count = count;
    }
    connect_next(a);
}

struct attempt *attempt_new(const struct attempt_args *args)
{
    struct attempt *a = mem_new(sizeof(*a));
    a->args = *args;
    struct smtp_client_job job = {
        .is_lmtp = args->route.lmtp != NULL,
        .helo = args->hostname,
        .tls = args->route.tls,
        .user = args->route.user,
        .password = args->route.password,
        .envelope = {.return_path = args->message->return_path,
                     .envid = args->message->envid,
                     .ret = args->message->ret,
                     .recipients = args->recipients,
                     .recipient_count = args->recipient_count},
        .source = {prepare, read_content, a},
    };
    a->client = smtp_client_new(&job);
    a->timer = timer_new(args->loop, on_timeout, a);
    if (job.is_lmtp) {
        a->stream = args->route.lmtp;
        a->is_connected = true;
        stream_set_handler(a->stream, &handler, a);
        timer_start(a->timer, REPLY_MS);
    } else {
        a->resolve = resolve_start(args->loop, args->route.host, args->route.port, on_resolved, a);
    }
    return a;
}

void attempt_free(struct attempt **a)
{
    if (*a == NULL) {
        return;
    }
    loop_cancel_deferred((*a)->args.loop, *a);
    resolve_cancel(&(*a)->resolve);
    if ((*a)->stream != NULL && (*a)->is_connected && (*a)->is_done) {
        stream_finish((*a)->args.loop, &(*a)->stream); /* QUIT may still be on its way */
    }
    if ((*a)->stream != NULL) {
        stream_free(&(*a)->stream);
    }
    timer_free(&(*a)->timer);
    smtp_client_free(&(*a)->client);
    spool_reader_free(&(*a)->reader);
    spool_free(&(*a)->converted);
    free(*a);
    *a = NULL;
}

struct smtp_outcome attempt_get_outcome(const struct attempt *a, size_t i)
{
    return smtp_client_get_outcome(a->client, i);
}
