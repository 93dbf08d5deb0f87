/* NOOP and CHECK (RFC 3501, 6.1.2 and 6.4.1): an occasion to tell news. There is nothing to check: what was answered is
 * on disk. */
#include "imap/cmd/list.h"

static enum run run_nothing(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)s;
    (void)cmd;
    (void)out;
    return RUN_DONE;
}

const struct command command_noop = {
    .name = STR("NOOP"),
    .states = STATE_ANY,
    .flags = COMMAND_SELECTED | COMMAND_AGAIN,
    .run = run_nothing,
};

const struct command command_check = {
    .name = STR("CHECK"),
    .states = STATE_SELECTED,
    .flags = COMMAND_REV1 | COMMAND_SELECTED | COMMAND_AGAIN,
    .run = run_nothing,
};
