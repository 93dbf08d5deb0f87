#ifndef LIMETTA_IMAP_WALK_H
#define LIMETTA_IMAP_WALK_H

#include "base/numset.h"
#include "store/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A cursor over the messages of a view that a set names, by rising sequence number. Holds no copy of anything: a set
 * of "1:*" over a million messages is one range. Borrows the set and the view. */
struct walk {
    const struct numset *set;
    struct view *view;
    bool is_uid;   /* the set's numbers are UIDs; those that do not exist are passed over */
    size_t range;  /* next range of set */
    uint32_t next; /* next sequence number of the current run; 0: none */
    uint32_t last; /* last one of the run */
};

/* Hot columns of messages next to each other; borrowed while the view lives. */
struct walk_run {
    struct seq first;
    size_t count;
    const uint32_t *uids;
    const uint64_t *modseqs;
    const uint64_t *flags;
};

/* Message i of the run, its hot columns. */
static inline struct message walk_get(const struct walk_run *run, size_t i)
{
    return (struct message){
        .uid = {run->uids[i]}, .modseq = run->modseqs[i], .flags = run->flags[i]};
}

void walk_init(struct walk *w, struct view *v, const struct numset *set, bool is_uid);
/* The next message; false at the end. */
bool walk_next(struct walk *w, struct seq *out);
/* The next messages of one page, at most `most` of them; false at the end. */
bool walk_next_run(struct walk *w, size_t most, struct walk_run *out);

/* How many messages of v set names. */
uint64_t walk_count(struct view *v, const struct numset *set, bool is_uid);
/* Adds to uids the UIDs of all messages of v that set names. */
void walk_collect_uids(struct view *v, const struct numset *set, bool is_uid, struct numset *uids);

#endif
