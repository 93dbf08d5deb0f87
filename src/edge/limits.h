#ifndef LIMETTA_EDGE_LIMITS_H
#define LIMETTA_EDGE_LIMITS_H

#include "edge/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Counts connections, all and per neighbour (address_get_neighbour()). */
struct limits;

/* minute_most: connections that a neighbour may begin within a minute; 0: any number. */
struct limits *limits_new(size_t per_neighbour_most, size_t minute_most);
void limits_free(struct limits **l);
/* Counts one more; false (and not counted): the neighbour has as many as it may, or has come too often. */
bool limits_take(struct limits *l, const struct address *peer, uint64_t now_ms);
void limits_give(struct limits *l, const struct address *peer);
size_t limits_get_count(const struct limits *l);

#endif
