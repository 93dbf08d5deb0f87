/* limetta backup, limetta restore: an account as one moment saw it, and back.
 *
 *     limetta backup --user NAME [--state DIR] FOLDER      FOLDER must not exist
 *     limetta restore --user NAME [--state DIR] FOLDER     the account must not exist
 *
 * A backup may be taken while the server runs and writes. What is restored is told apart from what was there before: see
 * store/restore.c. Exit codes: 0 done, 1 not so (nothing there to copy, or something where the copy should go), 3 disk, rights. */
#include "tools/tool.h"

#include <stdio.h>

static const char BACKUP_USAGE[] = "limetta backup --user NAME [--state DIR] FOLDER";
static const char RESTORE_USAGE[] = "limetta restore --user NAME [--state DIR] FOLDER";

static int fail(const char *what, const char *user, const char *folder, bool is_restore, enum err e)
{
    switch ((int)e) {
    case ERR_EXISTS:
        return is_restore
                   ? tool_fail(EXIT_NOT_SO,
                               "account %s has mail here: take it away first (limetta user "
                               "delete %s --with-mail, then add the user again)",
                               user, user)
                   : tool_fail(EXIT_NOT_SO, "%s is there already: name a new folder", folder);
    case ERR_NOT_FOUND:
        return is_restore ? tool_fail(EXIT_NOT_SO, "%s holds no backup", folder)
                          : tool_fail(EXIT_NOT_SO, "account %s has no mail here yet", user);
    default:
        return tool_fail(tool_exit_code(e), "%s %s: %s", what, user, tool_explain(e));
    }
}

static int run(int argc, char **argv, bool is_restore)
{
    const char *user = NULL;
    const char *state = "state";
    const char *usage = is_restore ? RESTORE_USAGE : BACKUP_USAGE;
    struct tool_words words = {.most = 1};
    const struct tool_option options[] = {
        {"--user", &user, NULL}, {"--state", &state, NULL}, {NULL, NULL, NULL}};
    int code = tool_parse(argc, argv, options, usage, &words);
    if (code != EXIT_FINE) {
        return code;
    }
    if (user == NULL || words.count != 1) {
        return tool_fail(EXIT_USAGE, "%s needs a user and a folder; usage: %s", argv[0], usage);
    }
    CLEANUP(buf_release) struct buf name = BUF_INIT(0);
    code = tool_prepare_name(user, &name);
    if (code != EXIT_FINE) {
        return code;
    }
    struct store *store;
    struct str folder = str_from_c(words.at[0]);
    enum err e = tool_open_store(state, &store);
    if (e != ERR_OK) {
        return tool_fail(tool_exit_code(e), "%s: %s", state, tool_explain(e));
    }
    e = is_restore ? store_restore_account(store, buf_str(&name), folder)
                   : store_backup_account(store, buf_str(&name), folder);
    store_free(&store);
    return e == ERR_OK ? EXIT_FINE : fail(argv[0], user, words.at[0], is_restore, e);
}

int tool_backup(int argc, char **argv)
{
    return run(argc, argv, false);
}

int tool_restore(int argc, char **argv)
{
    return run(argc, argv, true);
}
