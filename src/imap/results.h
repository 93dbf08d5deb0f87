#ifndef LIMETTA_IMAP_RESULTS_H
#define LIMETTA_IMAP_RESULTS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/numset.h"
#include "base/str.h"
#include "imap/search_return.h"
#include "store/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The messages that a searching command found, in its order: those of a set as they stand in the mailbox, or those of an
 * array. Borrows everything. */
struct results {
    const struct view *view;
    const struct numset *set; /* sequence numbers in the view; NULL: at */
    const uint32_t *at;       /* the same, in the order of a sort */
    uint64_t count;
    bool is_uid; /* they are told as UIDs */
};

/* Where in the results one is; all zero: at the start. */
struct results_place {
    uint64_t next;   /* position, from 0 */
    size_t range;    /* of the set */
    uint32_t offset; /* in the range */
};

struct results results_of_set(const struct view *v, const struct numset *set, bool is_uid);
struct results results_of_array(const struct view *v, const uint32_t *at, size_t count,
                                bool is_uid);
/* The next message; false at the end. */
bool results_next(const struct results *r, struct results_place *p, struct seq *out);
/* Sets the place to a position, counted from 0. */
void results_seek(const struct results *r, struct results_place *p, uint64_t position);
/* Appends " 1 2 3"; STEP_MORE when out is full for now. */
enum step results_write_numbers(const struct results *r, struct results_place *p, struct buf *out);

/* Adds to uids what "$" becomes when these results are saved with those wishes (RFC 5182, 2.4; RFC 9394, 3.2). */
void results_save(const struct results *r, const struct search_return *wants, struct numset *uids);

/* An ESEARCH response on its way (RFC 4731, 5267): a generator. Set all but the last lines, and step it. */
struct esearch {
    struct results results;
    const struct search_return *wants; /* borrowed */
    struct str tag;
    bool has_modseq; /* the search named MODSEQ: tell that of the results (RFC 4731, 3.2) */
    struct str
        mailbox; /* as written to this client; empty: the response tells no mailbox (RFC 7377, 2.1) */
    const uint8_t *scores; /* by sequence number, for RELEVANCY; NULL: nothing was fuzzy */
    /* its own */
    unsigned phase;
    struct results_place place;
    uint64_t end; /* of the list being written, position */
    bool is_behind_first;
    uint64_t first; /* where the list of PARTIAL began */
};

enum step esearch_step(struct esearch *e, struct buf *out);

#endif
