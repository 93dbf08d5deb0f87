/* APPEND (RFC 3501, 6.3.11), several messages at once (MULTIAPPEND, RFC 3502), APPENDUID (RFC 4315).
 *
 *     APPEND mailbox SP [flags SP] [date SP] {n} octets  [SP [flags SP] [date SP] {n} octets] ...
 *
 * Messages do not pass through the command's text: when the head up to a literal is read and is good, the literal's octets
 * stream to the store (upload), and only a placeholder stands in the text. So what can be refused is refused before
 * the client sends it: a missing mailbox (TRYCREATE), a message that is too big (TOOBIG), a wrong head.
 * When the command is whole, flags get their bits and then all messages are appended within one commit: all or none.
 * What an abandoned upload holds is dropped without trace.
 */
#include "imap/cmd/list.h"

#include "base/vec.h"
#include "imap/flags.h"
#include "imap/session_priv.h"
#include "wire/imap_scan.h"

#include <stdlib.h>

enum { APPEND_MESSAGES_MOST = 256, HEAD_ARENA_MOST = 1024 * 1024 };

/* Messages that came, not yet appended. */
struct upload {
    VEC(struct body_writer *) writers;
    enum err err; /* the first failure */
};

struct append_message {
    struct flag_list flags;
    bool has_date;
    int64_t date_s;
    uint64_t flag_bits; /* in the target's numbering */
};

struct append_command {
    struct str name;
    struct append_message *messages;
    uint32_t count;
    struct mailbox *mailbox; /* counted */
    struct numset uids;      /* of the appended messages */
};

void upload_free(struct upload **u)
{
    if (*u == NULL) {
        return;
    }
    for (size_t i = 0; i < (*u)->writers.count; i++) {
        body_writer_free(&(*u)->writers.at[i]);
    }
    vec_release(&(*u)->writers);
    free(*u);
    *u = NULL;
}

/* ---- while it arrives ---- */

/* What may stand before a message's literal: [SP flag-list] [SP date-time] SP. */
static void scan_options(struct scan *c, struct arena *a, struct append_message *m)
{
    scan_sp(c);
    if (scan_peek(c) == '(') {
        scan_flag_list(c, a, &m->flags);
        scan_sp(c);
    }
    if (scan_peek(c) == '"') {
        m->date_s = scan_date_time(c);
        m->has_date = true;
        scan_sp(c);
    }
}

/* Where a literal stands within the command. */
enum place { PLACE_NAME, PLACE_MESSAGE };

static enum place scan_head(struct scan *head, struct arena *a, struct str *name)
{
    scan_sp(head);
    if (scan_is_end(head)) {
        return PLACE_NAME;
    }
    *name = scan_mailbox(head, a);
    while (scan_is_ok(head)) {
        struct append_message m = {0};
        scan_options(head, a, &m);
        if (scan_is_end(head)) {
            break;
        }
        (void)scan_literal(head);
    }
    return PLACE_MESSAGE;
}

/* May a literal of this kind come into the mailbox? */
static enum err check_literal(struct imap_session *s, struct str name,
                              const struct imap_literal *literal)
{
    struct mailbox *m = NULL;
    enum err e = account_find_mailbox(s->account, name, &m);
    mailbox_unref(&m);
    if (e == ERR_NO_MAILBOX) {
        return ERR_TRY_CREATE;
    }
    if (e != ERR_OK) {
        return e;
    }
    if (literal->size > s->args.message_most) {
        return ERR_TOO_BIG;
    }
    if (literal->is_binary) {
        return ERR_SYNTAX;
    }
    bool is_full = s->upload != NULL && s->upload->writers.count >= APPEND_MESSAGES_MOST;
    return is_full ? ERR_LIMIT : ERR_OK;
}

/* Opens a writer for the message that comes. */
static enum err begin_message(struct imap_session *s)
{
    if (s->upload == NULL) {
        s->upload = calloc(1, sizeof(*s->upload));
        if (s->upload == NULL) {
            abort();
        }
    }
    struct body_writer *w = NULL;
    TRY(body_writer_new(s->account, &w));
    vec_push(&s->upload->writers, w);
    return ERR_OK;
}

static enum imap_literal_answer append_on_literal(struct imap_session *s, struct scan *head,
                                                  const struct imap_literal *literal, enum err *why)
{
    struct arena *a = arena_new(HEAD_ARENA_MOST);
    struct str name = STR_EMPTY;
    enum imap_literal_answer answer = IMAP_LITERAL_BUFFER;
    if (scan_head(head, a, &name) == PLACE_MESSAGE) {
        *why = scan_get_err(head);
        if (*why == ERR_OK) {
            *why = check_literal(s, name, literal);
        }
        if (*why == ERR_OK) {
            *why = begin_message(s);
        }
        answer = *why == ERR_OK ? IMAP_LITERAL_STREAM : IMAP_LITERAL_REFUSE;
    }
    arena_free(&a);
    return answer;
}

static void append_on_octets(struct imap_session *s, struct str octets)
{
    struct upload *u = s->upload;
    if (u->err == ERR_OK) {
        u->err = body_writer_add(u->writers.at[u->writers.count - 1], octets);
    }
}

static void append_on_end(struct imap_session *s)
{
    struct upload *u = s->upload;
    if (u->err == ERR_OK && body_writer_get_size(u->writers.at[u->writers.count - 1]) == 0) {
        u->err = ERR_EMPTY; /* RFC 3502 §6.3.11: a way to cancel */
    }
}

/* ---- when it is whole ---- */

static void parse_append(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    struct append_command *args = arena_one(cmd->arena, struct append_command);
    cmd->args = args;
    size_t most = s->upload != NULL ? s->upload->writers.count : 0;
    args->messages = arena_array(cmd->arena, struct append_message, most + 1);
    scan_sp(c);
    args->name = scan_mailbox(c, cmd->arena);
    do {
        struct append_message m = {0};
        scan_options(c, cmd->arena, &m);
        struct scan_literal_out literal = scan_literal(c);
        if (scan_is_ok(c) && (!literal.is_streamed || args->count == most)) {
            scan_fail(c, ERR_SYNTAX, "a message literal");
        }
        args->messages[args->count] = m;
        args->count += args->count < most;
    } while (!scan_is_end(c));
}

/* All bits, then all bodies, then all messages: what can be refused is refused before anything is appended. */
static enum err append_all(struct imap_session *s, struct append_command *args)
{
    struct upload *u = s->upload;
    TRY(u->err);
    enum err e = account_find_mailbox(s->account, args->name, &args->mailbox);
    TRY(e == ERR_NO_MAILBOX ? ERR_TRY_CREATE : e);
    for (uint32_t i = 0; i < args->count; i++) {
        struct append_message *m = &args->messages[i];
        TRY(flags_find_bits(args->mailbox, &m->flags, true, &m->flag_bits));
    }
    for (uint32_t i = 0; i < args->count; i++) {
        TRY(body_writer_finish(u->writers.at[i]));
    }
    int64_t now_s = (int64_t)(s->args.host->wall_ms(s->args.host->owner) / 1000);
    for (uint32_t i = 0; i < args->count; i++) {
        const struct append_message *m = &args->messages[i];
        struct append_args store_args = {
            .flags = m->flag_bits,
            .internaldate_s = m->has_date ? m->date_s : now_s,
        };
        struct uid uid;
        TRY(mailbox_append(args->mailbox, u->writers.at[i], &store_args, &uid));
        numset_add(&args->uids, uid.v, uid.v);
    }
    return ERR_OK;
}

static enum run run_append(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)out;
    struct append_command *args = cmd->args;
    if (cmd->phase == 0) {
        cmd->phase = 1;
        cmd->err = append_all(s, args);
        return cmd->err == ERR_OK ? RUN_COMMIT : RUN_DONE;
    }
    struct view *v = NULL;
    if (mailbox_get_view(args->mailbox, &v) == ERR_OK) {
        buf_addf(&cmd->code, "APPENDUID %u ", view_get_uidvalidity(v));
        numset_write(&cmd->code, &args->uids);
    }
    return RUN_DONE;
}

static void release_append(struct cmd *cmd)
{
    struct append_command *args = cmd->args;
    mailbox_unref(&args->mailbox);
    numset_release(&args->uids);
}

static const struct command_literals append_literals = {
    .on_literal = append_on_literal,
    .on_octets = append_on_octets,
    .on_end = append_on_end,
};

const struct command command_append = {
    .name = STR("APPEND"),
    .states = STATE_ANY,
    .capability = "MULTIAPPEND",
    .parse = parse_append,
    .run = run_append,
    .release = release_append,
    .literals = &append_literals,
};
