/* Control messages: how the supervisor talks to a role it started.
 *
 * One message is one packet of a SOCK_SEQPACKET pair, so there is no framing to get wrong; what remains is this
 * table, the same for every type (unused fields must be zero, unused parts empty):
 *
 *     octet  size  what
 *         0     1  type, enum control_type
 *         1     1  1: the value (of a setting, of metrics) goes on in the next packet; else 0
 *         2     1  role, of CONTROL_PEER
 *         3     1  length of the key, k
 *         4     2  index, of CONTROL_PEER, CONTROL_JOIN, CONTROL_KICK and CONTROL_KICKED, little-endian
 *         6     2  length of the value, v, little-endian
 *         8     k  key
 *       8+k     v  value
 *
 * CONTROL_LISTENER, CONTROL_PEER, CONTROL_JOIN and CONTROL_LOG carry exactly one descriptor (SCM_RIGHTS), the others
 * none. A role believes its supervisor no more than it believes a client: every field is checked, and a descriptor
 * that comes with a bad packet is closed, not leaked. The supervisor checks a role's packets with the same code. */
#include "main/control.h"

#include "base/scan.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HEAD_SIZE = 8, FDS_MOST = 4 };

union rights {
    struct cmsghdr align;
    char octets[CMSG_SPACE(sizeof(int) * FDS_MOST)];
};

const char *control_role_name(enum link_role role)
{
    static const char *const NAMES[ROLE_COUNT] = {
        [ROLE_EDGE] = "edge",     [ROLE_AUTH] = "auth",          [ROLE_STORE] = "store",
        [ROLE_SUBMIT] = "submit", [ROLE_CONVERT] = "convert",    [ROLE_GATE] = "gate",
        [ROLE_VERIFY] = "verify", [ROLE_SUPERVISOR] = "limetta",
    };
    return (unsigned)role < ROLE_COUNT ? NAMES[role] : "nobody";
}

static bool type_has_fd(enum control_type type)
{
    return type == CONTROL_LISTENER || type == CONTROL_PEER || type == CONTROL_JOIN
           || type == CONTROL_LOG;
}

static bool type_has_key(enum control_type type)
{
    return type == CONTROL_SETTING || type == CONTROL_LISTENER || type == CONTROL_PEER
           || type == CONTROL_JOIN || type == CONTROL_KICK;
}

static bool type_has_value(enum control_type type)
{
    return type == CONTROL_SETTING || type == CONTROL_METRICS || type == CONTROL_JOIN
           || type == CONTROL_KICK || type == CONTROL_KICKED;
}

enum err control_send(int fd, const struct control_message *m)
{
    if (m->key.n > CONTROL_KEY_MOST || m->value.n > CONTROL_PART_MOST) {
        return ERR_LIMIT;
    }
    unsigned char head[HEAD_SIZE] = {
        (unsigned char)m->type,
        m->has_more ? 1 : 0,
        (unsigned char)m->role,
        (unsigned char)m->key.n,
        (unsigned char)(m->index & 0xff),
        (unsigned char)(m->index >> 8),
        (unsigned char)(m->value.n & 0xff),
        (unsigned char)(m->value.n >> 8),
    };
    char empty[1] = "";
    struct iovec parts[3] = {{head, sizeof(head)}, {empty, 0}, {empty, 0}};
    char key[CONTROL_KEY_MOST];
    char value[CONTROL_PART_MOST];
    if (m->key.n > 0) {
        memcpy(key, m->key.p, m->key.n);
        parts[1] = (struct iovec){key, m->key.n};
    }
    if (m->value.n > 0) {
        memcpy(value, m->value.p, m->value.n);
        parts[2] = (struct iovec){value, m->value.n};
    }
    struct msghdr packet = {.msg_iov = parts, .msg_iovlen = 3};
    union rights rights = {0};
    if (type_has_fd(m->type)) {
        packet.msg_control = rights.octets;
        packet.msg_controllen = CMSG_SPACE(sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&packet);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &m->fd, sizeof(int));
    }
    ssize_t sent = sendmsg(fd, &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
    int why = errno;
    explicit_bzero(value, sizeof(value)); /* settings may be keys and passwords */
    if (sent >= 0) {
        return ERR_OK;
    }
    return why == EAGAIN || why == ENOBUFS ? ERR_LIMIT : err_from_errno(why);
}

/* A value of any length, cut into packets. */
static enum err send_parts(int fd, enum control_type type, struct str key, struct str value)
{
    if (value.n > CONTROL_VALUE_MOST) {
        return ERR_LIMIT;
    }
    size_t at = 0;
    do {
        struct control_message m = {.type = type, .key = key, .fd = -1};
        m.value = str_sub(value, at, CONTROL_PART_MOST);
        at += m.value.n;
        m.has_more = at < value.n;
        TRY(control_send(fd, &m));
    } while (at < value.n);
    return ERR_OK;
}

enum err control_send_setting(int fd, struct str key, struct str value)
{
    return send_parts(fd, CONTROL_SETTING, key, value);
}

enum err control_send_metrics(int fd, struct str text)
{
    return send_parts(fd, CONTROL_METRICS, STR_EMPTY, text);
}

/* Do type, key, value and descriptor belong together? */
static bool is_shape_right(const struct control_message *m, bool has_fd)
{
    bool has_parts = m->type == CONTROL_SETTING || m->type == CONTROL_METRICS;
    return type_has_fd(m->type) == has_fd && type_has_key(m->type) == (m->key.n > 0)
           && (has_parts || !m->has_more) && (type_has_value(m->type) || m->value.n == 0)
           && (m->type != CONTROL_JOIN || m->value.n <= CONTROL_JOIN_MOST);
}

/* Role and index name a peer, or nothing. */
static bool is_peer_right(const struct control_message *m)
{
    if (m->type == CONTROL_PEER || m->type == CONTROL_JOIN) {
        return (unsigned)m->role < ROLE_SUPERVISOR && m->index <= CONTROL_INDEX_MOST;
    }
    bool has_number = m->type == CONTROL_KICK || m->type == CONTROL_KICKED;
    return (unsigned)m->role == 0 && m->index <= (has_number ? CONTROL_INDEX_MOST : 0);
}

enum err control_parse(struct str packet, bool has_fd, struct control_message *out)
{
    if (packet.n < HEAD_SIZE) {
        return ERR_SYNTAX;
    }
    const unsigned char *head = (const unsigned char *)packet.p;
    size_t key_size = head[3];
    size_t value_size = (size_t)head[6] | (size_t)head[7] << 8;
    if (head[0] == 0 || head[0] >= CONTROL_TYPE_END || head[1] > 1 || key_size > CONTROL_KEY_MOST
        || value_size > CONTROL_PART_MOST || packet.n != HEAD_SIZE + key_size + value_size) {
        return ERR_SYNTAX;
    }
    struct control_message m = {
        .type = (enum control_type)head[0],
        .has_more = head[1] == 1,
        .role = (enum link_role)head[2],
        .index = (unsigned)head[4] | (unsigned)head[5] << 8,
        .key = str_sub(packet, HEAD_SIZE, key_size),
        .value = str_sub(packet, HEAD_SIZE + key_size, value_size),
        .fd = -1,
    };
    if (!is_shape_right(&m, has_fd) || !is_peer_right(&m)) {
        return ERR_SYNTAX;
    }
    *out = m;
    return ERR_OK;
}

/* Collects the descriptors of a packet; how many there were. */
static size_t take_fds(struct msghdr *packet, int fds[FDS_MOST])
{
    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(packet); c != NULL; c = CMSG_NXTHDR(packet, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n && count < FDS_MOST; i++) {
            memcpy(&fds[count++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
        }
    }
    return count;
}

enum err control_receive(int fd, bool is_waiting, char packet[CONTROL_PACKET_MOST],
                         struct control_message *out)
{
    struct iovec part = {packet, CONTROL_PACKET_MOST};
    union rights rights = {0};
    struct msghdr got = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = rights.octets,
                         .msg_controllen = sizeof(rights.octets)};
    ssize_t n;
    do {
        n = recvmsg(fd, &got, MSG_CMSG_CLOEXEC | (is_waiting ? 0 : MSG_DONTWAIT));
    } while (n < 0 && errno == EINTR);
    if (n == 0) {
        return ERR_PEER_GONE;
    }
    if (n < 0) {
        return errno == EAGAIN ? ERR_UNAVAILABLE : err_from_errno(errno);
    }
    int fds[FDS_MOST];
    size_t count = take_fds(&got, fds);
    struct control_message m;
    enum err e = ERR_SYNTAX;
    if ((got.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && count <= 1) {
        e = control_parse(str_make(packet, (size_t)n), count == 1, &m);
    }
    if (e != ERR_OK) {
        for (size_t i = 0; i < count; i++) {
            (void)close(fds[i]);
        }
        return e;
    }
    m.fd = count == 1 ? fds[0] : -1;
    *out = m;
    return ERR_OK;
}
