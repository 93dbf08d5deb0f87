/* limetta kick: the end of all sessions of a user, live and parked, at every edge.
 *
 *     limetta kick USER [--service imap|submission|sieve] [--state DIR]
 *
 * Sessions only: whoever has the password logs in again. `limetta user delete` does the same by itself, and `limetta user passwd` with
 * --kick, after the change, so that who is sent away meets it when he comes back. */
#include "tools/kick.h"

#include "auth/names.h"
#include "auth/users.h"
#include "tools/desk_link.h"
#include "tools/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_MOST = 64 * 1024, REQUEST_MOST = 2048 };

static uint64_t get(const struct fields *f, const char *key)
{
    return fields_get_u64(f, str_from_c(key), 0);
}

static int say(const struct fields *f, struct str user)
{
    struct str missed = fields_get(f, STR("missed"));
    uint64_t imap = get(f, "imap");
    uint64_t submission = get(f, "submission");
    uint64_t sieve = get(f, "sieve");
    if (!str_eq(fields_get(f, STR("result")), STR("ok"))) {
        return tool_fail(EXIT_NOT_SO, "no session was ended: %.*s",
                         STR_ARG(fields_get(f, STR("why"))));
    }
    (void)printf("sessions of %.*s that were ended: %" PRIu64 " (%" PRIu64 " IMAP, %" PRIu64
                 " submission, %" PRIu64 " ManageSieve)\n",
                 STR_ARG(user), imap + submission + sieve, imap, submission, sieve);
    if (missed.n > 0) {
        return tool_fail(EXIT_NOT_SO, "not reached, so sessions there go on: %.*s",
                         STR_ARG(missed));
    }
    return EXIT_FINE;
}

int kick_user(const char *state, struct str user, const char *service, bool *is_running)
{
    CLEANUP(buf_release) struct buf request = BUF_INIT(REQUEST_MOST);
    CLEANUP(buf_release) struct buf answer = BUF_INIT(ANSWER_MOST);
    struct fields f;
    int fd = desk_link_open(state, "control");
    *is_running = fd >= 0;
    if (fd < 0 && (errno == EACCES || errno == EPERM)) {
        return tool_fail(EXIT_ENVIRONMENT, "%s: %s", state, tool_explain(ERR_NO_PERMISSION));
    }
    if (fd < 0) {
        return EXIT_FINE;
    }
    fields_add(&request, STR("op"), STR("kick"));
    fields_add(&request, STR("user"), user);
    fields_add(&request, STR("service"), str_from_c(service));
    enum err e = desk_link_ask(fd, buf_str(&request), &answer);
    (void)close(fd);
    if (e != ERR_OK || fields_parse(desk_link_find_end(buf_str(&answer)), &f) != ERR_OK) {
        return tool_fail(EXIT_ENVIRONMENT, "the server stopped answering");
    }
    int code = say(&f, user);
    fields_release(&f);
    return code;
}

static bool is_service(const char *name)
{
    return name == NULL || strcmp(name, "imap") == 0 || strcmp(name, "submission") == 0
           || strcmp(name, "sieve") == 0;
}

/* A name that nobody has is mostly mistyped; but sessions of a user who was deleted may be what is to end. */
static void warn_of_unknown(const char *state, struct str user)
{
    struct users *users = NULL;
    if (tool_open_users(state, false, &users) == EXIT_FINE
        && users_find(users, user, NULL, NULL) == ERR_NOT_FOUND) {
        (void)fprintf(stderr, "limetta: there is no user %.*s\n", STR_ARG(user));
    }
    users_close(&users);
}

int tool_kick(int argc, char **argv)
{
    static const char USAGE[] = "limetta kick USER [--service imap|submission|sieve] [--state DIR]";
    CLEANUP(buf_release) struct buf user = BUF_INIT(NAME_MOST + 1);
    const char *state = "state";
    const char *service = NULL;
    bool is_running = false;
    struct tool_words words = {.most = 1};
    const struct tool_option options[] = {
        {"--state", &state, NULL}, {"--service", &service, NULL}, {NULL, NULL, NULL}};
    int code = tool_parse(argc, argv, options, USAGE, &words);
    if (code != EXIT_FINE) {
        return code;
    }
    if (words.count != 1 || !is_service(service)) {
        return tool_fail(EXIT_USAGE, "usage: %s", USAGE);
    }
    if (name_prepare(str_from_c(words.at[0]), false, &user) != ERR_OK) {
        return tool_fail(EXIT_USAGE, "%s: that cannot be a user's name", words.at[0]);
    }
    code = kick_user(state, buf_str(&user), service, &is_running);
    if (code == EXIT_FINE && !is_running) {
        return tool_fail(EXIT_NOT_SO, "no server answers at %s/run/control", state);
    }
    if (code == EXIT_FINE) {
        warn_of_unknown(state, buf_str(&user));
    }
    return code;
}
