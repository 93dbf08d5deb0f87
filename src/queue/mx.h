#ifndef LIMETTA_QUEUE_MX_H
#define LIMETTA_QUEUE_MX_H

#include "base/err.h"
#include "base/str.h"
#include "net/dns.h"
#include "net/loop.h"
#include "net/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* The hosts that take mail for a domain, by the domain name system (RFC 5321, 5.1; RFC 7505; RFC 7672). */

/* Which addresses strangers may send us to by their records. */
enum mx_reach {
    MX_REACH_FOREIGN, /* all but this host's, loopback, link-local, multicast, unspecified */
    MX_REACH_PUBLIC,  /* nor private networks (RFC 1918, RFC 4193, RFC 6598) */
    MX_REACH_ANY      /* all: for tests */
};

/* Borrowed while searches live. */
struct mx_args {
    struct loop *loop;
    struct dns *dns;
    struct str hostname;
    struct str host_names; /* other names of ours, between spaces */
    uint16_t port;
    enum mx_reach reach;
    bool has_dane;
    bool is_v4_first; /* the other family has not answered lately */
};

struct mx_host {
    struct str name;                   /* lower case */
    const struct sockaddr_storage *at; /* at least one; families in turn */
    size_t at_count;
    struct str
        also; /* another name that its certificate may be for, with anchors of usage 2 (RFC 7672, 3.2.2) */
    const struct tls_anchor
        *anchors; /* of DANE, when there is one that is usable; then TLS is a must */
    size_t anchor_count;
    bool is_tls_needed; /* there are anchors, if only unusable ones (RFC 7672, 2.2) */
};

enum { MX_HOSTS_MOST = 16, MX_ADDRESSES_MOST = 8 };

struct mx_search;

/* domain: in A-labels; copied. on_answer is called once, never from inside this call, with
 *   ERR_OK: at least one host, best first, equals in random order; borrowed until mx_free();
 *   ERR_NULL_MX, ERR_NO_DOMAIN, ERR_NO_HOST, ERR_MX_LOOP: for good;
 *   ERR_DNS_LATER. */
struct mx_search *mx_find(const struct mx_args *args, struct str domain,
                          void (*on_answer)(void *owner, enum err e, const struct mx_host *hosts,
                                            size_t count),
                          void *owner);
/* Drops search and answer. */
void mx_free(struct mx_search **s);

/* May strangers send us there? */
bool mx_may_reach(enum mx_reach reach, const struct sockaddr_storage *at);

#endif
