#ifndef LIMETTA_TOOLS_CHECK_REACH_H
#define LIMETTA_TOOLS_CHECK_REACH_H

#include "tools/check_report.h"

#include <stdint.h>

/* Can a TCP connection be made, and if not, who is in the way? Blocking. */

/* Tries a->at (with its port); fills in how it went. Returns the connected socket, which is non-blocking and close-on-exec, or -1. */
int check_reach_connect(struct check_address *a, uint64_t within_ms);
/* Tries again with the time to live at 1, 2, ...: fills a->hops, and *distance: at which something other than "time exceeded" came
 * back, 0 when nothing did. hop_ms: the wait for each. */
void check_reach_trace(struct check_address *a, uint64_t hop_ms, unsigned *distance);
/* Finds what is wrong with the address: a failed one of leg. open: the same address with another port to which connections are
 * made, or NULL; it is traced, too. */
void check_reach_judge(struct check_leg *leg, struct check_address *a,
                       const struct sockaddr_storage *open, uint64_t hop_ms);

#endif
