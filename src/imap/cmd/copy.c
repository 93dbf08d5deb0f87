/* COPY and MOVE, UID COPY and UID MOVE (RFC 3501, 6.4.7; RFC 6851), with COPYUID (RFC 4315, 3).
 *
 * One call of the store, one commit: all messages or none. A MOVE is the same with removal in the same commit; its COPYUID
 * goes out untagged before the news say what vanished (RFC 6851, 4.3).
 *
 * To a mailbox of another account the messages are transferred (imap/far_copy.h). A MOVE removes them when they are durable
 * there: should the server end between the two, they are in both. */
#include "imap/cmd/list.h"

#include "imap/access.h"
#include "imap/event.h"
#include "imap/limit.h"
#include "imap/quota.h"
#include "imap/session_priv.h"
#include "imap/set.h"
#include "imap/far_copy.h"
#include "imap/walk.h"
#include "wire/imap_scan.h"

/* What MOVE needs in the source: it marks as deleted and expunges (RFC 6851, 4). */
enum { RIGHTS_MOVE = RIGHT_DELETE_MESSAGES | RIGHT_EXPUNGE };

struct copy_args {
    struct numset set;
    struct str name;
    struct mailbox *to; /* counted */
    struct numset from_uids;
    struct numset to_uids;
    struct far_copy *transfer; /* to another account */
};

enum copy_phase { COPY_BEGIN, COPY_DONE, COPY_TRANSFER, COPY_MOVED };

static void parse_copy(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    struct copy_args *args = arena_one(cmd->arena, struct copy_args);
    cmd->args = args;
    set_parse(s, cmd, c, &args->set);
    scan_sp(c);
    args->name = scan_mailbox(c, cmd->arena);
}

static void on_pair(void *owner, struct copy_pair p)
{
    struct copy_args *args = owner;
    numset_add(&args->from_uids, p.from.v, p.from.v);
    numset_add(&args->to_uids, p.to.v, p.to.v);
}

/* RFC 3501 §6.4.7 wants all or nothing; a sequence number that stands for a removed message is a failure. */
static enum err check_there(struct imap_session *s, const struct numset *uids)
{
    struct view *now = NULL;
    TRY(mailbox_get_view(s->selected.mailbox, &now));
    return walk_count(now, uids, true) == numset_get_count(uids) ? ERR_OK : ERR_EXPUNGED;
}

/* RFC 4314, 4: flags that the session may not set in the target are left out. */
static enum err drop_flags(const struct imap_session *s, const struct copy_args *args)
{
    uint64_t may_set = rights_get_flags(session_get_rights(s, args->to));
    return may_set == UINT64_MAX ? ERR_OK
                                 : mailbox_store_flags(args->to, &args->to_uids, FLAG_OP_REMOVE,
                                                       ~may_set, UINT64_MAX, NULL);
}

/* RFC 9738, 3.1: COPY is all or nothing, MOVE is not. */
static enum err limit_uids(struct imap_session *s, const struct cmd *cmd, struct numset *uids)
{
    if (cmd->what != &command_move) {
        return limit_check(s, uids);
    }
    limit_apply(s, uids, true);
    return ERR_OK;
}

static enum err copy_messages(struct imap_session *s, struct cmd *cmd, struct copy_args *args)
{
    enum err e = session_find_mailbox(s, args->name, RIGHT_INSERT, &args->to);
    TRY(e == ERR_NO_MAILBOX ? ERR_TRY_CREATE : e);
    if (cmd->what == &command_move && !session_may(s, s->selected.mailbox, RIGHTS_MOVE)) {
        return ERR_NO_PERMISSION;
    }
    struct numset uids = NUMSET_INIT;
    walk_collect_uids(s->selected.known, &args->set, cmd->is_uid, &uids);
    e = limit_uids(s, cmd, &uids);
    if (e == ERR_OK && !cmd->is_uid) {
        e = check_there(s, &uids);
    }
    if (e == ERR_OK) {
        e = mailbox_copy(s->selected.mailbox, &uids, args->to, cmd->what == &command_move, on_pair,
                         args);
    }
    numset_release(&uids);
    TRY(e);
    session_tell_event(s, args->to, IMAP_CAUSE_COPY, &args->to_uids);
    return drop_flags(s, args);
}

static void write_copyuid(const struct copy_args *args, struct buf *code)
{
    struct view *v = NULL;
    if (numset_is_empty(&args->from_uids) || mailbox_get_view(args->to, &v) != ERR_OK) {
        return;
    }
    buf_addf(code, "COPYUID %u ", view_get_uidvalidity(v));
    numset_write(code, &args->from_uids);
    buf_add_char(code, ' ');
    numset_write(code, &args->to_uids);
}

/* ---- to another account ---- */

static enum err begin_transfer(struct imap_session *s, struct cmd *cmd, const struct place *place)
{
    struct copy_args *args = cmd->args;
    if (cmd->what == &command_move && !session_may(s, s->selected.mailbox, RIGHTS_MOVE)) {
        return ERR_NO_PERMISSION;
    }
    walk_collect_uids(s->selected.known, &args->set, cmd->is_uid, &args->from_uids);
    TRY(limit_uids(s, cmd, &args->from_uids));
    TRY(cmd->is_uid ? ERR_OK : check_there(s, &args->from_uids));
    if (numset_is_empty(&args->from_uids)) {
        return ERR_OK;
    }
    return far_copy_new(s, place, args->name, &args->from_uids, &args->transfer);
}

/* "OK [APPENDUID uidvalidity uids] ..." as COPYUID (RFC 4315, 3). */
static void write_transferred(const struct copy_args *args, struct buf *code)
{
    struct str rest = far_copy_get_reply(args->transfer);
    if (!str_starts(rest, STR(" OK [APPENDUID "))) {
        return;
    }
    rest = str_skip(rest, STR(" OK [APPENDUID ").n);
    struct str uidvalidity = str_split(&rest, ' ');
    struct str uids = str_split(&rest, ']');
    buf_addf(code, "COPYUID %.*s ", STR_ARG(uidvalidity));
    numset_write(code, &args->from_uids);
    buf_addf(code, " %.*s", STR_ARG(uids));
}

/* What the other account answered is the answer here, when it is not OK. */
static void answer_as_there(struct cmd *cmd, const struct copy_args *args)
{
    if (!str_starts(far_copy_get_reply(args->transfer), STR(" NO"))) {
        cmd->err = ERR_LIMIT; /* too many flags, too long a name */
        return;
    }
    cmd->is_answered = true;
    buf_add(&cmd->code, cmd->tag);
    buf_add(&cmd->code, far_copy_get_reply(args->transfer));
}

static enum run run_transfer(struct imap_session *s, struct cmd *cmd)
{
    struct copy_args *args = cmd->args;
    enum run run = far_copy_run(args->transfer, s, &cmd->err);
    if (run != RUN_DONE || cmd->err != ERR_OK) {
        return run;
    }
    cmd->phase = COPY_MOVED;
    if (!far_copy_is_ok(args->transfer)) {
        answer_as_there(cmd, args);
        return RUN_DONE;
    }
    write_transferred(args, &cmd->code);
    if (cmd->what == &command_copy) {
        return RUN_DONE;
    }
    cmd->err = mailbox_expunge(s->selected.mailbox, &args->from_uids, false, NULL);
    return cmd->err == ERR_OK ? RUN_COMMIT : RUN_DONE;
}

static enum run begin_copy(struct imap_session *s, struct cmd *cmd)
{
    struct copy_args *args = cmd->args;
    struct place place = session_find_place(s, args->name);
    if (session_is_place(s, &place)) {
        cmd->phase = COPY_DONE;
        cmd->err = copy_messages(s, cmd, args);
        return cmd->err == ERR_OK ? RUN_COMMIT : RUN_DONE;
    }
    cmd->phase = COPY_TRANSFER;
    cmd->err = begin_transfer(s, cmd, &place);
    return args->transfer != NULL ? run_transfer(s, cmd) : RUN_DONE;
}

static enum run run_copy(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct copy_args *args = cmd->args;
    if (cmd->phase == COPY_BEGIN) {
        return begin_copy(s, cmd);
    }
    if (cmd->phase == COPY_TRANSFER) {
        return run_transfer(s, cmd);
    }
    if (cmd->phase == COPY_DONE) {
        write_copyuid(args, &cmd->code);
        if (cmd->what == &command_copy && cmd->code.len > 0) {
            quota_warn(s, out);
        }
    }
    if (cmd->what == &command_move && cmd->code.len > 0) {
        buf_add(out, STR("* OK ["));
        buf_add(out, buf_str(&cmd->code));
        buf_add(out, STR("] Moved\r\n"));
        buf_clear(&cmd->code);
    }
    return RUN_DONE;
}

static void release_copy(struct cmd *cmd)
{
    struct copy_args *args = cmd->args;
    mailbox_unref(&args->to);
    far_copy_free(&args->transfer);
    numset_release(&args->set);
    numset_release(&args->from_uids);
    numset_release(&args->to_uids);
}

const struct command command_copy = {
    .name = STR("COPY"),
    .states = STATE_SELECTED,
    .flags = COMMAND_HAS_UID | COMMAND_SELECTED,
    .parse = parse_copy,
    .run = run_copy,
    .release = release_copy,
};

const struct command command_move = {
    .name = STR("MOVE"),
    .states = STATE_SELECTED,
    .flags = COMMAND_HAS_UID | COMMAND_WRITES | COMMAND_TELLS_MODSEQ | COMMAND_SELECTED,
    .capability = "MOVE",
    .parse = parse_copy,
    .run = run_copy,
    .release = release_copy,
};
