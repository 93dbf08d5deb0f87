#ifndef LIMETTA_IMAP_LIMIT_H
#define LIMETTA_IMAP_LIMIT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/numset.h"
#include "imap/command.h"
#include "search/program.h"

#include <stdbool.h>
#include <stdint.h>

/* How many messages one command may work on (MESSAGELIMIT, RFC 9738). What is cut off is noted in cmd->limited_uid, and the tagged
 * reply tells it. Nothing happens when the session has no limit. */

/* Leaves of a command's set the highest messages that the client knows of, as many as the limit lets. is_uid: the set's numbers
 * are UIDs. */
void limit_apply(struct imap_session *s, struct numset *set, bool is_uid);
/* The same for a command that does all or nothing: ERR_MESSAGE_LIMIT, and the response code is set. */
MUST_USE enum err limit_check(struct imap_session *s, const struct numset *uids);
/* A count that the client named: ERR_MESSAGE_LIMIT when it is above the limit. */
MUST_USE enum err limit_check_count(struct imap_session *s, uint64_t count);
/* Has a search program look at the highest messages only, of those that its outermost sets name. ERR_LIMIT at a's cap. */
MUST_USE enum err limit_search(struct imap_session *s, struct arena *a, struct search_key *program);

#endif
