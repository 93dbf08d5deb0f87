/* NAMESPACE (RFC 2342): one personal namespace without a prefix; nothing of other users, nothing shared. */
#include "imap/cmd/list.h"

static enum run run_namespace(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)s;
    (void)cmd;
    buf_add(out, STR("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"));
    return RUN_DONE;
}

const struct command command_namespace = {
    .name = STR("NAMESPACE"),
    .states = STATE_ANY,
    .capability = "NAMESPACE",
    .run = run_namespace,
};
