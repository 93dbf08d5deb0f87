/* limetta user: who may log in.
 *
 *     limetta user add NAME --password-stdin [--state DIR]
 *     limetta user add NAME --outside [--state DIR]
 *     limetta user passwd NAME --password-stdin|--outside [--kick] [--state DIR]
 *     limetta user list [--state DIR]
 *     limetta user delete NAME --yes [--with-mail] [--state DIR]
 *     limetta user quota NAME [--storage KIB] [--messages N] [--mailboxes N] [--state DIR]
 *
 * Writes the verifier database that a running auth reads; every change counts from the next login on. Sessions that are there end with
 * their user (tools/kick.h), or when --kick says so. Mail and login are
 * two things: an account's folder comes with its first use, and stays when its user is deleted, unless --with-mail. The
 * password comes on standard input, because a command line is for all to see; with --outside there is none here, and the servers that the
 * configuration names are asked. */
#include "tools/tool.h"

#include "auth/names.h"
#include "auth/users.h"
#include "store/quota.h"
#include "tools/kick.h"
#include "tools/user_quota.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char USAGE[] =
    "limetta user add|passwd|list|delete|quota [NAME] [--password-stdin] [--outside] [--kick] "
    "[--yes] [--with-mail] [--storage KIB] [--messages N] [--mailboxes N] "
    "[--state DIR] [--config FILE]";

struct user_args {
    const char *state;
    const char *config; /* read by our caller */
    bool is_stdin;
    bool is_outside;
    bool is_yes;
    bool is_with_mail;
    bool is_kick;
    const char *limits[QUOTA_RESOURCE_COUNT];
    struct str name; /* prepared */
    const struct verifier_cost *cost;
    struct users *users;
};

/* The first line of standard input, prepared. */
static int read_password(struct buf *out)
{
    char line[PASSWORD_MOST + 2];
    struct str first = tool_read_secret(line, sizeof(line));
    int code = EXIT_FINE;
    if (first.n == 0) {
        code = tool_fail(EXIT_USAGE, "the password on standard input is empty");
    } else if (password_prepare(first, true, out) != ERR_OK) {
        code = tool_fail(EXIT_USAGE,
                         "that cannot be a password: at most %d octets of UTF-8 without control "
                         "characters",
                         PASSWORD_MOST);
    }
    explicit_bzero(line, sizeof(line));
    return code;
}

static int make_verifier(const struct user_args *a, struct verifier *out)
{
    if (a->is_outside == a->is_stdin) {
        return tool_fail(EXIT_USAGE,
                         "say --password-stdin and give the password there, or --outside when "
                         "somebody else knows it");
    }
    if (a->is_outside) {
        return verifier_make_outside(out) == ERR_OK ? EXIT_FINE
                                                    : tool_fail(EXIT_ENVIRONMENT, "no randomness");
    }
    struct buf password = BUF_INIT(PASSWORD_MOST + 1);
    int code = read_password(&password);
    if (code == EXIT_FINE && verifier_make(buf_str(&password), a->cost, out) != ERR_OK) {
        code = tool_fail(EXIT_ENVIRONMENT, "not enough memory for Argon2id");
    }
    if (password.p != NULL) {
        explicit_bzero(password.p, password.size);
    }
    buf_release(&password);
    return code;
}

static int fail_change(enum err e, struct str name)
{
    if (e == ERR_EXISTS) {
        return tool_fail(EXIT_NOT_SO, "user %.*s exists already; limetta user passwd changes it",
                         STR_ARG(name));
    }
    if (e == ERR_NOT_FOUND) {
        return tool_fail(EXIT_NOT_SO, "there is no user %.*s", STR_ARG(name));
    }
    return tool_fail(tool_exit_code(e), "user %.*s: %s", STR_ARG(name), tool_explain(e));
}

/* After the change, so that whoever comes back meets it. */
static int end_sessions(const struct user_args *a)
{
    bool is_running = false;
    int code = kick_user(a->state, a->name, NULL, &is_running);
    if (code == EXIT_FINE && !is_running) {
        (void)printf("no server runs with %s, so no session was ended\n", a->state);
    }
    return code;
}

static int add(struct user_args *a)
{
    struct verifier v;
    int code = make_verifier(a, &v);
    code = code == EXIT_FINE ? tool_open_users(a->state, true, &a->users) : code;
    if (code != EXIT_FINE) {
        return code;
    }
    enum err e = users_add(a->users, a->name, USER_PERSON, &v);
    if (e != ERR_OK) {
        return fail_change(e, a->name);
    }
    (void)printf("user %.*s added\n", STR_ARG(a->name));
    return EXIT_FINE;
}

static int passwd(struct user_args *a)
{
    struct verifier v;
    int code = make_verifier(a, &v);
    code = code == EXIT_FINE ? tool_open_users(a->state, false, &a->users) : code;
    if (code != EXIT_FINE) {
        return code;
    }
    enum err e = users_set(a->users, a->name, &v);
    if (e != ERR_OK) {
        return fail_change(e, a->name);
    }
    (void)printf("password of %.*s changed; it counts from the next login on\n", STR_ARG(a->name));
    return a->is_kick ? end_sessions(a) : EXIT_FINE;
}

/* Removes the account's folder; was_user: there was such a user, too. */
static int delete_mail(const struct user_args *a, bool was_user)
{
    struct store *store;
    enum err e = tool_open_store(a->state, &store);
    if (e == ERR_OK) {
        e = store_delete_account(store, a->name);
        store_free(&store);
    }
    if (e == ERR_NOT_FOUND && was_user) {
        (void)printf("user %.*s deleted; there was no mail\n", STR_ARG(a->name));
        return EXIT_FINE;
    }
    if (e == ERR_IN_USE) {
        return tool_fail(EXIT_ENVIRONMENT,
                         "user %.*s can no longer log in, but the account is still open in the "
                         "server; its mail is there until you say the same again, in a minute",
                         STR_ARG(a->name));
    }
    if (e != ERR_OK) {
        return fail_change(e, a->name);
    }
    (void)printf("user %.*s deleted, with all mail\n", STR_ARG(a->name));
    return EXIT_FINE;
}

static int delete_user(struct user_args *a)
{
    if (!a->is_yes) {
        return tool_fail(
            EXIT_USAGE, "deleting user %.*s ends its logins and %s; say --yes to do it",
            STR_ARG(a->name), a->is_with_mail ? "removes its mail for ever" : "keeps its mail");
    }
    int code = tool_open_users(a->state, false, &a->users);
    if (code != EXIT_FINE) {
        return code;
    }
    enum err e = users_delete(a->users, a->name);
    bool goes_on = e == ERR_OK || (a->is_with_mail && e == ERR_NOT_FOUND);
    if (!goes_on) {
        return fail_change(e, a->name);
    }
    int kicked = end_sessions(a);
    if (a->is_with_mail) {
        code = delete_mail(a, e == ERR_OK);
        return code == EXIT_FINE ? kicked : code;
    }
    (void)printf(
        "user %.*s deleted; its mail stays in %s/accounts, and comes back when the user is "
        "added again\n",
        STR_ARG(a->name), a->state);
    return kicked;
}

static void print_user(void *owner, struct str name, enum user_kind kind)
{
    (void)printf("%.*s%s\n", STR_ARG(name), kind == USER_ENTITY ? "\t(part of the server)" : "");
}

static int list(struct user_args *a)
{
    int code = tool_open_users(a->state, false, &a->users);
    if (code != EXIT_FINE) {
        return code;
    }
    enum err e = users_list(a->users, print_user, NULL);
    return e == ERR_OK ? EXIT_FINE : tool_fail(tool_exit_code(e), "users: %s", tool_explain(e));
}

static int quota(struct user_args *a)
{
    char name[NAME_MOST + 1];
    (void)snprintf(name, sizeof(name), "%.*s", STR_ARG(a->name));
    return user_quota(a->state, name, a->limits);
}

struct user_verb {
    const char *name;
    bool has_name;
    bool is_new;
    int (*run)(struct user_args *a);
};

static const struct user_verb *find_verb(const char *name)
{
    static const struct user_verb VERBS[] = {
        {"add", true, true, add},
        {"passwd", true, false, passwd},
        {"delete", true, false, delete_user},
        {"list", false, false, list},
        {"quota", true, false, quota},
    };
    for (size_t i = 0; i < sizeof(VERBS) / sizeof(VERBS[0]); i++) {
        if (name != NULL && strcmp(VERBS[i].name, name) == 0) {
            return &VERBS[i];
        }
    }
    return NULL;
}

int tool_user(int argc, char **argv, const struct verifier_cost *cost)
{
    struct user_args a = {.state = "state", .cost = cost};
    struct tool_words words = {.most = 2};
    const struct tool_option options[] = {{"--state", &a.state, NULL},
                                          {"--config", &a.config, NULL},
                                          {"--password-stdin", NULL, &a.is_stdin},
                                          {"--outside", NULL, &a.is_outside},
                                          {"--yes", NULL, &a.is_yes},
                                          {"--kick", NULL, &a.is_kick},
                                          {"--with-mail", NULL, &a.is_with_mail},
                                          {"--storage", &a.limits[QUOTA_STORAGE], NULL},
                                          {"--messages", &a.limits[QUOTA_MESSAGE], NULL},
                                          {"--mailboxes", &a.limits[QUOTA_MAILBOX], NULL},
                                          {NULL, NULL, NULL}};
    int code = tool_parse(argc, argv, options, USAGE, &words);
    if (code != EXIT_FINE) {
        return code;
    }
    const struct user_verb *verb = find_verb(words.at[0]);
    if (verb == NULL || verb->has_name != (words.at[1] != NULL)) {
        return tool_fail(EXIT_USAGE, "usage: %s", USAGE);
    }
    struct buf name = BUF_INIT(NAME_MOST + 1);
    if (verb->has_name && name_prepare(str_from_c(words.at[1]), verb->is_new, &name) != ERR_OK) {
        buf_release(&name);
        return tool_fail(EXIT_USAGE,
                         "that cannot be a user's name: at most %d octets of UTF-8 without spaces, "
                         "control characters and '/'",
                         NAME_MOST);
    }
    a.name = buf_str(&name);
    code = verb->run(&a);
    users_close(&a.users);
    buf_release(&name);
    return code;
}
