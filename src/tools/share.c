/* limetta share: rights on the mailboxes that all users see as Shared/...
 *
 *     limetta share MAILBOX IDENTIFIER RIGHTS [--state DIR] [--config FILE]
 *
 * Those are the mailboxes of one account that nobody logs in to (setting shared_account), so somebody has to make the first of
 * them and say who may do what there; whoever got the right to administer one goes on from his client (SETACL, RFC 4314). The account
 * and the mailbox are made when they are missing. */
#include "tools/tool.h"

#include "auth/names.h"
#include "wire/imap_rights.h"

#include <stdio.h>

static const char USAGE[] = "limetta share MAILBOX IDENTIFIER RIGHTS [--state DIR] [--config FILE]";

struct share_args {
    const char *state;
    const char *config; /* read by our caller */
    const char *account;
    const char *mailbox;
    struct buf identifier; /* prepared */
    struct mod_rights mod;
};

/* A user's name, or "anyone"; "-" in front takes rights away. */
static int prepare_identifier(const char *word, struct buf *out)
{
    struct str name = str_from_c(word);
    bool is_negative = str_starts(name, STR("-"));
    buf_add_c(out, is_negative ? "-" : "");
    if (name_prepare(is_negative ? str_skip(name, 1) : name, false, out) != ERR_OK) {
        return tool_fail(EXIT_USAGE, "%s cannot be a user's name", word);
    }
    return EXIT_FINE;
}

static enum acl_op get_op(enum imap_rights_op op)
{
    switch (op) {
    case IMAP_RIGHTS_ADD:
        return ACL_OP_ADD;
    case IMAP_RIGHTS_REMOVE:
        return ACL_OP_REMOVE;
    case IMAP_RIGHTS_SET:
        break;
    }
    return ACL_OP_SET;
}

static enum err find_or_make(struct store *s, struct account *a, struct str name,
                             struct mailbox **out)
{
    enum err e = account_find_mailbox(a, name, out);
    if (e != ERR_NO_MAILBOX) {
        return e;
    }
    TRY(account_create_mailbox(a, name, USE_NONE));
    TRY(tool_commit(s, a));
    return account_find_mailbox(a, name, out);
}

static void print_rights(const struct mailbox *m)
{
    struct acl_entry e;
    for (size_t i = 0; mailbox_get_acl_entry(m, i, &e); i++) {
        CLEANUP(buf_release) struct buf rights = BUF_INIT(64);
        imap_write_rights(&rights, e.rights);
        (void)printf("%.*s\t%.*s\n", STR_ARG(e.identifier), STR_ARG(buf_str(&rights)));
    }
}

static int share(struct share_args *args, struct store *s, struct account *a)
{
    struct mailbox *m = NULL;
    enum err e = find_or_make(s, a, str_from_c(args->mailbox), &m);
    if (e == ERR_OK) {
        e = mailbox_set_rights(m, buf_str(&args->identifier), get_op(args->mod.op),
                               args->mod.rights);
    }
    e = e == ERR_OK ? tool_commit(s, a) : e;
    if (e == ERR_OK) {
        print_rights(m);
    }
    mailbox_unref(&m);
    return e == ERR_OK
               ? EXIT_FINE
               : tool_fail(tool_exit_code(e), "mailbox %s: %s", args->mailbox, tool_explain(e));
}

static int open_and_share(struct share_args *args)
{
    struct store *s = NULL;
    struct account *a = NULL;
    enum err e = tool_open_store(args->state, &s);
    if (e != ERR_OK) {
        return tool_fail(tool_exit_code(e), "%s: %s", args->state, tool_explain(e));
    }
    int code = tool_open_account(s, args->account, true, &a);
    if (code == EXIT_FINE) {
        e = tool_commit(s, a); /* of a new account */
        code = e == ERR_OK
                   ? share(args, s, a)
                   : tool_fail(tool_exit_code(e), "account %s: %s", args->account, tool_explain(e));
        account_unref(&a);
    }
    store_free(&s);
    return code;
}

int tool_share(int argc, char **argv, const char *account)
{
    struct share_args args = {
        .state = "state", .account = account, .identifier = BUF_INIT(ACL_IDENTIFIER_MOST)};
    struct tool_words words = {.most = 3};
    const struct tool_option options[] = {
        {"--state", &args.state, NULL}, {"--config", &args.config, NULL}, {NULL, NULL, NULL}};
    int code = tool_parse(argc, argv, options, USAGE, &words);
    if (code != EXIT_FINE) {
        return code;
    }
    if (words.count != 3) {
        return tool_fail(EXIT_USAGE, "usage: %s", USAGE);
    }
    if (account[0] == '\0') {
        return tool_fail(EXIT_USAGE, "no account is shared: set shared_account in limetta.conf");
    }
    args.mailbox = words.at[0];
    struct scan c = scan_make(STR_EMPTY);
    scan_mod_rights(&c, str_from_c(words.at[2]), &args.mod);
    if (!scan_is_ok(&c)) {
        return tool_fail(EXIT_USAGE, "%s: rights are some of lrswipkxtecda, with + or - in front",
                         words.at[2]);
    }
    code = prepare_identifier(words.at[1], &args.identifier);
    code = code == EXIT_FINE ? open_and_share(&args) : code;
    buf_release(&args.identifier);
    return code;
}
