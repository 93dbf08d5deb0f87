#ifndef LIMETTA_NET_NETWORK_H
#define LIMETTA_NET_NETWORK_H

#include "base/str.h"

#include <stdbool.h>
#include <sys/socket.h>

/* Lists of networks, "127.0.0.0/8 ::1 2001:db8::/32": who may come. */

/* Is each word of list an address, or one with a length of prefix behind it? *bad: the first that is not. */
bool network_check(struct str list, struct str *bad);
/* Is peer in one of them? An IPv4 address in an IPv6 coat counts as what it is. */
bool network_has(struct str list, const struct sockaddr_storage *peer);

#endif
