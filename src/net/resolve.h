#ifndef LIMETTA_NET_RESOLVE_H
#define LIMETTA_NET_RESOLVE_H

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* From host names to addresses, by the system's resolver, on a helper thread. */
struct resolve;

enum { RESOLVE_MOST = 16 };

/* "192.0.2.1" or "::1", with or without brackets: no resolver needed. False when host is a name. */
bool resolve_numeric(struct str host, uint16_t port, struct sockaddr_storage *out);

/* Starts looking host up (copied). on_done is called once, never from inside this call, with ERR_OK and 1 to RESOLVE_MOST
 * addresses in the order to try them, or ERR_UNREACHABLE; the resolve is freed after it. */
struct resolve *resolve_start(struct loop *l, struct str host, uint16_t port,
                              void (*on_done)(void *owner, enum err e,
                                              const struct sockaddr_storage *at, size_t count),
                              void *owner);
/* on_done will not be called. */
void resolve_cancel(struct resolve **r);

/* Is addr one of this host's own addresses? Then no wire lies between. */
bool resolve_is_own_address(const struct sockaddr_storage *addr);

#endif
