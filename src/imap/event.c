/* Events for scripts (RFC 6785, 2.2): APPEND, COPY and MOVE bring messages into a mailbox, STORE and FETCH change flags. The session
 * only says what it did and for whom; the command goes on as if nobody had listened, and no script can make it fail. What a script
 * does itself comes from no session, so it is no event, and there are no loops. */
#include "imap/event.h"

#include "base/numset.h"
#include "imap/session_priv.h"

void session_tell_event(struct imap_session *s, struct mailbox *m, enum imap_cause cause,
                        const struct numset *uids)
{
    const struct imap_host *host = s->args.host;
    if (host->on_event == NULL || numset_is_empty(uids)) {
        return;
    }
    struct imap_event e = {
        .mailbox = m,
        .cause = cause,
        .uids = uids,
        .user = s->args.asker.n > 0 ? s->args.asker : s->args.user,
    };
    host->on_event(host->owner, &e);
}
