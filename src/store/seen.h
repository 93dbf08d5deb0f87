#ifndef LIMETTA_STORE_SEEN_H
#define LIMETTA_STORE_SEEN_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* What an account remembers for a while: that a message came before (RFC 7352), that a correspondent was answered (RFC 5230), how
 * often something was done today. Keys are kept as hashes: the table says nothing about correspondents. */

struct account;

enum seen_kind {
    SEEN_DUPLICATE = 1, /* of the test of that name */
    SEEN_VACATION = 2,  /* whom a response was sent to */
    SEEN_NOTE = 3,      /* what the user was told about his scripts */
    SEEN_REDIRECT = 4,  /* each redirected message, to count them */
    SEEN_NOTIFY = 5,    /* each notification, to count them */
    SEEN_DELIVERY = 6   /* what was delivered, to leave out a second copy */
};

enum {
    SEEN_MOST = 10000
}; /* entries of one kind; when there are more, the one that expires first goes */

/* Is there such an entry that has not expired at now_s (Unix time)? Sees what is pending. Errors: ERR_IO. */
MUST_USE enum err account_find_seen(struct account *a, enum seen_kind kind, struct str key,
                                    int64_t now_s, bool *is_seen);
/* Adds the entry, or gives the one that is there another end; removes what has expired. Pending. Errors: ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err account_add_seen(struct account *a, enum seen_kind kind, struct str key,
                                   int64_t now_s, int64_t expires_s);
/* How many entries of that kind have not expired. Errors: ERR_IO. */
MUST_USE enum err account_count_seen(struct account *a, enum seen_kind kind, int64_t now_s,
                                     uint64_t *out);

#endif
