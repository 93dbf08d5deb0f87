#ifndef LIMETTA_STORE_QUOTA_H
#define LIMETTA_STORE_QUOTA_H

#include "base/err.h"

#include <stdint.h>

/* What an account may hold (RFC 9208). Its usage is counted with every change, in the same commit, so it is exact after a crash. */

struct account;

enum quota_resource {
    QUOTA_STORAGE, /* usage in octets: the sizes of all messages; limit in units of 1024 octets */
    QUOTA_MESSAGE,
    QUOTA_MAILBOX,
    QUOTA_RESOURCE_COUNT
};

#define QUOTA_UNLIMITED (UINT64_MAX)
#define QUOTA_DEFAULT (UINT64_MAX - 1) /* what the store's configuration says */
#define QUOTA_LIMIT_MOST ((uint64_t)INT64_MAX - 2)

struct quota {
    uint64_t usage[QUOTA_RESOURCE_COUNT];
    uint64_t
        limit[QUOTA_RESOURCE_COUNT];    /* that counts; MAILBOX is never above MAILBOX_COUNT_MOST */
    uint64_t own[QUOTA_RESOURCE_COUNT]; /* that was set for this account, or QUOTA_DEFAULT */
};

/* Committed. */
void account_get_quota(const struct account *a, struct quota *out);
/* Sets all limits: a number up to QUOTA_LIMIT_MOST, QUOTA_UNLIMITED or QUOTA_DEFAULT. What is there already may be more. Pending. */
MUST_USE enum err account_set_quota(struct account *a, const uint64_t limits[QUOTA_RESOURCE_COUNT]);
/* Is there room for so many messages more, of so many octets together? Counts what is pending; for nothing more there always
 * is. Errors: ERR_OVER_QUOTA. */
MUST_USE enum err account_check_quota(const struct account *a, uint64_t messages, uint64_t octets);

#endif
