/* LSUB (RFC 3501, 6.3.9): subscribed names, whether there are such mailboxes or not.
 *
 * One walk over the account's sorted names. "%" also shows the parents of subscribed names that are not subscribed themselves;
 * since the names come sorted, a parent is written once, before its first child. */
#include "imap/cmd/list.h"

#include "imap/pattern.h"
#include "imap/session_priv.h"
#include "wire/imap_scan.h"

struct lsub_args {
    struct str pattern; /* reference and pattern, joined */
    bool is_delimiter;  /* the pattern is empty: only the delimiter is asked for */
    struct buf last;    /* the name looked at last: where to go on */
    struct buf parent;  /* the parent written last */
};

static void parse_lsub(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct lsub_args *args = arena_one(cmd->arena, struct lsub_args);
    cmd->args = args;
    buf_init(&args->last, MAILBOX_NAME_MOST);
    buf_init(&args->parent, MAILBOX_NAME_MOST);
    scan_sp(c);
    struct str reference = scan_list_mailbox(c, cmd->arena);
    scan_sp(c);
    struct str pattern = scan_list_mailbox(c, cmd->arena);
    args->is_delimiter = pattern.n == 0;
    args->pattern = pattern_make(cmd->arena, reference, pattern);
}

/* The parent of a subscribed name that matches where the name itself does not. */
static void write_parent(const struct imap_session *s, struct lsub_args *args, struct str name,
                         struct buf *out)
{
    for (size_t i = 0; i < name.n; i++) {
        struct str parent = str_sub(name, 0, i);
        if (name.p[i] != '/' || !pattern_matches(args->pattern, parent)) {
            continue;
        }
        if (!str_eq(parent, buf_str(&args->parent))) {
            buf_add(out, STR("* LSUB (\\Noselect) \"/\" "));
            session_write_mailbox(s, out, parent);
            buf_add(out, STR("\r\n"));
            buf_clear(&args->parent);
            buf_add(&args->parent, parent);
        }
        return;
    }
}

static void lsub_name(const struct imap_session *s, struct lsub_args *args,
                      const struct mailbox_info *info, struct buf *out)
{
    if (!info->is_subscribed) {
        return;
    }
    if (!pattern_matches(args->pattern, info->name)) {
        write_parent(s, args, info->name, out);
        return;
    }
    buf_add(out, STR("* LSUB () \"/\" "));
    session_write_mailbox(s, out, info->name);
    buf_add(out, STR("\r\n"));
    buf_clear(&args->parent);
    buf_add(&args->parent, info->name);
}

static enum run run_lsub(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct lsub_args *args = cmd->args;
    if (args->is_delimiter) {
        buf_add(out, STR("* LSUB (\\Noselect) \"/\" \"\"\r\n"));
        return RUN_DONE;
    }
    size_t at = args->last.len == 0 ? 0 : account_seek_mailbox(s->account, buf_str(&args->last));
    struct mailbox_info info;
    while (account_next_mailbox(s->account, &at, &info)) {
        lsub_name(s, args, &info, out);
        if (out->len >= SESSION_OUTPUT_MOST) {
            buf_clear(&args->last);
            buf_add(&args->last, info.name);
            return RUN_MORE;
        }
    }
    return RUN_DONE;
}

static void release_lsub(struct cmd *cmd)
{
    struct lsub_args *args = cmd->args;
    buf_release(&args->last);
    buf_release(&args->parent);
}

const struct command command_lsub = {
    .name = STR("LSUB"),
    .states = STATE_ANY,
    .flags = COMMAND_REV1 | COMMAND_AGAIN,
    .parse = parse_lsub,
    .run = run_lsub,
    .release = release_lsub,
};
