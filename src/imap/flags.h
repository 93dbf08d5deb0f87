#ifndef LIMETTA_IMAP_FLAGS_H
#define LIMETTA_IMAP_FLAGS_H

#include "base/buf.h"
#include "base/numset.h"
#include "base/str.h"
#include "store/store.h"
#include "wire/imap_scan.h"

#include <stdbool.h>
#include <stdint.h>

/* Flags as IMAP writes them: "\Seen $Forwarded" (RFC 3501, 2.3.2). */

/* Appends the names of flags (of m's numbering) with SP between, \Recent first when is_recent. */
void flags_write(struct buf *out, const struct mailbox *m, uint64_t flags, bool is_recent);
/* Appends all flag names that m knows. */
void flags_write_all(struct buf *out, const struct mailbox *m);
/* The bits that a client's list means in m. may_add: keywords that m does not have yet are made (pending); else they are
 * passed over. Errors: ERR_LIMIT (m has no bit left). */
MUST_USE enum err flags_find_bits(struct mailbox *m, const struct flag_list *list, bool may_add,
                                  uint64_t *bits);

/* The text of one combination of flags, made again only when the next message has another one. */
struct flags_text {
    struct buf text;
    uint64_t flags;
    bool is_recent;
    bool is_made;
};

/* Borrowed until the next call. */
struct str flags_text_get(struct flags_text *t, const struct mailbox *m, uint64_t flags,
                          bool is_recent);
void flags_text_release(struct flags_text *t);

#endif
