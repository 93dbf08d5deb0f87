#ifndef LIMETTA_EDGE_LIMITS_H
#define LIMETTA_EDGE_LIMITS_H

#include "edge/address.h"

#include <stdbool.h>
#include <stddef.h>

/* Counts connections, all and per neighbour (address_get_neighbour()). */
struct limits;

struct limits *limits_new(size_t per_neighbour_most);
void limits_free(struct limits **l);
/* Counts one more; false (and not counted): the neighbour has as many as it may. */
bool limits_take(struct limits *l, const struct address *peer);
void limits_give(struct limits *l, const struct address *peer);
size_t limits_get_count(const struct limits *l);

#endif
