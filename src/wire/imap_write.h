#ifndef LIMETTA_WIRE_IMAP_WRITE_H
#define LIMETTA_WIRE_IMAP_WRITE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/scan.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* The only code that quotes for IMAP. Whatever octets are handed in, what comes out is one token, so a subject line
 * cannot become a response. */

/* ---- tokens ---- */

/* Quoted when it can be, else a literal. Octets above 126 and controls make it a literal (RFC 3501, 4.3: quoted strings are
 * 7-bit), as do lengths over 1000. NUL is written as it stands, in a literal: use imap_write_binary() where literal8 is allowed. */
void imap_write_string(struct buf *out, struct str s);
/* The same for a client that takes UTF-8 in quoted strings if is_utf8 (RFC 9755, 3; RFC 9051): UTF-8 is quoted, too. */
void imap_write_text(struct buf *out, struct str s, bool is_utf8);
/* NIL when not is_present. */
void imap_write_ntext(struct buf *out, struct str s, bool is_present, bool is_utf8);
/* Bare when it can be an atom and is not NIL. */
void imap_write_astring(struct buf *out, struct str s);
/* As a string, but literal8 "~{n}" when s holds NUL. */
void imap_write_binary(struct buf *out, struct str s);
/* The head of a literal whose n octets follow: "{n}" CRLF. */
void imap_write_literal_head(struct buf *out, uint64_t n, bool is_binary);
/* Client side: "{n+}" CRLF (is_sync false) or "{n}" CRLF. */
void imap_write_client_literal_head(struct buf *out, uint64_t n, bool is_sync);
/* A mailbox name: modified UTF-7, then astring. Names that are not UTF-8 come out as they are, as a literal. */
void imap_write_mailbox(struct buf *out, struct str name);
/* A mailbox name in UTF-8, for a client that enabled that. */
void imap_write_utf8_mailbox(struct buf *out, struct str name);

/* "name" NIL "mailbox" "host" in parentheses (RFC 3501, 7.4.2 "address"); has_*: else NIL. */
struct imap_address {
    struct str name;
    struct str route;
    struct str mailbox;
    struct str host;
    bool has_name;
    bool has_route;
    bool has_mailbox;
    bool has_host;
    bool is_utf8; /* strings as imap_write_text() writes them */
};
void imap_write_address(struct buf *out, const struct imap_address *address);

/* System flags (bits of enum imap_system_flag) with spaces between them, no parentheses; returns whether any was
 * written. Keywords are atoms: buf_add(). */
bool imap_write_system_flags(struct buf *out, unsigned system);

/* "17-Jul-1996 02:44:25 +0000" with its quotes; years 0 to 9999 (clipped). */
void imap_write_date_time(struct buf *out, int64_t unix_s);

/* ---- response lines ---- */

/* Ends the line. */
void imap_write_crlf(struct buf *out);
/* "<tag> <condition> [<code>] <text>" CRLF. tag empty: "*". condition: OK, NO, BAD, BYE, PREAUTH. code without brackets,
 * may be empty; CR, LF and NUL in text become spaces. */
void imap_write_response(struct buf *out, struct str tag, struct str condition, struct str code,
                         struct str text);
/* The tagged NO or BAD of e, from err.def. */
void imap_write_err(struct buf *out, struct str tag, enum err e);
/* What a failed scan deserves: "<tag> BAD at octet 17: expected a mailbox name", or the answer of its err. */
void imap_write_scan_err(struct buf *out, struct str tag, const struct scan *c);
/* "+ <text>" CRLF; text must not hold CR or LF. */
void imap_write_continue(struct buf *out, struct str text);

#endif
