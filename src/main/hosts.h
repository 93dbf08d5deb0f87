#ifndef LIMETTA_MAIN_HOSTS_H
#define LIMETTA_MAIN_HOSTS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "net/fields.h"
#include "net/link.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which roles run on which host of one mail system, and who may therefore join whom. Read from the configuration by
 * the supervisor and by the gate; a pure table. */
enum { HOSTS_MOST = 65 };

struct host {
    struct str name; /* as its link certificate says */
    unsigned roles;  /* bits, 1 << enum link_role */
    unsigned first;  /* of its store workers */
    unsigned last;   /* and the last one; both 0 without role store */
    struct str dial; /* addresses to connect to, separated by spaces; empty: it connects to us */
    uint16_t port;
};

struct hosts {
    struct host at[HOSTS_MOST]; /* at[0] is our own */
    size_t count;
    unsigned workers;                   /* store workers of all hosts together */
    struct fields sections[HOSTS_MOST]; /* at[i] borrows from sections[i] */
};

/* Our name (may be empty while no certificate was read), what we run, which workers ("" for all); borrowed for the life
 * of h. why: appended to when ERR_SYNTAX is returned: what is wrong, in words of the configuration. */
MUST_USE enum err hosts_init(struct hosts *h, struct str name, struct str roles, struct str range,
                             unsigned workers, struct buf *why);
void hosts_release(struct hosts *h);
/* One more host, a message as config_get_link() has it. Errors: ERR_SYNTAX, as above. */
MUST_USE enum err hosts_add(struct hosts *h, struct str message, struct buf *why);
/* When all are there: does what our roles connect to run somewhere, every worker once? Errors: ERR_SYNTAX, as above. */
MUST_USE enum err hosts_check(const struct hosts *h, struct buf *why);

bool hosts_has(const struct host *host, enum link_role role);
/* The host that is called so, but not our own; NULL: there is none. */
const struct host *hosts_find(const struct hosts *h, struct str name);
/* May a role on one host be joined to a role on another one? */
bool hosts_may_link(enum link_role a, enum link_role b);
/* The number by which our roles know a role of that host: a store worker's own, else the host's place among those with
 * that role. */
unsigned hosts_get_index(const struct hosts *h, const struct host *host, enum link_role role,
                         unsigned worker);

/* A link that there should be between a role here and one there. */
struct wish {
    enum link_role here;
    unsigned here_index; /* of a store worker, else 0 */
    enum link_role there;
    unsigned there_index; /* the same */
};
/* The links from us to host, one after the other; start with *at = 0. */
bool hosts_next_wish(const struct hosts *h, const struct host *host, size_t *at, struct wish *out);
/* Is it one of them? */
bool hosts_has_wish(const struct hosts *h, const struct host *host, const struct wish *w);

/* "edge" ... "submit", "convert"; false for other words. */
bool hosts_find_role(struct str word, enum link_role *out);

#endif
