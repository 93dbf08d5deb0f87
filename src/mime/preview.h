#ifndef LIMETTA_MIME_PREVIEW_H
#define LIMETTA_MIME_PREVIEW_H

#include "base/err.h"
#include "base/str.h"
#include "mime/shape.h"

#include <stdbool.h>

/* The first words of a message, to be shown in a list (RFC 8970). */

enum { PREVIEW_CHARS = 200 }; /* RFC 8970, 3.3 */

/* The n-th part (from 0) whose text may make a preview, the best first; NULL: no more. Text that is shown with the message
 * counts, plain before HTML where it is a choice; attachments, messages inside and what is encrypted do not. */
const struct part *preview_find_part(const struct shape *s, unsigned n);

/* The preview of one part, made from its octets as they come. */
struct preview;
/* part: as found; borrowed. Errors: ERR_UNKNOWN_CTE. */
MUST_USE enum err preview_new(const struct part *part, struct preview **out);
void preview_free(struct preview **p);
/* Takes octets of the part's body, as stored. is_last: none comes. True: more would change nothing. */
bool preview_feed(struct preview *p, struct str octets, bool is_last);
/* PREVIEW_CHARS characters at most, UTF-8, one line, without controls; maybe empty. Borrowed until the next call. */
struct str preview_get(const struct preview *p);

#endif
