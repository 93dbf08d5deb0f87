/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501, 6.3.3 to 6.3.7): a name or two, one call of the store, one
 * commit. The rules of INBOX, parents, children and special uses (RFC 6154, 3) are the store's. */
#include "imap/cmd/list.h"

#include "imap/access.h"
#include "imap/list_row.h"
#include "imap/session_priv.h"
#include "imap/special_use.h"
#include "store/object.h"
#include "wire/imap_scan.h"

struct mailbox_args {
    struct str name;
    struct str to;        /* RENAME */
    unsigned special_use; /* CREATE: bits of enum special_use */
};

static void parse_name(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    (void)s;
    struct mailbox_args *args = arena_one(cmd->arena, struct mailbox_args);
    cmd->args = args;
    scan_sp(c);
    args->name = scan_mailbox(c, cmd->arena);
}

/* create-param =/ "USE" SP "(" [use-attr *(SP use-attr)] ")" (RFC 6154, 6) */
static void parse_use(struct mailbox_args *args, struct scan *c)
{
    if (!scan_accept_word(c, STR("USE"))) {
        scan_fail(c, ERR_SYNTAX, "USE");
    }
    scan_sp(c);
    scan_require(c, '(', "a list of special uses");
    if (scan_accept(c, ')')) {
        return;
    }
    do {
        scan_special_use(c, &args->special_use);
    } while (scan_accept(c, ' '));
    scan_require(c, ')', "the end of a list of special uses");
}

/* "CREATE" SP mailbox [SP "(" create-param *(SP create-param) ")"] (RFC 4466, 2.2) */
static void parse_create(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    parse_name(s, cmd, c);
    if (!scan_accept(c, ' ')) {
        return;
    }
    scan_require(c, '(', "a list of parameters");
    do {
        parse_use(cmd->args, c);
    } while (scan_accept(c, ' '));
    scan_require(c, ')', "the end of a list of parameters");
}

static void parse_rename(struct imap_session *s, struct cmd *cmd, struct scan *c)
{
    parse_name(s, cmd, c);
    struct mailbox_args *args = cmd->args;
    scan_sp(c);
    args->to = scan_mailbox(c, cmd->arena);
}

/* "Archive/" says that children are to come (RFC 3501, 6.3.3); the name is the same. */
static struct str without_delimiter(struct str name)
{
    return name.n > 1 && str_ends(name, STR("/")) ? str_sub(name, 0, name.n - 1) : name;
}

static enum run write_done(struct cmd *cmd, enum err e)
{
    cmd->phase = 1;
    cmd->err = e;
    return e == ERR_OK ? RUN_COMMIT : RUN_DONE;
}

/* RFC 8474, 4.1 */
static void write_mailboxid(struct imap_session *s, struct str name, struct buf *code)
{
    struct mailbox *m = NULL;
    char id[OBJECT_ID_MOST];
    if (session_find_mailbox(s, name, RIGHT_LOOKUP, &m) == ERR_OK) {
        buf_addf(code, "MAILBOXID (%.*s)", STR_ARG(object_get_mailbox(m, id)));
    }
    mailbox_unref(&m);
}

/* The name within the account. What lives elsewhere cannot be made here. */
static enum err find_new_name(const struct imap_session *s, struct str name, struct str *out)
{
    return session_get_store_name(s, without_delimiter(name), out) == ERR_OK ? ERR_OK
                                                                             : ERR_MAILBOX_NAME;
}

static enum err create(struct imap_session *s, const struct mailbox_args *args)
{
    struct str name;
    TRY(find_new_name(s, args->name, &name));
    TRY(session_check_create(s, name));
    if (session_is_guest(s) && args->special_use != 0) {
        return ERR_USE_ATTR; /* else a guest's mailbox would take it from the owner's, and get his mail */
    }
    return account_create_mailbox(s->account, name, args->special_use);
}

/* RFC 4314, 4: x, whatever is in it. */
static enum err delete_mailbox(struct imap_session *s, const struct mailbox_args *args)
{
    struct str name;
    struct mailbox *m = NULL;
    TRY(session_find_mailbox(s, args->name, RIGHT_DELETE_MAILBOX, &m));
    mailbox_unref(&m);
    TRY(session_get_store_name(s, args->name, &name));
    return account_delete_mailbox(s->account, name);
}

/* RFC 4314, 4: x on the old name, k on what is above the new one. INBOX would not go, but be emptied: that is the owner's. */
static enum err rename_mailbox(struct imap_session *s, const struct mailbox_args *args)
{
    struct str from;
    struct str to;
    TRY(session_get_store_name(s, args->name, &from));
    if (session_is_guest(s)) {
        struct mailbox *m = NULL;
        TRY(session_find_mailbox(s, args->name, RIGHT_DELETE_MAILBOX, &m));
        mailbox_unref(&m);
        if (str_eq_nocase(from, STR("INBOX"))) {
            return ERR_NO_PERMISSION;
        }
    }
    TRY(find_new_name(s, args->to, &to));
    TRY(session_check_create(s, to));
    return account_rename_mailbox(s->account, from, to);
}

static enum run run_create(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    const struct mailbox_args *args = cmd->args;
    struct str name = without_delimiter(args->name);
    if (cmd->phase > 0) {
        list_row_tell_spelling(s, name, name, out);
        write_mailboxid(s, name, &cmd->code);
        return RUN_DONE;
    }
    return write_done(cmd, create(s, args));
}

/* Deleting the mailbox that is selected here leaves the session without one. */
static void leave_deleted(struct imap_session *s)
{
    if (session_is_selected(s) && mailbox_is_deleted(s->selected.mailbox)) {
        selected_close(s);
    }
}

static enum run run_delete(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    const struct mailbox_args *args = cmd->args;
    if (cmd->phase > 0) {
        list_row_tell_spelling(s, args->name, args->name, out);
        leave_deleted(s);
        return RUN_DONE;
    }
    return write_done(cmd, delete_mailbox(s, args));
}

static enum run run_rename(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    const struct mailbox_args *args = cmd->args;
    if (cmd->phase > 0) {
        list_row_tell_spelling(s, without_delimiter(args->to), args->name, out);
        return RUN_DONE;
    }
    return write_done(cmd, rename_mailbox(s, args));
}

/* A name in the subscriber's own account, wherever the mailbox lives; spelt as LIST will spell it, or it would stand there twice. */
static enum err set_subscribed(struct imap_session *s, struct str name, bool is_subscribed)
{
    CLEANUP(buf_release) struct buf spelt = BUF_INIT(2 * MAILBOX_NAME_MOST);
    struct place place = session_find_place(s, name);
    struct str store_name = str_skip(name, place.prefix.n);
    buf_add(&spelt, place.prefix);
    if (store_name.n == 0 || mailbox_name_normalise(store_name, &spelt) != ERR_OK) {
        return ERR_MAILBOX_NAME;
    }
    return account_set_subscribed(s->account, buf_str(&spelt), is_subscribed);
}

static enum run run_subscribe(struct imap_session *s, struct cmd *cmd, struct buf *out)
{
    (void)out;
    const struct mailbox_args *args = cmd->args;
    if (cmd->phase > 0) {
        return RUN_DONE;
    }
    bool is_subscribed = cmd->what == &command_subscribe;
    return write_done(cmd, set_subscribed(s, args->name, is_subscribed));
}

#define MAILBOX_COMMAND(variable, word, bits, parser, runner)                                      \
    const struct command command_##variable = {                                                    \
        .name = STR(word),                                                                         \
        .states = STATE_ANY,                                                                       \
        .flags = (bits),                                                                           \
        .parse = (parser),                                                                         \
        .run = (runner),                                                                           \
    }

const struct command command_create = {
    .name = STR("CREATE"),
    .states = STATE_ANY,
    .flags = COMMAND_NAMES,
    .capability = "CREATE-SPECIAL-USE",
    .parse = parse_create,
    .run = run_create,
};

MAILBOX_COMMAND(delete, "DELETE", COMMAND_NAMES, parse_name, run_delete);
MAILBOX_COMMAND(rename, "RENAME", COMMAND_NAMES, parse_rename, run_rename);
MAILBOX_COMMAND(subscribe, "SUBSCRIBE", 0, parse_name, run_subscribe);
MAILBOX_COMMAND(unsubscribe, "UNSUBSCRIBE", 0, parse_name, run_subscribe);
