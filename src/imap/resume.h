#ifndef LIMETTA_IMAP_RESUME_H
#define LIMETTA_IMAP_RESUME_H

#include "base/err.h"
#include "base/str.h"
#include "net/session.h"

#include <stdbool.h>

/* A session leaves its process and goes on in another. */

struct imap_session;

/* As session_ops.save. */
bool imap_session_save(struct session *base, struct session_save *out);
/* Closes what is selected, and selects what the state has. Errors: ERR_NO_MAILBOX (it is no more), ERR_CORRUPT, ERR_IO; then nothing is
 * selected. */
MUST_USE enum err resume_selected(struct imap_session *s, struct str state);

#endif
