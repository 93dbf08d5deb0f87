#ifndef LIMETTA_IMAP_RESYNC_H
#define LIMETTA_IMAP_RESYNC_H

#include "base/buf.h"
#include "base/err.h"
#include "base/numset.h"
#include "imap/session_priv.h"
#include "wire/imap_scan.h"

/* What changed since a mod-sequence: the common part of SELECT (QRESYNC ...) and UID FETCH (... VANISHED)
 * (RFC 7162, 3.2.5 and 3.2.6). */

/* Fills gone with the UIDs among `among` that were expunged after modseq. match (or NULL): sequence match data; what the
 * client knows by it to be gone is left out. */
MUST_USE enum err resync_find_vanished(struct mailbox *m, const struct view *v, uint64_t modseq,
                                       const struct numset *among, const struct seq_match *match,
                                       struct numset *gone);
/* Writes "* VANISHED (EARLIER) ..." lines for gone from range *at on: STEP_MORE when out is full for now. */
enum step resync_write_vanished(const struct numset *gone, size_t *at, struct buf *out);

#endif
