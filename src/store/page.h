#ifndef LIMETTA_STORE_PAGE_H
#define LIMETTA_STORE_PAGE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "store/view.h"

#include <stdbool.h>
#include <stdint.h>

/* Pages and views from the inside; only store/ includes this. view.h is for everybody else. */

struct account;

enum { PAGE_HOT_ROW = 20, PAGE_COLD_ROW = 32 };

/* The cold columns of a page, shared by all pages that differ in hot columns only. */
struct cold {
    unsigned refs;
    bool is_loaded;
    uint32_t room;      /* rows allocated; 0 while not loaded */
    int64_t *dates;     /* INTERNALDATE, Unix time */
    uint64_t *sizes;    /* octets */
    uint64_t *bodies;   /* body ids */
    int64_t *savedates; /* when the message came into this mailbox, Unix time */
};

/* What the hot columns of a page say in sum; made on first use. */
struct page_sums {
    bool is_made;
    uint64_t any_flags; /* set in some row */
    uint64_t all_flags; /* set in every row */
    uint64_t min_modseq;
    uint64_t max_modseq;
};

/* Up to PAGE_MESSAGES_MOST messages by rising UID. Immutable, unless is_draft: then one draft owns it. */
struct page {
    unsigned refs;
    uint32_t count;        /* rows; never 0 in a view */
    uint32_t room;         /* rows allocated */
    uint32_t unseen_count; /* rows without FLAG_SEEN */
    uint64_t total_size;   /* octets of all messages */
    uint64_t number;       /* its place in the mailbox: rises with the UIDs, never reused */
    bool is_draft;
    bool is_hot_new;  /* the hot columns differ from what is stored */
    bool is_cold_new; /* the cold ones do; then cold is not shared either */
    struct cold *cold;
    uint64_t *modseqs;
    uint64_t *flags;
    uint32_t *uids;
    struct page_sums sums; /* of a page that is no draft any more */
};

/* A draft without rows. */
struct page *page_new(uint64_t number, uint32_t room);
/* A draft with the rows of p, room for at least `room`, and p's cold columns, shared. */
struct page *page_copy(const struct page *p, uint32_t room);
struct page *page_ref(struct page *p);
void page_unref(struct page **p);

/* ---- changing a draft ---- */

/* Gives it cold columns of its own; they must be loaded. */
void page_own_cold(struct page *p);
/* Appends a row; m's UID is the highest yet. Needs own cold columns. */
void page_add(struct page *p, const struct message *m);
void page_set_flags(struct page *p, uint32_t row, uint64_t flags, uint64_t modseq);
/* Keeps the rows for which is_kept (one bool a row) says so. Needs own cold columns. */
void page_keep(struct page *p, const bool *is_kept);

/* ---- reading ---- */

/* First row with UID >= uid; count when there is none. */
uint32_t page_find_row(const struct page *p, uint32_t uid);
/* Not of a draft. */
const struct page_sums *page_get_sums(struct page *p);
void page_get_hot(const struct page *p, uint32_t row, struct message *out);
/* The cold columns must be loaded. */
void page_get(const struct page *p, uint32_t row, struct message *out);

/* ---- stored form; byte tables in page.c ---- */

void page_write_hot(const struct page *p, struct buf *out);
void page_write_cold(const struct page *p, struct buf *out);
/* A page that is not a draft, cold columns not loaded. Errors: ERR_CORRUPT. */
MUST_USE enum err page_parse_hot(struct str s, uint64_t number, struct page **out);
/* Fills p->cold. Errors: ERR_CORRUPT. */
MUST_USE enum err page_parse_cold(struct str s, struct page *p);
/* Forgets loaded cold columns: they can be loaded again while p is what is stored. */
void page_drop_cold(struct page *p);

/* ---- views ---- */

/* Where views load cold columns from; outlives the account as long as views do. */
struct view_home {
    unsigned refs;
    struct account *account; /* NULL once it is closed */
    struct list views;       /* every view alive, by node */
};

struct view_home *view_home_new(struct account *a);
/* The account is closing. */
void view_home_leave(struct view_home **h);

struct view {
    struct list node;
    unsigned refs;
    struct view_home *home;
    uint64_t mailbox_id;
    uint64_t
        born_seq; /* bodies released by later entries of the release log may still be read through it */
    uint64_t highestmodseq;
    uint64_t total_size;
    uint32_t uidvalidity;
    uint32_t uidnext;
    uint32_t count;
    uint32_t unseen_count;
    uint32_t page_count;
    struct page **pages;
    uint32_t *first_seqs; /* sequence number of each page's first message; one more: count + 1 */
    uint32_t *first_uids;
};

/* A view of the pages, which it refs; all facts but the sums of pages are the caller's to set. */
struct view *view_new(struct view_home *home, struct page *const *pages, uint32_t page_count);

/* Loads the cold columns of p; defined in load.c. Errors: ERR_IO, ERR_CORRUPT. */
MUST_USE enum err account_load_cold(struct account *a, uint64_t mailbox_id, struct page *p);

#endif
