/* APPEND (RFC 3501, 6.3.11), several messages at once (MULTIAPPEND, RFC 3502), messages put together from parts that are
 * here already (CATENATE, RFC 4469), APPENDUID (RFC 4315).
 *
 *     APPEND mailbox SP [flags SP] [date SP] {n} octets  [SP [flags SP] [date SP] {n} octets] ...
 *     APPEND mailbox SP CATENATE (TEXT {n} octets SP URL url ...)
 *
 * Messages do not pass through the command's text: when what comes before a literal is read and is good, the literal's octets
 * stream to the store (upload), and only a placeholder stands in the text. So what can be refused is refused before
 * the client sends it: a missing mailbox (TRYCREATE), a message that is too big (TOOBIG), a wrong head. Parts that URLs
 * name are copied to the upload when their turn comes: before the next literal, or at the end.
 * When the command is whole, flags get their bits and then all messages are appended within one commit: all or none.
 * What an abandoned upload holds is dropped without trace.
 *
 * A URL of CATENATE names data of this account: absolute, by path, or relative to the selected mailbox.
 *
 * REPLACE (RFC 8508) is an APPEND of one message and the removal of another from the selected mailbox, in one commit: what
 * fails leaves both mailboxes as they were. APPENDUID is told before the news of what vanished (RFC 8508, 4.3). */
#include "imap/cmd/list.h"

#include "base/mem.h"
#include "base/vec.h"
#include "imap/access.h"
#include "imap/append_scan.h"
#include "imap/event.h"
#include "imap/flags.h"
#include "imap/list_row.h"
#include "imap/quota.h"
#include "imap/relay.h"
#include "imap/session_priv.h"
#include "imap/far_copy.h"
#include "wire/imap_write.h"

#include <limits.h>
#include <stdlib.h>

enum {
    MESSAGES_MOST = 256,
    HEAD_ARENA_MOST = 1024 * 1024,
    READ_SIZE = 64 * 1024,
    COPY_OCTETS_MOST = 1024 * 1024 /* of URLs, in a step */
};

/* Messages that came, not yet appended. */
struct upload {
    VEC(struct body_writer *) writers;
    unsigned part;         /* parts of the last message that are in its writer */
    struct url_octets url; /* the one after them, while has_url */
    bool has_url;
    uint64_t copied;    /* octets of all URLs of the command */
    bool is_catenate;   /* the literal that is streaming is a part, not a message */
    enum err err;       /* the first failure */
    struct buf bad_url; /* which URL it was, for ERR_BAD_URL */
};

struct append_command {
    struct append_scan scan;
    struct mailbox *mailbox;  /* counted */
    struct numset uids;       /* of the appended messages */
    struct numset replaced;   /* REPLACE: the UID of the message that goes */
    uint64_t replaced_octets; /* of that message */
};

static void close_url(struct upload *u)
{
    if (u->has_url) {
        url_octets_release(&u->url);
        u->has_url = false;
    }
}

void upload_free(struct upload **u)
{
    if (*u == NULL) {
        return;
    }
    for (size_t i = 0; i < (*u)->writers.count; i++) {
        body_writer_free(&(*u)->writers.at[i]);
    }
    close_url(*u);
    vec_release(&(*u)->writers);
    buf_release(&(*u)->bad_url);
    free(*u);
    *u = NULL;
}

static void fail(struct upload *u, enum err e)
{
    if (u->err == ERR_OK) {
        u->err = e;
    }
}

/* ---- parts that URLs name ---- */

/* May this session put the URL's data into a message? */
static enum err check_url(struct imap_session *s, const struct imap_url *u)
{
    struct url_server server = session_get_url_server(s);
    struct url_asker asker = session_get_url_asker(s);
    if (u->form == IMAP_URL_ABSOLUTE && !url_is_here(u, &server)) {
        return ERR_BAD_URL;
    }
    if (u->has_user && !str_eq(u->user, s->args.asker)) {
        return ERR_BAD_URL;
    }
    if (u->access != IMAP_ACCESS_NONE && session_is_guest(s)) {
        return ERR_BAD_URL; /* the key that signed it is of another account */
    }
    return u->access == IMAP_ACCESS_NONE
               ? ERR_OK
               : url_check(s->account, u, &asker, s->args.host->wall_ms(s->args.host->owner));
}

/* Octets of the last message. RFC 9755 §4 would have a header with octets above 127 refused when the client did not enable UTF-8;
 * old mail that is moved here must not fail for what it holds (docs/imap.md). */
static enum err add_octets(struct upload *u, struct str octets)
{
    return body_writer_add(u->writers.at[u->writers.count - 1], octets);
}

/* Copies from the open URL as long as *budget lasts; closes it at its end. */
static enum err copy_octets(struct imap_session *s, uint64_t *budget)
{
    struct upload *u = s->upload;
    while (url_octets_get_size(&u->url) > 0) {
        struct str piece;
        if (*budget == 0) {
            return ERR_OK;
        }
        if (url_octets_read(&u->url, READ_SIZE, &piece) != STEP_DONE) {
            return ERR_IO;
        }
        *budget -= *budget < piece.n ? *budget : piece.n;
        TRY(add_octets(u, piece));
    }
    close_url(u);
    return ERR_OK;
}

static enum err open_url(struct imap_session *s, const struct imap_url *u, struct url_octets *out)
{
    struct mailbox *m = NULL;
    struct url_wants wants = {.data = URL_BODY};
    if (!u->has_mailbox) {
        return url_open(s->account, s->selected.mailbox, u, &wants, out);
    }
    if (session_find_mailbox(s, u->mailbox, RIGHT_READ, &m) != ERR_OK) {
        return ERR_BAD_URL;
    }
    enum err e = url_open(s->account, m, u, &wants, out);
    mailbox_unref(&m);
    return e;
}

/* Octets that nobody sends are cheap to ask for: all URLs of a command bring as much as one message may have. */
static enum err check_copied(struct imap_session *s)
{
    struct upload *u = s->upload;
    u->copied += url_octets_get_size(&u->url);
    return u->copied > s->args.message_most ? ERR_TOO_BIG : ERR_OK;
}

static enum err copy_url(struct imap_session *s, struct arena *a, struct str url, uint64_t *budget)
{
    struct upload *u = s->upload;
    struct imap_url parsed;
    if (!u->has_url) {
        TRY(imap_url_parse(a, url, &parsed));
        TRY(check_url(s, &parsed));
        TRY(open_url(s, &parsed, &u->url));
        u->has_url = true;
        TRY(check_copied(s));
    }
    return copy_octets(s, budget);
}

/* STEP_MORE: the budget is used. */
static enum step add_url(struct imap_session *s, struct arena *a, struct str url, uint64_t *budget)
{
    struct upload *u = s->upload;
    if (u->err != ERR_OK) {
        return STEP_DONE;
    }
    fail(u, copy_url(s, a, url, budget));
    if (u->err == ERR_BAD_URL) {
        buf_add(&u->bad_url, url);
    }
    return u->err == ERR_OK && u->has_url ? STEP_MORE : STEP_DONE;
}

/* ---- the upload keeps up with the text ---- */

static struct upload *get_upload(struct imap_session *s)
{
    if (s->upload == NULL) {
        s->upload = mem_new(sizeof(*s->upload));
        buf_init(&s->upload->bad_url, IMAP_URL_MOST);
    }
    return s->upload;
}

static void begin_message(struct imap_session *s)
{
    struct upload *u = s->upload;
    struct body_writer *w = NULL;
    enum err e = body_writer_new(s->account, &w);
    if (e != ERR_OK) {
        fail(u, e);
        return;
    }
    vec_push(&u->writers, w);
    u->part = 0;
}

/* Brings the URL parts of message m, the last one of the upload, into its writer; literals are there already. */
static enum step add_parts(struct imap_session *s, struct arena *a, const struct append_message *m,
                           uint64_t *budget)
{
    unsigned number = 0;
    for (const struct append_part *part = m->parts; part != NULL; part = part->next) {
        if (number++ < s->upload->part) {
            continue;
        }
        if (part->is_url && add_url(s, a, part->url, budget) == STEP_MORE) {
            return STEP_MORE;
        }
        s->upload->part = number;
    }
    return STEP_DONE;
}

/* Another session of ours may bring more (imap/far_copy.h). */
static size_t get_messages_most(const struct imap_session *s)
{
    return s->is_copying ? (size_t)FAR_COPY_MESSAGES_MOST : (size_t)MESSAGES_MOST;
}

/* Gives message number n of the text its writer. */
static void begin_number(struct imap_session *s, size_t n)
{
    struct upload *u = s->upload;
    bool is_limited = s->args.message_limit > 0 && n > s->args.message_limit;
    if (is_limited || n > get_messages_most(s)) {
        fail(u, is_limited ? ERR_MESSAGE_LIMIT : ERR_LIMIT);
    }
    if (u->err == ERR_OK) {
        begin_message(s);
    }
}

/* Gives every message of the text its writer, with all that has come of it. STEP_MORE: budget octets were copied. */
static enum step catch_up(struct imap_session *s, struct arena *a, const struct append_scan *scan,
                          uint64_t budget)
{
    struct upload *u = get_upload(s);
    size_t number = 0;
    for (const struct append_message *m = scan->messages; m != NULL; m = m->next) {
        number++;
        if (number < u->writers.count) {
            continue;
        }
        if (number > u->writers.count) {
            begin_number(s, number);
        }
        if (u->err != ERR_OK) {
            return STEP_DONE;
        }
        if (add_parts(s, a, m, &budget) == STEP_MORE) {
            return STEP_MORE;
        }
    }
    return STEP_DONE;
}

/* ---- while it arrives ---- */

/* Is there room for what came already, and for so much more? */
static enum err check_quota(struct imap_session *s, uint64_t messages, uint64_t octets)
{
    for (size_t i = 0; s->upload != NULL && i < s->upload->writers.count; i++) {
        messages++;
        octets += body_writer_get_size(s->upload->writers.at[i]);
    }
    return account_check_quota(s->account, messages, octets);
}

/* The mailbox that messages come into, of this session's account: REPLACE cannot be one commit of two accounts, and what is
 * just APPEND was passed on to where the mailbox is. */
static enum err find_target(const struct imap_session *s, struct str name, struct mailbox **out)
{
    struct place place = session_find_place(s, name);
    if (!session_is_place(s, &place)) {
        return ERR_UNSUPPORTED;
    }
    enum err e = session_find_mailbox(s, name, RIGHT_INSERT, out);
    return e == ERR_NO_MAILBOX ? ERR_TRY_CREATE : e;
}

/* May a literal of this kind come into the mailbox? */
static enum err check_literal(struct imap_session *s, struct str name,
                              const struct imap_literal *literal)
{
    struct mailbox *m = NULL;
    enum err e = find_target(s, name, &m);
    mailbox_unref(&m);
    if (e != ERR_OK) {
        return e;
    }
    if (literal->size > s->args.message_most && !s->args.is_peer) { /* asked already */
        return ERR_TOO_BIG;
    }
    return ERR_OK; /* RFC 5550 §5.2: literal8 for every mailbox */
}

/* MULTIAPPEND has a bound, and is no way to replace a message (RFC 8508, 4.7). */
static void check_count(struct scan *c, const struct append_scan *scan, unsigned most)
{
    unsigned count = 0;
    for (const struct append_message *m = scan->messages; m != NULL; m = m->next) {
        count++;
    }
    if (count > most) {
        scan_fail(c, ERR_SYNTAX, "one message");
    }
}

/* head: from the SP before the mailbox on. */
static enum imap_literal_answer take_literal(struct imap_session *s, struct scan *head,
                                             const struct imap_literal *literal,
                                             unsigned messages_most, enum err *why)
{
    struct arena *a = arena_new(HEAD_ARENA_MOST);
    struct append_scan scan = {.is_copy = s->is_copying};
    enum imap_literal_answer answer = IMAP_LITERAL_BUFFER;
    append_scan(head, a, &scan);
    check_count(head, &scan, messages_most);
    bool is_message = scan.place == APPEND_AT_MESSAGE || scan.place == APPEND_AT_TEXT;
    if (is_message || !scan_is_ok(head)) {
        *why = scan_get_err(head);
        if (*why == ERR_OK) {
            *why = check_literal(s, scan.mailbox, literal);
        }
        if (*why == ERR_OK && messages_most > 1) { /* what REPLACE frees is not known yet */
            *why = check_quota(s, 1, literal->size);
        }
        answer = *why == ERR_OK ? IMAP_LITERAL_STREAM : IMAP_LITERAL_REFUSE;
    }
    if (answer == IMAP_LITERAL_STREAM) {
        (void)catch_up(s, a, &scan, UINT64_MAX); /* the literal follows at once */
        s->upload->is_catenate = scan.place == APPEND_AT_TEXT;
    }
    arena_free(&a);
    return answer;
}

static enum imap_literal_answer append_on_literal(struct imap_session *s, struct scan *head,
                                                  const struct imap_literal *literal, enum err *why)
{
    return take_literal(s, head, literal, UINT_MAX, why);
}

static void append_on_octets(struct imap_session *s, struct str octets)
{
    struct upload *u = s->upload;
    if (u->err == ERR_OK) {
        u->err = add_octets(u, octets);
    }
}

static void append_on_end(struct imap_session *s)
{
    struct upload *u = s->upload;
    if (u->err == ERR_OK && !u->is_catenate
        && body_writer_get_size(u->writers.at[u->writers.count - 1]) == 0) {
        u->err = ERR_EMPTY; /* RFC 3502 §6.3.11: a way to cancel */
    }
}

/* ---- when it is whole ---- */

static void parse_append(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct append_command *args = arena_one(cmd->arena, struct append_command);
    cmd->args = args;
    args->scan.is_copy = s->is_copying;
    append_scan(c, cmd->arena, &args->scan);
    if (scan_is_ok(c) && args->scan.place != APPEND_AT_END) {
        scan_fail(c, ERR_SYNTAX, "a message literal or CATENATE");
    }
}

static enum err finish_bodies(struct upload *u)
{
    for (size_t i = 0; i < u->writers.count; i++) {
        TRY(body_writer_finish(u->writers.at[i]));
    }
    return ERR_OK;
}

/* All bits, then all bodies: what can be refused is refused before anything is appended. */
static enum err prepare_all(struct imap_session *s, struct append_command *args)
{
    struct upload *u = s->upload;
    TRY(u->err);
    TRY(find_target(s, args->scan.mailbox, &args->mailbox));
    uint64_t may_set = rights_get_flags(session_get_rights(s, args->mailbox));
    for (struct append_message *m = args->scan.messages; m != NULL; m = m->next) {
        TRY(flags_find_bits(args->mailbox, &m->flags, (may_set & ~FLAGS_SYSTEM) != 0,
                            &m->flag_bits));
        m->flag_bits &= may_set; /* RFC 4314 §4: the others are left out, and no failure */
    }
    return finish_bodies(u);
}

static enum err put_all(struct imap_session *s, struct append_command *args)
{
    int64_t now_s = (int64_t)(s->args.host->wall_ms(s->args.host->owner) / 1000);
    size_t i = 0;
    for (const struct append_message *m = args->scan.messages; m != NULL; m = m->next) {
        struct append_args store_args = {
            .flags = m->flag_bits,
            .internaldate_s = m->has_date ? m->date_s : now_s,
            .is_replacing = !numset_is_empty(&args->replaced),
            .replaced_octets = args->replaced_octets,
            .email_id = m->email_id,
        };
        struct uid uid;
        TRY(mailbox_append(args->mailbox, s->upload->writers.at[i++], &store_args, &uid));
        numset_add(&args->uids, uid.v, uid.v);
    }
    bool is_copy = args->scan.messages != NULL && args->scan.messages->email_id.n > 0;
    session_tell_event(s, args->mailbox, is_copy ? IMAP_CAUSE_COPY : IMAP_CAUSE_APPEND,
                       &args->uids);
    return ERR_OK;
}

/* BADURL names the URL (RFC 4469, 4), unless it holds what a response code cannot. */
static void write_bad_url(struct cmd *cmd, struct str url)
{
    for (size_t i = 0; i < url.n; i++) {
        if (url.p[i] <= ' ' || strchr("\"\\]\x7f", url.p[i]) != NULL) {
            return;
        }
    }
    buf_addf(&cmd->code, "BADURL \"%.*s\"", STR_ARG(url));
}

static enum err append_all(struct imap_session *s, struct append_command *args)
{
    TRY(prepare_all(s, args));
    if (numset_is_empty(&args->replaced)) {
        TRY(check_quota(s, 0, 0));
    }
    return put_all(s, args);
}

/* "APPENDUID <uidvalidity> <uids>"; nothing when the view cannot be read. */
static void write_uids(const struct append_command *args, struct buf *out)
{
    struct view *v = NULL;
    if (mailbox_get_view(args->mailbox, &v) == ERR_OK) {
        buf_addf(out, "APPENDUID %u ", view_get_uidvalidity(v));
        numset_write(out, &args->uids);
    }
}

static enum run end_first_phase(struct imap_session *s, struct cmd *cmd)
{
    cmd->phase = 1;
    if (cmd->err == ERR_BAD_URL) {
        write_bad_url(cmd, buf_str(&s->upload->bad_url));
    } else if (cmd->err == ERR_MESSAGE_LIMIT) {
        buf_addf(&cmd->code, "MESSAGELIMIT %u", s->args.message_limit);
    }
    return cmd->err == ERR_OK ? RUN_COMMIT : RUN_DONE;
}

static enum step bring_urls(struct imap_session *s, struct cmd *cmd, struct append_command *args)
{
    return catch_up(s, cmd->arena, &args->scan, COPY_OCTETS_MOST);
}

static enum run run_append(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct append_command *args = cmd->args;
    if (cmd->phase == 0 && bring_urls(s, cmd, args) == STEP_MORE) {
        return RUN_MORE;
    }
    if (cmd->phase == 0) {
        cmd->err = append_all(s, args);
        return end_first_phase(s, cmd);
    }
    list_row_tell_spelling(s, args->scan.mailbox, args->scan.mailbox, out);
    quota_warn(s, out);
    write_uids(args, &cmd->code);
    return RUN_DONE;
}

static void release_append(struct cmd *cmd)
{
    struct append_command *args = cmd->args;
    mailbox_unref(&args->mailbox);
    numset_release(&args->uids);
    numset_release(&args->replaced);
}

/* ---- REPLACE ---- */

/* SP (seq-number / uniqueid), which *number becomes; 0: "*" */
static size_t scan_number_or_star(struct scan *c, uint32_t *number)
{
    scan_sp(c);
    size_t start = c->at;
    *number = scan_accept(c, '*') ? 0 : scan_nz_number(c);
    return start;
}

/* What can be said before the command is whole; which message it names is found when it is. */
static enum imap_literal_answer replace_on_literal(struct imap_session *s, struct scan *head,
                                                   const struct imap_literal *literal,
                                                   enum err *why)
{
    uint32_t number = 0;
    if (!session_is_selected(s) || s->selected.is_read_only) {
        enum err none = relay_is_selected(s) ? ERR_UNSUPPORTED : ERR_WRONG_STATE;
        *why = session_is_selected(s) ? ERR_READ_ONLY : none;
        return IMAP_LITERAL_REFUSE;
    }
    (void)scan_number_or_star(head, &number);
    return take_literal(s, head, literal, 1, why);
}

/* The UID that a number of the command means; 0, with an error in c, when it is no message's. */
static struct uid find_replaced(const struct imap_session *s, const struct cmd *cmd, struct scan *c,
                                uint32_t number)
{
    struct message m = {0};
    uint32_t count = view_get_count(s->selected.known);
    bool is_star = number == 0;
    number = is_star ? count : number;
    if (!scan_is_ok(c) || (cmd->is_uid && !is_star)) {
        return (struct uid){number};
    }
    if (number == 0 || number > count) {
        scan_fail(c, ERR_SYNTAX, "the number of a message that is there");
        return (struct uid){0};
    }
    view_get_hot(s->selected.known, (struct seq){number}, &m);
    return m.uid;
}

static void parse_replace(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    uint32_t number = 0;
    size_t start = scan_number_or_star(c, &number);
    size_t at = c->at;
    c->at = start;
    struct uid uid = find_replaced(s, cmd, c, number);
    c->at = scan_is_ok(c) ? at : c->at;
    parse_append(s, cmd, c);
    struct append_command *args = cmd->args;
    check_count(c, &args->scan, 1);
    if (scan_is_ok(c)) {
        numset_add(&args->replaced, uid.v, uid.v);
    }
}

/* Is the message still there, also in what is not committed yet? An impossible condition changes nothing and tells. */
static enum err check_replaced(struct mailbox *m, const struct numset *uid, bool is_uid)
{
    struct numset found = {0};
    enum err e = mailbox_store_flags(m, uid, FLAG_OP_ADD, 0, 0, &found);
    if (e == ERR_OK && numset_is_empty(&found)) {
        e = is_uid ? ERR_NO_MESSAGE : ERR_EXPUNGED;
    }
    numset_release(&found);
    return e;
}

/* RFC 8508 §3.4: only the net quota consumption is considered. */
static uint64_t get_replaced_octets(struct mailbox *m, const struct numset *uid)
{
    struct view *v = NULL;
    struct message msg = {0};
    if (mailbox_get_view(m, &v) != ERR_OK) {
        return 0;
    }
    struct seq seq = view_find_uid(v, (struct uid){uid->at[0].first});
    return seq.v > 0 && view_get(v, seq, &msg) == ERR_OK ? msg.size : 0;
}

static enum err replace(struct imap_session *s, struct cmd *cmd, struct append_command *args)
{
    struct mailbox *m = s->selected.mailbox;
    if (!session_may(s, m, RIGHT_DELETE_MESSAGES | RIGHT_EXPUNGE)) {
        return ERR_NO_PERMISSION; /* RFC 8508 §4.1: those of STORE \Deleted and of EXPUNGE */
    }
    TRY(check_replaced(m, &args->replaced, cmd->is_uid));
    args->replaced_octets = get_replaced_octets(m, &args->replaced);
    TRY(append_all(s, args));
    return mailbox_expunge(m, &args->replaced, false, NULL);
}

static enum run run_replace(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct append_command *args = cmd->args;
    if (cmd->phase == 0 && bring_urls(s, cmd, args) == STEP_MORE) {
        return RUN_MORE;
    }
    if (cmd->phase == 0) {
        cmd->err = replace(s, cmd, args);
        return end_first_phase(s, cmd);
    }
    CLEANUP(buf_release) struct buf code = BUF_INIT(64);
    write_uids(args, &code);
    imap_write_response(out, STR("*"), STR("OK"), buf_str(&code), STR("Replacement message ready"));
    return RUN_DONE;
}

static const struct command_literals append_literals = {
    .on_literal = append_on_literal,
    .on_octets = append_on_octets,
    .on_end = append_on_end,
};

const struct command command_append = {
    .name = STR("APPEND"),
    .states = STATE_ANY,
    .flags = COMMAND_NAMES,
    .capability = "CATENATE MULTIAPPEND",
    .parse = parse_append,
    .run = run_append,
    .release = release_append,
    .literals = &append_literals,
};

static const struct command_literals replace_literals = {
    .on_literal = replace_on_literal,
    .on_octets = append_on_octets,
    .on_end = append_on_end,
};

const struct command command_replace = {
    .name = STR("REPLACE"),
    .states = STATE_SELECTED,
    .flags = COMMAND_HAS_UID | COMMAND_WRITES | COMMAND_TELLS_MODSEQ | COMMAND_SELECTED,
    .capability = "REPLACE",
    .parse = parse_replace,
    .run = run_replace,
    .release = release_append,
    .literals = &replace_literals,
};
