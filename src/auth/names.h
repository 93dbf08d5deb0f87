#ifndef LIMETTA_AUTH_NAMES_H
#define LIMETTA_AUTH_NAMES_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Account names and passwords in the one form in which they are stored and compared. */
enum { NAME_MOST = 255, PASSWORD_MOST = 1024 };

/* Appends the name in its stored form: SASLprep (RFC 4013), ASCII letters in lower case.
 * is_new: for a name about to be made, code points that Unicode had not assigned yet are refused, too.
 * Errors: ERR_SYNTAX for what cannot be an account: empty, longer than NAME_MOST octets, not UTF-8, with control
 * characters, spaces, '/', or made of dots only. */
MUST_USE enum err name_prepare(struct str raw, bool is_new, struct buf *out);

/* Appends the password by SASLprep. Octets that are not UTF-8 or that SASLprep forbids are an error for a new
 * password; when checking one they are appended as they are, and simply will not match. Empty is refused.
 * Errors: ERR_SYNTAX. */
MUST_USE enum err password_prepare(struct str raw, bool is_new, struct buf *out);

/* Cuts an address (RFC 5321 Mailbox, without angle brackets) into local part and domain. A quoted local part loses its
 * quotes and backslashes; local is appended to. Errors: ERR_BAD_ADDRESS. */
MUST_USE enum err address_split(struct str address, struct buf *local, struct str *domain);

/* local without its detail (RFC 5233, 1), which begins behind the first octet of delimiters that is not local's first
 * octet; none, or delimiters empty: all of local, and *detail empty. Both borrow from local. */
struct str address_cut_detail(struct str local, struct str delimiters, struct str *detail);

/* Appends an address in the one form in which addresses are compared: "anna@example.org", "anna" (at each of our domains)
 * or "@example.org" (all of a domain). Local part and domain as by name_prepare(); the local part has no quotes.
 * Errors: ERR_SYNTAX, ERR_BAD_ADDRESS. */
MUST_USE enum err address_prepare(struct str raw, bool is_new, struct buf *out);
/* The same from the parts, local without quotes; empty: all of the domain. */
MUST_USE enum err address_join(struct str local, struct str domain, bool is_new, struct buf *out);

#endif
