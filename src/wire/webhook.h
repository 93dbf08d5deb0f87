#ifndef LIMETTA_WIRE_WEBHOOK_H
#define LIMETTA_WIRE_WEBHOOK_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Which URLs scripts may post to. Users write those URLs, so a server that believed them would be a way into networks that it sees and
 * they do not. An allow-list is words between spaces:
 *
 *     https://hooks.example.org/limetta   that path, and what is below it ("/limetta/ann", "/limetta?to=ann")
 *     https://hooks.example.org:8443/     anything on that host and port
 *     10.1.2.3                            a name above may stand for this address, though it is none of the public ones
 */

enum { WEBHOOK_URL_MOST = 2000 };

/* A URL in its parts; borrows. */
struct webhook_url {
    struct str host; /* a name or an address; no brackets */
    uint16_t port;   /* 443 when it is not said */
    struct str path; /* with its "/", and with the query; may be empty */
};

/* Reads an https URL: at most WEBHOOK_URL_MOST octets of printable ASCII, without user and fragment, and with a path that means the same to
 * everybody: no "..", no "\", no encoded "/", "." or "%". False: it is none. */
bool webhook_parse(struct str url, struct webhook_url *out);
/* The list has a URL that url is, or is below. */
bool webhook_is_allowed(struct str list, struct str url);
/* May a call for an allowed URL go there? Yes for public addresses, and for those that the list names. */
bool webhook_may_reach(struct str list, const struct sockaddr_storage *at);
/* The list can be used: each word is a URL or an address. *bad: the first that is neither. */
bool webhook_is_sound(struct str list, struct str *bad);

#endif
