#ifndef LIMETTA_STORE_OUTBOX_H
#define LIMETTA_STORE_OUTBOX_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* What an account sends by itself (a redirected message, an answer, a notification): rows of its database, committed with whatever
 * caused them, and taken out when somebody else has them. A folder beside the accounts names those that have any, so that a store that
 * starts need not open them all. */

struct account;
struct body_writer;
struct store;

enum outbox_kind {
    OUTBOX_MAIL = 1, /* a message, for the queue */
    OUTBOX_POST = 2  /* an HTTP request */
};

enum {
    OUTBOX_MOST = 1000,           /* items of one account */
    OUTBOX_HEAD_MOST = 16 * 1024, /* octets */
    OUTBOX_TEXT_MOST = 1024 * 1024,
    OUTBOX_TOKEN_SIZE = 32
};

/* The octets of an item are its text, then those of a stored body from `skip` on. */
struct outbox_item {
    uint64_t id;      /* set by the store, as is token */
    struct str token; /* OUTBOX_TOKEN_SIZE hex digits that no other item of any account has */
    enum outbox_kind kind;
    uint64_t due_ms; /* Unix time of the next attempt */
    uint64_t expires_ms;
    uint32_t attempts;
    struct str head; /* where to, in the caller's own words */
    struct str text;
    uint64_t body_id; /* 0: none */
    uint64_t skip;
};

/* Adds an item; its octets are copied, the body gets a reference. w: a finished body that becomes item->body_id, whether it is
 * appended anywhere or not; NULL: item->body_id says which (of a message that is there). Pending.
 * Errors: ERR_LIMIT (full, or more octets than an item may have), ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err account_add_outgoing(struct account *a, const struct outbox_item *item,
                                       struct body_writer *w);
/* The committed or pending item that is due first, its strings in `octets`; false when there is none. Errors: ERR_IO. */
MUST_USE enum err account_next_outgoing(struct account *a, struct outbox_item *out,
                                        struct buf *octets, bool *has_item);
/* One attempt more has failed. Pending. */
MUST_USE enum err account_delay_outgoing(struct account *a, uint64_t id, uint64_t due_ms);
/* Somebody else has it now, or nobody will. Pending. */
MUST_USE enum err account_remove_outgoing(struct account *a, uint64_t id);
MUST_USE enum err account_count_outgoing(struct account *a, uint64_t *out);

/* on_user hears every user whose account may have items, of all workers. Errors: ERR_IO. */
MUST_USE enum err store_list_outgoing(struct store *s,
                                      void (*on_user)(void *owner, struct str user), void *owner);

#endif
