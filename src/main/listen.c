/* Opening ports.
 *
 * IPv4 and IPv6 get a socket each (IPV6_V6ONLY), so that a peer's address always looks as it is. What a socket is not given
 * here matters as much: no SO_KEEPALIVE (RFC 5383, 4.2; role_edge.c adds it when tcp_keepalive_s says so), no SO_REUSEPORT, by
 * which another process of the same user could share our port. */
#include "main/listen.h"

#include "tools/tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { ADDRESS_MOST = 64 };

struct service {
    const char *name;
    unsigned port;
};

static const struct service SERVICES[] = {
    {"imap", PORT_IMAP}, {"submission", PORT_SUBMISSION}, {"sieve", PORT_SIEVE}};

/* The socket address for text and port; false when text is no address. */
static bool make_address(const char *text, unsigned port, struct sockaddr_storage *out,
                         socklen_t *size)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(out, &v4, sizeof(v4));
        *size = sizeof(v4);
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
        memcpy(out, &v6, sizeof(v6));
        *size = sizeof(v6);
        return true;
    }
    return false;
}

/* A listening socket, or -1 with errno. */
static int open_socket(const struct sockaddr_storage *address, socklen_t size)
{
    int on = 1;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    bool is_v6 = address->ss_family == AF_INET6;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0
        && (!is_v6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0)
        && bind(fd, (const struct sockaddr *)address, size) == 0
        && listen(fd, LISTEN_BACKLOG) == 0) {
        return fd;
    }
    int why = errno;
    (void)close(fd);
    errno = why;
    return -1;
}

static int fail_open(const char *name, const char *text, unsigned port)
{
    switch (errno) {
    case EADDRINUSE:
        return tool_fail(EXIT_ENVIRONMENT,
                         "port %u (%s) on %s is taken by another program; stop it, or say "
                         "--port-offset N",
                         port, name, text);
    case EACCES:
    case EPERM:
        return tool_fail(EXIT_ENVIRONMENT,
                         "port %u (%s) on %s needs root; start as root, or say --port-offset 10000",
                         port, name, text);
    case EADDRNOTAVAIL:
        return tool_fail(EXIT_ENVIRONMENT, "this host has no address %s; see --listen", text);
    default:
        return tool_fail(EXIT_ENVIRONMENT, "port %u (%s) on %s: %s", port, name, text,
                         strerrordesc_np(errno));
    }
}

/* All services on one address. is_optional: no complaint when the host lacks this kind of address. */
static int open_address(const char *text, unsigned offset, bool is_optional, struct listenings *out)
{
    for (size_t i = 0; i < sizeof(SERVICES) / sizeof(SERVICES[0]); i++) {
        struct sockaddr_storage address;
        socklen_t size;
        unsigned port = SERVICES[i].port + offset;
        if (!make_address(text, port, &address, &size)) {
            return tool_fail(EXIT_USAGE, "%s is not an IPv4 or IPv6 address", text);
        }
        int fd = open_socket(&address, size);
        if (fd < 0 && is_optional && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
            return EXIT_FINE;
        }
        if (fd < 0) {
            return fail_open(SERVICES[i].name, text, port);
        }
        vec_push(&out->all, (struct listening){SERVICES[i].name, ROLE_EDGE, fd, NULL});
    }
    return EXIT_FINE;
}

int listen_open(struct str addresses, unsigned offset, struct listenings *out)
{
    *out = (struct listenings){.all = VEC_INIT};
    int code = EXIT_FINE;
    if (str_trim(addresses).n == 0) {
        code = open_address("0.0.0.0", offset, false, out);
        code = code == EXIT_FINE ? open_address("::", offset, true, out) : code;
    }
    while (code == EXIT_FINE && addresses.n > 0) {
        char text[ADDRESS_MOST];
        struct str one = str_split(&addresses, ' ');
        if (one.n > 0) {
            (void)snprintf(text, sizeof(text), "%.*s", STR_ARG(one));
            code = open_address(text, offset, false, out);
        }
    }
    if (code != EXIT_FINE) {
        listen_close(out);
    }
    return code;
}

/* ---- LMTP ---- */

/* One service on each of addresses; setting is what names them. */
static int open_ports(struct str addresses, const struct service *service, const char *setting,
                      enum link_role role, struct listenings *out)
{
    while (addresses.n > 0) {
        char text[ADDRESS_MOST];
        struct sockaddr_storage at;
        socklen_t size;
        struct str one = str_split(&addresses, ' ');
        if (one.n == 0) {
            continue;
        }
        (void)snprintf(text, sizeof(text), "%.*s", STR_ARG(one));
        if (!make_address(text, service->port, &at, &size)) {
            return tool_fail(EXIT_USAGE, "%s: %s is not an IPv4 or IPv6 address", setting, text);
        }
        int fd = open_socket(&at, size);
        if (fd < 0) {
            return fail_open(service->name, text, service->port);
        }
        vec_push(&out->all, (struct listening){service->name, role, fd, NULL});
    }
    return EXIT_FINE;
}

/* A socket that nobody listens on is left over from a crash. What is no socket stays, and bind() fails. */
static void remove_stale(const struct sockaddr_un *at)
{
    struct stat st;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_socket = lstat(at->sun_path, &st) == 0 && S_ISSOCK(st.st_mode);
    if (fd >= 0 && is_socket && connect(fd, (const struct sockaddr *)at, sizeof(*at)) != 0
        && errno == ECONNREFUSED) {
        (void)unlink(at->sun_path);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

/* mode and group; false with errno. The file was made for us alone, so there is no moment at which too many may connect. */
static bool give_socket(const char *path, const void *to)
{
    const struct listen_lmtp *l = to;
    char mode[8];
    char name[64];
    (void)snprintf(mode, sizeof(mode), "%.*s", STR_ARG(l->mode));
    (void)snprintf(name, sizeof(name), "%.*s", STR_ARG(l->group));
    if (l->group.n > 0) {
        const struct group *g = getgrnam(name);
        if (g == NULL) {
            errno = EINVAL;
            return false;
        }
        if (chown(path, (uid_t)-1, g->gr_gid) != 0) {
            return false;
        }
    }
    return chmod(path, (mode_t)strtoul(mode, NULL, 8)) == 0;
}

/* Listens on a Unix socket; give() says, before anybody can connect, who may. Returns an exit code, with errno. */
static int open_unix(const char *name, struct str path,
                     bool (*give)(const char *path, const void *to), const void *to,
                     struct listenings *out)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, path.p, path.n);
    remove_stale(&at);
    mode_t before = umask(0177);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_open = fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0
                   && give(at.sun_path, to) && listen(fd, LISTEN_BACKLOG) == 0;
    int why = errno;
    (void)umask(before);
    if (is_open) {
        vec_push(&out->all, (struct listening){name, ROLE_SUBMIT, fd, strdup(at.sun_path)});
        return EXIT_FINE;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    errno = why;
    return EXIT_ENVIRONMENT;
}

static bool is_path_short(struct str path)
{
    return path.n < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

static int open_lmtp_socket(const struct listen_lmtp *l, struct listenings *out)
{
    if (!is_path_short(l->path)) {
        return l->is_default ? EXIT_FINE
                             : tool_fail(EXIT_USAGE, "lmtp_socket: a path has at most %zu octets",
                                         sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
    }
    int code = open_unix("lmtp", l->path, give_socket, l, out);
    return code == EXIT_FINE ? code
                             : tool_fail(code, "lmtp_socket: cannot listen on %.*s%s%.*s: %s",
                                         STR_ARG(l->path), l->group.n > 0 ? " for group " : "",
                                         STR_ARG(l->group), strerrordesc_np(errno));
}

static bool give_to_user(const char *path, const void *to)
{
    const struct listen_desk *l = to;
    return geteuid() != 0 || chown(path, l->uid, l->gid) == 0;
}

int listen_open_desk(const struct listen_desk *l, struct listenings *out)
{
    if (!is_path_short(l->path)) {
        (void)tool_fail(EXIT_FINE,
                        "%.*s is too long for a socket: the tools that need it work only while the "
                        "server is stopped",
                        STR_ARG(l->path));
        return EXIT_FINE;
    }
    int code = open_unix(l->name, l->path, give_to_user, l, out);
    return code == EXIT_FINE ? code
                             : tool_fail(code, "cannot listen on %.*s: %s", STR_ARG(l->path),
                                         strerrordesc_np(errno));
}

int listen_take(struct listenings *l, const char *name)
{
    for (size_t i = 0; i < l->all.count; i++) {
        struct listening *one = &l->all.at[i];
        if (strcmp(one->name, name) == 0 && one->fd >= 0) {
            int fd = one->fd;
            one->fd = -1;
            return fd;
        }
    }
    return -1;
}

int listen_open_lmtp(const struct listen_lmtp *l, struct listenings *out)
{
    const struct service lmtp = {"lmtp", PORT_LMTP + l->offset};
    int code = open_ports(l->addresses, &lmtp, "lmtp_listen", ROLE_SUBMIT, out);
    return code == EXIT_FINE && l->path.n > 0 ? open_lmtp_socket(l, out) : code;
}

int listen_open_link(struct str addresses, unsigned offset, struct listenings *out)
{
    const struct service link = {"link", PORT_LINK + offset};
    return open_ports(addresses, &link, "link_listen", ROLE_GATE, out);
}

int listen_open_metrics(unsigned offset, int *fd)
{
    struct sockaddr_storage address;
    socklen_t size;
    unsigned port = PORT_METRICS + offset;
    bool is_made = make_address("127.0.0.1", port, &address, &size);
    *fd = is_made ? open_socket(&address, size) : -1;
    return *fd >= 0 ? EXIT_FINE : fail_open("metrics", "127.0.0.1", port);
}

void listen_close(struct listenings *l)
{
    for (size_t i = 0; i < l->all.count; i++) {
        if (l->all.at[i].fd >= 0) {
            (void)close(l->all.at[i].fd);
        }
        if (l->all.at[i].path != NULL) {
            (void)unlink(l->all.at[i].path);
            free(l->all.at[i].path);
        }
    }
    vec_release(&l->all);
}
