/* LMTP is SMTP with one difference that matters: after the content there is one reply for each recipient, because each has
 * a mailbox of its own that can be full, gone or broken (RFC 2033, 4.2). The submission queue keeps the recipients that
 * were not delivered and needs no more from us, so there is no queue here.
 *
 * Asked for a recipient, the host of a worker answers at once; the one in the submission server asks auth, and the session
 * waits in RECIPIENT.
 *
 *     COMMAND --DATA--> DATA --.                 replies leave in the order of the recipients, each as soon as
 *     COMMAND --BDAT--> CHUNK --+--> DELIVERING  its own commit and those before it are done
 *
 * RCPT names the account; the address that the sender wrote comes in ORCPT (RFC 3461, 4.2) and goes into Delivered-To.
 * CHUNKING is what our own client uses: octets arrive as they are, dots and lines do not matter. */
#include "smtp/lmtp.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"
#include "wire/smtp_framing.h"
#include "wire/smtp_scan.h"
#include "wire/smtp_write.h"

enum { COMMAND_MOST = 64 * 1024, RECIPIENTS_MOST = 1000, REPLY_MOST = 4096 };

/* Parameters of MAIL that LHLO does not announce (RFC 5321, 4.1.1.11). Our own client may say more. */
enum {
    NOT_OFFERED =
        SMTP_PARAM_HOLDFOR | SMTP_PARAM_HOLDUNTIL | SMTP_PARAM_BY | SMTP_PARAM_MT_PRIORITY,
    NOT_OFFERED_TO_OTHERS =
        SMTP_PARAM_AUTH | SMTP_PARAM_RET | SMTP_PARAM_ENVID | SMTP_PARAM_REQUIRETLS
};

enum lmtp_state {
    LMTP_COMMAND,
    LMTP_DATA,
    LMTP_CHUNK,
    LMTP_RECIPIENT, /* the host: find_recipient() */
    LMTP_DELIVERING,
    LMTP_CLOSED
};

struct delivery {
    bool is_known;
    enum err err;
    struct buf reply; /* of another server; empty: err says it */
};

struct lmtp {
    struct session base;
    const struct lmtp_host *host;
    struct buf hostname;
    uint64_t size_most;  /* as announced */
    uint64_t size_limit; /* as enforced */
    struct smtp_framing *framing;
    struct buf out;
    struct arena *command;
    enum lmtp_state state;
    bool is_strict;
    unsigned mistakes;
    struct buf helo; /* empty: no LHLO yet */

    bool has_mail;
    bool is_utf8;   /* MAIL had SMTPUTF8 */
    bool is_binary; /* MAIL had BODY=BINARYMIME */
    struct buf return_path;
    struct buf envid;
    enum smtp_ret ret;
    bool is_tls_required;
    unsigned notify; /* of the RCPT in work */
    bool has_content;
    bool has_chunks;
    bool is_last;
    enum err failure;
    uint64_t size;
    VEC(struct delivery) deliveries;
    size_t answered;
};

static void *owner_of(struct lmtp *s)
{
    return s->host->base.owner;
}

static void reply(struct lmtp *s, int code, struct str enhanced, struct str text)
{
    smtp_write_reply(&s->out, code, enhanced, text);
}

static void reply_err(struct lmtp *s, enum err e)
{
    smtp_write_err(&s->out, e);
}

static void reset(struct lmtp *s)
{
    s->host->reset(owner_of(s));
    s->has_mail = false;
    s->is_utf8 = s->is_binary = false;
    s->has_content = false;
    s->has_chunks = false;
    s->is_last = false;
    s->failure = ERR_OK;
    s->size = 0;
    s->answered = 0;
    for (size_t i = 0; i < s->deliveries.count; i++) {
        buf_release(&s->deliveries.at[i].reply);
    }
    vec_clear(&s->deliveries);
    buf_clear(&s->return_path);
    buf_clear(&s->envid);
}

/* ---- commands ---- */

static void run_lhlo(struct lmtp *s, struct str args)
{
    struct str name = STR_EMPTY;
    enum err e = smtp_parse_helo(args, &name);
    if (e != ERR_OK) {
        reply_err(s, e);
        return;
    }
    reset(s);
    buf_clear(&s->helo);
    buf_add(&s->helo, name);
    struct smtp_ehlo ehlo = {
        .hostname = buf_str(&s->hostname),
        .size_most = s->size_most,
        .is_lmtp = true,
    };
    smtp_write_ehlo(&s->out, &ehlo);
}

static void run_mail(struct lmtp *s, struct str args)
{
    struct smtp_mail mail = {0};
    bool is_early = s->has_mail || (s->is_strict && s->helo.len == 0);
    enum err e = is_early ? ERR_WRONG_STATE : smtp_mail_parse(s->command, args, &mail);
    unsigned unknown = s->is_strict ? NOT_OFFERED | NOT_OFFERED_TO_OTHERS : NOT_OFFERED;
    e = e == ERR_OK && (mail.given & unknown) != 0 ? ERR_UNKNOWN_PARAM : e;
    if (e == ERR_OK && mail.has_size && mail.size > s->size_limit) {
        e = ERR_TOO_BIG;
    }
    if (e != ERR_OK) {
        reply_err(s, e);
        return;
    }
    s->has_mail = true;
    s->is_utf8 = (mail.given & SMTP_PARAM_SMTPUTF8) != 0;
    s->is_binary = mail.body == SMTP_BODY_BINARYMIME;
    s->is_tls_required = (mail.given & SMTP_PARAM_REQUIRETLS) != 0;
    s->ret = mail.ret;
    buf_add(&s->envid, mail.envid);
    buf_add(&s->return_path, mail.from.address);
    reply(s, 250, STR("2.1.0"), STR("Ok"));
}

static void end_rcpt(struct lmtp *s, enum err e)
{
    if (e != ERR_OK) {
        reply_err(s, e);
        return;
    }
    vec_push(&s->deliveries, (struct delivery){false, ERR_OK, BUF_INIT(REPLY_MOST)});
    reply(s, 250, STR("2.1.5"), STR("Ok"));
}

static enum err check_rcpt(struct lmtp *s, struct str args, struct smtp_rcpt *rcpt)
{
    if (!s->has_mail || s->has_content) {
        return ERR_WRONG_STATE;
    }
    if (s->deliveries.count >= RECIPIENTS_MOST) {
        return ERR_MANY_RECIPIENTS;
    }
    TRY(smtp_rcpt_parse(s->command, args, rcpt));
    if (s->is_strict && (rcpt->has_orcpt || rcpt->notify != 0)) {
        return ERR_UNKNOWN_PARAM;
    }
    return rcpt->to.is_utf8 && !s->is_utf8 ? ERR_UTF8_RECIPIENT : ERR_OK;
}

/* To a worker: the account, "local" or "local@domain". */
static enum err add_account(struct lmtp *s, const struct smtp_rcpt *rcpt)
{
    CLEANUP(buf_release) struct buf user = BUF_INIT(1024);
    buf_add(&user, rcpt->to.local);
    if (rcpt->to.domain.n > 0) {
        buf_add_char(&user, '@');
        buf_add(&user, rcpt->to.domain);
    }
    s->notify = rcpt->notify;
    return s->host->add_recipient(owner_of(s), buf_str(&user),
                                  rcpt->has_orcpt ? rcpt->orcpt : rcpt->to.address);
}

static void run_rcpt(struct lmtp *s, struct str args)
{
    struct smtp_rcpt rcpt = {0};
    enum err e = check_rcpt(s, args, &rcpt);
    if (e == ERR_OK && s->host->find_recipient != NULL) {
        s->state = LMTP_RECIPIENT;
        s->host->find_recipient(owner_of(s), rcpt.to.address);
        return;
    }
    end_rcpt(s, e == ERR_OK ? add_account(s, &rcpt) : e);
}

void lmtp_on_recipient(struct session *session, enum err e)
{
    struct lmtp *s = (struct lmtp *)session;
    if (s->state == LMTP_RECIPIENT) {
        s->state = LMTP_COMMAND;
        end_rcpt(s, e);
        s->host->base.wake(owner_of(s));
    }
}

static void start_content(struct lmtp *s)
{
    if (!s->has_content) {
        s->has_content = true;
        s->host->content_start(owner_of(s), buf_str(&s->return_path));
    }
}

/* Content for nobody is answered 503 here (RFC 2033, 4.2). */
static enum err check_content(const struct lmtp *s)
{
    return s->deliveries.count == 0 ? ERR_WRONG_STATE : ERR_OK;
}

static void run_data(struct lmtp *s, struct str args)
{
    /* RFC 3030, 2 and 3: not after BDAT, not for BINARYMIME. */
    enum err e = s->has_chunks || s->is_binary ? ERR_WRONG_STATE : check_content(s);
    if (e != ERR_OK) {
        reply_err(s, e);
        return;
    }
    start_content(s);
    s->is_last = true;
    s->state = LMTP_DATA;
    smtp_framing_start_data(s->framing);
    reply(s, 354, STR_EMPTY, STR("Go ahead"));
}

static void run_bdat(struct lmtp *s, struct str args)
{
    struct smtp_bdat bdat = {0};
    enum err e = smtp_bdat_parse(args, &bdat);
    if (e != ERR_OK) {
        /* Where do commands go on? Nobody closes without a 421 (RFC 5321, 3.8). */
        reply_err(s, e);
        reply_err(s, ERR_GAVE_UP);
        s->state = LMTP_CLOSED;
        return;
    }
    e = check_content(s);
    if (e == ERR_OK) {
        start_content(s);
    } else if (s->failure == ERR_OK) {
        s->failure = e;
    }
    s->has_chunks = s->has_mail;
    s->is_last = bdat.is_last;
    s->state = LMTP_CHUNK;
    smtp_framing_start_chunk(s->framing, bdat.size);
}

static void run_rset(struct lmtp *s, struct str args)
{
    reset(s);
    reply(s, 250, STR("2.0.0"), STR("Forgotten"));
}

static void run_noop(struct lmtp *s, struct str args)
{
    reply(s, 250, STR("2.0.0"), STR("OK"));
}

static void run_vrfy(struct lmtp *s, struct str args)
{
    if (args.n == 0) {
        reply_err(s, ERR_SYNTAX);
        return;
    }
    reply(s, 252, STR("2.5.0"), STR("Send it and see"));
}

static void run_quit(struct lmtp *s, struct str args)
{
    reset(s);
    reply(s, 221, STR("2.0.0"), STR("Bye"));
    s->state = LMTP_CLOSED;
}

static void run_unknown(struct lmtp *s, struct str args)
{
    reply_err(s, ERR_UNKNOWN_COMMAND);
}

static void (*const runs[])(struct lmtp *, struct str args) = {
    [SMTP_UNKNOWN] = run_unknown,  [SMTP_EHLO] = run_unknown, [SMTP_HELO] = run_unknown,
    [SMTP_LHLO] = run_lhlo,        [SMTP_MAIL] = run_mail,    [SMTP_RCPT] = run_rcpt,
    [SMTP_DATA] = run_data,        [SMTP_BDAT] = run_bdat,    [SMTP_BURL] = run_unknown,
    [SMTP_RSET] = run_rset,        [SMTP_VRFY] = run_vrfy,    [SMTP_EXPN] = run_unknown,
    [SMTP_HELP] = run_unknown,     [SMTP_NOOP] = run_noop,    [SMTP_QUIT] = run_quit,
    [SMTP_STARTTLS] = run_unknown, [SMTP_AUTH] = run_unknown, [SMTP_XHELD] = run_unknown,
};

/* ---- content and replies ---- */

static void add_octets(struct lmtp *s, struct str octets)
{
    if (s->failure == ERR_OK && octets.n > s->size_limit - s->size) {
        s->failure = ERR_TOO_BIG;
    }
    if (s->failure == ERR_OK) {
        s->size += octets.n;
        s->failure = s->host->content_add(owner_of(s), octets);
    }
}

/* "452 4.2.2 text", said by another server of ours; LF in it begins a new line. */
static void repeat(struct lmtp *s, struct str said)
{
    uint64_t code = 0;
    struct str rest = said;
    bool is_reply = str_to_u64(str_split(&rest, ' '), 599, &code) && code >= 200;
    struct str text = rest;
    struct str enhanced = str_split(&text, ' ');
    bool has_enhanced = enhanced.n >= 5 && enhanced.p[1] == '.';
    if (is_reply) {
        reply(s, (int)code, has_enhanced ? enhanced : STR_EMPTY, has_enhanced ? text : rest);
    } else {
        reply_err(s, ERR_UNAVAILABLE);
    }
}

/* Writes the replies that are due, in order; after the last the transaction is over. */
static void answer(struct lmtp *s)
{
    while (s->answered < s->deliveries.count && s->deliveries.at[s->answered].is_known) {
        const struct delivery *d = &s->deliveries.at[s->answered++];
        if (d->reply.len > 0) {
            repeat(s, buf_str(&d->reply));
        } else if (d->err == ERR_OK) {
            reply(s, 250, STR("2.1.5"), STR("Delivered"));
        } else {
            reply_err(s, d->err);
        }
    }
    if (s->answered == s->deliveries.count) {
        reset(s);
        s->state = LMTP_COMMAND;
    }
}

static void refuse_all(struct lmtp *s, enum err e)
{
    for (size_t i = 0; i < s->deliveries.count; i++) {
        s->deliveries.at[i].is_known = true;
        s->deliveries.at[i].err = e;
    }
    answer(s);
}

static void end_octets(struct lmtp *s)
{
    if (s->deliveries.count == 0) {
        reply_err(s, s->failure);
        reset(s);
        s->state = LMTP_COMMAND;
    } else if (!s->is_last) {
        s->state = LMTP_COMMAND;
        if (s->failure == ERR_OK) {
            reply(s, 250, STR("2.5.0"), STR("Octets received"));
        } else {
            reply_err(s, s->failure);
        }
    } else if (s->failure != ERR_OK) {
        refuse_all(s, s->failure);
    } else {
        s->state = LMTP_DELIVERING;
        s->host->content_finish(owner_of(s));
    }
}

static void note_delivery(struct lmtp *s, size_t i, enum err e, struct str said)
{
    if (s->state != LMTP_DELIVERING || i >= s->deliveries.count || s->deliveries.at[i].is_known) {
        return;
    }
    s->deliveries.at[i].is_known = true;
    s->deliveries.at[i].err = e;
    buf_add(&s->deliveries.at[i].reply, said);
    s->host->base.wake(owner_of(s));
}

void lmtp_on_delivered(struct session *session, size_t i, enum err e)
{
    note_delivery((struct lmtp *)session, i, e, STR_EMPTY);
}

void lmtp_on_answered(struct session *session, size_t i, struct str said)
{
    note_delivery((struct lmtp *)session, i, ERR_UNAVAILABLE, str_sub(said, 0, REPLY_MOST));
}

void lmtp_on_silence(struct session *session)
{
    struct lmtp *s = (struct lmtp *)session;
    reset(s);
    reply_err(s, ERR_TIMEOUT);
    s->state = LMTP_CLOSED;
    s->host->base.wake(owner_of(s));
}

void lmtp_be_strict(struct session *session)
{
    ((struct lmtp *)session)->is_strict = true;
}

bool lmtp_is_utf8(const struct session *session)
{
    return ((const struct lmtp *)session)->is_utf8;
}

struct lmtp_wishes lmtp_get_wishes(const struct session *session)
{
    const struct lmtp *s = (const struct lmtp *)session;
    return (struct lmtp_wishes){s->notify, s->ret, buf_str(&s->envid), s->is_tls_required};
}

struct str lmtp_get_helo(const struct session *session)
{
    return buf_str(&((const struct lmtp *)session)->helo);
}

/* ---- the session's verbs ---- */

static void feed(struct session *session, struct str octets)
{
    smtp_framing_feed(((struct lmtp *)session)->framing, octets);
}

static size_t get_input_backlog(const struct session *session)
{
    return smtp_framing_get_backlog(((const struct lmtp *)session)->framing);
}

static void check_mistakes(struct lmtp *s)
{
    if (s->is_strict && s->mistakes >= LMTP_MISTAKES_MOST && s->state != LMTP_CLOSED) {
        reply_err(s, ERR_GAVE_UP);
        s->state = LMTP_CLOSED;
    }
}

static void take_line(struct lmtp *s)
{
    struct smtp_command c = {0};
    smtp_command_parse(smtp_framing_get_octets(s->framing), &c);
    if (smtp_command_is_bare(&c)) {
        runs[c.verb](s, c.args);
    } else {
        reply_err(s, ERR_SYNTAX);
    }
    arena_clear(s->command);
    s->mistakes += runs[c.verb] == run_unknown ? 1 : 0;
    check_mistakes(s);
}

static bool take_frame(struct lmtp *s)
{
    if (s->state == LMTP_RECIPIENT || s->state == LMTP_DELIVERING || s->state == LMTP_CLOSED
        || s->out.len >= SESSION_OUTPUT_MOST) {
        return false;
    }
    switch (smtp_framing_next(s->framing)) {
    case SMTP_FRAME_MORE:
        return false;
    case SMTP_FRAME_LINE:
        take_line(s);
        break;
    case SMTP_FRAME_BAD:
        reply_err(s, smtp_framing_get_err(s->framing));
        s->mistakes++;
        check_mistakes(s);
        break;
    case SMTP_FRAME_OCTETS:
        add_octets(s, smtp_framing_get_octets(s->framing));
        break;
    case SMTP_FRAME_END:
        end_octets(s);
        break;
    case SMTP_FRAME_FATAL:
        s->state = LMTP_CLOSED;
        return false;
    }
    return true;
}

static enum session_want step(struct session *session, struct buf *out)
{
    struct lmtp *s = (struct lmtp *)session;
    do {
        if (s->state == LMTP_DELIVERING) {
            answer(s);
        }
    } while (take_frame(s));
    bool is_full = s->out.len >= SESSION_OUTPUT_MOST;
    buf_add(out, buf_str(&s->out));
    buf_clear(&s->out);
    if (s->state == LMTP_CLOSED) {
        return SESSION_CLOSE;
    }
    if (is_full) {
        return SESSION_OUTPUT;
    }
    bool is_waiting = s->state == LMTP_DELIVERING || s->state == LMTP_RECIPIENT;
    return is_waiting ? SESSION_EVENT : SESSION_INPUT;
}

static void free_session(struct session **session)
{
    struct lmtp *s = (struct lmtp *)*session;
    *session = NULL;
    reset(s);
    smtp_framing_free(&s->framing);
    arena_free(&s->command);
    vec_release(&s->deliveries);
    buf_release(&s->hostname);
    buf_release(&s->helo);
    buf_release(&s->return_path);
    buf_release(&s->envid);
    buf_release(&s->out);
    free(s);
}

static const struct session_ops lmtp_ops = {
    .feed = feed,
    .get_input_backlog = get_input_backlog,
    .step = step,
    .free = free_session,
};

struct session *lmtp_new(struct str hostname, uint64_t size_most, const struct lmtp_host *host)
{
    struct lmtp *s = mem_new(sizeof(*s));
    s->base.ops = &lmtp_ops;
    s->host = host;
    s->size_most = size_most;
    s->size_limit = size_most > 0 ? size_most : UINT64_MAX;
    buf_init(&s->hostname, 1024);
    buf_add(&s->hostname, hostname);
    buf_init(&s->helo, 512);
    buf_init(&s->return_path, 2048);
    buf_init(&s->envid, 128);
    buf_init(&s->out, 8 * (size_t)SESSION_OUTPUT_MOST);
    s->framing = smtp_framing_new();
    s->command = arena_new(COMMAND_MOST);
    reply(s, 220, STR_EMPTY, str_make(s->hostname.p, s->hostname.len));
    return &s->base;
}
