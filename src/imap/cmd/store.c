/* STORE and UID STORE (RFC 3501, 6.4.6), with UNCHANGEDSINCE (RFC 7162, 3.1.3).
 *
 * The change is one call of the store and one commit, whatever the number of messages. Then the client is told, message by
 * message, in the numbers that it knows; what was told is left with the news (news.told), so that they tell only what
 * others did.
 *
 * .SILENT: the client computes the new flags from what it knows. So a message is told only if that computation is wrong,
 * because somebody else changed it, unseen or told of only after the command was given (RFC 3501 says SHOULD: no race may
 * leave the flags in doubt). With CONDSTORE its new mod-sequence must be told even so.
 *
 * UNCHANGEDSINCE leaves alone what changed since; MODIFIED in the tagged reply lists those. What others changed without the
 * client's knowledge counts only if it is one of the flags that the command adds or removes (RFC 7162, 3.1.12). This is how
 * a phone claims a draft for sending: `UID STORE 7 (UNCHANGEDSINCE 90) +FLAGS ($Submitted)` (RFC 5550, 5.10).
 */
#include "imap/cmd/list.h"

#include "imap/access.h"
#include "imap/event.h"
#include "imap/flags.h"
#include "imap/limit.h"
#include "imap/line.h"
#include "imap/session_priv.h"
#include "imap/set.h"
#include "imap/walk.h"
#include "wire/imap_scan.h"

struct store_args {
    struct numset set;
    uint64_t unchangedsince;
    struct store_att_flags att;
    uint64_t flags;
    uint64_t may_change;    /* those flags that the session has the right to */
    struct numset modified; /* UIDs that were left alone */
    struct walk walk;       /* over what the client knows */
    bool has_missing;       /* a message is gone, and the client does not know */
};

enum store_phase { STORE_CHANGE, STORE_BEGIN_TELL, STORE_TELL };

static void parse_store(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    struct store_args *args = arena_one(cmd->arena, struct store_args);
    cmd->args = args;
    args->unchangedsince = UINT64_MAX;
    set_parse(s, cmd, c, &args->set);
    scan_sp(c);
    if (scan_peek(c) == '(') {
        args->unchangedsince = scan_store_modifiers(c);
        scan_sp(c);
    }
    scan_store_att_flags(c, cmd->arena, &args->att);
}

static enum flag_op get_op(enum store_op op)
{
    switch (op) {
    case STORE_ADD:
        return FLAG_OP_ADD;
    case STORE_REMOVE:
        return FLAG_OP_REMOVE;
    case STORE_SET:
        break;
    }
    return FLAG_OP_SET;
}

/* The flags are to be replaced, but for some that stay as they are. */
static bool is_partial(const struct store_args *args)
{
    return args->att.op == STORE_SET && args->may_change != UINT64_MAX;
}

/* What the client knew when it gave the command. */
static struct view *get_before(const struct imap_session *s)
{
    return s->cmd.view_before != NULL ? s->cmd.view_before : s->selected.known;
}

/* The message as it is in v; at is where it stands if nothing above it is gone. */
static bool find_now(const struct view *v, struct uid uid, struct seq at, struct message *now)
{
    if (at.v <= view_get_count(v)) {
        view_get_hot(v, at, now);
        if (now->uid.v == uid.v) {
            return true;
        }
    }
    at = view_find_uid(v, uid);
    if (at.v == 0) {
        return false;
    }
    view_get_hot(v, at, now);
    return true;
}

/* The messages of a conditional +FLAGS or -FLAGS that others changed meanwhile, but not in the flags that it names: to refuse
 * them would be spurious (RFC 7162, 3.1.12). */
static enum err find_unharmed(struct imap_session *s, const struct store_args *args,
                              struct numset *unharmed)
{
    struct view *before = get_before(s);
    struct view *current = NULL;
    struct walk w;
    struct walk_run run;
    TRY(mailbox_get_view(s->selected.mailbox, &current));
    walk_init(&w, before, &args->set, s->cmd.is_uid);
    while (walk_next_run(&w, SIZE_MAX, &run)) {
        for (uint32_t i = 0; i < run.count; i++) {
            struct message was = walk_get(&run, i);
            struct message now;
            if (was.modseq <= args->unchangedsince
                && find_now(current, was.uid, (struct seq){run.first.v + i}, &now)
                && now.modseq > args->unchangedsince
                && ((was.flags ^ now.flags) & (args->flags | FLAG_UNSURE)) == 0) {
                numset_add(unharmed, was.uid.v, was.uid.v);
            }
        }
    }
    return ERR_OK;
}

static enum err change_unharmed(struct imap_session *s, struct store_args *args,
                                const struct numset *unharmed)
{
    numset_subtract(&args->modified, unharmed);
    return mailbox_store_flags(s->selected.mailbox, unharmed, get_op(args->att.op), args->flags,
                               UINT64_MAX, NULL);
}

/* RFC 4314, 4: flags that the session has no right to are passed over; with no right to any that was named, it is refused. */
static enum err check_rights(struct imap_session *s, struct store_args *args)
{
    unsigned rights = session_get_rights(s, s->selected.mailbox);
    args->may_change = rights_get_flags(rights);
    bool may_add = (rights & RIGHT_WRITE) != 0 && args->att.op != STORE_REMOVE;
    TRY(flags_find_bits(s->selected.mailbox, &args->att.flags, may_add, &args->flags));
    bool is_any = (args->flags & args->may_change) != 0
                  || (args->att.op == STORE_SET && args->flags == 0 && args->may_change != 0);
    if (!is_any && args->may_change != UINT64_MAX) {
        return ERR_NO_PERMISSION;
    }
    args->flags &= args->may_change;
    return ERR_OK;
}

/* Changes the flags of uids; those that the session has no right to stay. */
static enum err change_flags(struct imap_session *s, struct store_args *args,
                             const struct numset *uids)
{
    struct mailbox *m = s->selected.mailbox;
    TRY(mailbox_store_flags(m, uids, is_partial(args) ? FLAG_OP_ADD : get_op(args->att.op),
                            args->flags, args->unchangedsince, &args->modified));
    if (!is_partial(args)) {
        return ERR_OK;
    }
    CLEANUP(numset_release) struct numset rest = NUMSET_INIT;
    numset_copy(&rest, uids);
    numset_subtract(&rest, &args->modified);
    return mailbox_store_flags(m, &rest, FLAG_OP_REMOVE, args->may_change & ~args->flags,
                               UINT64_MAX, NULL);
}

static enum err change(struct imap_session *s, struct cmd *cmd, struct store_args *args)
{
    CLEANUP(numset_release) struct numset unharmed = NUMSET_INIT;
    bool is_settled = !account_has_pending(s->account); /* the view shows what the store will see */
    TRY(check_rights(s, args));
    limit_apply(s, &args->set, cmd->is_uid);
    struct numset *uids = &s->news.told.uids;
    if (cmd->is_uid) {
        numset_copy(uids, &args->set);
    } else {
        walk_collect_uids(s->selected.known, &args->set, false, uids);
    }
    if (is_settled && args->unchangedsince != UINT64_MAX && args->att.op != STORE_SET) {
        TRY(find_unharmed(s, args, &unharmed));
    }
    TRY(change_flags(s, args, uids));
    session_tell_event(s, s->selected.mailbox, IMAP_CAUSE_FLAG, uids);
    return numset_is_empty(&unharmed) ? ERR_OK : change_unharmed(s, args, &unharmed);
}

static uint64_t compute(const struct store_args *args, uint64_t known)
{
    switch (args->att.op) {
    case STORE_ADD:
        return known | args->flags;
    case STORE_REMOVE:
        return known & ~args->flags;
    case STORE_SET:
        break;
    }
    return (known & ~args->may_change) | args->flags;
}

/* What there is to tell of a message: bits of enum line_item, or 0. */
static unsigned get_items(const struct imap_session *s, const struct store_args *args,
                          const struct message *known, const struct message *now)
{
    unsigned items = LINE_FLAGS;
    bool is_computable = known->modseq <= view_get_highestmodseq(get_before(s));
    if (args->att.is_silent && is_computable && compute(args, known->flags) == now->flags) {
        items = 0;
    }
    bool is_conditional = args->unchangedsince != UINT64_MAX;
    if (s->has_condstore && (items != 0 || is_conditional || now->modseq != known->modseq)) {
        items |= LINE_MODSEQ | session_get_line_uid(s);
    }
    return items != 0 && s->cmd.is_uid ? items | session_get_line_uid(s) : items;
}

static void tell_run(struct imap_session *s, struct store_args *args, const struct walk_run *run,
                     struct flags_text *text, struct buf *out)
{
    for (uint32_t i = 0; i < run->count; i++) {
        struct message known = walk_get(run, i);
        struct seq seq = {run->first.v + i};
        struct message now;
        if (args->modified.count > 0 && numset_has(&args->modified, known.uid.v)) {
            continue;
        }
        if (!find_now(s->news.told.view, known.uid, seq, &now)) {
            args->has_missing = true;
            continue;
        }
        unsigned items = get_items(s, args, &known, &now);
        if (items != 0) {
            line_write(out, s, text, seq, &now, items);
        }
    }
}

static enum step tell(struct imap_session *s, struct store_args *args, struct buf *out)
{
    struct flags_text text = {0};
    struct walk_run run;
    enum step step = STEP_MORE;
    while (out->len < SESSION_OUTPUT_MOST) {
        if (!walk_next_run(&args->walk, SIZE_MAX, &run)) {
            step = STEP_DONE;
            break;
        }
        tell_run(s, args, &run, &text, out);
    }
    flags_text_release(&text);
    return step;
}

static enum err begin_tell(struct imap_session *s, struct cmd *cmd, struct store_args *args)
{
    struct view *now = NULL;
    TRY(mailbox_get_view(s->selected.mailbox, &now));
    s->news.told.view = view_ref(now);
    numset_subtract(&s->news.told.uids, &args->modified);
    walk_init(&args->walk, s->selected.known, &args->set, cmd->is_uid);
    return ERR_OK;
}

/* [MODIFIED set], in the numbers that the command used. */
static void write_modified(struct imap_session *s, struct cmd *cmd, struct store_args *args)
{
    buf_add(&cmd->code, STR("MODIFIED "));
    if (cmd->is_uid) {
        numset_write(&cmd->code, &args->modified);
        return;
    }
    struct numset seqs = NUMSET_INIT;
    struct walk w;
    walk_init(&w, s->selected.known, &args->modified, true);
    struct seq seq;
    while (walk_next(&w, &seq)) {
        numset_add(&seqs, seq.v, seq.v);
    }
    numset_write(&cmd->code, &seqs);
    numset_release(&seqs);
}

static enum run store_done(struct imap_session *s, struct cmd *cmd, struct store_args *args)
{
    if (!numset_is_empty(&args->modified)) {
        write_modified(s, cmd, args);
        cmd->text = "Some were changed by others meanwhile";
    } else if (args->has_missing && !cmd->is_uid) {
        buf_add(&cmd->code, STR("EXPUNGEISSUED"));
        cmd->text = "Some are gone meanwhile";
    }
    return RUN_DONE;
}

static enum run run_store(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct store_args *args = cmd->args;
    if (cmd->phase == STORE_CHANGE) {
        cmd->phase = STORE_BEGIN_TELL;
        if (args->unchangedsince != UINT64_MAX) {
            session_enable_condstore(s, out);
        }
        cmd->err = change(s, cmd, args);
        return cmd->err == ERR_OK ? RUN_COMMIT : RUN_DONE;
    }
    if (cmd->phase == STORE_BEGIN_TELL) {
        cmd->phase = STORE_TELL;
        cmd->err = begin_tell(s, cmd, args);
        if (cmd->err != ERR_OK) {
            return RUN_DONE;
        }
        news_write_new_keywords(s, out);
    }
    return tell(s, args, out) == STEP_MORE ? RUN_MORE : store_done(s, cmd, args);
}

static void release_store(struct cmd *cmd)
{
    struct store_args *args = cmd->args;
    numset_release(&args->set);
    numset_release(&args->modified);
}

const struct command command_store = {
    .name = STR("STORE"),
    .states = STATE_SELECTED,
    .flags = COMMAND_HAS_UID | COMMAND_USES_SEQ | COMMAND_WRITES | COMMAND_SELECTED,
    .parse = parse_store,
    .run = run_store,
    .release = release_store,
};
