/* CANCELUPDATE (RFC 5267, 4.3.5): contexts end, and are not spoken of again. A tag that no context has is no error: its context may
 * have been refused, or have ended with the mailbox it was for.
 */
#include "imap/cmd/list.h"

#include "imap/session_priv.h"
#include "wire/imap_scan.h"

struct tag_list {
    struct str tag;
    struct tag_list *next;
};

static void parse_cancelupdate(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct tag_list *first = NULL;
    struct tag_list **end = &first;
    do {
        scan_sp(c);
        struct tag_list *item = arena_one(cmd->arena, struct tag_list);
        if (item == NULL) {
            scan_fail(c, ERR_LIMIT, "fewer tags");
            return;
        }
        item->tag = scan_string(c, cmd->arena);
        *end = item;
        end = &item->next;
    } while (scan_is_ok(c) && !scan_is_end(c));
    cmd->args = first;
}

static enum run run_cancelupdate(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)out;
    for (const struct tag_list *item = cmd->args; item != NULL; item = item->next) {
        contexts_cancel(s->selected.contexts, item->tag);
    }
    return RUN_DONE;
}

const struct command command_cancelupdate = {
    .name = STR("CANCELUPDATE"),
    .states = STATE_SELECTED,
    .flags = COMMAND_SELECTED | COMMAND_AGAIN,
    .parse = parse_cancelupdate,
    .run = run_cancelupdate,
};
