/* limetta reload and limetta restart: asking the supervisor, and saying what came of it.
 *
 * A configuration that is wrong is found here first, by the same code, so that the reason stands where the operator looks; the
 * server reads it again for itself and says no likewise. */
#include "main/server_tools.h"

#include "main/control.h"
#include "main/desk.h"
#include "main/reload.h"
#include "tools/desk_link.h"
#include "tools/tool.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_MOST = 2048 };

/* Connects to the supervisor. Returns an exit code after one line on standard error. */
static int open_server(const char *state, int *fd)
{
    *fd = desk_link_open(state, "control");
    if (*fd >= 0) {
        return EXIT_FINE;
    }
    if (errno == EACCES || errno == EPERM) {
        return tool_fail(EXIT_ENVIRONMENT, "%s: %s", state, tool_explain(ERR_NO_PERMISSION));
    }
    return tool_fail(EXIT_NOT_SO, "no server answers at %s/run/control", state);
}

/* Asks, and gives the block that ends the answer (f, the caller's to release). Returns an exit code likewise. */
static int ask(int fd, struct str request, struct buf *answer, struct fields *f)
{
    if (desk_link_ask(fd, request, answer) != ERR_OK) {
        return tool_fail(EXIT_ENVIRONMENT, "the server stopped answering");
    }
    if (fields_parse(desk_link_find_end(buf_str(answer)), f) != ERR_OK) {
        return tool_fail(EXIT_ENVIRONMENT, "the server's answer makes no sense");
    }
    if (str_eq(fields_get(f, STR("result")), STR("ok"))) {
        return EXIT_FINE;
    }
    int code =
        tool_fail(EXIT_NOT_SO, "the server says no: %.*s", STR_ARG(fields_get(f, STR("why"))));
    fields_release(f);
    return code;
}

/* ---- reload ---- */

/* Reads what the server would read. */
static int look_beforehand(int fd)
{
    CLEANUP(buf_release) struct buf answer = BUF_INIT(DESK_ANSWER_MOST);
    CLEANUP(buf_release) struct buf report = BUF_INIT(DESK_ANSWER_MOST);
    struct fields f;
    struct state s = {.pid_fd = -1, .tls_cert = BUF_INIT(1)};
    char path[PATH_MAX];
    struct reload r;
    int code = ask(fd, STR("op=where\n"), &answer, &f);
    if (code != EXIT_FINE) {
        return code;
    }
    struct str config = fields_get(&f, STR("config"));
    (void)snprintf(s.dir, sizeof(s.dir), "%.*s", STR_ARG(fields_get(&f, STR("dir"))));
    (void)snprintf(path, sizeof(path), "%.*s", STR_ARG(config));
    if (fields_get_u64(&f, STR("tls"), 0) == 1) {
        buf_add_char(&s.tls_cert, ' '); /* that there is one; not which */
    }
    code = reload_read(config.n > 0 ? path : NULL, NULL, &s, &r, &report);
    fields_release(&f);
    buf_release(&s.tls_cert);
    if (code != EXIT_FINE) {
        return EXIT_NOT_SO;
    }
    reload_release(&r);
    return EXIT_FINE;
}

static void print_change(const struct fields *f)
{
    struct str type = fields_get(f, STR("type"));
    struct str name = fields_get(f, STR("name"));
    struct str takes = fields_get(f, STR("takes"));
    if (str_eq(type, STR("certificate"))) {
        time_t until = (time_t)fields_get_u64(f, STR("until"), 0);
        struct tm utc;
        char day[32] = "?";
        if (gmtime_r(&until, &utc) != NULL) {
            (void)strftime(day, sizeof(day), "%Y-%m-%d", &utc);
        }
        (void)printf("certificate: in use, until %s\n", day);
    } else if (str_eq(takes, STR("now"))) {
        (void)printf("%.*s: in force\n", STR_ARG(name));
    } else if (str_eq(takes, STR("roles"))) {
        (void)printf("%.*s: in force after limetta restart %.*s\n", STR_ARG(name),
                     STR_ARG(fields_get(f, STR("roles"))));
    } else if (str_eq(type, STR("setting"))) {
        (void)printf("%.*s: needs a restart of the server; the old value stays\n", STR_ARG(name));
    }
}

static void print_changes(struct str answer)
{
    struct fields f;
    bool is_same = true;
    while (desk_link_next(&answer, &f)) {
        is_same = is_same && str_eq(fields_get(&f, STR("type")), STR("end"));
        print_change(&f);
        fields_release(&f);
    }
    if (is_same) {
        (void)printf("nothing has changed\n");
    }
}

int tool_reload(int argc, char **argv)
{
    static const char USAGE[] = "limetta reload [--state DIR]";
    CLEANUP(buf_release) struct buf answer = BUF_INIT(DESK_ANSWER_MOST);
    const char *state = "state";
    struct tool_words words = {.most = 0};
    struct fields f;
    int fd = -1;
    const struct tool_option options[] = {{"--state", &state, NULL}, {NULL, NULL, NULL}};
    int code = tool_parse(argc, argv, options, USAGE, &words);
    code = code == EXIT_FINE ? open_server(state, &fd) : code;
    if (code != EXIT_FINE) {
        return code;
    }
    code = look_beforehand(fd);
    code = code == EXIT_FINE ? ask(fd, STR("op=reload\n"), &answer, &f) : code;
    if (code == EXIT_FINE) {
        print_changes(buf_str(&answer));
        fields_release(&f);
    }
    (void)close(fd);
    return code;
}

/* ---- restart ---- */

/* ROLE or ROLE.N; all but one word of it are the request's. */
static int write_restart(const struct tool_words *words, struct buf *out)
{
    CLEANUP(buf_release) struct buf roles = BUF_INIT(REQUEST_MOST);
    uint64_t index = 0;
    bool has_index = false;
    for (int i = 0; i < words->count; i++) {
        struct str number = str_from_c(words->at[i]);
        struct str role = str_split(&number, '.');
        if (number.n > 0 && (words->count > 1 || !str_to_u64(number, CONTROL_INDEX_MOST, &index))) {
            return tool_fail(EXIT_USAGE, "%s: one role with a number, or several without",
                             words->at[i]);
        }
        has_index = number.n > 0;
        buf_addf(&roles, "%s%.*s", i > 0 ? " " : "", STR_ARG(role));
    }
    fields_add(out, STR("op"), STR("restart"));
    fields_add(out, STR("roles"), buf_str(&roles));
    if (has_index) {
        fields_add_u64(out, STR("index"), index);
    }
    return EXIT_FINE;
}

static void print_restarted(struct str answer)
{
    struct fields f;
    while (desk_link_next(&answer, &f)) {
        if (str_eq(fields_get(&f, STR("type")), STR("restarted"))) {
            (void)printf(
                "%.*s.%.*s: serves again, process %.*s\n", STR_ARG(fields_get(&f, STR("role"))),
                STR_ARG(fields_get(&f, STR("index"))), STR_ARG(fields_get(&f, STR("pid"))));
        }
        fields_release(&f);
    }
}

int tool_restart(int argc, char **argv)
{
    static const char USAGE[] =
        "limetta restart store|auth|submit|convert|verify|gate|all-but-edge | store.N [--state "
        "DIR]";
    CLEANUP(buf_release) struct buf answer = BUF_INIT(DESK_ANSWER_MOST);
    CLEANUP(buf_release) struct buf request = BUF_INIT(REQUEST_MOST);
    const char *state = "state";
    struct tool_words words = {.most = TOOL_WORDS_MOST};
    struct fields f;
    int fd = -1;
    const struct tool_option options[] = {{"--state", &state, NULL}, {NULL, NULL, NULL}};
    int code = tool_parse(argc, argv, options, USAGE, &words);
    if (code == EXIT_FINE && words.count == 0) {
        return tool_fail(EXIT_USAGE, "which role? usage: %s", USAGE);
    }
    code = code == EXIT_FINE ? write_restart(&words, &request) : code;
    code = code == EXIT_FINE ? open_server(state, &fd) : code;
    if (code != EXIT_FINE) {
        return code;
    }
    code = ask(fd, buf_str(&request), &answer, &f);
    print_restarted(buf_str(&answer));
    if (code == EXIT_FINE) {
        fields_release(&f);
    }
    (void)close(fd);
    return code;
}
