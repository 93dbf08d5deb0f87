/* libcurl speaks HTTP and TLS; the loop tells it when (curl_multi_socket_action()). What is ours is the choice of what it may do:
 * https only, no redirects, no proxies from the environment, no reuse of connections, bounds on time and size, and no resolver:
 * names are looked up by the caller (net/dns.h) or the system's resolver on our helper thread (net/resolve.h), and libcurl is told the
 * addresses, so that it needs no threads and no sockets besides the one of the call.
 *
 * libcurl calls back only to hand over octets, descriptors and times. A call's end is noticed after curl_multi_socket_action() and told
 * from the loop, each on a stack of its own, so the user may do anything in it. */
#include "net/http.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop_priv.h"
#include "net/resolve.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdlib.h>

enum {
    URL_MOST = 8 * 1024,
    BODY_MOST = 16 * 1024 * 1024,
    HEADER_MOST = 64 * 1024,
    TYPE_MOST = 256,
    PLACES_MOST = 2048, /* addresses as text */
    TIMEOUT_MS = 60 * 1000
};

struct http {
    struct loop *loop;
    struct str anchors;
    bool is_plain_allowed;
    CURLM *multi;
    struct timer *timer;
    struct list calls;
};

/* A descriptor of libcurl's. */
struct watched {
    struct http *http;
    struct io *io;
    curl_socket_t fd;
    unsigned events;
};

struct http_call {
    struct list node;
    struct http *http;
    CURL *easy;
    bool is_added; /* to the multi handle */
    struct curl_slist *places;
    struct curl_slist *headers;
    struct resolve *resolve;
    struct timer *timer;
    struct buf url;
    struct buf host;
    uint16_t port;
    struct buf body;
    struct buf answer;
    size_t answer_most;
    size_t header_octets;
    enum err err;
    void (*on_done)(void *owner, enum err e, const struct http_answer *answer);
    void *owner;
};

/* ---- the end of a call ---- */

/* From now on http knows nothing of it. */
static void detach(struct http_call *c)
{
    list_remove(&c->node);
    loop_cancel_deferred(c->http->loop, c);
    resolve_cancel(&c->resolve);
    timer_free(&c->timer);
    if (c->is_added) {
        (void)curl_multi_remove_handle(c->http->multi, c->easy);
    }
}

static void release(struct http_call *c)
{
    curl_easy_cleanup(c->easy);
    curl_slist_free_all(c->places);
    curl_slist_free_all(c->headers);
    buf_release(&c->url);
    buf_release(&c->host);
    buf_wipe(&c->body); /* tokens go in it */
    buf_release(&c->answer);
    free(c);
}

void http_cancel(struct http_call **c)
{
    if (*c != NULL) {
        detach(*c);
        release(*c);
        *c = NULL;
    }
}

static void report(void *owner)
{
    struct http_call *c = owner;
    struct http_answer answer = {.body = buf_str(&c->answer)};
    long status = 0;
    char *type = NULL;
    if (c->err == ERR_OK) {
        (void)curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
        (void)curl_easy_getinfo(c->easy, CURLINFO_CONTENT_TYPE, &type);
        answer.status = (unsigned)status;
        answer.content_type = str_sub(str_from_c(type), 0, TYPE_MOST);
    }
    detach(c);
    c->on_done(c->owner, c->err, &answer);
    release(c);
}

static void finish(struct http_call *c, enum err e)
{
    c->err = e;
    timer_stop(c->timer);
    loop_cancel_deferred(c->http->loop, c);
    loop_defer(c->http->loop, report, c);
}

static void on_call_timeout(void *owner)
{
    finish(owner, ERR_TIMEOUT);
}

static enum err err_from_curl(const struct http_call *c, CURLcode code)
{
    switch ((int)code) {
    case CURLE_OK:
        return ERR_OK;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return ERR_UNREACHABLE;
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return ERR_TLS_FAILED;
    case CURLE_URL_MALFORMAT:
        return ERR_SYNTAX;
    case CURLE_WRITE_ERROR: /* we took no more */
        return c->err != ERR_OK ? c->err : ERR_PEER_GONE;
    default:
        return ERR_PEER_GONE;
    }
}

/* ---- between libcurl and the loop ---- */

static void look_for_ends(struct http *h)
{
    int left = 0;
    for (CURLMsg *m = curl_multi_info_read(h->multi, &left); m != NULL;
         m = curl_multi_info_read(h->multi, &left)) {
        struct http_call *c = NULL;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&c);
        if (m->msg == CURLMSG_DONE && c != NULL) {
            if (m->data.result != CURLE_OK) {
                log_info("http: %.*s: %s", STR_ARG(buf_str(&c->host)),
                         curl_easy_strerror(m->data.result));
            }
            finish(c, err_from_curl(c, m->data.result));
        }
    }
}

static void on_ready(void *owner, unsigned events)
{
    struct watched *w = owner;
    struct http *h = w->http;
    int running = 0;
    int mask = (events & IO_READ) != 0 ? CURL_CSELECT_IN : 0;
    mask |= (events & IO_WRITE) != 0 ? CURL_CSELECT_OUT : 0;
    io_set(w->io, w->events); /* an error stopped it; libcurl is still to hear of the next one */
    (void)curl_multi_socket_action(h->multi, w->fd, mask, &running);
    look_for_ends(h);
}

static void on_timer(void *owner)
{
    struct http *h = owner;
    int running = 0;
    (void)curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    look_for_ends(h);
}

static int watch(CURL *easy, curl_socket_t fd, int what, void *owner, void *socket)
{
    struct http *h = owner;
    struct watched *w = socket;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            io_free(&w->io);
            free(w);
        }
        (void)curl_multi_assign(h->multi, fd, NULL);
        return 0;
    }
    if (w == NULL) {
        w = mem_new(sizeof(*w));
        *w = (struct watched){.http = h, .fd = fd};
        w->io = io_new(h->loop, fd, on_ready, w);
        (void)curl_multi_assign(h->multi, fd, w);
    }
    w->events = (what & CURL_POLL_IN) != 0 ? IO_READ : 0;
    w->events |= (what & CURL_POLL_OUT) != 0 ? IO_WRITE : 0;
    io_set(w->io, w->events);
    return 0;
}

static int set_timer(CURLM *multi, long after_ms, void *owner)
{
    struct http *h = owner;
    (void)multi;
    if (after_ms < 0) {
        timer_stop(h->timer);
    } else {
        timer_start(h->timer, (uint64_t)after_ms);
    }
    return 0;
}

static size_t take_body(char *p, size_t size, size_t n, void *owner)
{
    struct http_call *c = owner;
    if (size * n > c->answer_most - c->answer.len) {
        c->err = ERR_TOO_BIG;
        return 0;
    }
    buf_add(&c->answer, str_make(p, size * n));
    return size * n;
}

static size_t take_header(char *p, size_t size, size_t n, void *owner)
{
    struct http_call *c = owner;
    (void)p;
    c->header_octets += size * n;
    if (c->header_octets > HEADER_MOST) {
        c->err = ERR_TOO_BIG;
        return 0;
    }
    return size * n;
}

/* ---- the start of a call ---- */

/* Host and port of the URL, and whether we speak its scheme. */
static enum err read_url(struct http_call *c)
{
    CURLU *u = curl_url();
    char *scheme = NULL;
    char *host = NULL;
    char *port = NULL;
    uint64_t number = 0;
    bool is_read = u != NULL && curl_url_set(u, CURLUPART_URL, c->url.p, 0) == CURLUE_OK
                   && curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK
                   && curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK
                   && curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    bool is_ours = is_read
                   && (str_eq(str_from_c(scheme), STR("https"))
                       || (c->http->is_plain_allowed && str_eq(str_from_c(scheme), STR("http"))));
    is_ours = is_ours && str_to_u64(str_from_c(port), UINT16_MAX, &number);
    c->port = (uint16_t)number;
    buf_add(&c->host, str_from_c(host));
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    return is_ours && c->host.len > 0 ? ERR_OK : ERR_SYNTAX;
}

static void write_place(struct buf *out, const struct sockaddr_storage *at)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (at->ss_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)at)->sin6_addr, text,
                        sizeof(text));
        buf_addf(out, "[%s]", text);
    } else {
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)at)->sin_addr, text, sizeof(text));
        buf_add_c(out, text);
    }
}

/* Off it goes: "+host:port:address,address" is libcurl's word for where the host is. */
static void go(struct http_call *c, const struct sockaddr_storage *at, size_t count)
{
    CLEANUP(buf_release) struct buf places = BUF_INIT(PLACES_MOST);
    buf_addf(&places, "+%s:%u:", c->host.p, c->port);
    for (size_t i = 0; i < count && i < RESOLVE_MOST; i++) {
        buf_add_c(&places, i > 0 ? "," : "");
        write_place(&places, &at[i]);
    }
    c->places = curl_slist_append(NULL, places.p);
    (void)curl_easy_setopt(c->easy, CURLOPT_RESOLVE, c->places);
    c->is_added = curl_multi_add_handle(c->http->multi, c->easy) == CURLM_OK;
    if (!c->is_added) {
        finish(c, ERR_UNREACHABLE);
    }
}

static void on_resolved(void *owner, enum err e, const struct sockaddr_storage *at, size_t count)
{
    struct http_call *c = owner;
    c->resolve = NULL;
    if (e != ERR_OK) {
        finish(c, e);
        return;
    }
    go(c, at, count);
}

#define SET(c, option, value)                                                                      \
    is_set = is_set && curl_easy_setopt((c)->easy, option, value) == CURLE_OK

/* What every call may and may not do. False: this libcurl lacks something that we rely on. */
static bool set_limits(struct http_call *c)
{
    bool is_set = true;
    SET(c, CURLOPT_PROTOCOLS_STR, c->http->is_plain_allowed ? "https,http" : "https");
    SET(c, CURLOPT_FOLLOWLOCATION, 0L);
    SET(c, CURLOPT_PROXY, ""); /* also those of the environment */
    SET(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(c, CURLOPT_NOSIGNAL, 1L);
    SET(c, CURLOPT_FORBID_REUSE, 1L);
    SET(c, CURLOPT_FRESH_CONNECT, 1L);
    SET(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(c, CURLOPT_SSL_VERIFYPEER, 1L);
    SET(c, CURLOPT_SSL_VERIFYHOST, 2L);
    SET(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(c, CURLOPT_TCP_KEEPALIVE, 0L); /* RFC 5383, 4.2 */
    SET(c, CURLOPT_USERAGENT, "limetta");
    if (c->http->anchors.n > 0) {
        union {
            const char *in;
            void *out;
        } p = {c->http->anchors.p}; /* only read */
        struct curl_blob blob = {p.out, c->http->anchors.n, CURL_BLOB_NOCOPY};
        SET(c, CURLOPT_CAINFO_BLOB, &blob);
        SET(c, CURLOPT_CAPATH, NULL);
    }
    return is_set;
}

static bool set_request(struct http_call *c, const struct http_request *r)
{
    bool is_set = true;
    SET(c, CURLOPT_URL, c->url.p);
    SET(c, CURLOPT_PRIVATE, c);
    SET(c, CURLOPT_WRITEFUNCTION, take_body);
    SET(c, CURLOPT_WRITEDATA, c);
    SET(c, CURLOPT_HEADERFUNCTION, take_header);
    SET(c, CURLOPT_HEADERDATA, c);
    if (r->is_post) {
        CLEANUP(buf_release) struct buf type = BUF_INIT(TYPE_MOST);
        buf_addf(&type, "Content-Type: %.*s", STR_ARG(r->content_type));
        c->headers = curl_slist_append(NULL, type.p);
        c->headers = curl_slist_append(c->headers, "Expect:"); /* say it all at once */
        SET(c, CURLOPT_POST, 1L);
        SET(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body.len);
        SET(c, CURLOPT_POSTFIELDS, c->body.len > 0 ? c->body.p : "");
    }
    if (r->authorization.n > 0) {
        struct buf line = BUF_INIT(HEADER_MOST);
        buf_addf(&line, "Authorization: %.*s", STR_ARG(r->authorization));
        c->headers = curl_slist_append(c->headers, line.p);
        buf_wipe(&line);
    }
    SET(c, CURLOPT_HTTPHEADER, c->headers);
    return is_set;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < ' ') {
            return true;
        }
    }
    return false;
}

static enum err prepare(struct http_call *c, const struct http_request *r)
{
    buf_add(&c->url, r->url);
    buf_add(&c->body, r->body);
    if (has_control(r->content_type) || has_control(r->authorization) || c->url.len == 0
        || strlen(c->url.p) != c->url.len) {
        return ERR_SYNTAX;
    }
    TRY(buf_err(&c->url));
    TRY(buf_err(&c->body));
    TRY(read_url(c));
    return set_limits(c) && set_request(c, r) ? ERR_OK : ERR_IO;
}

struct http_call *
http_start(struct http *h, const struct http_request *request,
           void (*on_done)(void *owner, enum err e, const struct http_answer *answer), void *owner)
{
    struct http_call *c = mem_new(sizeof(*c));
    c->http = h;
    c->on_done = on_done;
    c->owner = owner;
    c->url = BUF_INIT(URL_MOST);
    c->host = BUF_INIT(URL_MOST);
    c->body = BUF_INIT(BODY_MOST);
    c->answer = BUF_INIT(request->answer_most);
    c->answer_most = request->answer_most;
    c->timer = timer_new(h->loop, on_call_timeout, c);
    c->easy = curl_easy_init();
    if (c->easy == NULL) {
        abort(); /* out of memory */
    }
    list_append(&h->calls, &c->node);
    timer_start(c->timer, request->timeout_ms > 0 ? request->timeout_ms : TIMEOUT_MS);
    enum err e = prepare(c, request);
    if (e != ERR_OK) {
        finish(c, e);
    } else if (request->at_count > 0) {
        go(c, request->at, request->at_count);
    } else {
        c->resolve = resolve_start(h->loop, buf_str(&c->host), c->port, on_resolved, c);
    }
    return c;
}

/* ---- the client ---- */

enum err http_new(const struct http_args *args, struct http **out)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return ERR_IO;
    }
    struct http *h = mem_new(sizeof(*h));
    h->loop = args->loop;
    h->anchors = args->anchors_pem;
    h->is_plain_allowed = args->is_plain_allowed;
    h->multi = curl_multi_init();
    list_init(&h->calls);
    h->timer = timer_new(args->loop, on_timer, h);
    bool is_set = h->multi != NULL
                  && curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, watch) == CURLM_OK
                  && curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h) == CURLM_OK
                  && curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK
                  && curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h) == CURLM_OK;
    if (!is_set) {
        http_free(&h);
        return ERR_IO;
    }
    *out = h;
    return ERR_OK;
}

void http_free(struct http **h)
{
    if (*h == NULL) {
        return;
    }
    struct http *gone = *h;
    *h = NULL;
    list_each_safe(node, &gone->calls)
    {
        struct http_call *c = (struct http_call *)node;
        http_cancel(&c);
    }
    (void)curl_multi_cleanup(gone->multi);
    timer_free(&gone->timer);
    free(gone);
    curl_global_cleanup();
}
