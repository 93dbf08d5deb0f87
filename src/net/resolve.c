/* The C library's resolver knows what the administrator configured (hosts file, name service switch), but it blocks; so it
 * runs on a helper thread, with all it needs in one piece of memory that belongs to the thread until it is done. A caller
 * that loses interest only leaves a mark: the memory is freed when the thread has come back. */
#include "net/resolve.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

enum { HOST_MOST = 255 };

struct resolve {
    char host[HOST_MOST + 1];
    uint16_t port;
    struct sockaddr_storage at[RESOLVE_MOST];
    size_t count;
    bool is_cancelled;
    void (*on_done)(void *owner, enum err e, const struct sockaddr_storage *at, size_t count);
    void *owner;
};

static void set_port(struct sockaddr_storage *a, uint16_t port)
{
    if (a->ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)a)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)a)->sin_port = htons(port);
    }
}

bool resolve_numeric(struct str host, uint16_t port, struct sockaddr_storage *out)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
        host = str_sub(host, 1, host.n - 2);
    }
    if (host.n == 0 || host.n >= sizeof(text)) {
        return false;
    }
    memcpy(text, host.p, host.n);
    struct sockaddr_storage a = {0};
    if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&a)->sin_addr) == 1) {
        a.ss_family = AF_INET;
    } else if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&a)->sin6_addr) == 1) {
        a.ss_family = AF_INET6;
    } else {
        return false;
    }
    set_port(&a, port);
    *out = a;
    return true;
}

/* On the helper thread. */
static void look_up(void *owner)
{
    struct resolve *r = owner;
    struct sockaddr_storage numeric;
    if (resolve_numeric(str_from_c(r->host), r->port, &numeric)) {
        r->at[r->count++] = numeric;
        return;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    if (getaddrinfo(r->host, NULL, &hints, &found) != 0) {
        return;
    }
    for (struct addrinfo *i = found; i != NULL && r->count < RESOLVE_MOST; i = i->ai_next) {
        if (i->ai_addrlen <= sizeof(r->at[0])
            && (i->ai_family == AF_INET || i->ai_family == AF_INET6)) {
            memcpy(&r->at[r->count], i->ai_addr, i->ai_addrlen);
            set_port(&r->at[r->count++], r->port);
        }
    }
    freeaddrinfo(found);
}

static void finish(void *owner)
{
    struct resolve *r = owner;
    if (!r->is_cancelled) {
        r->on_done(r->owner, r->count > 0 ? ERR_OK : ERR_UNREACHABLE, r->at, r->count);
    }
    free(r);
}

static void start(void *owner)
{
    finish(owner);
}

struct resolve *resolve_start(struct loop *l, struct str host, uint16_t port,
                              void (*on_done)(void *owner, enum err e,
                                              const struct sockaddr_storage *at, size_t count),
                              void *owner)
{
    struct resolve *r = mem_new(sizeof(*r));
    size_t n = host.n <= HOST_MOST ? host.n : 0;
    if (n > 0) {
        memcpy(r->host, host.p, n);
    }
    r->port = port;
    r->on_done = on_done;
    r->owner = owner;
    if (n == 0 || resolve_numeric(host, port, &r->at[0])) {
        r->count = n == 0 ? 0 : 1;
        loop_defer(l, start, r);
    } else {
        loop_work(l, look_up, finish, r);
    }
    return r;
}

void resolve_cancel(struct resolve **r)
{
    if (*r != NULL) {
        (*r)->is_cancelled = true;
        *r = NULL;
    }
}

bool resolve_is_own_address(const struct sockaddr_storage *addr)
{
    /* A datagram socket that is connected, sends nothing; the kernel then says which of our addresses it would send
     * from, and that is the other end's own address exactly when the other end is us. */
    int fd = socket(addr->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    struct sockaddr_storage to = *addr;
    set_port(&to, 9);
    struct sockaddr_storage from = {0};
    socklen_t from_len = sizeof(from);
    socklen_t to_len =
        addr->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    bool is_known = connect(fd, (struct sockaddr *)&to, to_len) == 0
                    && getsockname(fd, (struct sockaddr *)&from, &from_len) == 0;
    (void)close(fd);
    if (!is_known || from.ss_family != to.ss_family) {
        return false;
    }
    if (to.ss_family == AF_INET6) {
        return memcmp(&((struct sockaddr_in6 *)&to)->sin6_addr,
                      &((struct sockaddr_in6 *)&from)->sin6_addr, sizeof(struct in6_addr))
               == 0;
    }
    return memcmp(&((struct sockaddr_in *)&to)->sin_addr, &((struct sockaddr_in *)&from)->sin_addr,
                  sizeof(struct in_addr))
           == 0;
}
