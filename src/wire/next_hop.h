#ifndef LIMETTA_WIRE_NEXT_HOP_H
#define LIMETTA_WIRE_NEXT_HOP_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* How settings name hosts that mail goes to: relays ("host", "host:port", "[address]:port") and routes ("domain=target"). */

enum next_hop_kind {
    NEXT_HOP_MX,
    NEXT_HOP_RELAY,
    NEXT_HOP_SMTP,
    NEXT_HOP_LMTP,
    NEXT_HOP_LMTP_UNIX
};
enum next_hop_tls { NEXT_HOP_TLS_OFFERED, NEXT_HOP_TLS_OFF, NEXT_HOP_TLS_REQUIRED };

struct next_hop {
    enum next_hop_kind kind;
    struct str name; /* host or address; with NEXT_HOP_LMTP_UNIX the socket's path */
    uint16_t port;
    enum next_hop_tls tls;
    bool is_implicit; /* TLS from the start */
};

/* One word of `routes`. Borrowed from the setting. */
struct next_hop_route {
    struct str pattern; /* a domain, ".domain", "*" */
    struct str target;  /* as written */
    struct next_hop hop;
};

/* port: stays when the text names none. */
bool next_hop_parse_host(struct str text, struct str *name, uint16_t *port);
/* "domain=mx", "domain=relay", "domain=smtp://host:port", "smtps://", "lmtp://" likewise, each perhaps with "?tls=off", "?tls=offered",
 * "?tls=required"; "domain=lmtp+unix:/path". */
bool next_hop_parse_route(struct str word, struct next_hop_route *out);
/* Can both settings, words between spaces, be read? bad: the first word that cannot. */
bool next_hop_are_sound(struct str routes, struct str relays, struct str *bad);

#endif
