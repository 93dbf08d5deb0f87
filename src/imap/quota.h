#ifndef LIMETTA_IMAP_QUOTA_H
#define LIMETTA_IMAP_QUOTA_H

#include "base/buf.h"

struct imap_session;

/* "* NO [OVERQUOTA]" when the account holds nine tenths of a limit or more (RFC 9208, 4.3.1): a soft quota, told by commands that
 * bring messages, behind their commit. */
void quota_warn(const struct imap_session *s, struct buf *out);

#endif
