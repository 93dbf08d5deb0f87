#ifndef LIMETTA_QUEUE_STS_H
#define LIMETTA_QUEUE_STS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* MTA-STS (RFC 8461): what a domain publishes about TLS of its mail hosts, and the memory of it. */

enum { STS_POLICY_MOST = 64 * 1024, STS_AGE_MOST_S = 31557600, STS_ID_MOST = 32, STS_MX_MOST = 64 };

enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };

struct sts_policy {
    enum sts_mode mode;
    uint64_t max_age_s; /* at most STS_AGE_MOST_S */
    struct str mx;      /* patterns between spaces, lower case */
};

/* Reads the TXT record of _mta-sts (3.1). False: it is none of version STSv1. id: borrowed from text. */
bool sts_parse_record(struct str text, struct str *id);
/* Reads a policy (3.2); mx lives in a. Errors: ERR_SYNTAX, ERR_LIMIT. */
MUST_USE enum err sts_parse_policy(struct arena *a, struct str text, struct sts_policy *out);
/* Does one of the patterns cover host (4.1)? */
bool sts_covers(const struct sts_policy *p, struct str host);

/* Policies that were fetched, durable until they expire. */
struct sts_store;

struct sts_entry {
    struct sts_policy policy;
    struct str id;       /* of the record that it was fetched for */
    uint64_t expires_ms; /* Unix time */
};

/* Opens or makes the file. Errors: ERR_CORRUPT, ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err sts_store_open(struct str path, uint64_t now_ms, struct sts_store **out);
void sts_store_close(struct sts_store **s);
/* Errors: ERR_NOT_FOUND (none that is valid at now_ms), ERR_IO. Strings live in a. */
MUST_USE enum err sts_store_find(struct sts_store *s, struct str domain, uint64_t now_ms,
                                 struct arena *a, struct sts_entry *out);
/* Sets or replaces. Errors: ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err sts_store_put(struct sts_store *s, struct str domain,
                                const struct sts_entry *entry);

#endif
