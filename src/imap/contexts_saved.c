/* Live contexts go on in another process.
 *
 *     varint    when messages were last judged by their age; contexts; for each:
 *                 string  tag; varint: bits of enum context_flag
 *                 string  what to tell of new messages
 *                 program, as a tree: kind, number, text, field, ranges, children
 *                 varint  sort criteria; for each: kind, doubled, and one more when reversed
 *                 set     of results, as UIDs; the same in order, when there are criteria
 *
 * Results are UIDs, told up to the view that the client knows; the first news of the new process go on from there. A context whose
 * news are half told (there is no saying how far), or that has no room, is saved as its tag alone: it ends with NOUPDATE, as
 * RFC 5267, 4.3 lets a server end one at any time.
 *
 * Reading believes nothing: a tree has the bounds that parsing gives it (search/program.h), an order has the results and no others. */
#include "imap/contexts_priv.h"

#include "base/mem.h"
#include "imap/saved.h"
#include "imap/session_priv.h"

#include <stdlib.h>

enum context_flag { IS_OVER = 1, IS_UID = 2, CONTEXT_FLAGS_MOST = 3 };

/* ---- writing ---- */

static uint64_t fold(int64_t n)
{
    return (uint64_t)n << 1 ^ (n < 0 ? UINT64_MAX : 0);
}

static int64_t unfold(uint64_t n)
{
    return (int64_t)(n >> 1 ^ ((n & 1) != 0 ? UINT64_MAX : 0));
}

static void write_key(const struct search_key *k, struct buf *out)
{
    size_t children = 0;
    for (const struct search_key *child = k->child; child != NULL; child = child->next) {
        children++;
    }
    buf_add_varint(out, (uint64_t)k->kind * 2 + (k->is_fuzzy ? 1 : 0));
    buf_add_varint(out, fold(k->number));
    saved_write_str(out, k->text);
    saved_write_str(out, k->field);
    buf_add_varint(out, k->set.count);
    for (size_t i = 0; i < k->set.count; i++) {
        buf_add_varint(out, k->set.at[i].first);
        buf_add_varint(out, k->set.at[i].last);
    }
    buf_add_varint(out, children);
    for (const struct search_key *child = k->child; child != NULL; child = child->next) {
        write_key(child, out);
    }
}

static void write_results(const struct context *c, struct buf *out)
{
    buf_add_varint(out, c->order.count);
    for (size_t i = 0; i < c->order.count; i++) {
        const struct sort_criterion *x = &c->order.at[i];
        buf_add_varint(out, (uint64_t)x->kind * 2 + (x->is_reverse ? 1 : 0));
    }
    saved_write_set(out, &c->results.uids);
    for (size_t i = 0; c->results.order != NULL && i < c->results.count; i++) {
        int64_t before = i > 0 ? c->results.order[i - 1] : 0;
        buf_add_varint(out, fold((int64_t)c->results.order[i] - before));
    }
}

static bool is_told(const struct contexts *all, const struct context *c)
{
    bool is_aging = c->has_time && (all->is_begun || all->aging_s != 0);
    return c->phase == CONTEXT_IDLE && numset_is_empty(&c->fresh) && c->job == NULL && !is_aging;
}

void contexts_write_state(const struct contexts *all, enum contexts_kept kept, struct buf *out)
{
    buf_add_varint(out, fold(all->judged_s));
    buf_add_varint(out, all->all.count);
    for (size_t i = 0; i < all->all.count; i++) {
        const struct context *c = all->all.at[i];
        bool is_left_out =
            kept == CONTEXTS_NONE || (kept == CONTEXTS_UNSORTED && c->order.count > 0);
        bool is_over = is_left_out || !is_told(all, c);
        saved_write_str(out, c->tag);
        buf_add_varint(out,
                       (is_over ? (unsigned)IS_OVER : 0U) | (c->is_uid ? (unsigned)IS_UID : 0U));
        if (!is_over) {
            saved_write_str(out, c->atts_text);
            write_key(c->program, out);
            write_results(c, out);
        }
    }
}

/* ---- reading ---- */

struct reading {
    struct scan *c;
    struct context *context;
    unsigned depth;
};

static struct search_key *scan_key(struct reading *r);

static void scan_ranges(struct reading *r, struct search_key *k)
{
    uint64_t count = scan_varint(r->c, UINT32_MAX);
    bool is_possible = count <= scan_rest(r->c).n; /* each takes two octets */
    struct numrange *at =
        is_possible ? arena_array(r->context->arena, struct numrange, (size_t)count) : NULL;
    if (at == NULL) {
        scan_fail(r->c, ERR_CORRUPT, "ranges");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        at[i].first = (uint32_t)scan_varint(r->c, UINT32_MAX);
        at[i].last = (uint32_t)scan_varint(r->c, UINT32_MAX);
        r->context->has_star = r->context->has_star || at[i].first == 0 || at[i].last == 0;
    }
    k->set = (struct search_set){at, (size_t)count};
}

static void scan_children(struct reading *r, struct search_key *k)
{
    uint64_t count = scan_varint(r->c, SEARCH_KEYS_MOST);
    bool may_have = k->kind == SEARCH_AND || k->kind == SEARCH_OR || k->kind == SEARCH_NOT;
    if ((!may_have && count > 0) || (k->kind == SEARCH_NOT && count != 1)
        || ++r->depth > SEARCH_DEPTH_MOST) {
        scan_fail(r->c, ERR_CORRUPT, "keys");
    }
    for (uint64_t i = 0; i < count && scan_is_ok(r->c); i++) {
        search_key_add(k, scan_key(r));
    }
    r->depth--;
}

static struct search_key *scan_key(struct reading *r)
{
    struct context *x = r->context;
    uint64_t kind = scan_varint(r->c, SEARCH_TEXT * 2 + 1);
    struct search_key *k = search_key_new(x->arena, (enum search_kind)(kind / 2));
    if (k == NULL || kind / 2 == SEARCH_SEQ || ++x->key_count > SEARCH_KEYS_MOST) {
        scan_fail(r->c, ERR_CORRUPT, "a key");
        return NULL;
    }
    k->is_fuzzy = kind % 2 != 0;
    k->number = unfold(scan_varint(r->c, UINT64_MAX));
    k->text = arena_str(x->arena, str_sub(saved_scan_str(r->c), 0, SEARCH_TEXT_MOST));
    k->field = arena_str(x->arena, str_sub(saved_scan_str(r->c), 0, SEARCH_TEXT_MOST));
    x->has_time = x->has_time || k->kind == SEARCH_OLDER || k->kind == SEARCH_YOUNGER;
    scan_ranges(r, k);
    if (scan_is_ok(r->c)) {
        scan_children(r, k);
    }
    return k;
}

static void scan_order(struct scan *c, struct context *x)
{
    x->order.count = (size_t)scan_varint(c, SORT_CRITERIA_MOST);
    for (size_t i = 0; i < x->order.count; i++) {
        uint64_t kind = scan_varint(c, SORT_SUBJECT * 2 + 1);
        x->order.at[i] = (struct sort_criterion){.kind = (enum sort_kind)(kind / 2),
                                                 .is_reverse = kind % 2 != 0};
        if (x->order.at[i].kind == SORT_RELEVANCY) {
            scan_fail(c, ERR_CORRUPT, "an order that can be kept");
        }
    }
}

/* The results in order: each of them, once. */
static void scan_sorted(struct scan *c, struct context *x)
{
    struct context_results *r = &x->results;
    uint64_t count = numset_get_count(&r->uids);
    struct numset left = NUMSET_INIT;
    if (x->order.count == 0 || !scan_is_ok(c)) {
        return;
    }
    if (count > scan_rest(c).n) {
        scan_fail(c, ERR_CORRUPT, "results in order");
        return;
    }
    r->order = mem_new((size_t)(count + 1) * sizeof(*r->order));
    r->count = (size_t)count;
    numset_copy(&left, &r->uids);
    int64_t uid = 0;
    for (size_t i = 0; i < count && scan_is_ok(c); i++) {
        uid = (int64_t)((uint64_t)uid + (uint64_t)unfold(scan_varint(c, UINT64_MAX)));
        if (uid < 1 || uid > UINT32_MAX || !numset_has(&left, (uint32_t)uid)) {
            scan_fail(c, ERR_CORRUPT, "a result");
            break;
        }
        numset_remove(&left, (uint32_t)uid, (uint32_t)uid);
        r->order[i] = (uint32_t)uid;
    }
    numset_release(&left);
}

static void scan_context(struct scan *c, struct context *x)
{
    struct reading r = {.c = c, .context = x};
    struct str atts = saved_scan_str(c);
    if (scan_is_ok(c) && atts.n > 0 && context_read_atts(x, atts) != ERR_OK) {
        scan_fail(c, ERR_CORRUPT, "what to tell");
    }
    x->program = scan_is_ok(c) ? scan_key(&r) : NULL;
    scan_order(c, x);
    saved_scan_set(c, &x->results.uids);
    scan_sorted(c, x);
}

static void scan_one(struct scan *c, struct contexts *all, struct buf *unsaid)
{
    struct str tag = saved_scan_str(c);
    unsigned flags = (unsigned)scan_varint(c, CONTEXT_FLAGS_MOST);
    if (!scan_is_ok(c) || tag.n == 0) {
        scan_fail(c, ERR_CORRUPT, "a tag");
        return;
    }
    if (flags & IS_OVER) {
        context_write_end(tag, unsaid);
        return;
    }
    struct context *x = mem_new(sizeof(*x));
    x->arena = arena_new(CONTEXT_PROGRAM_MOST);
    x->tag = arena_str(x->arena, tag);
    x->is_uid = (flags & IS_UID) != 0;
    scan_context(c, x);
    if (!scan_is_ok(c)) {
        context_free(x);
        return;
    }
    vec_push(&all->all, x);
}

enum err contexts_read_state(struct imap_session *s, struct str state, struct buf *unsaid)
{
    struct scan c = scan_make(state);
    struct contexts *all = mem_new(sizeof(*all));
    s->selected.contexts = all;
    all->judged_s = unfold(scan_varint(&c, UINT64_MAX));
    uint64_t count = scan_varint(&c, CONTEXTS_MOST);
    for (uint64_t i = 0; i < count && scan_is_ok(&c); i++) {
        scan_one(&c, all, unsaid);
    }
    scan_require_end(&c);
    return scan_is_ok(&c) ? ERR_OK : ERR_CORRUPT;
}
