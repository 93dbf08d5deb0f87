#ifndef LIMETTA_IMAP_CONTEXT_RESULTS_H
#define LIMETTA_IMAP_CONTEXT_RESULTS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/numset.h"
#include "base/str.h"
#include "search/sort_key.h"
#include "store/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The results of one live context, and telling how they change. */
struct context_results {
    struct numset uids; /* what matches */
    uint32_t *order;    /* the same UIDs as a SORT has them; NULL: a SEARCH */
    size_t count;       /* of order */
    /* while a change is told */
    size_t read;  /* REMOVEFROM: next of order to be looked at; ADDTO: next of fresh to be told */
    size_t write; /* REMOVEFROM: how many of them stay; ADDTO: next range of a set */
    uint32_t *fresh; /* UIDs that come, in order */
    size_t *places;  /* before which of order each comes */
    size_t fresh_count;
    size_t placed; /* how many of places are known */
};

/* In whose numbers results are told: those of view, or UIDs. Borrows. */
struct context_line {
    struct str tag;
    const struct view *view;
    bool is_uid;
};

/* found: sequence numbers in v; sorted: the same in order, or NULL. */
void context_results_set(struct context_results *r, const struct view *v,
                         const struct numset *found, const uint32_t *sorted, size_t count);
void context_results_release(struct context_results *r);

/* Tells REMOVEFROM for the UIDs of removed, which must be results and messages of the line's view, and takes them away. STEP_MORE: call
 * again with the same. */
enum step context_results_tell_removed(struct context_results *r, struct numset *removed,
                                       const struct context_line *line, struct buf *out);
/* For a SORT: messages of v, in order, are to come; then places are sought, in portions. STEP_BAD: the disk failed. */
void context_results_begin_placing(struct context_results *r, const struct view *v,
                                   const uint32_t *sorted, size_t count);
enum step context_results_place(struct context_results *r, struct sort_keys *keys, struct view *v);
/* Tells ADDTO for the UIDs of added (a SORT: for those placed), and takes them in. */
enum step context_results_tell_added(struct context_results *r, const struct numset *added,
                                     const struct context_line *line, struct buf *out);

/* Adds the UIDs of the messages of v with the sequence numbers of the range; numbers that are not there are passed over. */
void context_add_uids(const struct view *v, struct numrange seqs, struct numset *uids);
/* The other way. */
void context_find_seqs(const struct view *v, const struct numset *uids, struct numset *seqs);

#endif
