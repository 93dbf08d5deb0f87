/* One message to one server. The dialogue is a row of states, each waiting for one reply; on_reply[] says what each reply
 * means, and going to a state writes its command:
 *
 *     GREETING -> EHLO -> (STARTTLS -> TLS -> EHLO) -> (AUTH) -> MAIL -> RCPT* -> DATA -> content -> FINAL* -> DONE
 *                  '-> HELO                                                '-> BDAT size LAST + content -'
 *
 * With PIPELINING (RFC 2920) MAIL and all RCPT leave at once; the replies are still read one by one. DATA waits for the
 * RCPT replies: a round trip more, and never a message for nobody. With CHUNKING (RFC 3030) the content goes as one last
 * chunk, octet for octet; otherwise as DATA, through the dot writer, which also turns stray CR and LF into line ends, so
 * that nothing we send can be read as the end of a message and the start of another.
 *
 * Trouble with the server as a whole (greeting, EHLO, TLS, AUTH, 421, silence) is never the message's fault: all
 * recipients are for later. Trouble with MAIL, RCPT or the content is decided by the reply's first digit. */
#include "smtp/client.h"

#include <stdlib.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"
#include "wire/smtp_framing.h"

enum { OUT_MOST = 32 * 1024, REPLY_MOST = 512, LINE_CAP = 256 * 1024 };

enum state {
    AT_GREETING,
    AT_EHLO,
    AT_HELO,
    AT_STARTTLS,
    AT_TLS,
    AT_AUTH,
    AT_MAIL,
    AT_RCPT,
    AT_DATA,
    AT_CONTENT,
    AT_FINAL,
    AT_DONE,
    STATE_COUNT
};

struct outcome {
    enum smtp_outcome_kind kind;
    struct buf reply;
    bool is_from_server;
    bool is_accepted; /* at RCPT */
};

struct smtp_client {
    struct smtp_client_job job;
    struct smtp_framing *framing;
    struct smtp_reply reply;
    struct buf out; /* commands to send */
    enum state state;
    bool is_tls;
    bool has_starttls;
    bool has_auth_plain;
    bool has_pipelining;
    bool has_8bitmime;
    bool has_chunking;
    bool has_binarymime;
    bool has_dsn;
    bool has_size;
    uint64_t size_most; /* 0: no limit told */
    enum content_kind kind;
    uint64_t size;
    uint64_t sent; /* of the content */
    struct smtp_dots dots;
    uint64_t progress;
    size_t at; /* recipient whose reply comes next */
    struct outcome *outcomes;
};

struct smtp_client *smtp_client_new(const struct smtp_client_job *job)
{
    struct smtp_client *c = mem_new(sizeof(*c));
    struct outcome *o = mem_new((job->envelope.recipient_count + 1) * sizeof(*o));
    c->job = *job;
    c->framing = smtp_framing_new();
    c->reply = SMTP_REPLY_INIT;
    buf_init(&c->out, LINE_CAP);
    c->outcomes = o;
    for (size_t i = 0; i < job->envelope.recipient_count; i++) {
        buf_init(&o[i].reply, REPLY_MOST);
    }
    return c;
}

void smtp_client_free(struct smtp_client **c)
{
    if (*c == NULL) {
        return;
    }
    for (size_t i = 0; i < (*c)->job.envelope.recipient_count; i++) {
        buf_release(&(*c)->outcomes[i].reply);
    }
    free((*c)->outcomes);
    smtp_framing_free(&(*c)->framing);
    smtp_reply_release(&(*c)->reply);
    buf_release(&(*c)->out);
    free(*c);
    *c = NULL;
}

void smtp_client_feed(struct smtp_client *c, struct str octets)
{
    smtp_framing_feed(c->framing, octets);
}

/* ---- outcomes ---- */

static void settle(struct smtp_client *c, size_t i, enum smtp_outcome_kind kind, int code,
                   struct str text, bool is_from_server)
{
    struct outcome *o = &c->outcomes[i];
    if (o->kind != SMTP_OUTCOME_OPEN) {
        return;
    }
    o->kind = kind;
    o->is_from_server = is_from_server;
    buf_addf(&o->reply, "%d ", code);
    text = str_sub(text, 0, REPLY_MOST - o->reply.len);
    for (size_t n = 0; n < text.n; n++) {
        char ch = text.p[n];
        buf_add_char(&o->reply, ch < 32 || ch > 126 ? ' ' : ch);
    }
}

/* All recipients that have no outcome yet, by the reply at hand. */
static void settle_rest(struct smtp_client *c, enum smtp_outcome_kind kind)
{
    for (size_t i = 0; i < c->job.envelope.recipient_count; i++) {
        settle(c, i, kind, c->reply.code, buf_str(&c->reply.text), true);
    }
}

static void settle_rest_err(struct smtp_client *c, enum smtp_outcome_kind kind, enum err e)
{
    const struct err_info *info = err_get_info(e);
    CLEANUP(buf_release) struct buf text = BUF_INIT(REPLY_MOST);
    buf_addf(&text, "%s %s", info->enhanced, info->text);
    for (size_t i = 0; i < c->job.envelope.recipient_count; i++) {
        settle(c, i, kind, info->smtp, buf_str(&text), false);
    }
}

static enum smtp_outcome_kind kind_of(const struct smtp_client *c)
{
    if (c->reply.code >= 200 && c->reply.code < 300) {
        return SMTP_OUTCOME_DONE;
    }
    return c->reply.code >= 500 ? SMTP_OUTCOME_FAILED : SMTP_OUTCOME_LATER;
}

static void quit(struct smtp_client *c)
{
    buf_add(&c->out, STR("QUIT\r\n"));
    c->state = AT_DONE;
}

static void give_up(struct smtp_client *c, enum smtp_outcome_kind kind, enum err e)
{
    settle_rest_err(c, kind, e);
    quit(c);
}

/* The server as a whole refuses: later. */
static void give_up_reply(struct smtp_client *c)
{
    settle_rest(c, SMTP_OUTCOME_LATER);
    quit(c);
}

void smtp_client_fail(struct smtp_client *c, enum err why)
{
    if (c->state != AT_DONE) {
        settle_rest_err(c, SMTP_OUTCOME_LATER, why);
        c->state = AT_DONE;
    }
}

struct smtp_outcome smtp_client_get_outcome(const struct smtp_client *c, size_t i)
{
    const struct outcome *o = &c->outcomes[i];
    return (struct smtp_outcome){o->kind, buf_str(&o->reply), o->is_from_server, c->has_dsn};
}

bool smtp_client_is_final(const struct smtp_client *c)
{
    return c->state == AT_FINAL;
}

uint64_t smtp_client_get_progress(const struct smtp_client *c)
{
    return c->progress;
}

/* ---- commands ---- */

static void send_ehlo(struct smtp_client *c)
{
    buf_addf(&c->out, "%s %.*s\r\n", c->job.is_lmtp ? "LHLO" : "EHLO", STR_ARG(c->job.helo));
    c->state = AT_EHLO;
}

static void send_auth(struct smtp_client *c)
{
    CLEANUP(buf_release) struct buf plain = BUF_INIT(4096);
    buf_add_char(&plain, '\0');
    buf_add(&plain, c->job.user);
    buf_add_char(&plain, '\0');
    buf_add(&plain, c->job.password);
    buf_add(&c->out, STR("AUTH PLAIN "));
    base64_write(&c->out, buf_str(&plain));
    buf_add(&c->out, STR("\r\n"));
    if (plain.p != NULL) {
        explicit_bzero(plain.p, plain.size);
    }
    c->state = AT_AUTH;
}

static void write_mail(struct smtp_client *c)
{
    const struct mail_envelope *e = &c->job.envelope;
    buf_addf(&c->out, "MAIL FROM:<%.*s>", STR_ARG(e->return_path));
    if (c->has_size) {
        buf_addf(&c->out, " SIZE=%llu", (unsigned long long)c->size);
    }
    if (c->has_8bitmime || (c->kind == CONTENT_BINARY && c->has_binarymime)) {
        buf_add(&c->out, STR(" BODY="));
        buf_add(&c->out, content_get_body_value(c->kind));
    }
    if (c->has_dsn && e->ret != SMTP_RET_NONE) {
        buf_add(&c->out, e->ret == SMTP_RET_FULL ? STR(" RET=FULL") : STR(" RET=HDRS"));
    }
    if (c->has_dsn && e->envid.n > 0) {
        buf_add(&c->out, STR(" ENVID="));
        xtext_write(&c->out, e->envid);
    }
    if (c->job.user.n > 0) {
        /* RFC 4954, 5: whom we logged in to hears that we vouch for nobody in particular. */
        buf_add(&c->out, STR(" AUTH=<>"));
    }
    buf_add(&c->out, STR("\r\n"));
}

static void write_notify(struct buf *out, unsigned notify)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{SMTP_NOTIFY_NEVER, "NEVER"},
                 {SMTP_NOTIFY_SUCCESS, "SUCCESS"},
                 {SMTP_NOTIFY_FAILURE, "FAILURE"},
                 {SMTP_NOTIFY_DELAY, "DELAY"}};
    const char *before = " NOTIFY=";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((notify & names[i].bit) != 0) {
            buf_addf(out, "%s%s", before, names[i].name);
            before = ",";
        }
    }
}

static void write_rcpt(struct smtp_client *c, size_t i)
{
    const struct mail_recipient *r = &c->job.envelope.recipients[i];
    buf_addf(&c->out, "RCPT TO:<%.*s>", STR_ARG(r->address));
    if (c->has_dsn) {
        write_notify(&c->out, r->notify);
    }
    /* Our own LMTP server takes ORCPT for Delivered-To; it offers no DSN, for reports stay our business. */
    if ((c->has_dsn || c->job.is_lmtp) && r->orcpt.n > 0) {
        size_t semicolon = str_find_char(r->orcpt, ';');
        buf_addf(&c->out, " ORCPT=%.*s;", STR_ARG(str_sub(r->orcpt, 0, semicolon)));
        xtext_write(&c->out, str_skip(r->orcpt, semicolon + 1));
    }
    buf_add(&c->out, STR("\r\n"));
}

/* Ready to bring the message: what can the server take? */
static void start_mail(struct smtp_client *c)
{
    enum content_kind able = c->has_8bitmime ? CONTENT_8BIT : CONTENT_7BIT;
    able = c->has_binarymime && c->has_chunking ? CONTENT_BINARY : able;
    enum err e = c->job.source.prepare(c->job.source.owner, able, &c->kind, &c->size);
    if (e != ERR_OK) {
        give_up(c, e == ERR_CONVERSION ? SMTP_OUTCOME_FAILED : SMTP_OUTCOME_LATER, e);
        return;
    }
    if (c->size_most > 0 && c->size > c->size_most) {
        give_up(c, SMTP_OUTCOME_FAILED, ERR_TOO_BIG);
        return;
    }
    write_mail(c);
    c->state = AT_MAIL;
    for (size_t i = 0; c->has_pipelining && i < c->job.envelope.recipient_count; i++) {
        write_rcpt(c, i);
    }
}

static void start_content(struct smtp_client *c)
{
    if (c->has_chunking) {
        buf_addf(&c->out, "BDAT %llu LAST\r\n", (unsigned long long)c->size);
        c->state = AT_CONTENT;
        return;
    }
    buf_add(&c->out, STR("DATA\r\n"));
    c->state = AT_DATA;
}

/* ---- replies ---- */

static bool is_good(const struct smtp_client *c)
{
    return c->reply.code >= 200 && c->reply.code < 300;
}

static void on_greeting(struct smtp_client *c)
{
    if (is_good(c)) {
        send_ehlo(c);
        return;
    }
    give_up_reply(c);
}

static void read_ehlo(struct smtp_client *c)
{
    const struct smtp_reply *r = &c->reply;
    struct str args = STR_EMPTY;
    c->has_starttls = smtp_reply_find_keyword(r, STR("STARTTLS"), NULL);
    c->has_pipelining = smtp_reply_find_keyword(r, STR("PIPELINING"), NULL);
    c->has_8bitmime = smtp_reply_find_keyword(r, STR("8BITMIME"), NULL);
    c->has_chunking = smtp_reply_find_keyword(r, STR("CHUNKING"), NULL);
    c->has_binarymime = smtp_reply_find_keyword(r, STR("BINARYMIME"), NULL);
    c->has_dsn = smtp_reply_find_keyword(r, STR("DSN"), NULL);
    c->has_size = smtp_reply_find_keyword(r, STR("SIZE"), &args);
    c->size_most = 0;
    (void)(c->has_size && str_to_u64(str_trim(args), UINT64_MAX, &c->size_most));
    c->has_auth_plain = false;
    args = STR_EMPTY;
    (void)smtp_reply_find_keyword(r, STR("AUTH"), &args);
    while (args.n > 0) {
        struct str mechanism = str_split(&args, ' ');
        c->has_auth_plain = c->has_auth_plain || str_eq_nocase(mechanism, STR("PLAIN"));
    }
}

static void after_ehlo(struct smtp_client *c)
{
    if (!c->is_tls && c->job.tls != SMTP_TLS_OFF && c->has_starttls) {
        buf_add(&c->out, STR("STARTTLS\r\n"));
        c->state = AT_STARTTLS;
    } else if (!c->is_tls && c->job.tls == SMTP_TLS_REQUIRED) {
        give_up(c, SMTP_OUTCOME_LATER, ERR_TLS_FAILED);
    } else if (c->job.user.n > 0 && !c->has_auth_plain) {
        give_up(c, SMTP_OUTCOME_LATER, ERR_AUTH_FAILED);
    } else if (c->job.user.n > 0) {
        send_auth(c);
    } else {
        start_mail(c);
    }
}

static void on_ehlo(struct smtp_client *c)
{
    if (is_good(c)) {
        read_ehlo(c);
        after_ehlo(c);
    } else if (c->reply.code >= 500 && !c->job.is_lmtp) {
        buf_addf(&c->out, "HELO %.*s\r\n", STR_ARG(c->job.helo));
        c->state = AT_HELO;
    } else {
        give_up_reply(c);
    }
}

static void on_helo(struct smtp_client *c)
{
    if (is_good(c)) {
        after_ehlo(c);
        return;
    }
    give_up_reply(c);
}

static void on_starttls(struct smtp_client *c)
{
    if (c->reply.code == 220) {
        c->state = AT_TLS;
    } else if (c->job.tls == SMTP_TLS_REQUIRED) {
        give_up_reply(c);
    } else {
        c->has_starttls = false;
        after_ehlo(c);
    }
}

void smtp_client_on_tls(struct smtp_client *c)
{
    /* RFC 3207, 4.2: nothing learnt before TLS is kept, also when EHLO is not understood behind it. */
    smtp_framing_drop_rest(c->framing);
    smtp_reply_clear(&c->reply);
    read_ehlo(c);
    c->is_tls = true;
    c->progress++;
    send_ehlo(c);
}

static void on_auth(struct smtp_client *c)
{
    if (c->reply.code == 235) {
        start_mail(c);
        return;
    }
    give_up_reply(c);
}

/* The replies of MAIL and RCPT are in. */
static void after_recipients(struct smtp_client *c)
{
    for (size_t i = 0; i < c->job.envelope.recipient_count; i++) {
        if (c->outcomes[i].is_accepted) {
            start_content(c);
            return;
        }
    }
    quit(c);
}

static void on_mail(struct smtp_client *c)
{
    c->at = 0;
    if (!is_good(c)) {
        settle_rest(c, kind_of(c));
        if (!c->has_pipelining) {
            quit(c);
            return;
        }
    } else if (!c->has_pipelining) {
        write_rcpt(c, 0);
    }
    c->state = AT_RCPT;
}

/* 552 for a recipient behind others means "too many at once", unless it says that it is about the mailbox (RFC 5321,
 * 4.5.3.1.10). */
static bool is_too_many(const struct smtp_client *c)
{
    bool has_accepted = false;
    for (size_t i = 0; i < c->at; i++) {
        has_accepted = has_accepted || c->outcomes[i].is_accepted;
    }
    return has_accepted && c->reply.code == 552
           && !str_starts(smtp_reply_get_enhanced(&c->reply), STR("5.2."));
}

static void on_rcpt(struct smtp_client *c)
{
    struct outcome *o = &c->outcomes[c->at];
    if (is_good(c) && o->kind == SMTP_OUTCOME_OPEN) {
        o->is_accepted = true;
    } else {
        enum smtp_outcome_kind kind = is_too_many(c) ? SMTP_OUTCOME_LATER : kind_of(c);
        settle(c, c->at, kind, c->reply.code, buf_str(&c->reply.text), true);
    }
    c->at++;
    if (c->at == c->job.envelope.recipient_count) {
        after_recipients(c);
    } else if (!c->has_pipelining) {
        write_rcpt(c, c->at);
    }
}

static void on_data(struct smtp_client *c)
{
    if (c->reply.code == 354) {
        c->state = AT_CONTENT;
        return;
    }
    settle_rest(c, is_good(c) ? SMTP_OUTCOME_LATER : kind_of(c));
    quit(c);
}

/* A reply while the content still goes out is an early refusal: there is no way to stop a chunk but to hang up. */
static void on_content(struct smtp_client *c)
{
    settle_rest(c, is_good(c) ? SMTP_OUTCOME_LATER : kind_of(c));
    c->state = AT_DONE;
}

static void next_final(struct smtp_client *c)
{
    size_t count = c->job.envelope.recipient_count;
    while (c->at < count && !c->outcomes[c->at].is_accepted) {
        c->at++;
    }
    if (c->at == count) {
        quit(c);
    }
}

static void on_final(struct smtp_client *c)
{
    if (!c->job.is_lmtp) {
        settle_rest(c, kind_of(c));
        quit(c);
        return;
    }
    settle(c, c->at, kind_of(c), c->reply.code, buf_str(&c->reply.text), true);
    c->at++;
    next_final(c);
}

static void (*const on_reply[STATE_COUNT])(struct smtp_client *) = {
    [AT_GREETING] = on_greeting, [AT_EHLO] = on_ehlo, [AT_HELO] = on_helo,
    [AT_STARTTLS] = on_starttls, [AT_AUTH] = on_auth, [AT_MAIL] = on_mail,
    [AT_RCPT] = on_rcpt,         [AT_DATA] = on_data, [AT_CONTENT] = on_content,
    [AT_FINAL] = on_final,
};

/* ---- stepping ---- */

/* Reads one reply, if it is whole, and acts on it. False: nothing more to read now. */
static bool take_reply(struct smtp_client *c)
{
    if (c->state == AT_TLS || c->state == AT_DONE) {
        return false;
    }
    enum smtp_frame frame = smtp_framing_next(c->framing);
    if (frame == SMTP_FRAME_MORE) {
        return false;
    }
    enum step step = STEP_BAD;
    if (frame == SMTP_FRAME_LINE) {
        step = smtp_reply_add_line(&c->reply, smtp_framing_get_octets(c->framing));
    }
    if (step == STEP_BAD) {
        log_info("smtp client: the server's reply cannot be read");
        smtp_client_fail(c, ERR_PEER_GONE);
        return false;
    }
    if (step == STEP_MORE) {
        return true;
    }
    if (c->reply.code == 421) {
        settle_rest(c, SMTP_OUTCOME_LATER);
        c->state = AT_DONE;
        return false;
    }
    c->progress++;
    on_reply[c->state](c);
    smtp_reply_clear(&c->reply);
    return true;
}

static void end_content(struct smtp_client *c, struct buf *out)
{
    if (!c->has_chunking) {
        smtp_dots_finish(&c->dots, out);
    }
    c->state = AT_FINAL;
    c->at = 0;
    next_final(c);
}

static enum smtp_client_want send_content(struct smtp_client *c, struct buf *out)
{
    struct str octets = STR_EMPTY;
    uint64_t left = c->size - c->sent;
    size_t n = left < OUT_MOST ? (size_t)left : OUT_MOST;
    enum err e = n == 0 ? ERR_OK : c->job.source.read(c->job.source.owner, c->sent, n, &octets);
    if (e != ERR_OK || (n > 0 && octets.n == 0)) {
        /* The promised octets cannot be kept: hang up, so that no half message is taken. */
        smtp_client_fail(c, e != ERR_OK ? e : ERR_CORRUPT);
        return SMTP_CLIENT_DONE;
    }
    octets = str_sub(octets, 0, n);
    if (c->has_chunking) {
        buf_add(out, octets);
    } else {
        smtp_dots_write(&c->dots, octets, out);
    }
    c->sent += octets.n;
    c->progress++;
    if (c->sent == c->size) {
        end_content(c, out);
    }
    return SMTP_CLIENT_OUTPUT;
}

enum smtp_client_want smtp_client_step(struct smtp_client *c, struct buf *out)
{
    while (take_reply(c)) {
    }
    if (c->out.is_full) {
        smtp_client_fail(c, ERR_LIMIT);
    }
    buf_add(out, buf_str(&c->out));
    buf_clear(&c->out);
    if (c->state == AT_CONTENT) {
        return send_content(c, out);
    }
    if (c->state == AT_TLS) {
        return SMTP_CLIENT_TLS;
    }
    return c->state == AT_DONE ? SMTP_CLIENT_DONE : SMTP_CLIENT_INPUT;
}
