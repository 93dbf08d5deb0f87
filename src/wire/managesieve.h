#ifndef LIMETTA_WIRE_MANAGESIEVE_H
#define LIMETTA_WIRE_MANAGESIEVE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/scan.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* The words of ManageSieve (RFC 5804, 4). Commands are framed as IMAP's are (wire/imap_framing.h: lines with literals "{n+}"), and a
 * string is written by imap_write_text(), which quotes UTF-8 or makes it a literal: those two grammars are one. */

enum {
    MANAGESIEVE_QUOTED_MOST = 1024, /* octets between the quotes (RFC 5804, 4) */
    MANAGESIEVE_WORD_MOST = 64      /* octets of a command's name; none is longer */
};

/* ---- commands ---- */

struct managesieve_command {
    struct str name;  /* as sent */
    struct scan args; /* over the whole text, at what follows the name: the end or a space */
};

/* Reads the name. Errors: ERR_SYNTAX; then out->args holds the place of the error. */
MUST_USE enum err managesieve_command_parse(struct str text, struct managesieve_command *out);
/* The name of a command whose beginning is text; empty when there is none. */
struct str managesieve_find_name(struct str text);

/* SP string, quoted or literal. A quoted one is UTF-8 without NUL, CR and LF; a literal may be anything. Borrows from the command, or
 * lives in a. */
struct str managesieve_scan_string(struct scan *c, struct arena *a);
/* The same without the space (an answer to a SASL challenge). */
struct str managesieve_scan_bare_string(struct scan *c, struct arena *a);
/* SP number: 32 bits, no leading zeros. */
uint32_t managesieve_scan_number(struct scan *c);

/* ---- responses ---- */

/* "OK", "NO" or "BYE", then (code), then a string, CRLF. code without parentheses, of characters that need no quotes; empty: none. text
 * empty: none. */
void managesieve_write_response(struct buf *out, struct str condition, struct str code,
                                struct str text);
/* OK and what was done. */
void managesieve_write_ok(struct buf *out, const char *text);
/* The answer to NOOP (RFC 5804, 2.13), which may have a tag. */
void managesieve_write_noop(struct buf *out, bool has_tag, struct str tag);
/* NO with the code (RFC 5804, 1.3) and the text of e. */
void managesieve_write_err(struct buf *out, enum err e);
/* The last words: BYE. */
void managesieve_write_bye(struct buf *out, enum err e);
/* The last words to a client that sent "{n}", which may wait for us or not. */
void managesieve_write_sync_bye(struct buf *out);
/* What a failed scan deserves: NO "at octet 17: expected a string", or the answer of its err. */
void managesieve_write_scan_err(struct buf *out, const struct scan *c);

/* RFC 5804, 1.7. */
struct managesieve_capabilities {
    struct str extensions; /* SIEVE, words between spaces */
    struct str methods;    /* NOTIFY, the same; empty: not told */
    struct str redirects;  /* MAXREDIRECTS, a number; empty: not told */
    struct str mechanisms; /* SASL, words between spaces */
    struct str owner;      /* who is logged in; empty: nobody */
    bool is_tls_offered;
    bool has_unauthenticate;
};
/* A line for each, then OK with text. */
void managesieve_write_capabilities(struct buf *out, const struct managesieve_capabilities *c,
                                    const char *text);

#endif
