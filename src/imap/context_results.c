/* The results of a live context change: REMOVEFROM and ADDTO (RFC 5267, 4.3.2 to 4.3.4).
 *
 *   SEARCH   * ESEARCH (TAG "t") UID REMOVEFROM (0 4:7,9)          the set, in the order of the mailbox
 *   SORT     * ESEARCH (TAG "t") UID REMOVEFROM (3 9,4 7 12)       position, results in order, position, ...
 *
 * A position counts from 1 and holds when all pairs before it were carried out. For REMOVEFROM one pass over the order closes the
 * gaps while it tells them: a run of results that go is a pair, at the place behind those that stay. For ADDTO the new results come sorted;
 * each has found its place in the old order by halving; those that go to one place are a pair, at that place
 * plus those that came before. A line holds a bounded number of ranges or results.
 */
#include "imap/context_results.h"

#include "net/session.h"
#include "wire/imap_write.h"

#include <stdlib.h>
#include <string.h>

enum { A_LINE = 400, PLACES_WORK = 16 * 1024, KEY_CAP = 64 * 1024 };

/* ---- UIDs and sequence numbers ---- */

void context_add_uids(const struct view *v, struct numrange seqs, struct numset *uids)
{
    uint32_t count = view_get_count(v);
    uint32_t last = seqs.last < count ? seqs.last : count;
    for (uint32_t seq = seqs.first < 1 ? 1 : seqs.first; seq <= last; seq++) {
        struct message m;
        view_get_hot(v, (struct seq){seq}, &m);
        numset_add(uids, m.uid.v, m.uid.v);
    }
}

void context_find_seqs(const struct view *v, const struct numset *uids, struct numset *seqs)
{
    uint32_t count = view_get_count(v);
    for (size_t i = 0; i < uids->count; i++) {
        struct numrange r = uids->at[i];
        uint32_t seq = view_find_uid_from(v, (struct uid){r.first}).v;
        for (; seq <= count; seq++) {
            struct message m;
            view_get_hot(v, (struct seq){seq}, &m);
            if (m.uid.v > r.last) {
                break;
            }
            numset_add(seqs, seq, seq);
        }
    }
}

static uint32_t get_number(const struct context_line *line, uint32_t uid)
{
    return line->is_uid ? uid : view_find_uid(line->view, (struct uid){uid}).v;
}

/* ---- beginning and end ---- */

static void *allocate(size_t count, size_t size)
{
    void *p = calloc(count + 1, size);
    if (p == NULL) {
        abort();
    }
    return p;
}

static uint32_t *copy_uids(const struct view *v, const uint32_t *seqs, size_t count)
{
    uint32_t *uids = allocate(count, sizeof(*uids));
    for (size_t i = 0; i < count; i++) {
        struct message m;
        view_get_hot(v, (struct seq){seqs[i]}, &m);
        uids[i] = m.uid.v;
    }
    return uids;
}

void context_results_set(struct context_results *r, const struct view *v,
                         const struct numset *found, const uint32_t *sorted, size_t count)
{
    for (size_t i = 0; i < found->count; i++) {
        context_add_uids(v, found->at[i], &r->uids);
    }
    if (sorted != NULL) {
        r->order = copy_uids(v, sorted, count);
        r->count = count;
    }
}

static void end_change(struct context_results *r)
{
    free(r->fresh);
    free(r->places);
    r->fresh = NULL;
    r->places = NULL;
    r->fresh_count = 0;
    r->placed = 0;
    r->read = 0;
    r->write = 0;
}

void context_results_release(struct context_results *r)
{
    end_change(r);
    numset_release(&r->uids);
    free(r->order);
    *r = (struct context_results){0};
}

/* ---- lines ---- */

static void begin_line(const struct context_line *line, const char *word, struct buf *out)
{
    buf_add(out, STR("* ESEARCH (TAG "));
    imap_write_string(out, line->tag);
    buf_add_c(out, line->is_uid ? ") UID " : ") ");
    buf_add_c(out, word);
    buf_add(out, STR(" ("));
}

/* Tells a set at position 0, as many lines as it takes; *at: the next range. */
static enum step tell_set(const struct numset *numbers, const struct context_line *line,
                          const char *word, size_t *at, struct buf *out)
{
    while (*at < numbers->count) {
        if (out->len >= SESSION_OUTPUT_MOST) {
            return STEP_MORE;
        }
        size_t left = numbers->count - *at;
        struct numset some = {.at = numbers->at + *at, .count = left < A_LINE ? left : A_LINE};
        begin_line(line, word, out);
        buf_add(out, STR("0 "));
        numset_write(out, &some);
        buf_add(out, STR(")\r\n"));
        *at += some.count;
    }
    return STEP_DONE;
}

static enum step tell_uids(const struct numset *uids, const struct context_line *line,
                           const char *word, size_t *at, struct buf *out)
{
    if (line->is_uid) {
        return tell_set(uids, line, word, at, out);
    }
    struct numset seqs = NUMSET_INIT;
    context_find_seqs(line->view, uids, &seqs);
    enum step step = tell_set(&seqs, line, word, at, out);
    numset_release(&seqs);
    return step;
}

/* A line of pairs on its way. */
struct pairs {
    const struct context_line *line;
    const char *word;
    struct buf *out;
    size_t told;     /* results in this line */
    size_t position; /* of the last pair */
    uint32_t first;  /* the run of numbers that is not written yet; first 0: none */
    uint32_t last;
    bool is_behind; /* a run of this pair is written */
};

static void write_run(struct pairs *p)
{
    if (p->first == 0) {
        return;
    }
    buf_add_c(p->out, p->is_behind ? "," : "");
    buf_add_u64(p->out, p->first);
    if (p->last > p->first) {
        buf_add_char(p->out, ':');
        buf_add_u64(p->out, p->last);
    }
    p->is_behind = true;
    p->first = 0;
}

static void end_pairs(struct pairs *p)
{
    if (p->told > 0) {
        write_run(p);
        buf_add(p->out, STR(")\r\n"));
        p->told = 0;
    }
}

/* One more result; at the position of the last pair it goes on with that pair. */
static void add_result(struct pairs *p, size_t position, bool goes_on, uint32_t number)
{
    if (p->told == A_LINE) {
        end_pairs(p);
    }
    if (p->told > 0 && goes_on) {
        if (p->first != 0 && number == p->last + 1) {
            p->last = number;
        } else {
            write_run(p);
            p->first = number;
            p->last = number;
        }
        p->told++;
        return;
    }
    if (p->told == 0) {
        begin_line(p->line, p->word, p->out);
    } else {
        write_run(p);
        buf_add_char(p->out, ' ');
    }
    buf_add_u64(p->out, position);
    buf_add_char(p->out, ' ');
    p->is_behind = false;
    p->first = number;
    p->last = number;
    p->told++;
}

/* ---- REMOVEFROM ---- */

static void take_away(struct context_results *r, const struct numset *removed)
{
    numset_subtract(&r->uids, removed);
    end_change(r);
}

static enum step tell_removed_order(struct context_results *r, const struct numset *removed,
                                    const struct context_line *line, struct buf *out)
{
    struct pairs p = {.line = line, .word = "REMOVEFROM", .out = out};
    bool was_removed = false;
    while (r->read < r->count && out->len < SESSION_OUTPUT_MOST) {
        uint32_t uid = r->order[r->read++];
        bool is_removed = numset_has(removed, uid);
        if (is_removed) {
            add_result(&p, r->write + 1, was_removed, get_number(line, uid));
        } else {
            r->order[r->write++] = uid;
        }
        was_removed = is_removed;
    }
    end_pairs(&p);
    if (r->read < r->count) {
        return STEP_MORE;
    }
    r->count = r->write;
    return STEP_DONE;
}

enum step context_results_tell_removed(struct context_results *r, struct numset *removed,
                                       const struct context_line *line, struct buf *out)
{
    if (numset_is_empty(removed)) {
        return STEP_DONE;
    }
    enum step step = r->order != NULL ? tell_removed_order(r, removed, line, out)
                                      : tell_uids(removed, line, "REMOVEFROM", &r->write, out);
    if (step == STEP_DONE) {
        take_away(r, removed);
    }
    return step;
}

/* ---- ADDTO ---- */

void context_results_begin_placing(struct context_results *r, const struct view *v,
                                   const uint32_t *sorted, size_t count)
{
    r->fresh = copy_uids(v, sorted, count);
    r->places = allocate(count, sizeof(*r->places));
    r->fresh_count = count;
}

/* Is the message uid of v behind the one with this key? */
static enum err is_behind(struct sort_keys *keys, struct view *v, uint32_t uid, struct str key,
                          uint32_t key_uid, bool *out)
{
    struct buf other = BUF_INIT(KEY_CAP);
    enum err e = sort_keys_write(keys, v, view_find_uid(v, (struct uid){uid}), &other);
    int order = str_cmp(buf_str(&other), key);
    buf_release(&other);
    *out = order > 0 || (order == 0 && uid > key_uid);
    return e;
}

/* Before which of the order fresh message i comes; not before that of its forerunner. */
static enum err find_place(struct context_results *r, struct sort_keys *keys, struct view *v,
                           size_t i)
{
    struct buf key = BUF_INIT(KEY_CAP);
    uint32_t uid = r->fresh[i];
    enum err e = sort_keys_write(keys, v, view_find_uid(v, (struct uid){uid}), &key);
    size_t low = i == 0 ? 0 : r->places[i - 1];
    size_t high = r->count;
    while (e == ERR_OK && low < high) {
        size_t middle = low + (high - low) / 2;
        bool is_high = false;
        e = is_behind(keys, v, r->order[middle], buf_str(&key), uid, &is_high);
        if (is_high) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    r->places[i] = low;
    buf_release(&key);
    return e;
}

enum step context_results_place(struct context_results *r, struct sort_keys *keys, struct view *v)
{
    keys->work = 0;
    while (r->placed < r->fresh_count && keys->work < PLACES_WORK) {
        if (find_place(r, keys, v, r->placed) != ERR_OK) {
            return STEP_BAD;
        }
        r->placed++;
    }
    return r->placed < r->fresh_count ? STEP_MORE : STEP_DONE;
}

static void merge(struct context_results *r)
{
    uint32_t *order = allocate(r->count + r->fresh_count, sizeof(*order));
    size_t old = 0;
    for (size_t i = 0; i < r->fresh_count; i++) {
        size_t n = r->places[i] - old;
        memcpy(order + old + i, r->order + old, n * sizeof(*order));
        old = r->places[i];
        order[old + i] = r->fresh[i];
    }
    memcpy(order + old + r->fresh_count, r->order + old, (r->count - old) * sizeof(*order));
    free(r->order);
    r->order = order;
    r->count += r->fresh_count;
}

static enum step tell_added_order(struct context_results *r, const struct context_line *line,
                                  struct buf *out)
{
    struct pairs p = {.line = line, .word = "ADDTO", .out = out};
    for (; r->read < r->fresh_count && out->len < SESSION_OUTPUT_MOST; r->read++) {
        size_t i = r->read;
        bool goes_on = i > 0 && r->places[i] == r->places[i - 1];
        add_result(&p, r->places[i] + i + 1, goes_on, get_number(line, r->fresh[i]));
    }
    end_pairs(&p);
    if (r->read < r->fresh_count) {
        return STEP_MORE;
    }
    merge(r);
    return STEP_DONE;
}

enum step context_results_tell_added(struct context_results *r, const struct numset *added,
                                     const struct context_line *line, struct buf *out)
{
    enum step step = r->order != NULL ? tell_added_order(r, line, out)
                                      : tell_uids(added, line, "ADDTO", &r->write, out);
    if (step == STEP_DONE) {
        numset_add_set(&r->uids, added);
        end_change(r);
    }
    return step;
}
