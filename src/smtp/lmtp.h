#ifndef LIMETTA_SMTP_LMTP_H
#define LIMETTA_SMTP_LMTP_H

#include "base/err.h"
#include "base/str.h"
#include "net/session.h"
#include "wire/smtp_scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The LMTP server (RFC 2033), twice: inside a store worker it takes messages from our own submission server over a link and
 * delivers them; in the submission server it takes them from other hosts' programs and hands them to the workers. Who is
 * at the other end is known by how it came, so there is no authentication. One reply a recipient, after its account's commit. */

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
    /* Forgets recipients, questions, content and deliveries under way. */
    void (*reset)(void *owner);
    /* In place of add_recipient, for a host that has to ask: address as in RCPT, without brackets. Answer:
     * lmtp_on_recipient(), once, now or later. */
    void (*find_recipient)(void *owner, struct str address);
};

/* hostname: copied. size_most: largest message in octets, 0: no limit here. host: borrowed while the session lives. The
 * first step greets. */
struct session *lmtp_new(struct str hostname, uint64_t size_most, const struct lmtp_host *host);

/* For whom we do not know: LHLO comes first, and LMTP_MISTAKES_MOST commands without sense end the session. */
void lmtp_be_strict(struct session *s);
enum { LMTP_MISTAKES_MOST = 30 };

/* The name that the client gave with LHLO; empty: none yet. Borrowed. */
struct str lmtp_get_helo(const struct session *s);

/* The transaction's MAIL had SMTPUTF8 (RFC 6531). */
bool lmtp_is_utf8(const struct session *s);

/* What the sender asked for, as our own submission server hands it on for what a script sends in its turn. Others are not
 * offered any of it. Borrowed for the transaction. */
struct lmtp_wishes {
    unsigned notify; /* bits of enum smtp_notify, of the RCPT in work; 0: not given */
    enum smtp_ret ret;
    struct str envid;
    bool is_tls_required; /* REQUIRETLS (RFC 8689) */
};
struct lmtp_wishes lmtp_get_wishes(const struct session *s);

/* The answer to find_recipient(). */
void lmtp_on_recipient(struct session *s, enum err e);
/* Recipient i has it on disk (ERR_OK), or will not get it. */
void lmtp_on_delivered(struct session *s, size_t i, enum err e);
/* The same in another server's words, "452 4.2.2 text", LF between the lines of a long one; copied, at most 4096 octets. */
void lmtp_on_answered(struct session *s, size_t i, struct str said);
/* The client was silent for too long: says 421 at the next step and ends. */
void lmtp_on_silence(struct session *s);

#endif
