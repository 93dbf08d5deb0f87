#ifndef LIMETTA_EDGE_LIMITS_H
#define LIMETTA_EDGE_LIMITS_H

#include "edge/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What strangers may cost, by where they come from: each address (IPv4 whole, IPv6 its /64) and the prefix around it (/24, /48) has bounds
 * of its own. Memory is bounded by the connections there are, and LIMITS_REMEMBERED_MOST places without one. */
struct limits;

enum { LIMITS_REMEMBERED_MOST = 32768 };

/* Of one place; 0: no bound. */
struct limits_bounds {
    size_t connections;     /* at once */
    size_t strangers;       /* of these, not logged in */
    uint64_t begun_minute;  /* connections begun within a minute */
    uint64_t octets_minute; /* heard from strangers within a minute */
    uint64_t failures_hour; /* logins that failed within an hour */
};

enum limits_verdict {
    LIMITS_FINE,
    LIMITS_CONNECTIONS, /* too many at once */
    LIMITS_STRANGERS,   /* too many at once that are not logged in */
    LIMITS_OFTEN,       /* too many lately */
    LIMITS_OCTETS,      /* too much said lately */
    LIMITS_FAILURES     /* too many failed logins lately */
};

struct limits *limits_new(const struct limits_bounds *address, const struct limits_bounds *prefix);
void limits_free(struct limits **l);
/* Counts one more connection, of a stranger, at monotonic now_ms; not when the verdict is another than LIMITS_FINE. */
enum limits_verdict limits_take(struct limits *l, const struct address *peer, uint64_t now_ms);
/* One that was counted ended. */
void limits_give(struct limits *l, const struct address *peer, bool is_stranger);
/* One that was counted logged in; or it is a stranger again (RFC 8437). */
void limits_note_login(struct limits *l, const struct address *peer);
void limits_note_return(struct limits *l, const struct address *peer);
/* For one that was counted: a stranger said n octets. False: more than was allowed for. */
bool limits_note_octets(struct limits *l, const struct address *peer, size_t n, uint64_t now_ms);
/* For one that was counted, and may be gone: a login failed. */
void limits_note_failure(struct limits *l, const struct address *peer, uint64_t now_ms);
/* Connections that are counted. */
size_t limits_get_count(const struct limits *l);
/* Places that are remembered, with connections and without. */
size_t limits_get_places(const struct limits *l);

#endif
