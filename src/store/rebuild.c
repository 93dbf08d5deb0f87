/* A view made again from its mark: what a client knew, in a process that never saw it.
 *
 * A session that left its process, or lost it, keeps of its view only where it stood: HIGHESTMODSEQ, UIDNEXT and how many
 * messages (struct view_mark, some twenty octets). All else follows from what the store keeps for ever (RFC 7162, 3.2.10):
 *
 *     then:   1 2 3 4 5 6 7 .          mark: UIDNEXT 8, modseq 90
 *     now:    1 2   4 5'  7 8 9        expunged above 90: 3, 6
 *     again:  1 2 x 4 5"x 7 .          the pages of now, but for the rows that differ
 *
 * What was not changed since shares its pages with now, so the ordinary diff steps over it. What was changed has the flags of
 * now, which cannot be known better (FLAG_UNSURE), and the mark's modseq: so the diff tells it. What was expunged stands in its place with
 * nothing but its UID (body 0; view_get() says so), so numbers are right, and the diff tells that it is gone. What came is left out.
 *
 * Invariants: count is that of the mark, or nothing is made. Rows that have another page's neighbours get cold columns of
 * their own, for a page's cold columns are stored by row. */
#include "store/store_priv.h"

#include <assert.h>

struct rebuild {
    const struct view_mark *mark;
    struct view *now;
    struct account *account;
    uint64_t mailbox_id;
    struct numset gone; /* UIDs that were there */
    size_t gone_at;     /* range, */
    uint32_t gone_next; /* and the next of it; 0: its first */
    VEC(struct page *) pages;
    struct page *draft; /* rows without a stored page; NULL: none at hand */
};

void view_get_mark(const struct view *v, struct view_mark *out)
{
    *out = (struct view_mark){.highestmodseq = v->highestmodseq,
                              .uidvalidity = v->uidvalidity,
                              .uidnext = v->uidnext,
                              .count = v->count};
}

static void end_draft(struct rebuild *r)
{
    if (r->draft != NULL) {
        r->draft->is_draft = false;
        vec_push(&r->pages, r->draft);
        r->draft = NULL;
    }
}

static void add_row(struct rebuild *r, const struct message *m)
{
    if (r->draft != NULL && r->draft->count == r->draft->room) {
        end_draft(r);
    }
    if (r->draft == NULL) {
        r->draft = page_new(0, PAGE_MESSAGES_MOST);
    }
    page_add(r->draft, m);
}

/* The next UID that is gone and below the limit; 0: none. */
static uint32_t peek_gone(const struct rebuild *r, uint32_t limit)
{
    if (r->gone_at >= r->gone.count) {
        return 0;
    }
    uint32_t uid = r->gone_next != 0 ? r->gone_next : r->gone.at[r->gone_at].first;
    return uid < limit ? uid : 0;
}

static void add_gone_below(struct rebuild *r, uint32_t limit)
{
    uint32_t uid = 0;
    while ((uid = peek_gone(r, limit)) != 0) {
        const struct message ghost = {
            .uid = {uid}, .flags = FLAG_SEEN, .modseq = r->mark->highestmodseq};
        add_row(r, &ghost);
        bool is_last = uid == r->gone.at[r->gone_at].last;
        r->gone_next = is_last ? 0 : uid + 1;
        r->gone_at += is_last ? 1 : 0;
    }
}

/* The rows of p with what is gone between them. */
static enum err add_rows(struct rebuild *r, struct page *p)
{
    if (!p->cold->is_loaded) {
        TRY(account_load_cold(r->account, r->mailbox_id, p));
    }
    for (uint32_t row = 0; row < p->count && p->uids[row] < r->mark->uidnext; row++) {
        struct message m;
        page_get(p, row, &m);
        add_gone_below(r, m.uid.v);
        if (m.modseq > r->mark->highestmodseq) {
            m.modseq = r->mark->highestmodseq;
            m.flags |= FLAG_UNSURE;
        }
        add_row(r, &m);
    }
    return ERR_OK;
}

/* All rows were known, and none is gone between them. */
static void add_page(struct rebuild *r, struct page *p)
{
    end_draft(r);
    if (page_get_sums(p)->max_modseq <= r->mark->highestmodseq) {
        vec_push(&r->pages, page_ref(p));
        return;
    }
    struct page *copy = page_copy(p, p->count);
    for (uint32_t row = 0; row < copy->count; row++) {
        if (copy->modseqs[row] > r->mark->highestmodseq) {
            page_set_flags(copy, row, copy->flags[row] | FLAG_UNSURE, r->mark->highestmodseq);
        }
    }
    copy->is_draft = false;
    vec_push(&r->pages, copy);
}

static enum err add_all(struct rebuild *r)
{
    for (uint32_t i = 0; i < r->now->page_count; i++) {
        struct page *p = r->now->pages[i];
        if (p->uids[0] >= r->mark->uidnext) {
            break;
        }
        add_gone_below(r, p->uids[0]);
        bool is_cut = p->uids[p->count - 1] >= r->mark->uidnext;
        if (is_cut || peek_gone(r, p->uids[p->count - 1]) != 0) {
            TRY(add_rows(r, p));
        } else {
            add_page(r, p);
        }
    }
    add_gone_below(r, r->mark->uidnext);
    end_draft(r);
    return ERR_OK;
}

/* What was there and is not now. */
static enum err find_gone(struct rebuild *r, struct mailbox *m, const struct numset *left_out)
{
    TRY(mailbox_get_expunged(m, r->mark->highestmodseq, &r->gone));
    numset_remove(&r->gone, r->mark->uidnext, UINT32_MAX);
    numset_subtract(&r->gone, left_out);
    return ERR_OK;
}

static enum err make_view(struct rebuild *r, struct mailbox *m, const struct numset *left_out,
                          struct view **out)
{
    TRY(find_gone(r, m, left_out));
    TRY(add_all(r));
    struct view *v = view_new(m->account->home, r->pages.at, (uint32_t)r->pages.count);
    v->mailbox_id = m->id;
    v->born_seq = r->now->born_seq;
    v->uidvalidity = r->mark->uidvalidity;
    v->uidnext = r->mark->uidnext;
    v->highestmodseq = r->mark->highestmodseq;
    if (v->count != r->mark->count) {
        view_unref(&v);
        return ERR_CORRUPT;
    }
    *out = v;
    return ERR_OK;
}

static bool is_now(const struct view *now, const struct view_mark *mark)
{
    return now->highestmodseq == mark->highestmodseq && now->uidnext == mark->uidnext
           && now->count == mark->count;
}

enum err mailbox_rebuild_view(struct mailbox *m, const struct view_mark *mark,
                              const struct numset *left_out, struct view **out)
{
    struct view *now = NULL;
    TRY(mailbox_get_view(m, &now));
    if (now->uidvalidity != mark->uidvalidity) {
        return ERR_NO_MAILBOX;
    }
    if (mark->highestmodseq > now->highestmodseq || mark->uidnext > now->uidnext
        || mark->uidnext == 0) {
        return ERR_CORRUPT;
    }
    if (is_now(now, mark)) {
        *out = view_ref(now);
        return ERR_OK;
    }
    struct rebuild r = {.mark = mark,
                        .now = view_ref(now),
                        .account = m->account,
                        .mailbox_id = m->id,
                        .gone = NUMSET_INIT,
                        .pages = VEC_INIT};
    enum err e = make_view(&r, m, left_out, out);
    end_draft(&r);
    for (size_t i = 0; i < r.pages.count; i++) {
        page_unref(&r.pages.at[i]);
    }
    vec_release(&r.pages);
    numset_release(&r.gone);
    view_unref(&r.now);
    return e;
}
