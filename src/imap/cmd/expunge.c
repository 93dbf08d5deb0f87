/* EXPUNGE and UID EXPUNGE (RFC 3501, 6.4.3; RFC 4315, 2.1). The removal is a commit; that the client hears of it, and in
 * which form, is the business of the news. */
#include "imap/cmd/list.h"

#include "imap/access.h"
#include "imap/limit.h"
#include "imap/session_priv.h"
#include "imap/set.h"
#include "imap/walk.h"

static void parse_expunge(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    struct numset *uids = arena_one(cmd->arena, struct numset);
    cmd->args = uids;
    if (cmd->is_uid) {
        set_parse(s, cmd, c, uids);
    } else {
        numset_add(uids, 1, UINT32_MAX);
    }
}

/* Only those that go count (RFC 9738, 3.1). */
static void limit_deleted(struct imap_session *s, struct numset *uids)
{
    struct numset deleted = NUMSET_INIT;
    struct walk w;
    struct walk_run run;
    walk_init(&w, s->selected.known, uids, true);
    while (walk_next_run(&w, SIZE_MAX, &run)) {
        for (size_t i = 0; i < run.count; i++) {
            if (run.flags[i] & FLAG_DELETED) {
                numset_add(&deleted, run.uids[i], run.uids[i]);
            }
        }
    }
    limit_apply(s, &deleted, true);
    if (s->cmd.limited_uid > 0) {
        numset_intersect(uids, &deleted);
    }
    numset_release(&deleted);
}

static enum run run_expunge(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)out;
    if (cmd->phase > 0) {
        return RUN_DONE;
    }
    cmd->phase = 1;
    if (!session_may(s, s->selected.mailbox, RIGHT_EXPUNGE)) {
        cmd->err = ERR_NO_PERMISSION;
        return RUN_DONE;
    }
    if (cmd->is_uid) {
        limit_deleted(s, cmd->args);
    }
    cmd->err = mailbox_expunge(s->selected.mailbox, cmd->args, true, NULL);
    return cmd->err == ERR_OK ? RUN_COMMIT : RUN_DONE;
}

static void release_expunge(struct cmd *cmd)
{
    numset_release(cmd->args);
}

const struct command command_expunge = {
    .name = STR("EXPUNGE"),
    .states = STATE_SELECTED,
    .flags =
        COMMAND_HAS_UID | COMMAND_NO_SEQ | COMMAND_WRITES | COMMAND_TELLS_MODSEQ | COMMAND_SELECTED,
    .parse = parse_expunge,
    .run = run_expunge,
    .release = release_expunge,
};
