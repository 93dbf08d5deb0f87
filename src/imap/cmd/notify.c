/* NOTIFY (RFC 5465): the client says once what it wants to hear, and hears it from then on: in commands, in IDLE, and between
 * commands. What it means is in notify.c; here its arguments are taken and kept beyond the command's life.
 *
 * NOTIFY SET implies a NOOP: all that is new in the selected mailbox is told with it, then the new wish holds. While a mailbox of
 * another account is selected, the session there hears the wish, too, and answers. */
#include "imap/cmd/list.h"

#include "imap/notify.h"
#include "imap/relay.h"
#include "imap/session_priv.h"

struct notify_args {
    struct arena *arena; /* the plan's own: it outlives the command */
    struct notify_plan plan;
};

static void parse_notify(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct notify_args *args = arena_one(cmd->arena, struct notify_args);
    cmd->args = args;
    args->arena = arena_new(NOTIFY_ARENA_MOST);
    struct str text = c->s;
    c->s = arena_str(args->arena, text);
    notify_scan(c, args->arena, &args->plan);
    args->plan.text = c->s;
    args->plan.is_utf8 = c->is_utf8;
    c->s = text;
}

static enum run run_notify(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)out;
    struct notify_args *args = cmd->args;
    if (args->plan.is_unknown) {
        buf_add(&cmd->code, STR("BADEVENT ("));
        notify_write_events(&cmd->code);
        buf_add_char(&cmd->code, ')');
        cmd->err = ERR_BAD_EVENT;
        return RUN_DONE;
    }
    cmd->tells_all = args->plan.is_set;
    cmd->err = notify_set(s, &args->arena, &args->plan);
    cmd->is_relayed = cmd->err == ERR_OK && relay_is_selected(s);
    return cmd->is_relayed ? RUN_MORE : RUN_DONE;
}

static void release_notify(struct cmd *cmd)
{
    struct notify_args *args = cmd->args;
    arena_free(&args->arena);
}

const struct command command_notify = {
    .name = STR("NOTIFY"),
    .states = STATE_ANY,
    .flags = COMMAND_PEER | COMMAND_AGAIN,
    .capability = "NOTIFY",
    .parse = parse_notify,
    .run = run_notify,
    .release = release_notify,
};
