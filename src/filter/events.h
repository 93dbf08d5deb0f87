#ifndef LIMETTA_FILTER_EVENTS_H
#define LIMETTA_FILTER_EVENTS_H

#include "filter/filter.h"
#include "imap/host.h"

/* Scripts that are run for what IMAP commands do to messages (RFC 6785). A mailbox, or the account for all its mailboxes, names a script
 * of its owner's in the annotation /shared/imapsieve/script. It is run for each message once the command's change is committed, bit by
 * bit, between the turns of others; the command knows nothing of it. */
struct filter_events;

struct filter_events_host {
    /* There is something to do: call filter_events_step() soon, not from inside. */
    void (*wake)(void *owner);
    /* A commit has put something into this user's outbox. */
    void (*on_outgoing)(void *owner, struct str user);
    void *owner;
};

/* f: borrowed; whose configuration holds here, too. host: copied. */
struct filter_events *filter_events_new(struct filter *f, const struct filter_events_host *host);
/* What was not looked at will not be. Before the store goes. */
void filter_events_free(struct filter_events **v);

/* In the turn of the change. Borrows e for the call. */
void filter_events_add(struct filter_events *v, const struct imap_event *e);
/* Looks at a few messages; what scripts want is pending then. True: there is more to do now. */
bool filter_events_step(struct filter_events *v);

#endif
