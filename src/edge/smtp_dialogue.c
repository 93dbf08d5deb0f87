/* Submission before login (RFC 6409, 4.3: the client authenticates first; RFC 4954, RFC 3207).
 *
 * EHLO and HELO, NOOP, RSET, QUIT, HELP, VRFY, STARTTLS and AUTH. Mail commands are 530 here; what comes behind a login
 * belongs to the submission session, which also answers the 235. EHLO lists what the session will do, so a client that
 * does not ask again knows it already.
 *
 * Two things keep the octets in step: a BDAT that is refused brings its chunk along (RFC 3030, 2), which is passed over;
 * and after STARTTLS everything is forgotten, the name from EHLO, too (RFC 3207, 4.2; D46).
 *
 * Limits: 12,288 octets a line, which AUTH needs (RFC 4954, 4). */
#include "edge/dialogue_priv.h"

#include "base/base64.h"
#include "base/mem.h"
#include "wire/smtp_framing.h"
#include "wire/smtp_scan.h"
#include "wire/smtp_write.h"

#include <stdlib.h>

enum { AUTH_LINE_MOST = 12288, MESSAGE_MOST = 16 * 1024, CHUNK_MOST = 1024 * 1024 };

struct smtp_dialogue {
    struct dialogue base;
    struct smtp_framing *framing;
    struct buf name;  /* given by EHLO or HELO; empty: neither came */
    bool is_extended; /* it was EHLO */
};

static struct smtp_dialogue *of(struct dialogue *d)
{
    return (struct smtp_dialogue *)d;
}

static void reply(struct smtp_dialogue *d, int code, const char *enhanced, const char *text)
{
    smtp_write_reply(&d->base.out, code, str_from_c(enhanced), str_from_c(text));
}

static void reply_err(struct smtp_dialogue *d, enum err e)
{
    smtp_write_err(&d->base.out, e);
    if (err_get_info(e)->is_bad) {
        dialogue_count_fault(&d->base);
    }
}

static void reply_bad_sequence(struct smtp_dialogue *d, const char *text)
{
    reply(d, 503, "5.5.1", text);
    dialogue_count_fault(&d->base);
}

static void run_hello(struct smtp_dialogue *d, const struct smtp_command *c)
{
    struct str name = STR_EMPTY;
    enum err e = smtp_parse_helo(c->args, &name);
    if (e != ERR_OK) {
        reply_err(d, e);
        return;
    }
    buf_clear(&d->name);
    buf_add(&d->name, name);
    d->is_extended = c->verb == SMTP_EHLO;
    if (!d->is_extended) {
        smtp_write_reply(&d->base.out, 250, STR_EMPTY, d->base.args.hostname);
        return;
    }
    struct buf mechanisms = BUF_INIT(256);
    login_write_mechanisms(&mechanisms, dialogue_get_offer(&d->base), STR_EMPTY);
    struct smtp_ehlo ehlo = {
        .hostname = d->base.args.hostname,
        .is_tls_offered = dialogue_offers_tls(&d->base),
        .mechanisms = buf_str(&mechanisms),
        .size_most = d->base.args.message_most,
        .has_burl = true,
        .burl_args = STR("imap"),
        .hold_most_s = d->base.args.hold_most_s,
        .now_s = d->base.args.now_s,
        .recipients_most = d->base.args.recipients_most,
        .is_tls = d->base.is_tls,
    };
    smtp_write_ehlo(&d->base.out, &ehlo);
    buf_release(&mechanisms);
}

static void run_noop(struct smtp_dialogue *d, const struct smtp_command *c)
{
    (void)c;
    reply(d, 250, "2.0.0", "Nothing done");
}

static void run_rset(struct smtp_dialogue *d, const struct smtp_command *c)
{
    (void)c;
    reply(d, 250, "2.0.0", "Nothing to forget");
}

static void run_quit(struct smtp_dialogue *d, const struct smtp_command *c)
{
    (void)c;
    struct buf text = BUF_INIT(1024);
    buf_addf(&text, "%.*s Good-bye", STR_ARG(d->base.args.hostname));
    smtp_write_reply(&d->base.out, 221, STR("2.0.0"), buf_str(&text));
    buf_release(&text);
    d->base.state = AT_END;
}

static void run_help(struct smtp_dialogue *d, const struct smtp_command *c)
{
    (void)c;
    reply(d, 214, "2.0.0", "EHLO, STARTTLS, AUTH first; then MAIL, RCPT and DATA, BDAT or BURL");
}

static void run_vrfy(struct smtp_dialogue *d, const struct smtp_command *c)
{
    if (c->args.n == 0) {
        reply_err(d, ERR_SYNTAX);
        return;
    }
    reply(d, 252, "2.5.0", "Log in and send; delivery will show it");
}

static void run_starttls(struct smtp_dialogue *d, const struct smtp_command *c)
{
    (void)c;
    if (d->base.is_tls) {
        reply_bad_sequence(d, "TLS is active already");
        return;
    }
    if (!dialogue_offers_tls(&d->base)) {
        reply_err(d, ERR_NOT_YET);
        return;
    }
    if (!d->base.args.has_certificate) {
        reply_err(d, ERR_TLS_FAILED);
        return;
    }
    reply(d, 220, "2.0.0", "Begin TLS now");
    smtp_framing_drop_rest(d->framing);
    buf_clear(&d->name);
    d->is_extended = false;
    d->base.state = AT_TLS;
}

static void begin_login(struct smtp_dialogue *d, const struct smtp_auth *auth)
{
    struct buf initial = BUF_INIT(MESSAGE_MOST);
    enum err e = ERR_OK;
    if (auth->has_initial && !str_eq(auth->initial, STR("="))) {
        e = base64_parse(auth->initial, &initial);
    }
    if (e != ERR_OK) {
        reply_err(d, ERR_SYNTAX);
    } else {
        dialogue_follow(&d->base,
                        login_begin(&d->base.login, dialogue_get_offer(&d->base), auth->mechanism,
                                    auth->has_initial, buf_str(&initial)));
    }
    buf_wipe(&initial);
}

static void run_auth(struct smtp_dialogue *d, const struct smtp_command *c)
{
    struct smtp_auth auth;
    if (dialogue_needs_tls(&d->base)) {
        reply_err(d, ERR_TLS_REQUIRED);
        return;
    }
    if (!d->is_extended) {
        reply_bad_sequence(d, "Say EHLO first");
        return;
    }
    enum err e = smtp_auth_parse(c->args, &auth);
    if (e != ERR_OK) {
        reply_err(d, e);
        return;
    }
    begin_login(d, &auth);
}

static void refuse_mail(struct smtp_dialogue *d, const struct smtp_command *c)
{
    struct smtp_bdat chunk;
    reply_err(d, dialogue_needs_tls(&d->base) ? ERR_TLS_REQUIRED : ERR_AUTH_REQUIRED);
    if (c->verb != SMTP_BDAT || smtp_bdat_parse(c->args, &chunk) != ERR_OK) {
        return;
    }
    if (chunk.size > CHUNK_MOST) {
        dialogue_say_bye(&d->base, ERR_TOO_BIG);
        return;
    }
    smtp_framing_start_chunk(d->framing, chunk.size);
}

static void refuse_unknown(struct smtp_dialogue *d, const struct smtp_command *c)
{
    (void)c;
    reply_err(d, ERR_UNKNOWN_COMMAND);
}

static void refuse_expn(struct smtp_dialogue *d, const struct smtp_command *c)
{
    (void)c;
    reply_err(d, ERR_NOT_YET);
}

/* RFC 5383, D45: what is answered before TLS when TLS is required. */
static bool is_allowed_without_tls(enum smtp_verb verb)
{
    return verb == SMTP_EHLO || verb == SMTP_NOOP || verb == SMTP_QUIT || verb == SMTP_STARTTLS
           || verb == SMTP_RSET || verb == SMTP_UNKNOWN || verb == SMTP_LHLO;
}

static void run_line(struct smtp_dialogue *d, struct str line)
{
    static void (*const RUN[])(struct smtp_dialogue * d, const struct smtp_command *c) = {
        [SMTP_UNKNOWN] = refuse_unknown, [SMTP_EHLO] = run_hello,   [SMTP_HELO] = run_hello,
        [SMTP_LHLO] = refuse_unknown,    [SMTP_MAIL] = refuse_mail, [SMTP_RCPT] = refuse_mail,
        [SMTP_DATA] = refuse_mail,       [SMTP_BDAT] = refuse_mail, [SMTP_BURL] = refuse_mail,
        [SMTP_RSET] = run_rset,          [SMTP_VRFY] = run_vrfy,    [SMTP_EXPN] = refuse_expn,
        [SMTP_HELP] = run_help,          [SMTP_NOOP] = run_noop,    [SMTP_QUIT] = run_quit,
        [SMTP_STARTTLS] = run_starttls,  [SMTP_AUTH] = run_auth,    [SMTP_XHELD] = refuse_mail,
    };
    struct smtp_command c;
    smtp_command_parse(line, &c);
    d->base.commands++;
    if (line.n + 2 > AUTH_LINE_MOST) {
        /* RFC 4954, 4 */
        smtp_write_reply(&d->base.out, 500, STR("5.5.6"), STR("Line too long"));
        dialogue_count_fault(&d->base);
        return;
    }
    if (dialogue_needs_tls(&d->base) && !is_allowed_without_tls(c.verb)) {
        refuse_mail(d, &c);
        return;
    }
    if (!smtp_command_is_bare(&c)) {
        reply_err(d, ERR_SYNTAX);
        return;
    }
    RUN[c.verb](d, &c);
}

static void on_sasl_line(struct smtp_dialogue *d, struct str line)
{
    struct buf octets = BUF_INIT(MESSAGE_MOST);
    bool is_cancelled = str_eq(line, STR("*"));
    bool is_long = line.n + 2 > AUTH_LINE_MOST;
    enum err e = is_cancelled || is_long ? ERR_AUTH_CANCELLED : base64_parse(line, &octets);
    d->base.commands++;
    if (e == ERR_OK) {
        dialogue_follow(&d->base, login_answer(&d->base.login, buf_str(&octets)));
    } else {
        login_release(&d->base.login);
        if (is_long) {
            reply(d, 500, "5.5.6", "Line too long");
        } else {
            reply_err(d, is_cancelled ? ERR_AUTH_CANCELLED : ERR_SYNTAX);
        }
        if (d->base.state != AT_END) {
            d->base.state = AT_CANCEL;
        }
    }
    buf_wipe(&octets);
}

static void on_bad_line(struct smtp_dialogue *d)
{
    enum err e = smtp_framing_get_err(d->framing);
    reply_err(d, e);
    if (d->base.state == AT_SASL) {
        login_release(&d->base.login);
        d->base.state = AT_CANCEL;
    }
}

static void greet(struct smtp_dialogue *d)
{
    struct buf text = BUF_INIT(1024);
    buf_addf(&text, "%.*s ESMTP Limetta", STR_ARG(d->base.args.hostname));
    smtp_write_reply(&d->base.out, 220, STR_EMPTY, buf_str(&text));
    buf_release(&text);
    d->base.state = AT_COMMAND;
}

static bool smtp_run(struct dialogue *base)
{
    struct smtp_dialogue *d = of(base);
    if (base->state == AT_GREETING) {
        greet(d);
        return true;
    }
    switch (smtp_framing_next(d->framing)) {
    case SMTP_FRAME_LINE:
        if (base->state == AT_SASL) {
            on_sasl_line(d, smtp_framing_get_octets(d->framing));
        } else {
            run_line(d, smtp_framing_get_octets(d->framing));
        }
        return true;
    case SMTP_FRAME_BAD:
        on_bad_line(d);
        return true;
    case SMTP_FRAME_OCTETS: /* of a chunk that was refused */
    case SMTP_FRAME_END:
        return true;
    case SMTP_FRAME_FATAL:
        dialogue_say_bye(base, ERR_TOO_BIG);
        return true;
    case SMTP_FRAME_MORE:
        break;
    }
    return false;
}

static void smtp_feed(struct dialogue *d, struct str octets)
{
    smtp_framing_feed(of(d)->framing, octets);
}

static size_t smtp_get_backlog(const struct dialogue *d)
{
    return smtp_framing_get_backlog(((const struct smtp_dialogue *)d)->framing);
}

static struct str smtp_get_rest(const struct dialogue *d)
{
    return smtp_framing_get_rest(((const struct smtp_dialogue *)d)->framing);
}

static struct str smtp_get_name(const struct dialogue *d)
{
    return buf_str(&((const struct smtp_dialogue *)d)->name);
}

static void smtp_say_challenge(struct dialogue *d, struct str challenge)
{
    buf_add_c(&d->out, "334 ");
    base64_write(&d->out, challenge);
    buf_add_c(&d->out, "\r\n");
}

static void smtp_say_failure(struct dialogue *d, enum err why)
{
    if (why == ERR_UNAVAILABLE) {
        reply(of(d), 454, "4.3.0", "Temporarily unavailable; try again"); /* RFC 4954, 6 */
        return;
    }
    reply_err(of(d), why);
}

static void smtp_free(struct dialogue *d)
{
    smtp_framing_free(&of(d)->framing);
    buf_release(&of(d)->name);
    free(of(d));
}

static const struct dialogue_ops SMTP_OPS = {
    .service = SERVICE_SUBMIT,
    .free = smtp_free,
    .feed = smtp_feed,
    .get_backlog = smtp_get_backlog,
    .run = smtp_run,
    .get_rest = smtp_get_rest,
    .get_name = smtp_get_name,
    .say_challenge = smtp_say_challenge,
    .say_failure = smtp_say_failure,
};

struct dialogue *dialogue_new_submission(const struct dialogue_args *args)
{
    struct smtp_dialogue *d = mem_new(sizeof(*d));
    dialogue_init(&d->base, &SMTP_OPS, args);
    buf_init(&d->name, SMTP_LINE_MOST);
    d->framing = smtp_framing_new();
    return &d->base;
}
