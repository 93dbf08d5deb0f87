/* The client that bench/mail measures submission and delivery with.
 *
 * usage: mail-client HOST PORT plain|CAFILE USER PASSWORD submit|lmtp SESSIONS SECONDS OCTETS FROM TO
 *
 * Each session connects (USER "-": no login; else STARTTLS when asked for, AUTH PLAIN), then sends one message after the other
 * over its connection, with the envelope in one piece, and waits for the 250 that makes the server responsible. FROM and TO may
 * hold a '%' each, in whose place the session's number goes. Prints messages a second.
 *
 * HOST may be the path of a Unix socket. */
#include "peer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    struct peer_target target;
    bool is_lmtp;
    double seconds;
    int octets;
    const char *from;
    const char *to;
};

static void say(struct peer *p, const char *line, const char *answer)
{
    peer_send(p, line, strlen(line));
    peer_wait(p, answer);
}

static void log_in(struct peer *p, const struct peer_target *t, int index)
{
    char user[256];
    char plain[600];
    char line[1024] = "AUTH PLAIN ";
    peer_write_user(t, index, user, sizeof(user));
    int n = snprintf(plain, sizeof(plain), "%c%s%c%s", 0, user, 0, t->password);
    size_t at = strlen(line);
    at += (size_t)EVP_EncodeBlock((uint8_t *)line + at, (const uint8_t *)plain, n);
    (void)snprintf(line + at, sizeof(line) - at, "\r\n");
    say(p, line, "235");
}

static struct peer *open_session(const struct job *j, int index)
{
    struct peer *p = peer_new(&j->target);
    const char *hello = j->is_lmtp ? "LHLO bench.localdomain\r\n" : "EHLO bench.localdomain\r\n";
    peer_wait(p, "220 ");
    say(p, hello, "250 ");
    if (j->target.tls != NULL) {
        say(p, "STARTTLS\r\n", "220");
        peer_start_tls(p, &j->target);
        say(p, hello, "250 ");
    }
    if (strcmp(j->target.user, "-") != 0) {
        log_in(p, &j->target, index);
    }
    return p;
}

/* Header, lines of x, the final dot. Another Message-ID each time, or a server might take them for one message. */
static size_t write_message(const struct job *j, char *at, size_t room, int index, long count)
{
    size_t n = (size_t)snprintf(
        at, room,
        "From: %s\r\nTo: %s\r\nSubject: a message to measure with\r\n"
        "Date: Sat, 14 Mar 2026 09:26:53 +0000\r\nMessage-ID: <%d.%ld.%.0f@bench.example>\r\n\r\n",
        j->from, j->to, index, count, peer_now_us());
    for (size_t i = 0; n < (size_t)j->octets; i++) {
        at[n++] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"
            [i % 78];
    }
    memcpy(at + n, "\r\n.\r\n", 5);
    return n + 5;
}

static long send_for(const void *owner, int index)
{
    const struct job *j = owner;
    struct peer *p = open_session(j, index);
    char from[256];
    char to[256];
    char envelope[640];
    const struct peer_target names[] = {{.user = j->from}, {.user = j->to}};
    peer_write_user(&names[0], index, from, sizeof(from));
    peer_write_user(&names[1], index, to, sizeof(to));
    int n = snprintf(envelope, sizeof(envelope), "MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n", from,
                     to);
    size_t room = (size_t)j->octets + 1024;
    char *message = malloc(room);
    if (message == NULL) {
        peer_fail("memory");
    }
    long count = 0;
    for (double end = peer_now_us() + j->seconds * 1e6; peer_now_us() < end; count++) {
        size_t len = write_message(j, message, room, index, count);
        peer_send(p, envelope, (size_t)n);
        peer_wait(p, "354");
        peer_send(p, message, len);
        peer_wait(p, "250");
    }
    free(message);
    peer_free(&p);
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 12 || (strcmp(argv[6], "submit") != 0 && strcmp(argv[6], "lmtp") != 0)) {
        (void)fprintf(stderr, "usage: mail-client HOST PORT plain|CAFILE USER PASSWORD submit|lmtp "
                              "SESSIONS SECONDS OCTETS FROM TO\n");
        return 2;
    }
    struct job j = {
        .target = {argv[1], argv[2], argv[4], argv[5], peer_make_tls(argv[3])},
        .is_lmtp = strcmp(argv[6], "lmtp") == 0,
        .seconds = peer_number(argv[8]),
        .octets = peer_number(argv[9]),
        .from = argv[10],
        .to = argv[11],
    };
    peer_run_parallel(peer_number(argv[7]), send_for, &j);
    SSL_CTX_free(j.target.tls);
    return 0;
}
