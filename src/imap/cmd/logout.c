/* LOGOUT (RFC 3501, 6.1.3). */
#include "imap/cmd/list.h"

#include "imap/session_priv.h"

static enum run run_logout(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)cmd;
    s->is_over = true;
    buf_add(out, STR("* BYE Goodbye\r\n"));
    return RUN_DONE;
}

const struct command command_logout = {
    .name = STR("LOGOUT"),
    .states = STATE_ANY,
    .flags = COMMAND_NO_NEWS | COMMAND_AGAIN,
    .run = run_logout,
};
