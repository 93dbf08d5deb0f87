/* The submission dialogue after authentication (RFC 6409 over RFC 5321). The session is a loop over frames: a line is a
 * command, octets are content; a command that must ask the host parks the session in a state that waits, and what the
 * client pipelined behind it (RFC 2920) stays in the framer until the answer is there, so replies keep their order.
 *
 *     COMMAND --RCPT--> RECIPIENT --> COMMAND          COMMAND --BURL--> FETCH --> COMMAND or QUEUE
 *     COMMAND --DATA--> DATA --> QUEUE --> COMMAND     COMMAND --BDAT--> CHUNK --> COMMAND or QUEUE
 *
 * The envelope is checked here: syntax (501), order (503), full qualification of domains (RFC 6409, 4.2), addresses in UTF-8
 * (550, 553; RFC 6531). Domains beyond ASCII go on as A-labels, so that they compare, and so that an address whose local part is
 * ASCII can be passed on anywhere. Who a recipient is, only the host knows. What MAIL asks for is in submission_terms.c,
 * held mail in submission_held.c, the content in submission_content.c.
 *
 * A second AUTH is refused (503, RFC 4954, 4), and STARTTLS, too: both belong before the session. */
#include "smtp/submission_priv.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "mime/idna.h"
#include "wire/smtp_write.h"

static struct submission *from_session(struct session *s)
{
    return (struct submission *)s;
}

void submission_reply(struct submission *s, int code, struct str enhanced, struct str text)
{
    smtp_write_reply(&s->out, code, enhanced, text);
}

void submission_reply_err(struct submission *s, enum err e)
{
    smtp_write_err(&s->out, e);
}

void submission_reset(struct submission *s)
{
    if (s->has_content || s->state == SUBMISSION_RECIPIENT) {
        s->host->content_drop(s->host->base.owner);
    }
    header_fix_free(&s->fix);
    buf_release(&s->piece); /* a session may idle for hours between two messages */
    vec_release(&s->recipients);
    arena_clear(s->transaction);
    s->has_mail = false;
    s->is_lost = false;
    s->return_path = STR_EMPTY;
    s->body = SMTP_BODY_7BIT;
    s->ret = SMTP_RET_NONE;
    s->envid = STR_EMPTY;
    s->terms = (struct mail_terms){0};
    s->has_priority = false;
    s->is_priority_lowered = false;
    s->declared_size = 0;
    s->rcpt_count = 0;
    s->has_content = false;
    s->has_chunks = false;
    s->is_last = false;
    s->failure = ERR_OK;
    s->size = 0;
    s->ahead = 0;
}

/* ---- commands ---- */

/* EHLO or HELO, with the name that the trace line gets. False: it was answered. */
static bool take_helo(struct submission *s, struct str args)
{
    struct str name = STR_EMPTY;
    enum err e = smtp_parse_helo(args, &name);
    if (e != ERR_OK) {
        submission_reply_err(s, e);
        return false;
    }
    submission_reset(s);
    buf_clear(&s->helo);
    buf_add(&s->helo, name);
    return true;
}

static void run_ehlo(struct submission *s, struct str args)
{
    if (!take_helo(s, args)) {
        return;
    }
    struct smtp_ehlo ehlo = {
        .hostname = s->args.hostname,
        .size_most = s->args.size_most,
        .has_burl = true,
        .burl_args = STR("imap"),
        .hold_most_s = s->args.hold_most_s,
        .now_s = s->host->get_time_s(s->host->base.owner),
        .recipients_most = s->args.recipients_most,
        .is_tls = s->args.is_tls,
        .has_held = s->args.hold_most_s > 0,
    };
    smtp_write_ehlo(&s->out, &ehlo);
}

static void run_helo(struct submission *s, struct str args)
{
    if (take_helo(s, args)) {
        submission_reply(s, 250, STR_EMPTY, s->args.hostname);
    }
}

/* A name of several labels, an address literal, or one of ours. */
static bool is_qualified(const struct submission *s, struct str domain)
{
    bool is_ours =
        str_eq_nocase(domain, s->args.domain) || str_has_word_nocase(s->args.domains, domain);
    return is_ours || domain.n == 0 || domain.p[0] == '[' || str_find_char(domain, '.') < domain.n;
}

/* The address of path, with a full domain in ASCII in any case (RFC 6409, 4.2; RFC 6531, 3.2), copied into the
 * transaction. */
static enum err qualify(struct submission *s, const struct smtp_path *path, struct str *out)
{
    CLEANUP(buf_release) struct buf address = BUF_INIT(2048);
    CLEANUP(buf_release) struct buf domain = BUF_INIT(1024);
    if (path->is_utf8) {
        TRY(idna_to_ascii(path->domain, &domain));
    } else {
        buf_add(&domain, path->domain);
    }
    if (!is_qualified(s, buf_str(&domain))) {
        return ERR_UNQUALIFIED;
    }
    if (!path->is_null) {
        smtp_address_write(&address, path->local,
                           domain.len > 0 ? buf_str(&domain) : s->args.domain);
    }
    TRY(buf_err(&address));
    *out = arena_str(s->transaction, buf_str(&address));
    return out->p == NULL && address.len > 0 ? ERR_LIMIT : ERR_OK;
}

/* RFC 6710, 4.1: who asks for a higher priority than it may have is told which one it got. */
void submission_accept_mail(struct submission *s)
{
    s->has_mail = true;
    if (s->terms.priority >= s->priority_asked || !s->has_priority) {
        submission_reply(s, 250, STR("2.1.0"), STR("Ok"));
        return;
    }
    CLEANUP(buf_release) struct buf text = BUF_INIT(64);
    buf_addf(&text, "%d is your highest priority", s->terms.priority);
    submission_reply(s, 250, STR("2.3.6"), buf_str(&text));
}

static void run_mail(struct submission *s, struct str args)
{
    struct smtp_mail mail = {0};
    if (s->has_mail) {
        submission_reply_err(s, ERR_WRONG_STATE);
        return;
    }
    if (s->is_lost) {
        submission_reset(s);
    }
    enum err e = smtp_mail_parse(s->command, args, &mail);
    e = e == ERR_OK ? submission_take_terms(s, &mail) : e;
    e = e == ERR_OK ? qualify(s, &mail.from, &s->return_path) : e;
    if (e != ERR_OK) {
        submission_reply_err(s, e);
        submission_reset(s);
        return;
    }
    s->priority_asked = mail.priority;
    submission_check_return_path(s);
}

/* Makes what RCPT said the candidate. */
static enum err take_candidate(struct submission *s, const struct smtp_rcpt *rcpt)
{
    struct mail_recipient *r = &s->candidate;
    *r = (struct mail_recipient){.notify = rcpt->notify};
    if (rcpt->is_utf8 && !s->terms.is_utf8) {
        return rcpt->to.is_utf8 ? ERR_UTF8_RECIPIENT : ERR_BAD_PARAM;
    }
    TRY(qualify(s, &rcpt->to, &r->address));
    if (rcpt->has_orcpt) {
        r->orcpt = arena_printf(s->transaction, "%.*s;%.*s", STR_ARG(rcpt->orcpt_type),
                                STR_ARG(rcpt->orcpt));
    }
    return rcpt->has_orcpt && r->orcpt.n == 0 ? ERR_LIMIT : ERR_OK;
}

static void run_rcpt(struct submission *s, struct str args)
{
    struct smtp_rcpt rcpt = {0};
    enum err e = s->is_lost                      ? ERR_TRANSACTION_LOST
                 : !s->has_mail || s->has_chunks ? ERR_WRONG_STATE
                                                 : ERR_OK;
    e = e == ERR_OK && s->rcpt_count++ >= s->args.recipients_most ? ERR_MANY_RECIPIENTS : e;
    e = e == ERR_OK ? smtp_rcpt_parse(s->command, args, &rcpt) : e;
    e = e == ERR_OK ? take_candidate(s, &rcpt) : e;
    e = e == ERR_OK ? submission_check_load(s, s->recipients.count + 1, s->declared_size) : e;
    if (e != ERR_OK) {
        submission_reply_err(s, e);
        return;
    }
    s->state = SUBMISSION_RECIPIENT;
    s->host->find_recipient(s->host->base.owner, s->candidate.address);
}

/* Domains compare without case, local parts with it (RFC 5321, 2.4). */
static bool is_same_mailbox(struct str a, struct str b)
{
    size_t at = str_find_last_char(a, '@');
    return str_eq(str_sub(a, 0, at), str_sub(b, 0, str_find_last_char(b, '@')))
           && str_eq_nocase(a, b);
}

/* What two RCPTs ask for together (RFC 3461, 4.1): NEVER adds nothing to what the other one wants, and not to ask means failures
 * and delays. */
static unsigned join_notify(unsigned a, unsigned b)
{
    const unsigned unasked = SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY;
    if (a == b || b == SMTP_NOTIFY_NEVER) {
        return a;
    }
    return a == SMTP_NOTIFY_NEVER ? b : (a == 0 ? unasked : a) | (b == 0 ? unasked : b);
}

/* Adds the candidate. The same address again is the same recipient, with the wishes of both. Other addresses of one account stay
 * recipients of their own, for a report may be due for each; the account still gets one copy (main/passage.h). */
static void add_recipient(struct submission *s)
{
    const struct mail_recipient *c = &s->candidate;
    for (size_t i = 0; i < s->recipients.count; i++) {
        struct mail_recipient *r = &s->recipients.at[i];
        if (is_same_mailbox(r->address, c->address)) {
            r->notify = join_notify(r->notify, c->notify);
            return;
        }
    }
    vec_push(&s->recipients, *c);
}

void submission_on_recipient(struct session *session, enum err e, struct str user)
{
    struct submission *s = from_session(session);
    if (s->state != SUBMISSION_RECIPIENT) {
        return;
    }
    s->state = SUBMISSION_COMMAND;
    s->candidate.user = arena_str(s->transaction, user);
    if (e == ERR_OK && user.n > 0 && s->candidate.user.n == 0) {
        e = ERR_LIMIT;
    }
    if (e == ERR_OK) {
        add_recipient(s);
        submission_reply(s, 250, STR("2.1.5"), STR("Ok"));
    } else {
        submission_reply_err(s, e);
    }
    s->host->base.wake(s->host->base.owner);
}

static void run_rset(struct submission *s, struct str args)
{
    submission_reset(s);
    submission_reply(s, 250, STR("2.0.0"), STR("Forgotten"));
}

static void run_noop(struct submission *s, struct str args)
{
    submission_reply(s, 250, STR("2.0.0"), STR("OK"));
}

static void run_vrfy(struct submission *s, struct str args)
{
    if (args.n == 0) {
        submission_reply_err(s, ERR_SYNTAX);
        return;
    }
    submission_reply(s, 252, STR("2.5.0"), STR("Send it and see"));
}

static void run_help(struct submission *s, struct str args)
{
    submission_reply(s, 214, STR("2.0.0"),
                     STR("EHLO MAIL RCPT DATA BDAT BURL RSET NOOP VRFY HELP QUIT\n"
                         "XHELD LIST, XHELD CANCEL: your mail that waits for its release\n"
                         "RFC 6409, 4468, 3030, 3461, 2920"));
}

static void run_quit(struct submission *s, struct str args)
{
    submission_reset(s);
    submission_reply(s, 221, STR("2.0.0"), STR("Bye"));
    s->state = SUBMISSION_CLOSED;
}

static void run_too_late(struct submission *s, struct str args)
{
    submission_reply_err(s, ERR_WRONG_STATE);
}

static void run_refused(struct submission *s, struct str args)
{
    submission_reply_err(s, ERR_NOT_YET);
}

static void run_unknown(struct submission *s, struct str args)
{
    submission_reply_err(s, ERR_UNKNOWN_COMMAND);
}

static void (*const runs[])(struct submission *, struct str args) = {
    [SMTP_UNKNOWN] = run_unknown,
    [SMTP_EHLO] = run_ehlo,
    [SMTP_HELO] = run_helo,
    [SMTP_LHLO] = run_unknown,
    [SMTP_MAIL] = run_mail,
    [SMTP_RCPT] = run_rcpt,
    [SMTP_DATA] = submission_run_data,
    [SMTP_BDAT] = submission_run_bdat,
    [SMTP_BURL] = submission_run_burl,
    [SMTP_RSET] = run_rset,
    [SMTP_VRFY] = run_vrfy,
    [SMTP_EXPN] = run_refused,
    [SMTP_HELP] = run_help,
    [SMTP_NOOP] = run_noop,
    [SMTP_QUIT] = run_quit,
    [SMTP_STARTTLS] = run_too_late,
    [SMTP_AUTH] = run_too_late,
    [SMTP_XHELD] = submission_run_xheld,
};

/* ---- the session's verbs ---- */

static void feed(struct session *session, struct str octets)
{
    struct submission *s = from_session(session);
    s->is_saved = false;
    smtp_framing_feed(s->framing, octets);
    if (s->state == SUBMISSION_FETCH) {
        submission_look_ahead(s);
    }
}

static size_t get_input_backlog(const struct session *session)
{
    return smtp_framing_get_backlog(((const struct submission *)session)->framing);
}

static void take_line(struct submission *s)
{
    struct smtp_command c = {0};
    smtp_command_parse(smtp_framing_get_octets(s->framing), &c);
    bool is_unsure = s->is_unsure && c.verb == SMTP_XHELD;
    s->is_unsure = false;
    if (is_unsure) {
        submission_reply_err(s, ERR_TRANSACTION_LOST); /* cancelled or not: who asks again sees */
    } else if (smtp_command_is_bare(&c)) {
        runs[c.verb](s, c.args);
    } else {
        submission_reply_err(s, ERR_SYNTAX);
    }
    arena_clear(s->command);
}

/* Handles one frame. False: nothing more can be done now. */
static bool take_frame(struct submission *s)
{
    bool is_reading = s->state == SUBMISSION_COMMAND || s->state == SUBMISSION_DATA
                      || s->state == SUBMISSION_CHUNK;
    if (!is_reading || s->out.len >= SESSION_OUTPUT_MOST) {
        return false;
    }
    switch (smtp_framing_next(s->framing)) {
    case SMTP_FRAME_MORE:
        return false;
    case SMTP_FRAME_LINE:
        take_line(s);
        break;
    case SMTP_FRAME_BAD:
        if (str_starts_nocase(smtp_framing_get_octets(s->framing), STR("BURL "))) {
            submission_fail_part(s);
        }
        submission_reply_err(s, smtp_framing_get_err(s->framing));
        break;
    case SMTP_FRAME_OCTETS:
        submission_take_octets(s, smtp_framing_get_octets(s->framing));
        break;
    case SMTP_FRAME_END:
        submission_end_octets(s);
        break;
    case SMTP_FRAME_FATAL:
        s->state = SUBMISSION_CLOSED;
        return false;
    }
    return true;
}

static enum session_want step(struct session *session, struct buf *out)
{
    struct submission *s = from_session(session);
    while (s->out.len == 0 && take_frame(s)) {
        s->is_saved = false;
    }
    bool is_reading = s->state == SUBMISSION_COMMAND || s->state == SUBMISSION_DATA
                      || s->state == SUBMISSION_CHUNK;
    bool has_said = s->out.len > 0; /* a reply each step: it is saved with the state behind it */
    s->is_saved = s->is_saved && !has_said;
    buf_add(out, buf_str(&s->out));
    buf_clear(&s->out);
    if (s->state == SUBMISSION_CLOSED) {
        return SESSION_CLOSE;
    }
    if (has_said && is_reading && smtp_framing_get_backlog(s->framing) > 0) {
        return SESSION_OUTPUT;
    }
    if (s->state == SUBMISSION_COMMAND && !s->has_mail) {
        buf_shrink(&s->out);
        smtp_framing_shrink(s->framing);
    }
    return is_reading ? SESSION_INPUT : SESSION_EVENT;
}

static void free_session(struct session **session)
{
    struct submission *s = from_session(*session);
    *session = NULL;
    s->host->content_drop(s->host->base.owner);
    header_fix_free(&s->fix);
    smtp_framing_free(&s->framing);
    arena_free(&s->command);
    arena_free(&s->transaction);
    vec_release(&s->recipients);
    buf_release(&s->piece);
    buf_release(&s->out);
    buf_release(&s->helo);
    buf_release(&s->strings);
    free(s);
}

static const struct session_ops submission_ops = {
    .feed = feed,
    .get_input_backlog = get_input_backlog,
    .step = step,
    .save = submission_save,
    .is_saved_by_step = true,
    .free = free_session,
};

/* Moves a string of args into our own memory, which was sized for all of them. */
static void keep(struct buf *strings, struct str *s)
{
    size_t at = strings->len;
    buf_add(strings, *s);
    *s = str_sub(buf_str(strings), at, s->n);
}

static void keep_args(struct submission *s)
{
    struct str *all[] = {
        &s->args.user, &s->args.hostname,  &s->args.domain,          &s->args.domains,
        &s->args.peer, &s->args.burl.user, &s->args.burl.host_names, &s->args.burl.local};
    size_t size = 1;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        size += all[i]->n;
    }
    buf_init(&s->strings, size);
    (void)buf_reserve(&s->strings, size);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        keep(&s->strings, all[i]);
    }
}

struct submission *submission_make(const struct submission_args *args,
                                   const struct submission_host *host)
{
    struct submission *s = mem_new(sizeof(*s));
    s->base.ops = &submission_ops;
    s->host = host;
    s->args = *args;
    keep_args(s);
    s->helo = BUF_INIT(SMTP_LINE_MOST);
    buf_add(&s->helo, args->helo);
    s->framing = smtp_framing_new();
    s->command = arena_new(COMMAND_MOST);
    s->transaction = arena_new(TRANSACTION_MOST);
    buf_init(&s->out, 8 * (size_t)SESSION_OUTPUT_MOST);
    buf_init(&s->piece, PIECE_MOST + HEADER_FIX_FIELD_MOST + TRACE_MOST);
    return s;
}

struct session *submission_new(const struct submission_args *args,
                               const struct submission_host *host)
{
    struct submission *s = submission_make(args, host);
    submission_reply(s, 235, STR("2.7.0"), STR("Ok"));
    return &s->base;
}

struct str submission_get_user(const struct session *session)
{
    return ((const struct submission *)session)->args.user;
}

struct str submission_get_peer(const struct session *session)
{
    return ((const struct submission *)session)->args.peer;
}
