/* Annotations of mailboxes and of the server, as a client sees them (RFC 5464).
 *
 *     GETMETADATA (DEPTH 1) "" /private/x   ->  /private/x itself, then /private/x/a, /private/x/b ... in order of names
 *
 * An answer is a generator: values may be large and many. It keeps the name it told last and asks the store for the next one, so
 * what changes meanwhile does no harm.
 *
 * Three entries are not stored but computed: a mailbox's /private/specialuse (RFC 6154, 4), and the server's /shared/admin and
 * /shared/comment, which are the operator's. All else that is /shared on the server belongs to the account: to all who may
 * use it, and to nobody else's.
 *
 * What others change is told by names alone, when the client enabled it: the store remembers changes in their order, the session a
 * place among them, and which of them were its own. */
#include "imap/metadata.h"

#include "imap/access.h"
#include "imap/filters.h"
#include "imap/session_priv.h"
#include "imap/special_use.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

enum { USES_TEXT_MOST = 256, LOOKS_A_STEP = 32 /* of up to ANNOTATION_VALUE_MOST octets each */ };

/* ---- entries that are computed ---- */

bool metadata_is_special_use(const struct mailbox *m, struct str name)
{
    return m != NULL && str_eq_nocase(name, STR("/private/specialuse"));
}

static bool is_admin(const struct mailbox *m, struct str name)
{
    return m == NULL && str_eq_nocase(name, STR("/shared/admin"));
}

static bool is_comment(const struct mailbox *m, struct str name)
{
    return m == NULL && str_eq_nocase(name, STR("/shared/comment"));
}

static struct str get_computed_name(const struct mailbox *m, unsigned i)
{
    static const struct str OF_SERVER[] = {STR("/shared/admin"), STR("/shared/comment")};
    if (m != NULL) {
        return i == 0 ? STR("/private/specialuse") : STR_EMPTY;
    }
    return i < sizeof(OF_SERVER) / sizeof(OF_SERVER[0]) ? OF_SERVER[i] : STR_EMPTY;
}

/* false: the entry is not one of them. */
static bool compute(const struct imap_session *s, const struct mailbox *m, struct str name,
                    struct buf *value, bool *has_value)
{
    if (metadata_is_special_use(m, name)) {
        /* what is special is the owner's business (/private) */
        special_use_write(value, session_is_guest(s) ? 0 : mailbox_get_special_use(m), true);
    } else if (is_admin(m, name)) {
        buf_add(value, s->args.server_admin);
    } else if (is_comment(m, name)) {
        buf_add(value, s->args.server_comment);
    } else {
        return false;
    }
    *has_value = value->len > 0;
    return true;
}

/* ---- checks ---- */

bool metadata_may(const struct imap_session *s, const struct mailbox *m)
{
    static const unsigned ONE_OF =
        RIGHT_READ | RIGHT_SEEN | RIGHT_WRITE | RIGHT_INSERT | RIGHT_POST;
    unsigned rights = session_get_rights(s, m);
    return (rights & RIGHT_LOOKUP) != 0 && (rights & ONE_OF) != 0;
}

static enum err check_special_use(const struct mailbox *m, const struct annotation *x)
{
    unsigned uses = 0;
    struct scan c = scan_make(x->value);
    while (!scan_is_end(&c)) {
        scan_special_use(&c, &uses);
        if (!scan_is_end(&c)) {
            scan_sp(&c);
        }
    }
    bool is_inbox = str_eq(mailbox_get_name(m), STR("INBOX"));
    bool is_settable = scan_is_ok(&c) && (uses & ~(unsigned)USES_SETTABLE) == 0;
    return !is_settable || (is_inbox && uses != 0) ? ERR_USE_ATTR : ERR_OK;
}

enum err metadata_check(struct imap_session *s, struct mailbox *m, const struct annotation *x)
{
    bool is_special_use = metadata_is_special_use(m, x->name);
    bool is_of_others = is_special_use && session_is_guest(s);
    if (is_admin(m, x->name) || is_comment(m, x->name) || is_of_others) {
        return ERR_NO_PERMISSION;
    }
    if (m == NULL && filters_is_value(x->name)) {
        return filters_check(x);
    }
    return is_special_use ? check_special_use(m, x) : ERR_OK;
}

/* ---- answers ---- */

struct value {
    struct str s;
    bool is_there;
};

/* Writes one entry; what is longer than the client wants is counted instead. */
static void write_entry(struct imap_session *s, struct metadata_answer *m, struct str name,
                        struct value value, struct buf *out)
{
    if (value.is_there && value.s.n > m->get->maxsize) {
        m->longest = value.s.n > m->longest ? value.s.n : m->longest;
        return;
    }
    if (!m->has_begun) {
        buf_add(out, STR("* METADATA "));
        session_write_mailbox(s, out, m->name);
        buf_add(out, STR(" ("));
        m->has_begun = true;
    } else {
        buf_add_char(out, ' ');
    }
    imap_write_astring(out, name);
    buf_add_char(out, ' ');
    if (value.is_there) {
        imap_write_binary(out, value.s);
    } else {
        buf_add(out, STR("NIL"));
    }
}

static enum err answer_itself(struct imap_session *s, struct metadata_answer *m, struct str name,
                              struct buf *out)
{
    struct buf value = BUF_INIT(ANNOTATION_VALUE_MOST);
    bool has_value = false;
    enum err e = ERR_OK;
    if (!compute(s, m->mailbox, name, &value, &has_value)) {
        e = account_get_annotation(s->account, m->mailbox, s->args.asker, name, &value, &has_value);
    }
    /* What is not there is NIL for who asks for just that (RFC 9590, 4). */
    if (e == ERR_OK && (has_value || m->get->depth == 0)) {
        write_entry(s, m, name, (struct value){buf_str(&value), has_value}, out);
    }
    buf_release(&value);
    return e;
}

/* Is name below entry, and not too deep? */
static bool is_asked(const struct metadata_answer *m, struct str entry, struct str name)
{
    if (!str_starts_nocase(name, entry) || name.n <= entry.n + 1 || name.p[entry.n] != '/') {
        return false;
    }
    struct str below = str_skip(name, entry.n + 1);
    return m->get->depth == METADATA_DEPTH_INFINITY || str_find_char(below, '/') == below.n;
}

static void answer_computed(struct imap_session *s, struct metadata_answer *m, struct str entry,
                            struct buf *out)
{
    struct str name;
    for (unsigned i = 0; (name = get_computed_name(m->mailbox, i)).n > 0; i++) {
        struct buf value = BUF_INIT(ANNOTATION_VALUE_MOST);
        bool has_value = false;
        if (is_asked(m, entry, name) && compute(s, m->mailbox, name, &value, &has_value)
            && has_value) {
            write_entry(s, m, name, (struct value){buf_str(&value), true}, out);
        }
        buf_release(&value);
    }
}

/* The next stored entry below; *has_next false: there is none. */
static enum err answer_below(struct imap_session *s, struct metadata_answer *m, struct str entry,
                             struct buf *out, bool *has_next)
{
    struct annotation_text x = {BUF_INIT(ANNOTATION_NAME_MOST), BUF_INIT(ANNOTATION_VALUE_MOST)};
    enum err e = account_next_annotation(s->account, m->mailbox, s->args.asker, buf_str(&m->at), &x,
                                         has_next);
    *has_next = e == ERR_OK && *has_next && str_starts_nocase(buf_str(&x.name), entry)
                && x.name.p[entry.n] == '/';
    if (*has_next) {
        if (is_asked(m, entry, buf_str(&x.name))) {
            write_entry(s, m, buf_str(&x.name), (struct value){buf_str(&x.value), true}, out);
        }
        buf_clear(&m->at);
        buf_add(&m->at, buf_str(&x.name));
    }
    buf_release(&x.name);
    buf_release(&x.value);
    return e;
}

/* One entry or the next one below it; *is_over: that was all of it. */
static enum err answer_next(struct imap_session *s, struct metadata_answer *m, struct buf *out,
                            bool *is_over)
{
    struct str entry = m->get->entries.at[m->entry];
    *is_over = m->get->depth == 0;
    if (m->at.len == 0) {
        buf_init(&m->at, ANNOTATION_NAME_MOST + 1);
        buf_addf(&m->at, "%.*s/", STR_ARG(entry));
        TRY(answer_itself(s, m, entry, out));
        if (!*is_over) {
            answer_computed(s, m, entry, out);
        }
        return ERR_OK;
    }
    bool has_next;
    TRY(answer_below(s, m, entry, out, &has_next));
    *is_over = !has_next;
    return ERR_OK;
}

enum step metadata_answer_step(struct imap_session *s, struct metadata_answer *m, struct buf *out,
                               enum err *e)
{
    unsigned looks =
        0; /* what is looked at need not be told: deeper than asked, longer than asked */
    while (m->entry < m->get->entries.count) {
        bool is_over;
        *e = answer_next(s, m, out, &is_over);
        if (*e != ERR_OK) {
            break;
        }
        if (is_over) {
            m->entry++;
            buf_release(&m->at);
        }
        if (out->len >= SESSION_OUTPUT_MOST || ++looks == LOOKS_A_STEP) {
            return STEP_MORE;
        }
    }
    if (m->has_begun) {
        buf_add(out, STR(")\r\n"));
        m->has_begun = false;
    }
    return *e == ERR_OK ? STEP_DONE : STEP_BAD;
}

void metadata_answer_release(struct metadata_answer *m)
{
    buf_release(&m->at);
}

/* ---- what others change ---- */

static void on_change(struct watch *w)
{
    session_wake_soon(list_entry(w, struct imap_session, metadata.watch));
}

void metadata_enable(struct imap_session *s)
{
    if (s->has_metadata) {
        return;
    }
    s->has_metadata = true;
    s->metadata.place = account_get_annotation_place(s->account);
    s->metadata.watch.on_change = on_change;
}

/* The client knows of the mailbox, and may read its annotations. */
static bool is_known(const struct imap_session *s, const struct mailbox *m)
{
    return m != NULL && metadata_may(s, m);
}

static bool is_own(const struct imap_session *s, uint64_t modseq)
{
    return modseq == s->metadata.own[0] || modseq == s->metadata.own[1];
}

/* Goes on in the line of this mailbox, or begins one. */
static void write_change(struct imap_session *s, const struct annotation_change *c, struct str name,
                         uint64_t *line, struct buf *out)
{
    bool is_server = c->mailbox_id == 0;
    const struct mailbox *m = is_server ? NULL : account_find_mailbox_id(s->account, c->mailbox_id);
    bool is_unwanted = s->notify != NULL && !notify_wants_metadata(s, c->mailbox_id);
    if (is_unwanted || is_own(s, c->place.modseq) || (!is_server && !is_known(s, m))) {
        return;
    }
    if (*line != c->mailbox_id) {
        struct buf mailbox = BUF_INIT(2 * MAILBOX_NAME_MOST);
        if (!is_server) {
            buf_add(&mailbox, s->args.prefix);
            buf_add(&mailbox, mailbox_get_name(m));
        }
        buf_add_c(out, *line == UINT64_MAX ? "" : "\r\n");
        buf_add(out, STR("* METADATA "));
        session_write_mailbox(s, out, buf_str(&mailbox));
        buf_release(&mailbox);
        *line = c->mailbox_id;
    }
    buf_add_char(out, ' ');
    imap_write_astring(out, name);
}

enum step metadata_tell(struct imap_session *s, struct buf *out)
{
    if (!s->has_metadata) {
        return STEP_DONE;
    }
    struct buf name = BUF_INIT(ANNOTATION_NAME_MOST);
    uint64_t line = UINT64_MAX;
    bool has_next = true;
    while (out->len < SESSION_OUTPUT_MOST) {
        struct annotation_change change;
        enum err e = account_next_annotation_change(s->account, s->args.asker, &s->metadata.place,
                                                    &change, &name, &has_next);
        has_next = has_next && e == ERR_OK; /* what cannot be read now is told later */
        if (!has_next) {
            break;
        }
        s->metadata.place = change.place;
        write_change(s, &change, buf_str(&name), &line, out);
    }
    buf_add_c(out, line == UINT64_MAX ? "" : "\r\n");
    buf_release(&name);
    if (has_next) {
        return STEP_MORE;
    }
    s->metadata.own[0] = 0;
    s->metadata.own[1] = 0;
    return STEP_DONE;
}
