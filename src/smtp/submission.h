#ifndef LIMETTA_SMTP_SUBMISSION_H
#define LIMETTA_SMTP_SUBMISSION_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "net/session.h"
#include "smtp/burl.h"
#include "smtp/envelope.h"

#include <stdbool.h>
#include <stdint.h>

/* A submission session (RFC 6409) from the moment the client has authenticated: the edge spoke until then. It takes
 * commands, gathers envelope and content, and hands both to its host; it knows neither disk nor network. */

/* A transaction as far as it is known. */
struct submission_load {
    size_t recipients;
    uint64_t octets; /* declared, later those that came */
    bool is_held;    /* for a later release (RFC 4865) */
};

/* A message of the user that waits for its release. */
struct submission_held {
    uint64_t id;
    uint64_t release_ms; /* Unix time */
    uint64_t size;
    struct str envid;
    const struct mail_recipient *recipients;
    size_t recipient_count;
};

/* What a session asks of whoever runs it; one owner a session. Questions that take time are answered through the
 * submission_on_ calls below, now or later, but not after the session was freed. */
struct submission_host {
    struct session_host base;
    int64_t (*get_time_s)(void *owner);
    /* Appends a token that no other message here has had or will have: letters, digits, '.'. */
    void (*write_unique)(void *owner, struct buf *out);
    /* Who is this? Answer: submission_on_recipient(). */
    void (*find_recipient)(void *owner, struct str address);
    /* May the user write as address? Answer: submission_on_sender(). NULL: he may. */
    void (*check_sender)(void *owner, struct str address);
    /* The content of a new message begins; what was there before is dropped. */
    void (*content_start)(void *owner);
    /* Errors: ERR_TOO_BIG, ERR_NO_SPACE, ERR_IO. */
    enum err (*content_add)(void *owner, struct str octets);
    /* The message is whole: makes it durable. envelope is borrowed for the call. Answer: submission_on_queued(). */
    void (*content_finish)(void *owner, const struct mail_envelope *envelope);
    /* Nothing more will come: forgets the content, the fetch, the questions under way. */
    void (*content_drop)(void *owner);
    /* A fetch() of target will come, behind those of earlier calls, so it may be asked for already. Copied, but for its
     * host. */
    void (*fetch_ahead)(void *owner, const struct burl_target *target);
    /* Fetches what target names: what the oldest fetch_ahead() named, if there is one. Answers: submission_on_fetched() for each
     * piece, then submission_on_fetch_end(). */
    void (*fetch)(void *owner, const struct burl_target *target, uint64_t most);
    /* What fetch_ahead() named will not be wanted. No fetch() is under way. */
    void (*fetch_drop)(void *owner);
    /* May the user, at this address, submit that beside what it did within the last hour? Asked at MAIL, at each RCPT and when the
     * content is there. Errors: ERR_RATE_MESSAGES, ERR_RATE_RECIPIENTS, ERR_HELD_FULL, ERR_IO. */
    enum err (*check_load)(void *owner, const struct submission_load *load);
    /* Hears the user's held messages with ids above after, in their order, at most `most`. Errors: ERR_IO. */
    enum err (*list_held)(void *owner, uint64_t after, unsigned most,
                          void (*on_held)(void *asker, const struct submission_held *held),
                          void *asker);
    /* Forgets a held message of the user. Answer: submission_on_cancelled(). */
    void (*cancel_held)(void *owner, uint64_t id);
};

/* What is asked about the addresses that a message comes from. */
enum sender_check {
    SENDER_CHECK_NOTHING,
    SENDER_CHECK_ENVELOPE, /* the return path must be the user's */
    SENDER_CHECK_ADD,      /* also: Sender says who sends when From does not (RFC 6409, 8.1) */
    SENDER_CHECK_FROM      /* the addresses of From must be the user's, too */
};

struct submission_args {
    struct str user;     /* authorization identity; copied, as the others */
    struct str hostname; /* ours */
    struct str domain;   /* what an address without a domain gets */
    struct str domains;  /* those that may have a single label, for they are ours; spaces between */
    struct str helo;     /* the name the client gave before it authenticated */
    struct str peer;     /* its address */
    bool is_tls;
    uint64_t size_most;       /* largest message, octets */
    uint64_t recipients_most; /* RCPT commands for one message (RFC 9422, RCPTMAX) */
    uint64_t hold_most_s;     /* longest hold (RFC 4865); 0: FUTURERELEASE is not offered */
    int8_t priority_most;     /* the highest that the user may ask for (RFC 6710) */
    enum sender_check sender_check;
    struct burl_policy burl;
};

/* host is borrowed while the session lives. The first step says 235. */
struct session *submission_new(const struct submission_args *args,
                               const struct submission_host *host);

/* The same for a session that another process had: what it saved (net/session.h) is in r, borrowed for the call. args->helo is not
 * looked at. What was in a transaction has lost it: the rest of its content is swallowed, and its commands are answered 451 4.3.2 until
 * the client begins anew. Errors: ERR_UNSUPPORTED. */
MUST_USE enum err submission_resume(const struct submission_args *args,
                                    const struct submission_host *host,
                                    const struct session_resume *r, struct session **out);

/* The authorization identity it was made for, and the client's address. Borrowed. */
struct str submission_get_user(const struct session *s);
struct str submission_get_peer(const struct session *s);

/* Answers; each calls host->base.wake. */
/* ERR_OK: user is the account here, or empty: a foreign address that we take. ERR_NO_USER, ERR_NO_RELAY, ERR_UNAVAILABLE. */
void submission_on_recipient(struct session *s, enum err e, struct str user);
/* ERR_OK, ERR_SENDER, ERR_UNAVAILABLE. */
void submission_on_sender(struct session *s, enum err e);
/* Octets of the URL. Errors: what content_add() said, or ERR_TOO_BIG: the fetch should be given up. */
enum err submission_on_fetched(struct session *s, struct str octets);
/* ERR_OK, ERR_BAD_URL, ERR_TOO_BIG, ERR_UNREACHABLE. */
void submission_on_fetch_end(struct session *s, enum err e);
/* ERR_OK: it survives anything from now on. */
void submission_on_queued(struct session *s, enum err e);
/* ERR_OK: it is gone for good. ERR_NOT_FOUND: the user has no such message that is still held. */
void submission_on_cancelled(struct session *s, enum err e);

#endif
