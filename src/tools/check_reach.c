/* Connecting, and naming who forbids it.
 *
 * errno tells refusal from silence, and little more. While the probe connects it asks the kernel for the ICMP messages themselves
 * (IP_RECVERR), which say type, code and sender; once connected that is switched off again, because on a connection it would make
 * soft errors hard (RFC 1122, 4.2.3.9; RFC 5383, 4.2).
 *
 * For a port that is blocked, SYNs with a time to live of 1, 2, 3 ... show the routers up to the one that does not let it through.
 * A filter acts behind the router's own "time exceeded", so the last hop that answers is the one that drops, or stands right
 * before it; the same walk to a port that is open tells which. A RST from nearer than the host is a lie of somebody in between.
 * Nothing of this needs root. */
#include "tools/check_reach.h"

#include "net/resolve.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

enum { SILENT_HOPS_MOST = 3, CONTROL_MOST = 512 };

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool is_v6(const struct check_address *a)
{
    return a->at.ss_family == AF_INET6;
}

static void hear_icmp(int fd, bool is_wanted, bool is_six)
{
    int on = is_wanted ? 1 : 0;
    (void)setsockopt(fd, is_six ? IPPROTO_IPV6 : IPPROTO_IP, is_six ? IPV6_RECVERR : IP_RECVERR,
                     &on, sizeof(on));
}

static void take_icmp(struct check_address *a, const struct sock_extended_err *e)
{
    union {
        const struct sock_extended_err *e;
        const struct sockaddr *at;
    } behind = {.e = e + 1}; /* SO_EE_OFFENDER() */
    if (e->ee_origin != SO_EE_ORIGIN_ICMP && e->ee_origin != SO_EE_ORIGIN_ICMP6) {
        return;
    }
    a->icmp_type = e->ee_type;
    a->icmp_code = e->ee_code;
    if (behind.at->sa_family == AF_INET) {
        memcpy(&a->icmp_from, behind.at, sizeof(struct sockaddr_in));
    } else if (behind.at->sa_family == AF_INET6) {
        memcpy(&a->icmp_from, behind.at, sizeof(struct sockaddr_in6));
    }
}

/* What the kernel kept of the ICMP message that ended the try. */
static void read_icmp(int fd, struct check_address *a)
{
    union {
        struct cmsghdr align;
        char octets[CONTROL_MOST];
    } control;
    char data[64];
    struct iovec part = {data, sizeof(data)};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
        return;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
        bool is_err = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR)
                      || (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
        if (is_err && c->cmsg_len >= CMSG_LEN(sizeof(struct sock_extended_err))) {
            take_icmp(a, (const struct sock_extended_err *)(const void *)CMSG_DATA(c));
        }
    }
}

static enum reach classify(const struct check_address *a)
{
    if (a->icmp_type >= 0) {
        return REACH_REJECTED;
    }
    switch (a->errnum) {
    case 0:
        return REACH_OK;
    case ECONNREFUSED:
    case ECONNRESET:
        return REACH_REFUSED;
    case ETIMEDOUT:
        return REACH_SILENT;
    case EHOSTUNREACH:
    case EACCES:
        return REACH_REJECTED;
    default:
        return REACH_NO_ROUTE;
    }
}

/* 0, or an errno. */
static int wait_connected(int fd, uint64_t within_ms)
{
    int errnum = ETIMEDOUT;
    socklen_t len = sizeof(errnum);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    uint64_t until = now_ms() + within_ms;
    for (uint64_t now = now_ms(); now < until; now = now_ms()) {
        if (poll(&p, 1, (int)(until - now)) > 0) {
            (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len);
            return errnum;
        }
    }
    return ETIMEDOUT;
}

/* ttl 0: the usual one. */
static int try_connect(struct check_address *a, uint64_t within_ms, int ttl)
{
    bool is_six = is_v6(a);
    socklen_t len = is_six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    a->icmp_type = a->icmp_code = -1;
    a->icmp_from.ss_family = 0;
    int fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        a->errnum = errno;
        return -1;
    }
    hear_icmp(fd, true, is_six);
    if (ttl > 0) {
        (void)setsockopt(fd, is_six ? IPPROTO_IPV6 : IPPROTO_IP,
                         is_six ? IPV6_UNICAST_HOPS : IP_TTL, &ttl, sizeof(ttl));
    }
    a->errnum = connect(fd, (const struct sockaddr *)&a->at, len) == 0 ? 0 : errno;
    if (a->errnum == EINPROGRESS) {
        a->errnum = wait_connected(fd, within_ms);
    }
    if (a->errnum == 0) {
        hear_icmp(fd, false, is_six);
        return fd;
    }
    read_icmp(fd, a);
    (void)close(fd);
    return -1;
}

int check_reach_connect(struct check_address *a, uint64_t within_ms)
{
    uint64_t start = now_ms();
    int fd = try_connect(a, within_ms, 0);
    a->ms = now_ms() - start;
    a->reach = classify(a);
    return fd;
}

static bool is_time_exceeded(const struct check_address *a)
{
    return a->icmp_type == (is_v6(a) ? ICMP6_TIME_EXCEEDED : ICMP_TIME_EXCEEDED);
}

void check_reach_trace(struct check_address *a, uint64_t hop_ms, unsigned *distance)
{
    struct check_address probe = {.at = a->at};
    unsigned silent = 0;
    *distance = 0;
    a->hop_count = 0;
    for (int ttl = 1; ttl <= CHECK_HOPS_MOST && silent < SILENT_HOPS_MOST; ttl++) {
        int fd = try_connect(&probe, hop_ms, ttl);
        if (fd >= 0) {
            (void)close(fd);
        }
        if (probe.errnum != ETIMEDOUT && !is_time_exceeded(&probe)) {
            *distance = (unsigned)ttl;
            break;
        }
        silent = is_time_exceeded(&probe) ? 0 : silent + 1;
        a->hops[a->hop_count++] = (struct hop){.at = probe.icmp_from};
    }
    a->hop_count -= silent;
}

/* ---- verdicts ---- */

static void add_last_hop(struct buf *out, const struct check_address *a)
{
    if (a->hop_count == 0 || a->hops[a->hop_count - 1].at.ss_family == 0) {
        buf_add_c(out, "; no router on the way says anything");
        return;
    }
    buf_addf(out, "; the last router that answers is hop %u, ", a->hop_count);
    check_add_address(out, &a->hops[a->hop_count - 1].at);
}

/* Which side of the last router? The walk to an open port went on behind it, or came to the host there. */
static void add_side(struct buf *out, const struct check_address *a, unsigned at,
                     const struct check_address *open, unsigned open_distance)
{
    if (open_distance == 0 || at == 0) {
        return;
    }
    if (open_distance > at + 1) {
        buf_addf(out, ": it, or the next one, blocks this port, for other ports pass%s",
                 open->hop_count > at && open->hops[at].at.ss_family != 0 ? " on to " : "");
        if (open->hop_count > at && open->hops[at].at.ss_family != 0) {
            check_add_address(out, &open->hops[at].at);
        }
    } else {
        buf_add_c(out, ": it, or the host right behind it, blocks this port, for other ports pass");
    }
}

static void judge_silent(struct check_leg *leg, const struct check_address *a,
                         const struct check_address *open, unsigned open_distance, struct buf *why)
{
    add_last_hop(why, a);
    add_side(why, a, a->hop_count, open, open_distance);
    check_find(leg, FINDING_PORT_SILENT, "no answer to a connection to %.*s",
               STR_ARG(buf_str(why)));
}

static void judge_refused(struct check_leg *leg, const struct check_address *a, unsigned distance,
                          unsigned open_distance, struct buf *why)
{
    if (distance > 0 && open_distance > distance) {
        buf_addf(why,
                 ": the RST comes back already from hop %u, or the one before it, and the host is "
                 "hop %u",
                 distance, open_distance);
        add_last_hop(why, a);
    } else if (open_distance > 0) {
        buf_add_c(why, ": from the host, or right before it");
    } else {
        add_last_hop(why, a);
    }
    check_find(leg, FINDING_PORT_REFUSED, "RST to a connection to %.*s", STR_ARG(buf_str(why)));
}

static void judge_rejected(struct check_leg *leg, const struct check_address *a, struct buf *why)
{
    if (a->icmp_type < 0) {
        buf_addf(why, ": error %d, from nobody known", a->errnum);
    } else {
        buf_addf(why, ": ICMP%s type %d code %d from ", is_v6(a) ? "v6" : "", a->icmp_type,
                 a->icmp_code);
        check_add_address(why, &a->icmp_from);
        bool is_own = a->icmp_from.ss_family != 0 && resolve_is_own_address(&a->icmp_from);
        buf_add_c(why, is_own ? ", which is this host: nobody answers there on its own link" : "");
    }
    check_find(leg, FINDING_PORT_REJECTED, "a connection is rejected, to %.*s",
               STR_ARG(buf_str(why)));
}

void check_reach_judge(struct check_leg *leg, struct check_address *a,
                       const struct sockaddr_storage *open, uint64_t hop_ms)
{
    CLEANUP(buf_release) struct buf why = BUF_INIT(CHECK_DETAIL_MOST);
    struct check_address other = {0};
    unsigned distance = 0;
    unsigned open_distance = 0;
    bool has_way = a->reach == REACH_SILENT || a->reach == REACH_REFUSED;
    if (has_way && !resolve_is_own_address(&a->at)) {
        check_reach_trace(a, hop_ms, &distance);
        if (open != NULL) {
            other.at = *open;
            check_reach_trace(&other, hop_ms, &open_distance);
        }
    }
    check_add_address(&why, &a->at);
    switch (a->reach) {
    case REACH_OK:
        break;
    case REACH_SILENT:
        judge_silent(leg, a, &other, open_distance, &why);
        break;
    case REACH_REFUSED:
        judge_refused(leg, a, distance, open_distance, &why);
        break;
    case REACH_REJECTED:
        judge_rejected(leg, a, &why);
        break;
    case REACH_NO_ROUTE:
        break; /* the leg says it, knowing the other addresses */
    }
}
