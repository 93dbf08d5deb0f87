#ifndef LIMETTA_MAIN_DELIVER_H
#define LIMETTA_MAIN_DELIVER_H

#include "base/str.h"
#include "filter/filter.h"
#include "net/session.h"
#include "store/store.h"

#include <stdint.h>

/* Local delivery: an LMTP session (smtp/lmtp.h) whose recipients are this worker's accounts. All borrowed for the session's life unless
 * said otherwise. */
struct deliver_args {
    struct store *store;
    struct session_host session_host; /* copied */
    struct str hostname;              /* borrowed for the session's life */
    uint64_t message_most;            /* octets */
    unsigned index;                   /* of this worker; a recipient of another one is refused */
    unsigned workers;
    struct filter *filter; /* what the recipients' scripts do */
    struct str delimiters; /* what begins the detail of an address */
    uint64_t duplicate_s;  /* for how long a second copy is left out; 0: not at all */
    bool is_full_later;    /* a full account answers 452 in place of 552 */
    uint64_t (*wall_ms)(void *owner);
    /* A commit has put something into this user's outbox. */
    void (*on_outgoing)(void *owner, struct str user);
    void *owner;
};

struct session *deliver_new(const struct deliver_args *args);

#endif
