/* ID (RFC 2971): who is who, for finding faults. What the client says is checked for its form and forgotten: it may
 * hold personal data, and behaviour does not depend on it, but for one thing that an operator may ask for: heartbeats for clients
 * that cannot do without (wire/heartbeats.h). Of these only the seconds are kept, for the edge, which has the clock. */
#include "imap/cmd/list.h"

#include "imap/session_priv.h"
#include "wire/heartbeats.h"

static void parse_id(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    struct imap_id *id = arena_one(cmd->arena, struct imap_id);
    (void)s;
    cmd->args = id;
    scan_sp(c);
    scan_id_params(c, cmd->arena, id);
}

static enum run run_id(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    s->heartbeat_s = heartbeats_find_client(s->args.heartbeat_clients, cmd->args);
    buf_add(out, STR("* ID (\"name\" \"Limetta\")\r\n"));
    return RUN_DONE;
}

const struct command command_id = {
    .name = STR("ID"),
    .states = STATE_ANY,
    .flags = COMMAND_AGAIN,
    .capability = "ID",
    .parse = parse_id,
    .run = run_id,
};
