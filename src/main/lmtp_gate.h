#ifndef LIMETTA_MAIN_LMTP_GATE_H
#define LIMETTA_MAIN_LMTP_GATE_H

#include "base/buf.h"
#include "base/str.h"
#include "main/transit.h"
#include "net/session_run.h"

/* Where other mail servers bring their mail: listening sockets for LMTP, and who may come. */
struct lmtp_gate;

struct lmtp_gate_args {
    struct loop *loop;
    struct session_group *group;
    struct transit_args transit; /* what is the same for all sessions */
    struct str allow;            /* networks that may come by TCP (net/network.h) */
    size_t connections_most;
};

/* Everything is borrowed for the gate's life. */
struct lmtp_gate *lmtp_gate_new(const struct lmtp_gate_args *args);
/* Listens on fd (taken), a TCP or a Unix socket. */
void lmtp_gate_add(struct lmtp_gate *g, int fd);
/* Appends its part of GET /metrics. g may be NULL. */
void lmtp_gate_write_metrics(const struct lmtp_gate *g, struct buf *out);
/* No new connections. To be freed after the group: its sessions count here. */
void lmtp_gate_close(struct lmtp_gate *g);
void lmtp_gate_free(struct lmtp_gate **g);

#endif
