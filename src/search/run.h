#ifndef LIMETTA_SEARCH_RUN_H
#define LIMETTA_SEARCH_RUN_H

#include "base/err.h"
#include "base/numset.h"
#include "search/program.h"
#include "store/store.h"
#include "store/view.h"

#include <stdint.h>

/* A search on its way: a cursor over the messages of a view. It yields when its budget is used, even within a message. */
struct search;

struct search_args {
    struct mailbox *mailbox;     /* referenced; whose view it is */
    struct view *view;           /* referenced */
    struct search_key *program;  /* borrowed until search_free(); ids are written into it */
    const struct numset *recent; /* borrowed: UIDs that are \Recent for this session; NULL: none */
    int64_t now_s;               /* Unix time, for OLDER and YOUNGER */
    const struct numset
        *within; /* borrowed: only these sequence numbers are looked at; NULL: all */
};

/* Errors: ERR_TOO_DEEP, ERR_LIMIT (too many keys, a text longer than SEARCH_TEXT_MOST). */
MUST_USE enum err search_new(const struct search_args *args, struct search **out);
void search_free(struct search **s);

/* Goes on until about `budget` units are used: one a message looked at, one an octet matched, and
 * what fetching things costs beside that.
 * STEP_MORE: call again; STEP_DONE: the result is complete; STEP_BAD: see search_get_err(). */
enum step search_step(struct search *s, uint64_t budget);
/* ERR_IO, ERR_CORRUPT: why it is bad. A message that vanished from the disk's view meanwhile counts as not found. */
enum err search_get_err(const struct search *s);
/* Sequence numbers in the view that match, so far. Borrowed. */
const struct numset *search_get_result(const struct search *s);
/* How many messages of the view are judged; less than all while search_step() says STEP_MORE. */
uint32_t search_get_progress(const struct search *s);
/* Of how many. */
uint32_t search_get_goal(const struct search *s);
/* How relevant the matches are, 1 to 100, by sequence number; NULL: no key is fuzzy (RFC 6203, 4). Borrowed. */
const uint8_t *search_get_scores(const struct search *s);
/* The highest modseq of the matches; 0: none (RFC 7162, 3.1.5). */
uint64_t search_get_highestmodseq(const struct search *s);

#endif
