/* Drafts: the next view of a mailbox, while a loop turn writes to it.
 *
 * A draft begins as the committed view's array of pages. The first edit of a page in a turn copies it; later edits of that
 * turn change the copy. So a thousand flag changes in one turn copy and store each page once. Pages that no edit
 * touched go into the next view as they are.
 *
 * Invariants: pages hold at least one row, at most PAGE_MESSAGES_MOST, UIDs rise through all of them, page numbers
 * rise, too. Expunges leave thin pages; neighbours that together fill no more than half a page are merged, so a
 * mailbox of n messages has at most about 4n/PAGE_MESSAGES_MOST + 1 pages, whatever its history. */
#include "store/store_priv.h"

#include <assert.h>

enum { MERGE_MOST = PAGE_MESSAGES_MOST / 2 };

enum err draft_begin(struct mailbox *m, struct draft **out)
{
    if (m->is_deleted || m->is_deleting) {
        return ERR_NO_MAILBOX;
    }
    if (m->draft == NULL) {
        struct view *v;
        TRY(mailbox_get_view(m, &v));
        struct draft *d = store_allocate(sizeof(*d));
        d->pages.at =
            v->page_count == 0 ? NULL : store_allocate((v->page_count + 1) * sizeof(struct page *));
        d->pages.size = v->page_count == 0 ? 0 : v->page_count + 1;
        for (uint32_t i = 0; i < v->page_count; i++) {
            d->pages.at[d->pages.count++] = page_ref(v->pages[i]);
        }
        d->highestmodseq = m->highestmodseq;
        d->next_page = m->next_page;
        d->uidnext = m->uidnext;
        m->draft = d;
    }
    *out = m->draft;
    return ERR_OK;
}

void draft_free(struct draft **d)
{
    if (*d == NULL) {
        return;
    }
    for (size_t i = 0; i < (*d)->pages.count; i++) {
        page_unref(&(*d)->pages.at[i]);
    }
    for (size_t i = 0; i < (*d)->expunged.count; i++) {
        numset_release(&(*d)->expunged.at[i].uids);
    }
    vec_release(&(*d)->pages);
    vec_release(&(*d)->gone);
    vec_release(&(*d)->expunged);
    vec_release(&(*d)->taken);
    vec_release(&(*d)->released);
    free(*d);
    *d = NULL;
}

static struct page *edit_with_room(struct draft *d, size_t i, uint32_t room)
{
    struct page **p = &d->pages.at[i];
    if (!(*p)->is_draft || (*p)->room < room) {
        struct page *copy = page_copy(*p, room);
        page_unref(p);
        *p = copy;
    }
    return *p;
}

struct page *draft_edit_hot(struct draft *d, size_t i)
{
    return edit_with_room(d, i, d->pages.at[i]->count);
}

enum err draft_load_cold(struct mailbox *m, struct page *p)
{
    return p->cold->is_loaded ? ERR_OK : account_load_cold(m->account, m->id, p);
}

enum err draft_edit_cold(struct mailbox *m, struct draft *d, size_t i, struct page **out)
{
    TRY(draft_load_cold(m, d->pages.at[i]));
    *out = draft_edit_hot(d, i);
    page_own_cold(*out);
    return ERR_OK;
}

/* The last page as a draft with a free row, or a new page. */
static enum err edit_tail(struct mailbox *m, struct draft *d, struct page **out)
{
    size_t count = d->pages.count;
    if (count > 0 && d->pages.at[count - 1]->count < PAGE_MESSAGES_MOST) {
        TRY(draft_load_cold(m, d->pages.at[count - 1]));
        uint32_t used = d->pages.at[count - 1]->count;
        uint32_t room = used < PAGE_MESSAGES_MOST / 2 ? 2 * used + 2 : PAGE_MESSAGES_MOST;
        bool is_full = used == d->pages.at[count - 1]->room;
        *out = edit_with_room(d, count - 1, is_full ? room : used + 1);
        page_own_cold(*out);
        return ERR_OK;
    }
    if (d->next_page >> PAGE_NUMBER_BITS != 0) {
        return ERR_LIMIT;
    }
    vec_push(&d->pages, page_new(d->next_page++, 4));
    *out = d->pages.at[count];
    return ERR_OK;
}

enum err draft_append(struct mailbox *m, struct draft *d, struct message *msg)
{
    if (d->uidnext == UINT32_MAX) {
        return ERR_LIMIT;
    }
    struct page *p;
    TRY(edit_tail(m, d, &p));
    msg->uid.v = d->uidnext++;
    page_add(p, msg);
    quota_count(m->account, 1, (int64_t)msg->size);
    d->highestmodseq = msg->modseq;
    return ERR_OK;
}

/* ---- sets beside pages ---- */

bool pick_has(struct pick *p, uint32_t uid)
{
    while (p->at < p->set->count && p->set->at[p->at].last < uid) {
        p->at++;
    }
    return p->at < p->set->count && p->set->at[p->at].first <= uid;
}

bool pick_may_have(struct pick *p, uint32_t first, uint32_t last)
{
    return pick_has(p, first) || (p->at < p->set->count && p->set->at[p->at].first <= last);
}

/* ---- expunge ---- */

/* Says which rows of a page stay; true when some go. */
static bool mark_rows(const struct page *p, struct pick *pick, bool is_only_deleted,
                      bool is_kept[static PAGE_MESSAGES_MOST])
{
    bool has_gone = false;
    if (!pick_may_have(pick, p->uids[0], p->uids[p->count - 1])) {
        return false;
    }
    for (uint32_t row = 0; row < p->count; row++) {
        bool is_picked = pick_has(pick, p->uids[row])
                         && (!is_only_deleted || (p->flags[row] & FLAG_DELETED) != 0);
        is_kept[row] = !is_picked;
        has_gone = has_gone || is_picked;
    }
    return has_gone;
}

static enum err expunge_rows(struct mailbox *m, struct draft *d, size_t i, const bool *is_kept)
{
    struct page *p;
    TRY(draft_edit_cold(m, d, i, &p));
    for (uint32_t row = 0; row < p->count; row++) {
        if (!is_kept[row]) {
            vec_push(&d->released, p->cold->bodies[row]);
            quota_count(m->account, -1, -(int64_t)p->cold->sizes[row]);
        }
    }
    page_keep(p, is_kept);
    return ERR_OK;
}

/* Moves the rows of page i + 1 into page i. */
static enum err merge_next(struct mailbox *m, struct draft *d, size_t i)
{
    struct page *q = d->pages.at[i + 1];
    TRY(draft_load_cold(m, q));
    TRY(draft_load_cold(m, d->pages.at[i]));
    struct page *p = edit_with_room(d, i, d->pages.at[i]->count + q->count);
    page_own_cold(p);
    for (uint32_t row = 0; row < q->count; row++) {
        struct message msg;
        page_get(q, row, &msg);
        page_add(p, &msg);
    }
    vec_push(&d->gone, q->number);
    page_unref(&d->pages.at[i + 1]);
    vec_remove(&d->pages, i + 1);
    return ERR_OK;
}

/* Drops empty pages and merges thin ones. */
static enum err tidy(struct mailbox *m, struct draft *d)
{
    size_t to = 0;
    for (size_t i = 0; i < d->pages.count; i++) {
        if (d->pages.at[i]->count == 0) {
            vec_push(&d->gone, d->pages.at[i]->number);
            page_unref(&d->pages.at[i]);
            continue;
        }
        d->pages.at[to++] = d->pages.at[i];
    }
    d->pages.count = to;
    for (size_t i = 0; i + 1 < d->pages.count;) {
        const struct page *p = d->pages.at[i];
        const struct page *q = d->pages.at[i + 1];
        if ((p->is_draft || q->is_draft) && p->count + q->count <= MERGE_MOST) {
            TRY(merge_next(m, d, i));
            continue;
        }
        i++;
    }
    return ERR_OK;
}

enum err draft_expunge(struct mailbox *m, struct draft *d, const struct numset *uids,
                       bool is_only_deleted, struct numset *removed)
{
    struct pick pick = {uids, 0};
    struct expunged *e = NULL;
    bool is_kept[PAGE_MESSAGES_MOST] = {false};
    for (size_t i = 0; i < d->pages.count; i++) {
        const struct page *p = d->pages.at[i];
        if (!mark_rows(p, &pick, is_only_deleted, is_kept)) {
            continue;
        }
        if (e == NULL) {
            d->highestmodseq = account_next_modseq(m->account);
            vec_push(&d->expunged, (struct expunged){d->highestmodseq, NUMSET_INIT});
            e = &d->expunged.at[d->expunged.count - 1];
        }
        for (uint32_t row = 0; row < p->count; row++) {
            if (!is_kept[row]) {
                numset_add(&e->uids, p->uids[row], p->uids[row]);
            }
        }
        TRY(expunge_rows(m, d, i, is_kept));
    }
    if (e == NULL) {
        return ERR_OK;
    }
    if (removed != NULL) {
        numset_add_set(removed, &e->uids);
    }
    return tidy(m, d);
}
