/* News: everything untagged that a client did not ask for, from one place.
 *
 * A session keeps the view its client knows. What there is to tell is the difference between that view and the current
 * one, whenever there is an occasion to tell: at the end of a command, in IDLE. Nothing is queued, so nothing can be
 * lost, told twice or told in the wrong order; a session that slept through a thousand changes tells their sum.
 *
 *     known ---- diff ----> target       1. results that vanish    (contexts.c)
 *                                        2. VANISHED or EXPUNGE    (numbers of known)
 *                                        3. FLAGS, EXISTS, RECENT  (now numbers are target's)
 *                                        4. FETCH of what changed
 *                                        5. results that come or go (contexts.c)
 *                                        6. FETCH of what NOTIFY asked of new messages
 *                                        then known = target
 *
 * EXPUNGE renumbers, so it must not come while a client may be using sequence numbers (RFC 3501, 7.4.1: FETCH, STORE,
 * SEARCH). Then, if messages are gone, all news wait: known stays, the sequence numbers and mod-sequences of answers
 * stay those of known. So a mod-sequence above that of a VANISHED still held back is never told, with one exception:
 * a STORE answers with the mod-sequences it made. For that RFC 7162 (erratum 1809 to its predecessor) asks us to say
 * HIGHESTMODSEQ with a value below the held-back one, which is that of known.
 *
 * After a CONDSTORE-enabling command each FETCH here has UID and MODSEQ (erratum 1807), with IMAP4rev2 UID, otherwise UID in UID
 * commands. After ENABLE UIDONLY they are UIDFETCH responses, and what is gone has VANISHED (RFC 9586).
 *
 * A STORE has told its own changes, or (.SILENT) the client has computed them (cmd/store.c). The news pass over a message
 * that is as told; if somebody else changed it since, they tell it.
 */
#include "imap/news.h"

#include "imap/access.h"
#include "imap/fetch.h"
#include "imap/flags.h"
#include "imap/line.h"
#include "imap/session_priv.h"
#include "imap/walk.h"

enum { VANISHED_RANGES_A_LINE = 400 };

static void told_release(struct told *t)
{
    view_unref(&t->view);
    numset_release(&t->uids);
    *t = (struct told){0};
}

static void news_end(struct news *n)
{
    view_unref(&n->from);
    view_unref(&n->target);
    numset_release(&n->vanished);
    numset_release(&n->added);
    fetch_job_free(&n->job);
    told_release(&n->told);
    n->phase = NEWS_NONE;
    n->vanished_at = 0;
    n->removed_count = 0;
}

void news_release(struct news *n)
{
    news_end(n);
    n->has_vanished = false;
}

bool news_is_between(const struct news *n)
{
    return n->job == NULL;
}

uint32_t news_find_told_removed(const struct news *n, struct numset *uids)
{
    if (n->phase < NEWS_VANISHED) {
        return 0;
    }
    /* EXPUNGE is counted in messages, VANISHED in ranges: what is told again there does no harm. */
    struct numset told = NUMSET_INIT;
    uint64_t left = n->phase > NEWS_VANISHED ? UINT64_MAX : n->is_by_number ? n->vanished_at : 0;
    for (size_t i = 0; i < n->vanished.count && left > 0; i++) {
        struct numrange r = n->vanished.at[i];
        uint64_t count = (uint64_t)r.last - r.first + 1;
        count = count < left ? count : left;
        numset_add(&told, r.first, r.first + (uint32_t)(count - 1));
        left -= count;
    }
    uint32_t count = (uint32_t)numset_get_count(&told);
    numset_add_set(uids, &told);
    numset_release(&told);
    return count;
}

/* Collects what is gone. */
static void find_vanished(struct news *n, struct view *known)
{
    struct diff d;
    diff_init(&d, known, n->target);
    struct diff_item item;
    while (diff_next(&d, &item)) {
        if (item.kind == DIFF_EXPUNGED) {
            numset_add(&n->vanished, item.uid.v, item.uid.v);
            n->removed_count++;
        }
    }
}

void news_begin(struct imap_session *s, bool may_expunge)
{
    struct selected *sel = &s->selected;
    struct news *n = &s->news;
    struct view *current = NULL;
    if (sel->mailbox == NULL || mailbox_get_view(sel->mailbox, &current) != ERR_OK) {
        news_end(n);
        return;
    }
    view_unref(&n->target);
    n->target = view_ref(current);
    if (current == sel->known) {
        n->phase = NEWS_EXISTS;
        return;
    }
    find_vanished(n, sel->known);
    n->phase = NEWS_REMOVED;
    if (n->removed_count > 0 && !may_expunge) {
        /* RFC 7162, erratum 1809: take back the mod-sequences that were told. */
        n->phase = NEWS_NONE;
    }
}

/* Writes the vanished UIDs, a bounded number of ranges to a line. */
static enum step step_vanished(struct news *n, struct buf *out)
{
    while (n->vanished_at < n->vanished.count) {
        if (out->len >= SESSION_OUTPUT_MOST) {
            return STEP_MORE;
        }
        size_t left = n->vanished.count - n->vanished_at;
        struct numset line = {
            .at = n->vanished.at + n->vanished_at,
            .count = left < VANISHED_RANGES_A_LINE ? left : VANISHED_RANGES_A_LINE,
        };
        buf_add(out, STR("* VANISHED "));
        numset_write(out, &line);
        buf_add(out, STR("\r\n"));
        n->vanished_at += line.count;
    }
    return STEP_DONE;
}

/* Writes EXPUNGE in rising order; each takes one from all numbers above it, so the k-th is its number minus k. */
static enum step step_expunge(struct news *n, struct view *known, struct buf *out)
{
    struct walk w;
    walk_init(&w, known, &n->vanished, true);
    struct seq seq;
    for (size_t k = 0; walk_next(&w, &seq); k++) {
        if (k < n->vanished_at) {
            continue;
        }
        if (out->len >= SESSION_OUTPUT_MOST) {
            return STEP_MORE;
        }
        buf_add(out, STR("* "));
        buf_add_u64(out, seq.v - k);
        buf_add(out, STR(" EXPUNGE\r\n"));
        n->vanished_at++;
    }
    return STEP_DONE;
}

static void write_flags(struct imap_session *s, struct buf *out)
{
    buf_add(out, STR("* FLAGS ("));
    flags_write_all(out, s->selected.mailbox);
    buf_add(out, STR(")\r\n"));
    s->selected.keywords_told = mailbox_count_keywords(s->selected.mailbox);
}

/* May a client make any keyword? */
static bool may_make_keywords(const struct selected *sel)
{
    return mailbox_has_room_for_keyword(sel->mailbox, STR_EMPTY);
}

/* What a STORE may name besides the flags that are there: "\*", or the keywords for which room is kept (RFC 5550, 5.9). */
static void write_makeable(struct mailbox *m, struct buf *out)
{
    struct str name;
    uint64_t bit;
    for (unsigned i = 0; (name = keyword_get_reserved(i)).n > 0; i++) {
        if (mailbox_get_keyword(m, name, false, &bit) == ERR_NOT_FOUND) {
            buf_add_char(out, ' ');
            buf_add(out, name);
        }
    }
}

/* The flags that the client may change (RFC 4314, 5.1.1: they show its rights). */
static void write_permanent(const struct selected *sel, struct buf *out)
{
    flags_write(out, sel->mailbox, rights_get_flags(sel->rights), false);
    if ((sel->rights & RIGHT_WRITE) == 0) {
        return;
    }
    if (may_make_keywords(sel)) {
        buf_add(out, STR(" \\*"));
    } else {
        write_makeable(sel->mailbox, out);
    }
}

void news_write_flags(struct imap_session *s, struct buf *out)
{
    struct selected *sel = &s->selected;
    write_flags(s, out);
    buf_add(out, STR("* OK [PERMANENTFLAGS ("));
    if (!sel->is_read_only) {
        write_permanent(sel, out);
    }
    buf_add(out, STR(")] Kept\r\n"));
}

/* PERMANENTFLAGS stay as they were told, what is new came under its "\*", until that holds no more. */
void news_write_new_keywords(struct imap_session *s, struct buf *out)
{
    if (mailbox_count_keywords(s->selected.mailbox) == s->selected.keywords_told) {
        return;
    }
    if (may_make_keywords(&s->selected)) {
        write_flags(s, out);
    } else {
        news_write_flags(s, out);
    }
}

/* What this session sees first is \Recent here, and in no later session (RFC 3501, 2.3.2). */
static void claim_recent(struct selected *sel, struct view *v)
{
    uint32_t uidnext = view_get_uidnext(v).v;
    uint32_t first = mailbox_get_first_recent(sel->mailbox, !sel->is_read_only);
    if (first > 0 && first < uidnext) {
        numset_add(&sel->recent, first, uidnext - 1);
    }
}

static uint64_t count_set(const struct numset *uids, struct view *v)
{
    struct walk w;
    walk_init(&w, v, uids, true);
    uint64_t count = 0;
    struct walk_run run;
    while (walk_next_run(&w, SIZE_MAX, &run)) {
        count += run.count;
    }
    return count;
}

uint64_t news_count_recent(const struct imap_session *s, struct mailbox *m, struct view *v)
{
    struct numset uids = NUMSET_INIT;
    uint32_t first = mailbox_get_first_recent(m, false);
    if (m == s->selected.mailbox) {
        numset_copy(&uids, &s->selected.recent);
    }
    numset_add(&uids, first > 0 ? first : 1, UINT32_MAX);
    uint64_t count = count_set(&uids, v);
    numset_release(&uids);
    return count;
}

void news_write_exists(struct imap_session *s, struct view *v, struct buf *out)
{
    buf_add(out, STR("* "));
    buf_add_u64(out, view_get_count(v));
    buf_add(out, STR(" EXISTS\r\n"));
    if (s->is_rev2) {
        return; /* RFC 9051, appendix E, 12: there is no \Recent */
    }
    claim_recent(&s->selected, v);
    buf_add(out, STR("* "));
    buf_add_u64(out, count_set(&s->selected.recent, v));
    buf_add(out, STR(" RECENT\r\n"));
}

/* RFC 4314, 5.1.1: FLAGS and PERMANENTFLAGS again, when the rights are others. What was opened read-only stays so. */
static void tell_rights(struct imap_session *s, struct buf *out)
{
    unsigned rights = session_get_rights(s, s->selected.mailbox);
    if (rights != s->selected.rights) {
        s->selected.rights = rights;
        news_write_flags(s, out);
    }
}

/* Which events are to be told: what NOTIFY asked for, or all. */
static unsigned get_events(const struct imap_session *s)
{
    return s->cmd.tells_all ? (unsigned)NOTIFY_MESSAGES : notify_get_selected_events(s);
}

/* Something will not be told: what the client knows stays as it is, for the day when it wants all (RFC 5465, 3.1). */
static void keep_untold(struct imap_session *s, unsigned events)
{
    struct selected *sel = &s->selected;
    bool is_kept = sel->untold != NULL || s->news.target == sel->known;
    if (!is_kept && (events & NOTIFY_MESSAGES) != NOTIFY_MESSAGES) {
        sel->untold = view_ref(sel->known);
    }
}

void news_tell_count(struct imap_session *s, struct buf *out)
{
    if (s->selected.mailbox != NULL && s->selected.is_count_untold) {
        news_write_exists(s, s->selected.known, out);
        s->selected.is_count_untold = false;
    }
}

/* Between numbers of known and numbers of target. */
static void tell_exists(struct imap_session *s, struct buf *out)
{
    struct selected *sel = &s->selected;
    struct news *n = &s->news;
    unsigned events = get_events(s);
    bool is_all = events == NOTIFY_MESSAGES && sel->untold != NULL;
    keep_untold(s, events);
    uint32_t count = view_get_count(sel->known) - n->removed_count;
    bool is_other_count = sel->is_count_untold || view_get_count(n->target) != count;
    tell_rights(s, out);
    if (events & NOTIFY_MESSAGE_NEW) {
        news_write_new_keywords(s, out);
        if (is_other_count) {
            news_write_exists(s, n->target, out);
        }
        is_other_count = false;
    }
    sel->is_count_untold = is_other_count;
    n->from = view_ref(is_all ? sel->untold : sel->known);
    diff_init(&n->diff, n->from, n->target);
}

/* Has a command of this client told the message as it is now? */
static bool is_told(const struct news *n, const struct message *now)
{
    const struct told *t = &n->told;
    if (t->view == NULL || !numset_has(&t->uids, now->uid.v)) {
        return false;
    }
    if (t->view == n->target) {
        return true;
    }
    struct seq seq = view_find_uid(t->view, now->uid);
    if (seq.v == 0) {
        return false;
    }
    struct message was;
    view_get_hot(t->view, seq, &was);
    return was.modseq == now->modseq;
}

/* Which items unsolicited FETCH responses have. */
static unsigned get_items(const struct imap_session *s)
{
    bool has_uid = s->has_condstore || s->is_rev2 || s->cmd.is_uid || s->notify != NULL;
    unsigned items = has_uid ? LINE_FLAGS | session_get_line_uid(s) : LINE_FLAGS;
    return s->has_condstore ? items | LINE_MODSEQ : items;
}

/* Tells a message with other flags; remembers a new one, of which NOTIFY may want to know more. */
static void tell_item(struct imap_session *s, const struct diff_item *item, struct flags_text *text,
                      struct buf *out)
{
    struct news *n = &s->news;
    if (item->kind == DIFF_CHANGED && (get_events(s) & NOTIFY_FLAG_CHANGE) != 0) {
        struct message now;
        view_get_hot(n->target, item->seq, &now);
        if (!is_told(n, &now)) {
            line_write(out, s, text, item->seq, &now, get_items(s));
        }
    }
    bool is_new = item->kind == DIFF_ADDED && view_find_uid(s->selected.known, item->uid).v == 0;
    if (is_new && notify_find_atts(s) != NULL && !notify_is_own(s, item->uid)) {
        numset_add(&n->added, item->uid.v, item->uid.v);
    }
}

static enum step step_fetch(struct imap_session *s, struct buf *out)
{
    struct news *n = &s->news;
    struct flags_text text = {0};
    struct diff_item item;
    enum step step = STEP_MORE;
    while (out->len < SESSION_OUTPUT_MOST) {
        if (!diff_next(&n->diff, &item)) {
            step = STEP_DONE;
            break;
        }
        tell_item(s, &item, &text, out);
    }
    flags_text_release(&text);
    return step;
}

/* What NOTIFY wants to know of new messages. */
static enum step step_added(struct imap_session *s, struct buf *out)
{
    struct news *n = &s->news;
    const struct fetch_atts *atts = notify_find_atts(s);
    if (atts == NULL || numset_is_empty(&n->added)) {
        return STEP_DONE;
    }
    if (n->job == NULL && out->len > 0) {
        s->wants_save = true; /* what is told so far stands between responses, this may not */
        return STEP_MORE;
    }
    if (n->job == NULL) {
        n->job = fetch_job_new(s, atts, &n->added, n->target);
    }
    enum step step = fetch_job_step(s, n->job, out);
    if (step != STEP_MORE) {
        fetch_job_free(&n->job);
        numset_clear(&n->added);
    }
    return step;
}

/* Not now: EXPUNGE is not allowed. See the top of this file for HIGHESTMODSEQ. */
static void hold_back(struct imap_session *s, struct buf *out)
{
    if (s->news.removed_count > 0 && s->news.told.view != NULL && s->has_qresync) {
        buf_add(out, STR("* OK [HIGHESTMODSEQ "));
        buf_add_u64(out, view_get_highestmodseq(s->selected.known));
        buf_add(out, STR("] Some expunges are not told yet\r\n"));
    }
    news_end(&s->news);
}

static enum step step_removed(struct imap_session *s, struct buf *out)
{
    struct news *n = &s->news;
    if (n->removed_count == 0) {
        return STEP_DONE;
    }
    news_tell_count(s, out);
    n->has_vanished = true;
    n->is_by_number = !s->has_qresync && !s->has_uidonly;
    return n->is_by_number ? step_expunge(n, s->selected.known, out) : step_vanished(n, out);
}

bool news_check_mailbox(struct imap_session *s, struct buf *out)
{
    if (!session_is_selected(s)) {
        return true;
    }
    if (mailbox_is_deleted(s->selected.mailbox)) {
        buf_add(out, STR("* BYE The selected mailbox was deleted\r\n"));
        return false;
    }
    if (!session_may(s, s->selected.mailbox, RIGHT_READ)) {
        buf_add(out, STR("* BYE The selected mailbox may no longer be read\r\n"));
        return false;
    }
    return true;
}

/* From the numbers of known to those of target, with the results of live contexts on either side (RFC 5267, 4.3.3 and 4.3.4): flags
 * stand before them, what is asked of new messages behind (RFC 5465, 5.1 and 5.2). */
static enum step step_numbers(struct imap_session *s, struct buf *out)
{
    struct news *n = &s->news;
    if (n->phase == NEWS_REMOVED) {
        if (contexts_tell_removed(s, &n->vanished, out) == STEP_MORE) {
            return STEP_MORE;
        }
        n->phase = NEWS_VANISHED;
    }
    if (n->phase == NEWS_VANISHED) {
        if (step_removed(s, out) == STEP_MORE) {
            return STEP_MORE;
        }
        n->phase = NEWS_EXISTS;
    }
    if (n->phase == NEWS_EXISTS) {
        tell_exists(s, out);
        n->phase = NEWS_FETCH;
    }
    if (n->phase == NEWS_FETCH) {
        if (step_fetch(s, out) == STEP_MORE) {
            return STEP_MORE;
        }
        n->phase = NEWS_RESULTS;
    }
    if (n->phase == NEWS_RESULTS) {
        if (contexts_tell_changed(s, n->target, out) == STEP_MORE) {
            return STEP_MORE;
        }
        n->phase = NEWS_ADDED;
    }
    return STEP_DONE;
}

enum step news_step(struct imap_session *s, struct buf *out)
{
    struct news *n = &s->news;
    if (!news_check_mailbox(s, out)) {
        news_end(n);
        return STEP_BAD;
    }
    if (n->phase == NEWS_NONE) {
        hold_back(s, out);
        return STEP_DONE;
    }
    if (step_numbers(s, out) == STEP_MORE) {
        return STEP_MORE;
    }
    enum step step = step_added(s, out);
    if (step == STEP_DONE) {
        step = contexts_tell_new(s, n->target, out);
    }
    if (step != STEP_DONE) {
        s->is_broken = s->is_broken || step == STEP_BAD;
        return step;
    }
    if (get_events(s) == NOTIFY_MESSAGES) {
        view_unref(&s->selected.untold);
    }
    view_unref(&s->selected.known);
    s->selected.known = view_ref(n->target);
    numset_clear(&s->selected.left_out);
    news_end(n);
    return STEP_DONE;
}
