#ifndef LIMETTA_STORE_OBJECT_H
#define LIMETTA_STORE_OBJECT_H

#include "base/str.h"
#include "mime/shape.h"
#include "store/store.h"

/* Names for things, by which a client knows them again wherever they went (RFC 8474). They are never given twice, and what has
 * one keeps it: a mailbox when it is renamed, a message when it is copied or moved, a conversation for ever. */

enum { OBJECT_ID_MOST = 64 };

/* MAILBOXID of m. The text is made in `text` and borrowed from there, as that of the next two. */
struct str object_get_mailbox(const struct mailbox *m, char text[OBJECT_ID_MOST]);
/* EMAILID of a message of m: the same for all its copies. msg: body_id (view_get()). */
struct str object_get_email(const struct mailbox *m, const struct message *msg,
                            char text[OBJECT_ID_MOST]);
/* THREADID of a message of m: the same for all messages of a conversation. e: its envelope. */
struct str object_get_thread(const struct mailbox *m, const struct message *msg,
                             const struct envelope *e, char text[OBJECT_ID_MOST]);

#endif
