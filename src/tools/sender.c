/* limetta sender: what users may send as, besides the addresses whose mail reaches them.
 *
 *     limetta sender add USER ADDRESS [--state DIR]       ADDRESS: me@example.net, or @example.net for all of a domain
 *     limetta sender remove USER ADDRESS [--state DIR]
 *     limetta sender list [USER] [--state DIR]
 *
 * A running server knows at once. */
#include "tools/tool.h"

#include "auth/aliases.h"
#include "auth/names.h"

#include <stdio.h>
#include <string.h>

static const char USAGE[] = "limetta sender add|remove USER ADDRESS | list [USER] [--state DIR]";

static bool print_row(void *owner, struct str user, struct str address)
{
    (void)printf("%.*s\t%.*s\n", STR_ARG(user), STR_ARG(address));
    return true;
}

static int change(struct users *u, bool is_new, struct str user, struct str address)
{
    if (is_new && users_find(u, user, NULL, NULL) == ERR_NOT_FOUND) {
        return tool_fail(EXIT_NOT_SO, "there is no user %.*s", STR_ARG(user));
    }
    enum err e = is_new ? sender_add(u, user, address) : sender_remove(u, user, address);
    if (e == ERR_EXISTS || e == ERR_NOT_FOUND) {
        return tool_fail(EXIT_NOT_SO, "%.*s %s to send as %.*s", STR_ARG(user),
                         e == ERR_EXISTS ? "was allowed before" : "was not allowed",
                         STR_ARG(address));
    }
    if (e != ERR_OK) {
        return tool_fail(tool_exit_code(e), "%s", tool_explain(e));
    }
    (void)printf("%.*s may %s send as %.*s\n", STR_ARG(user), is_new ? "now" : "no longer",
                 STR_ARG(address));
    return EXIT_FINE;
}

static int run(struct users *u, const struct tool_words *words)
{
    CLEANUP(buf_release) struct buf user = BUF_INIT(NAME_MOST + 1);
    CLEANUP(buf_release) struct buf address = BUF_INIT(4 * NAME_MOST);
    bool is_new = strcmp(words->at[0], "add") == 0;
    int code = words->at[1] == NULL ? EXIT_FINE : tool_prepare_name(words->at[1], &user);
    if (code != EXIT_FINE) {
        return code;
    }
    if (strcmp(words->at[0], "list") == 0) {
        enum err e = sender_list(u, buf_str(&user), print_row, NULL);
        return e == ERR_OK ? EXIT_FINE : tool_fail(tool_exit_code(e), "%s", tool_explain(e));
    }
    struct str raw = str_from_c(words->at[2]);
    if (str_find_char(raw, '@') == raw.n || address_prepare(raw, is_new, &address) != ERR_OK) {
        return tool_fail(EXIT_USAGE, "%s is no address", words->at[2]);
    }
    return change(u, is_new, buf_str(&user), buf_str(&address));
}

int tool_sender(int argc, char **argv)
{
    const char *state = "state";
    const char *config = NULL;
    struct tool_words words = {.most = 3};
    const struct tool_option options[] = {
        {"--state", &state, NULL}, {"--config", &config, NULL}, {NULL, NULL, NULL}};
    int code = tool_parse(argc, argv, options, USAGE, &words);
    if (code != EXIT_FINE) {
        return code;
    }
    const char *verb = words.count > 0 ? words.at[0] : "";
    bool is_list = strcmp(verb, "list") == 0 && words.count <= 2;
    bool is_change = (strcmp(verb, "add") == 0 || strcmp(verb, "remove") == 0) && words.count == 3;
    if (!is_list && !is_change) {
        return tool_fail(EXIT_USAGE, "usage: %s", USAGE);
    }
    struct users *u = NULL;
    code = tool_open_users(state, false, &u);
    code = code == EXIT_FINE ? run(u, &words) : code;
    users_close(&u);
    return code;
}
