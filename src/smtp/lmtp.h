#ifndef LIMETTA_SMTP_LMTP_H
#define LIMETTA_SMTP_LMTP_H

#include "base/err.h"
#include "base/str.h"
#include "net/session.h"

#include <stddef.h>
#include <stdint.h>

/* The LMTP server inside a store worker (RFC 2033): takes messages from our own submission server over a link and
 * delivers them. Who is at the other end is known, so there is no authentication. One reply a recipient, after its
 * account's commit. */

/* Where messages go; one owner a session. */
struct lmtp_host {
    struct session_host base;
    /* May this recipient have mail? user: what RCPT named, the account; address: what the sender wrote (ORCPT), for
     * Delivered-To. Recipients are numbered from 0 in the order of their ERR_OK. Errors: ERR_NO_USER, ERR_IO ... */
    enum err (*add_recipient)(void *owner, struct str user, struct str address);
    /* The content begins; return_path as in MAIL, empty: null. */
    void (*content_start)(void *owner, struct str return_path);
    /* Trouble with one recipient is kept for its reply; an error here is for all of them. */
    enum err (*content_add)(void *owner, struct str octets);
    /* The message is whole: deliver. Answers: lmtp_on_delivered() for each recipient, now or later. */
    void (*content_finish)(void *owner);
    /* Forgets recipients, content and deliveries under way. */
    void (*reset)(void *owner);
};

/* hostname: copied. size_most: largest message in octets, 0: no limit here. host: borrowed while the session lives. The
 * first step greets. */
struct session *lmtp_new(struct str hostname, uint64_t size_most, const struct lmtp_host *host);

/* Recipient i has it on disk (ERR_OK), or will not get it. */
void lmtp_on_delivered(struct session *s, size_t i, enum err e);

#endif
