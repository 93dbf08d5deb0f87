#ifndef LIMETTA_IMAP_EVENT_H
#define LIMETTA_IMAP_EVENT_H

#include "imap/host.h"

struct imap_session;

/* Tells the host what a command of s has changed (host.h), so that a script may be run for it. Nothing for no messages. */
void session_tell_event(struct imap_session *s, struct mailbox *m, enum imap_cause cause,
                        const struct numset *uids);

#endif
