#ifndef LIMETTA_EDGE_NETWORKS_H
#define LIMETTA_EDGE_NETWORKS_H

#include "edge/address.h"

#include <stddef.h>
#include <stdint.h>

/* What was seen of the networks that clients come from (IPv4 /24, IPv6 /48): for how long they remember a silent connection. Only
 * those that were seen to forget one have an entry, the rest costs nothing. Times are the loop's, in ms. */
struct networks;

enum { NETWORKS_RUNGS = 17 };

/* full_ms: the keep-alive of a network that does as it should; day_ms: how long a shortened one stays until it is tried whether it has
 * become better. At most `most` entries: then the one that was not heard of for longest goes. */
struct networks *networks_new(uint64_t full_ms, uint64_t day_ms, size_t most);
void networks_free(struct networks **n);

/* The keep-alive of a rung: full_ms for rung 0, three quarters of the one above for the others. */
uint64_t networks_get_rung_ms(const struct networks *n, unsigned rung);
/* Which rung a connection from peer has. One of them a day is given the one above, to try it. */
unsigned networks_get_rung(struct networks *n, const struct address *peer, uint64_t now_ms);
/* A connection was silent for so long, and works. */
void networks_note_survived(struct networks *n, const struct address *peer, uint64_t silent_ms,
                            uint64_t now_ms);
/* A connection was silent for so long, and is forgotten, though its client is there. */
void networks_note_forgotten(struct networks *n, const struct address *peer, uint64_t silent_ms,
                             uint64_t now_ms);
size_t networks_get_count(const struct networks *n);

#endif
