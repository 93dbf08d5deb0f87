/* Messages that scripts send: vacation responses, notifications, reports that a message was refused. They are made here as octets and
 * put into the plan; the outbox sends them.
 *
 * All are automatic mail, and must neither answer such nor cause more of it (RFC 3834): vacation answers persons only, once in a while,
 * and only what was meant for the user (RFC 5230, 4.5 and 4.6); whatever is no notification leaves with the null return path, and a
 * notification about mail with the null return path does, too (RFC 5436, 2.7). */
#include "filter/filter_priv.h"

#include "filter/letter.h"
#include "filter/mailto.h"
#include "mime/field.h"
#include "mime/words.h"
#include "store/seen.h"

enum {
    TEXT_MOST = OUTBOX_TEXT_MOST,
    SUBJECT_MOST = 2000,
    REFERENCES_MOST = 2000,
    UNIQUE_MOST = 128,
    RETURNED_MOST = 64 * 1024, /* octets of a message that goes back whole */
    REFUSAL_MOST = 480,        /* of a reply line, which has 512 (RFC 5321, 4.5.3.1.5) */
    REFUSALS_MOST = 3072       /* of all lines of a reply */
};

/* ---- what all have ---- */

static struct str make_unique(struct run *r)
{
    CLEANUP(buf_release) struct buf unique = BUF_INIT(UNIQUE_MOST);
    r->f->config.write_unique(r->f->config.owner, &unique);
    return arena_str(r->a, buf_str(&unique));
}

/* The subject of the message as UTF-8. */
static struct str find_subject(struct run *r)
{
    struct str raw;
    CLEANUP(buf_release) struct buf text = BUF_INIT(SUBJECT_MOST * 4);
    if (!find_field(r, STR("Subject"), &raw)) {
        return STR_EMPTY;
    }
    words_decode(str_sub(raw, 0, SUBJECT_MOST), &text);
    return arena_str(r->a, buf_str(&text));
}

/* The message's References with its own id behind them (RFC 5322, 3.6.4); the oldest go when there are too many. */
static struct str find_references(struct run *r, struct str id)
{
    struct str list;
    if (!find_field(r, STR("References"), &list) && !find_field(r, STR("In-Reply-To"), &list)) {
        return id;
    }
    if (list.n > REFERENCES_MOST) {
        list = str_skip(list, list.n - REFERENCES_MOST);
        list = str_skip(list, str_find_char(list, '<'));
    }
    return arena_printf(r->a, "%.*s %.*s", STR_ARG(list), STR_ARG(id));
}

/* Whom a script may speak as: one of the user's own addresses, with any display name. Else the best of them. */
static struct str choose_from(struct run *r, struct str wanted)
{
    CLEANUP(buf_release) struct buf spec = BUF_INIT(SUBJECT_MOST);
    if (wanted.n > 0 && letter_find_address(wanted, &spec) && is_own_address(r, buf_str(&spec))) {
        return wanted;
    }
    return r->addresses.at[0];
}

/* What a script made too large is not sent; the message itself is none the worse. */
static bool is_too_large(struct run *r, const struct sieve_action *x, const struct buf *text)
{
    if (buf_err(text) == ERR_OK) {
        return false;
    }
    add_note(r, STR("your script"), x->line, STR("What it wanted to send is too large"));
    return true;
}

static enum err add_letter(struct run *r, struct str from, struct str to, const struct buf *text)
{
    struct str copy = arena_str(r->a, buf_str(text));
    TRY(copy.p == NULL ? ERR_LIMIT : ERR_OK);
    vec_push(&r->letters,
             (struct letter_out){.kind = OUTBOX_MAIL, .from = from, .to = to, .text = copy});
    return ERR_OK;
}

/* A copy of what is sent (RFC 8580). */
static enum err add_fcc(struct run *r, const struct sieve_target *fcc, const struct buf *text)
{
    struct copy copy = {.target = fcc};
    TRY(make_writer(r, buf_str(text), STR_EMPTY, &copy.writer));
    vec_push(&r->copies, copy);
    return ERR_OK;
}

/* ---- vacation ---- */

/* A program reads what is sent there (RFC 5230, 4.6). */
static bool is_robot(struct str address)
{
    static const char *const NAMES[] = {"mailer-daemon", "listserv",   "majordomo",   "noreply",
                                        "no-reply",      "donotreply", "do-not-reply"};
    struct str local = str_sub(address, 0, str_find_last_char(address, '@'));
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (str_eq_nocase(local, str_from_c(NAMES[i]))) {
            return true;
        }
    }
    return str_starts_nocase(local, STR("owner-")) || str_starts_nocase(local, STR("bounce-"))
           || str_ends_nocase(local, STR("-request")) || str_ends_nocase(local, STR("-owner"))
           || str_ends_nocase(local, STR("-bounces"));
}

static bool is_for_user(struct run *r, const struct sieve_strings *more)
{
    static const char *const FIELDS[] = {"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"};
    for (size_t i = 0; i < sizeof(FIELDS) / sizeof(FIELDS[0]); i++) {
        if (has_own_address(r, str_from_c(FIELDS[i]), more)) {
            return true;
        }
    }
    return false;
}

static bool may_answer(struct run *r, const struct sieve_vacation *v)
{
    struct str sender = r->d->return_path;
    if (sender.n == 0 || is_robot(sender) || is_own_address(r, sender) || is_automatic(r)) {
        return false;
    }
    struct sieve_strings more = read_addresses(r, &v->addresses);
    return !is_among(sender, &more) && is_for_user(r, &more);
}

static void write_vacation(struct run *r, const struct sieve_vacation *v, struct buf *out)
{
    struct str id;
    (void)find_field(r, STR("Message-ID"), &id);
    struct letter l = {
        .from = choose_from(r, v->from),
        .to = r->d->return_path,
        .subject = v->subject,
        .auto_submitted = STR("auto-replied"),
        .in_reply_to = id,
        .references = id.n > 0 ? find_references(r, id) : STR_EMPTY,
        .unique = make_unique(r),
        .hostname = r->f->config.hostname,
        .now_s = r->now_s,
    };
    if (!v->has_subject) {
        struct str subject = find_subject(r);
        l.subject = subject.n > 0 ? arena_printf(r->a, "Auto: %.*s", STR_ARG(subject))
                                  : STR("Automated reply");
    }
    letter_write_head(out, &l);
    if (v->is_mime) {
        letter_write_entity(out, v->reason);
        return;
    }
    letter_write_text(out, v->reason);
}

static struct str make_vacation_key(struct run *r, const struct sieve_vacation *v)
{
    CLEANUP(buf_release) struct buf key = BUF_INIT(TEXT_MOST);
    buf_addf(&key, "%zu %.*s ", v->key.n, STR_ARG(v->key));
    for (size_t i = 0; i < r->d->return_path.n; i++) {
        buf_add_char(&key, ascii_lower(r->d->return_path.p[i]));
    }
    return arena_str(r->a, buf_str(&key));
}

enum err plan_vacation(struct run *r, const struct sieve_action *x)
{
    const struct sieve_vacation *v = x->vacation;
    bool is_seen = false;
    if (!may_answer(r, v)) {
        return ERR_OK;
    }
    struct str key = make_vacation_key(r, v);
    TRY(account_find_seen(r->account, SEEN_VACATION, key, r->now_s, &is_seen));
    if (is_seen) {
        return ERR_OK;
    }
    CLEANUP(buf_release) struct buf text = BUF_INIT(TEXT_MOST);
    write_vacation(r, v, &text);
    if (is_too_large(r, x, &text)) {
        return ERR_OK;
    }
    if (v->seconds > 0) {
        vec_push(&r->memories, (struct memory){SEEN_VACATION, key, v->seconds});
    }
    TRY(add_letter(r, STR_EMPTY, r->d->return_path, &text));
    return v->has_fcc ? add_fcc(r, &v->fcc, &text) : ERR_OK;
}

/* ---- notify ---- */

static struct str get_priority(char importance, bool is_number)
{
    if (importance == '1') {
        return is_number ? STR("1 (Highest)") : STR("High");
    }
    if (importance == '3') {
        return is_number ? STR("5 (Lowest)") : STR("Low");
    }
    return is_number ? STR("3 (Normal)") : STR("Normal");
}

static struct str choose_subject(struct run *r, const struct sieve_notify *n, struct str given)
{
    if (n->has_message) {
        return n->message;
    }
    if (given.n > 0) {
        return given;
    }
    struct str subject = find_subject(r);
    return subject.n > 0 ? subject : STR("New message");
}

static void write_notification(struct run *r, const struct sieve_notify *n, const struct mailto *m,
                               struct buf *out)
{
    struct str id;
    (void)find_field(r, STR("Message-ID"), &id);
    struct letter l = {
        .from = choose_from(r, n->from),
        .to = m->to,
        .subject = choose_subject(r, n, m->subject),
        .auto_submitted =
            arena_printf(r->a, "auto-notified; owner-email=\"%.*s\"", STR_ARG(r->addresses.at[0])),
        .references = id.n > 0 ? find_references(r, id) : STR_EMPTY,
        .unique = make_unique(r),
        .hostname = r->f->config.hostname,
        .now_s = r->now_s,
    };
    letter_write_head(out, &l);
    if (m->cc.n > 0) {
        letter_write_field(out, STR("Cc"), m->cc);
    }
    letter_write_field(out, STR("Importance"), get_priority(n->importance, false));
    letter_write_field(out, STR("X-Priority"), get_priority(n->importance, true));
    for (uint32_t i = 0; i < m->field_count; i++) {
        letter_write_field(out, m->fields[i].name, m->fields[i].value);
    }
    letter_write_text(out, m->body);
}

/* "the envelope sender of the notification message MUST be empty as well [...] Otherwise [...] SHOULD be set to the value of the ":from"
 * tag" (2.7), where that is the user's. */
static struct str find_sender(struct run *r, const struct sieve_notify *n)
{
    CLEANUP(buf_release) struct buf spec = BUF_INIT(SUBJECT_MOST);
    if (r->d->return_path.n == 0 || !letter_find_address(choose_from(r, n->from), &spec)) {
        return STR_EMPTY;
    }
    return arena_str(r->a, buf_str(&spec));
}

static enum err plan_mailto(struct run *r, const struct sieve_action *x)
{
    const struct sieve_notify *n = x->notify;
    struct mailto *m = arena_one(r->a, struct mailto);
    TRY(m == NULL ? ERR_LIMIT : ERR_OK);
    if (mailto_parse(r->a, n->method, m) != ERR_OK || is_submitted_automatically(r)) {
        return ERR_OK;
    }
    CLEANUP(buf_release) struct buf text = BUF_INIT(TEXT_MOST);
    write_notification(r, n, m, &text);
    if (is_too_large(r, x, &text)) {
        return ERR_OK;
    }
    struct str from = find_sender(r, n);
    for (uint32_t i = 0; i < m->recipient_count; i++) {
        TRY(add_letter(r, from, m->recipients[i], &text));
    }
    return n->has_fcc ? add_fcc(r, &n->fcc, &text) : ERR_OK;
}

static void add_member(struct buf *out, const char *name, struct str value)
{
    buf_addf(out, ",\"%s\":", name);
    letter_write_json(out, value);
}

static void write_hook(struct run *r, const struct sieve_notify *n, struct buf *out)
{
    struct str from;
    struct str id;
    (void)find_field(r, STR("From"), &from);
    (void)find_field(r, STR("Message-ID"), &id);
    CLEANUP(buf_release) struct buf name = BUF_INIT(SUBJECT_MOST * 4);
    words_decode(str_sub(from, 0, SUBJECT_MOST), &name);
    buf_add(out, STR("{\"event\":\"message\""));
    add_member(out, "user", r->env.user);
    add_member(out, "recipient", r->d->address);
    add_member(out, "return_path", r->d->return_path);
    add_member(out, "from", buf_str(&name));
    add_member(out, "subject", find_subject(r));
    add_member(out, "message_id", id);
    add_member(out, "text", n->has_message ? n->message : STR_EMPTY);
    buf_addf(out, ",\"importance\":%c,\"size\":%zu,\"time\":%lld,\"options\":[", n->importance,
             r->octets.n - r->d->trace_size, (long long)r->now_s);
    for (uint32_t i = 0; i < n->options.count; i++) {
        buf_add(out, i == 0 ? STR_EMPTY : STR(","));
        letter_write_json(out, n->options.at[i]);
    }
    buf_add(out, STR("]}"));
}

static enum err plan_hook(struct run *r, const struct sieve_notify *n)
{
    CLEANUP(buf_release) struct buf json = BUF_INIT(FILTER_HOOK_MOST);
    write_hook(r, n, &json);
    if (buf_err(&json) != ERR_OK) {
        return ERR_OK; /* options without end: not worth the message */
    }
    struct str text = arena_str(r->a, buf_str(&json));
    TRY(text.p == NULL ? ERR_LIMIT : ERR_OK);
    vec_push(&r->letters, (struct letter_out){.kind = OUTBOX_POST, .to = n->method, .text = text});
    return ERR_OK;
}

enum err plan_notify(struct run *r, const struct sieve_action *x)
{
    const struct sieve_notify *n = x->notify;
    return str_starts_nocase(n->method, STR("mailto:")) ? plan_mailto(r, x) : plan_hook(r, n);
}

/* ---- reject ---- */

/* The reason's lines as those of a reply (RFC 5429, 2.5), LF between them; a long one is cut into several. */
static void write_refusal_lines(struct str reason, struct buf *out)
{
    while (reason.n > 0) {
        struct str line = str_trim(str_split(&reason, '\n'));
        do {
            buf_add(out, out->len > 0 ? STR("\n") : STR_EMPTY);
            buf_add(out, str_sub(line, 0, REFUSAL_MOST));
            line = str_skip(line, REFUSAL_MOST);
        } while (line.n > 0);
    }
}

/* Of a very long reason the end may be missing, but not the beginning. */
static struct str make_refusal(struct run *r, struct str reason)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(FILTER_REFUSAL_MOST);
    CLEANUP(buf_release) struct buf words = BUF_INIT(2 * FILTER_REFUSAL_MOST);
    write_refusal_lines(str_sub(str_trim(reason), 0, REFUSALS_MOST), &words);
    if (words.len == 0 || !letter_is_ascii(buf_str(&words))) {
        buf_clear(&words);
        buf_add(&words, STR("The recipient's mail filter refuses this message"));
    }
    buf_addf(&out, "550 5.7.1 %.*s", STR_ARG(buf_str(&words)));
    return arena_str(r->a, buf_str(&out));
}

static void write_disposition(struct run *r, struct str id, struct buf *out)
{
    buf_addf(out,
             "Content-Type: message/disposition-notification\r\n\r\n"
             "Reporting-UA: %.*s; Limetta\r\n",
             STR_ARG(r->f->config.hostname));
    letter_write_field(out, STR("Original-Recipient"),
                       arena_printf(r->a, "rfc822; %.*s", STR_ARG(r->d->address)));
    letter_write_field(out, STR("Final-Recipient"),
                       arena_printf(r->a, "rfc822; %.*s", STR_ARG(r->addresses.at[0])));
    if (id.n > 0) {
        letter_write_field(out, STR("Original-Message-ID"), id);
    }
    buf_add(out, STR("Disposition: automatic-action/MDN-sent-automatically; deleted\r\n"));
}

/* "A reject message MUST take the form of a failure MDN" (RFC 5429, 2.2.1; RFC 8098). */
static void write_rejection(struct run *r, struct str reason, struct buf *out)
{
    struct str id;
    struct str unique = make_unique(r);
    (void)find_field(r, STR("Message-ID"), &id);
    struct letter l = {
        .from = r->addresses.at[0],
        .to = r->d->return_path,
        .subject = STR("Your message was refused"),
        .auto_submitted = STR("auto-replied"),
        .in_reply_to = id,
        .references = id.n > 0 ? find_references(r, id) : STR_EMPTY,
        .unique = unique,
        .hostname = r->f->config.hostname,
        .now_s = r->now_s,
    };
    struct str original = str_skip(r->octets, r->d->trace_size);
    bool is_whole = original.n <= RETURNED_MOST && memchr(original.p, 0, original.n) == NULL;
    original = is_whole
                   ? original
                   : str_sub(original, 0, (size_t)r->shape.root.header_size - r->d->trace_size);
    letter_write_head(out, &l);
    buf_addf(out,
             "MIME-Version: 1.0\r\n"
             "Content-Type: multipart/report; report-type=disposition-notification;\r\n"
             "\tboundary=\"=_%.*s\"\r\n\r\n--=_%.*s\r\n"
             "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
             "The message was refused by the recipient's mail filtering program.\r\n"
             "The reason given was as follows:\r\n\r\n",
             STR_ARG(unique), STR_ARG(unique));
    letter_write_lines(out, reason);
    buf_addf(out, "\r\n--=_%.*s\r\n", STR_ARG(unique));
    write_disposition(r, id, out);
    buf_addf(out, "\r\n--=_%.*s\r\nContent-Type: %s\r\n%s\r\n", STR_ARG(unique),
             is_whole ? "message/rfc822" : "text/rfc822-headers",
             letter_is_ascii(original) ? "" : "Content-Transfer-Encoding: 8bit\r\n");
    buf_add(out, original);
    buf_addf(out, "\r\n--=_%.*s--\r\n", STR_ARG(unique));
}

/* Does the reason stand in one line of a reply, word for word? */
static bool is_reply(struct str reason)
{
    reason = str_trim(reason);
    bool is_line = reason.n > 0 && reason.n <= REFUSAL_MOST && letter_is_ascii(reason);
    for (size_t i = 0; i < reason.n && is_line; i++) {
        is_line = reason.p[i] >= ' ';
    }
    return is_line;
}

enum err plan_reject(struct run *r, const struct sieve_action *x)
{
    /* "reject" would "always favor preserving the exact text" (RFC 5429, 2.2): if not in the reply then in a message; "ereject" is
     * never more than a reply. */
    if (x->kind == SIEVE_EREJECT || is_reply(x->reason)) {
        r->refusal = make_refusal(r, x->reason);
        return ERR_OK;
    }
    if (r->d->return_path.n == 0) {
        return ERR_OK; /* no MDN to nobody: the message is dropped, as the script asked */
    }
    CLEANUP(buf_release) struct buf text = BUF_INIT(TEXT_MOST);
    write_rejection(r, x->reason, &text);
    if (buf_err(&text) != ERR_OK) {
        r->refusal = make_refusal(r, x->reason);
        return ERR_OK;
    }
    TRY(add_letter(r, STR_EMPTY, r->d->return_path, &text));
    r->letters.at[r->letters.count - 1].is_needed = true;
    return ERR_OK;
}
