/* Shell around the client core: takes a connection that waits for a message (kept.h), or asks for the route and connects to the
 * addresses of one host after the other until one takes it; moves octets both ways under backpressure, wraps the connection in TLS
 * when the core says so, on the terms of the route, and keeps the time limits of RFC 5321, 4.5.3.2: a minute to connect, five minutes
 * for a whole reply or for progress with the content, ten for the reply after it. For a store worker the stream is there already: a
 * session of a link.
 *
 * Another host is tried when one is of no use before it heard of the content; a connection that had waited and turns out to be dead is
 * nobody's fault, and the route is asked for. Finding a host that takes the connection may last minutes in all, however many addresses
 * swallow it, and the whole attempt half an hour and what the content takes at a modest pace: a host that answers each command just
 * in time, or drips, holds its slot no longer. Encryption that was only offered, and fails, is left out the next time (RFC 7435, 3); where
 * it is demanded, the host has failed.
 *
 * The content is read from the spool as it is sent. When the server cannot take it as it is, it is converted once, into a
 * spool of its own (smtp/convert.h). */
#include "queue/attempt.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/resolve.h"
#include "net/tls.h"
#include "queue/kept.h"
#include "smtp/convert.h"

enum {
    CONNECT_MS = 60 * 1000,
    CONNECT_NEXT_MS = 20 * 1000, /* when another address is there */
    CONNECTS_MS = 5 * 60 * 1000,
    ATTEMPT_MS = 30 * 60 * 1000,
    OCTETS_PER_MS = 4,
    REPLY_MS = 5 * 60 * 1000,
    FINAL_MS = 10 * 60 * 1000,
    LOOK_AGAIN_MS = 10 * 1000,
    STEP_MOST = 256 * 1024,
    REPLY_MOST = 512
};

struct attempt {
    struct attempt_args args;
    struct hop hop;
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
    enum err why;              /* there was nobody to speak to */
    struct buf reply;          /* in words */
    uint64_t progress;         /* of the client, when the timer was started */
    uint64_t progress_ms;      /* loop_now_ms(): when it made some */
    uint64_t connect_until_ms; /* loop_now_ms() */
    uint64_t until_ms;
    bool is_connected; /* to the host at hand */
    bool is_shaking;   /* TLS was begun, and nothing came through it yet */
    bool is_plain;     /* the host's TLS does not work: without */
    bool is_reused;    /* the connection had waited */
    bool is_owing;     /* when time was up: the host had not confirmed all octets */
    bool is_done;
};

static void step(struct attempt *a);
static void connect_next(struct attempt *a);
static void ask_route(struct attempt *a);

/* ---- the content ---- */

static enum err convert_into(void *owner, struct str octets)
{
    return spool_add(owner, octets);
}

static enum err convert(struct attempt *a, struct content_able able)
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

static enum err open_content(struct attempt *a)
{
    if (a->converted != NULL) { /* for another host; this one may take it as it is */
        spool_reader_free(&a->reader);
        spool_free(&a->converted);
    }
    if (a->reader != NULL) {
        return ERR_OK;
    }
    return a->args.content != NULL ? queue_read_spool(a->args.queue, a->args.content, &a->reader)
                                   : queue_read(a->args.queue, a->args.message->id, &a->reader);
}

static enum err prepare(void *owner, struct content_able able, enum content_kind *kind,
                        uint64_t *size)
{
    struct attempt *a = owner;
    *kind = a->args.message->kind;
    TRY(open_content(a));
    bool has_utf8_header = a->args.message->terms.is_utf8 && *kind != CONTENT_7BIT; /* perhaps */
    if (*kind > able.kind || (has_utf8_header && !able.is_utf8)) {
        TRY(convert(a, able));
        *kind = content_get_kind(spool_get_scan(a->converted));
    }
    *size = spool_reader_get_size(a->reader);
    return *kind > able.kind ? ERR_CONVERSION : ERR_OK;
}

static uint64_t now_ms(void *owner)
{
    return loop_wall_ms(((struct attempt *)owner)->args.loop);
}

static enum err read_content(void *owner, uint64_t offset, size_t n, struct str *out)
{
    struct attempt *a = owner;
    return spool_reader_get(a->reader, offset, n, out);
}

/* ---- the end ---- */

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

static void drop_hop(struct attempt *a)
{
    timer_stop(a->timer);
    hop_end(a->args.loop, &a->hop);
    a->is_connected = a->is_shaking = false;
}

/* Nobody to speak to: our own word stands for all recipients. */
static void fail_route(struct attempt *a, enum err why)
{
    const struct err_info *info = err_get_info(why);
    a->why = why;
    buf_clear(&a->reply);
    buf_addf(&a->reply, "%d %s ", info->smtp, info->enhanced);
    if (why == ERR_UNREACHABLE && a->hosts != NULL) {
        buf_addf(&a->reply, "%.*s cannot be reached", STR_ARG(a->hosts[a->host_at].name));
    } else {
        buf_add_c(&a->reply, info->text);
    }
    finish(a);
}

static bool is_time_over(const struct attempt *a)
{
    return loop_now_ms(a->args.loop) >= a->connect_until_ms;
}

static bool has_another(const struct attempt *a)
{
    return (a->address_at < a->address_count || a->host_at + 1 < a->host_count) && !is_time_over(a);
}

/* Waits for the server, as long as the attempt may last. */
static void start_timer(struct attempt *a, uint64_t wait_ms)
{
    uint64_t now = loop_now_ms(a->args.loop);
    uint64_t left = a->until_ms > now ? a->until_ms - now : 1;
    timer_start(a->timer, wait_ms < left ? wait_ms : left);
}

static void wait_for_reply(struct attempt *a)
{
    if (smtp_client_is_final(a->hop.client)) {
        timer_start(a->timer, FINAL_MS); /* who does not wait for it sends twice */
    } else {
        start_timer(a, REPLY_MS);
    }
}

static void note_progress(struct attempt *a)
{
    a->is_owing = false;
    a->progress_ms = loop_now_ms(a->args.loop);
    wait_for_reply(a);
}

/* The core has all outcomes; they hold unless another host may do better. */
static void conclude(struct attempt *a)
{
    bool is_unfit = smtp_client_is_unfit(a->hop.client);
    bool is_of_no_use = is_unfit || smtp_client_has_host_failed(a->hop.client);
    bool has_next = is_unfit ? a->host_at + 1 < a->host_count : has_another(a);
    if (is_of_no_use && a->is_reused) {
        drop_hop(a);
        ask_route(a);
    } else if (is_of_no_use && a->args.route.lmtp == NULL && has_next) {
        log_info("queue: %.*s is of no use now", STR_ARG(a->hosts[a->host_at].name));
        drop_hop(a);
        a->address_at = is_unfit ? a->address_count : a->address_at; /* all of them are that host */
        connect_next(a);
    } else {
        finish(a);
    }
}

static void fail(struct attempt *a, enum err why)
{
    smtp_client_fail(a->hop.client, why);
    conclude(a);
}

/* ---- events ---- */

static void on_octets(void *owner, struct str octets)
{
    struct attempt *a = owner;
    if (!a->is_done) {
        a->is_shaking = false;
        smtp_client_feed(a->hop.client, octets);
        bool is_stuck = stream_get_queued(a->hop.stream) > STREAM_HIGH_WATER;
        if (is_stuck && smtp_client_is_over(a->hop.client)) {
            conclude(a);
        } else {
            step(a);
        }
    }
}

static void on_drained(void *owner)
{
    struct attempt *a = owner;
    if (!a->is_done) {
        step(a);
    }
}

static bool needs_guard(const struct attempt *a)
{
    const struct queue_message *m = a->args.message;
    return mail_needs_guard(&m->terms, m->return_path);
}

/* TLS that was only offered does not work: once more, without. Never with a password. */
static bool retry_plain(struct attempt *a, enum err why)
{
    bool may_be_plain = a->is_shaking && why == ERR_TLS_FAILED && !a->is_plain && a->hosts != NULL
                        && a->hop.how.tls == SMTP_TLS_OFFERED && a->hop.how.user.n == 0
                        && !needs_guard(a);
    if (may_be_plain) {
        log_info("queue: TLS to %.*s does not work; without it", STR_ARG(buf_str(&a->hop.name)));
        drop_hop(a);
        a->is_plain = true;
        a->address_at--;
        connect_next(a);
    }
    return may_be_plain;
}

static void on_end(void *owner, enum err why)
{
    struct attempt *a = owner;
    if (!a->is_done && !retry_plain(a, why)) {
        fail(a, why == ERR_OK ? ERR_PEER_GONE : why);
    }
}

static const struct stream_handler handler = {on_octets, on_drained, on_end};

/* Octets that the server's host has not confirmed are repeated by TCP; who lets go before TCP does may send a message twice (RFC 5383,
 * 4.2: D23). When they were confirmed the server has its time again. */
static void on_timeout(void *owner)
{
    struct attempt *a = owner;
    uint64_t now = loop_now_ms(a->args.loop);
    bool was_owing = a->is_owing;
    bool is_over = now >= a->until_ms && !smtp_client_is_final(a->hop.client);
    a->is_owing = stream_get_owed(a->hop.stream) > 0;
    if (!is_over && a->is_owing && now < a->progress_ms + STREAM_PATIENCE_MS) {
        timer_start(a->timer, LOOK_AGAIN_MS);
    } else if (!is_over && was_owing && !a->is_owing) {
        wait_for_reply(a);
    } else {
        fail(a, ERR_TIMEOUT);
    }
}

/* Does the sender's "TLS-Required: No" lift what the domain asks for (RFC 8689, 5)? */
static bool is_relaxed(const struct attempt *a, const struct route_host *h)
{
    return a->args.message->terms.is_tls_optional && h->is_own_policy;
}

static void wrap(struct attempt *a)
{
    const struct route_host *h = &a->hosts[a->host_at];
    struct loop *l = a->args.loop;
    struct str name = h->is_checked ? h->name : STR_EMPTY;
    struct tls_dane dane = {h->name, h->also, h->anchors, h->anchor_count};
    if (is_relaxed(a, h)) {
        a->hop.stream =
            tls_client_new(l, routes_get_tls_any(a->args.route.routes), a->hop.stream, STR_EMPTY);
    } else if (h->anchor_count > 0) {
        a->hop.stream = tls_client_new_dane(l, h->tls_context, a->hop.stream, &dane);
    } else {
        a->hop.stream = tls_client_new(l, h->tls_context, a->hop.stream, name);
    }
    a->is_shaking = true;
    stream_set_handler(a->hop.stream, &handler, a);
}

static void step(struct attempt *a)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(STEP_MOST);
    enum smtp_client_want want = SMTP_CLIENT_OUTPUT;
    while (want == SMTP_CLIENT_OUTPUT && stream_get_queued(a->hop.stream) <= STREAM_HIGH_WATER) {
        want = smtp_client_step(a->hop.client, &out);
        stream_write(a->hop.stream, buf_str(&out));
        buf_clear(&out);
        if (want == SMTP_CLIENT_TLS) {
            wrap(a);
            smtp_client_on_tls(a->hop.client);
            want = SMTP_CLIENT_OUTPUT;
        }
    }
    uint64_t progress = smtp_client_get_progress(a->hop.client);
    if (progress != a->progress) {
        a->progress = progress;
        note_progress(a);
    }
    if (want == SMTP_CLIENT_DONE) {
        conclude(a);
    }
}

/* ---- the message ---- */

/* What the core is to do with this message, on the terms of the connection. */
static struct smtp_client_job make_job(struct attempt *a, const struct smtp_client_job *how)
{
    const struct queue_message *m = a->args.message;
    struct smtp_client_job job = *how;
    job.helo = a->args.hostname;
    job.envelope = (struct mail_envelope){
        .return_path = m->return_path,
        .envid = m->envid,
        .ret = m->ret,
        .recipients = a->args.recipients,
        .recipient_count = a->args.recipient_count,
        .terms = m->terms,
    };
    job.source = (struct smtp_source){prepare, read_content, a, now_ms};
    return job;
}

static void begin(struct attempt *a, const struct smtp_client_job *how)
{
    struct smtp_client_job job = make_job(a, how);
    a->hop.how = *how;
    a->hop.client = smtp_client_new(&job);
    a->is_connected = true;
    a->progress = 0;
    stream_set_handler(a->hop.stream, &handler, a);
    note_progress(a);
}

/* A connection that had waited. */
static void go_on(struct attempt *a)
{
    struct smtp_client_job job = make_job(a, &a->hop.how);
    a->is_connected = a->is_reused = true;
    smtp_client_next(a->hop.client, &job);
    a->progress = smtp_client_get_progress(a->hop.client);
    stream_set_handler(a->hop.stream, &handler, a);
    note_progress(a);
    step(a);
}

/* ---- getting there ---- */

static void on_connected(void *owner, enum err why)
{
    struct attempt *a = owner;
    const struct route_host *h = &a->hosts[a->host_at];
    routes_on_connect(a->args.route.routes, a->addresses[a->address_at - 1].ss_family,
                      why == ERR_OK);
    if (why != ERR_OK) {
        stream_free(&a->hop.stream);
        connect_next(a);
        return;
    }
    bool is_relaxed_now = is_relaxed(a, h);
    struct smtp_client_job how = {
        .is_lmtp = h->is_lmtp,
        .tls = is_relaxed_now ? SMTP_TLS_OFFERED : h->tls,
        .is_tls = h->is_tls_implicit,
        .is_authentic = h->is_authentic && !is_relaxed_now,
        .is_kept = !is_relaxed_now,
        .user = h->user,
        .password = h->password,
    };
    how.tls = a->is_plain ? SMTP_TLS_OFF : how.tls;
    a->hop.name = BUF_INIT(REPLY_MOST);
    a->hop.messages = 0;
    buf_add(&a->hop.name, h->name);
    begin(a, &how);
    if (h->is_tls_implicit) {
        wrap(a);
    }
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

/* May this message be shown to the host at all? */
static bool may_try(const struct attempt *a, const struct route_host *h)
{
    return (!needs_guard(a) || h->is_authentic) && (!h->is_outside_policy || is_relaxed(a, h));
}

static void try_host(struct attempt *a)
{
    const struct route_host *host = &a->hosts[a->host_at];
    a->address_at = 0;
    a->is_plain = false;
    a->address_count = host->at_count < RESOLVE_MOST ? host->at_count : RESOLVE_MOST;
    if (!may_try(a, host)) {
        a->address_count = 0;
        connect_next(a);
        return;
    }
    a->why = ERR_UNREACHABLE;
    if (a->address_count == 0) {
        a->resolve = resolve_start(a->args.loop, host->name, host->port, on_resolved, a);
        return;
    }
    memcpy(a->addresses, host->at, a->address_count * sizeof(*host->at));
    connect_next(a);
}

static void connect_next(struct attempt *a)
{
    bool is_over = is_time_over(a) && a->why == ERR_UNREACHABLE; /* an address was tried */
    if (a->address_at < a->address_count && !is_over) {
        a->address_at++;
        uint64_t wait_ms = has_another(a) ? CONNECT_NEXT_MS : CONNECT_MS;
        a->hop.stream = stream_connect(a->args.loop, &a->addresses[a->address_at - 1], wait_ms,
                                       on_connected, a);
        return;
    }
    if (a->host_at + 1 < a->host_count && !is_over) {
        a->host_at++;
        try_host(a);
        return;
    }
    log_info("queue: no host for %.*s can be used; the last was %.*s, port %u",
             STR_ARG(a->args.route.domain), STR_ARG(a->hosts[a->host_at].name),
             (unsigned)a->hosts[a->host_at].port);
    fail_route(a, a->why);
}

static void on_route(void *owner, enum err e, const struct route_host *hosts, size_t count)
{
    struct attempt *a = owner;
    if (e != ERR_OK) {
        fail_route(a, e);
        return;
    }
    /* What holds when no host may be tried at all. */
    a->why = needs_guard(a) ? ERR_NO_REQUIRETLS : ERR_STS_MISMATCH;
    a->hosts = hosts;
    a->host_count = count;
    try_host(a);
}

static void ask_route(struct attempt *a)
{
    a->is_reused = false;
    a->route = route_find(a->args.route.routes, a->args.route.domain, on_route, a);
}

static void find_way(struct attempt *a)
{
    struct routes *routes = a->args.route.routes;
    CLEANUP(buf_release) struct buf key = BUF_INIT(ROUTE_KEY_MOST);
    if (routes_write_key(routes, a->args.route.domain, &key) == ERR_OK
        && kept_take(routes_get_kept(routes), buf_str(&key), needs_guard(a), &a->hop)) {
        go_on(a);
        return;
    }
    ask_route(a);
}

struct attempt *attempt_new(const struct attempt_args *args)
{
    struct attempt *a = mem_new(sizeof(*a));
    a->args = *args;
    a->reply = BUF_INIT(REPLY_MOST);
    uint64_t now = loop_now_ms(args->loop);
    a->connect_until_ms = now + CONNECTS_MS;
    a->until_ms = now + ATTEMPT_MS + args->message->size / OCTETS_PER_MS;
    a->timer = timer_new(args->loop, on_timeout, a);
    if (args->route.lmtp != NULL) {
        a->hop.stream = args->route.lmtp;
        begin(a, &(struct smtp_client_job){.is_lmtp = true, .is_own = true});
    } else {
        find_way(a);
    }
    return a;
}

/* The connection may be of use to others. */
static void leave_hop(struct attempt *a)
{
    CLEANUP(buf_release) struct buf key = BUF_INIT(ROUTE_KEY_MOST);
    struct routes *routes = a->args.route.routes;
    if (a->hop.client == NULL || !smtp_client_is_idle(a->hop.client) || routes == NULL
        || routes_write_key(routes, a->args.route.domain, &key) != ERR_OK) {
        return;
    }
    a->hop.messages++;
    kept_put(routes_get_kept(routes), buf_str(&key), &a->hop);
}

void attempt_free(struct attempt **a)
{
    if (*a == NULL) {
        return;
    }
    loop_cancel_deferred((*a)->args.loop, *a);
    leave_hop(*a);
    route_free(&(*a)->route);
    resolve_cancel(&(*a)->resolve);
    if ((*a)->hop.stream != NULL && (*a)->is_connected && (*a)->is_done) {
        stream_finish((*a)->args.loop, &(*a)->hop.stream); /* QUIT may still be on its way */
    }
    drop_hop(*a);
    timer_free(&(*a)->timer);
    spool_reader_free(&(*a)->reader);
    spool_free(&(*a)->converted);
    buf_release(&(*a)->reply);
    free(*a);
    *a = NULL;
}

struct smtp_outcome attempt_get_outcome(const struct attempt *a, size_t i)
{
    if (a->hop.client != NULL) {
        return smtp_client_get_outcome(a->hop.client, i);
    }
    bool is_final = err_get_info(a->why)->smtp >= 500;
    enum smtp_outcome_kind kind = is_final ? SMTP_OUTCOME_FAILED : SMTP_OUTCOME_LATER;
    return (struct smtp_outcome){.kind = kind, .reply = buf_str(&a->reply)};
}

struct str attempt_get_host(const struct attempt *a)
{
    return a->is_connected ? buf_str(&a->hop.name) : STR_EMPTY;
}

bool attempt_is_unreachable(const struct attempt *a)
{
    if (a->hop.client != NULL) {
        return smtp_client_has_host_failed(a->hop.client);
    }
    return err_get_info(a->why)->smtp < 500;
}
