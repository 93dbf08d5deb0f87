/* Shell around the client core: asks for the route, connects to the addresses of one host after the other until one answers, moves
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
    STEP_MOST = 256 * 1024,
    REPLY_MOST = 512
};

struct attempt {
    struct attempt_args args;
    struct smtp_client *client;
    struct stream *stream;
    struct timer *timer;
    struct route *route;
    const struct route_host *hosts; /* borrowed from route */
    size_t host_count;
    size_t host_at; /* the one that is tried */
    struct resolve *resolve;
    struct sockaddr_storage addresses[RESOLVE_MOST]; /* of that host */
    size_t address_count;
    size_t address_at;
    struct spool_reader *reader;
    struct spool *converted;
    enum err why;      /* there was nobody to speak to */
    struct buf reply;  /* in words */
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
    TRY(convert_message(message, (struct content_able){able, able != CONTENT_7BIT}, convert_into,
                        a->converted));
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
        TRY(a->args.content != NULL ? queue_read_spool(a->args.queue, a->args.content, &a->reader)
                                    : queue_read(a->args.queue, a->args.message->id, &a->reader));
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

/* Without a core, our own word stands for all recipients. */
static void fail(struct attempt *a, enum err why)
{
    if (a->client == NULL) {
        a->why = why;
        const struct err_info *info = err_get_info(why);
        buf_addf(&a->reply, "%d %s %s", info->smtp, info->enhanced, info->text);
    } else {
        smtp_client_fail(a->client, why);
    }
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
    const struct route_host *host = &a->hosts[a->host_at];
    bool is_verified = host->tls == SMTP_TLS_REQUIRED;
    a->stream = tls_client_new(a->args.loop, host->tls_context, a->stream,
                               is_verified ? host->name : STR_EMPTY);
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

/* The connection stands: the core begins, with what this host is told. */
static void begin(struct attempt *a, const struct smtp_client_job *how)
{
    struct smtp_client_job job = *how;
    job.helo = a->args.hostname;
    job.envelope = (struct mail_envelope){
        .return_path = a->args.message->return_path,
        .envid = a->args.message->envid,
        .ret = a->args.message->ret,
        .terms = a->args.message->terms,
        .recipients = a->args.recipients,
        .recipient_count = a->args.recipient_count,
    };
    job.source = (struct smtp_source){prepare, read_content, a};
    a->client = smtp_client_new(&job);
}

static void on_connected(void *owner, enum err why)
{
    struct attempt *a = owner;
    if (why != ERR_OK) {
        stream_free(&a->stream);
        connect_next(a);
        return;
    }
    const struct route_host *host = &a->hosts[a->host_at];
    a->is_connected = true;
    begin(a, &(struct smtp_client_job){
                 .tls = host->tls, .user = host->user, .password = host->password});
    stream_set_handler(a->stream, &handler, a);
    timer_start(a->timer, REPLY_MS);
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

static void try_host(struct attempt *a)
{
    const struct route_host *host = &a->hosts[a->host_at];
    a->address_at = 0;
    a->address_count = host->at_count < RESOLVE_MOST ? host->at_count : RESOLVE_MOST;
    if (a->address_count == 0) {
        a->resolve = resolve_start(a->args.loop, host->name, host->port, on_resolved, a);
        return;
    }
    memcpy(a->addresses, host->at, a->address_count * sizeof(*host->at));
    connect_next(a);
}

static void connect_next(struct attempt *a)
{
    if (a->address_at < a->address_count) {
        a->stream = stream_connect(a->args.loop, &a->addresses[a->address_at++], CONNECT_MS,
                                   on_connected, a);
        return;
    }
    log_info("queue: %.*s port %u cannot be reached", STR_ARG(a->hosts[a->host_at].name),
             a->hosts[a->host_at].port);
    if (a->host_at + 1 < a->host_count) {
        a->host_at++;
        try_host(a);
        return;
    }
    fail(a, ERR_UNREACHABLE);
}

static void on_route(void *owner, enum err e, const struct route_host *hosts, size_t count)
{
    struct attempt *a = owner;
    if (e != ERR_OK) {
        fail(a, e);
        return;
    }
    a->hosts = hosts;
    a->host_count = count;
    try_host(a);
}

struct attempt *attempt_new(const struct attempt_args *args)
{
    struct attempt *a = mem_new(sizeof(*a));
    a->args = *args;
    a->reply = BUF_INIT(REPLY_MOST);
    a->timer = timer_new(args->loop, on_timeout, a);
    if (args->route.lmtp != NULL) {
        a->stream = args->route.lmtp;
        a->is_connected = true;
        begin(a, &(struct smtp_client_job){.is_lmtp = true});
        stream_set_handler(a->stream, &handler, a);
        timer_start(a->timer, REPLY_MS);
    } else {
        a->route = route_find(args->route.routes, args->route.domain, on_route, a);
    }
    return a;
}

void attempt_free(struct attempt **a)
{
    if (*a == NULL) {
        return;
    }
    loop_cancel_deferred((*a)->args.loop, *a);
    route_free(&(*a)->route);
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
    buf_release(&(*a)->reply);
    free(*a);
    *a = NULL;
}

struct smtp_outcome attempt_get_outcome(const struct attempt *a, size_t i)
{
    if (a->client != NULL) {
        return smtp_client_get_outcome(a->client, i);
    }
    bool is_final = err_get_info(a->why)->smtp >= 500;
    enum smtp_outcome_kind kind = is_final ? SMTP_OUTCOME_FAILED : SMTP_OUTCOME_LATER;
    return (struct smtp_outcome){.kind = kind, .reply = buf_str(&a->reply)};
}

struct str attempt_get_host(const struct attempt *a)
{
    return a->is_connected && a->hosts != NULL ? a->hosts[a->host_at].name : STR_EMPTY;
}

bool attempt_is_unreachable(const struct attempt *a)
{
    return a->client == NULL && err_get_info(a->why)->smtp < 500;
}
