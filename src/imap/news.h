#ifndef LIMETTA_IMAP_NEWS_H
#define LIMETTA_IMAP_NEWS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/numset.h"
#include "store/store.h"
#include "store/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The one place that tells a client what changed in its mailbox. */

struct imap_session;

/* What a STORE or a FETCH told already, so that the news do not tell it again: these messages, as they are in view. */
struct told {
    struct view *view; /* counted; NULL: nothing was told */
    struct numset uids;
};

enum news_phase {
    NEWS_NONE,
    NEWS_REMOVED,
    NEWS_VANISHED,
    NEWS_EXISTS,
    NEWS_FETCH,
    NEWS_RESULTS,
    NEWS_ADDED
};

/* A generator: what it has told, and what it goes on with. All zero: nothing is being told. */
struct news {
    enum news_phase phase;
    struct view *target;    /* counted: what the client will know at the end */
    struct view *from;      /* counted: the view whose difference to target is told by FETCH */
    struct diff diff;       /* from it to target */
    struct numset vanished; /* UIDs known and gone */
    size_t vanished_at;     /* range of vanished (VANISHED), or messages told (EXPUNGE) */
    uint32_t removed_count; /* how many messages of known are gone */
    bool is_by_number;      /* by EXPUNGE; else by VANISHED */
    bool has_vanished;      /* since it was last cleared, VANISHED or EXPUNGE was sent */
    struct numset added;    /* UIDs of new messages of which NOTIFY wants to know more */
    struct fetch_job *job;  /* tells it; NULL: not yet */
    struct told told;
};

/* Begins, when anything changed. may_expunge: EXPUNGE and VANISHED may be sent now; if not, and messages are gone,
 * everything waits for the next time. */
void news_begin(struct imap_session *s, bool may_expunge);
/* Goes on: STEP_MORE when out is full for now, STEP_DONE at the end, STEP_BAD when the session must end (the mailbox
 * is gone; the BYE is in out). */
enum step news_step(struct imap_session *s, struct buf *out);
/* The selected mailbox, if any, is there and may be read (RFC 4314, 5.1.1); if not, false, and the BYE is in out. */
bool news_check_mailbox(struct imap_session *s, struct buf *out);
/* What is told stands between two responses. */
bool news_is_between(const struct news *n);
/* Adds to uids those that the news under way have told to be gone, while what the client knows still has them; how many. */
uint32_t news_find_told_removed(const struct news *n, struct numset *uids);
/* Forgets what was told and what is half told. */
void news_release(struct news *n);

/* "* FLAGS" and "* OK [PERMANENTFLAGS]" for the selected mailbox. */
void news_write_flags(struct imap_session *s, struct buf *out);
/* "* FLAGS" again, when the mailbox has keywords that this client was not told of: before a FETCH that may name them. */
void news_write_new_keywords(struct imap_session *s, struct buf *out);
/* How many messages of m, as they are in v, are \Recent here or would be for a session that selected it now. */
uint64_t news_count_recent(const struct imap_session *s, struct mailbox *m, struct view *v);
/* "* n EXISTS" and "* n RECENT" for v, and makes what is new there \Recent for this session. IMAP4rev2: EXISTS only. */
void news_write_exists(struct imap_session *s, struct view *v, struct buf *out);
/* The same for what NOTIFY kept untold, before a command or EXPUNGE speaks in numbers that the client does not know of. */
void news_tell_count(struct imap_session *s, struct buf *out);

#endif
