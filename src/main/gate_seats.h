#ifndef LIMETTA_MAIN_GATE_SEATS_H
#define LIMETTA_MAIN_GATE_SEATS_H

#include "base/buf.h"
#include "main/hosts.h"
#include "net/loop.h"
#include "net/tls.h"

#include <stdint.h>
#include <sys/socket.h>

/* All links that this host should have with others: a seat for each. Makes those that we make, takes those that
 * others make, again and again. gate_seats.c says what stands against a host that was taken over. */
struct gate_seats;

struct gate_seats_args {
    struct loop *loop;
    const struct hosts *hosts;
    struct tls_context *client;
    struct tls_context *server;
    uint64_t ping_ms;
    uint64_t dead_ms;
    /* A link stands between our role and that of another host: fd (the callee's) is one end of it. False: nobody takes
     * it. */
    bool (*join)(void *owner, const struct wish *w, unsigned there_index, struct str host, int fd);
    void *owner;
};

/* Copied; what it points to is borrowed for the seats' life. Begins to connect. */
struct gate_seats *gate_seats_new(const struct gate_seats_args *a);
/* Ends all links. */
void gate_seats_free(struct gate_seats **s);
/* Somebody connected (fd is taken). */
void gate_seats_accept(struct gate_seats *s, int fd, const struct sockaddr_storage *peer);
/* Metrics (OpenMetrics): links that stand, by host; what was refused. */
void gate_seats_write_metrics(const struct gate_seats *s, struct buf *out);

#endif
