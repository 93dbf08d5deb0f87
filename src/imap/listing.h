#ifndef LIMETTA_IMAP_LISTING_H
#define LIMETTA_IMAP_LISTING_H

#include "base/str.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>

/* The names that LIST walks, as the asker writes them: of its own account, or, for a guest, those that it may look up. The calls
 * are those of the store (account_next_mailbox(), account_seek_mailbox()), for a session. */
struct imap_session;

/* Sorted as the store's rows. An owner is shown no names of other namespaces, but the namespaces themselves, as parents; the
 * names below come from the accounts where they live (far_list.h). */
bool session_next_mailbox(struct imap_session *s, size_t *at, struct mailbox_info *out);
size_t session_seek_mailbox(struct imap_session *s, struct str name);

/* A guest's rows, made once: the names that it may look up, and those of subscribed, whether they are there or not. */
struct listing;
void session_make_listing(struct imap_session *s, const struct str *subscribed, size_t count);
/* There is a mailbox in it. */
bool listing_has_mailbox(const struct listing *l);
void listing_free(struct listing **l);

#endif
