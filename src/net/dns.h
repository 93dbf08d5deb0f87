#ifndef LIMETTA_NET_DNS_H
#define LIMETTA_NET_DNS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Questions to the domain name system (RFC 1035), beyond the addresses that net/resolve.h finds: MX, TXT, TLSA, and whether the resolver
 * says that the answer is authentic. Asks recursive resolvers; the hosts file and search domains play no part. */
struct dns;

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28, DNS_TLSA = 52 };

enum { DNS_RECORDS_MOST = 128, DNS_NAME_MOST = 255 };

struct dns_record {
    struct sockaddr_storage at; /* A, AAAA; port 0 */
    uint16_t preference;        /* MX */
    struct str
        host; /* MX: lower case, no dot at the end; empty: the root, which is the null MX (RFC 7505) */
    struct str text; /* TXT: its strings joined */
    uint8_t usage;   /* TLSA (RFC 6698, 2.1) */
    uint8_t selector;
    uint8_t matching;
    struct str data;
};

/* Strings live as long as what it was made from says. */
struct dns_answer {
    struct str
        name; /* that the records belong to: the one asked for, or where its CNAMEs lead; lower case */
    bool
        is_authentic; /* the resolver validated all of it (AD, RFC 4035, 3.2.3): worth as much as the way to the resolver */
    uint32_t ttl_s;   /* the least of the records */
    const struct dns_record *records;
    size_t count; /* 0: the name has none of the type */
};

struct dns_args {
    struct loop *loop;
    struct str
        servers; /* "192.0.2.1 192.0.2.2:5353 [2001:db8::1]:53"; empty: those of /etc/resolv.conf */
    /* For tests on the fake loop, which asks nobody else: fills *answer; its return is what on_done hears. */
    enum err (*fake)(void *owner, struct str name, enum dns_type type, struct dns_answer *answer);
    void *fake_owner;
};

/* Errors: ERR_SYNTAX (servers), ERR_IO. */
MUST_USE enum err dns_new(const struct dns_args *args, struct dns **out);
/* Questions under way are dropped. */
void dns_free(struct dns **d);

struct dns_query;

/* Asks for the records of a type. name: in A-labels, with or without a dot at the end; copied. on_done is called once, never from inside
 * this call; the query is freed after it, with the answer, which is borrowed for the call. It hears
 *   ERR_OK: the name exists (count may be 0);
 *   ERR_NOT_FOUND: it does not (NXDOMAIN); is_authentic is set also here;
 *   ERR_SYNTAX: that is no domain name;
 *   ERR_UNAVAILABLE: no usable answer now: refused, SERVFAIL (also: validation failed), silence, nonsense. */
struct dns_query *dns_ask(struct dns *d, struct str name, enum dns_type type,
                          void (*on_done)(void *owner, enum err e, const struct dns_answer *answer),
                          void *owner);
/* on_done will not be called. */
void dns_cancel(struct dns_query **q);

/* Reads a response (RFC 1035, 4) to a question for name and type. Strings of *out live in a. CNAMEs are followed inside it.
 * Errors: ERR_NOT_FOUND, ERR_UNAVAILABLE (by its code, or truncated), ERR_SYNTAX (no such response), ERR_LIMIT. */
MUST_USE enum err dns_parse(struct arena *a, struct str message, struct str name,
                            enum dns_type type, struct dns_answer *out);

#endif
