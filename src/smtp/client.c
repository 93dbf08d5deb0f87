/* Messages to one server, one after the other. The dialogue is a row of states, each waiting for one reply; on_reply[] says what each
 * reply means, and going to a state writes its command:
 *
 *     GREETING -> EHLO -> (STARTTLS -> TLS -> EHLO) -> (AUTH) -> MAIL -> RCPT* -> DATA -> content -> FINAL* -> IDLE or DONE
 *                  '-> HELO                            ^                 '-> BDAT size, content, ... BDAT size LAST -'  |
 *                                                      '---------------- (RSET) <- next message, or more recipients ----'
 *
 * With PIPELINING (RFC 2920) MAIL and all RCPT leave at once; the replies are still read one by one. DATA waits for the
 * RCPT replies: a round trip more, and never a message for nobody. With CHUNKING (RFC 3030) the content goes in chunks, octet for octet,
 * so that a server that has had enough can say so between two; otherwise as DATA, through the dot writer, which also turns stray
 * CR and LF into line ends, so that nothing we send can be read as the end of a message and the start of another.
 *
 * A server that takes only so many recipients at once (LIMITS, RFC 9422) gets the message once for each so many.
 *
 * Trouble with the server as a whole (greeting, EHLO, TLS, AUTH, 421, silence) is never the message's fault: all
 * recipients are for later. Trouble with MAIL, RCPT or the content is decided by the reply's first digit. What the server would have
 * to support, and does not, is looked at before MAIL (client_fit.c). */
#include "smtp/client_priv.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"

enum {
    OUT_MOST = 32 * 1024,
    LINE_CAP = 256 * 1024,
    BACKLOG_MOST = 256 * 1024, /* of replies, while it does not take what we say */
    CHUNK_SIZE = 1024 * 1024,
    CHUNKS_OPEN_MOST = 8
};

struct smtp_client *smtp_client_new(const struct smtp_client_job *job)
{
    struct smtp_client *c = mem_new(sizeof(*c));
    c->job = *job;
    c->is_tls = job->is_tls;
    c->framing = smtp_framing_new();
    c->reply = SMTP_REPLY_INIT;
    buf_init(&c->out, LINE_CAP);
    client_outcomes_new(c);
    return c;
}

void smtp_client_free(struct smtp_client **c)
{
    if (*c == NULL) {
        return;
    }
    client_outcomes_free(*c);
    smtp_framing_free(&(*c)->framing);
    smtp_reply_release(&(*c)->reply);
    buf_wipe(&(*c)->out); /* a login went through it */
    free(*c);
    *c = NULL;
}

void smtp_client_feed(struct smtp_client *c, struct str octets)
{
    smtp_framing_feed(c->framing, octets);
    if (smtp_framing_get_backlog(c->framing) > BACKLOG_MOST) {
        log_info("smtp client: the server talks and does not listen");
        smtp_client_fail(c, ERR_PEER_GONE);
    }
}

static void quit(struct smtp_client *c)
{
    buf_add(&c->out, STR("QUIT\r\n"));
    c->state = AT_DONE;
}

static void start_mail(struct smtp_client *c);

/* The transaction is over: the next recipients, the next message, or goodbye. */
static void end_transaction(struct smtp_client *c)
{
    c->from = client_find_open(c, c->to);
    bool has_more = c->from < c->job.envelope.recipient_count;
    if (has_more && c->is_dirty) {
        buf_add(&c->out, STR("RSET\r\n"));
        c->state = AT_RSET;
    } else if (has_more) {
        start_mail(c);
    } else if (c->job.is_kept) {
        c->state = AT_IDLE;
    } else {
        quit(c);
    }
}

/* By our own word, about all that are open. */
static void give_up(struct smtp_client *c, enum smtp_outcome_kind kind, enum err e)
{
    client_settle_rest_err(c, kind, e);
    c->to = c->job.envelope.recipient_count;
    end_transaction(c);
}

/* The server as a whole refuses: later. */
static void give_up_host(struct smtp_client *c)
{
    client_settle_rest(c, SMTP_OUTCOME_LATER);
    c->has_host_failed = true;
    quit(c);
}

static void give_up_host_err(struct smtp_client *c, enum err e)
{
    client_settle_rest_err(c, SMTP_OUTCOME_LATER, e);
    c->has_host_failed = true;
    quit(c);
}

void smtp_client_fail(struct smtp_client *c, enum err why)
{
    if (c->state != AT_DONE) {
        client_settle_rest_err(c, SMTP_OUTCOME_LATER, why);
        c->has_host_failed = c->has_host_failed || !c->has_begun;
        c->state = AT_DONE;
    }
}

bool smtp_client_is_idle(const struct smtp_client *c)
{
    bool has_mails_left = c->offer.mail_most == 0 || c->mails < c->offer.mail_most;
    return c->state == AT_IDLE && has_mails_left;
}

void smtp_client_next(struct smtp_client *c, const struct smtp_client_job *job)
{
    client_outcomes_free(c);
    c->job = *job;
    client_outcomes_new(c);
    c->has_begun = c->has_host_failed = c->is_unfit = false;
    c->from = c->to = 0;
    if (c->is_dirty) {
        buf_add(&c->out, STR("RSET\r\n"));
        c->state = AT_RSET;
        return;
    }
    start_mail(c);
}

void smtp_client_quit(struct smtp_client *c)
{
    if (c->state == AT_IDLE) {
        quit(c);
    }
}

bool smtp_client_has_host_failed(const struct smtp_client *c)
{
    return c->has_host_failed;
}

bool smtp_client_is_unfit(const struct smtp_client *c)
{
    return c->is_unfit;
}

bool smtp_client_is_tls(const struct smtp_client *c)
{
    return c->is_tls;
}

bool smtp_client_is_over(const struct smtp_client *c)
{
    return c->state == AT_DONE;
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

/* The first recipient from i on that the server is told of in this transaction; c->to: none. */
static size_t find_told(const struct smtp_client *c, size_t i)
{
    while (i < c->to && !c->outcomes[i].is_told) {
        i++;
    }
    return i;
}

static void write_mail(struct smtp_client *c)
{
    client_choose_recipients(c);
    client_say_mail(c);
    c->mails++;
    c->is_dirty = true;
    c->sent = 0;
    c->dots = (struct smtp_dots){false, false};
    c->state = AT_MAIL;
    for (size_t i = c->from; i < c->to; i++) {
        c->outcomes[i].is_told = c->outcomes[i].kind == SMTP_OUTCOME_OPEN;
        if (c->outcomes[i].is_told && c->offer.has_pipelining) {
            client_say_rcpt(c, i);
        }
    }
}

/* Ready to bring the message: what can the server take? */
static void start_mail(struct smtp_client *c)
{
    enum err e = client_check_terms(c);
    if (e != ERR_OK) {
        c->is_unfit = e == ERR_NO_REQUIRETLS;
        give_up(c, SMTP_OUTCOME_FAILED, e);
        return;
    }
    e = client_prepare(c);
    if (e != ERR_OK) {
        bool is_final = e == ERR_CONVERSION || e == ERR_UTF8_HEADER || e == ERR_TOO_BIG;
        give_up(c, is_final ? SMTP_OUTCOME_FAILED : SMTP_OUTCOME_LATER, e);
        return;
    }
    client_settle_unsayable(c);
    c->from = client_find_open(c, c->from);
    if (c->from == c->job.envelope.recipient_count) {
        c->to = c->from;
        end_transaction(c);
    } else if (c->offer.mail_most > 0 && c->mails >= c->offer.mail_most) {
        give_up(c, SMTP_OUTCOME_LATER, ERR_MANY_RECIPIENTS);
    } else {
        write_mail(c);
    }
}

static void start_chunk(struct smtp_client *c)
{
    uint64_t left = c->size - c->sent;
    c->chunk_left = left > CHUNK_SIZE ? CHUNK_SIZE : left;
    buf_addf(&c->out, "BDAT %llu%s\r\n", (unsigned long long)c->chunk_left,
             c->chunk_left == left ? " LAST" : "");
    c->state = AT_CONTENT;
}

static void start_content(struct smtp_client *c)
{
    c->chunks_open = 0;
    c->has_begun = true;
    if (c->offer.has_chunking) {
        start_chunk(c);
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
    give_up_host(c);
}

static void start_auth(struct smtp_client *c)
{
    if (c->offer.has_auth_plain) {
        client_say_auth_plain(c);
        c->state = AT_AUTH;
    } else if (c->offer.has_auth_login) {
        buf_add(&c->out, STR("AUTH LOGIN\r\n"));
        c->state = AT_LOGIN_NAME;
    } else {
        give_up_host_err(c, ERR_AUTH_FAILED);
    }
}

static void after_ehlo(struct smtp_client *c)
{
    if (!c->is_tls && c->job.tls != SMTP_TLS_OFF && c->offer.has_starttls) {
        buf_add(&c->out, STR("STARTTLS\r\n"));
        c->state = AT_STARTTLS;
    } else if (!c->is_tls && c->job.tls == SMTP_TLS_REQUIRED) {
        give_up_host_err(c, ERR_TLS_FAILED);
    } else if (c->job.user.n > 0) {
        start_auth(c);
    } else {
        start_mail(c);
    }
}

static void on_ehlo(struct smtp_client *c)
{
    if (is_good(c)) {
        client_read_offer(&c->reply, &c->offer);
        after_ehlo(c);
    } else if (c->reply.code >= 500 && !c->job.is_lmtp) {
        buf_addf(&c->out, "HELO %.*s\r\n", STR_ARG(c->job.helo));
        c->state = AT_HELO;
    } else {
        give_up_host(c);
    }
}

static void on_helo(struct smtp_client *c)
{
    if (is_good(c)) {
        after_ehlo(c);
        return;
    }
    give_up_host(c);
}

static void on_starttls(struct smtp_client *c)
{
    if (c->reply.code == 220) {
        c->state = AT_TLS;
    } else if (c->job.tls == SMTP_TLS_REQUIRED) {
        give_up_host(c);
    } else {
        c->offer.has_starttls = false;
        after_ehlo(c);
    }
}

void smtp_client_on_tls(struct smtp_client *c)
{
    /* RFC 3207, 4.2: nothing learnt before TLS is kept, also when EHLO is not understood behind it. */
    smtp_framing_drop_rest(c->framing);
    smtp_reply_clear(&c->reply);
    c->offer = (struct client_offer){.has_starttls = false};
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
    give_up_host(c);
}

/* AUTH LOGIN: the name, then the password, each when asked. */
static void on_login_name(struct smtp_client *c)
{
    if (c->reply.code != 334) {
        give_up_host(c);
        return;
    }
    client_say_secret(c, c->job.user);
    c->state = AT_LOGIN_PASSWORD;
}

static void on_login_password(struct smtp_client *c)
{
    if (c->reply.code != 334) {
        give_up_host(c);
        return;
    }
    client_say_secret(c, c->job.password);
    c->state = AT_AUTH;
}

static void on_rset(struct smtp_client *c)
{
    if (!is_good(c)) {
        give_up_host(c);
        return;
    }
    c->is_dirty = false;
    start_mail(c);
}

/* The replies of MAIL and RCPT are in. */
static void after_recipients(struct smtp_client *c)
{
    for (size_t i = c->from; i < c->to; i++) {
        if (c->outcomes[i].is_accepted) {
            start_content(c);
            return;
        }
    }
    end_transaction(c);
}

static void on_mail(struct smtp_client *c)
{
    c->at = find_told(c, c->from);
    if (!is_good(c)) {
        client_settle_rest(c, client_get_kind(c));
    }
    if (!is_good(c) && !c->offer.has_pipelining) {
        c->is_dirty = false;
        end_transaction(c);
        return;
    }
    if (!c->offer.has_pipelining) {
        client_say_rcpt(c, c->at);
    }
    c->state = AT_RCPT;
}

/* 552 for a recipient behind others means "too many at once", unless it says that it is about the mailbox (RFC 5321,
 * 4.5.3.1.10). */
static bool is_too_many(const struct smtp_client *c)
{
    bool has_accepted = false;
    for (size_t i = c->from; i < c->at; i++) {
        has_accepted = has_accepted || c->outcomes[i].is_accepted;
    }
    return has_accepted && c->reply.code == 552
           && !str_starts(smtp_reply_get_enhanced(&c->reply), STR("5.2."));
}

static void on_rcpt(struct smtp_client *c)
{
    struct client_outcome *o = &c->outcomes[c->at];
    if (is_good(c) && o->kind == SMTP_OUTCOME_OPEN) {
        o->is_accepted = true;
    } else {
        enum smtp_outcome_kind kind = is_too_many(c) ? SMTP_OUTCOME_LATER : client_get_kind(c);
        client_settle(c, c->at, kind, c->reply.code, buf_str(&c->reply.text), true);
    }
    c->at = find_told(c, c->at + 1);
    if (c->at == c->to) {
        after_recipients(c);
    } else if (!c->offer.has_pipelining) {
        client_say_rcpt(c, c->at);
    }
}

static void on_data(struct smtp_client *c)
{
    if (c->reply.code == 354) {
        c->state = AT_CONTENT;
        return;
    }
    client_settle_transaction(c, is_good(c) ? SMTP_OUTCOME_LATER : client_get_kind(c));
    end_transaction(c);
}

/* A reply while the content still goes out: to an earlier chunk, or an early refusal; there is no way to stop a chunk but to hang
 * up. */
static void on_content(struct smtp_client *c)
{
    if (is_good(c) && c->chunks_open > 0) {
        c->chunks_open--;
        return;
    }
    client_settle_rest(c, is_good(c) ? SMTP_OUTCOME_LATER : client_get_kind(c));
    c->state = AT_DONE;
}

/* Between two chunks, when the server is to answer first. */
static void on_chunk(struct smtp_client *c)
{
    on_content(c);
    if (c->state == AT_CHUNK) {
        start_chunk(c);
    }
}

static void next_final(struct smtp_client *c)
{
    while (c->at < c->to && !c->outcomes[c->at].is_accepted) {
        c->at++;
    }
    if (c->at == c->to) {
        c->is_dirty = false;
        end_transaction(c);
    }
}

static void on_final(struct smtp_client *c)
{
    if (c->chunks_open > 0) {
        on_content(c);
        return;
    }
    if (!c->job.is_lmtp) {
        client_settle_transaction(c, client_get_kind(c));
        c->is_dirty = !is_good(c);
        end_transaction(c);
        return;
    }
    client_settle(c, c->at, client_get_kind(c), c->reply.code, buf_str(&c->reply.text), true);
    c->at++;
    next_final(c);
}

/* Unasked words of an idle server: it is about to go. */
static void on_idle(struct smtp_client *c)
{
    c->state = AT_DONE;
}

static void (*const on_reply[CLIENT_STATE_COUNT])(struct smtp_client *) = {
    [AT_GREETING] = on_greeting,
    [AT_EHLO] = on_ehlo,
    [AT_HELO] = on_helo,
    [AT_STARTTLS] = on_starttls,
    [AT_AUTH] = on_auth,
    [AT_LOGIN_NAME] = on_login_name,
    [AT_LOGIN_PASSWORD] = on_login_password,
    [AT_RSET] = on_rset,
    [AT_MAIL] = on_mail,
    [AT_RCPT] = on_rcpt,
    [AT_DATA] = on_data,
    [AT_CONTENT] = on_content,
    [AT_CHUNK] = on_chunk,
    [AT_FINAL] = on_final,
    [AT_IDLE] = on_idle,
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
        client_settle_rest(c, SMTP_OUTCOME_LATER);
        c->has_host_failed = !c->has_begun;
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
    if (!c->offer.has_chunking) {
        smtp_dots_finish(&c->dots, out);
    }
    c->state = AT_FINAL;
    c->at = c->from;
    next_final(c);
}

/* A chunk is out, and more is to come. */
static void next_chunk(struct smtp_client *c)
{
    c->chunks_open++;
    c->state = AT_CHUNK;
    if (c->offer.has_pipelining && c->chunks_open < CHUNKS_OPEN_MOST) {
        start_chunk(c);
    }
}

static enum smtp_client_want send_content(struct smtp_client *c, struct buf *out)
{
    struct str octets = STR_EMPTY;
    uint64_t left = c->offer.has_chunking ? c->chunk_left : c->size - c->sent;
    size_t n = left < OUT_MOST ? (size_t)left : OUT_MOST;
    enum err e = n == 0 ? ERR_OK : c->job.source.read(c->job.source.owner, c->sent, n, &octets);
    if (e != ERR_OK || (n > 0 && octets.n == 0)) {
        /* The promised octets cannot be kept: hang up, so that no half message is taken. */
        smtp_client_fail(c, e != ERR_OK ? e : ERR_CORRUPT);
        return SMTP_CLIENT_DONE;
    }
    octets = str_sub(octets, 0, n);
    if (c->offer.has_chunking) {
        buf_add(out, octets);
        c->chunk_left -= octets.n;
    } else {
        smtp_dots_write(&c->dots, octets, out);
    }
    c->sent += octets.n;
    c->progress++;
    if (c->sent == c->size) {
        end_content(c, out);
    } else if (c->offer.has_chunking && c->chunk_left == 0) {
        next_chunk(c);
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
    return c->state == AT_DONE || c->state == AT_IDLE ? SMTP_CLIENT_DONE : SMTP_CLIENT_INPUT;
}
