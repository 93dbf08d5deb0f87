/* The connection under the benchmarks' clients. Blocking calls, one buffer, no cleverness: it must cost the same for every server
 * and little beside what is measured. Workers are processes, so that one does not slow another. TLS is a full handshake each
 * time: no server gains by remembering us. */
#include "peer.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

void peer_fail(const char *what)
{
    (void)fprintf(stderr, "%s: %s (%s)\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

double peer_now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

int peer_number(const char *text)
{
    char *end = NULL;
    long n = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || n < 0 || n > 100000000) {
        peer_fail("a number was expected");
    }
    return (int)n;
}

SSL_CTX *peer_make_tls(const char *ca_file)
{
    if (strcmp(ca_file, "plain") == 0) {
        return NULL;
    }
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || SSL_CTX_load_verify_locations(tls, ca_file, NULL) != 1) {
        peer_fail(ca_file);
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    return tls;
}

static int connect_unix(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
        peer_fail(path);
    }
    return fd;
}

static int connect_tcp(const struct peer_target *t)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(t->host, t->port, &hints, &found) != 0) {
        peer_fail("no such host");
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        peer_fail("cannot connect");
    }
    freeaddrinfo(found);
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

struct peer *peer_new(const struct peer_target *t)
{
    struct peer *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        peer_fail("memory");
    }
    p->fd = t->host[0] == '/' ? connect_unix(t->host) : connect_tcp(t);
    struct timeval minute = {.tv_sec = 60};
    (void)setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof(minute));
    return p;
}

void peer_free(struct peer **p)
{
    SSL_free((*p)->tls);
    (void)close((*p)->fd);
    free(*p);
    *p = NULL;
}

void peer_start_tls(struct peer *p, const struct peer_target *t)
{
    p->tls = SSL_new(t->tls);
    if (p->tls == NULL || SSL_set1_host(p->tls, "localhost") != 1 || SSL_set_fd(p->tls, p->fd) != 1
        || SSL_connect(p->tls) != 1) {
        ERR_print_errors_fp(stderr);
        peer_fail("TLS");
    }
}

void peer_send(struct peer *p, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n =
            p->tls ? SSL_write(p->tls, data, (int)len) : send(p->fd, data, len, MSG_NOSIGNAL);
        if (n <= 0) {
            peer_fail("cannot send");
        }
        data += n;
        len -= (size_t)n;
    }
}

void peer_read(struct peer *p)
{
    if (p->len > PEER_KEPT) {
        memmove(p->data, p->data + p->len - PEER_KEPT, PEER_KEPT);
        p->len = PEER_KEPT;
    }
    /* Some servers send an answer in two pieces and wait for the ACK of the first, which we would delay. */
    int one = 1;
    (void)setsockopt(p->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
    ssize_t n = p->tls ? SSL_read(p->tls, p->data + p->len, PEER_READ_SIZE)
                       : recv(p->fd, p->data + p->len, PEER_READ_SIZE, 0);
    if (n <= 0) {
        (void)fprintf(stderr, "%.*s\n", (int)p->len, p->data);
        peer_fail("the server closed the connection, or said nothing for a minute; its last words "
                  "stand above");
    }
    p->len += (size_t)n;
}

void peer_wait(struct peer *p, const char *what)
{
    char line[64];
    int len = snprintf(line, sizeof(line), "\n%s", what);
    for (;;) {
        const char *at = memmem(p->data, p->len, line, (size_t)len);
        if (at == NULL && p->len + 1 >= (size_t)len
            && memcmp(p->data, line + 1, (size_t)len - 1) == 0) {
            at = p->data;
        }
        if (at != NULL && memchr(at + 1, '\n', p->len - (size_t)(at + 1 - p->data)) != NULL) {
            size_t skip = at == p->data ? (size_t)len - 1 : (size_t)len;
            memcpy(p->answer, at + skip, sizeof(p->answer));
            break;
        }
        peer_read(p);
    }
    p->len = 0;
}

void peer_write_user(const struct peer_target *t, int index, char *out, size_t room)
{
    const char *percent = strchr(t->user, '%');
    if (percent == NULL) {
        (void)snprintf(out, room, "%s", t->user);
    } else {
        (void)snprintf(out, room, "%.*s%d%s", (int)(percent - t->user), t->user, index,
                       percent + 1);
    }
}

void peer_run_parallel(int workers, long (*work)(const void *owner, int index), const void *owner)
{
    int pipes[PEER_WORKERS_MOST][2];
    if (workers < 1 || workers > PEER_WORKERS_MOST) {
        peer_fail("too many workers");
    }
    double start = peer_now_us();
    for (int i = 0; i < workers; i++) {
        if (pipe(pipes[i]) != 0) {
            peer_fail("pipe");
        }
        pid_t pid = fork();
        if (pid < 0) {
            peer_fail("fork");
        }
        if (pid == 0) {
            long count = work(owner, i);
            _exit(write(pipes[i][1], &count, sizeof(count)) == sizeof(count) ? 0 : 1);
        }
        (void)close(pipes[i][1]);
    }
    long total = 0;
    for (int i = 0; i < workers; i++) {
        long count;
        if (read(pipes[i][0], &count, sizeof(count)) != sizeof(count)) {
            peer_fail("a worker failed");
        }
        total += count;
        (void)close(pipes[i][0]);
    }
    while (wait(NULL) > 0) {
    }
    printf("%.1f\n", (double)total / ((peer_now_us() - start) / 1e6));
}
