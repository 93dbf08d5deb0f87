#ifndef LIMETTA_SMTP_IMAP_FETCH_H
#define LIMETTA_SMTP_IMAP_FETCH_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The IMAP client inside the submission server (RFC 4468, 3.3), without I/O: logs in as the submission entity and resolves
 * URLs by URLFETCH (RFC 4467). Several may be asked for at once; the answers are read in the order of the questions, each when
 * its owner says so. It treats the server as hostile: every line, literal and count is bounded, and the octets of a message
 * stream through. */
struct imap_fetch;

enum { IMAP_FETCH_ASKED_MOST = 16 };

struct imap_fetch_args {
    struct str user; /* copied, as the others */
    struct str password;
    struct str name;      /* the server's, for the log */
    bool is_tls_required; /* STARTTLS before the login; else only when the server wants it */
    bool is_tls;          /* the connection began with TLS */
};

enum imap_fetch_want {
    IMAP_FETCH_INPUT,  /* the server: feed it */
    IMAP_FETCH_TLS,    /* send the output, start TLS, then call imap_fetch_on_tls() */
    IMAP_FETCH_OCTETS, /* imap_fetch_get_octets(): part of what the URL names; then step again */
    IMAP_FETCH_READY,  /* logged in, nothing asked */
    IMAP_FETCH_WAIT, /* the owner: imap_fetch_open() for the oldest question; until then nothing more is read */
    IMAP_FETCH_RESULT, /* the oldest question is done: imap_fetch_get_err(); then step again */
    IMAP_FETCH_FAILED /* the connection is of no more use: imap_fetch_get_err(); send the output and close */
};

struct imap_fetch *imap_fetch_new(const struct imap_fetch_args *args);
void imap_fetch_free(struct imap_fetch **f);

void imap_fetch_feed(struct imap_fetch *f, struct str octets);
enum imap_fetch_want imap_fetch_step(struct imap_fetch *f, struct buf *out);
void imap_fetch_on_tls(struct imap_fetch *f);
/* Logged in, and fewer than IMAP_FETCH_ASKED_MOST questions are unanswered. */
bool imap_fetch_may_ask(const struct imap_fetch *f);
/* Logged in, nothing asked. */
bool imap_fetch_is_idle(const struct imap_fetch *f);
/* Questions without a result so far. */
unsigned imap_fetch_count_asked(const struct imap_fetch *f);
/* Asks for url (copied, at most 8192 octets, no controls); only when imap_fetch_may_ask(). may_be_binary: NUL may
 * come, and the octets of a whole message are those that were stored, where the server can give them (RFC 5524). */
void imap_fetch_ask(struct imap_fetch *f, struct str url, bool may_be_binary);
/* The answer to the oldest question may be read now, of at most most octets. */
void imap_fetch_open(struct imap_fetch *f, uint64_t most);
/* Borrowed until the next call. */
struct str imap_fetch_get_octets(const struct imap_fetch *f);
/* RESULT: ERR_OK; ERR_BAD_URL (NIL, NO or BAD); ERR_TOO_BIG. FAILED: ERR_UNREACHABLE (greeting, TLS or login refused, or
 * nonsense); ERR_TOO_BIG; ERR_WRONG_STATE: answers came in another order than the questions, so one must be asked at a time. */
enum err imap_fetch_get_err(const struct imap_fetch *f);
/* Says LOGOUT when nothing is asked; then send the output and close. */
void imap_fetch_logout(struct imap_fetch *f, struct buf *out);

#endif
