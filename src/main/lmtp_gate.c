/* LMTP has no passwords, so who may speak it is decided before the first octet: by TCP from the networks that are allowed, by
 * the Unix socket whoever the file's mode lets in. All others are closed without a word. Connections are few and live long
 * (a mail server keeps some for the next message); when there are more than were allowed for, new ones hear 421. */
#include "main/lmtp_gate.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/network.h"
#include "net/stream.h"
#include "wire/smtp_write.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTENERS_MOST = 16, PEER_MOST = 64, REFUSAL_MOST = 256, LOG_EVERY_MS = 1000 };

struct lmtp_gate {
    struct lmtp_gate_args args;
    struct listener *listeners[LISTENERS_MOST];
    size_t listener_count;
    size_t connections;
    uint64_t sessions;  /* since the start */
    uint64_t logged_ms; /* when a refusal was logged last */
};

/* One connection: what the session's ends are told to. Freed with the session. */
struct visit {
    struct lmtp_gate *gate;
    struct session_runner *runner;
};

static void on_abort(void *owner)
{
    session_runner_abort(((struct visit *)owner)->runner);
}

static void on_free(void *owner)
{
    struct visit *v = owner;
    v->gate->connections--;
    free(v);
}

static struct str write_peer(const struct sockaddr_storage *peer, char text[PEER_MOST])
{
    socklen_t size =
        peer->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (peer->ss_family == AF_UNIX
        || getnameinfo((const struct sockaddr *)peer, size, text, PEER_MOST, NULL, 0,
                       NI_NUMERICHOST)
               != 0) {
        return STR_EMPTY;
    }
    return str_from_c(text);
}

static void refuse(struct session_runner *r)
{
    CLEANUP(buf_release) struct buf last = BUF_INIT(REFUSAL_MOST);
    smtp_write_reply(&last, 421, STR("4.3.2"), STR("Too many connections; come again later"));
    session_runner_refuse(r, buf_str(&last));
}

/* A line a second at most: who is refused must not fill the disk. */
static bool may_log(struct lmtp_gate *g)
{
    uint64_t now = loop_now_ms(g->args.loop);
    if (g->logged_ms != 0 && now - g->logged_ms < LOG_EVERY_MS) {
        return false;
    }
    g->logged_ms = now;
    return true;
}

static void on_accept(void *owner, int fd, const struct sockaddr_storage *peer)
{
    struct lmtp_gate *g = owner;
    char text[PEER_MOST];
    struct str from = write_peer(peer, text);
    if (peer->ss_family != AF_UNIX && !network_has(g->args.allow, peer)) {
        if (may_log(g)) {
            log_warn("lmtp: %.*s may not come; see lmtp_allow", STR_ARG(from));
        }
        (void)close(fd);
        return;
    }
    struct session_runner *r = session_runner_new(g->args.group, stream_from_fd(g->args.loop, fd));
    if (g->connections >= g->args.connections_most) {
        if (may_log(g)) {
            log_warn("lmtp: more than %zu connections; see lmtp_connections", g->connections);
        }
        refuse(r);
        return;
    }
    struct visit *v = mem_new(sizeof(*v));
    *v = (struct visit){g, r};
    g->connections++;
    g->sessions++;
    struct transit_args args = g->args.transit;
    args.session_host = *session_runner_get_host(r);
    args.peer = from;
    args.abort = on_abort;
    args.on_free = on_free;
    args.owner = v;
    session_runner_start(r, transit_new(&args));
}

struct lmtp_gate *lmtp_gate_new(const struct lmtp_gate_args *args)
{
    struct lmtp_gate *g = mem_new(sizeof(*g));
    g->args = *args;
    return g;
}

void lmtp_gate_add(struct lmtp_gate *g, int fd)
{
    if (g->listener_count == LISTENERS_MOST) {
        log_error("lmtp: too many listening sockets");
        (void)close(fd);
        return;
    }
    g->listeners[g->listener_count++] = listener_new(g->args.loop, fd, on_accept, g);
}

void lmtp_gate_write_metrics(const struct lmtp_gate *g, struct buf *out)
{
    buf_addf(out,
             "# TYPE limetta_lmtp_connections gauge\n"
             "# HELP limetta_lmtp_connections Other mail servers that are connected by LMTP.\n"
             "limetta_lmtp_connections %zu\n"
             "# TYPE limetta_lmtp_sessions counter\n"
             "# HELP limetta_lmtp_sessions LMTP sessions since the start.\n"
             "limetta_lmtp_sessions_total %llu\n",
             g != NULL ? g->connections : 0, g != NULL ? (unsigned long long)g->sessions : 0);
}

void lmtp_gate_close(struct lmtp_gate *g)
{
    while (g != NULL && g->listener_count > 0) {
        listener_free(&g->listeners[--g->listener_count]);
    }
}

void lmtp_gate_free(struct lmtp_gate **g)
{
    lmtp_gate_close(*g);
    free(*g);
    *g = NULL;
}
