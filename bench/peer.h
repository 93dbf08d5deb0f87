#ifndef LIMETTA_BENCH_PEER_H
#define LIMETTA_BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

/* What the benchmarks' clients share: a blocking connection that is read line by line, TLS, and workers side by side. Anything
 * unexpected ends the program with one line: a benchmark has no use for half an answer. */

enum { PEER_READ_SIZE = 1 << 18, PEER_KEPT = 512, PEER_ANSWER = 4, PEER_WORKERS_MOST = 256 };

/* A server and a login. */
struct peer_target {
    const char *host; /* begins with '/': a Unix socket */
    const char *port;
    const char *user; /* may hold one '%': worker number n then is that user with n in its place */
    const char *password;
    SSL_CTX *tls; /* NULL: plain text */
};

struct peer {
    int fd;
    SSL *tls;
    size_t len; /* octets in data: the end of what was read before, then what was read last */
    char answer[PEER_ANSWER]; /* what followed the words that peer_wait() waited for */
    char data[PEER_KEPT + PEER_READ_SIZE + 1];
};

/* Prints what and errno, and exits with 1. */
__attribute__((noreturn)) void peer_fail(const char *what);
double peer_now_us(void);
/* A number of the command line, 0 to 100,000,000. */
int peer_number(const char *text);
/* Verifies by that CA file; "plain": NULL. */
SSL_CTX *peer_make_tls(const char *ca_file);

/* Connects; says and hears nothing yet. */
struct peer *peer_new(const struct peer_target *t);
void peer_free(struct peer **p);
/* A full handshake as "localhost". */
void peer_start_tls(struct peer *p, const struct peer_target *t);
void peer_send(struct peer *p, const char *data, size_t len);
/* Reads something behind the last PEER_KEPT octets of what was there. */
void peer_read(struct peer *p);
/* Reads until a line starts with what (at most 60 octets) and is complete; then everything read is forgotten. */
void peer_wait(struct peer *p, const char *what);
/* Writes the target's user for worker `index`. */
void peer_write_user(const struct peer_target *t, int index, char *out, size_t room);

/* Runs work(owner, 0) to work(owner, workers - 1), each in a process of its own, and prints the sum of what they counted a second. */
void peer_run_parallel(int workers, long (*work)(const void *owner, int index), const void *owner);

#endif
