#ifndef LIMETTA_IMAP_SET_H
#define LIMETTA_IMAP_SET_H

#include "base/numset.h"
#include "base/scan.h"
#include "imap/command.h"

/* Reads " " sequence-set as the running command means it: UIDs when it came with UID, else message sequence numbers,
 * which must be there (RFC 3501, 9 "seq-number"). "*" is the last message that the client knows, "$" what a search
 * saved (RFC 5182), which may be nothing. Adds to out. */
void set_parse(struct imap_session *s, struct cmd *cmd, struct scan *c, struct numset *out);
/* Fails with ERR_UNAVAILABLE when what "$" means was lost with a process (imap/resume.h). */
void set_require_saved(const struct imap_session *s, struct scan *c);
/* The same set of UIDs once more (c: where it begins), with "*" as the highest UID that was ever given to a message: for what is
 * gone (RFC 7162, 3.2.6; else "1:*" would leave out what was expunged above the last message). It was parsed before. */
void set_parse_ever(struct imap_session *s, struct cmd *cmd, struct scan c, struct numset *out);

#endif
