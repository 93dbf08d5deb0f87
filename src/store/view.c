/* Views: what a mailbox is at one moment, for as long as somebody looks.
 *
 *     view of Monday            view of Tuesday: the second page changed, a fourth was begun
 *     +---+---+---+             +---+---+---+---+
 *     | a | b | c |             | a | B | c | d |
 *     +-|-+-|-+-|-+             +-|-+-|-+-|-+-|-+
 *       |   |   '------------.    |   |   |   '--> page d
 *       |   '-> page b       |    |   |   |
 *       |                    '----|---|---+------> page c
 *       '-------------------------+---|----------> page a
 *                                     '----------> page B: b's UIDs and cold columns, new flags
 *
 * A view costs an array of pointers with two small arrays beside it: the sequence number each page starts at, which turns a
 * sequence number into a page by binary search, and the UID it starts at, which does the same for UIDs without touching
 * the pages. Sums over pages (messages, unseen, octets) are taken once, when the view is made.
 *
 * Every view is in its account's list while it lives: the store deletes a body only when no view can lead to it. */
#include "store/page.h"

#include <assert.h>

struct view_home *view_home_new(struct account *a)
{
    struct view_home *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        abort();
    }
    h->refs = 1;
    h->account = a;
    list_init(&h->views);
    return h;
}

static void home_unref(struct view_home **h)
{
    if (--(*h)->refs == 0) {
        free(*h);
    }
    *h = NULL;
}

void view_home_leave(struct view_home **h)
{
    (*h)->account = NULL;
    home_unref(h);
}

struct view *view_new(struct view_home *home, struct page *const *pages, uint32_t page_count)
{
    size_t slots = (size_t)page_count;
    struct view *v =
        calloc(1, sizeof(*v) + slots * sizeof(struct page *) + (2 * slots + 1) * sizeof(uint32_t));
    if (v == NULL) {
        abort();
    }
    v->refs = 1;
    v->home = home;
    home->refs++;
    list_append(&home->views, &v->node);
    v->page_count = page_count;
    v->pages = (struct page **)(void *)((char *)v + sizeof(*v));
    v->first_seqs = (uint32_t *)(void *)(v->pages + page_count);
    v->first_uids = v->first_seqs + page_count + 1;
    uint32_t seq = 1;
    for (uint32_t i = 0; i < page_count; i++) {
        struct page *p = page_ref(pages[i]);
        v->pages[i] = p;
        v->first_seqs[i] = seq;
        v->first_uids[i] = p->uids[0];
        v->unseen_count += p->unseen_count;
        v->total_size += p->total_size;
        seq += p->count;
    }
    v->first_seqs[page_count] = seq;
    v->count = seq - 1;
    return v;
}

struct view *view_ref(struct view *v)
{
    v->refs++;
    return v;
}

void view_unref(struct view **v)
{
    if (*v != NULL && --(*v)->refs == 0) {
        for (uint32_t i = 0; i < (*v)->page_count; i++) {
            page_unref(&(*v)->pages[i]);
        }
        list_remove(&(*v)->node);
        home_unref(&(*v)->home);
        free(*v);
    }
    *v = NULL;
}

uint32_t view_get_count(const struct view *v)
{
    return v->count;
}

uint32_t view_get_uidvalidity(const struct view *v)
{
    return v->uidvalidity;
}

struct uid view_get_uidnext(const struct view *v)
{
    return (struct uid){v->uidnext};
}

uint64_t view_get_highestmodseq(const struct view *v)
{
    return v->highestmodseq;
}

uint32_t view_get_unseen_count(const struct view *v)
{
    return v->unseen_count;
}

struct seq view_get_first_unseen(const struct view *v)
{
    uint32_t i = 0;
    while (i < v->page_count && v->pages[i]->unseen_count == 0) {
        i++;
    }
    if (i == v->page_count) {
        return (struct seq){0};
    }
    uint32_t row = 0;
    while ((v->pages[i]->flags[row] & FLAG_SEEN) != 0) {
        row++;
    }
    return (struct seq){v->first_seqs[i] + row};
}

uint64_t view_get_total_size(const struct view *v)
{
    return v->total_size;
}

uint32_t view_count_from_uid(const struct view *v, struct uid first)
{
    return v->count + 1 - view_find_uid_from(v, first).v;
}

/* Index of the last of the count rising numbers that is <= n; 0 when all are above. */
static uint32_t find_last(const uint32_t *at, uint32_t count, uint32_t n)
{
    uint32_t low = 0;
    uint32_t high = count;
    while (low + 1 < high) {
        uint32_t mid = low + (high - low) / 2;
        if (at[mid] <= n) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return low;
}

/* Page and row of a sequence number. */
static struct page *find_seq(const struct view *v, struct seq seq, uint32_t *row)
{
    assert(seq.v >= 1 && seq.v <= v->count);
    uint32_t i = find_last(v->first_seqs, v->page_count, seq.v);
    *row = seq.v - v->first_seqs[i];
    return v->pages[i];
}

void view_get_hot(const struct view *v, struct seq seq, struct message *out)
{
    uint32_t row;
    const struct page *p = find_seq(v, seq, &row);
    page_get_hot(p, row, out);
}

enum err view_get(struct view *v, struct seq seq, struct message *out)
{
    uint32_t row;
    struct page *p = find_seq(v, seq, &row);
    if (!p->cold->is_loaded) {
        if (v->home->account == NULL) {
            return ERR_IO;
        }
        TRY(account_load_cold(v->home->account, v->mailbox_id, p));
    }
    page_get(p, row, out);
    return out->body_id != 0 ? ERR_OK : ERR_NOT_FOUND;
}

struct seq view_find_uid_from(const struct view *v, struct uid uid)
{
    if (v->page_count == 0) {
        return (struct seq){1};
    }
    uint32_t i = find_last(v->first_uids, v->page_count, uid.v);
    return (struct seq){v->first_seqs[i] + page_find_row(v->pages[i], uid.v)};
}

struct seq view_find_uid(const struct view *v, struct uid uid)
{
    if (v->page_count == 0) {
        return (struct seq){0};
    }
    uint32_t i = find_last(v->first_uids, v->page_count, uid.v);
    uint32_t row = page_find_row(v->pages[i], uid.v);
    bool is_there = row < v->pages[i]->count && v->pages[i]->uids[row] == uid.v;
    return (struct seq){is_there ? v->first_seqs[i] + row : 0};
}

bool view_get_sums(const struct view *v, struct seq seq, struct view_sums *out)
{
    uint32_t low = 0;
    uint32_t high = v->page_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (v->first_seqs[middle] < seq.v) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == v->page_count || v->first_seqs[low] != seq.v) {
        return false;
    }
    struct page *p = v->pages[low];
    const struct page_sums *sums = page_get_sums(p);
    *out = (struct view_sums){
        .count = p->count,
        .first = {p->uids[0]},
        .last = {p->uids[p->count - 1]},
        .any_flags = sums->any_flags,
        .all_flags = sums->all_flags,
        .min_modseq = sums->min_modseq,
        .max_modseq = sums->max_modseq,
    };
    return true;
}

size_t view_get_run(const struct view *v, struct seq seq, const uint32_t **uids,
                    const uint64_t **modseqs, const uint64_t **flags)
{
    uint32_t row;
    const struct page *p = find_seq(v, seq, &row);
    *uids = p->uids + row;
    *modseqs = p->modseqs + row;
    *flags = p->flags + row;
    return p->count - row;
}
