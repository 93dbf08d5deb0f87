/* Which messages a sequence set names.
 *
 * A command's set arrives as ranges of numbers, either sequence numbers or UIDs (the UID commands). It is never turned
 * into an array: the cursor takes range after range, finds with two searches in the view which sequence numbers it
 * covers, and hands them out as runs of the view's packed columns. Numbers that name no message are passed over,
 * which RFC 3501, 6.4.8 asks for UIDs; for sequence numbers the command has refused them before (set_check).
 */
#include "imap/walk.h"

void walk_init(struct walk *w, struct view *v, const struct numset *set, bool is_uid)
{
    *w = (struct walk){.set = set, .view = v, .is_uid = is_uid};
}

/* Steps to the next range that covers messages; false at the end. */
static bool walk_next_range(struct walk *w)
{
    uint32_t count = view_get_count(w->view);
    while (w->range < w->set->count) {
        struct numrange r = w->set->at[w->range++];
        uint32_t first = r.first;
        uint32_t last = r.last;
        if (w->is_uid) {
            first = view_find_uid_from(w->view, (struct uid){r.first}).v;
            last = r.last == UINT32_MAX
                       ? count
                       : view_find_uid_from(w->view, (struct uid){r.last + 1}).v - 1;
        }
        if (last > count) {
            last = count;
        }
        if (first >= 1 && first <= last) {
            w->next = first;
            w->last = last;
            return true;
        }
    }
    return false;
}

bool walk_next(struct walk *w, struct seq *out)
{
    if (w->next == 0 && !walk_next_range(w)) {
        return false;
    }
    *out = (struct seq){w->next};
    w->next = w->next == w->last ? 0 : w->next + 1;
    return true;
}

bool walk_next_run(struct walk *w, size_t most, struct walk_run *out)
{
    if (w->next == 0 && !walk_next_range(w)) {
        return false;
    }
    out->first = (struct seq){w->next};
    size_t n = view_get_run(w->view, out->first, &out->uids, &out->modseqs, &out->flags);
    size_t left = w->last - w->next + 1;
    n = n < left ? n : left;
    out->count = n < most ? n : most;
    w->next = out->count == left ? 0 : w->next + (uint32_t)out->count;
    return true;
}

uint64_t walk_count(struct view *v, const struct numset *set, bool is_uid)
{
    struct walk w;
    struct walk_run run;
    uint64_t count = 0;
    walk_init(&w, v, set, is_uid);
    while (walk_next_run(&w, SIZE_MAX, &run)) {
        count += run.count;
    }
    return count;
}

void walk_collect_uids(struct view *v, const struct numset *set, bool is_uid, struct numset *uids)
{
    struct walk w;
    walk_init(&w, v, set, is_uid);
    struct walk_run run;
    while (walk_next_run(&w, SIZE_MAX, &run)) {
        size_t start = 0;
        for (size_t i = 1; i <= run.count; i++) {
            if (i == run.count || run.uids[i] != run.uids[i - 1] + 1) {
                numset_add(uids, run.uids[start], run.uids[i - 1]);
                start = i;
            }
        }
    }
}
