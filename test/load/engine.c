/* Clients by the hundred thousand on one epoll.
 *
 * A client that rests is 40 octets here, and what the kernel and OpenSSL keep of it; so a machine can hold both ends of what the server
 * is to be measured with. Everything else exists only while it is used: what is read goes into one buffer for all, what is written is
 * small and goes out at once or not at all (a server that takes no 100 octets has failed the client).
 *
 * Bounds: options.count clients, options.rate new ones a second, options.window of them between connect and rest, options.seconds in
 * all; the caps in load.h stand above these. When standard input ends, whoever started us is gone, and so are we.
 *
 * Source addresses are spread over options.sources, for a pair of addresses has 28,000 ports. The port is chosen by connect
 * (IP_BIND_ADDRESS_NO_PORT), so each address has them all for each target. */
#include "load.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

enum { EVENTS_MOST = 512, TICK_MS = 5, OPENS_A_TICK_MOST = 1000, ORDER_MOST = 256 };

static uint64_t get_now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void watch(struct load *l, struct client *c, int operation, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};
    if (epoll_ctl(l->epoll, operation, c->fd, &e) != 0) {
        perror("epoll_ctl");
        exit(1);
    }
}

static void bind_source(const struct load *l, const struct client *c, int fd)
{
    const struct load_options *o = &l->options;
    if (o->from == 0 || o->to.ss_family != AF_INET) {
        return;
    }
    int on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(o->from + (c->index % o->sources) * o->step);
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&from, sizeof(from)) != 0) {
        perror("bind");
        exit(1);
    }
}

bool engine_open(struct load *l, struct client *c)
{
    int on = 1;
    int fd = socket(l->options.to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        perror("socket");
        exit(1);
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    bind_source(l, c, fd);
    c->begun_us = l->now_us;
    if (connect(fd, (const struct sockaddr *)&l->options.to, l->options.to_size) != 0
        && errno != EINPROGRESS) {
        l->counts.refused++;
        (void)close(fd);
        return false;
    }
    c->fd = fd;
    c->is_open = 0;
    c->is_at_rest = 0;
    l->connecting++;
    watch(l, c, EPOLL_CTL_ADD, EPOLLOUT);
    return true;
}

void engine_close(struct load *l, struct client *c)
{
    if (c->fd < 0) {
        return;
    }
    if (c->is_at_rest == 0) {
        l->connecting--;
    }
    talk_end(c);
    SSL_free(c->ssl);
    c->ssl = NULL;
    (void)close(c->fd);
    *c = (struct client){.fd = -1, .index = c->index};
}

void engine_set_at_rest(struct load *l, struct client *c)
{
    if (c->is_at_rest == 0) {
        c->is_at_rest = 1;
        l->connecting--;
    }
}

/* The server hung up, or something failed. */
static void end(struct load *l, struct client *c)
{
    if (c->is_open != 0) {
        l->counts.ended++;
    } else {
        l->counts.refused++;
    }
    if (l->mode->on_end != NULL) {
        l->mode->on_end(l, c);
    }
    engine_close(l, c);
}

size_t engine_send(struct load *l, struct client *c, struct str octets)
{
    size_t sent = 0;
    if (c->ssl != NULL) {
        ERR_clear_error();
        (void)SSL_write_ex(c->ssl, octets.p, octets.n, &sent);
    } else {
        ssize_t n = send(c->fd, octets.p, octets.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent = n > 0 ? (size_t)n : 0;
    }
    l->counts.octets_out += sent;
    return sent;
}

static void shake_hands(struct load *l, struct client *c)
{
    ERR_clear_error();
    int result = SSL_do_handshake(c->ssl);
    if (result == 1) {
        c->is_shaking = 0;
        l->counts.handshakes++;
        if (l->mode->on_tls != NULL) {
            l->mode->on_tls(l, c);
        }
        return;
    }
    int why = SSL_get_error(c->ssl, result);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        end(l, c);
    }
}

void engine_start_tls(struct load *l, struct client *c)
{
    c->ssl = SSL_new(l->tls);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1) {
        exit(1);
    }
    SSL_set_connect_state(c->ssl);
    c->is_shaking = 1;
    shake_hands(l, c);
}

/* Octets into scratch; 0: none now. False: it ended. */
static bool receive(struct load *l, struct client *c, size_t *got)
{
    *got = 0;
    if (c->ssl == NULL) {
        ssize_t n = recv(c->fd, l->scratch, SCRATCH_SIZE, MSG_DONTWAIT);
        *got = n > 0 ? (size_t)n : 0;
        return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
    }
    ERR_clear_error();
    int result = SSL_read_ex(c->ssl, l->scratch, SCRATCH_SIZE, got);
    return result == 1 || SSL_get_error(c->ssl, result) == SSL_ERROR_WANT_READ;
}

static void read_some(struct load *l, struct client *c)
{
    size_t got = 0;
    int fd = c->fd;
    do {
        if (!receive(l, c, &got)) {
            end(l, c);
            return;
        }
        l->counts.octets_in += got;
        if (got > 0 && l->mode->on_octets != NULL) {
            l->mode->on_octets(l, c, str_make(l->scratch, got));
        }
        /* What TLS holds decoded is not seen by epoll. */
    } while (got > 0 && c->fd == fd && c->ssl != NULL && c->is_shaking == 0);
}

static void on_event(struct load *l, struct client *c, uint32_t events)
{
    if (c->fd < 0) {
        return;
    }
    if (c->is_open == 0) {
        int errnum = 0;
        socklen_t size = sizeof(errnum);
        (void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &errnum, &size);
        if (errnum != 0) {
            end(l, c);
            return;
        }
        c->is_open = 1;
        l->counts.opened++;
        watch(l, c, EPOLL_CTL_MOD, l->mode->is_deaf ? 0 : EPOLLIN);
        if (l->mode->on_open != NULL) {
            l->mode->on_open(l, c);
        }
        return;
    }
    if (c->is_shaking != 0) {
        shake_hands(l, c);
    } else if (!l->mode->is_deaf) {
        read_some(l, c);
    } else if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        end(l, c);
    }
}

/* The next client that is closed; NULL: none, or all had their turn. */
static struct client *find_closed(struct load *l)
{
    const struct load_options *o = &l->options;
    for (unsigned looked = 0; looked < o->count; looked++) {
        if (!l->mode->is_reopened && l->next >= o->count) {
            return NULL;
        }
        struct client *c = &l->clients[l->next++ % o->count];
        if (c->fd < 0) {
            return c;
        }
    }
    return NULL;
}

/* Opens who is closed, as many as rate and window allow. */
static void open_some(struct load *l)
{
    const struct load_options *o = &l->options;
    uint64_t due = (l->now_us - l->started_us) * o->rate / 1000000 + 1;
    for (unsigned i = 0; i < OPENS_A_TICK_MOST; i++) {
        if (l->connecting >= o->window || l->counts.begun >= due) {
            return;
        }
        struct client *c = find_closed(l);
        if (c == NULL) {
            return;
        }
        l->counts.begun++;
        (void)engine_open(l, c);
    }
}

/* Orders, a line each. False: nobody is there any more. */
static bool read_orders(struct load *l)
{
    char text[ORDER_MOST];
    ssize_t n = read(STDIN_FILENO, text, sizeof(text));
    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    struct str rest = str_make(text, (size_t)n);
    while (rest.n > 0) {
        size_t end = str_find_char(rest, '\n');
        struct str line = str_sub(rest, 0, end);
        rest = str_skip(rest, end + 1);
        if (str_eq(line, STR("quit"))) {
            return false;
        }
        if (l->mode->on_order != NULL) {
            l->mode->on_order(l, line);
        }
    }
    return true;
}

static int start(struct load *l)
{
    struct rlimit fds = {0};
    size_t clients = l->options.count + SPARE_CLIENTS;
    rlim_t wanted = clients + 64;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)getrlimit(RLIMIT_NOFILE, &fds);
    if (fds.rlim_cur < wanted) {
        struct rlimit more = {wanted, fds.rlim_max < wanted ? wanted : fds.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &more) != 0) {
            (void)fprintf(stderr, "load: may not have %llu descriptors\n",
                          (unsigned long long)wanted);
            return 1;
        }
    }
    l->clients = calloc(clients, sizeof(*l->clients));
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->clients == NULL || l->epoll < 0) {
        perror("load");
        return 1;
    }
    for (size_t i = 0; i < clients; i++) {
        l->clients[i] = (struct client){.fd = -1, .index = (uint32_t)i};
    }
    /* A file or /dev/null cannot be watched: then there are no orders. */
    struct epoll_event orders = {.events = EPOLLIN, .data.ptr = NULL};
    (void)epoll_ctl(l->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &orders);
    return 0;
}

static bool turn(struct load *l)
{
    struct epoll_event events[EVENTS_MOST];
    int n = epoll_wait(l->epoll, events, EVENTS_MOST, TICK_MS);
    l->now_us = get_now_us();
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr != NULL) {
            on_event(l, events[i].data.ptr, events[i].events);
        } else if (!read_orders(l)) {
            return false;
        }
    }
    open_some(l);
    if (l->mode->on_tick != NULL) {
        l->mode->on_tick(l);
    }
    return engine_get_ms(l) < l->options.seconds * 1000 && !l->is_over;
}

int engine_run(struct load *l)
{
    int code = start(l);
    if (code != 0) {
        return code;
    }
    l->started_us = l->now_us = get_now_us();
    while (turn(l)) {
        ;
    }
    if (l->mode->on_finish != NULL) {
        l->mode->on_finish(l);
    }
    for (size_t i = 0; i < l->options.count + SPARE_CLIENTS; i++) {
        engine_close(l, &l->clients[i]);
    }
    free(l->clients);
    (void)close(l->epoll);
    return 0;
}
