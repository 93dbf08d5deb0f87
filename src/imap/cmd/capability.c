/* CAPABILITY (RFC 3501, 6.1.1): the list is made from the rows of all commands, see commands.c. */
#include "imap/cmd/list.h"

static enum run run_capability(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)cmd;
    buf_add(out, STR("* CAPABILITY "));
    commands_write_capability(s, out);
    buf_add(out, STR("\r\n"));
    return RUN_DONE;
}

const struct command command_capability = {
    .name = STR("CAPABILITY"),
    .states = STATE_ANY,
    .flags = COMMAND_AGAIN,
    .run = run_capability,
};
