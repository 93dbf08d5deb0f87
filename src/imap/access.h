#ifndef LIMETTA_IMAP_ACCESS_H
#define LIMETTA_IMAP_ACCESS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* Which mailbox a name means, and what this session may do with it (RFC 2342, RFC 4314). Every command that takes a mailbox's
 * name finds the mailbox through here: so a guest, a session in somebody else's account, meets the rights wherever it goes.
 * The owner of an account has all rights in it.
 *
 * Names, as clients write them and commands keep them:
 *
 *     Archive/2026                    the asker's own
 *     Other Users/bob/Archive/2026    bob's
 *     Shared/News                     of the account that is configured for this
 */
struct imap_session;

/* The session acts for somebody who does not own its account. */
bool session_is_guest(const struct imap_session *s);

/* Bits of enum right. */
unsigned session_get_rights(const struct imap_session *s, const struct mailbox *m);
/* It has all of rights. */
bool session_may(const struct imap_session *s, const struct mailbox *m, unsigned rights);
/* Those bits of flags (view.h) that a holder of rights may set and clear: FLAG_SEEN needs s, FLAG_DELETED t, all others w. */
uint64_t rights_get_flags(unsigned rights);

/* Where a name lives: the account, and what stands in front of the account's own names. */
struct place {
    struct str owner;
    struct str prefix; /* "", or with "/" at its end; borrows from the name, or static */
};
struct place session_find_place(const struct imap_session *s, struct str name);
/* The namespaces of others, by number. */
enum { NAMESPACE_COUNT = 2 };
struct str namespace_get_name(size_t i);
/* The name is one of them, or below. */
bool session_is_foreign(const struct imap_session *s, struct str name);
/* The place is the account of this session. */
bool session_is_place(const struct imap_session *s, const struct place *p);

/* The name within this session's account; borrows. Errors: ERR_NO_MAILBOX (the name lives elsewhere, or is a namespace). */
MUST_USE enum err session_get_store_name(const struct imap_session *s, struct str name,
                                         struct str *out);
/* The mailbox called name, when the session has all of rights (0: any at all that is more than a flag's) on it; counts a
 * reference. What the session may not look up does not exist. Errors: ERR_NO_MAILBOX, ERR_NO_PERMISSION, as
 * account_find_mailbox(). */
MUST_USE enum err session_find_mailbox(const struct imap_session *s, struct str name,
                                       unsigned rights, struct mailbox **out);
/* "* MYRIGHTS name rights": what the session may do with m, which the client calls name. */
void session_write_myrights(const struct imap_session *s, struct str name, const struct mailbox *m,
                            struct buf *out);
/* May the session make a mailbox called so (a name of the account)? It needs k on the nearest one above.
 * Errors: ERR_NO_PERMISSION. */
MUST_USE enum err session_check_create(const struct imap_session *s, struct str store_name);

#endif
