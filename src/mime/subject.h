#ifndef LIMETTA_MIME_SUBJECT_H
#define LIMETTA_MIME_SUBJECT_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>

/* The base subject of RFC 5256, 2.1: what is left of a subject when "Re:", "[list]", "(fwd)" and their like are taken
 * away. SORT and THREAD compare it, and so do clients: everybody must use exactly this algorithm.
 * text: the subject, decoded (words_decode()); any octets will do. scratch: its contents are replaced; the result borrows
 * from it. is_reply (may be NULL): what was removed says that the message is a reply or a forward (RFC 5256, 3, THREAD).
 * Linear in text. */
struct str subject_find_base(struct str text, struct buf *scratch, bool *is_reply);

#endif
