#ifndef LIMETTA_MIME_CHARSET_H
#define LIMETTA_MIME_CHARSET_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

/* Octets in some charset to UTF-8, as a stream. One converter, one text. */
struct charset;

/* name: of a MIME charset, without case, at most 64 octets. Empty and "us-ascii" are read as UTF-8 where the octets are
 * that, and as windows-1252 where not: that is what unlabelled 8-bit text in mail is. Errors: ERR_BAD_CHARSET. */
MUST_USE enum err charset_new(struct str name, struct charset **out);
void charset_free(struct charset **c);
/* Appends octets as UTF-8; what is not valid in the charset becomes U+FFFD. A character cut by the end of octets waits for the
 * next call. is_last: none comes; what waits becomes U+FFFD. Never fails but at out's cap (out->is_full). */
void charset_convert(struct charset *c, struct str octets, bool is_last, struct buf *out);
/* All at once. Errors: ERR_BAD_CHARSET, ERR_LIMIT (out's cap). */
MUST_USE enum err charset_to_utf8(struct str name, struct str octets, struct buf *out);
/* The same, but octets that are not valid in the charset are an error, too: ERR_SYNTAX. For what a peer says about itself
 * (SEARCH CHARSET); not for mail. out may then hold part. */
MUST_USE enum err charset_to_utf8_strict(struct str name, struct str octets, struct buf *out);

#endif
