#ifndef LIMETTA_WIRE_SMTP_WRITE_H
#define LIMETTA_WIRE_SMTP_WRITE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Replies and the EHLO list: the only code that writes SMTP server lines. */

/* "250 2.1.0 text" CRLF. Text with LF in it becomes a multi-line reply, code and enhanced code on each line (RFC 2034, 4).
 * enhanced may be empty. Controls other than LF, and octets above 126, become "?". */
void smtp_write_reply(struct buf *out, int code, struct str enhanced, struct str text);
/* The reply of e, from err.def. */
void smtp_write_err(struct buf *out, enum err e);

/* What the EHLO list depends on. The edge and the submission session write the same list from it. */
struct smtp_ehlo {
    struct str hostname;
    bool is_tls_offered;   /* STARTTLS is configured and not yet active */
    struct str mechanisms; /* "PLAIN SCRAM-SHA-256"; empty: no AUTH line */
    uint64_t size_most;    /* 0: SIZE without a number */
    bool has_burl;
    struct str burl_args;     /* "imap", "imap imap://mail.example.com" */
    uint64_t hold_most_s;     /* 0: no FUTURERELEASE */
    int64_t now_s;            /* Unix time, for FUTURERELEASE */
    uint64_t recipients_most; /* 0: no LIMITS */
    bool is_tls;              /* TLS is active: REQUIRETLS */
    bool has_held;            /* XHELD */
    bool
        is_lmtp; /* only what a mailbox needs: 8BITMIME, BINARYMIME, CHUNKING, ENHANCEDSTATUSCODES, PIPELINING, SIZE, SMTPUTF8 */
};

/* The whole 250 reply: 8BITMIME, AUTH, BINARYMIME, BURL, CHUNKING, DELIVERBY, DSN, ENHANCEDSTATUSCODES, FUTURERELEASE, LIMITS,
 * MT-PRIORITY, PIPELINING, REQUIRETLS, SIZE, SMTPUTF8, STARTTLS, XHELD, as far as ehlo says. */
void smtp_write_ehlo(struct buf *out, const struct smtp_ehlo *ehlo);

/* Appends "2026-12-24T18:00:00Z" (RFC 3339). */
void smtp_write_time(struct buf *out, int64_t unix_s);

#endif
