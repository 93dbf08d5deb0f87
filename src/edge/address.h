#ifndef LIMETTA_EDGE_ADDRESS_H
#define LIMETTA_EDGE_ADDRESS_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* An end of a connection. IPv4 is kept as the IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2). */
struct address {
    uint8_t ip[16];
    uint16_t port;
};

/* All zeros for what is no IP address. */
struct address address_from_sockaddr(const struct sockaddr_storage *a);
/* Appends "192.0.2.1" or "2001:db8::1". */
void address_write(struct buf *out, const struct address *a);
/* 127/8, ::1, or a connection that an address of ours made to itself: nobody can listen in. */
bool address_is_loopback(const struct address *peer, const struct address *local);
/* What counts as one neighbour for limits: an IPv4 address, an IPv6 /64. Borrows from a. */
struct str address_get_neighbour(const struct address *a);
/* The prefix around it: an IPv4 /24, an IPv6 /48. Borrows from a. */
struct str address_get_prefix(const struct address *a);
/* Both ends have the same address: a host talks to itself. */
bool address_is_self(const struct address *peer, const struct address *local);

#endif
