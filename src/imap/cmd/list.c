/* LIST and LSUB (RFC 3501, 6.3.8 and 6.3.9), with CHILDREN (RFC 3348) and special uses (RFC 6154, 2).
 *
 * One walk over the account's sorted names; each is matched and written. A name that is no mailbox but has children is
 * listed as \Noselect. For LSUB, "%" also shows the parents of subscribed names that are not subscribed themselves
 * (RFC 3501, 6.3.9); since the names come sorted, a parent is written once, before its first child.
 */
#include "imap/cmd/list.h"

#include "imap/pattern.h"
#include "imap/session_priv.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

struct list_args {
    struct str pattern; /* reference and pattern, joined */
    bool is_delimiter;  /* the pattern is empty: only the delimiter is asked for */
    size_t at;          /* in the account's names */
    struct buf parent;  /* LSUB: the parent written last */
};

static void parse_list(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct list_args *args = arena_one(cmd->arena, struct list_args);
    cmd->args = args;
    buf_init(&args->parent, MAILBOX_NAME_MOST);
    scan_sp(c);
    struct str reference = scan_list_mailbox(c, cmd->arena);
    scan_sp(c);
    struct str pattern = scan_list_mailbox(c, cmd->arena);
    args->is_delimiter = pattern.n == 0;
    args->pattern = arena_printf(cmd->arena, "%.*s%.*s", STR_ARG(reference), STR_ARG(pattern));
}

static const struct {
    enum special_use use;
    const char *name;
} use_names[] = {
    {USE_ALL, "\\All"},         {USE_ARCHIVE, "\\Archive"}, {USE_DRAFTS, "\\Drafts"},
    {USE_FLAGGED, "\\Flagged"}, {USE_JUNK, "\\Junk"},       {USE_SENT, "\\Sent"},
    {USE_TRASH, "\\Trash"},
};

static void write_row(const struct imap_session *s, struct buf *out, const char *what,
                      const struct mailbox_info *info)
{
    buf_add(out, STR("* "));
    buf_add_c(out, what);
    buf_add_c(out, info->is_mailbox ? " (" : " (\\Noselect ");
    buf_add_c(out, info->has_children ? "\\HasChildren" : "\\HasNoChildren");
    for (size_t i = 0; i < sizeof(use_names) / sizeof(use_names[0]); i++) {
        if (info->special_use & use_names[i].use) {
            buf_add_char(out, ' ');
            buf_add_c(out, use_names[i].name);
        }
    }
    buf_add(out, STR(") \"/\" "));
    session_write_mailbox(s, out, info->name);
    buf_add(out, STR("\r\n"));
}

/* LSUB: the parent of a subscribed name that matches where the name itself does not. */
static void write_parent(const struct imap_session *s, struct list_args *args, struct str name,
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

static void list_name(const struct imap_session *s, struct list_args *args,
                      const struct mailbox_info *info, struct buf *out)
{
    bool is_there = info->is_mailbox || info->has_children;
    if (is_there && pattern_matches(args->pattern, info->name)) {
        write_row(s, out, "LIST", info);
    }
}

static void lsub_name(const struct imap_session *s, struct list_args *args,
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

static enum run run_list(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    struct list_args *args = cmd->args;
    bool is_list = cmd->what == &command_list;
    if (args->is_delimiter) {
        buf_add_c(out, is_list ? "* LIST" : "* LSUB");
        buf_add(out, STR(" (\\Noselect) \"/\" \"\"\r\n"));
        return RUN_DONE;
    }
    struct mailbox_info info;
    while (account_next_mailbox(s->account, &args->at, &info)) {
        if (is_list) {
            list_name(s, args, &info, out);
        } else {
            lsub_name(s, args, &info, out);
        }
        if (out->len >= SESSION_OUTPUT_MOST) {
            return RUN_MORE;
        }
    }
    return RUN_DONE;
}

static void release_list(struct cmd *cmd)
{
    struct list_args *args = cmd->args;
    buf_release(&args->parent);
}

const struct command command_list = {
    .name = STR("LIST"),
    .states = STATE_ANY,
    .parse = parse_list,
    .run = run_list,
    .release = release_list,
};

const struct command command_lsub = {
    .name = STR("LSUB"),
    .states = STATE_ANY,
    .parse = parse_list,
    .run = run_list,
    .release = release_list,
};
