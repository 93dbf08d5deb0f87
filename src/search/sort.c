/* Sorting a mailbox.
 *
 * First the keys are collected, message by message, then they are sorted; both in portions, so that a mailbox of any size leaves its
 * neighbours their turn.
 *
 *   item   the first 8 octets of the key as a number | where the rest is | sequence number      16 octets a message
 *   rest   length (2, little-endian), octets; of all messages in one buffer; a key of 8 octets has none
 *
 * Most comparisons end at the number. The sort is a merge from the bottom up, which can stop anywhere: runs of RUN items are
 * put in order by insertion, then runs are merged pass by pass between two arrays. It is stable, and the items come by rising
 * sequence number, so what compares equal stays in the order of the mailbox (RFC 5256, 3). A pair of runs that is in order
 * already is copied: mail often arrives sorted. */
#include "search/sort.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { RUN = 16, KEY_COST = 512, KEY_MOST = 64 * 1024, PREFIX = 8, PIECE = 4096 };
enum { KEYS_CAP = 1024 * 1024 * 1024 };

struct item {
    uint64_t prefix;
    uint32_t rest; /* offset in keys, plus 1; 0: none */
    uint32_t seq;
};

enum sort_phase { COLLECT, RUNS, MERGE, DONE };

struct sort {
    struct mailbox *mailbox;
    struct view *view;
    const struct numset *seqs;
    struct sort_keys sort_keys;
    enum sort_phase phase;
    enum err err;
    size_t range;  /* of seqs */
    uint32_t next; /* within the range, from 0 */
    struct buf key;
    struct buf keys;
    struct item *items;
    struct item *other; /* the target of a merge */
    size_t count;
    size_t room;
    size_t width; /* of the runs being merged */
    size_t at;    /* in the target */
    size_t left;  /* next item of the left run, of the right run */
    size_t right;
    uint32_t *result;
};

struct sort *sort_new(const struct sort_args *args)
{
    struct sort *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        abort();
    }
    mailbox_ref(args->mailbox);
    s->mailbox = args->mailbox;
    s->view = view_ref(args->view);
    s->seqs = args->seqs;
    sort_keys_init(&s->sort_keys, mailbox_get_account(args->mailbox), args->program);
    buf_init(&s->key, KEY_MOST);
    buf_init(&s->keys, KEYS_CAP);
    s->room = numset_get_count(s->seqs);
    s->items = calloc(s->room + 1, sizeof(*s->items));
    if (s->items == NULL) {
        abort();
    }
    return s;
}

static void drop_keys(struct sort *s)
{
    free(s->items);
    free(s->other);
    s->items = NULL;
    s->other = NULL;
    buf_release(&s->keys);
    buf_release(&s->key);
    sort_keys_release(&s->sort_keys);
}

void sort_free(struct sort **sort)
{
    struct sort *s = *sort;
    if (s == NULL) {
        return;
    }
    if (s->phase != DONE) {
        drop_keys(s);
    }
    free(s->result);
    view_unref(&s->view);
    mailbox_unref(&s->mailbox);
    free(s);
    *sort = NULL;
}

/* ---- comparing ---- */

static struct str get_rest(const struct sort *s, const struct item *i)
{
    if (i->rest == 0) {
        return STR_EMPTY;
    }
    const unsigned char *p = (const unsigned char *)s->keys.p + (i->rest - 1);
    return str_make((const char *)p + 2, (size_t)p[0] | (size_t)p[1] << 8);
}

static bool is_after(const struct sort *s, const struct item *a, const struct item *b)
{
    if (a->prefix != b->prefix) {
        return a->prefix > b->prefix;
    }
    return (a->rest | b->rest) != 0 && str_cmp(get_rest(s, a), get_rest(s, b)) > 0;
}

/* ---- collecting ---- */

static enum err collect(struct sort *s, uint32_t seq)
{
    buf_clear(&s->key);
    TRY(sort_keys_write(&s->sort_keys, s->view, (struct seq){seq}, &s->key));
    struct str key = buf_str(&s->key);
    struct item item = {.seq = seq};
    for (size_t i = 0; i < PREFIX; i++) {
        item.prefix = item.prefix << 8 | (i < key.n ? (unsigned char)key.p[i] : 0);
    }
    if (key.n > PREFIX) {
        item.rest = (uint32_t)s->keys.len + 1;
        buf_add_le16(&s->keys, (uint16_t)(key.n - PREFIX));
        buf_add(&s->keys, str_skip(key, PREFIX));
    }
    s->items[s->count++] = item;
    return buf_err(&s->keys);
}

static enum err step_collect(struct sort *s, uint64_t *budget)
{
    while (s->range<s->seqs->count && * budget> 0) {
        struct numrange r = s->seqs->at[s->range];
        assert(s->count < s->room);
        TRY(collect(s, r.first + s->next));
        if (r.first + s->next == r.last) {
            s->range++;
            s->next = 0;
        } else {
            s->next++;
        }
        *budget -= *budget < KEY_COST ? *budget : KEY_COST;
    }
    if (s->range == s->seqs->count) {
        s->phase = RUNS;
    }
    return ERR_OK;
}

/* ---- sorting ---- */

static void sort_run(struct sort *s, struct item *items, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct item item = items[i];
        size_t k = i;
        for (; k > 0 && is_after(s, &items[k - 1], &item); k--) {
            items[k] = items[k - 1];
        }
        items[k] = item;
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void begin_pass(struct sort *s, size_t width)
{
    s->width = width;
    s->at = 0;
    s->left = 0;
    s->right = least(width, s->count);
}

static void step_runs(struct sort *s, uint64_t *budget)
{
    for (; s->at<s->count && * budget> 0; s->at += RUN) {
        sort_run(s, s->items + s->at, least(RUN, s->count - s->at));
        *budget -= *budget < RUN ? *budget : RUN;
    }
    if (s->at < s->count) {
        return;
    }
    s->phase = MERGE;
    s->other = s->count > RUN ? calloc(s->count, sizeof(*s->other)) : NULL;
    if (s->other == NULL && s->count > RUN) {
        abort();
    }
    begin_pass(s, RUN);
}

/* Merges up to n items of the pair of runs [start, middle) and [middle, end), of which at - start are done. */
static void merge(struct sort *s, size_t middle, size_t end, size_t n)
{
    for (; n > 0; n--) {
        bool is_right = s->left == middle
                        || (s->right < end && is_after(s, &s->items[s->left], &s->items[s->right]));
        s->other[s->at++] = s->items[is_right ? s->right++ : s->left++];
    }
}

/* One portion of a pass. */
static uint64_t step_pair(struct sort *s)
{
    size_t start = s->at / (2 * s->width) * (2 * s->width);
    size_t middle = least(start + s->width, s->count);
    size_t end = least(start + 2 * s->width, s->count);
    if (s->at == start) {
        s->left = start;
        s->right = middle;
        if (middle == end || !is_after(s, &s->items[middle - 1], &s->items[middle])) {
            memcpy(s->other + start, s->items + start, (end - start) * sizeof(*s->items));
            s->at = end;
            return (end - start) / RUN + 1;
        }
    }
    size_t n = least(end - s->at, PIECE);
    merge(s, middle, end, n);
    return n;
}

static void step_merge(struct sort *s, uint64_t *budget)
{
    while (s->width<s->count && * budget> 0) {
        uint64_t cost = step_pair(s);
        *budget -= *budget < cost ? *budget : cost;
        if (s->at == s->count) {
            struct item *items = s->items;
            s->items = s->other;
            s->other = items;
            begin_pass(s, 2 * s->width);
        }
    }
}

static void finish(struct sort *s)
{
    s->result = calloc(s->count + 1, sizeof(*s->result));
    if (s->result == NULL) {
        abort();
    }
    for (size_t i = 0; i < s->count; i++) {
        s->result[i] = s->items[i].seq;
    }
    drop_keys(s);
    s->phase = DONE;
}

enum step sort_step(struct sort *s, uint64_t budget)
{
    if (s->err == ERR_OK && s->phase == COLLECT) {
        s->err = step_collect(s, &budget);
    }
    if (s->err != ERR_OK) {
        return STEP_BAD;
    }
    if (s->phase == RUNS) {
        step_runs(s, &budget);
    }
    if (s->phase == MERGE) {
        step_merge(s, &budget);
        if (s->width >= s->count) {
            finish(s);
        }
    }
    return s->phase == DONE ? STEP_DONE : STEP_MORE;
}

enum err sort_get_err(const struct sort *s)
{
    return s->err;
}

const uint32_t *sort_get_result(const struct sort *s, size_t *count)
{
    *count = s->count;
    return s->result;
}

uint32_t *sort_take_result(struct sort *s, size_t *count)
{
    uint32_t *result = s->result;
    *count = s->count;
    s->result = NULL;
    return result;
}
