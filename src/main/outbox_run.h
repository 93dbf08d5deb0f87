#ifndef LIMETTA_MAIN_OUTBOX_RUN_H
#define LIMETTA_MAIN_OUTBOX_RUN_H

#include "base/str.h"
#include "net/loop.h"
#include "net/stream.h"
#include "store/store.h"

/* Carries what this worker's accounts send by themselves (store/outbox.h) to the submission server: again and again until it has it. */
struct outbox_run;

struct outbox_host {
    /* A session at the submission server, begun with head; NULL: it is not there now. */
    struct stream *(*open)(void *owner, struct str head);
    /* Asks the submission server to make an HTTP request; on_reply hears once, perhaps at once: ERR_OK and the answer, or
     * ERR_UNAVAILABLE. cancel: asker wants no answer any more. */
    void (*request)(void *owner, struct str body,
                    void (*on_reply)(void *asker, enum err e, struct str body), void *asker);
    void (*cancel)(void *owner, void *asker);
    void *owner;
};

/* loop and store: borrowed. host: copied. */
struct outbox_run *outbox_run_new(struct loop *loop, struct store *store,
                                  const struct outbox_host *host);
/* What is under way is given up, and begun again by the next one. */
void outbox_run_free(struct outbox_run **r);
/* The user's outbox may have something that is due: after a commit that added it, and at the start for each user of
 * store_list_outgoing(). */
void outbox_run_add(struct outbox_run *r, struct str user);
/* The submission server is there again: what waits for it goes now. */
void outbox_run_hurry(struct outbox_run *r);

#endif
