/* What a sort leaves behind: the order of the mailbox.
 *
 * Sorting 100,000 messages is mostly making their keys. But all keys are immutable, so the order of two messages never changes, and
 * an order that was once known is true of all views with the same messages. Those are told apart without keeping a view: UIDs rise and
 * are never given twice, so a view with the same UIDNEXT and the same count has the same messages. (A kept view would keep
 * expunged bodies on disk.)
 *
 *     same UIDNEXT, same count       the order as it is
 *     some messages gone             the order without them
 *     a few messages came            each put in its place by some 17 comparisons
 *     more, or an older view         not known
 *
 * An account keeps one order, of the mailbox sorted last, eight octets a message, until it rests. */
#include "search/sort_memo.h"

#include <stdlib.h>
#include <string.h>

enum {
    ADDED_MOST = 64,
    KEY_CAP = 64 * 1024,
    FOLLOW_WORK_MOST = 640 * 1024 /* ADDED_MOST messages of the usual kind */
};

static void drop(struct account_memo *base)
{
    struct sort_memo *memo = (struct sort_memo *)base;
    sort_memo_unref(&memo);
}

static struct sort_memo *memo_new(struct mailbox *m, const struct view *v,
                                  const struct sort_program *program)
{
    size_t room = view_get_count(v);
    struct sort_memo *memo = calloc(1, sizeof(*memo) + (2 * room + 1) * sizeof(uint32_t));
    if (memo == NULL) {
        abort();
    }
    memo->base.drop = drop;
    memo->refs = 1;
    memo->mailbox_id = mailbox_get_id(m);
    memo->uidvalidity = view_get_uidvalidity(v);
    memo->uidnext = view_get_uidnext(v).v;
    memo->program = *program;
    memo->uids = (uint32_t *)(void *)(memo + 1);
    memo->seqs = memo->uids + room;
    return memo;
}

void sort_memo_unref(struct sort_memo **memo)
{
    if (*memo != NULL && --(*memo)->refs == 0) {
        free(*memo);
    }
    *memo = NULL;
}

static bool is_same_program(const struct sort_program *a, const struct sort_program *b)
{
    bool is_same = a->count == b->count;
    for (size_t i = 0; is_same && i < a->count; i++) {
        is_same = a->at[i].kind == b->at[i].kind && a->at[i].is_reverse == b->at[i].is_reverse;
    }
    return is_same;
}

static uint32_t get_uid(const struct view *v, uint32_t seq)
{
    struct message m;
    view_get_hot(v, (struct seq){seq}, &m);
    return m.uid.v;
}

/* ---- after changes ---- */

/* Those of memo that are still there. */
static void copy_left(const struct sort_memo *memo, const struct view *v, struct sort_memo *out)
{
    for (uint32_t i = 0; i < memo->count; i++) {
        struct seq seq = view_find_uid(v, (struct uid){memo->uids[i]});
        if (seq.v != 0) {
            out->uids[out->count] = memo->uids[i];
            out->seqs[out->count++] = seq.v;
        }
    }
}

/* The place of a message whose key is given, among those that are there: behind its equals, for it is the newest of them. */
static enum err find_place(const struct sort_memo *memo, struct sort_keys *keys, struct view *v,
                           struct str key, uint32_t *place)
{
    struct buf pivot = BUF_INIT(KEY_CAP);
    uint32_t low = 0;
    uint32_t high = memo->count;
    enum err e = ERR_OK;
    while (low < high && e == ERR_OK) {
        uint32_t middle = low + (high - low) / 2;
        buf_clear(&pivot);
        e = sort_keys_write(keys, v, (struct seq){memo->seqs[middle]}, &pivot);
        if (e == ERR_OK && str_cmp(buf_str(&pivot), key) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    buf_release(&pivot);
    *place = low;
    return e;
}

static enum err insert(struct sort_memo *memo, struct sort_keys *keys, struct view *v, uint32_t seq)
{
    struct buf key = BUF_INIT(KEY_CAP);
    uint32_t at = 0;
    enum err e = sort_keys_write(keys, v, (struct seq){seq}, &key);
    if (e == ERR_OK) {
        e = find_place(memo, keys, v, buf_str(&key), &at);
    }
    buf_release(&key);
    TRY(e);
    size_t behind = (memo->count - at) * sizeof(uint32_t);
    memmove(memo->uids + at + 1, memo->uids + at, behind);
    memmove(memo->seqs + at + 1, memo->seqs + at, behind);
    memo->uids[at] = get_uid(v, seq);
    memo->seqs[at] = seq;
    memo->count++;
    return ERR_OK;
}

/* The order of v, from that of an earlier view; NULL: too much has changed, it takes too long, or the disk fails. */
static struct sort_memo *follow(const struct sort_memo *memo, struct mailbox *m, struct view *v)
{
    uint32_t first = view_find_uid_from(v, (struct uid){memo->uidnext}).v;
    uint32_t count = view_get_count(v);
    if (view_get_uidnext(v).v < memo->uidnext || count + 1 - first > ADDED_MOST
        || first - 1 > memo->count) {
        return NULL;
    }
    struct sort_memo *now = memo_new(m, v, &memo->program);
    struct sort_keys keys;
    enum err e = ERR_OK;
    copy_left(memo, v, now);
    sort_keys_init(&keys, mailbox_get_account(m), &memo->program);
    for (uint32_t seq = first; seq <= count && e == ERR_OK; seq++) {
        e = keys.work < FOLLOW_WORK_MOST ? insert(now, &keys, v, seq) : ERR_LIMIT;
    }
    sort_keys_release(&keys);
    if (e != ERR_OK || now->count != count) {
        sort_memo_unref(&now);
    }
    return now;
}

/* ---- finding and keeping ---- */

struct sort_memo *sort_memo_find(struct mailbox *m, struct view *v,
                                 const struct sort_program *program)
{
    struct account *a = mailbox_get_account(m);
    struct sort_memo *memo = (struct sort_memo *)account_find_memo(a);
    bool is_it = memo != NULL && memo->mailbox_id == mailbox_get_id(m)
                 && memo->uidvalidity == view_get_uidvalidity(v)
                 && is_same_program(&memo->program, program);
    if (!is_it) {
        return NULL;
    }
    if (memo->uidnext != view_get_uidnext(v).v || memo->count != view_get_count(v)) {
        memo = follow(memo, m, v);
        if (memo == NULL) {
            return NULL;
        }
        account_set_memo(a, &memo->base);
    }
    memo->refs++;
    return memo;
}

void sort_memo_keep(struct mailbox *m, const struct view *v, const struct sort_program *program,
                    const uint32_t *seqs, size_t count)
{
    if (count < SORT_MEMO_LEAST || count > SORT_MEMO_MOST || count != view_get_count(v)) {
        return;
    }
    struct sort_memo *memo = memo_new(m, v, program);
    memo->count = (uint32_t)count;
    memcpy(memo->seqs, seqs, count * sizeof(*seqs));
    for (size_t i = 0; i < count; i++) {
        memo->uids[i] = get_uid(v, seqs[i]);
    }
    account_set_memo(mailbox_get_account(m), &memo->base);
}
