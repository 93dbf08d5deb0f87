/* limetta verify: checks an account's stored mail against everything it says about itself.
 *
 *     limetta verify --user NAME [--state DIR]
 *
 * Prints one line a problem; exit code 0 when there are none, 1 when there are. */
#include "tools/tool.h"

#include <stdio.h>

static const char USAGE[] = "limetta verify --user NAME [--state DIR]";

static void on_problem(void *owner, const char *line)
{
    unsigned *problems = owner;
    (*problems)++;
    (void)printf("%s\n", line);
}

int tool_verify(int argc, char **argv)
{
    const char *user = NULL;
    const char *state = "state";
    struct tool_words words = {.most = 0};
    unsigned problems = 0;
    const struct tool_option options[] = {
        {"--user", &user, NULL}, {"--state", &state, NULL}, {NULL, NULL, NULL}};
    int code = tool_parse(argc, argv, options, USAGE, &words);
    if (code != EXIT_FINE) {
        return code;
    }
    if (user == NULL) {
        return tool_fail(EXIT_USAGE, "verify needs a user; usage: %s", USAGE);
    }
    struct store *store;
    struct account *account;
    enum err e = tool_open_store(state, &store);
    if (e != ERR_OK) {
        return tool_fail(tool_exit_code(e), "%s: %s", state, tool_explain(e));
    }
    code = tool_open_account(store, user, false, &account);
    if (code == EXIT_FINE) {
        e = account_verify(account, on_problem, &problems);
        account_unref(&account);
        (void)printf("%s: %u problems\n", user, problems);
        code = problems > 0 ? EXIT_NOT_SO : tool_exit_code(e);
    }
    store_free(&store);
    return code;
}
