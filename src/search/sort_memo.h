#ifndef LIMETTA_SEARCH_SORT_MEMO_H
#define LIMETTA_SEARCH_SORT_MEMO_H

#include "search/sort_key.h"
#include "store/store.h"
#include "store/view.h"

#include <stddef.h>
#include <stdint.h>

/* The order of a whole mailbox, kept with its account (account_set_memo()): clients sort the same mailbox the same way again. */
struct sort_memo {
    struct account_memo base;
    unsigned refs;
    uint64_t mailbox_id;
    uint32_t uidvalidity;
    uint32_t uidnext;
    struct sort_program program;
    uint32_t *uids; /* in order */
    uint32_t *seqs; /* the same messages, by their numbers in a view of this uidnext and count */
    uint32_t count;
};

enum { SORT_MEMO_LEAST = 1000, SORT_MEMO_MOST = 200000 };

/* The order of v by program, counted; NULL: it is not known. What came or went since it was kept is put in place, if that is
 * little. */
struct sort_memo *sort_memo_find(struct mailbox *m, struct view *v,
                                 const struct sort_program *program);
void sort_memo_unref(struct sort_memo **memo);
/* Keeps the order of all messages of v. A mailbox that is too small or too large is passed over. */
void sort_memo_keep(struct mailbox *m, const struct view *v, const struct sort_program *program,
                    const uint32_t *seqs, size_t count);

#endif
