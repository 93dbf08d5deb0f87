#ifndef LIMETTA_IMAP_CONTEXTS_H
#define LIMETTA_IMAP_CONTEXTS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/numset.h"
#include "base/str.h"
#include "search/program.h"
#include "search/sort_key.h"
#include "store/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Live contexts (RFC 5267, 4.3): searching commands whose client wants to hear how their results change. They belong to the
 * selected mailbox; the news keep them (imap/news.h). */

struct imap_session;
struct contexts;

/* How many contexts a session may have; one at least is promised (RFC 5267, 4.3.1). */
enum { CONTEXTS_MOST = 16 };

/* A context that begins: what was asked and found, in the view that the client knows. Everything is copied. */
struct context_args {
    struct str tag;
    bool is_uid;
    struct str atts; /* FETCH attributes to be told of new messages that match; empty: none */
    const struct search_key *program;
    const struct numset *found;       /* sequence numbers */
    const struct sort_program *order; /* NULL: of SEARCH */
    const uint32_t *sorted;           /* found, in order; NULL with order NULL */
    size_t count;                     /* of sorted */
};

/* Errors: ERR_LIMIT (too many contexts, or one too large to be kept): then there is none. */
MUST_USE enum err contexts_add(struct imap_session *s, const struct context_args *args);
bool contexts_has_tag(const struct contexts *all, struct str tag);
/* No-op when there is none of that tag. */
void contexts_cancel(struct contexts *all, struct str tag);
void contexts_free(struct contexts **all);

/* Appends all contexts, for another process (imap/resume.h); as if no others than these could be kept. */
enum contexts_kept { CONTEXTS_ALL, CONTEXTS_UNSORTED, CONTEXTS_NONE };
void contexts_write_state(const struct contexts *all, enum contexts_kept kept, struct buf *out);
/* The other way, behind s->selected.known; appends to unsaid the responses that tell of those that could not be kept.
 * Errors: ERR_CORRUPT. */
MUST_USE enum err contexts_read_state(struct imap_session *s, struct str state, struct buf *unsaid);

/* The two generators of the news; STEP_MORE: call again. The results that vanish, UIDs known and gone: REMOVEFROM, in numbers of
 * what the client knows; before EXPUNGE. */
enum step contexts_tell_removed(struct imap_session *s, const struct numset *vanished,
                                struct buf *out);
/* The results that came or went since what the client knew: ADDTO and REMOVEFROM, in numbers of target; behind EXISTS. A context
 * that cannot be kept any longer (the disk fails) ends with NOUPDATE. */
enum step contexts_tell_changed(struct imap_session *s, struct view *target, struct buf *out);
/* What contexts want to know of messages that are new among their results because they are new at all (RFC 5465, 7). STEP_BAD:
 * as of fetch_job_step(). */
enum step contexts_tell_new(struct imap_session *s, struct view *target, struct buf *out);

#endif
