/* CLOSE and UNSELECT (RFC 3501, 6.4.2; RFC 3691): the way back from a mailbox. CLOSE removes what is \Deleted first,
 * silently, and never tells HIGHESTMODSEQ (RFC 7162, 3.2.8, erratum 1808 to its predecessor): the client would
 * believe that it knows of the removals. Without the right to expunge it just closes (RFC 4314, 4). */
#include "imap/cmd/list.h"

#include "imap/access.h"
#include "imap/session_priv.h"

static enum run run_close(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)out;
    struct selected *sel = &s->selected;
    bool may_expunge = !sel->is_read_only && session_may(s, sel->mailbox, RIGHT_EXPUNGE);
    if (cmd->phase == 0 && may_expunge && !mailbox_is_deleted(sel->mailbox)) {
        struct numset all = NUMSET_INIT;
        numset_add(&all, 1, UINT32_MAX);
        cmd->err = mailbox_expunge(sel->mailbox, &all, true, NULL);
        numset_release(&all);
        cmd->phase = 1;
        if (cmd->err == ERR_OK) {
            return RUN_COMMIT;
        }
    }
    if (cmd->err == ERR_OK) {
        selected_close(s);
    }
    return RUN_DONE;
}

static enum run run_unselect(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)cmd;
    (void)out;
    selected_close(s);
    return RUN_DONE;
}

const struct command command_close = {
    .name = STR("CLOSE"),
    .states = STATE_SELECTED,
    .flags = COMMAND_NO_NEWS | COMMAND_SELECTED,
    .run = run_close,
};

const struct command command_unselect = {
    .name = STR("UNSELECT"),
    .states = STATE_SELECTED,
    .flags = COMMAND_NO_NEWS | COMMAND_SELECTED | COMMAND_AGAIN,
    .capability = "UNSELECT",
    .run = run_unselect,
};
