#ifndef LIMETTA_IMAP_PROGRESS_H
#define LIMETTA_IMAP_PROGRESS_H

#include "base/buf.h"

#include <stdint.h>

struct imap_session;

/* How far a long command is (RFC 9585). A command calls this whenever it goes on working (RUN_MORE) and out is at the beginning of
 * a line; most calls do nothing: a notification is appended when ten seconds have passed since the first call or since the
 * last notification. done: items finished, fewer than goal; goal: items in all, 0: not known. Both below 2^32. */
void progress_tell(struct imap_session *s, uint64_t done, uint64_t goal, struct buf *out);

#endif
