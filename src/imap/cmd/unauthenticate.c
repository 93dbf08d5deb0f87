/* UNAUTHENTICATE (RFC 8437): back to before the login, on the same connection.
 *
 * The session ends with it, and everything that it held: mailbox, ENABLE, searches, contexts, notifications. The edge goes on
 * with its dialogue, which is why octets that came behind the command go back to it: a client may send its next AUTHENTICATE
 * right away. A NO is not permitted; who does not want the command has it switched off, and then it is unknown (RFC 8437, 8).
 */
#include "imap/cmd/list.h"

#include "imap/session_priv.h"

static bool is_offered(const struct imap_session *s)
{
    return s->args.may_unauthenticate;
}

static enum run run_unauthenticate(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)out;
    s->mark = SESSION_MARK_UNAUTHENTICATE;
    cmd->text = "Logged out of the account";
    return RUN_DONE;
}

const struct command command_unauthenticate = {
    .name = STR("UNAUTHENTICATE"),
    .states = STATE_ANY,
    .flags = COMMAND_NO_NEWS | COMMAND_AGAIN,
    .capability = "UNAUTHENTICATE",
    .is_offered = is_offered,
    .run = run_unauthenticate,
};
