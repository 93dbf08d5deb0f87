/* The client that bench/run measures with: blocking, small, and the same for every server.
 *
 * usage: bench-client HOST PORT plain|CAFILE USER PASSWORD MODE ARGUMENT...
 *
 *   latency ROUNDS COMMAND [COMMAND...]    times the first command; the others run unmeasured between rounds, or, with
 *                                          "!" in front, once before all. Prints microseconds, one round a line.
 *   latency-in MAILBOX ROUNDS COMMAND...   the same in a selected mailbox.
 *   append WRITERS SECONDS OCTETS MAILBOX [COUNT]  each writer appends (COUNT messages a command) and waits for its OK.
 *                                          Prints messages a second.
 *   session CLIENTS SECONDS MAILBOX        each client connects, logs in, selects, logs out. Prints sessions a second.
 *   idle ROUNDS MAILBOX                    one connection idles, another appends. Prints the microseconds from the append's
 *                                          OK to EXISTS, one round a line; 0 when EXISTS came first.
 *
 * USER may hold one '%': writer number n then is that user with n in its place. Every command is sent in one piece, and
 * its answer is over when a line starts with its tag. Writers are processes, so one does not slow another. TLS is a full
 * handshake each time: no server gains by remembering us. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { READ_SIZE = 1 << 18, KEPT = 512, WRITERS_MOST = 256 };

struct target {
    const char *host;
    const char *port;
    const char *user;
    const char *password;
    SSL_CTX *tls; /* NULL: plain text */
};

struct client {
    int fd;
    SSL *tls;
    unsigned tag;
    size_t len;     /* octets in data: the end of what was read before, then what was read last */
    char answer[2]; /* what followed the tag: "OK", "NO", "BA" */
    char data[KEPT + READ_SIZE + 1];
};

static void fail(const char *what)
{
    (void)fprintf(stderr, "bench-client: %s (%s)\n", what, strerror(errno));
    exit(1);
}

static double now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int number(const char *text)
{
    char *end = NULL;
    long n = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || n < 0 || n > 100000000) {
        fail("a number was expected");
    }
    return (int)n;
}

static void client_send(struct client *c, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n =
            c->tls ? SSL_write(c->tls, data, (int)len) : send(c->fd, data, len, MSG_NOSIGNAL);
        if (n <= 0) {
            fail("cannot send");
        }
        data += n;
        len -= (size_t)n;
    }
}

/* Reads something behind the last KEPT octets of what was there. */
static void client_read(struct client *c)
{
    if (c->len > KEPT) {
        memmove(c->data, c->data + c->len - KEPT, KEPT);
        c->len = KEPT;
    }
    /* Some servers send an answer in two pieces and wait for the ACK of the first, which we would delay. */
    int one = 1;
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
    ssize_t n = c->tls ? SSL_read(c->tls, c->data + c->len, READ_SIZE)
                       : recv(c->fd, c->data + c->len, READ_SIZE, 0);
    if (n <= 0) {
        fail("the server closed the connection");
    }
    c->len += (size_t)n;
}

/* Reads until a line starts with what; then everything read is forgotten. */
static void client_wait(struct client *c, const char *what)
{
    char line[64];
    int len = snprintf(line, sizeof(line), "\n%s", what);
    for (;;) {
        const char *at = memmem(c->data, c->len, line, (size_t)len);
        if (at == NULL && c->len + 1 >= (size_t)len
            && memcmp(c->data, line + 1, (size_t)len - 1) == 0) {
            at = c->data;
        }
        if (at != NULL && memchr(at + 1, '\n', c->len - (size_t)(at + 1 - c->data)) != NULL) {
            size_t skip = at == c->data ? (size_t)len - 1 : (size_t)len;
            memcpy(c->answer, at + skip, sizeof(c->answer));
            break;
        }
        client_read(c);
    }
    c->len = 0;
}

static void client_command(struct client *c, const char *command, size_t len)
{
    char tag[16];
    int tag_len = snprintf(tag, sizeof(tag), "x%u ", ++c->tag);
    char *line = malloc((size_t)tag_len + len + 2);
    if (line == NULL) {
        fail("memory");
    }
    memcpy(line, tag, (size_t)tag_len);
    memcpy(line + tag_len, command, len);
    memcpy(line + (size_t)tag_len + len, "\r\n", 2);
    client_send(c, line, (size_t)tag_len + len + 2);
    free(line);
    client_wait(c, tag);
    if (memcmp(c->answer, "OK", 2) != 0) {
        errno = 0;
        fail(command);
    }
}

static void client_say(struct client *c, const char *command)
{
    client_command(c, command, strlen(command));
}

static int connect_to(const struct target *t)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(t->host, t->port, &hints, &found) != 0) {
        fail("no such host");
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        fail("cannot connect");
    }
    freeaddrinfo(found);
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

/* Connected, TLS started when asked for, logged in. index takes the place of '%' in the user. */
static struct client *client_new(const struct target *t, int index)
{
    struct client *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        fail("memory");
    }
    c->fd = connect_to(t);
    client_wait(c, "* OK");
    if (t->tls != NULL) {
        client_say(c, "STARTTLS");
        c->tls = SSL_new(t->tls);
        if (c->tls == NULL || SSL_set1_host(c->tls, "localhost") != 1
            || SSL_set_fd(c->tls, c->fd) != 1 || SSL_connect(c->tls) != 1) {
            ERR_print_errors_fp(stderr);
            fail("TLS");
        }
    }
    char login[512];
    const char *percent = strchr(t->user, '%');
    if (percent == NULL) {
        (void)snprintf(login, sizeof(login), "LOGIN %s \"%s\"", t->user, t->password);
    } else {
        (void)snprintf(login, sizeof(login), "LOGIN %.*s%d%s \"%s\"", (int)(percent - t->user),
                       t->user, index, percent + 1, t->password);
    }
    client_say(c, login);
    return c;
}

static void client_free(struct client **c)
{
    if ((*c)->tls != NULL) {
        SSL_free((*c)->tls);
    }
    (void)close((*c)->fd);
    free(*c);
    *c = NULL;
}

/* Writes " {octets+}" and a message; returns how much. */
static size_t put_message(char *at, size_t room, int octets)
{
    static const char head[] =
        "From: a@localhost\r\nTo: b@localhost\r\nSubject: a message to measure with\r\n\r\n";
    size_t n = (size_t)snprintf(at, room, " {%d+}\r\n%s", octets, head);
    for (int i = (int)sizeof(head) - 1; i < octets; i++) {
        at[n++] = i % 78 == 76 ? '\r' : (i % 78 == 77 ? '\n' : 'x');
    }
    return n;
}

/* An APPEND with its literals; the caller frees. */
static char *make_append(const char *mailbox, int octets, int count, size_t *len)
{
    size_t room = ((size_t)octets + 256) * (size_t)count + 256;
    char *command = malloc(room);
    if (command == NULL) {
        fail("memory");
    }
    *len = (size_t)snprintf(command, room, "APPEND %s", mailbox);
    for (int i = 0; i < count; i++) {
        *len += put_message(command + *len, room - *len, octets);
    }
    return command;
}

static void client_select(struct client *c, const char *mailbox)
{
    char command[256];
    (void)snprintf(command, sizeof(command), "SELECT %s", mailbox);
    client_say(c, command);
}

/* mailbox: to be selected first, or NULL. */
static void run_latency(const struct target *t, const char *mailbox, int argc, char **argv)
{
    if (argc < 2) {
        fail("latency ROUNDS COMMAND...");
    }
    struct client *c = client_new(t, 0);
    if (mailbox != NULL) {
        client_select(c, mailbox);
    }
    for (int i = 2; i < argc; i++) {
        if (argv[i][0] == '!') {
            client_say(c, argv[i] + 1);
        }
    }
    for (int round = 0; round < number(argv[0]); round++) {
        double start = now_us();
        client_say(c, argv[1]);
        printf("%.1f\n", now_us() - start);
        for (int i = 2; i < argc; i++) {
            if (argv[i][0] != '!') {
                client_say(c, argv[i]);
            }
        }
    }
    client_free(&c);
}

/* Counts how often work() is done in that many seconds. */
struct work {
    const struct target *target;
    const char *mailbox;
    int octets;
    int batch; /* messages a command */
    double seconds;
};

static long append_for(const struct work *w, int index)
{
    struct client *c = client_new(w->target, index);
    size_t len;
    char *command = make_append(w->mailbox, w->octets, w->batch, &len);
    long count = 0;
    for (double end = now_us() + w->seconds * 1e6; now_us() < end; count += w->batch) {
        client_command(c, command, len);
    }
    free(command);
    client_free(&c);
    return count;
}

static long sessions_for(const struct work *w, int index)
{
    long count = 0;
    for (double end = now_us() + w->seconds * 1e6; now_us() < end; count++) {
        struct client *c = client_new(w->target, index);
        client_select(c, w->mailbox);
        client_say(c, "LOGOUT");
        client_free(&c);
    }
    return count;
}

static void run_parallel(const struct work *w, int writers, long (*work)(const struct work *, int))
{
    int pipes[WRITERS_MOST][2];
    if (writers < 1 || writers > WRITERS_MOST) {
        fail("too many writers");
    }
    double start = now_us();
    for (int i = 0; i < writers; i++) {
        if (pipe(pipes[i]) != 0) {
            fail("pipe");
        }
        pid_t pid = fork();
        if (pid < 0) {
            fail("fork");
        }
        if (pid == 0) {
            long count = work(w, i);
            _exit(write(pipes[i][1], &count, sizeof(count)) == sizeof(count) ? 0 : 1);
        }
        (void)close(pipes[i][1]);
    }
    long total = 0;
    for (int i = 0; i < writers; i++) {
        long count;
        if (read(pipes[i][0], &count, sizeof(count)) != sizeof(count)) {
            fail("a writer failed");
        }
        total += count;
        (void)close(pipes[i][0]);
    }
    while (wait(NULL) > 0) {
    }
    printf("%.1f\n", (double)total / ((now_us() - start) / 1e6));
}

/* Sends one append and reads both connections as they become readable: microseconds from its OK to EXISTS. */
static double idle_round(struct client *idler, struct client *writer, const char *command,
                         size_t len)
{
    char tag[16];
    int tag_len = snprintf(tag, sizeof(tag), "x%u ", ++writer->tag);
    client_send(writer, tag, (size_t)tag_len);
    client_send(writer, command, len);
    client_send(writer, "\r\n", 2);
    double ok_at = 0;
    double exists_at = 0;
    while (ok_at == 0 || exists_at == 0) {
        struct pollfd fds[2] = {{.fd = writer->fd, .events = POLLIN},
                                {.fd = idler->fd, .events = POLLIN}};
        if (poll(fds, 2, 10000) <= 0) {
            fail("no news within 10 s");
        }
        if (fds[0].revents != 0) {
            client_read(writer);
            ok_at = memmem(writer->data, writer->len, tag, (size_t)tag_len) != NULL ? now_us() : 0;
        }
        if (fds[1].revents != 0) {
            client_read(idler);
            exists_at = memmem(idler->data, idler->len, " EXISTS\r\n", 9) != NULL ? now_us() : 0;
        }
    }
    writer->len = 0;
    idler->len = 0;
    return exists_at > ok_at ? exists_at - ok_at : 0;
}

static void run_idle(const struct target *t, int rounds, const char *mailbox)
{
    struct client *idler = client_new(t, 0);
    struct client *writer = client_new(t, 0);
    client_select(idler, mailbox);
    client_send(idler, "i IDLE\r\n", 8);
    client_wait(idler, "+");
    size_t len;
    char *command = make_append(mailbox, 10240, 1, &len);
    for (int i = 0; i < rounds; i++) {
        printf("%.1f\n", idle_round(idler, writer, command, len));
        (void)poll(NULL, 0, 20); /* between rounds the idler is truly idle */
    }
    free(command);
    client_free(&idler);
    client_free(&writer);
}

static SSL_CTX *make_tls(const char *ca_file)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || SSL_CTX_load_verify_locations(tls, ca_file, NULL) != 1) {
        fail(ca_file);
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    return tls;
}

int main(int argc, char **argv)
{
    if (argc < 8) {
        (void)fprintf(
            stderr, "usage: bench-client HOST PORT plain|CAFILE USER PASSWORD MODE ARGUMENT...\n");
        return 2;
    }
    struct target t = {.host = argv[1], .port = argv[2], .user = argv[4], .password = argv[5]};
    if (strcmp(argv[3], "plain") != 0) {
        t.tls = make_tls(argv[3]);
    }
    const char *mode = argv[6];
    struct work w = {.target = &t, .mailbox = argv[argc - 1]};
    if (strcmp(mode, "latency") == 0) {
        run_latency(&t, NULL, argc - 7, argv + 7);
    } else if (strcmp(mode, "latency-in") == 0) {
        run_latency(&t, argv[7], argc - 8, argv + 8);
    } else if (strcmp(mode, "append") == 0 && (argc == 11 || argc == 12)) {
        w.seconds = number(argv[8]);
        w.octets = number(argv[9]);
        w.mailbox = argv[10];
        w.batch = argc == 12 ? number(argv[11]) : 1;
        run_parallel(&w, number(argv[7]), append_for);
    } else if (strcmp(mode, "session") == 0 && argc == 10) {
        w.seconds = number(argv[8]);
        run_parallel(&w, number(argv[7]), sessions_for);
    } else if (strcmp(mode, "idle") == 0 && argc == 9) {
        run_idle(&t, number(argv[7]), argv[8]);
    } else {
        fail("no such mode, or wrong arguments");
    }
    SSL_CTX_free(t.tls);
    return 0;
}
