#ifndef LIMETTA_SMTP_IMAP_FETCH_H
#define LIMETTA_SMTP_IMAP_FETCH_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The IMAP client inside the submission server (RFC 4468, 3.3), without I/O: logs in as the submission entity and resolves
 * URLs by URLFETCH (RFC 4467), one after the other. It treats the server as hostile: every line, literal and count is
 * bounded, and the octets of a message stream through. */
struct imap_fetch;

struct imap_fetch_args {
    struct str user; /* copied */
    struct str password;
    bool is_tls_required; /* false only when the server is on this host */
};

enum imap_fetch_want {
    IMAP_FETCH_INPUT,  /* the server: feed it */
    IMAP_FETCH_TLS,    /* send the output, start TLS, then call imap_fetch_on_tls() */
    IMAP_FETCH_OCTETS, /* imap_fetch_get_octets(): part of what the URL names; then step again */
    IMAP_FETCH_READY,  /* logged in, nothing asked: imap_fetch_start() may be called */
    IMAP_FETCH_RESULT, /* the URL is done: imap_fetch_get_err(); then step again */
    IMAP_FETCH_FAILED /* the connection is of no more use: imap_fetch_get_err(); send the output and close */
};

struct imap_fetch *imap_fetch_new(const struct imap_fetch_args *args);
void imap_fetch_free(struct imap_fetch **f);

void imap_fetch_feed(struct imap_fetch *f, struct str octets);
enum imap_fetch_want imap_fetch_step(struct imap_fetch *f, struct buf *out);
void imap_fetch_on_tls(struct imap_fetch *f);
/* Asks for url (copied, at most 8192 octets, no controls); only when READY. most: the largest size taken. may_be_binary: NUL may
 * come, and the octets of a whole message are those that were stored, where the server can give them (RFC 5524). */
void imap_fetch_start(struct imap_fetch *f, struct str url, uint64_t most, bool may_be_binary);
/* Borrowed until the next call. */
struct str imap_fetch_get_octets(const struct imap_fetch *f);
/* RESULT: ERR_OK; ERR_BAD_URL (NIL, NO or BAD); ERR_TOO_BIG. FAILED: ERR_UNREACHABLE (greeting, TLS or login refused, or
 * nonsense); ERR_TOO_BIG. */
enum err imap_fetch_get_err(const struct imap_fetch *f);
/* Says LOGOUT; then send the output and close. */
void imap_fetch_logout(struct imap_fetch *f, struct buf *out);

#endif
