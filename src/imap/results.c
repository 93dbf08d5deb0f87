/* Telling what a search found.
 *
 * Results are sequence numbers of one view, as a set (SEARCH) or as an array (SORT). UIDs are read off the view while writing, so that
 * nothing is copied, and both kinds of commands share the writers.
 *
 *   * ESEARCH (TAG "a") UID MIN 3 MAX 9 COUNT 4 | ALL 3,7:9            | MODSEQ 12
 *                                               | PARTIAL (1:100 3,7:9) | RELEVANCY (90 45 100 60) |
 *
 * ALL and PARTIAL may be long: the list is written in portions. A range stands only where numbers rise one by one in the order of the
 * results (RFC 5267, 3.2), so a list read from left to right is in order after the ranges are expanded.
 */
#include "imap/results.h"

#include "net/session.h"
#include "wire/imap_write.h"

struct results results_of_set(const struct view *v, const struct numset *set, bool is_uid)
{
    return (struct results){
        .view = v, .set = set, .count = numset_get_count(set), .is_uid = is_uid};
}

struct results results_of_array(const struct view *v, const uint32_t *at, size_t count, bool is_uid)
{
    return (struct results){.view = v, .at = at, .count = count, .is_uid = is_uid};
}

static bool peek(const struct results *r, const struct results_place *p, struct seq *out)
{
    if (p->next >= r->count) {
        return false;
    }
    out->v = r->set == NULL ? r->at[p->next] : r->set->at[p->range].first + p->offset;
    return true;
}

static void step_over(const struct results *r, struct results_place *p)
{
    p->next++;
    if (r->set == NULL) {
        return;
    }
    struct numrange range = r->set->at[p->range];
    if (p->offset == range.last - range.first) {
        p->range++;
        p->offset = 0;
    } else {
        p->offset++;
    }
}

bool results_next(const struct results *r, struct results_place *p, struct seq *out)
{
    if (!peek(r, p, out)) {
        return false;
    }
    step_over(r, p);
    return true;
}

void results_seek(const struct results *r, struct results_place *p, uint64_t position)
{
    *p = (struct results_place){.next = position};
    uint64_t left = position;
    while (r->set != NULL && p->range < r->set->count) {
        uint64_t size = (uint64_t)(r->set->at[p->range].last - r->set->at[p->range].first) + 1;
        if (left < size) {
            p->offset = (uint32_t)left;
            return;
        }
        left -= size;
        p->range++;
    }
}

static struct message get_message(const struct results *r, struct seq seq)
{
    struct message m;
    view_get_hot(r->view, seq, &m);
    return m;
}

static uint32_t get_number(const struct results *r, struct seq seq)
{
    return r->is_uid ? get_message(r, seq).uid.v : seq.v;
}

enum step results_write_numbers(const struct results *r, struct results_place *p, struct buf *out)
{
    struct seq seq;
    while (out->len < SESSION_OUTPUT_MOST) {
        if (!results_next(r, p, &seq)) {
            return STEP_DONE;
        }
        buf_add_char(out, ' ');
        buf_add_u64(out, get_number(r, seq));
    }
    return STEP_MORE;
}

/* ---- ESEARCH ---- */

enum { ESEARCH_HEAD, ESEARCH_LIST, ESEARCH_SCORES };

static struct seq get_at(const struct esearch *e, uint64_t position)
{
    struct results_place p;
    struct seq seq = {0};
    results_seek(&e->results, &p, position);
    (void)peek(&e->results, &p, &seq);
    return seq;
}

static void write_item(struct buf *out, const char *name, uint64_t number)
{
    buf_add_c(out, name);
    buf_add_u64(out, number);
}

/* Position from 0 of what a partial-range names by n, before the first and behind the last included. */
static int64_t find_position(const struct results *r, int64_t n)
{
    return n > 0 ? n - 1 : (int64_t)r->count + n;
}

/* Which results PARTIAL names: positions from *first to before *end (RFC 5267, 4.4; RFC 9394, 3.1: from the end). */
static void find_partial(const struct results *r, const struct search_return *wants,
                         uint64_t *first, uint64_t *end)
{
    int64_t a = find_position(r, wants->partial.first);
    int64_t b = find_position(r, wants->partial.last);
    int64_t low = a < b ? a : b;
    int64_t high = (a < b ? b : a) + 1;
    int64_t count = (int64_t)r->count;
    low = low < 0 ? 0 : low;
    high = high > count ? count : high;
    *first = low < high ? (uint64_t)low : 0;
    *end = low < high ? (uint64_t)high : 0;
}

static void begin_partial(struct esearch *e, struct buf *out)
{
    const struct partial_range *range = &e->wants->partial;
    uint64_t first = 0;
    find_partial(&e->results, e->wants, &first, &e->end);
    e->first = first;
    results_seek(&e->results, &e->place, first);
    buf_addf(out, " PARTIAL (%lld:%lld %s", (long long)range->first, (long long)range->last,
             first < e->end ? "" : "NIL");
}

static void write_head(struct esearch *e, struct buf *out)
{
    const struct results *r = &e->results;
    unsigned options = e->wants->options;
    buf_add(out, STR("* ESEARCH (TAG "));
    imap_write_string(out, e->tag);
    if (e->mailbox.n > 0) {
        buf_add(out, STR(" MAILBOX "));
        buf_add(out, e->mailbox);
        write_item(out, " UIDVALIDITY ", view_get_uidvalidity(r->view));
    }
    buf_add_c(out, r->is_uid ? ") UID" : ")");
    if ((options & RETURN_MIN) && r->count > 0) {
        write_item(out, " MIN ", get_number(r, get_at(e, 0)));
    }
    if ((options & RETURN_MAX) && r->count > 0) {
        write_item(out, " MAX ", get_number(r, get_at(e, r->count - 1)));
    }
    if (options & RETURN_COUNT) {
        write_item(out, " COUNT ", r->count);
    }
    if (options & RETURN_PARTIAL) {
        begin_partial(e, out);
    } else if ((options & RETURN_ALL) && r->count > 0) {
        buf_add(out, STR(" ALL "));
        e->end = r->count;
    }
}

/* Writes one range of the list. */
static void write_range(struct esearch *e, struct buf *out)
{
    const struct results *r = &e->results;
    struct seq seq = {0};
    (void)results_next(r, &e->place, &seq);
    uint32_t first = get_number(r, seq);
    uint32_t last = first;
    while (e->place.next < e->end && peek(r, &e->place, &seq) && get_number(r, seq) == last + 1) {
        step_over(r, &e->place);
        last++;
    }
    buf_add_c(out, e->is_behind_first ? "," : "");
    e->is_behind_first = true;
    buf_add_u64(out, first);
    if (last > first) {
        buf_add_char(out, ':');
        buf_add_u64(out, last);
    }
}

static uint64_t find_highest(const struct esearch *e, uint64_t from, uint64_t to)
{
    struct results_place p;
    struct seq seq;
    uint64_t highest = 0;
    results_seek(&e->results, &p, from);
    while (p.next < to && results_next(&e->results, &p, &seq)) {
        uint64_t modseq = get_message(&e->results, seq).modseq;
        highest = modseq > highest ? modseq : highest;
    }
    return highest;
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Which mod-sequence belongs to what is told (RFC 4731, 3.2): that of the messages which MIN, MAX and PARTIAL name, else
 * of all. 0: none. */
static uint64_t find_modseq(const struct esearch *e)
{
    unsigned options = e->wants->options;
    uint64_t count = e->results.count;
    uint64_t highest = 0;
    if (count == 0 || (options & (RETURN_ALL | RETURN_COUNT)) != 0) {
        return find_highest(e, 0, count);
    }
    if (options & RETURN_MIN) {
        highest = find_highest(e, 0, 1);
    }
    if (options & RETURN_MAX) {
        highest = greater(highest, find_highest(e, count - 1, count));
    }
    if (options & RETURN_PARTIAL) {
        uint64_t first;
        uint64_t end;
        find_partial(&e->results, e->wants, &first, &end);
        highest = greater(highest, find_highest(e, first, end));
    }
    return highest;
}

static void write_tail(struct esearch *e, struct buf *out)
{
    uint64_t modseq = e->has_modseq ? find_modseq(e) : 0;
    if (modseq > 0) {
        write_item(out, " MODSEQ ", modseq);
    }
    imap_write_crlf(out);
}

/* Ends the list, and begins the scores: of the results that PARTIAL names, else of all (RFC 6203, 4). */
static void end_list(struct esearch *e, struct buf *out)
{
    bool is_partial = (e->wants->options & RETURN_PARTIAL) != 0;
    buf_add_c(out, is_partial ? ")" : "");
    e->phase = ESEARCH_SCORES;
    e->is_behind_first = false;
    if (e->wants->options & RETURN_RELEVANCY) {
        results_seek(&e->results, &e->place, is_partial ? e->first : 0);
        e->end = is_partial ? e->end : e->results.count;
        buf_add(out, STR(" RELEVANCY ("));
    }
}

static void write_score(struct esearch *e, struct buf *out)
{
    struct seq seq = {0};
    (void)results_next(&e->results, &e->place, &seq);
    buf_add_c(out, e->is_behind_first ? " " : "");
    e->is_behind_first = true;
    buf_add_u64(out, e->scores == NULL ? 100 : e->scores[seq.v]);
}

/* ---- "$" ---- */

static void save_from(const struct results *r, uint64_t from, uint64_t to, struct numset *uids)
{
    struct results_place p;
    struct seq seq;
    results_seek(r, &p, from);
    while (p.next < to && results_next(r, &p, &seq)) {
        uint32_t uid = get_message(r, seq).uid.v;
        numset_add(uids, uid, uid);
    }
}

void results_save(const struct results *r, const struct search_return *wants, struct numset *uids)
{
    unsigned options = wants->options & (RETURN_MIN | RETURN_MAX | RETURN_PARTIAL);
    if (options == 0 || (wants->options & (RETURN_ALL | RETURN_COUNT)) != 0) {
        save_from(r, 0, r->count, uids);
        return;
    }
    if ((options & RETURN_MIN) && r->count > 0) {
        save_from(r, 0, 1, uids);
    }
    if ((options & RETURN_MAX) && r->count > 0) {
        save_from(r, r->count - 1, r->count, uids);
    }
    if (options & RETURN_PARTIAL) {
        uint64_t first;
        uint64_t end;
        find_partial(r, wants, &first, &end);
        save_from(r, first, end, uids);
    }
}

enum step esearch_step(struct esearch *e, struct buf *out)
{
    if (e->phase == ESEARCH_HEAD) {
        write_head(e, out);
        e->phase = ESEARCH_LIST;
    }
    while (e->phase == ESEARCH_LIST && e->place.next < e->end) {
        if (out->len >= SESSION_OUTPUT_MOST) {
            return STEP_MORE;
        }
        write_range(e, out);
    }
    if (e->phase == ESEARCH_LIST) {
        end_list(e, out);
    }
    bool has_scores = (e->wants->options & RETURN_RELEVANCY) != 0;
    while (has_scores && e->place.next < e->end) {
        if (out->len >= SESSION_OUTPUT_MOST) {
            return STEP_MORE;
        }
        write_score(e, out);
    }
    buf_add_c(out, has_scores ? ")" : "");
    write_tail(e, out);
    return STEP_DONE;
}
