#ifndef LIMETTA_FILTER_FILTER_H
#define LIMETTA_FILTER_FILTER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "smtp/envelope.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Delivery by Sieve scripts (RFC 5228): runs an account's scripts over a message and carries out what they ask for, all of it
 * pending in the account, so that one commit makes it so: copies in mailboxes, what is sent (store/outbox.h), what is remembered
 * (store/seen.h). A script that fails never loses a message: it is kept, and the user told. */
struct filter;

/* All borrowed while the filter lives. */
struct filter_config {
    struct str hostname;
    struct str domains;    /* local ones, between spaces */
    struct str delimiters; /* characters between an address's name and its detail */
    struct str before; /* text of the operator's script that is run before a user's; empty: none */
    struct str after;  /* and after it, when that kept the message by default */
    struct str notify_urls;   /* an allow-list of web hooks (wire/webhook.h) */
    uint64_t redirects_a_day; /* of one account */
    uint64_t notifies_a_day;
    bool
        is_detail_filed; /* what a script keeps for name+detail goes to mailbox "detail", when there is one */
    uint64_t (*wall_ms)(void *owner);
    /* Seconds east of UTC that the server's zone is then: what scripts see of dates (RFC 5260, 4.1). NULL: UTC. */
    int32_t (*find_zone_s)(int64_t unix_s);
    /* Appends something that is never appended again, of letters and digits. */
    void (*write_unique)(void *owner, struct buf *out);
    void *owner;
};

/* What became of messages that came, since the start. One message may count several times: filed twice and redirected. */
enum filter_count {
    FILTER_KEPT,       /* where it is, or would be without a script */
    FILTER_FILED,      /* copies elsewhere */
    FILTER_DISCARDED,  /* neither, and not refused */
    FILTER_REFUSED,    /* by a script */
    FILTER_REDIRECTED, /* copies */
    FILTER_NOTIFIED,   /* notifications */
    FILTER_ANSWERED,   /* vacation, and reject by a message of its own */
    FILTER_TROUBLED,   /* a note was written: a script failed, or not all could be done */
    FILTER_FAILED,     /* the delivery did not succeed: quota, disk */
    FILTER_COUNTS
};

struct filter *filter_new(const struct filter_config *config);
void filter_free(struct filter **f);
/* Appends the counts for GET /metrics, with the worker's number. */
void filter_write_metrics(const struct filter *f, unsigned worker, struct buf *out);

/* A message for one recipient. All borrowed for the call. */
struct filter_delivery {
    struct account *account;
    struct body_writer *writer; /* finished, not appended */
    struct str return_path;     /* empty: null */
    struct str address;         /* of the recipient, as the sender wrote it */
    size_t trace_size;          /* octets of the Return-Path line that the message begins with */
    unsigned notify;            /* bits of enum smtp_notify; 0: not given */
    enum smtp_ret ret;
    struct str envid;     /* empty: not given */
    bool is_tls_required; /* REQUIRETLS (RFC 8689) */
};

enum { FILTER_REFUSAL_MOST = 4096, FILTER_HOOK_MOST = 16 * 1024 };

struct filter_outcome {
    bool has_outgoing; /* the account's outbox has got something */
    struct buf
        refusal; /* not empty: once the commit is done, refuse the message with this reply, "550 5.7.1 text" (RFC 5429, 2.1.1) */
};

/* Does everything for this recipient. Pending; on an error nothing of it stays.
 * out: the caller initialises refusal (FILTER_REFUSAL_MOST) and releases it.
 * Errors: ERR_OVER_QUOTA, ERR_LIMIT (its outbox is full), ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err filter_deliver(struct filter *f, const struct filter_delivery *d,
                                 struct filter_outcome *out);

#endif
