/* limetta sieve: scripts at a shell.
 *
 *     limetta sieve check FILE [--json]
 *     limetta sieve run FILE MESSAGE [--from A] [--to B] [--user U [--state DIR]] [--trace] [--json]
 *     limetta sieve put NAME FILE --user U [--state DIR]
 *     limetta sieve get NAME --user U [--state DIR]
 *     limetta sieve list --user U [--state DIR] [--json]
 *     limetta sieve activate NAME --user U [--state DIR]
 *     limetta sieve deactivate --user U [--state DIR]
 *     limetta sieve rename NAME NEW --user U [--state DIR]
 *     limetta sieve remove NAME --user U [--state DIR]
 *
 * check and run need no server and no account. run shows what a script would do with a message and does nothing; with --user the
 * mailboxes, annotations and scripts that it asks for are the account's, else there are none. The others open the account in this
 * process, so they are refused while a server has it open: its user has ManageSieve then. FILE and MESSAGE may be "-".
 *
 * Exit codes: 0 fine; 1 the script is wrong, failed, or is not there; 2 usage; 3 files, rights, disk, an account in use. */
#include "tools/sieve.h"

#include "tools/tool.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const char USAGE[] =
    "limetta sieve check FILE [--json] | run FILE MESSAGE [--from A] [--to B] [--user U] [--trace] "
    "[--json] | put NAME FILE | get NAME | list [--json] | activate NAME | deactivate | "
    "rename NAME NEW | remove NAME --user U [--state DIR]";

int sieve_tool_read(const char *path, struct buf *out)
{
    char part[64 * 1024];
    size_t n;
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *f = is_stdin ? stdin : fopen(path, "re");
    if (f == NULL) {
        return tool_fail(EXIT_ENVIRONMENT, "%s: %s", path, strerrordesc_np(errno));
    }
    while (!out->is_full && (n = fread(part, 1, sizeof(part), f)) > 0) {
        buf_add(out, str_make(part, n));
    }
    int code = EXIT_FINE;
    if (ferror(f) != 0) {
        code = tool_fail(EXIT_ENVIRONMENT, "%s: %s", path, strerrordesc_np(errno));
    } else if (out->is_full) {
        code = tool_fail(EXIT_NOT_SO, "%s: larger than this tool takes", path);
    }
    if (!is_stdin) {
        (void)fclose(f);
    }
    return code;
}

enum err sieve_tool_compile_text(struct str text, struct sieve_script **out,
                                 struct sieve_error *error)
{
    struct sieve_limits limits;
    sieve_limits_init(&limits);
    limits.script_octets = SIEVE_TOOL_FILE_MOST; /* how large it may be is the server's to say */
    return sieve_compile(text, &(struct sieve_config){.limits = &limits, .has_imap_events = true},
                         out, error);
}

int sieve_tool_compile(const struct sieve_args *args, const char *path, struct sieve_script **out)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(SIEVE_TOOL_FILE_MOST);
    struct sieve_error error = {.line = 0};
    int code = sieve_tool_read(path, &text);
    if (code != EXIT_FINE) {
        return code;
    }
    enum err e = sieve_tool_compile_text(buf_str(&text), out, &error);
    if (e == ERR_OK) {
        return EXIT_FINE;
    }
    if (args->is_json) {
        sieve_show_check(path, &error, STR_EMPTY);
    } else if (error.line > 0) {
        (void)fprintf(stderr, "%s:%u: %s\n", path, error.line, error.text);
    } else {
        (void)fprintf(stderr, "%s: %s\n", path, error.text);
    }
    return EXIT_NOT_SO;
}

static void on_warning(void *owner, uint32_t line, struct str text)
{
    const char *path = owner;
    (void)fprintf(stderr, "%s:%u: warning: %.*s\n", path, line, STR_ARG(text));
}

int sieve_tool_check(const struct sieve_args *args)
{
    struct sieve_script *script = NULL;
    int code = sieve_tool_compile(args, args->words[0], &script);
    if (code == EXIT_FINE) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof(path), "%s", args->words[0]);
        sieve_script_warn(script, NULL, on_warning, path);
    }
    if (code == EXIT_FINE && args->is_json) {
        CLEANUP(buf_release) struct buf extensions = BUF_INIT(4096);
        sieve_script_write_extensions(script, &extensions);
        sieve_show_check(args->words[0], NULL, buf_str(&extensions));
    }
    sieve_script_free(&script);
    return code;
}

struct subcommand {
    const char *name;
    int words;
    bool needs_user;
    int (*run)(const struct sieve_args *args);
};

static const struct subcommand SUBCOMMANDS[] = {
    {"check", 1, false, sieve_tool_check},
    {"run", 2, false, sieve_tool_run},
    {"put", 2, true, sieve_tool_put},
    {"get", 1, true, sieve_tool_get},
    {"list", 0, true, sieve_tool_list},
    {"activate", 1, true, sieve_tool_activate},
    {"deactivate", 0, true, sieve_tool_deactivate},
    {"rename", 2, true, sieve_tool_rename},
    {"remove", 1, true, sieve_tool_remove},
};

int tool_sieve(int argc, char **argv)
{
    struct sieve_args args = {.state = "state"};
    struct tool_words words = {.most = TOOL_WORDS_MOST};
    const struct tool_option options[] = {{"--user", &args.user, NULL},
                                          {"--state", &args.state, NULL},
                                          {"--from", &args.from, NULL},
                                          {"--to", &args.to, NULL},
                                          {"--json", NULL, &args.is_json},
                                          {"--trace", NULL, &args.is_traced},
                                          {NULL, NULL, NULL}};
    int code = tool_parse(argc, argv, options, USAGE, &words);
    if (code != EXIT_FINE) {
        return code;
    }
    for (size_t i = 0; words.count > 0 && i < sizeof(SUBCOMMANDS) / sizeof(SUBCOMMANDS[0]); i++) {
        const struct subcommand *c = &SUBCOMMANDS[i];
        if (strcmp(c->name, words.at[0]) != 0) {
            continue;
        }
        if (words.count != c->words + 1 || (c->needs_user && args.user == NULL)) {
            return tool_fail(EXIT_USAGE, "sieve %s needs %s%s; usage: %s", c->name,
                             c->words == 0   ? ""
                             : c->words == 1 ? "one word"
                                             : "two words",
                             !c->needs_user  ? ""
                             : c->words == 0 ? "--user"
                                             : " and --user",
                             USAGE);
        }
        args.words[0] = words.at[1];
        args.words[1] = words.at[2];
        return c->run(&args);
    }
    return tool_fail(EXIT_USAGE, "usage: %s", USAGE);
}
