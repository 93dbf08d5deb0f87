/* What our own sessions say to each other (imap/peer.h), besides what clients say:
 *
 *     VISIBLE *(SP name)   to a guest session, before LIST: these names the asker has subscribed to. NO: it may look up nothing here.
 *     GRANTED SP owner     to the account of somebody who will be given rights: owner is one whom to ask when mailboxes are listed.
 *
 *     COPYING              before APPEND: its messages are copies from another account, and each may have its name there before the
 *                          literal, "EMAILID" SP objectid SP (RFC 8474, 5.1: a copy keeps it).
 *
 * No client can give these commands. */
#include "imap/cmd/list.h"

#include "base/vec.h"
#include "imap/access.h"
#include "imap/listing.h"
#include "imap/session_priv.h"
#include "wire/imap_scan.h"

struct visible_args {
    VEC(struct str) subscribed;
};

static void parse_visible(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct visible_args *args = arena_one(cmd->arena, struct visible_args);
    cmd->args = args;
    while (!scan_is_end(c)) {
        scan_sp(c);
        vec_push(&args->subscribed, scan_astring(c, cmd->arena));
    }
}

static enum run run_visible(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)out;
    const struct visible_args *args = cmd->args;
    session_make_listing(s, args->subscribed.at, args->subscribed.count);
    cmd->err = listing_has_mailbox(s->listing) ? ERR_OK : ERR_NO_MAILBOX;
    return RUN_DONE;
}

static void release_visible(struct cmd *cmd)
{
    struct visible_args *args = cmd->args;
    vec_release(&args->subscribed);
}

const struct command command_visible = {
    .name = STR("VISIBLE"),
    .states = STATE_ANY,
    .flags = COMMAND_INTERNAL,
    .parse = parse_visible,
    .run = run_visible,
    .release = release_visible,
};

static void parse_granted(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct str *owner = arena_one(cmd->arena, struct str);
    cmd->args = owner;
    scan_sp(c);
    *owner = scan_astring(c, cmd->arena);
}

static enum run run_granted(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)out;
    const struct str *owner = cmd->args;
    if (cmd->phase > 0 || account_has_grantor(s->account, *owner)) {
        return RUN_DONE;
    }
    cmd->phase = 1;
    cmd->err = account_set_grantor(s->account, *owner, true);
    return cmd->err == ERR_OK ? RUN_COMMIT : RUN_DONE;
}

const struct command command_granted = {
    .name = STR("GRANTED"),
    .states = STATE_ANY,
    .flags = COMMAND_INTERNAL,
    .parse = parse_granted,
    .run = run_granted,
};

static enum run run_copying(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)cmd;
    (void)out;
    s->is_copying = true;
    return RUN_DONE;
}

const struct command command_copying = {
    .name = STR("COPYING"),
    .states = STATE_ANY,
    .flags = COMMAND_INTERNAL,
    .run = run_copying,
};
