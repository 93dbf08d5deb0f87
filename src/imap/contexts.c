/* Live contexts: what the results of a search become while the mailbox changes (RFC 5267, 4.3).
 *
 * A context keeps its program and its results, as UIDs: a set, and for SORT the UIDs in order besides. It moves from view to view
 * with the client: when the news tell the difference between two views, only the messages in that difference are judged
 * again, and what is new is put in its place by looking at a handful of neighbours. So a context costs what changes, not what is
 * there, and its memory is the set and four octets a message.
 *
 *     news:  contexts_tell_removed   * ESEARCH (TAG "t") REMOVEFROM (...)     numbers of known
 *            EXPUNGE, VANISHED; EXISTS
 *            contexts_tell_changed   * ESEARCH (TAG "t") REMOVEFROM (...)     numbers of target
 *                                    * ESEARCH (TAG "t") ADDTO (...)
 *            FETCH                    and of new results what UPDATE asked for (RFC 5465, 7)
 *
 * Positions of a SEARCH are all 0: the client knows the order of its mailbox. Those of a SORT are true, each valid when all before it
 * were carried out. Order never changes for a message that stays: all sort keys are immutable.
 *
 * What a program says must not depend on when it is asked: message numbers are made UIDs when the context begins (RFC 5267, 4.3: they
 * mean the messages of that time). "*" in a UID set stays what it says: so the last message, before and after, is always
 * judged again when there is one. OLDER and YOUNGER change with time: once a minute at most, when news are told anyway, the messages
 * are judged that have crossed their limits since (RFC 5032, 2, allows a server to be late). MODSEQ, flags and \Recent change with
 * the messages in the difference.
 */
#include "imap/contexts.h"

#include "imap/contexts_priv.h"
#include "imap/fetch.h"
#include "imap/notify.h"
#include "imap/session_priv.h"
#include "search/run.h"
#include "wire/imap_write.h"

#include <stdlib.h>

enum {
    RESULTS_BUDGET = 16 * 1024,
    STEPS_AT_ONCE = 16,
    AGE_EVERY_S = 60,
    AGE_BUDGET = 256 * 1024, /* keys compared with the age of messages in a step, */
    AGE_COST = 8             /* where reading a message counts for so many */
};

/* ---- the life of a context ---- */

static void end_news(struct context *c)
{
    search_free(&c->search);
    sort_free(&c->sort);
    numset_release(&c->removed);
    numset_release(&c->added);
    numset_release(&c->added_seqs);
    c->phase = CONTEXT_IDLE;
}

void context_free(struct context *c)
{
    end_news(c);
    fetch_job_free(&c->job);
    numset_release(&c->fresh);
    context_results_release(&c->results);
    arena_free(&c->arena);
    free(c);
}

static size_t find_tag(const struct contexts *all, struct str tag)
{
    size_t i = 0;
    while (i < all->all.count && !str_eq(all->all.at[i]->tag, tag)) {
        i++;
    }
    return i;
}

bool contexts_has_tag(const struct contexts *all, struct str tag)
{
    return all != NULL && find_tag(all, tag) < all->all.count;
}

static void remove_at(struct contexts *all, size_t i)
{
    context_free(all->all.at[i]);
    vec_remove(&all->all, i);
}

void contexts_cancel(struct contexts *all, struct str tag)
{
    if (contexts_has_tag(all, tag)) {
        remove_at(all, find_tag(all, tag));
    }
}

void contexts_free(struct contexts **all)
{
    if (*all == NULL) {
        return;
    }
    while ((*all)->all.count > 0) {
        remove_at(*all, (*all)->all.count - 1);
    }
    vec_release(&(*all)->all);
    numset_release(&(*all)->changed);
    free(*all);
    *all = NULL;
}

/* What message numbers from a to b mean now, as UIDs: what lies between and is not there is gone for good. */
static void add_numbers(const struct view *v, uint32_t a, uint32_t b, struct numset *uids)
{
    struct message first;
    struct message last;
    uint32_t count = view_get_count(v);
    if (a == 0 || a > count) {
        return;
    }
    view_get_hot(v, (struct seq){a}, &first);
    view_get_hot(v, (struct seq){b < count ? b : count}, &last);
    numset_add(uids, first.uid.v, last.uid.v);
}

/* Message numbers become the UIDs that they mean now. */
static enum err fix_numbers(struct context *c, const struct view *v, struct search_key *k)
{
    c->key_count++;
    if (k->kind == SEARCH_SEQ) {
        struct numset uids = NUMSET_INIT;
        uint32_t count = view_get_count(v);
        for (size_t i = 0; i < k->set.count; i++) {
            uint32_t a = k->set.at[i].first == 0 ? count : k->set.at[i].first;
            uint32_t b = k->set.at[i].last == 0 ? count : k->set.at[i].last;
            add_numbers(v, a < b ? a : b, a < b ? b : a, &uids);
        }
        k->kind = SEARCH_UID;
        enum err e = search_set_copy(c->arena, uids.at, uids.count, &k->set);
        numset_release(&uids);
        TRY(e);
    } else if (k->kind == SEARCH_OLDER || k->kind == SEARCH_YOUNGER) {
        c->has_time = true;
    } else if (k->kind == SEARCH_UID) {
        for (size_t i = 0; i < k->set.count; i++) {
            c->has_star = c->has_star || k->set.at[i].first == 0 || k->set.at[i].last == 0;
        }
    }
    for (struct search_key *child = k->child; child != NULL; child = child->next) {
        TRY(fix_numbers(c, v, child));
    }
    return ERR_OK;
}

enum err context_read_atts(struct context *c, struct str text)
{
    c->atts_text = arena_str(c->arena, text);
    struct scan scan = scan_make(c->atts_text);
    scan_fetch_atts(&scan, c->arena, &c->atts);
    scan_require_end(&scan);
    c->has_atts = true;
    return scan_get_err(&scan);
}

static enum err context_begin(struct context *c, const struct view *v,
                              const struct context_args *args)
{
    c->tag = arena_str(c->arena, args->tag);
    c->is_uid = args->is_uid;
    c->program = search_key_copy(c->arena, args->program);
    if (c->program == NULL || c->tag.n != args->tag.n) {
        return ERR_LIMIT;
    }
    if (args->order != NULL) {
        c->order = *args->order;
    }
    if (args->atts.n > 0) {
        TRY(context_read_atts(c, args->atts));
    }
    context_results_set(&c->results, v, args->found, args->sorted, args->count);
    return fix_numbers(c, v, c->program);
}

/* The client told NOTIFY not to tell it of every message of this mailbox, so message numbers would mean nothing to it. */
static bool is_deaf(const struct imap_session *s, bool is_uid)
{
    return !is_uid && !s->has_uidonly && notify_get_selected_events(s) != NOTIFY_MESSAGES;
}

/* Scores are not kept, so such an order cannot be. */
static bool has_relevancy(const struct sort_program *order)
{
    bool has = false;
    for (size_t i = 0; order != NULL && i < order->count; i++) {
        has = has || order->at[i].kind == SORT_RELEVANCY;
    }
    return has;
}

enum err contexts_add(struct imap_session *s, const struct context_args *args)
{
    struct contexts *all = s->selected.contexts;
    bool is_many = all != NULL && all->all.count >= CONTEXTS_MOST;
    if (is_many || has_relevancy(args->order) || is_deaf(s, args->is_uid)) {
        return ERR_LIMIT;
    }
    struct context *c = calloc(1, sizeof(*c));
    if (all == NULL) {
        all = calloc(1, sizeof(*all));
    }
    if (c == NULL || all == NULL) {
        abort();
    }
    s->selected.contexts = all;
    c->arena = arena_new(CONTEXT_PROGRAM_MOST);
    enum err e = context_begin(c, s->selected.known, args);
    if (e != ERR_OK) {
        context_free(c);
        return e;
    }
    if (all->judged_s == 0) {
        all->judged_s = session_get_now_s(s);
    }
    vec_push(&all->all, c);
    return ERR_OK;
}

/* ---- telling ---- */

static struct context_line make_line(const struct imap_session *s, const struct context *c,
                                     const struct view *v)
{
    return (struct context_line){.tag = c->tag, .view = v, .is_uid = c->is_uid || s->has_uidonly};
}

/* Adds to out the members of few that are in all; costs what few has, however much is in all. */
static void find_common(const struct numset *few, const struct numset *all, struct numset *out)
{
    for (size_t i = 0; i < few->count; i++) {
        for (uint64_t n = few->at[i].first; n <= few->at[i].last; n++) {
            if (numset_has(all, (uint32_t)n)) {
                numset_add(out, (uint32_t)n, (uint32_t)n);
            }
        }
    }
}

enum step contexts_tell_removed(struct imap_session *s, const struct numset *vanished,
                                struct buf *out)
{
    struct contexts *all = s->selected.contexts;
    for (; all != NULL && all->at < all->all.count; all->at++) {
        struct context *c = all->all.at[all->at];
        if (c->phase == CONTEXT_IDLE) {
            find_common(vanished, &c->results.uids, &c->removed);
            c->phase = CONTEXT_TELL_REMOVED;
        }
        struct context_line line = make_line(s, c, s->selected.known);
        if (context_results_tell_removed(&c->results, &c->removed, &line, out) == STEP_MORE) {
            return STEP_MORE;
        }
        end_news(c);
    }
    if (all != NULL) {
        all->at = 0;
    }
    return STEP_DONE;
}

/* What of the result came and what went. */
static void compare(struct context *c, const struct numset *changed, const struct view *target)
{
    const struct numset *found = search_get_result(c->search);
    struct numset candidates = NUMSET_INIT;
    struct numset now = NUMSET_INIT;
    for (size_t i = 0; i < changed->count; i++) {
        context_add_uids(target, changed->at[i], &candidates);
    }
    for (size_t i = 0; i < found->count; i++) {
        context_add_uids(target, found->at[i], &now);
    }
    find_common(&candidates, &c->results.uids, &c->removed);
    numset_copy(&c->added, &now);
    numset_subtract(&c->added, &c->removed);
    numset_subtract(&c->removed, &now);
    numset_release(&candidates);
    numset_release(&now);
}

static enum err begin_search(struct imap_session *s, struct context *c, struct view *target,
                             const struct numset *changed)
{
    const struct search_args args = {.mailbox = s->selected.mailbox,
                                     .view = target,
                                     .program = c->program,
                                     .recent = &s->selected.recent,
                                     .now_s = session_get_now_s(s),
                                     .within = changed};
    c->phase = CONTEXT_SEARCH;
    return is_deaf(s, c->is_uid) ? ERR_LIMIT : search_new(&args, &c->search);
}

/* The changes are known; a sorted context needs the order of what is new. */
static void begin_sort(struct imap_session *s, struct context *c, struct view *target)
{
    c->phase = CONTEXT_TELL_REMOVED;
    if (c->order.count == 0 || numset_is_empty(&c->added)) {
        return;
    }
    context_find_seqs(target, &c->added, &c->added_seqs);
    const struct sort_args args = {.mailbox = s->selected.mailbox,
                                   .view = target,
                                   .seqs = &c->added_seqs,
                                   .program = &c->order};
    c->sort = sort_new(&args);
    c->phase = CONTEXT_SORT;
}

static enum step step_search(struct imap_session *s, struct context *c, struct view *target)
{
    enum step step = search_step(c->search, RESULTS_BUDGET);
    if (step != STEP_DONE) {
        return step;
    }
    compare(c, &s->selected.contexts->changed, target);
    begin_sort(s, c, target);
    return STEP_MORE;
}

static enum step step_sort(struct context *c)
{
    enum step step = sort_step(c->sort, RESULTS_BUDGET);
    if (step != STEP_DONE) {
        return step;
    }
    c->phase = CONTEXT_TELL_REMOVED;
    return STEP_MORE;
}

static enum step tell_removed(struct imap_session *s, struct context *c, struct view *target,
                              struct buf *out)
{
    struct context_line line = make_line(s, c, target);
    if (context_results_tell_removed(&c->results, &c->removed, &line, out) == STEP_MORE) {
        return STEP_MORE;
    }
    c->phase = CONTEXT_TELL_ADDED;
    if (c->sort != NULL) {
        size_t count;
        const uint32_t *sorted = sort_get_result(c->sort, &count);
        context_results_begin_placing(&c->results, target, sorted, count);
        c->phase = CONTEXT_PLACE;
    }
    return STEP_MORE;
}

static enum step step_place(struct imap_session *s, struct context *c, struct view *target)
{
    struct sort_keys keys;
    sort_keys_init(&keys, s->account, &c->order);
    enum step step = context_results_place(&c->results, &keys, target);
    sort_keys_release(&keys);
    if (step != STEP_DONE) {
        return step;
    }
    c->phase = CONTEXT_TELL_ADDED;
    return STEP_MORE;
}

/* One portion of the news of one context; STEP_BAD: it cannot be kept. */
static enum step step_context(struct imap_session *s, struct context *c, struct view *target,
                              struct buf *out)
{
    struct context_line line = make_line(s, c, target);
    switch (c->phase) {
    case CONTEXT_IDLE:
        return begin_search(s, c, target, &s->selected.contexts->changed) == ERR_OK ? STEP_MORE
                                                                                    : STEP_BAD;
    case CONTEXT_SEARCH:
        return step_search(s, c, target);
    case CONTEXT_SORT:
        return step_sort(c);
    case CONTEXT_TELL_REMOVED:
        return tell_removed(s, c, target, out);
    case CONTEXT_PLACE:
        return step_place(s, c, target);
    case CONTEXT_TELL_ADDED:
        break;
    }
    return context_results_tell_added(&c->results, &c->added, &line, out);
}

static void add_last(struct numset *seqs, const struct view *known, const struct view *target)
{
    struct message m;
    uint32_t count = view_get_count(target);
    if (count == 0 || view_get_count(known) == 0) {
        return;
    }
    view_get_hot(known, (struct seq){view_get_count(known)}, &m);
    struct seq seq = view_find_uid(target, m.uid);
    numset_add(seqs, count, count);
    if (seq.v != 0) {
        numset_add(seqs, seq.v, seq.v);
    }
}

/* Does an OLDER or YOUNGER of the program say something else of a message of this date than it did at `from`? */
static bool has_crossed(const struct search_key *k, int64_t date_s, int64_t from, int64_t to)
{
    bool is_age = k->kind == SEARCH_OLDER || k->kind == SEARCH_YOUNGER;
    bool is_crossed = is_age && date_s >= from - k->number && date_s <= to - k->number;
    for (const struct search_key *child = k->child; !is_crossed && child != NULL;
         child = child->next) {
        is_crossed = has_crossed(child, date_s, from, to);
    }
    return is_crossed;
}

/* Which messages time has made older or younger than a context cares for. */
static enum step find_aged(struct contexts *all, struct view *target)
{
    uint64_t budget = AGE_BUDGET;
    for (; all->age_at < all->all.count; all->age_at++) {
        const struct context *c = all->all.at[all->age_at];
        while (c->has_time && all->age_seq < view_get_count(target)) {
            uint64_t cost = c->key_count + AGE_COST;
            if (cost > budget) {
                return STEP_MORE;
            }
            struct message m;
            uint32_t seq = ++all->age_seq;
            budget -= cost;
            if (view_get(target, (struct seq){seq}, &m) == ERR_OK
                && has_crossed(c->program, m.internaldate_s, all->judged_s, all->aging_s)) {
                numset_add(&all->changed, seq, seq);
            }
        }
        all->age_seq = 0;
    }
    all->judged_s = all->aging_s;
    all->aging_s = 0;
    all->age_at = 0;
    return STEP_DONE;
}

/* Some context asks for the age of messages, and was not judged for a while. */
static bool is_age_due(struct imap_session *s)
{
    const struct contexts *all = s->selected.contexts;
    bool has_time = false;
    for (size_t i = 0; i < all->all.count; i++) {
        has_time = has_time || all->all.at[i]->has_time;
    }
    return has_time && session_get_now_s(s) - all->judged_s >= AGE_EVERY_S;
}

/* Which messages of target have to be looked at. */
static enum step find_changed(struct imap_session *s, struct view *target)
{
    struct contexts *all = s->selected.contexts;
    struct diff d;
    if (all->aging_s == 0 && is_age_due(s)) {
        all->aging_s = session_get_now_s(s);
    }
    if (all->aging_s != 0 && find_aged(all, target) == STEP_MORE) {
        return STEP_MORE;
    }
    struct diff_item item;
    diff_init(&d, s->selected.known, target);
    while (diff_next(&d, &item)) {
        if (item.kind != DIFF_EXPUNGED) {
            numset_add(&all->changed, item.seq.v, item.seq.v);
        }
    }
    for (size_t i = 0; i < all->all.count; i++) {
        if (all->all.at[i]->has_star) {
            add_last(&all->changed, s->selected.known, target);
        }
    }
    all->is_begun = true;
    return STEP_DONE;
}

void context_write_end(struct str tag, struct buf *out)
{
    buf_add(out, STR("* NO [NOUPDATE "));
    imap_write_string(out, tag);
    buf_add(out, STR("] The context cannot be kept any longer\r\n"));
}

static void give_up(struct contexts *all, struct buf *out)
{
    context_write_end(all->all.at[all->at]->tag, out);
    remove_at(all, all->at);
}

/* Of what was added, that which the client did not know at all: UIDs rise, so it is behind the last one known. */
static void note_fresh(const struct imap_session *s, struct context *c)
{
    struct message last;
    const struct view *known = s->selected.known;
    if (!c->has_atts || numset_is_empty(&c->added)) {
        return;
    }
    numset_copy(&c->fresh, &c->added);
    if (view_get_count(known) > 0) {
        view_get_hot(known, (struct seq){view_get_count(known)}, &last);
        numset_remove(&c->fresh, 1, last.uid.v);
    }
}

/* Goes on with the context at hand; false when all are told. */
static bool step_all(struct imap_session *s, struct view *target, struct buf *out)
{
    struct contexts *all = s->selected.contexts;
    if (all->at == all->all.count || numset_is_empty(&all->changed)) {
        return false;
    }
    struct context *c = all->all.at[all->at];
    enum step step = step_context(s, c, target, out);
    if (step == STEP_BAD) {
        give_up(all, out);
    } else if (step == STEP_DONE) {
        note_fresh(s, c);
        end_news(c);
        all->at++;
    }
    return true;
}

enum step contexts_tell_changed(struct imap_session *s, struct view *target, struct buf *out)
{
    struct contexts *all = s->selected.contexts;
    bool is_due = all != NULL && (all->aging_s != 0 || is_age_due(s));
    if (all == NULL || (!all->is_begun && target == s->selected.known && !is_due)) {
        return STEP_DONE;
    }
    if (!all->is_begun && find_changed(s, target) == STEP_MORE) {
        return STEP_MORE;
    }
    for (unsigned i = 0; i < STEPS_AT_ONCE && out->len < SESSION_OUTPUT_MOST; i++) {
        if (!step_all(s, target, out)) {
            numset_release(&all->changed);
            all->is_begun = false;
            all->at = 0;
            return STEP_DONE;
        }
    }
    return STEP_MORE;
}

enum step contexts_tell_new(struct imap_session *s, struct view *target, struct buf *out)
{
    struct contexts *all = s->selected.contexts;
    for (size_t i = 0; all != NULL && i < all->all.count; i++) {
        struct context *c = all->all.at[i];
        if (numset_is_empty(&c->fresh)) {
            continue;
        }
        if (c->job == NULL) {
            c->job = fetch_job_new(s, &c->atts, &c->fresh, target);
        }
        enum step step = fetch_job_step(s, c->job, out);
        if (step != STEP_DONE) {
            return step;
        }
        fetch_job_free(&c->job);
        numset_clear(&c->fresh);
    }
    return STEP_DONE;
}
