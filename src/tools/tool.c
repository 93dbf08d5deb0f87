/* What every tool needs: reading options, failing in one clear line, opening an account by itself.
 *
 * Tools open the store directly, in their own process. An account has one owner at a time (a lock file), so a tool
 * that meets a running server's open account is told so instead of damaging anything; the server lets go of an
 * account soon after its last session ended. */
#include "tools/tool.h"

#include "auth/names.h"
#include "auth/users.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct tool_option *find_option(const struct tool_option *options, const char *word)
{
    for (; options->name != NULL; options++) {
        if (strcmp(options->name, word) == 0) {
            return options;
        }
    }
    return NULL;
}

static int fail_usage(const char *word, const char *why, const char *usage)
{
    (void)fprintf(stderr, "limetta: %s: %s; usage: %s\n", word, why, usage);
    return EXIT_USAGE;
}

int tool_parse(int argc, char **argv, const struct tool_option *options, const char *usage,
               struct tool_words *words)
{
    words->count = 0;
    for (int i = 1; i < argc; i++) {
        const struct tool_option *option = find_option(options, argv[i]);
        if (option != NULL && option->value == NULL) {
            *option->is_set = true;
        } else if (option != NULL && i + 1 < argc && argv[i + 1][0] != '\0') {
            *option->value = argv[++i];
        } else if (option != NULL) {
            return fail_usage(argv[i], "needs a value", usage);
        } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            return fail_usage(argv[i], "unknown option", usage);
        } else if (words->count < words->most) {
            words->at[words->count++] = argv[i];
        } else {
            return fail_usage(argv[i], "one word too many", usage);
        }
    }
    return EXIT_FINE;
}

int tool_fail(int code, const char *format, ...)
{
    va_list args;
    (void)fputs("limetta: ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return code;
}

const char *tool_explain(enum err e)
{
    return e == ERR_NO_PERMISSION ? "permission denied; run this as its owner, or as root"
                                  : err_get_info(e)->meaning;
}

int tool_exit_code(enum err e)
{
    switch ((int)e) {
    case ERR_OK:
        return EXIT_FINE;
    case ERR_NO_SPACE:
    case ERR_NO_PERMISSION:
    case ERR_IO:
    case ERR_IN_USE:
        return EXIT_ENVIRONMENT;
    default:
        return EXIT_NOT_SO;
    }
}

static uint64_t wall_ms(void *owner)
{
    struct timespec now;
    (void)owner;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

enum err tool_open_store(const char *state, struct store **out)
{
    char dir[PATH_MAX];
    int n = snprintf(dir, sizeof(dir), "%s/accounts", state);
    if (n < 0 || (size_t)n >= sizeof(dir)) {
        return ERR_TOO_LONG;
    }
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return err_from_errno(errno);
    }
    struct store_config config = {.dir = str_from_c(dir), .now_ms = wall_ms};
    return store_new(&config, out);
}

int tool_prepare_name(const char *user, struct buf *name)
{
    buf_init(name, NAME_MOST + 1);
    if (name_prepare(str_from_c(user), false, name) != ERR_OK) {
        return tool_fail(EXIT_USAGE, "%s cannot be a user's name", user);
    }
    return EXIT_FINE;
}

static int find_user(const char *path, const char *user)
{
    CLEANUP(buf_release) struct buf name = BUF_INIT(0);
    struct users *users;
    int code = tool_prepare_name(user, &name);
    if (code != EXIT_FINE) {
        return code;
    }
    enum err e = users_open(path, &users);
    if (e == ERR_OK) {
        e = users_find(users, buf_str(&name), NULL, NULL);
        users_close(&users);
    }
    if (e == ERR_NOT_FOUND) {
        return tool_fail(EXIT_NOT_SO, "there is no user %s; limetta user add %s makes it", user,
                         user);
    }
    return e == ERR_OK ? EXIT_FINE : tool_fail(tool_exit_code(e), "%s: %s", path, tool_explain(e));
}

/* A host that keeps mail only has no users: they are elsewhere, and any name may be right. */
int tool_check_user(const char *state, const char *user)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/auth/users.db", state);
    if (n < 0 || (size_t)n >= sizeof(path) || access(path, F_OK) != 0) {
        return EXIT_FINE;
    }
    return find_user(path, user);
}

int tool_open_account(struct store *s, const char *user, bool must_create, struct account **out)
{
    CLEANUP(buf_release) struct buf name = BUF_INIT(0);
    int code = tool_prepare_name(user, &name);
    if (code != EXIT_FINE) {
        return code;
    }
    enum err e = store_open_account(s, buf_str(&name), must_create, out);
    switch ((int)e) {
    case ERR_OK:
        return EXIT_FINE;
    case ERR_IN_USE:
        return tool_fail(EXIT_ENVIRONMENT,
                         "account %s is open in a running server: end its sessions or stop the "
                         "server, then try again",
                         user);
    case ERR_SYNTAX:
        return tool_fail(EXIT_USAGE, "%s cannot be a user's name", user);
    case ERR_NOT_FOUND:
        return tool_fail(EXIT_NOT_SO, "account %s has no mail here yet", user);
    default:
        return tool_fail(tool_exit_code(e), "account %s: %s", user, tool_explain(e));
    }
}

struct commit_result {
    struct commit_wait wait;
    enum err e;
};

static void on_commit(struct commit_wait *w, enum err e)
{
    list_entry(w, struct commit_result, wait)->e = e;
}

enum err tool_commit(struct store *s, struct account *a)
{
    struct commit_result r = {.wait = {.on_commit = on_commit}, .e = ERR_OK};
    if (!account_has_pending(a)) {
        return ERR_OK;
    }
    list_init(&r.wait.node);
    account_wait_commit(a, &r.wait);
    store_commit(s);
    return r.e;
}

/* Makes the folder when it is missing. */
static enum err make_folder(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? ERR_OK : err_from_errno(errno);
}

int tool_open_users(const char *state, bool may_make, struct users **out)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/auth/users.db", state);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        return tool_fail(EXIT_USAGE, "--state: the path is too long");
    }
    enum err e = ERR_OK;
    if (may_make) {
        char folder[PATH_MAX];
        (void)snprintf(folder, sizeof(folder), "%s/auth", state);
        e = make_folder(state);
        e = e == ERR_OK ? make_folder(folder) : e;
    } else if (access(path, F_OK) != 0) {
        return errno == ENOENT
                   ? tool_fail(EXIT_NOT_SO,
                               "%s: no users yet; limetta user add NAME makes the first", path)
                   : tool_fail(EXIT_ENVIRONMENT, "%s: %s", path, strerrordesc_np(errno));
    }
    e = e == ERR_OK ? users_open(path, out) : e;
    if (e != ERR_OK) {
        return tool_fail(tool_exit_code(e), "%s: %s", path, tool_explain(e));
    }
    return EXIT_FINE;
}

struct str tool_read_secret(char *line, size_t size)
{
    size_t n = 0;
    ssize_t got;
    while (n < size && (got = read(STDIN_FILENO, line + n, size - n)) > 0) {
        n += (size_t)got;
    }
    struct str rest = str_make(line, n);
    struct str first = str_split(&rest, '\n');
    if (str_ends(first, STR("\r"))) {
        first.n--;
    }
    return first;
}
