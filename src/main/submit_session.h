#ifndef LIMETTA_MAIN_SUBMIT_SESSION_H
#define LIMETTA_MAIN_SUBMIT_SESSION_H

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/session.h"
#include "queue/queue.h"
#include "queue/rates.h"
#include "smtp/fetcher.h"
#include "smtp/submission.h"

#include <stdint.h>

/* A submission session with its world around it: queue, recipient look-up, URL fetches. */
struct submit_session_args {
    struct loop *loop;
    struct session_host session_host; /* copied */
    struct queue *queue;
    struct fetcher *fetcher;
    struct submission_args submission; /* copied */
    uint64_t message_most;             /* octets in the queue, with our own header lines */
    struct rates *rates;               /* NULL: there are no limits by the hour */
    struct rates_sum user_most;        /* within an hour; 0: no limit */
    struct rates_sum address_most;     /* the same for all mail from one address */
    uint64_t held_messages; /* that a user may have waiting for their release (RFC 4865) */
    uint64_t held_octets;   /* the same for their size */
    /* Who is address? answer is called once, perhaps at once; forget() takes the question back. found's user is empty for an
     * alias and for a foreign address that we take. */
    void (*find_recipient)(void *owner, struct str address,
                           void (*answer)(void *asker, enum err e, const struct mail_found *found),
                           void *asker);
    /* May user write as address? Likewise; found is empty. */
    void (*check_sender)(void *owner, struct str user, struct str address,
                         void (*answer)(void *asker, enum err e, const struct mail_found *found),
                         void *asker);
    void (*forget)(void *owner, void *asker);
    void *owner;
};

struct session *submit_session_new(const struct submit_session_args *args);
/* The same for one that another process had (smtp/submission.h). Errors: ERR_UNSUPPORTED. */
MUST_USE enum err submit_session_resume(const struct submit_session_args *args,
                                        const struct session_resume *r, struct session **out);

#endif
