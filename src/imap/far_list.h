#ifndef LIMETTA_IMAP_FAR_LIST_H
#define LIMETTA_IMAP_FAR_LIST_H

#include "base/buf.h"
#include "base/str.h"
#include "imap/command.h"

/* LIST or ESEARCH in the accounts of others: the command at hand is given to a session in each that may have something to list, and
 * what they say is passed on. A generator. */
struct far_list;

/* patterns: those of LIST, or those that match what is to be searched; borrowed for the call. */
struct far_list *far_list_new(struct imap_session *s, const struct str *patterns, size_t count);
/* An account that cannot be reached lists nothing (RFC 4314, 4: LIST does not fail for want of rights). */
enum run far_list_run(struct far_list *f, struct imap_session *s, struct buf *out);
void far_list_free(struct far_list **f);

#endif
