#ifndef LIMETTA_AUTH_DELAYS_H
#define LIMETTA_AUTH_DELAYS_H

#include "base/str.h"

#include <stdint.h>

/* How long the answer to a failed login is held back, by where it came from. Bounded memory. */
struct delays;

enum { DELAY_FIRST_MS = 250, DELAY_MOST_MS = 30 * 1000, DELAYS_TABLE_MOST = 16384 };

struct delays *delays_new(void);
void delays_free(struct delays **d);

/* Counts a failure from address ("192.0.2.1", "2001:db8::1") at monotonic now_ms and says how long its answer waits:
 * DELAY_FIRST_MS for the first, twice as long for each further one, at most DELAY_MOST_MS. Failures of neighbours in the
 * same /24 or /48 count for a sixteenth. What is not an address counts as one address, "unknown". A quarter of an hour
 * without failures halves the count. */
uint64_t delays_fail(struct delays *d, struct str address, uint64_t now_ms);
/* The same for failures at one account, from wherever they are said to come: it slows down who lies about addresses.
 * Four count as one, since a user with several devices has one wrong password on all. name: whether there is such a
 * user makes no difference. */
uint64_t delays_fail_account(struct delays *d, struct str name, uint64_t now_ms);
/* The same number for addresses that are counted as one (an IPv6 /64). */
uint64_t delays_get_place(struct str address);
/* A login from address succeeded: its own count is forgotten, its neighbours' is not. */
void delays_succeed(struct delays *d, struct str address);

#endif
