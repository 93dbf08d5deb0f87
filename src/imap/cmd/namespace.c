/* NAMESPACE (RFC 2342): the user's own mailboxes without a prefix, those of other users (imap/access.h), and, where an account
 * for them is configured, the shared ones. */
#include "imap/cmd/list.h"

#include "imap/access.h"
#include "imap/session_priv.h"

static void write_namespace(struct buf *out, size_t i)
{
    buf_addf(out, " ((\"%.*s/\" \"/\"))", STR_ARG(namespace_get_name(i)));
}

static enum run run_namespace(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)cmd;
    buf_add(out, STR("* NAMESPACE ((\"\" \"/\"))"));
    write_namespace(out, 0);
    if (s->args.shared_account.n > 0) {
        write_namespace(out, 1);
    } else {
        buf_add(out, STR(" NIL"));
    }
    buf_add(out, STR("\r\n"));
    return RUN_DONE;
}

const struct command command_namespace = {
    .name = STR("NAMESPACE"),
    .states = STATE_ANY,
    .flags = COMMAND_AGAIN,
    .capability = "NAMESPACE",
    .run = run_namespace,
};
