#ifndef LIMETTA_SEARCH_THREAD_H
#define LIMETTA_SEARCH_THREAD_H

#include "base/err.h"
#include "base/numset.h"
#include "search/thread_tree.h"
#include "store/store.h"
#include "store/view.h"

/* Threads of messages of a view, on their way. */
struct thread;

struct thread_args {
    struct mailbox *mailbox;   /* referenced; whose view it is */
    struct view *view;         /* referenced */
    const struct numset *seqs; /* sequence numbers in the view; borrowed until thread_free() */
    enum thread_algorithm algorithm;
};

struct thread *thread_new(const struct thread_args *args);
void thread_free(struct thread **t);
/* Goes on until about `budget` units are used, as search_step() counts them. STEP_BAD: see thread_get_err(). */
enum step thread_step(struct thread *t, uint64_t budget);
/* ERR_IO, ERR_CORRUPT, ERR_LIMIT. */
enum err thread_get_err(const struct thread *t);
/* After STEP_DONE: the forest; its threads are the children of node 0. Borrowed. */
const struct thread_node *thread_get_nodes(const struct thread *t);

#endif
