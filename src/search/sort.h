#ifndef LIMETTA_SEARCH_SORT_H
#define LIMETTA_SEARCH_SORT_H

#include "base/err.h"
#include "base/numset.h"
#include "search/sort_key.h"
#include "store/store.h"
#include "store/view.h"

#include <stddef.h>
#include <stdint.h>

/* A sort on its way: messages of a view into the order of a program. It yields when its budget is used. */
struct sort;

struct sort_args {
    struct mailbox *mailbox;   /* referenced; whose view it is */
    struct view *view;         /* referenced */
    const struct numset *seqs; /* sequence numbers in the view; borrowed until sort_free() */
    const uint8_t
        *scores; /* by sequence number, for SORT_RELEVANCY; may be NULL; borrowed likewise */
    const struct sort_program *program; /* borrowed until sort_free() */
};

struct sort *sort_new(const struct sort_args *args);
void sort_free(struct sort **s);
/* Goes on until about `budget` units are used, as search_step() counts them. STEP_BAD: see sort_get_err(). */
enum step sort_step(struct sort *s, uint64_t budget);
/* ERR_IO, ERR_CORRUPT; ERR_LIMIT: the keys take more memory than one command may have. */
enum err sort_get_err(const struct sort *s);
/* After STEP_DONE: sequence numbers in order. Borrowed. */
const uint32_t *sort_get_result(const struct sort *s, size_t *count);

#endif
