/* limetta-edge: the process that faces the network.
 *
 * It is given listening sockets, the TLS certificate with its key, and links to auth, submit and the store workers, and
 * nothing else: no file, no folder, no database, no verifier (RFC 5383, 8). It links libc, libuv, OpenSSL, zlib and
 * libseccomp only, so that what a stranger's octets can reach is small enough to be read. */
#include "main/boot.h"

#include "base/log.h"
#include "edge/edge.h"
#include "main/control.h"
#include "main/edge_metrics.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    SECOND_MS = 1000,
    LOGIN_TIMEOUT_S = 180,
    MAX_IDLE_S = 7200,
    IDLE_TIMEOUT_S = 10800, /* more than the two hours that a client may sleep (RFC 5383, 4.1) */
    HOUR_S = 3600,
    SUBMISSION_TIMEOUT_S = 1200,
    RESUME_WAIT_S = 60,
    CONNECTIONS_MOST = 20000,
    PER_ADDRESS_MOST = 1000,
    STRANGERS_MOST = 4000,
    LOGIN_OCTETS_MOST = 256 * 1024,
    NEARLY_PART = 16,
    BREATH_MS = 100,
    DESCRIPTORS_ASIDE = 64, /* links, listening sockets, the loop's own */
    TLS_SESSIONS_MOST = 20000,
    KEEP_ALIVE_LEAST_S = 7200,
    LAST_WORDS_MS = 100
};

struct port {
    struct edge_role *role;
    struct listener *listener;
    enum service service;
};

struct edge_role {
    struct loop *loop;
    struct boot *boot;
    struct edge *edge;
    struct tls_context *tls;
    struct buf tls_cert; /* what it was made from */
    struct timer *stopping;
    struct timer *metrics;
    struct timer *breath; /* the ports are paused until it goes off */
    struct port ports[64];
    size_t port_count;
};

/* As many as are wanted, and as there are descriptors for; some are for links, and for those who hear their last words. */
static size_t read_connections_most(const struct boot *b)
{
    uint64_t wanted = boot_get_u64(b, STR("connections_most"), CONNECTIONS_MOST);
    struct rlimit fds;
    if (getrlimit(RLIMIT_NOFILE, &fds) != 0) {
        return wanted;
    }
    uint64_t aside = fds.rlim_cur / 8;
    aside = DESCRIPTORS_ASIDE + (aside < STREAM_FINISHERS_MOST ? aside : STREAM_FINISHERS_MOST);
    uint64_t most = fds.rlim_cur > 2 * aside ? fds.rlim_cur - aside : aside;
    return wanted < most ? wanted : most;
}

/* It has brothers that may have more room. Which of them gets a connection is chance, so one fills up before the others. */
static bool is_nearly_full(const struct edge_role *r)
{
    if (boot_get_u64(r->boot, STR("edges"), 1) <= 1) {
        return false;
    }
    size_t most = read_connections_most(r->boot);
    return edge_get_count(r->edge) >= most - most / NEARLY_PART;
}

/* For a while who comes is the others' guest, if they take him. */
static void pause_ports(struct edge_role *r)
{
    for (size_t i = 0; i < r->port_count; i++) {
        listener_pause(r->ports[i].listener);
    }
    timer_start(r->breath, BREATH_MS);
}

static void on_breath(void *owner)
{
    struct edge_role *r = owner;
    for (size_t i = 0; i < r->port_count; i++) {
        listener_resume(r->ports[i].listener);
    }
}

static void on_accept(void *owner, int fd, const struct sockaddr_storage *peer)
{
    struct port *p = owner;
    struct sockaddr_storage local = {0};
    socklen_t len = sizeof(local);
    (void)getsockname(fd, (struct sockaddr *)&local, &len);
    edge_accept(p->role->edge, p->service, stream_from_fd(p->role->loop, fd), peer, &local);
    if (is_nearly_full(p->role)) {
        pause_ports(p->role);
    }
}

static bool on_exhausted(void *owner)
{
    return edge_note_no_descriptors(((struct port *)owner)->role->edge);
}

static void on_peer(void *owner, const struct boot_peer *peer)
{
    struct edge_role *r = owner;
    edge_add_peer(r->edge, peer->role, peer->index, stream_from_fd(r->loop, peer->fd));
}

static void close_ports(struct edge_role *r)
{
    while (r->port_count > 0) {
        listener_free(&r->ports[--r->port_count].listener);
    }
}

static const struct {
    const char *name;
    enum service service;
} SERVICES[] = {{"imap", SERVICE_IMAP}, {"submission", SERVICE_SUBMIT}, {"sieve", SERVICE_SIEVE}};

enum { SERVICE_COUNT = sizeof(SERVICES) / sizeof(SERVICES[0]) };

/* What GET /metrics says of clients. */
static void tell_metrics(void *owner)
{
    struct edge_role *r = owner;
    CLEANUP(buf_release) struct buf text = BUF_INIT(CONTROL_PART_MOST);
    struct edge_counts counts = edge_get_counts(r->edge);
    bool is_one = boot_get_u64(r->boot, STR("edges"), 1) == 1;
    edge_metrics_write(&counts, is_one ? STR_EMPTY : boot_get(r->boot, STR("index")), &text);
    boot_send_metrics(r->boot, buf_str(&text));
    timer_start(r->metrics, BOOT_METRICS_MS);
}

static void on_stopping(void *owner)
{
    struct edge_role *r = owner;
    loop_stop(r->loop);
}

static void on_stop(void *owner)
{
    struct edge_role *r = owner;
    close_ports(r);
    edge_say_bye(r->edge);
    timer_start(r->stopping, LAST_WORDS_MS);
}

static enum tls_policy read_tls(const struct boot *b)
{
    struct str s = boot_get(b, STR("tls"));
    if (str_eq(s, STR("off"))) {
        return TLS_OFF;
    }
    return str_eq(s, STR("required")) ? TLS_REQUIRED : TLS_OFFERED;
}

static enum edge_plaintext read_plaintext(const struct boot *b)
{
    struct str s = boot_get(b, STR("plaintext_login"));
    if (str_eq(s, STR("always"))) {
        return EDGE_PLAINTEXT_ALWAYS;
    }
    return str_eq(s, STR("loopback")) ? EDGE_PLAINTEXT_LOOPBACK : EDGE_PLAINTEXT_NEVER;
}

/* The length of a second of the idle rules. */
static uint64_t read_second_ms(const struct boot *b)
{
    uint64_t ms = boot_get_u64(b, STR("time_unit_ms"), SECOND_MS);
    if (ms != SECOND_MS) {
        log_warn("time_unit_ms is %llu: the idle rules' seconds are that long; for tests only",
                 (unsigned long long)ms);
    }
    return ms;
}

/* A client is not logged out for the silence that max_idle_s lets it have. */
static uint64_t read_idle_timeout_s(const struct boot *b)
{
    uint64_t least = boot_get_u64(b, STR("max_idle_s"), MAX_IDLE_S) + HOUR_S;
    uint64_t s = boot_get_u64(b, STR("idle_timeout_s"), IDLE_TIMEOUT_S);
    if (s < least) {
        log_warn("idle_timeout_s is taken as %llu: an hour more than max_idle_s",
                 (unsigned long long)least);
    }
    return s < least ? least : s;
}

/* The TLS context of what we were told; NULL: no TLS. The old one goes on where it is in use. Errors: those of
 * tls_server_context_new(). */
static enum err make_tls(struct edge_role *r)
{
    const struct boot *b = r->boot;
    struct str cert = boot_get(b, STR("tls_cert"));
    struct tls_context *fresh = NULL;
    if (read_tls(b) != TLS_OFF && cert.n > 0) {
        uint64_t most = boot_get_u64(b, STR("tls_sessions_most"), TLS_SESSIONS_MOST);
        enum err e = tls_server_context_new(cert, boot_get(b, STR("tls_key")), most, &fresh);
        if (e != ERR_OK) {
            log_error("tls_cert or tls_key is not usable");
            return e;
        }
    }
    tls_context_free(&r->tls);
    r->tls = fresh;
    buf_clear(&r->tls_cert);
    buf_add(&r->tls_cert, cert);
    return ERR_OK;
}

/* limetta reload. A context is made only for another certificate: with the old one go the sessions that clients could resume. */
static void on_settings(void *owner)
{
    struct edge_role *r = owner;
    enum tls_policy tls = read_tls(r->boot);
    bool is_same = str_eq(boot_get(r->boot, STR("tls_cert")), buf_str(&r->tls_cert));
    bool has_context = r->tls != NULL;
    if (!is_same || (tls != TLS_OFF) != has_context) {
        if (make_tls(r) != ERR_OK) {
            return;
        }
    }
    edge_set_again(r->edge, &(struct edge_again){
                                .tls = tls,
                                .tls_context = r->tls,
                                .connections_most = read_connections_most(r->boot),
                            });
}

/* What strangers may cost. */
static void read_limits(const struct boot *b, struct edge_settings *s)
{
    uint64_t factor = boot_get_u64(b, STR("limits_prefix_factor"), 1);
    struct limits_bounds a = {
        .connections = boot_get_u64(b, STR("connections_per_address"), PER_ADDRESS_MOST),
        .strangers = boot_get_u64(b, STR("strangers_per_address"), 0),
        .begun_minute = boot_get_u64(b, STR("connections_minute"), 0),
        .octets_minute = boot_get_u64(b, STR("login_octets_minute"), 0),
        .failures_hour = boot_get_u64(b, STR("login_failures_hour"), 0),
    };
    s->per_address = a;
    s->per_prefix = (struct limits_bounds){
        .connections = factor * a.connections,
        .strangers = factor * a.strangers,
        .begun_minute = factor * a.begun_minute,
        .octets_minute = factor * a.octets_minute,
        .failures_hour = factor * a.failures_hour,
    };
    s->limits_exempt = boot_get(b, STR("limits_exempt"));
    s->strangers_most = boot_get_u64(b, STR("strangers_most"), STRANGERS_MOST);
    s->login_time_ms = 1000 * boot_get_u64(b, STR("login_time_s"), 0);
    s->login_octets_most = boot_get_u64(b, STR("login_octets_most"), LOGIN_OCTETS_MOST);
    s->handshakes_second = (unsigned)boot_get_u64(b, STR("handshakes_second"), 0);
}

static enum err make_edge(struct edge_role *r)
{
    const struct boot *b = r->boot;
    uint64_t workers = boot_get_u64(b, STR("workers"), 1);
    if (workers == 0 || workers > EDGE_WORKERS_MOST) {
        log_error("setting workers is out of range");
        return ERR_SYNTAX;
    }
    uint64_t second_ms = read_second_ms(b);
    struct edge_settings s = {
        .hostname = boot_get(b, STR("hostname")),
        .tls = read_tls(b),
        .plaintext = read_plaintext(b),
        .has_tokens = boot_get(b, STR("oauth_introspection")).n > 0,
        .is_without_scram = !str_eq(boot_get(b, STR("scram")), STR("yes")),
        .workers = (unsigned)workers,
        .message_most = boot_get_u64(b, STR("message_most"), 0),
        .recipients_most = boot_get_u64(b, STR("recipients_most"), 0),
        .hold_most_s = boot_get_u64(b, STR("hold_most_s"), 0),
        .sieve =
            {
                .extensions = boot_get(b, STR("sieve_extensions")),
                .methods = boot_get(b, STR("sieve_methods")),
                .redirects = boot_get(b, STR("sieve_redirects")),
                .has_unauthenticate = str_eq(boot_get(b, STR("unauthenticate")), STR("yes")),
            },
        .login_timeout_ms = 1000 * boot_get_u64(b, STR("login_timeout_s"), LOGIN_TIMEOUT_S),
        .second_ms = second_ms,
        .is_adaptive = str_eq(boot_get(b, STR("keep_alive_adaptive")), STR("yes")),
        .heartbeats = boot_get(b, STR("heartbeats")),
        .heartbeat_clients = boot_get(b, STR("heartbeat_clients")),
        .max_idle_ms = second_ms * boot_get_u64(b, STR("max_idle_s"), MAX_IDLE_S),
        .idle_timeout_ms = second_ms * read_idle_timeout_s(b),
        .submission_timeout_ms =
            second_ms * boot_get_u64(b, STR("submission_timeout_s"), SUBMISSION_TIMEOUT_S),
        .resume_wait_ms = SECOND_MS * boot_get_u64(b, STR("resume_wait_s"), RESUME_WAIT_S),
        .connections_most = read_connections_most(b),
    };
    read_limits(b, &s);
    TRY(make_tls(r));
    s.tls_context = r->tls;
    r->edge = edge_new(r->loop, &s);
    return ERR_OK;
}

static bool find_service(struct str name, enum service *out)
{
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        if (str_eq(name, str_from_c(SERVICES[i].name))) {
            *out = SERVICES[i].service;
            return true;
        }
    }
    return false;
}

/* TCP's own keep-alive for those who will be accepted: they inherit it. At most as often as RFC 5383, 4.2, allows: Linux's
 * interval between two probes would be 75 s. */
static void set_keep_alive(const struct edge_role *r, int fd)
{
    int s = (int)boot_get_u64(r->boot, STR("tcp_keepalive_s"), 0);
    int on = 1;
    if (s >= KEEP_ALIVE_LEAST_S
        && (setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &s, sizeof(s)) != 0
            || setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &s, sizeof(s)) != 0
            || setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0)) {
        log_warn("tcp_keepalive_s cannot be had");
    }
}

static void open_ports(struct edge_role *r)
{
    size_t at = 0;
    int fd = -1;
    struct str name = STR_EMPTY;
    while (boot_next_listener(r->boot, &at, &name, &fd)) {
        enum service service;
        if (!find_service(name, &service)
            || r->port_count == sizeof(r->ports) / sizeof(r->ports[0])) {
            log_error("no use for the listening socket %.*s", STR_ARG(name));
            (void)close(fd);
            continue;
        }
        struct port *p = &r->ports[r->port_count++];
        *p = (struct port){.role = r, .service = service};
        set_keep_alive(r, fd);
        p->listener = listener_new(r->loop, fd, on_accept, p);
        listener_on_exhausted(p->listener, on_exhausted);
    }
}

static enum err start(struct edge_role *r)
{
    static const struct boot_handler HANDLER = {
        .on_peer = on_peer, .on_stop = on_stop, .on_settings = on_settings};
    TRY(make_edge(r));
    TRY(confine(r->boot, ROLE_EDGE, STR_EMPTY));
    on_settings(r); /* only now it is known how many descriptors there are */
    r->stopping = timer_new(r->loop, on_stopping, r);
    r->breath = timer_new(r->loop, on_breath, r);
    open_ports(r);
    boot_attach(r->boot, r->loop, &HANDLER, r);
    r->metrics = timer_new(r->loop, tell_metrics, r);
    timer_start(r->metrics, 1);
    return ERR_OK;
}

int main(void)
{
    struct edge_role r = {.tls_cert = BUF_INIT(CONTROL_VALUE_MOST)};
    if (boot_begin("edge", &r.boot) != ERR_OK) {
        return 3;
    }
    r.loop = loop_new();
    enum err e = start(&r);
    if (e == ERR_OK) {
        loop_run(r.loop);
    } else {
        log_error("cannot start: %s", err_get_info(e)->meaning);
    }
    close_ports(&r);
    edge_free(&r.edge);
    timer_free(&r.stopping);
    timer_free(&r.metrics);
    timer_free(&r.breath);
    tls_context_free(&r.tls);
    buf_release(&r.tls_cert);
    boot_free(&r.boot);
    loop_free(&r.loop);
    return e == ERR_OK ? 0 : 3;
}
