#ifndef LIMETTA_MIME_WORDS_H
#define LIMETTA_MIME_WORDS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "mime/param.h"

#include <stdbool.h>

/* Appends the text of an unfolded header value as UTF-8: encoded words (RFC 2047, with RFC 2231's language) decoded, 8-bit octets
 * outside them read as UTF-8 or windows-1252. An encoded word with an unknown charset or broken syntax stays as it is. */
void words_decode(struct str value, struct buf *out);
/* The same, and says whether all of it could be converted: no unknown charset, no octets that are not valid in theirs
 * (a U+FFFD that a sender wrote counts as such). */
MUST_USE bool words_decode_all(struct str value, struct buf *out);
/* Removes the encoding of encoded words and converts nothing: what is left when a text has no charset that is known here
 * (RFC 5255, 4.6, step (a)). Appends octets in any charsets. */
void words_decode_octets(struct str value, struct buf *out);
/* What a search looks at: the text, and when not all of it could be converted, NUL and the octets without their encodings behind it
 * (RFC 5255, 4.6, step (c)). */
void words_decode_search(struct str value, struct buf *out);
/* Appends the value of the parameter called name as UTF-8: RFC 2231 continuations joined and charsets converted; a plain
 * value with encoded words (forbidden, and common) decoded. Errors: ERR_NOT_FOUND; ERR_LIMIT at out's cap. */
MUST_USE enum err words_decode_param(const struct param_list *l, struct str name, struct buf *out);
/* The same for the extended form only, and for octets that are valid in its charset only. Errors also: ERR_BAD_CHARSET,
 * ERR_SYNTAX. */
MUST_USE enum err words_decode_param_strict(const struct param_list *l, struct str name,
                                            struct buf *out);

/* Reads the name of an RFC 2231 parameter: "title*3*" is number 3 of base "title"; "title*" is number -1. false: it is a plain
 * name. */
bool words_parse_segment(struct str name, struct str *base, int *number);
/* Appends the segments of base, from number 0 on up to the first that is missing, as one value. is_extended: some of them were
 * encoded, and so is the value: charset'language'%XX. Errors: ERR_NOT_FOUND (no number 0), ERR_LIMIT. */
MUST_USE enum err words_join_param(const struct param_list *l, struct str base, struct buf *out,
                                   bool *is_extended);

#endif
