#ifndef LIMETTA_IMAP_LIST_ROW_H
#define LIMETTA_IMAP_LIST_ROW_H

#include "base/buf.h"
#include "base/str.h"

struct imap_session;

/* "* LIST" of the mailbox that the account calls store_name, and that nobody asked for: SELECT in IMAP4rev2 (RFC 9051,
 * 6.3.2). given: how the client spelt it; when that is another spelling, OLDNAME says so (6.3.9.7). One that is not there (any
 * more) is \NonExistent. */
void list_row_write(struct imap_session *s, struct str store_name, struct str given,
                    struct buf *out);

/* The same, with IMAP4rev2 only, when a command was given a name that is spelt otherwise here. name: as the client wrote it. old:
 * that which it had before, after RENAME; else the same. */
void list_row_tell_spelling(struct imap_session *s, struct str name, struct str old,
                            struct buf *out);

#endif
