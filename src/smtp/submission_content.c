/* How a message's content comes in, three ways: DATA (RFC 5321), BDAT chunks (RFC 3030), BURL (RFC 4468); the last two mix
 * freely in one message. All octets take one road:
 *
 *     DATA, dots removed --.
 *     BDAT chunk ----------+--> add_octets(): size so far against the limit --> header_fix --> host->content_add()
 *     BURL, as fetched ----'
 *
 * The size that counts is that of the message with all URLs expanded (RFC 5550, 4.4), before our own header lines.
 *
 * A part that fails, fails the transaction: the rest is read and dropped, every further part is answered 503 until the
 * client gives up with RSET (RFC 3030, 2; RFC 4468, 3.2) or ends the message with LAST, which then fails, too. A BDAT's octets
 * are read in every case, also when the command is out of order: they are already on their way. A BURL without an accepted
 * recipient is answered 554 5.5.0 and nothing is fetched.
 *
 * The final 250 comes after the host said that the message is durable (RFC 5321, 6.1). URLs are bearer secrets: never
 * logged. */
#include "smtp/submission_priv.h"

#include "base/log.h"

static void *owner_of(struct submission *s)
{
    return s->host->base.owner;
}

static void fail_content(struct submission *s, enum err e)
{
    if (s->failure == ERR_OK) {
        s->failure = e;
    }
}

/* RFC 3848; RFC 6531, 4.3 */
static const char *get_protocol(const struct submission *s)
{
    if (s->terms.is_utf8) {
        return s->args.is_tls ? "UTF8SMTPSA" : "UTF8SMTPA";
    }
    return s->args.is_tls ? "ESMTPSA" : "ESMTPA";
}

/* The trace line (RFC 5321, 4.4). It names the recipient when there is one only: others must not learn of it (7.2). */
static void write_trace(struct submission *s, struct str unique)
{
    bool is_v6 = str_find_char(s->args.peer, ':') < s->args.peer.n; /* RFC 5321, 4.1.3 */
    buf_addf(&s->piece, "Received: from %.*s ([%s%.*s])\r\n\tby %.*s with %s id %.*s",
             STR_ARG(buf_str(&s->helo)), is_v6 ? "IPv6:" : "", STR_ARG(s->args.peer),
             STR_ARG(s->args.hostname), get_protocol(s), STR_ARG(unique));
    if (s->recipients.count == 1) {
        buf_addf(&s->piece, "\r\n\tfor <%.*s>", STR_ARG(s->recipients.at[0].address));
    }
    if (s->has_priority) {
        buf_addf(&s->piece, " PRIORITY %d", s->terms.priority); /* RFC 6710, 7 */
    }
    buf_add(&s->piece, STR(";\r\n\t"));
    header_write_date(&s->piece, s->host->get_time_s(owner_of(s)));
    buf_add(&s->piece, STR("\r\n"));
}

static void flush_piece(struct submission *s)
{
    if (s->piece.len > 0 && s->failure == ERR_OK) {
        enum err e = s->host->content_add(owner_of(s), buf_str(&s->piece));
        e = e == ERR_OK ? buf_err(&s->piece) : e;
        if (e != ERR_OK) {
            fail_content(s, e);
        }
    }
    buf_clear(&s->piece);
}

/* The first part of a message: begins the content with the trace line (RFC 5321, 4.4). */
static void start_content(struct submission *s)
{
    if (s->has_content) {
        return;
    }
    s->has_content = true;
    s->host->content_start(owner_of(s));
    CLEANUP(buf_release) struct buf unique = BUF_INIT(128);
    s->host->write_unique(owner_of(s), &unique);
    struct header_fix_args args = {
        .domain = s->args.domain,
        .unique = buf_str(&unique),
        .now_s = s->host->get_time_s(owner_of(s)),
        .from = s->return_path,
        .has_priority = s->has_priority,
        .priority = s->terms.priority,
        .priority_most = s->args.priority_most,
        .sender = submission_get_sender(s),
    };
    s->fix = header_fix_new(&args);
    write_trace(s, buf_str(&unique));
    flush_piece(s);
}

/* What the header has shown so far. */
static void check_header(struct submission *s)
{
    struct header_notes notes = header_fix_get_notes(s->fix);
    if (notes.hops > HOPS_MOST) {
        fail_content(s, ERR_LOOP);
    } else if (notes.is_big) {
        fail_content(s, ERR_HEADER_BIG);
    } else if (notes.is_bad_utf8) {
        fail_content(s, ERR_HEADER_OCTETS);
    }
}

/* The header is read: it has a say in the terms. One in UTF-8 is taken without SMTPUTF8, too, as a submission server may mend
 * what a client left out (RFC 6409, 8); from here on it is treated as if the parameter had been there. */
static void take_header_terms(struct submission *s)
{
    struct header_notes notes = header_fix_get_notes(s->fix);
    s->terms.is_utf8 = s->terms.is_utf8 || notes.has_8bit;
    s->terms.is_tls_optional = notes.is_tls_optional && !s->terms.is_tls_required;
    s->terms.priority = notes.priority;
    s->is_priority_lowered = notes.is_priority_lowered;
}

static void add_octets(struct submission *s, struct str octets)
{
    if (s->failure == ERR_OK && octets.n > s->args.size_most - s->size) {
        fail_content(s, ERR_TOO_BIG);
    }
    if (s->failure != ERR_OK) {
        return;
    }
    s->size += octets.n;
    while (octets.n > 0 && s->failure == ERR_OK) {
        header_fix_add(s->fix, str_sub(octets, 0, PIECE_MOST), &s->piece);
        octets = str_skip(octets, PIECE_MOST);
        flush_piece(s);
        check_header(s);
    }
}

/* The message is whole. */
static void finish_content(struct submission *s)
{
    header_fix_finish(s->fix, &s->piece);
    flush_piece(s);
    check_header(s);
    take_header_terms(s);
    if (s->failure == ERR_OK) {
        s->failure = submission_check_load(s, s->recipients.count, s->size);
    }
    if (s->failure != ERR_OK) {
        submission_reply_err(s, s->failure);
        submission_reset(s);
        s->state = SUBMISSION_COMMAND;
        return;
    }
    submission_check_from(s);
}

void submission_queue(struct submission *s)
{
    struct mail_envelope envelope = {
        .return_path = s->return_path,
        .envid = s->envid,
        .ret = s->ret,
        .recipients = s->recipients.at,
        .recipient_count = s->recipients.count,
        .terms = s->terms,
    };
    s->state = SUBMISSION_QUEUE;
    s->host->content_finish(owner_of(s), &envelope);
}

void submission_on_queued(struct session *session, enum err e)
{
    struct submission *s = (struct submission *)session;
    if (s->state != SUBMISSION_QUEUE) {
        return;
    }
    s->state = SUBMISSION_COMMAND;
    if (e == ERR_OK && s->is_priority_lowered) {
        CLEANUP(buf_release) struct buf text = BUF_INIT(64);
        buf_addf(&text, "%d is its priority: your highest. Queued", s->terms.priority);
        submission_reply(s, 250, STR("2.3.6"), buf_str(&text)); /* RFC 6710, 4.1 */
    } else if (e == ERR_OK) {
        /* RFC 4468, 6 gives BURL 2.5.0; the others have no code of their own. */
        submission_reply(s, 250, s->has_chunks ? STR("2.5.0") : STR("2.0.0"), STR("Queued"));
    } else {
        submission_reply_err(s, e);
    }
    submission_reset(s);
    s->host->base.wake(owner_of(s));
}

/* May content come now? BDAT and BURL; DATA has rules of its own on top. */
static enum err check_content(const struct submission *s)
{
    if (s->is_lost) {
        return ERR_TRANSACTION_LOST;
    }
    if (!s->has_mail) {
        return ERR_WRONG_STATE;
    }
    if (s->recipients.count == 0) {
        return ERR_NO_RECIPIENTS;
    }
    return s->failure != ERR_OK ? ERR_CHUNK_FAILED : ERR_OK;
}

void submission_run_data(struct submission *s, struct str args)
{
    enum err e = check_content(s);
    /* RFC 3030, 2 and 3: not after BDAT, not for BINARYMIME. */
    if (s->has_chunks || (s->has_mail && s->body == SMTP_BODY_BINARYMIME)) {
        e = ERR_WRONG_STATE;
    }
    if (e != ERR_OK) {
        submission_reply_err(s, e);
        return;
    }
    start_content(s);
    smtp_framing_start_data(s->framing);
    s->state = SUBMISSION_DATA;
    s->is_last = true;
    submission_reply(s, 354, STR_EMPTY, STR("Go ahead; end with CRLF.CRLF"));
}

void submission_run_bdat(struct submission *s, struct str args)
{
    struct smtp_bdat bdat = {0};
    enum err e = smtp_bdat_parse(args, &bdat);
    if (e != ERR_OK) {
        /* Without a size there is no telling where commands go on. Nobody closes without a 421 (RFC 5321, 3.8). */
        submission_reply_err(s, e);
        submission_reply_err(s, ERR_GAVE_UP);
        s->state = SUBMISSION_CLOSED;
        return;
    }
    e = check_content(s);
    if (e == ERR_OK) {
        start_content(s);
    } else {
        s->failure = s->failure == ERR_OK ? e : ERR_CHUNK_FAILED;
    }
    s->has_chunks = s->has_mail;
    s->is_last = bdat.is_last;
    s->chunk_size = bdat.size;
    s->state = SUBMISSION_CHUNK;
    smtp_framing_start_chunk(s->framing, bdat.size);
}

/* A part that was not the last one, or that failed. */
static void answer_part(struct submission *s, struct str text)
{
    s->state = SUBMISSION_COMMAND;
    if (s->failure == ERR_OK) {
        submission_reply(s, 250, STR("2.5.0"), text);
        return;
    }
    submission_drop_ahead(s);
    submission_reply_err(s, s->failure);
    if (s->is_last || (!s->has_mail && !s->is_lost)) {
        submission_reset(s);
        return;
    }
    s->failure = s->is_lost ? ERR_OK : ERR_CHUNK_FAILED; /* lost stays lost */
}

static void end_part(struct submission *s, struct str text)
{
    if (s->is_last && s->failure == ERR_OK) {
        finish_content(s);
    } else {
        answer_part(s, text);
    }
}

void submission_take_octets(struct submission *s, struct str octets)
{
    add_octets(s, octets);
}

void submission_end_octets(struct submission *s)
{
    end_part(s, STR("Octets received"));
}

/* ---- BURL ---- */

/* A part that we could not even read: what the client pipelined behind it must not become a message without it. */
void submission_fail_part(struct submission *s)
{
    if (s->has_mail) {
        submission_drop_ahead(s);
        s->failure = ERR_CHUNK_FAILED;
    }
}

void submission_run_burl(struct submission *s, struct str args)
{
    struct smtp_burl burl = {0};
    struct burl_target target = {0};
    enum err e = smtp_burl_parse(args, &burl);
    if (e == ERR_OK) {
        s->is_last = burl.is_last;
        e = check_content(s);
    }
    e = e == ERR_OK ? burl_check(s->command, burl.url, &s->args.burl, &target) : e;
    if (e == ERR_SYNTAX) {
        submission_fail_part(s);
    }
    if (e == ERR_WRONG_STATE || e == ERR_SYNTAX) {
        submission_reply_err(s, e);
        return;
    }
    s->has_chunks = true;
    if (e != ERR_OK) {
        s->failure = e;
        answer_part(s, STR_EMPTY);
        return;
    }
    start_content(s);
    target.may_be_binary = s->body == SMTP_BODY_BINARYMIME;
    s->state = SUBMISSION_FETCH;
    s->ahead -= s->ahead > 0 ? 1 : 0;
    s->host->fetch(owner_of(s), &target, s->args.size_most - s->size);
    if (s->state == SUBMISSION_FETCH) {
        submission_restart_ahead(s);
        submission_look_ahead(s);
    }
}

enum err submission_on_fetched(struct session *session, struct str octets)
{
    struct submission *s = (struct submission *)session;
    if (s->state != SUBMISSION_FETCH) {
        return ERR_WRONG_STATE;
    }
    add_octets(s, octets);
    return s->failure;
}

void submission_on_fetch_end(struct session *session, enum err e)
{
    struct submission *s = (struct submission *)session;
    if (s->state != SUBMISSION_FETCH) {
        return;
    }
    if (e != ERR_OK) {
        fail_content(s, e);
    }
    end_part(s, STR("Waiting for additional BURL or BDAT commands"));
    s->host->base.wake(owner_of(s));
}
