/* NOTIFY goes on in another process: the wish is its command, read again; the rows are saved as they were told.
 *
 *     string    the command; varint: bits of enum notify_saved_flag
 *     varint    rows; for each:
 *                 varint  octets of the name that are those of the row before; string: the others
 *                 varint  bits of enum row_flag; id; special uses
 *                 marks   when it has them: UIDVALIDITY, UIDNEXT, HIGHESTMODSEQ, messages, unseen
 *                 varint  what is still to be told, and the old name, when there is something
 *
 * The first comparison in the new process finds what happened meanwhile, as every comparison does. Whose doing it was is not known
 * then, so all of it is told. If the state has no room for it, NOTIFY is over, as with too many mailboxes (RFC 5465, 5.8). */
#include "imap/notify_priv.h"

#include "imap/saved.h"
#include "wire/imap_scan.h"

enum notify_saved_flag { PLAN_IS_UTF8 = 1, HAS_OVERFLOW = 2 };

enum row_flag { HAS_MARKS = 1, IS_SUBSCRIBED = 2, HAS_CHILDREN = 4, IS_GONE = 8, HAS_NEWS = 16 };

enum { TELL_MOST = 31, USES_MOST = 127, ROWS_MOST = 2 * NOTIFY_MAILBOXES_MOST };

bool notify_watches_others(const struct imap_session *s)
{
    const struct notify *n = s->notify;
    bool is_other = false;
    for (const struct notify_group *g = n != NULL ? n->plan.groups : NULL; g != NULL; g = g->next) {
        is_other =
            is_other || (g->filter != NOTIFY_SELECTED && g->filter != NOTIFY_SELECTED_DELAYED);
    }
    return is_other;
}

/* ---- writing ---- */

static size_t count_common(const char *a, const char *b)
{
    size_t n = 0;
    while (a[n] != '\0' && a[n] == b[n]) {
        n++;
    }
    return n;
}

static void write_marks(const struct notify_marks *m, struct buf *out)
{
    buf_add_varint(out, m->uidvalidity);
    buf_add_varint(out, m->uidnext);
    buf_add_varint(out, m->highestmodseq);
    buf_add_varint(out, m->count);
    buf_add_varint(out, m->unseen);
}

static void write_row(const struct notify_row *r, const char *before, struct buf *out)
{
    size_t common = count_common(r->name, before);
    bool has_news = r->tell != 0;
    unsigned flags = (r->has_marks ? (unsigned)HAS_MARKS : 0U)
                     | (r->is_subscribed ? (unsigned)IS_SUBSCRIBED : 0U)
                     | (r->has_children ? (unsigned)HAS_CHILDREN : 0U)
                     | (r->is_gone ? (unsigned)IS_GONE : 0U) | (has_news ? (unsigned)HAS_NEWS : 0U);
    buf_add_varint(out, common);
    saved_write_str(out, str_from_c(r->name + common));
    buf_add_varint(out, flags);
    buf_add_varint(out, r->id);
    buf_add_varint(out, r->special_use);
    if (r->has_marks) {
        write_marks(&r->marks, out);
    }
    if (has_news) {
        buf_add_varint(out, r->tell);
        saved_write_str(out, str_from_c(r->old_name != NULL ? r->old_name : ""));
    }
}

void notify_write_state(const struct imap_session *s, bool has_rows, struct buf *out)
{
    const struct notify *n = s->notify;
    bool has_overflow = n->has_overflow || !has_rows;
    const char *before = "";
    saved_write_str(out, has_rows ? n->plan.text : STR("n NOTIFY NONE"));
    buf_add_varint(out, (n->plan.is_utf8 ? (unsigned)PLAN_IS_UTF8 : 0U)
                            | (has_overflow ? (unsigned)HAS_OVERFLOW : 0U));
    size_t count = has_overflow ? 0 : n->rows.count;
    buf_add_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        write_row(&n->rows.at[i], before, out);
        before = n->rows.at[i].name;
    }
}

/* ---- reading ---- */

/* The name: what it has in common with the one before, and the rest. */
static char *scan_name(struct scan *c, const char *before)
{
    struct buf name = BUF_INIT(MAILBOX_NAME_MOST);
    uint64_t common = scan_varint(c, strlen(before));
    struct str rest = saved_scan_str(c);
    if (!scan_is_ok(c)) {
        return NULL;
    }
    buf_add(&name, str_make(before, (size_t)common));
    buf_add(&name, rest);
    bool is_sound = name.len > 0 && !name.is_full && strlen(name.p) == name.len;
    char *copy = is_sound ? notify_copy_name(buf_str(&name)) : NULL;
    buf_release(&name);
    return copy;
}

static void scan_marks(struct scan *c, struct notify_marks *m)
{
    m->uidvalidity = (uint32_t)scan_varint(c, UINT32_MAX);
    m->uidnext = (uint32_t)scan_varint(c, UINT32_MAX);
    m->highestmodseq = scan_varint(c, INT64_MAX);
    m->count = (uint32_t)scan_varint(c, UINT32_MAX);
    m->unseen = (uint32_t)scan_varint(c, UINT32_MAX);
}

static void scan_row(struct scan *c, struct notify *n, const char *before)
{
    struct notify_row r = {.name = scan_name(c, before)};
    if (r.name == NULL) {
        scan_fail(c, ERR_CORRUPT, "a name");
        return;
    }
    unsigned flags = (unsigned)scan_varint(c, 31);
    r.id = scan_varint(c, INT64_MAX);
    r.special_use = (unsigned)scan_varint(c, USES_MOST);
    r.has_marks = (flags & HAS_MARKS) != 0;
    r.is_subscribed = (flags & IS_SUBSCRIBED) != 0;
    r.has_children = (flags & HAS_CHILDREN) != 0;
    r.is_gone = (flags & IS_GONE) != 0;
    if (r.has_marks) {
        scan_marks(c, &r.marks);
    }
    if (flags & HAS_NEWS) {
        r.tell = (uint8_t)scan_varint(c, TELL_MOST);
        struct str old_name = saved_scan_str(c);
        r.old_name = old_name.n > 0 && scan_is_ok(c) ? notify_copy_name(old_name) : NULL;
    }
    struct mailbox_info info = {.name = str_from_c(r.name), .is_subscribed = r.is_subscribed};
    r.events = notify_get_events(n, &info);
    vec_push(&n->rows, r);
}

static enum err read_plan(struct notify *n, struct str text, bool is_utf8)
{
    struct notify_plan plan = {0};
    struct imap_command parsed;
    n->arena = arena_new(NOTIFY_ARENA_MOST);
    text = arena_str(n->arena, text);
    if (imap_command_parse(text, &parsed) != ERR_OK) {
        return ERR_CORRUPT;
    }
    parsed.args.is_utf8 = is_utf8;
    notify_scan(&parsed.args, n->arena, &plan);
    scan_require_end(&parsed.args);
    plan.text = text;
    plan.is_utf8 = is_utf8;
    notify_read_plan(n, &plan);
    return scan_is_ok(&parsed.args) ? ERR_OK : ERR_CORRUPT;
}

enum err notify_read_state(struct imap_session *s, struct str state)
{
    struct scan c = scan_make(state);
    struct str text = saved_scan_str(&c);
    unsigned flags = (unsigned)scan_varint(&c, PLAN_IS_UTF8 | HAS_OVERFLOW);
    uint64_t count = scan_varint(&c, ROWS_MOST);
    TRY(scan_get_err(&c));
    struct notify *n = notify_new(s);
    s->notify = n;
    TRY(read_plan(n, text, (flags & PLAN_IS_UTF8) != 0));
    const char *before = "";
    for (uint64_t i = 0; i < count && scan_is_ok(&c); i++) {
        scan_row(&c, n, before);
        before = n->rows.count > 0 ? n->rows.at[n->rows.count - 1].name : "";
    }
    scan_require_end(&c);
    n->has_overflow = (flags & HAS_OVERFLOW) != 0;
    n->is_selected_due = true;
    n->is_due = s->args.is_peer; /* also without a wish: the right to be there may have ended */
    TRY(scan_is_ok(&c) ? ERR_OK : ERR_CORRUPT);
    if (!n->has_overflow) {
        notify_compare(n, false); /* now: what this session does next is not to be told */
    }
    return ERR_OK;
}
