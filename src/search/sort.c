/* Sorting a mailbox.
 *
 * First the keys are collected, message by message, then they are sorted (order.h); both in portions, so that a mailbox of any size
 * leaves its neighbours their turn.
 *
 *   item   the first 8 octets of the key as a number | where the rest is | sequence number      16 octets a message
 *   rest   length (2, little-endian), octets; of all messages in one buffer; a key of 8 octets has none
 *
 * If the order of the whole mailbox is known from an earlier sort (sort_memo.h), it is only gone through.
 *
 * Most comparisons end at the number. The sort is stable, and the items come by rising sequence number, so what compares equal stays
 * in the order of the mailbox (RFC 5256, 3). */
#include "search/sort.h"

#include "search/order.h"
#include "search/sort_memo.h"

#include <assert.h>
#include <stdlib.h>

/* Of a part of the mailbox smaller than this the keys are made faster than the known order is gone through. */
enum { FILTER_SHARE = 32 };
enum { KEY_MOST = 64 * 1024, PREFIX = 8 };
enum { KEYS_CAP = 256 * 1024 * 1024 };

enum sort_phase { COLLECT, ORDER, FILTER, DONE };

struct sort {
    struct mailbox *mailbox;
    struct view *view;
    const struct numset *seqs;
    struct sort_keys sort_keys;
    enum sort_phase phase;
    enum err err;
    bool is_all;            /* all messages of view */
    struct sort_memo *memo; /* counted: the order is known; NULL: it is to be found */
    size_t memo_at;
    size_t range;  /* of seqs */
    uint32_t next; /* within the range, from 0 */
    struct buf key;
    struct buf keys;
    struct order order;
    size_t room; /* of order.items */
    size_t count;
    uint32_t *result;
};

static struct str get_rest(const struct sort *s, const struct order_item *i)
{
    if (i->more == 0) {
        return STR_EMPTY;
    }
    const unsigned char *p = (const unsigned char *)s->keys.p + (i->more - 1);
    return str_make((const char *)p + 2, (size_t)p[0] | (size_t)p[1] << 8);
}

static int compare_rest(void *owner, const struct order_item *a, const struct order_item *b)
{
    return str_cmp(get_rest(owner, a), get_rest(owner, b));
}

static uint32_t *new_result(size_t count)
{
    uint32_t *result = calloc(count + 1, sizeof(*result));
    if (result == NULL) {
        abort();
    }
    return result;
}

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
    s->sort_keys.scores = args->scores;
    uint32_t count = view_get_count(s->view);
    s->room = numset_get_count(s->seqs);
    s->is_all = s->room == count && args->scores == NULL;
    if (args->scores == NULL && s->room > count / FILTER_SHARE) {
        s->memo = sort_memo_find(s->mailbox, s->view, args->program);
    }
    if (s->memo != NULL) {
        s->phase = FILTER;
        s->result = new_result(s->room);
        return s;
    }
    buf_init(&s->key, KEY_MOST);
    buf_init(&s->keys, KEYS_CAP);
    struct order_item *items = calloc(s->room + 1, sizeof(*items));
    if (items == NULL) {
        abort();
    }
    order_init(&s->order, items, 0);
    s->order.compare = compare_rest;
    s->order.owner = s;
    return s;
}

static void drop_keys(struct sort *s)
{
    sort_memo_unref(&s->memo);
    order_release(&s->order);
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

/* ---- collecting ---- */

static enum err collect(struct sort *s, uint32_t seq)
{
    buf_clear(&s->key);
    TRY(sort_keys_write(&s->sort_keys, s->view, (struct seq){seq}, &s->key));
    struct str key = buf_str(&s->key);
    struct order_item item = {.id = seq};
    for (size_t i = 0; i < PREFIX; i++) {
        item.key = item.key << 8 | (i < key.n ? (unsigned char)key.p[i] : 0);
    }
    if (key.n > PREFIX) {
        item.more = (uint32_t)s->keys.len + 1;
        buf_add_le16(&s->keys, (uint16_t)(key.n - PREFIX));
        buf_add(&s->keys, str_skip(key, PREFIX));
    }
    s->order.items[s->order.count++] = item;
    return buf_err(&s->keys);
}

static enum err step_collect(struct sort *s, uint64_t *budget)
{
    while (s->range<s->seqs->count && * budget> 0) {
        struct numrange r = s->seqs->at[s->range];
        assert(s->order.count < s->room);
        TRY(collect(s, r.first + s->next));
        uint64_t cost = s->sort_keys.work;
        s->sort_keys.work = 0;
        if (r.first + s->next == r.last) {
            s->range++;
            s->next = 0;
        } else {
            s->next++;
        }
        *budget -= *budget < cost ? *budget : cost;
    }
    if (s->range == s->seqs->count) {
        s->phase = ORDER;
    }
    return ERR_OK;
}

static void finish(struct sort *s)
{
    s->count = s->order.count;
    s->result = new_result(s->count);
    for (size_t i = 0; i < s->count; i++) {
        s->result[i] = s->order.items[i].id;
    }
    if (s->is_all) {
        sort_memo_keep(s->mailbox, s->view, s->sort_keys.program, s->result, s->count);
    }
    drop_keys(s);
    s->phase = DONE;
}

/* Takes from the known order what is wanted. */
static void step_filter(struct sort *s, uint64_t *budget)
{
    for (; s->memo_at<s->memo->count && * budget> 0; s->memo_at++) {
        uint32_t seq = s->memo->seqs[s->memo_at];
        if (s->is_all || numset_has(s->seqs, seq)) {
            s->result[s->count++] = seq;
        }
        --*budget;
    }
    if (s->memo_at == s->memo->count) {
        drop_keys(s);
        s->phase = DONE;
    }
}

enum step sort_step(struct sort *s, uint64_t budget)
{
    if (s->err == ERR_OK && s->phase == COLLECT) {
        s->err = step_collect(s, &budget);
    }
    if (s->err != ERR_OK) {
        return STEP_BAD;
    }
    if (s->phase == ORDER && order_step(&s->order, &budget)) {
        finish(s);
    }
    if (s->phase == FILTER) {
        step_filter(s, &budget);
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
