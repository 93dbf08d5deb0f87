/* Carrying out a plan. First everything that may be refused is looked at (quota, room in the outbox); from then on only a failing disk
 * can stop it, and that poisons the turn: nothing of it is committed.
 *
 * Copies of one message share its body. A mailbox that is not there is made when the script says so, else the copy goes to INBOX and the
 * user is told. Whatever the script called it by, no mailbox gets the message twice. */
#include "filter/filter_priv.h"

#include "base/log.h"
#include "filter/letter.h"
#include "net/fields.h"
#include "store/seen.h"
#include "wire/smtp_scan.h"

enum {
    LETTER_LIFE_S = 5 * 24 * 3600,
    NOTE_MOST = 64 * 1024,
    NOTE_AGAIN_S = 24 * 3600,
    MEMORY_MOST_S = 400 * 24 * 3600
};

struct apply {
    struct run *r;
    VEC(struct mailbox *) got; /* that have the message; referenced */
};

/* ---- what may be refused ---- */

/* The outbox is full: what nobody's mail depends on is not sent, and what was to be remembered of it is not, so that the next message may
 * be answered. */
static void drop_answers(struct run *r)
{
    size_t letters = 0;
    size_t memories = 0;
    size_t copies = 0;
    for (size_t i = 0; i < r->letters.count; i++) {
        if (r->letters.at[i].is_needed) {
            r->letters.at[letters++] = r->letters.at[i];
        }
    }
    for (size_t i = 0; i < r->memories.count; i++) {
        if (r->memories.at[i].kind != SEEN_VACATION && r->memories.at[i].kind != SEEN_NOTIFY) {
            r->memories.at[memories++] = r->memories.at[i];
        }
    }
    for (size_t i = 0; i < r->copies.count; i++) {
        if (r->copies.at[i].is_message) {
            r->copies.at[copies++] = r->copies.at[i];
        }
    }
    r->letters.count = letters;
    r->memories.count = memories;
    r->copies.count = copies;
    add_note(r, STR("your script"), 0,
             STR("Too much waits to be sent; answers and notifications are left out"));
}

static enum err check_outbox(struct run *r)
{
    uint64_t waiting = 0;
    TRY(r->letters.count > 0 ? account_count_outgoing(r->account, &waiting) : ERR_OK);
    if (waiting + r->letters.count > OUTBOX_MOST) {
        drop_answers(r);
    }
    return r->letters.count > 0 && waiting + r->letters.count > OUTBOX_MOST ? ERR_LIMIT : ERR_OK;
}

static enum err check_room(struct run *r)
{
    uint64_t octets = 0;
    uint64_t count = 0;
    for (size_t i = 0; i < r->copies.count; i++) {
        if (r->copies.at[i].is_message) {
            octets += body_writer_get_shown_size(r->copies.at[i].writer);
            count++;
        }
    }
    TRY(account_check_quota(r->account, count, octets));
    return check_outbox(r);
}

/* ---- copies ---- */

static enum err find_inbox(struct run *r, struct mailbox **out)
{
    return account_find_mailbox(r->account, STR("INBOX"), out);
}

static enum err create(struct run *r, const struct sieve_target *t, struct mailbox **out)
{
    unsigned use = find_use(t->special_use) & (unsigned)USES_SETTABLE;
    struct mailbox *m = account_find_pending_mailbox(r->account, t->mailbox);
    if (m == NULL) {
        TRY(account_create_mailbox(r->account, t->mailbox, use));
        TRY(account_set_subscribed(r->account, t->mailbox, true));
        m = account_find_pending_mailbox(r->account, t->mailbox);
    }
    TRY(m == NULL ? ERR_NO_MAILBOX : ERR_OK);
    mailbox_ref(m);
    *out = m;
    return ERR_OK;
}

static void tell_missing(struct run *r, const struct sieve_target *t, enum err e)
{
    struct str why =
        e == ERR_NO_MAILBOX ? STR("it does not exist") : str_from_c(err_get_info(e)->meaning);
    add_note(r, STR("your script"), 0,
             arena_printf(r->a, "A message for mailbox \"%.*s\" is in INBOX: %.*s",
                          STR_ARG(t->mailbox), STR_ARG(why)));
}

static bool is_disk_trouble(enum err e)
{
    return e == ERR_IO || e == ERR_NO_SPACE || e == ERR_CORRUPT || e == ERR_UNAVAILABLE;
}

enum err find_or_create(struct run *r, const struct sieve_target *t, struct mailbox **out)
{
    enum err e = find_target(r->account, t, out);
    if (e == ERR_NO_MAILBOX && t->is_create) {
        e = create(r, t, out);
    }
    if (e == ERR_OK || is_disk_trouble(e)) {
        return e;
    }
    tell_missing(r, t, e);
    return find_inbox(r, out);
}

uint64_t find_flags(struct mailbox *m, const struct sieve_strings *names)
{
    static const struct {
        const char *name;
        uint64_t flag;
    } SYSTEM[] = {{"\\Seen", FLAG_SEEN},
                  {"\\Answered", FLAG_ANSWERED},
                  {"\\Flagged", FLAG_FLAGGED},
                  {"\\Deleted", FLAG_DELETED},
                  {"\\Draft", FLAG_DRAFT}};
    uint64_t flags = 0;
    for (uint32_t i = 0; i < names->count; i++) {
        uint64_t bit = 0;
        for (size_t k = 0; k < sizeof(SYSTEM) / sizeof(SYSTEM[0]); k++) {
            bit |= str_eq_nocase(names->at[i], str_from_c(SYSTEM[k].name)) ? SYSTEM[k].flag : 0;
        }
        /* One for which there is no room is left out, as COPY does. */
        if (bit == 0 && str_find_char(names->at[i], '\\') == names->at[i].n) {
            err_ignore(mailbox_get_keyword(m, names->at[i], true, &bit));
        }
        flags |= bit;
    }
    return flags;
}

static bool has_got(const struct apply *p, const struct mailbox *m)
{
    for (size_t i = 0; i < p->got.count; i++) {
        if (p->got.at[i] == m) {
            return true;
        }
    }
    return false;
}

static enum err append(struct apply *p, struct mailbox *m, const struct copy *copy)
{
    struct uid uid;
    if (copy->is_message && has_got(p, m)) {
        return ERR_OK;
    }
    struct append_args args = {
        .flags = find_flags(m, &copy->target->flags),
        .internaldate_s = p->r->now_s,
    };
    TRY(mailbox_append(m, copy->writer, &args, &uid));
    if (copy->is_message) {
        mailbox_ref(m);
        vec_push(&p->got, m);
    }
    return ERR_OK;
}

static enum err apply_copy(struct apply *p, const struct copy *copy)
{
    struct mailbox *m = NULL;
    TRY(find_or_create(p->r, copy->target, &m));
    enum err e = append(p, m, copy);
    mailbox_unref(&m);
    /* A copy of what is sent is worth no message: when it is too much, there is none. */
    return e == ERR_OVER_QUOTA && !copy->is_message ? ERR_OK : e;
}

/* ---- letters ---- */

/* A copy that goes on keeps what its sender asked for, but for the news that it was delivered: that was told when it came here
 * (RFC 3461, 5.2.7). */
static void write_wishes(const struct run *r, struct buf *out)
{
    const struct filter_delivery *d = r->d;
    fields_add_u64(out, STR("notify"), mail_get_notify_beyond(d->notify));
    fields_add_u64(out, STR("ret"), d->ret);
    if (d->envid.n > 0) {
        fields_add(out, STR("envid"), d->envid);
    }
    if (d->address.n > 0) {
        CLEANUP(buf_release) struct buf typed = BUF_INIT(OUTBOX_HEAD_MOST);
        buf_addf(&typed, "%.*s;%.*s", STR_ARG(smtp_orcpt_get_type(d->address)),
                 STR_ARG(d->address));
        fields_add(out, STR("orcpt"), buf_str(&typed));
    }
}

static void write_head(struct run *r, const struct letter_out *l, bool is_kept, struct buf *out)
{
    if (l->kind == OUTBOX_POST) {
        fields_add(out, STR("url"), l->to);
        return;
    }
    fields_add(out, STR("user"), account_get_user(r->account));
    fields_add(out, STR("from"), l->from);
    fields_add(out, STR("to"), l->to);
    if (!l->is_redirect && l->from.n == 0) {
        fields_add_u64(out, STR("notify"), SMTP_NOTIFY_NEVER);
    }
    if (!letter_is_ascii(l->to) || !letter_is_ascii(l->from)) {
        fields_add_u64(out, STR("utf8"), 1);
    }
    if (l->is_redirect) {
        write_wishes(r, out);
    }
    if (r->d->is_tls_required) { /* RFC 8689, 6 */
        fields_add_u64(out, STR("tls_required"), 1);
    }
    if (l->is_redirect && !is_kept) {
        fields_add_u64(out, STR("keep"), 1);
    }
}

static enum err apply_letter(struct run *r, const struct letter_out *l, bool is_kept)
{
    CLEANUP(buf_release) struct buf head = BUF_INIT(OUTBOX_HEAD_MOST);
    write_head(r, l, is_kept, &head);
    TRY(buf_err(&head));
    struct outbox_item item = {
        .kind = l->kind,
        .due_ms = (uint64_t)r->now_s * 1000,
        .expires_ms = (uint64_t)(r->now_s + LETTER_LIFE_S) * 1000,
        .head = buf_str(&head),
        .text = l->text,
        .body_id = l->has_body ? r->body_id : 0,
        .skip = l->skip,
    };
    return account_add_outgoing(r->account, &item, l->has_body ? r->d->writer : NULL);
}

static enum err apply_memory(struct run *r, const struct memory *m)
{
    uint64_t seconds = m->seconds < MEMORY_MOST_S ? m->seconds : MEMORY_MOST_S;
    return account_add_seen(r->account, m->kind, m->key, r->now_s, r->now_s + (int64_t)seconds);
}

/* ---- notes ---- */

static void write_note(struct run *r, const struct note *n, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(NOTE_MOST);
    CLEANUP(buf_release) struct buf unique = BUF_INIT(128);
    r->f->config.write_unique(r->f->config.owner, &unique);
    struct str from =
        arena_printf(r->a, "Mail System <postmaster@%.*s>", STR_ARG(r->f->config.hostname));
    struct letter l = {
        .from = from,
        .to = r->addresses.at[0],
        .subject = STR("There is trouble with your mail filter"),
        .auto_submitted = STR("auto-generated"),
        .unique = buf_str(&unique),
        .hostname = r->f->config.hostname,
        .now_s = r->now_s,
    };
    buf_addf(&text, "A message came in, and this happened with %.*s", STR_ARG(n->script));
    if (n->line > 0) {
        buf_addf(&text, ", line %u", n->line);
    }
    buf_addf(
        &text,
        ":\r\n\r\n    %.*s\r\n\r\nNo message is lost: what cannot be filtered is kept. You are "
        "told of the same trouble once a day.\r\n",
        STR_ARG(n->text));
    letter_write_head(out, &l);
    letter_write_text(out, buf_str(&text));
}

static enum err append_note(struct run *r, const struct note *n)
{
    struct mailbox *inbox = NULL;
    struct body_writer *w = NULL;
    struct append_args args = {.internaldate_s = r->now_s};
    struct uid uid;
    CLEANUP(buf_release) struct buf text = BUF_INIT(2 * NOTE_MOST);
    write_note(r, n, &text);
    TRY(buf_err(&text));
    TRY(make_writer(r, buf_str(&text), STR_EMPTY, &w));
    TRY(find_inbox(r, &inbox));
    enum err e = mailbox_append(inbox, w, &args, &uid);
    mailbox_unref(&inbox);
    return e == ERR_OVER_QUOTA ? ERR_OK : e;
}

static enum err apply_note(struct run *r, const struct note *n)
{
    bool is_told = false;
    struct str key =
        arena_printf(r->a, "%.*s %u %.*s", STR_ARG(n->script), n->line, STR_ARG(n->text));
    TRY(account_find_seen(r->account, SEEN_NOTE, key, r->now_s, &is_told));
    if (is_told) {
        return ERR_OK;
    }
    log_info("filter: %.*s: line %u: the script failed; the message is kept",
             STR_ARG(account_get_user(r->account)), n->line);
    TRY(account_add_seen(r->account, SEEN_NOTE, key, r->now_s, r->now_s + NOTE_AGAIN_S));
    return append_note(r, n);
}

/* ---- all of it ---- */

enum err apply_rest(struct run *r, bool is_kept)
{
    for (size_t i = 0; i < r->letters.count; i++) {
        TRY(apply_letter(r, &r->letters.at[i], is_kept));
    }
    for (size_t i = 0; i < r->memories.count; i++) {
        TRY(apply_memory(r, &r->memories.at[i]));
    }
    for (size_t i = 0; i < r->notes.count; i++) {
        TRY(apply_note(r, &r->notes.at[i]));
    }
    return ERR_OK;
}

static enum err apply_all(struct apply *p)
{
    struct run *r = p->r;
    for (size_t i = 0; i < r->copies.count; i++) {
        TRY(apply_copy(p, &r->copies.at[i]));
    }
    return apply_rest(r, p->got.count > 0);
}

enum err apply_plan(struct run *r, bool *has_outgoing)
{
    struct apply p = {.r = r};
    TRY(check_room(r));
    enum err e = apply_all(&p);
    for (size_t i = 0; i < p.got.count; i++) {
        mailbox_unref(&p.got.at[i]);
    }
    vec_release(&p.got);
    *has_outgoing = r->letters.count > 0;
    return e == ERR_OK ? ERR_OK : account_abandon(r->account, e);
}
