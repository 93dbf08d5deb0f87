/* Sockets as streams: reads into the loop's one buffer, writes once a turn.
 *
 * What is written gathers in a queue and leaves in the last stage of the turn, so many small replies are one system
 * call; a large write on an open road goes out at once, together with what is queued before it, and is never copied.
 * When the kernel takes no more, the rest stays queued and the socket is watched for room.
 *
 * RFC 5383, 4.2 (D24, D26): no SO_KEEPALIVE (an operator who wants it has it on the edge's listening sockets, from which
 * connections inherit it: main/role_edge.c), no TCP_USER_TIMEOUT, and "network or host unreachable" during a connection is
 * soft: we try again when the kernel says that there is something to try. While connecting it is final.
 *
 * States: connecting -> open -> (end heard, end said, in any order) -> freed. A socket that failed tells its user from
 * the loop, never from inside stream_write(). */
#include "base/mem.h"
#include "net/loop_priv.h"
#include "net/stream_priv.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum { READS_MOST = 4, DIRECT_LEAST = 32 * 1024 };

struct connecting {
    struct timer *timer;
    void (*on_connected)(void *owner, enum err why);
    void *owner;
    enum err failed; /* known before the first wait */
};

struct socket {
    struct stream base;
    struct loop *loop;
    struct io io;
    struct backlog out;
    struct late late;
    struct connecting *connecting; /* NULL once open */
    int fd;
    bool is_blocked;    /* the kernel takes no more: wait for room */
    bool is_broken;     /* on_end is due */
    bool has_heard_end; /* the peer is done */
    bool is_ending;     /* shutdown was asked for */
    bool has_said_end;  /* and done */
};

static struct socket *of(struct stream *s)
{
    return (struct socket *)s;
}

static void watch(struct socket *k)
{
    unsigned events = 0;
    if (k->io.loop == NULL) {
        return;
    }
    if (stream_is_open(&k->base) && !k->has_heard_end && k->connecting == NULL) {
        events |= IO_READ;
    }
    if (k->is_blocked || k->connecting != NULL) {
        events |= IO_WRITE;
    }
    io_set(&k->io, events);
}

/* For now nothing can be sent or received, but the connection lives (RFC 1122, 4.2.3.9). */
static bool is_soft(int errnum)
{
    return errnum == EAGAIN || errnum == EINTR || errnum == EHOSTUNREACH || errnum == ENETUNREACH
           || errnum == ENOBUFS || errnum == ENOMEM;
}

/* Hands the queue, and behind it extra, to the kernel. Returns how many octets of both it took. */
static size_t send_now(struct socket *k, struct str extra)
{
    struct str queued = backlog_str(&k->out);
    struct iovec parts[2];
    struct msghdr m = {.msg_iov = parts};
    if (queued.n > 0) {
        parts[m.msg_iovlen++] = (struct iovec){k->out.octets.p + k->out.at, queued.n};
    }
    if (extra.n > 0) {
        union {
            const char *in;
            void *out;
        } p = {extra.p}; /* sendmsg() only reads it */
        parts[m.msg_iovlen++] = (struct iovec){p.out, extra.n};
    }
    ssize_t sent = sendmsg(k->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
        k->is_broken = k->is_broken || !is_soft(errno);
        k->is_blocked = !k->is_broken;
        return 0;
    }
    k->is_blocked = (size_t)sent < queued.n + extra.n;
    return (size_t)sent;
}

static void say_end(struct socket *k)
{
    if (k->is_ending && !k->has_said_end && backlog_len(&k->out) == 0) {
        k->has_said_end = true;
        (void)shutdown(k->fd, SHUT_WR);
    }
}

static void flush(struct socket *k)
{
    if (k->connecting != NULL) {
        return;
    }
    if (!k->is_broken && backlog_len(&k->out) > 0) {
        backlog_eat(&k->out, send_now(k, STR_EMPTY));
    }
    if (k->is_broken || k->out.octets.is_full) {
        backlog_release(&k->out);
        k->is_blocked = false;
        (void)stream_give_end(&k->base, ERR_PEER_GONE);
        return;
    }
    say_end(k);
    watch(k);
    (void)stream_check_water(&k->base);
}

static void on_late(struct late *t)
{
    struct socket *k = list_entry(&t->node, struct socket, late.node);
    stream_hold(&k->base);
    flush(k);
    (void)stream_drop(&k->base);
}

static void socket_write(struct stream *s, struct str octets)
{
    struct socket *k = of(s);
    if (k->is_broken || k->is_ending) {
        return;
    }
    if (octets.n >= DIRECT_LEAST && !k->is_blocked && k->connecting == NULL) {
        size_t queued = backlog_len(&k->out);
        size_t sent = send_now(k, octets);
        backlog_eat(&k->out, sent < queued ? sent : queued);
        octets = str_skip(octets, sent < queued ? 0 : sent - queued);
    }
    if (octets.n > 0 && !k->is_broken) {
        backlog_add(&k->out, octets);
    }
    s->is_over_high = s->is_over_high || backlog_len(&k->out) > STREAM_HIGH_WATER;
    loop_late(k->loop, LATE_SOCKETS, &k->late);
}

static size_t socket_get_queued(const struct stream *s)
{
    const struct socket *k = (const struct socket *)s;
    return backlog_len(&k->out);
}

static size_t socket_get_owed(const struct stream *s)
{
    const struct socket *k = (const struct socket *)s;
    int sent = 0; /* and not acknowledged */
    if (k->fd < 0 || ioctl(k->fd, SIOCOUTQ, &sent) != 0 || sent < 0) {
        sent = 0;
    }
    sent -= sent > 0 && k->has_said_end ? 1 : 0; /* the end has a number, too */
    return backlog_len(&k->out) + (size_t)sent;
}

static void socket_start(struct stream *s)
{
    watch(of(s));
}

/* Still watched: octets may never come, and if they do, the event is what stops the watching. */
static void socket_pause(struct stream *s)
{
    (void)s;
}

static void socket_shutdown(struct stream *s)
{
    struct socket *k = of(s);
    k->is_ending = true;
    loop_late(k->loop, LATE_SOCKETS, &k->late);
}

static void socket_close(struct stream *s)
{
    struct socket *k = of(s);
    loop_cancel_deferred(k->loop, k);
    late_cancel(&k->late);
    io_release(&k->io);
    if (k->connecting != NULL) {
        timer_free(&k->connecting->timer);
        free(k->connecting);
        k->connecting = NULL;
    }
    if (k->fd >= 0) {
        (void)close(k->fd);
        k->fd = -1;
    }
    backlog_release(&k->out);
}

static void socket_destroy(struct stream *s)
{
    free(of(s));
}

static const struct stream_ops SOCKET_OPS = {
    .start = socket_start,
    .write = socket_write,
    .get_queued = socket_get_queued,
    .get_owed = socket_get_owed,
    .pause = socket_pause,
    .resume = socket_start,
    .shutdown = socket_shutdown,
    .close = socket_close,
    .destroy = socket_destroy,
};

static void read_some(struct socket *k)
{
    for (int i = 0; i < READS_MOST && stream_is_open(&k->base); i++) {
        ssize_t got = recv(k->fd, k->loop->scratch, LOOP_SCRATCH_SIZE, MSG_DONTWAIT);
        if (got < 0) {
            k->is_broken = k->is_broken || !is_soft(errno);
            return;
        }
        if (got == 0) {
            k->has_heard_end = true;
            (void)stream_give_end(&k->base, ERR_OK);
            return;
        }
        struct loop *l = k->loop; /* k may be gone after the call */
        bool goes_on = stream_give_octets(&k->base, str_make(l->scratch, (size_t)got));
        if (l->wipes_reads) {
            explicit_bzero(l->scratch, (size_t)got);
        }
        if (!goes_on || got < LOOP_SCRATCH_SIZE) {
            return;
        }
    }
}

static void finish_connect(struct socket *k, enum err why)
{
    struct connecting *c = k->connecting;
    k->connecting = NULL;
    timer_free(&c->timer);
    k->base.has_ended = why != ERR_OK;
    k->base.has_failed = why != ERR_OK;
    k->is_broken = why != ERR_OK;
    if (why == ERR_OK) {
        loop_late(k->loop, LATE_SOCKETS, &k->late);
    }
    watch(k);
    c->on_connected(c->owner, why);
    free(c);
}

static void on_connect_event(struct socket *k)
{
    int errnum = 0;
    socklen_t len = sizeof(errnum);
    (void)getsockopt(k->fd, SOL_SOCKET, SO_ERROR, &errnum, &len);
    enum err why = is_soft(errnum) ? ERR_NO_ROUTE : ERR_UNREACHABLE;
    finish_connect(k, errnum == 0 ? ERR_OK : why);
}

static void on_socket(void *owner, unsigned events)
{
    struct socket *k = owner;
    stream_hold(&k->base);
    if (k->connecting != NULL) {
        on_connect_event(k);
        (void)stream_drop(&k->base);
        return;
    }
    if ((events & IO_READ) != 0) {
        read_some(k);
    }
    if (!k->base.is_freed && ((events & IO_WRITE) != 0 || k->is_broken)) {
        flush(k);
    }
    if (!k->base.is_freed) {
        watch(k);
    }
    (void)stream_drop(&k->base);
}

static struct socket *make(struct loop *l, int fd)
{
    struct socket *k = mem_new(sizeof(*k));
    int on = 1;
    k->base.ops = &SOCKET_OPS;
    k->loop = l;
    k->fd = fd;
    backlog_init(&k->out);
    late_init(&k->late, on_late);
    if (fd >= 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* fails on Unix ones */
        io_init(&k->io, l, fd, on_socket, k);
    }
    return k;
}

struct stream *stream_from_fd(struct loop *l, int fd)
{
    assert(fd >= 0);
    return &make(l, fd)->base;
}

static void on_connect_failed(void *owner)
{
    struct socket *k = owner;
    stream_hold(&k->base);
    finish_connect(k, k->connecting->failed);
    (void)stream_drop(&k->base);
}

static void on_connect_timeout(void *owner)
{
    struct socket *k = owner;
    k->connecting->failed = ERR_TIMEOUT;
    on_connect_failed(k);
}

static socklen_t address_len(const struct sockaddr_storage *a)
{
    if (a->ss_family == AF_UNIX) {
        return sizeof(struct sockaddr_un);
    }
    return a->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

struct stream *stream_connect(struct loop *l, const struct sockaddr_storage *to,
                              uint64_t timeout_ms, void (*on_connected)(void *owner, enum err why),
                              void *owner)
{
    if (l->is_fake) {
        return pair_connect(l, to, on_connected, owner);
    }
    int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int failed = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)to, address_len(to));
    bool is_hopeless = failed != 0 && (fd < 0 || errno != EINPROGRESS);
    struct socket *k = make(l, fd);
    k->connecting = mem_new(sizeof(*k->connecting));
    k->connecting->on_connected = on_connected;
    k->connecting->owner = owner;
    k->connecting->timer = timer_new(l, on_connect_timeout, k);
    if (is_hopeless) {
        k->connecting->failed = ERR_UNREACHABLE;
        loop_defer(l, on_connect_failed, k);
    } else {
        timer_start(k->connecting->timer, timeout_ms);
        watch(k);
    }
    return &k->base;
}
