#ifndef LIMETTA_NET_TLS_HELLO_H
#define LIMETTA_NET_TLS_HELLO_H

#include "base/err.h"
#include "base/str.h"

#include <stddef.h>

/* Is a ClientHello whole? A pure look at TLS's framing, so that nothing larger than the octets themselves need be held for a
 * client that has not said it yet. */

/* A message longer than this is none that anybody sends; in that many octets it must have come, headers of records and all. */
enum { TLS_HELLO_MOST = 16 * 1024, TLS_HELLO_OCTETS_MOST = 2 * TLS_HELLO_MOST };

/* octets: all that the client sent so far. *least: so many there must be before another look is of use; not more than octets.n:
 * the ClientHello is there, or it is something else, which TLS itself will refuse. Errors: ERR_TLS_FAILED (it is too long). RFC
 * 8446, 4 and 5.1. */
MUST_USE enum err tls_hello_look(struct str octets, size_t *least);

#endif
