#ifndef LIMETTA_MAIN_OUTGOING_H
#define LIMETTA_MAIN_OUTGOING_H

#include "base/err.h"
#include "main/boot.h"
#include "net/loop.h"
#include "net/tls.h"
#include "queue/route.h"

/* What limetta-submit reaches the world with: trust, resolver, web client, routes; made from the settings. */
struct outgoing;

/* Before the role is confined: reads the certificates that are trusted. Errors: ERR_SYNTAX, ERR_IO (logged). */
MUST_USE enum err outgoing_new(struct loop *loop, const struct boot *boot, struct outgoing **out);
/* Once it is confined. Errors: those of routes_new(), dns_new(), http_new(); logged. */
MUST_USE enum err outgoing_start(struct outgoing *o);
void outgoing_free(struct outgoing **o);

struct routes *outgoing_get_routes(struct outgoing *o);
/* Encrypts for whoever answers. */
struct tls_context *outgoing_get_tls_any(struct outgoing *o);

#endif
