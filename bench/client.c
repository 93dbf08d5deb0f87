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
 * its answer is over when a line starts with its tag. */
#include "peer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct client {
    struct peer *peer;
    unsigned tag;
};

static void client_command(struct client *c, const char *command, size_t len)
{
    char tag[16];
    int tag_len = snprintf(tag, sizeof(tag), "x%u ", ++c->tag);
    char *line = malloc((size_t)tag_len + len + 2);
    if (line == NULL) {
        peer_fail("memory");
    }
    memcpy(line, tag, (size_t)tag_len);
    memcpy(line + tag_len, command, len);
    memcpy(line + (size_t)tag_len + len, "\r\n", 2);
    peer_send(c->peer, line, (size_t)tag_len + len + 2);
    free(line);
    peer_wait(c->peer, tag);
    if (memcmp(c->peer->answer, "OK", 2) != 0) {
        errno = 0;
        peer_fail(command);
    }
}

static void client_say(struct client *c, const char *command)
{
    client_command(c, command, strlen(command));
}

/* Connected, TLS started when asked for, logged in. index takes the place of '%' in the user. */
static struct client *client_new(const struct peer_target *t, int index)
{
    struct client *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        peer_fail("memory");
    }
    c->peer = peer_new(t);
    peer_wait(c->peer, "* OK");
    if (t->tls != NULL) {
        client_say(c, "STARTTLS");
        peer_start_tls(c->peer, t);
    }
    char user[256];
    char login[512];
    peer_write_user(t, index, user, sizeof(user));
    (void)snprintf(login, sizeof(login), "LOGIN %s \"%s\"", user, t->password);
    client_say(c, login);
    return c;
}

static void client_free(struct client **c)
{
    peer_free(&(*c)->peer);
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
        peer_fail("memory");
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
static void run_latency(const struct peer_target *t, const char *mailbox, int argc, char **argv)
{
    if (argc < 2) {
        peer_fail("latency ROUNDS COMMAND...");
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
    for (int round = 0; round < peer_number(argv[0]); round++) {
        double start = peer_now_us();
        client_say(c, argv[1]);
        printf("%.1f\n", peer_now_us() - start);
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
    const struct peer_target *target;
    const char *mailbox;
    int octets;
    int batch; /* messages a command */
    double seconds;
};

static long append_for(const void *owner, int index)
{
    const struct work *w = owner;
    struct client *c = client_new(w->target, index);
    size_t len;
    char *command = make_append(w->mailbox, w->octets, w->batch, &len);
    long count = 0;
    for (double end = peer_now_us() + w->seconds * 1e6; peer_now_us() < end; count += w->batch) {
        client_command(c, command, len);
    }
    free(command);
    client_free(&c);
    return count;
}

static long sessions_for(const void *owner, int index)
{
    const struct work *w = owner;
    long count = 0;
    for (double end = peer_now_us() + w->seconds * 1e6; peer_now_us() < end; count++) {
        struct client *c = client_new(w->target, index);
        client_select(c, w->mailbox);
        client_say(c, "LOGOUT");
        client_free(&c);
    }
    return count;
}

/* Sends one append and reads both connections as they become readable: microseconds from its OK to EXISTS. */
static double idle_round(struct client *idler, struct client *writer, const char *command,
                         size_t len)
{
    char tag[16];
    int tag_len = snprintf(tag, sizeof(tag), "x%u ", ++writer->tag);
    peer_send(writer->peer, tag, (size_t)tag_len);
    peer_send(writer->peer, command, len);
    peer_send(writer->peer, "\r\n", 2);
    double ok_at = 0;
    double exists_at = 0;
    while (ok_at == 0 || exists_at == 0) {
        struct pollfd fds[2] = {{.fd = writer->peer->fd, .events = POLLIN},
                                {.fd = idler->peer->fd, .events = POLLIN}};
        if (poll(fds, 2, 10000) <= 0) {
            peer_fail("no news within 10 s");
        }
        if (fds[0].revents != 0) {
            peer_read(writer->peer);
            ok_at = memmem(writer->peer->data, writer->peer->len, tag, (size_t)tag_len) != NULL
                        ? peer_now_us()
                        : 0;
        }
        if (fds[1].revents != 0) {
            peer_read(idler->peer);
            exists_at = memmem(idler->peer->data, idler->peer->len, " EXISTS\r\n", 9) != NULL
                            ? peer_now_us()
                            : 0;
        }
    }
    writer->peer->len = 0;
    idler->peer->len = 0;
    return exists_at > ok_at ? exists_at - ok_at : 0;
}

static void run_idle(const struct peer_target *t, int rounds, const char *mailbox)
{
    struct client *idler = client_new(t, 0);
    struct client *writer = client_new(t, 0);
    client_select(idler, mailbox);
    peer_send(idler->peer, "i IDLE\r\n", 8);
    peer_wait(idler->peer, "+");
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

int main(int argc, char **argv)
{
    if (argc < 8) {
        (void)fprintf(
            stderr, "usage: bench-client HOST PORT plain|CAFILE USER PASSWORD MODE ARGUMENT...\n");
        return 2;
    }
    struct peer_target t = {.host = argv[1], .port = argv[2], .user = argv[4], .password = argv[5]};
    t.tls = peer_make_tls(argv[3]);
    const char *mode = argv[6];
    struct work w = {.target = &t, .mailbox = argv[argc - 1]};
    if (strcmp(mode, "latency") == 0) {
        run_latency(&t, NULL, argc - 7, argv + 7);
    } else if (strcmp(mode, "latency-in") == 0) {
        run_latency(&t, argv[7], argc - 8, argv + 8);
    } else if (strcmp(mode, "append") == 0 && (argc == 11 || argc == 12)) {
        w.seconds = peer_number(argv[8]);
        w.octets = peer_number(argv[9]);
        w.mailbox = argv[10];
        w.batch = argc == 12 ? peer_number(argv[11]) : 1;
        peer_run_parallel(peer_number(argv[7]), append_for, &w);
    } else if (strcmp(mode, "session") == 0 && argc == 10) {
        w.seconds = peer_number(argv[8]);
        peer_run_parallel(peer_number(argv[7]), sessions_for, &w);
    } else if (strcmp(mode, "idle") == 0 && argc == 9) {
        run_idle(&t, peer_number(argv[7]), argv[8]);
    } else {
        peer_fail("no such mode, or wrong arguments");
    }
    SSL_CTX_free(t.tls);
    return 0;
}
