#ifndef LIMETTA_IMAP_LINE_H
#define LIMETTA_IMAP_LINE_H

#include "base/buf.h"
#include "imap/flags.h"
#include "imap/session_priv.h"

#include <stddef.h>

/* The FETCH response that needs no cold data: "* 7 FETCH (UID 12 FLAGS (\Seen) MODSEQ (90))". The news, STORE, SELECT and
 * the most frequent FETCH write it, by the hundred thousand. */

/* After ENABLE UIDONLY the same is "* 12 UIDFETCH (FLAGS (\Seen))" (RFC 9586, 3.3): LINE_UID then adds the item all the same; those
 * that nobody asked for come from session_get_line_uid(). */
enum line_item { LINE_UID = 1, LINE_FLAGS = 2, LINE_MODSEQ = 4 };

/* LINE_UID where a FETCH response needs it to say which message it is about, 0 where its number does. */
unsigned session_get_line_uid(const struct imap_session *s);
/* items: at least one bit of enum line_item. m: uid, flags, modseq. t: kept between calls of one loop. */
void line_write(struct buf *out, const struct imap_session *s, struct flags_text *t, struct seq seq,
                const struct message *m, unsigned items);

/* Octets that a line takes besides its flags, at most. */
enum { LINE_MOST = 128 };

#endif
