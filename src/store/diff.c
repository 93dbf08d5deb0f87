/* Diff: all news of a mailbox, from comparing what a client knows with what is.
 *
 * Both views list messages by rising UID, so this is a merge. Its speed comes from pages: where both cursors stand at the
 * start of one and the same page there can be no news in it, and both step over it. The pages of two views need
 * not line up (expunges drop and merge pages); then rows are compared until they line up again. */
#include "store/page.h"

void diff_init(struct diff *d, struct view *old_view, struct view *new_view)
{
    *d = (struct diff){.old_view = old_view, .new_view = new_view};
}

/* Steps from the end of a page to the start of the next. */
static void settle(const struct view *v, uint32_t *page, uint32_t *row)
{
    if (v != NULL && *page < v->page_count && *row >= v->pages[*page]->count) {
        (*page)++;
        *row = 0;
    }
}

static const struct page *find_page(const struct view *v, uint32_t page)
{
    return v != NULL && page < v->page_count ? v->pages[page] : NULL;
}

static void skip_shared(struct diff *d)
{
    for (;;) {
        settle(d->old_view, &d->old_page, &d->old_row);
        settle(d->new_view, &d->new_page, &d->new_row);
        const struct page *p = find_page(d->old_view, d->old_page);
        if (p == NULL || d->old_row != 0 || d->new_row != 0
            || p != find_page(d->new_view, d->new_page)) {
            return;
        }
        d->old_page++;
        d->new_page++;
    }
}

static void emit(const struct view *v, uint32_t page, uint32_t row, enum diff_kind kind,
                 struct diff_item *out)
{
    out->kind = kind;
    out->seq.v = v->first_seqs[page] + row;
    out->uid.v = v->pages[page]->uids[row];
}

bool diff_next(struct diff *d, struct diff_item *out)
{
    for (;;) {
        skip_shared(d);
        const struct page *p = find_page(d->old_view, d->old_page);
        const struct page *q = find_page(d->new_view, d->new_page);
        if (p == NULL && q == NULL) {
            return false;
        }
        if (q == NULL || (p != NULL && p->uids[d->old_row] < q->uids[d->new_row])) {
            emit(d->old_view, d->old_page, d->old_row++, DIFF_EXPUNGED, out);
            return true;
        }
        if (p == NULL || p->uids[d->old_row] > q->uids[d->new_row]) {
            emit(d->new_view, d->new_page, d->new_row++, DIFF_ADDED, out);
            return true;
        }
        uint32_t i = d->old_row++;
        uint32_t k = d->new_row++;
        if (p->modseqs[i] != q->modseqs[k] || p->flags[i] != q->flags[k]) {
            emit(d->new_view, d->new_page, k, DIFF_CHANGED, out);
            return true;
        }
    }
}
