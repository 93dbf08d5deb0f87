#ifndef LIMETTA_MIME_CHARSET_WRITER_H
#define LIMETTA_MIME_CHARSET_WRITER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* UTF-8 to octets in some charset, as a stream; the way back is charset.h. Unlike there nothing is guessed: what is written
 * is what the name says, and a character that the charset lacks is an error unless something was named to stand for it. */
struct charset_writer;

/* name: as IANA registers it, without case. Charsets that mail cannot carry as text, such as UTF-16, are refused.
 * Errors: ERR_BAD_CHARSET. */
MUST_USE enum err charset_writer_new(struct str name, struct charset_writer **out);
void charset_writer_free(struct charset_writer **w);
/* What stands for a character that the charset lacks. Copies; may be empty. Errors: ERR_CONVERSION when it cannot be
 * written itself, ERR_SYNTAX when it is not UTF-8, ERR_LIMIT when it is longer than CHARSET_REPLACEMENT_MOST octets. */
MUST_USE enum err charset_writer_set_replacement(struct charset_writer *w, struct str utf8);
/* Appends; a character cut by the end of utf8 waits for the next call. is_last: none comes, and the next call begins another
 * text. Errors: ERR_CONVERSION (out then holds part), ERR_LIMIT (out's cap). */
MUST_USE enum err charset_writer_add(struct charset_writer *w, struct str utf8, bool is_last,
                                     struct buf *out);

enum { CHARSET_REPLACEMENT_MOST = 32 };

#endif
