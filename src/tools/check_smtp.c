/* The submission leg: greeting, EHLO, STARTTLS, EHLO, and what is refused though it is offered.
 *
 * Commands are tried out of place (BDAT without MAIL): whoever knows them answers 503 or 530; 500 and 502 are the words of one
 * that does not, which, when the offer passed, is a box that blocks one side of a negotiation (RFC 5383, 6: D33). All of it is
 * done before TLS, where boxes can see it, and again under it, where only one that opens TLS can.
 *
 * On port 25 the question is only whether it is the same server that answers; neither mail nor a login is ever given (D5). */
#include "tools/check_dialogue.h"

#include "tools/check_octets.h"
#include "tools/check_steps.h"
#include "tools/check_words.h"

enum { BULK_COMMANDS = 4, BULK_FILL = 480, CONTENT_MOST = 128 * 1024 };

static bool hear_greeting(struct check_dialogue *d, struct smtp_reply *r)
{
    talk_expect(d->talk);
    enum talk_result result = talk_smtp_hear(d->talk, r);
    struct str text = buf_str(&r->text);
    if (!check_hear_greeting(d, result, str_split(&text, '\n'))) {
        return false;
    }
    if (r->code != 220) {
        check_find(d->leg, FINDING_GREETING_REFUSED, "%d %.*s", r->code,
                   STR_ARG(buf_str(&d->leg->greeting)));
        return false;
    }
    check_greeting_smtp(d->leg, buf_str(&d->leg->greeting));
    return true;
}

static bool say_helo(struct check_dialogue *d, const char *verb, struct smtp_reply *r)
{
    CLEANUP(buf_release) struct buf line = BUF_INIT(CHECK_SHOWN_MOST * 4);
    buf_addf(&line, "%s %.*s", verb, STR_ARG(d->helo));
    return check_went_well(d, talk_smtp(d->talk, buf_str(&line), r), verb);
}

/* EHLO, before TLS or under it. */
static bool hear_offers(struct check_dialogue *d, struct smtp_reply *r)
{
    bool is_tls = d->talk->is_tls;
    struct buf *words = is_tls ? &d->leg->tls : &d->leg->plain;
    if (!say_helo(d, "EHLO", r)) {
        return false;
    }
    if (r->code / 100 != 2) {
        check_find(d->leg, FINDING_EHLO_REFUSED, "%s TLS: %d %.*s", is_tls ? "under" : "before",
                   r->code, STR_ARG(str_sub(buf_str(&r->text), 0, CHECK_SHOWN_MOST)));
        return say_helo(d, "HELO", r) && r->code == 250;
    }
    check_words_take_ehlo(r, is_tls ? &d->leg->name_tls : &d->leg->name_plain, words);
    if (words->len == 0) {
        check_find(d->leg, FINDING_EHLO_DOWNGRADED, "EHLO %s TLS is answered like HELO",
                   is_tls ? "under" : "before");
    }
    check_note_offers(d, words);
    return true;
}

/* False: the conversation is over. */
static bool try_command(struct check_dialogue *d, struct str word, const char *command,
                        struct smtp_reply *r)
{
    const struct buf *words = d->talk->is_tls ? &d->leg->tls : &d->leg->plain;
    if (!check_words_has(words, word)) {
        return true;
    }
    if (!check_went_well(d, talk_smtp(d->talk, str_from_c(command), r), command)) {
        return false;
    }
    if (r->code == 500 || r->code == 502) {
        check_find(d->leg, FINDING_COMMAND_REFUSED, "%.*s is offered, and %s is answered %d %.*s",
                   STR_ARG(word), command, r->code,
                   STR_ARG(str_sub(buf_str(&r->text), 0, CHECK_SHOWN_MOST)));
    }
    return true;
}

static bool try_commands(struct check_dialogue *d, struct smtp_reply *r)
{
    return try_command(d, STR("CHUNKING"), "BDAT 0", r)
           && try_command(d, STR("BURL"), "BURL imap://limetta.invalid/INBOX LAST", r);
}

/* True: TLS stands. */
static bool start_tls(struct check_dialogue *d, struct smtp_reply *r)
{
    CLEANUP(buf_release) struct buf answer = BUF_INIT(2 * CHECK_SHOWN_MOST);
    if (!check_went_well(d, talk_smtp(d->talk, STR("STARTTLS"), r), "STARTTLS")) {
        return false;
    }
    buf_addf(&answer, "%d %.*s", r->code, STR_ARG(str_sub(buf_str(&r->text), 0, CHECK_SHOWN_MOST)));
    return check_start_tls(d, r->code == 220, buf_str(&answer));
}

/* More than a packet holds, after small things passed. In few commands, and short enough (RFC 5321, 4.5.3.1.4): some servers
 * leave after ten that bring no mail. */
static bool try_bulk(struct check_dialogue *d, struct smtp_reply *r)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(CONTENT_MOST);
    if (!check_words_has(&d->leg->tls, STR("PIPELINING"))) {
        return true;
    }
    for (int i = 0; i < BULK_COMMANDS; i++) {
        buf_addf(&out, "NOOP %0*d\r\n", BULK_FILL, i);
    }
    enum talk_result result = talk_say(d->talk, buf_str(&out));
    for (int i = 0; i < BULK_COMMANDS && result == TALK_OK; i++) {
        result = talk_smtp_hear(d->talk, r);
    }
    return check_end_bulk(d, result, out.len);
}

static bool judge_tls(struct check_dialogue *d, struct smtp_reply *r)
{
    if (!hear_offers(d, r)) {
        return false;
    }
    if (d->leg->plain.len > 0) {
        check_words_compare(d->leg);
    }
    check_names_compare(d->leg);
    check_words_expect(d->leg, d->expect);
    return try_commands(d, r) && try_bulk(d, r);
}

bool check_smtp_start(struct check_dialogue *d)
{
    struct smtp_reply r = SMTP_REPLY_INIT;
    bool is_good = hear_greeting(d, &r) && hear_offers(d, &r) && try_commands(d, &r)
                   && start_tls(d, &r) && judge_tls(d, &r);
    check_note_line_ends(d);
    smtp_reply_release(&r);
    return is_good;
}

/* ---- port 25 ---- */

/* Does a certificate prove the name? What is wrong with it is only a hint on port 25. */
static bool is_proven(const struct check_leg *leg)
{
    return leg->has_tls && leg->cert.is_good;
}

static void judge_25(struct check_dialogue *d, struct str genuine)
{
    struct str name = buf_str(&d->leg->name_plain);
    bool is_same = genuine.n > 0 && str_eq_nocase(name, genuine);
    if (is_proven(d->leg)) {
        return;
    }
    if (d->leg->has_tls) {
        check_find(d->leg, FINDING_PORT25_INTERCEPTED,
                   "%.*s answers there, and its certificate is not for this host", STR_ARG(name));
    } else if (genuine.n > 0 && !is_same) {
        check_find(d->leg, FINDING_PORT25_INTERCEPTED,
                   "%.*s answers there without TLS; on the other port it is %.*s", STR_ARG(name),
                   STR_ARG(genuine));
    } else {
        check_find(d->leg, FINDING_PORT25_PLAIN, "%.*s answers there without TLS", STR_ARG(name));
    }
}

/* TLS, if it is offered, to see the certificate. */
static void try_25_tls(struct check_dialogue *d, struct smtp_reply *r)
{
    if (!check_words_has(&d->leg->plain, STR("STARTTLS"))
        || talk_smtp(d->talk, STR("STARTTLS"), r) != TALK_OK || r->code != 220
        || talk_start_tls(d->talk) != TALK_OK) {
        return;
    }
    d->leg->has_tls = true;
    if (d->on_tls != NULL) {
        d->on_tls(d->owner);
    }
}

void check_smtp_intercepted(struct check_dialogue *d, struct str genuine)
{
    struct smtp_reply r = SMTP_REPLY_INIT;
    if (hear_greeting(d, &r) && hear_offers(d, &r)) {
        if (check_words_has(&d->leg->plain, STR("BURL"))) {
            check_find(d->leg, FINDING_PORT25_SUBMISSION, "BURL is offered on 25");
        }
        try_25_tls(d, &r);
        judge_25(d, genuine);
        check_smtp_end(d);
    }
    smtp_reply_release(&r);
}

/* ---- with a login ---- */

bool check_smtp_login(struct check_dialogue *d)
{
    struct smtp_reply r = SMTP_REPLY_INIT;
    struct buf line = BUF_INIT(CONTENT_MOST);
    if (!d->leg->cert.is_good) {
        check_find(d->leg, FINDING_LOGIN_WITHHELD, "the certificate does not prove who this is");
        return false;
    }
    (void)buf_reserve(&line, (d->user.n + d->password.n) * 2 + 64);
    buf_add_c(&line, "AUTH PLAIN ");
    check_plain_write(d, &line);
    bool is_in = check_went_well(d, talk_smtp(d->talk, buf_str(&line), &r), "AUTH");
    buf_wipe(&line);
    if (is_in && r.code != 235) {
        check_find(d->leg, FINDING_LOGIN_REFUSED, "AUTH PLAIN: %d %.*s", r.code,
                   STR_ARG(str_sub(buf_str(&r.text), 0, CHECK_SHOWN_MOST)));
    }
    is_in = is_in && r.code == 235;
    smtp_reply_release(&r);
    return is_in;
}

/* Was what was said taken? What is refused is found. */
static bool is_accepted(struct check_dialogue *d, struct str said, const struct smtp_reply *r)
{
    bool is_unknown = r->code == 500 || r->code == 502;
    if (r->code / 100 != 2) {
        check_find(d->leg, is_unknown ? FINDING_COMMAND_REFUSED : FINDING_MAIL_REFUSED,
                   "%.*s: %d %.*s", STR_ARG(said), r->code,
                   STR_ARG(str_sub(buf_str(&r->text), 0, CHECK_SHOWN_MOST)));
    }
    return r->code / 100 == 2;
}

/* One command of the transaction. */
static bool step(struct check_dialogue *d, struct str command, struct smtp_reply *r)
{
    return check_went_well(d, talk_smtp(d->talk, command, r), "the test message")
           && is_accepted(d, command, r);
}

/* Hears a reply; a server that waits for octets that were lost gets others. */
static enum talk_result hear_padded(struct check_dialogue *d, struct smtp_reply *r)
{
    CLEANUP(buf_release) struct buf pad = BUF_INIT(CONTENT_MOST);
    enum talk_result result = talk_smtp_hear(d->talk, r);
    if (result != TALK_SILENT) {
        return result;
    }
    check_octets_pad(&pad, CHECK_PADDING);
    talk_go_on(d->talk);
    result = talk_say(d->talk, buf_str(&pad));
    return result == TALK_OK ? talk_smtp_hear(d->talk, r) : result;
}

/* BDAT in two chunks, the first of one octet: the second begins in the middle of a packet. */
static bool send_content(struct check_dialogue *d, struct str content, struct smtp_reply *r)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(CONTENT_MOST);
    buf_addf(&out, "BDAT 1\r\n%c", content.p[0]);
    buf_addf(&out, "BDAT %zu LAST\r\n", content.n - 1);
    buf_add(&out, str_skip(content, 1));
    enum talk_result result = talk_say(d->talk, buf_str(&out));
    for (int i = 0; i < 2 && result == TALK_OK; i++) {
        result = i == 0 ? talk_smtp_hear(d->talk, r) : hear_padded(d, r);
        if (result == TALK_OK && !is_accepted(d, STR("BDAT"), r)) {
            return false;
        }
    }
    if (result == TALK_SILENT) {
        check_find(d->leg, FINDING_LARGE_STALL, "small commands pass, BDAT with %zu octets stalls",
                   content.n);
        return false;
    }
    return check_went_well(d, result, "BDAT");
}

bool check_smtp_octets(struct check_dialogue *d, bool *is_binary)
{
    struct smtp_reply r = SMTP_REPLY_INIT;
    CLEANUP(buf_release) struct buf content = BUF_INIT(CONTENT_MOST);
    CLEANUP(buf_release) struct buf line = BUF_INIT(CONTENT_MOST);
    *is_binary = check_words_has(&d->leg->tls, STR("BINARYMIME"));
    if (!check_words_has(&d->leg->tls, STR("CHUNKING"))) {
        check_find(d->leg, FINDING_NOT_BINARY, "CHUNKING is not offered: no test message");
        return false;
    }
    check_message_write(d, *is_binary, &content);
    buf_addf(&line, "MAIL FROM:<%.*s> BODY=%s", STR_ARG(d->address),
             *is_binary ? "BINARYMIME" : "8BITMIME");
    bool is_taken = step(d, buf_str(&line), &r);
    buf_clear(&line);
    buf_addf(&line, "RCPT TO:<%.*s>", STR_ARG(d->address));
    is_taken = is_taken && step(d, buf_str(&line), &r) && send_content(d, buf_str(&content), &r);
    smtp_reply_release(&r);
    return is_taken;
}

enum talk_result check_smtp_noop(struct check_dialogue *d, bool *is_leave)
{
    struct smtp_reply r = SMTP_REPLY_INIT;
    enum talk_result result = talk_smtp(d->talk, STR("NOOP"), &r);
    *is_leave = r.code >= 400; /* 421; or: no more of this */
    smtp_reply_release(&r);
    return result;
}

void check_smtp_end(struct check_dialogue *d)
{
    struct smtp_reply r = SMTP_REPLY_INIT;
    if (d->talk->result == TALK_OK) {
        (void)talk_smtp(d->talk, STR("QUIT"), &r);
    }
    smtp_reply_release(&r);
}
