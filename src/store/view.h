#ifndef LIMETTA_STORE_VIEW_H
#define LIMETTA_STORE_VIEW_H

#include "base/err.h"
#include "base/numset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A mailbox is a list of immutable pages; a view is an array of pointers to them, and never changes. */

enum { PAGE_MESSAGES_MOST = 256, KEYWORD_FIRST = 8 };

/* System flags; keywords are bits KEYWORD_FIRST..63, numbered by each mailbox. \Recent is no stored flag. */
#define FLAG_SEEN (UINT64_C(1) << 0)
#define FLAG_ANSWERED (UINT64_C(1) << 1)
#define FLAG_FLAGGED (UINT64_C(1) << 2)
#define FLAG_DELETED (UINT64_C(1) << 3)
#define FLAG_DRAFT (UINT64_C(1) << 4)
/* Of a view that was made again: the message was changed since, and its flags are those of now, not those that the view had. */
#define FLAG_UNSURE (UINT64_C(1) << 7)
#define FLAGS_SYSTEM (FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT)

struct message {
    struct uid uid;
    uint64_t modseq;
    uint64_t flags;
    /* cold columns, loaded on first use */
    int64_t internaldate_s;
    uint64_t
        size; /* as BODY[] shows it (mime/present.h); that of the stored octets, but with binary parts */
    uint64_t body_id;
    int64_t savedate_s;
};

struct view;

struct view *view_ref(struct view *v);
void view_unref(struct view **v);

uint32_t view_get_count(const struct view *v);
uint32_t view_get_uidvalidity(const struct view *v);
struct uid view_get_uidnext(const struct view *v);
/* Never 0. */
uint64_t view_get_highestmodseq(const struct view *v);
/* Messages without \Seen; sequence number of the first of them (0: none). */
uint32_t view_get_unseen_count(const struct view *v);
struct seq view_get_first_unseen(const struct view *v);
uint64_t view_get_total_size(const struct view *v);
/* UIDs >= first: how many messages (for \Recent). */
uint32_t view_count_from_uid(const struct view *v, struct uid first);

/* Where a view stands: enough to make it again (mailbox_rebuild_view()). */
struct view_mark {
    uint64_t highestmodseq;
    uint32_t uidvalidity;
    uint32_t uidnext;
    uint32_t count;
};
void view_get_mark(const struct view *v, struct view_mark *out);

/* seq: 1..count (asserted). Fills uid, modseq, flags only. */
void view_get_hot(const struct view *v, struct seq seq, struct message *out);
/* Fills everything. Errors: ERR_IO, ERR_CORRUPT (cold columns could not be loaded), ERR_NOT_FOUND (removed before the view was
 * made again). */
MUST_USE enum err view_get(struct view *v, struct seq seq, struct message *out);
/* Sequence number of uid; 0 when it is not there. */
struct seq view_find_uid(const struct view *v, struct uid uid);
/* Sequence number of the first message with UID >= uid; count + 1 when there is none. */
struct seq view_find_uid_from(const struct view *v, struct uid uid);
/* Hot columns of up to `most` messages from seq on, for tight loops; returns how many (at least 1, never past a page).
 * The arrays are borrowed while the view lives. */
size_t view_get_run(const struct view *v, struct seq seq, const uint32_t **uids,
                    const uint64_t **modseqs, const uint64_t **flags);

/* What is true of many messages at once: those of the page that begins at seq. */
struct view_sums {
    uint32_t count; /* messages */
    struct uid first;
    struct uid last;
    uint64_t any_flags; /* set in some of them */
    uint64_t all_flags; /* set in all */
    uint64_t min_modseq;
    uint64_t max_modseq;
};
/* false: no page begins at seq. */
bool view_get_sums(const struct view *v, struct seq seq, struct view_sums *out);

/* ---- diff: all news comes from here ---- */

enum diff_kind {
    DIFF_EXPUNGED, /* seq: in the old view */
    DIFF_CHANGED,  /* flags or modseq differ; seq: in the new view */
    DIFF_ADDED     /* seq: in the new view */
};

struct diff_item {
    enum diff_kind kind;
    struct seq seq;
    struct uid uid;
};

/* A cursor over the differences; borrows both views. Items come by rising UID. Shared pages cost a pointer compare. */
struct diff {
    struct view *old_view;
    struct view *new_view;
    uint32_t old_page;
    uint32_t new_page;
    uint32_t old_row;
    uint32_t new_row;
};

/* Both views are of one mailbox with one UIDVALIDITY. old_view NULL: everything is added. */
void diff_init(struct diff *d, struct view *old_view, struct view *new_view);
/* false at the end. */
bool diff_next(struct diff *d, struct diff_item *out);

#endif
