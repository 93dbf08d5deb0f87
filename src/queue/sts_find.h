#ifndef LIMETTA_QUEUE_STS_FIND_H
#define LIMETTA_QUEUE_STS_FIND_H

#include "base/err.h"
#include "base/str.h"
#include "net/dns.h"
#include "net/http.h"
#include "net/loop.h"
#include "queue/mx.h"
#include "queue/sts.h"

#include <stdint.h>

/* Finds the MTA-STS policy of a domain: record, cache, HTTPS (RFC 8461, 3 and 5.1). */
struct sts_finder;

/* Borrowed while it lives. */
struct sts_finder_args {
    struct loop *loop;
    struct dns *dns;
    struct http *http;
    struct str path; /* of the cache's file */
    uint16_t port;   /* of the policy hosts: 443 */
    enum mx_reach reach;
};

/* Errors: those of sts_store_open(). */
MUST_USE enum err sts_finder_new(const struct sts_finder_args *args, struct sts_finder **out);
void sts_finder_free(struct sts_finder **f);

struct sts_search;

/* domain: in A-labels, lower case; copied. on_answer is called once, never from inside this call: the policy, borrowed for the call; NULL:
 * there is none. The search is freed after it. */
struct sts_search *sts_find(struct sts_finder *f, struct str domain,
                            void (*on_answer)(void *owner, const struct sts_policy *policy),
                            void *owner);
/* on_answer will not be called. */
void sts_cancel(struct sts_search **s);

#endif
