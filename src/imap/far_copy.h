#ifndef LIMETTA_IMAP_FAR_COPY_H
#define LIMETTA_IMAP_FAR_COPY_H

#include "base/err.h"
#include "base/numset.h"
#include "base/str.h"
#include "imap/access.h"
#include "imap/command.h"

/* Messages of the selected mailbox on their way to a mailbox of another account: one APPEND of all of them, in a session there
 * (imap/peer.h), which checks the rights and makes them durable. A generator. */
struct far_copy;

enum { FAR_COPY_MESSAGES_MOST = 1000 };

/* name: of the mailbox, as the asker writes it; place: where that is. uids: of messages of the view that the client knows; those
 * that are not there are passed over. Borrowed for the call. Errors: ERR_LIMIT. */
MUST_USE enum err far_copy_new(struct imap_session *s, const struct place *place, struct str name,
                               const struct numset *uids, struct far_copy **out);
void far_copy_free(struct far_copy **t);
/* RUN_DONE: finished; *e ERR_OK: *reply is what was answered behind the tag, borrowed from t, with is_ok; else why there is no
 * answer. Else: call again, as a command's run. */
enum run far_copy_run(struct far_copy *t, struct imap_session *s, enum err *e);
bool far_copy_is_ok(const struct far_copy *t);
struct str far_copy_get_reply(const struct far_copy *t);

#endif
