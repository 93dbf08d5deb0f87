#ifndef LIMETTA_SMTP_CLIENT_H
#define LIMETTA_SMTP_CLIENT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "smtp/content.h"
#include "smtp/envelope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The client side of SMTP and LMTP without I/O: brings messages to one server, one after the other, and says what became of each
 * recipient. Octets and events in, octets out; the owner has the connection, TLS and the clock. */
struct smtp_client;

enum smtp_tls_policy { SMTP_TLS_OFF, SMTP_TLS_OFFERED, SMTP_TLS_REQUIRED };

/* Where the message's octets come from. */
struct smtp_source {
    /* Chooses what to send to a server that takes `able` at most: converts when it must, else says what the content is.
     * Errors: ERR_CONVERSION, ERR_UTF8_HEADER (cannot be done: the recipients fail), others (later, perhaps). */
    enum err (*prepare)(void *owner, struct content_able able, enum content_kind *kind,
                        uint64_t *size);
    /* At most n octets from offset, fewer only at the end; borrowed until the next call. */
    enum err (*read)(void *owner, uint64_t offset, size_t n, struct str *out);
    void *owner;
    /* Unix time, for BY=; NULL: then no message with DELIVERBY is brought. */
    uint64_t (*now_ms)(void *owner);
};

/* All borrowed while the client works on it. */
struct smtp_client_job {
    bool is_lmtp; /* LHLO, and one reply a recipient at the end (RFC 2033) */
    struct str helo;
    enum smtp_tls_policy tls;
    bool is_tls; /* TLS stands already (implicit TLS, RFC 8314) */
    bool
        is_authentic; /* TLS, once there, proves that it is the right server: REQUIRETLS may pass (RFC 8689, 4.2.1) */
    bool is_own;     /* a server of ours: takes UTF-8 in addresses without being asked */
    bool is_kept;    /* no QUIT behind the message: there may be a next one */
    struct str user; /* AUTH PLAIN or LOGIN; empty: none */
    struct str password;
    struct mail_envelope envelope;
    struct smtp_source source;
};

enum smtp_client_want {
    SMTP_CLIENT_INPUT,  /* the server: feed it */
    SMTP_CLIENT_OUTPUT, /* more to say: take the output, then step again */
    SMTP_CLIENT_TLS,    /* start TLS now (RFC 3207), then call smtp_client_on_tls() */
    SMTP_CLIENT_DONE /* every outcome is known; send the output and close, unless smtp_client_is_idle() */
};

enum smtp_outcome_kind {
    SMTP_OUTCOME_OPEN,
    SMTP_OUTCOME_DONE,  /* the server has it */
    SMTP_OUTCOME_LATER, /* 4yz, or the connection failed */
    SMTP_OUTCOME_FAILED /* 5yz */
};

struct smtp_outcome {
    enum smtp_outcome_kind kind;
    struct str reply; /* "550 5.1.1 text", one line of at most 512 octets */
    struct str lines; /* the same with LF where the server began a new line, at most 4096 octets */
    bool is_from_server; /* false: our own words about why it could not be tried */
    bool
        is_dsn_with_him; /* the server offers DSN: reports are its business now (RFC 3461, 5.2.2) */
    bool is_by_with_him; /* the server offers DELIVERBY: so is the time (RFC 2852) */
    bool is_delivery;    /* by LMTP: it is in the mailbox, not on its way */
};

struct smtp_client *smtp_client_new(const struct smtp_client_job *job);
void smtp_client_free(struct smtp_client **c);

void smtp_client_feed(struct smtp_client *c, struct str octets);
/* Appends at most about 64 KiB to out. */
enum smtp_client_want smtp_client_step(struct smtp_client *c, struct buf *out);
/* TLS stands. What came before it and was not read is dropped. */
void smtp_client_on_tls(struct smtp_client *c);
/* The connection failed or took too long: what is open is for later. The client is then done. */
void smtp_client_fail(struct smtp_client *c, enum err why);
/* Nothing more is said or heard: all recipients have an outcome. */
bool smtp_client_is_over(const struct smtp_client *c);
/* The end of the content was sent: the server may now take its time (10 minutes; RFC 5321, 4.5.3.2.6). */
bool smtp_client_is_final(const struct smtp_client *c);
/* A number that grows with every whole reply and every piece of content that leaves; a line that drips in, octet by octet, is
 * no progress. */
uint64_t smtp_client_get_progress(const struct smtp_client *c);

/* Done with a kept job, and the server would take another: smtp_client_next(), or smtp_client_quit(). */
bool smtp_client_is_idle(const struct smtp_client *c);
/* The next message on the same connection: same server, TLS and login. Step then. The outcomes of the last one are gone. */
void smtp_client_next(struct smtp_client *c, const struct smtp_client_job *job);
/* Takes leave of an idle server; a last step gives the word. */
void smtp_client_quit(struct smtp_client *c);
/* Was it the server as a whole that was of no use (its greeting, EHLO, TLS, login, silence), before it heard of this message? Then another
 * host of the destination may do. */
bool smtp_client_has_host_failed(const struct smtp_client *c);
/* Does the server lack what this very message demands (REQUIRETLS)? Its outcomes say so, but every other host of the destination
 * must be tried before they count (RFC 8689, 4.2.1). */
bool smtp_client_is_unfit(const struct smtp_client *c);
/* Is the connection under TLS? */
bool smtp_client_is_tls(const struct smtp_client *c);

/* Recipient i of the job's envelope. Borrowed while c lives, until the next job. */
struct smtp_outcome smtp_client_get_outcome(const struct smtp_client *c, size_t i);

#endif
