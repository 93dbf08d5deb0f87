/* What changes in mailboxes that are not selected (RFC 5465), and when to tell of the one that is.
 *
 *     commit --> account_watch --> compare names and marks with what was told --> STATUS, LIST lines, marked
 *                                                                              --> written when the client can hear
 *
 * There is no queue of events. A session that gave NOTIFY keeps one row for each name of the account: which mailbox it was,
 * whether it was subscribed, and its marks (UIDVALIDITY, UIDNEXT, HIGHESTMODSEQ and counts) as last told. What differs after a
 * commit is marked in the row, and the lines are written from the marked rows, in bounded portions; a client that does
 * not read gets the sum of what happened later. A commit whose only author is this session is taken over silently (RFC 5465,
 * 5: own changes are not echoed), unless others' news are still to be compared: then all is told.
 *
 * The selected mailbox is the business of news.c; here is only what the client's wish says about it. Its row follows the
 * known view, so that what the client saw while it was selected is not told again.
 *
 * A session in another account (imap/relay.h) gets the wish, too, and heeds what it says about the selected mailbox.
 *
 * An event can be told twice or together with another one, but never be lost: rows are compared, not counted.
 */
#include "imap/notify.h"

#include "base/map.h"
#include "imap/metadata.h"
#include "imap/notify_priv.h"
#include "imap/session_priv.h"
#include "imap/special_use.h"
#include "wire/imap_write.h"

#include <stdlib.h>
#include <string.h>

/* ---- what the client wants ---- */

static bool is_under(struct str name, struct str top)
{
    return str_eq(name, top) || (name.n > top.n && str_starts(name, top) && name.p[top.n] == '/');
}

static bool is_right_under(struct str name, struct str top)
{
    return is_under(name, top)
           && str_find_char(str_skip(name, top.n + 1), '/') == str_skip(name, top.n + 1).n;
}

bool notify_group_has(const struct notify_group *g, const struct mailbox_info *info)
{
    switch (g->filter) {
    case NOTIFY_SELECTED:
    case NOTIFY_SELECTED_DELAYED:
        return false;
    case NOTIFY_INBOXES: /* filters may deliver anywhere: RFC 5465, 6.3 */
    case NOTIFY_PERSONAL:
        return true;
    case NOTIFY_SUBSCRIBED:
        return info->is_subscribed;
    case NOTIFY_SUBTREE:
    case NOTIFY_SUBTREE_ONE:
    case NOTIFY_MAILBOXES:
        break;
    }
    for (const struct notify_name *n = g->names; n != NULL; n = n->next) {
        bool is_it = g->filter == NOTIFY_SUBTREE       ? is_under(info->name, n->name)
                     : g->filter == NOTIFY_SUBTREE_ONE ? is_right_under(info->name, n->name)
                                                       : str_eq(info->name, n->name);
        if (is_it) {
            return true;
        }
    }
    return false;
}

uint8_t notify_get_events(const struct notify *n, const struct mailbox_info *info)
{
    unsigned events = 0;
    for (const struct notify_group *g = n->plan.groups; g != NULL; g = g->next) {
        if ((events | g->events) != events && notify_group_has(g, info)) {
            events |= g->events;
        }
    }
    return (uint8_t)events;
}

unsigned notify_get_selected_events(const struct imap_session *s)
{
    const struct notify *n = s->notify;
    if (n == NULL) {
        return NOTIFY_MESSAGES;
    }
    return n->selected != NULL ? n->selected->events : 0;
}

const struct fetch_atts *notify_find_atts(const struct imap_session *s)
{
    const struct notify *n = s->notify;
    bool has_atts = n != NULL && n->selected != NULL && n->selected->has_atts;
    return has_atts ? &n->selected->atts : NULL;
}

bool notify_wants_metadata(const struct imap_session *s, uint64_t mailbox_id)
{
    const struct notify *n = s->notify;
    if (mailbox_id == 0) {
        unsigned events = 0;
        for (const struct notify_group *g = n->plan.groups; g != NULL; g = g->next) {
            events |= g->events;
        }
        return (events & NOTIFY_SERVER_METADATA_CHANGE) != 0;
    }
    for (size_t i = 0; i < n->rows.count; i++) {
        if (n->rows.at[i].id == mailbox_id) {
            return (n->rows.at[i].events & NOTIFY_MAILBOX_METADATA_CHANGE) != 0;
        }
    }
    return false;
}

struct str notify_get_text(const struct imap_session *s)
{
    return s->notify != NULL ? s->notify->plan.text : STR_EMPTY;
}

bool notify_is_own(const struct imap_session *s, struct uid uid)
{
    return numset_has(&s->notify->own, uid.v);
}

/* ---- comparing ---- */

/* A comparison on its way. */
struct pass {
    struct notify *notify;
    struct map *old_names; /* of rows before */
    struct map *old_ids;
    struct map *new_names; /* of rows now */
    struct map *new_ids;   /* of the account now, whose names the client watches */
    VEC(struct notify_row) rows;
    bool is_silent;
};

static struct str get_parent(struct str name)
{
    for (size_t i = name.n; i > 0; i--) {
        if (name.p[i - 1] == '/') {
            return str_sub(name, 0, i - 1);
        }
    }
    return STR_EMPTY;
}

char *notify_copy_name(struct str name)
{
    char *copy = strndup(name.p, name.n);
    if (copy == NULL) {
        abort();
    }
    return copy;
}

static void tell(const struct pass *p, struct notify_row *r, unsigned what)
{
    if (!p->is_silent) {
        r->tell |= (uint8_t)what;
    }
}

/* The children of what was renamed are not told (RFC 5465, 5.4): r's parent was renamed in the same way. */
static bool is_renamed_along(const struct pass *p, const struct notify_row *r, const char *old_name)
{
    struct str parent = get_parent(str_from_c(r->name));
    struct str old_parent = get_parent(str_from_c(old_name));
    const struct notify_row *up = NULL;
    for (size_t i = p->rows.count; i > 0 && up == NULL; i--) {
        if (str_eq(str_from_c(p->rows.at[i - 1].name), parent)) {
            up = &p->rows.at[i - 1];
        }
    }
    return up != NULL && up->old_name != NULL && str_eq(str_from_c(up->old_name), old_parent);
}

/* The mailbox of this name is another one than before, or the first one, or gone. */
static void compare_id(struct pass *p, struct notify_row *r, uint64_t id)
{
    const struct notify_row *was = id != 0 ? map_find(p->old_ids, map_id(&id)) : NULL;
    bool is_replaced = r->id != 0 && id != 0;
    r->id = id;
    if (id != 0 && was == NULL) {
        r->marks = (struct notify_marks){.uidnext = 1};
        r->has_marks = true;
    }
    if (was != NULL) {
        r->marks = was->marks;
        r->has_marks = was->has_marks;
        free(r->old_name);
        r->old_name = notify_copy_name(str_from_c(was->name));
    }
    if ((r->events & NOTIFY_MAILBOX_NAME) == 0 || is_replaced) {
        return;
    }
    if (r->old_name == NULL || !is_renamed_along(p, r, r->old_name)) {
        tell(p, r, TELL_LIST);
    }
    r->has_come_or_gone = r->old_name == NULL;
}

static struct notify_marks read_marks(const struct view *v)
{
    return (struct notify_marks){
        .uidvalidity = view_get_uidvalidity(v),
        .uidnext = view_get_uidnext(v).v,
        .highestmodseq = view_get_highestmodseq(v),
        .count = view_get_count(v),
        .unseen = view_get_unseen_count(v),
    };
}

/* What of a change of marks the client wants to hear. */
static unsigned compare_marks(const struct imap_session *s, const struct notify_row *r,
                              const struct notify_marks *now)
{
    const struct notify_marks *was = &r->marks;
    bool wants_flags = (r->events & NOTIFY_FLAG_CHANGE) != 0;
    bool is_new = was->uidvalidity == 0; /* its creation is the business of MailboxName */
    unsigned what = 0;
    if (was->uidvalidity != now->uidvalidity && (!is_new || wants_flags)) {
        what |= TELL_STATUS | TELL_UIDVALIDITY;
    }
    if (was->count != now->count || was->uidnext != now->uidnext) {
        what |= TELL_STATUS | (is_new ? (unsigned)TELL_UIDVALIDITY : 0U);
    }
    if (!wants_flags) {
        return what;
    }
    if (was->unseen != now->unseen) {
        what |= TELL_STATUS | TELL_UNSEEN;
    }
    if (s->has_condstore && was->highestmodseq != now->highestmodseq) {
        what |= TELL_STATUS | TELL_UIDVALIDITY;
    }
    return what;
}

/* Compares messages; a mailbox that cannot be read now is compared the next time. */
static void compare_messages(const struct pass *p, struct notify_row *r)
{
    struct imap_session *s = p->notify->session;
    if ((r->events & NOTIFY_MESSAGES) == 0 || r->id == 0) {
        r->has_marks = false;
        return;
    }
    bool is_selected = session_is_selected(s) && mailbox_get_id(s->selected.mailbox) == r->id;
    struct mailbox *m = NULL;
    struct view *v = NULL;
    if (is_selected) {
        r->marks = read_marks(s->selected.known);
        r->has_marks = true;
        return;
    }
    if (account_find_mailbox(s->account, str_from_c(r->name), &m) != ERR_OK) {
        return;
    }
    bool is_same = r->has_marks && mailbox_get_highestmodseq(m) == r->marks.highestmodseq;
    if (!is_same && mailbox_get_view(m, &v) == ERR_OK) {
        struct notify_marks now = read_marks(v);
        if (r->has_marks) {
            tell(p, r, compare_marks(s, r, &now));
        }
        r->marks = now;
        r->has_marks = true;
    }
    mailbox_unref(&m);
}

/* A row to start from. */
static struct notify_row copy_row(const struct notify_row *was)
{
    struct notify_row r = *was;
    r.name = notify_copy_name(str_from_c(was->name));
    r.old_name = was->old_name != NULL ? notify_copy_name(str_from_c(was->old_name)) : NULL;
    return r;
}

static void compare_name(struct pass *p, const struct mailbox_info *info)
{
    const struct notify_row *was = map_remove(p->old_names, info->name);
    unsigned events = was != NULL ? was->events : 0;
    struct notify_row r = {0};
    if (was != NULL) {
        r = copy_row(was);
        r.is_gone = false;
    } else {
        r.name = notify_copy_name(info->name);
    }
    r.events = notify_get_events(p->notify, info);
    r.has_children = info->has_children;
    r.special_use = info->special_use;
    uint64_t id = info->is_mailbox ? info->id : 0;
    if (r.id != id) {
        compare_id(p, &r, id);
    }
    if (r.is_subscribed != info->is_subscribed) {
        r.is_subscribed = info->is_subscribed;
        events |= r.events; /* SUBSCRIBED meant it before, or means it now */
        tell(p, &r, events & NOTIFY_SUBSCRIPTION_CHANGE ? TELL_LIST : 0);
    }
    compare_messages(p, &r);
    vec_push(&p->rows, r);
}

/* A name that is there no more; is_moved: its mailbox goes by another name now, which is told there. One that was renamed to
 * where the client does not look is gone for it. */
static void compare_gone(struct pass *p, const struct notify_row *was)
{
    struct mailbox_info info = {.name = str_from_c(was->name), .is_subscribed = was->is_subscribed};
    bool is_moved = was->id != 0 && map_find(p->new_ids, map_id(&was->id)) != NULL;
    struct notify_row r = copy_row(was);
    r.events = notify_get_events(p->notify, &info);
    bool had_mailbox = r.id != 0;
    unsigned wanted = (had_mailbox ? (unsigned)NOTIFY_MAILBOX_NAME : 0U)
                      | (r.is_subscribed ? (unsigned)NOTIFY_SUBSCRIPTION_CHANGE : 0U);
    r.tell &= TELL_LIST;
    r.id = 0;
    r.is_subscribed = false;
    r.has_children = false;
    r.special_use = 0;
    r.is_gone = true;
    if (!is_moved && (r.events & wanted) != 0) {
        tell(p, &r, TELL_LIST);
        r.has_come_or_gone = had_mailbox;
    }
    vec_push(&p->rows, r);
}

/* Creation and deletion touch the direct parent, too (RFC 5465, 5.4). */
static void tell_parents(struct pass *p)
{
    for (size_t i = 0; i < p->rows.count; i++) {
        const struct notify_row *r = &p->rows.at[i];
        if (!r->has_come_or_gone) {
            continue;
        }
        struct notify_row *up = map_find(p->new_names, get_parent(str_from_c(r->name)));
        if (up != NULL && (up->events & NOTIFY_MAILBOX_NAME) != 0) {
            tell(p, up, TELL_LIST);
        }
    }
}

static void row_release(struct notify_row *r)
{
    free(r->name);
    free(r->old_name);
}

static void release_rows(struct notify *n)
{
    for (size_t i = 0; i < n->rows.count; i++) {
        row_release(&n->rows.at[i]);
    }
    vec_release(&n->rows);
}

static void index_old(struct pass *p)
{
    struct notify *n = p->notify;
    for (size_t i = 0; i < n->rows.count; i++) {
        struct notify_row *r = &n->rows.at[i];
        if (r->tell == 0) {
            free(r->old_name);
            r->old_name = NULL;
        }
        r->has_come_or_gone = false;
        if (r->is_gone && r->tell == 0) {
            continue;
        }
        (void)map_put(p->old_names, str_from_c(r->name), r);
        if (r->id != 0) {
            (void)map_put(p->old_ids, map_id(&r->id), r);
        }
    }
}

static void compare_all(struct pass *p)
{
    struct account *a = p->notify->session->account;
    struct mailbox_info info;
    size_t at = 0;
    while (account_next_mailbox(a, &at, &info)) {
        if (info.is_mailbox && (notify_get_events(p->notify, &info) & NOTIFY_MAILBOX_NAME) != 0) {
            (void)map_put(p->new_ids, map_id(&info.id), a);
        }
    }
    for (at = 0; account_next_mailbox(a, &at, &info);) {
        compare_name(p, &info);
    }
    for (size_t i = 0; i < p->notify->rows.count; i++) {
        const struct notify_row *was = &p->notify->rows.at[i];
        if (map_find(p->old_names, str_from_c(was->name)) == was) {
            compare_gone(p, was);
        }
    }
    for (size_t i = 0; i < p->rows.count; i++) {
        struct notify_row *r = &p->rows.at[i];
        (void)map_put(p->new_names, str_from_c(r->name), r);
    }
    tell_parents(p);
}

static size_t count_names(struct account *a)
{
    struct mailbox_info info;
    size_t at = 0;
    while (at <= NOTIFY_MAILBOXES_MOST && account_next_mailbox(a, &at, &info)) {
    }
    return at;
}

/* Compares everything with what was told. is_silent: the client knows. */
void notify_compare(struct notify *n, bool is_silent)
{
    if (!n->plan.is_set) {
        return;
    }
    if (count_names(n->session->account) > NOTIFY_MAILBOXES_MOST) {
        n->has_overflow = true;
        return;
    }
    struct pass p = {.notify = n,
                     .is_silent = is_silent,
                     .old_names = map_new(),
                     .old_ids = map_new(),
                     .new_names = map_new(),
                     .new_ids = map_new()};
    index_old(&p);
    compare_all(&p);
    map_free(&p.old_names);
    map_free(&p.old_ids);
    map_free(&p.new_names);
    map_free(&p.new_ids);
    release_rows(n);
    n->rows.at = p.rows.at;
    n->rows.count = p.rows.count;
    n->rows.size = p.rows.size;
    n->at = 0;
    n->has_lines = false;
    for (size_t i = 0; i < n->rows.count; i++) {
        n->has_lines = n->has_lines || n->rows.at[i].tell != 0;
    }
}

/* ---- hearing ---- */

/* Notes which messages of the selected mailbox this session brought itself. */
static void note_own(struct notify *n, bool is_own)
{
    const struct imap_session *s = n->session;
    struct view *v = NULL;
    if (notify_find_atts(s) == NULL || !session_is_selected(s)
        || mailbox_get_view(s->selected.mailbox, &v) != ERR_OK) {
        return;
    }
    uint64_t id = mailbox_get_id(s->selected.mailbox);
    if (n->own_mailbox != id) {
        n->own_mailbox = id;
        n->own_uidnext = view_get_uidnext(s->selected.known).v;
        numset_clear(&n->own);
    }
    uint32_t uidnext = view_get_uidnext(v).v;
    if (is_own && uidnext > n->own_uidnext) {
        numset_add(&n->own, n->own_uidnext, uidnext - 1);
    }
    n->own_uidnext = uidnext;
}

static void on_change(struct watch *w)
{
    struct notify *n = list_entry(w, struct notify, watch);
    struct imap_session *s = n->session;
    bool is_own = account_get_author(s->account) == s;
    note_own(n, is_own);
    n->is_selected_due = true;
    if (is_own && !n->is_due) {
        notify_compare(n, true);
        return;
    }
    n->is_due = true;
    if (s->phase == PHASE_READ || s->phase == PHASE_LINE) {
        session_wake_soon(s);
    }
}

/* ---- telling ---- */

static void write_list(struct imap_session *s, const struct notify_row *r, struct buf *out)
{
    buf_add_c(out, r->id != 0 ? "* LIST (" : "* LIST (\\NonExistent ");
    buf_add_c(out, r->has_children ? "\\HasChildren" : "\\HasNoChildren");
    buf_add_c(out, r->is_subscribed ? " \\Subscribed" : "");
    special_use_write(out, r->special_use, false);
    buf_add(out, STR(") \"/\" "));
    session_write_mailbox(s, out, str_from_c(r->name));
    if (r->old_name != NULL && r->id != 0) {
        buf_add(out, STR(" (\"OLDNAME\" ("));
        session_write_mailbox(s, out, str_from_c(r->old_name));
        buf_add(out, STR("))"));
    }
    buf_add(out, STR("\r\n"));
}

static void write_status(struct imap_session *s, const struct notify_row *r, struct buf *out)
{
    const struct notify_marks *m = &r->marks;
    buf_add(out, STR("* STATUS "));
    session_write_mailbox(s, out, str_from_c(r->name));
    buf_addf(out, " (MESSAGES %u UIDNEXT %u", m->count, m->uidnext);
    if (r->tell & TELL_UIDVALIDITY) {
        buf_addf(out, " UIDVALIDITY %u", m->uidvalidity);
    }
    if (s->has_condstore || (r->tell & TELL_MODSEQ) != 0) {
        buf_addf(out, " HIGHESTMODSEQ %llu", (unsigned long long)m->highestmodseq);
    }
    if (r->tell & TELL_UNSEEN) {
        buf_addf(out, " UNSEEN %u", m->unseen);
    }
    buf_add(out, STR(")\r\n"));
}

/* RFC 5465, 5.8: as if NOTIFY NONE had come. */
static void write_overflow(struct notify *n, struct buf *out)
{
    n->has_overflow = false;
    n->has_lines = false;
    n->selected = NULL;
    n->plan = (struct notify_plan){.text = STR("n NOTIFY NONE")};
    release_rows(n);
    buf_add(out,
            STR("* OK [NOTIFICATIONOVERFLOW] Too many mailboxes; nothing is notified now\r\n"));
}

bool notify_is_waiting(const struct imap_session *s)
{
    const struct notify *n = s->notify;
    if (n == NULL) {
        return false;
    }
    return n->is_due || n->has_lines || n->has_overflow
           || (n->is_selected_due && notify_get_selected_events(s) != 0 && session_is_selected(s));
}

void notify_begin(struct imap_session *s, bool is_idle)
{
    struct notify *n = s->notify;
    n->is_selected_due = false;
    if (notify_get_selected_events(s) != 0) {
        news_begin(s, is_idle || n->selected->filter == NOTIFY_SELECTED);
    }
}

enum step notify_step(struct imap_session *s, struct buf *out)
{
    struct notify *n = s->notify;
    if (n == NULL) {
        return STEP_DONE;
    }
    if (n->is_due) {
        n->is_due = false;
        notify_compare(n, false);
    }
    if (n->has_overflow) {
        write_overflow(n, out);
    }
    for (; n->at < n->rows.count; n->at++) {
        struct notify_row *r = &n->rows.at[n->at];
        if (out->len >= SESSION_OUTPUT_MOST) {
            return STEP_MORE;
        }
        if (r->tell & TELL_LIST) {
            write_list(s, r, out);
        }
        if (r->tell & TELL_STATUS) {
            write_status(s, r, out);
        }
        r->tell = 0;
    }
    n->has_lines = false;
    return STEP_DONE;
}

/* ---- wishing ---- */

/* A guest watches the selected mailbox only: all other names mean those of its own account. */
void notify_read_plan(struct notify *n, const struct notify_plan *plan)
{
    n->plan = *plan;
    n->selected = NULL;
    if (n->session->args.is_peer) {
        n->plan = (struct notify_plan){.text = plan->text, .is_utf8 = plan->is_utf8};
    }
    for (const struct notify_group *g = plan->groups; g != NULL; g = g->next) {
        if (g->filter == NOTIFY_SELECTED || g->filter == NOTIFY_SELECTED_DELAYED) {
            n->selected = g;
        }
    }
}

/* STATUS of all that is watched, before the tagged OK (RFC 5465, 3.1). */
static void tell_all(struct notify *n)
{
    const struct imap_session *s = n->session;
    uint64_t selected = session_is_selected(s) ? mailbox_get_id(s->selected.mailbox) : 0;
    for (size_t i = 0; i < n->rows.count; i++) {
        struct notify_row *r = &n->rows.at[i];
        if (!r->has_marks || r->id == selected) {
            continue;
        }
        r->tell = TELL_STATUS | TELL_UIDVALIDITY;
        r->tell |= r->events & NOTIFY_FLAG_CHANGE ? TELL_MODSEQ : 0;
        n->has_lines = true;
    }
}

struct notify *notify_new(struct imap_session *s)
{
    struct notify *n = calloc(1, sizeof(*n));
    if (n == NULL) {
        abort();
    }
    n->session = s;
    n->watch.on_change = on_change;
    account_watch(s->account, &n->watch);
    return n;
}

enum err notify_set(struct imap_session *s, struct arena **arena, const struct notify_plan *plan)
{
    bool has_names = plan->is_set && !s->args.is_peer;
    if (has_names && count_names(s->account) > NOTIFY_MAILBOXES_MOST) {
        return ERR_NOTIFY_OVERFLOW;
    }
    if (s->notify == NULL) {
        s->notify = notify_new(s);
    }
    struct notify *n = s->notify;
    if (!s->args.is_peer) {
        metadata_enable(s);
    }
    arena_free(&n->arena);
    n->arena = *arena;
    *arena = NULL;
    notify_read_plan(n, plan);
    release_rows(n);
    n->is_due = false;
    notify_compare(n, true);
    if (plan->has_status) {
        tell_all(n);
    }
    return ERR_OK;
}

void notify_free(struct notify **notify)
{
    struct notify *n = *notify;
    *notify = NULL;
    if (n == NULL) {
        return;
    }
    watch_cancel(&n->watch);
    release_rows(n);
    numset_release(&n->own);
    arena_free(&n->arena);
    free(n);
}
