#ifndef LIMETTA_MAIN_EDGE_METRICS_H
#define LIMETTA_MAIN_EDGE_METRICS_H

#include "base/buf.h"
#include "edge/edge.h"

/* Appends what GET /metrics says of clients, TLS and limits. edge: a label that tells several edges apart; empty: none. */
void edge_metrics_write(const struct edge_counts *counts, struct str edge, struct buf *out);
/* "imap", "submission", "sieve"; NULL: the edge does not serve it. Static. */
const char *edge_metrics_get_name(enum service service);

#endif
