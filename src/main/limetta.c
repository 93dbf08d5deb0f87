/* limetta: one name for the supervisor and the tools; the first word says which.
 *
 * A tool that root runs on a state folder of somebody else (the system user of a server that root started) leaves what it
 * made to that user, or the server could not read it. */
#include "auth/names.h"
#include "auth/verifier.h"
#include "main/config.h"
#include "main/firewall.h"
#include "main/listen.h"
#include "main/link_cert.h"
#include "main/doctor.h"
#include "main/serve.h"
#include "main/server_tools.h"
#include "main/state.h"
#include "tools/firewall.h"
#include "tools/tool.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The word behind an option, or fallback: for what is needed before the tool itself reads its options. */
static const char *find_option(int argc, char **argv, const char *name, const char *fallback)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return argv[i + 1];
        }
    }
    return fallback;
}

static int run_user(int argc, char **argv)
{
    struct config *c = NULL;
    enum err e = config_read(find_option(argc, argv, "--config", NULL), &c);
    if (e != ERR_OK) {
        return e == ERR_SYNTAX ? EXIT_USAGE : EXIT_ENVIRONMENT;
    }
    struct verifier_cost cost = {
        .argon2_passes = config_get_u64(c, CONFIG_argon2_passes),
        .argon2_memory_octets = config_get_u64(c, CONFIG_argon2_memory),
        .scram_iterations = (uint32_t)config_get_u64(c, CONFIG_scram_iterations),
    };
    config_free(&c);
    return tool_user(argc, argv, &cost);
}

static int run_alias(int argc, char **argv)
{
    struct config *c = NULL;
    enum err e = config_read(find_option(argc, argv, "--config", NULL), &c);
    if (e != ERR_OK) {
        return e == ERR_SYNTAX ? EXIT_USAGE : EXIT_ENVIRONMENT;
    }
    serve_complete_config(c);
    int code = tool_alias(argc, argv, config_get(c, CONFIG_domains),
                          config_get(c, CONFIG_recipient_delimiter));
    config_free(&c);
    return code;
}

static int run_share(int argc, char **argv)
{
    struct config *c = NULL;
    enum err e = config_read(find_option(argc, argv, "--config", NULL), &c);
    if (e != ERR_OK) {
        return e == ERR_SYNTAX ? EXIT_USAGE : EXIT_ENVIRONMENT;
    }
    char account[NAME_MOST + 1];
    (void)snprintf(account, sizeof(account), "%.*s", STR_ARG(config_get(c, CONFIG_shared_account)));
    config_free(&c);
    return tool_share(argc, argv, account);
}

static int run_queue(int argc, char **argv)
{
    struct config *c = NULL;
    enum err e = config_read(find_option(argc, argv, "--config", NULL), &c);
    if (e != ERR_OK) {
        return e == ERR_SYNTAX ? EXIT_USAGE : EXIT_ENVIRONMENT;
    }
    struct tool_queue_config config = {config_get(c, CONFIG_hostname),
                                       config_get_u64(c, CONFIG_queue_lifetime_s) * 1000};
    int code = tool_queue(argc, argv, &config);
    config_free(&c);
    return code;
}

static int run_firewall(int argc, char **argv)
{
    struct config *c = NULL;
    struct firewall_config needs;
    const char *text = find_option(argc, argv, "--port-offset", NULL);
    uint64_t offset = 0;
    enum err e = config_read(find_option(argc, argv, "--config", NULL), &c);
    if (e != ERR_OK) {
        return e == ERR_SYNTAX ? EXIT_USAGE : EXIT_ENVIRONMENT;
    }
    int code = EXIT_FINE;
    if (text == NULL) {
        offset = config_get_u64(c, CONFIG_port_offset);
    } else if (!str_to_u64(str_from_c(text), PORT_OFFSET_MOST, &offset)) {
        code =
            tool_fail(EXIT_USAGE, "--port-offset must be a number from 0 to %d", PORT_OFFSET_MOST);
    }
    if (code == EXIT_FINE) {
        firewall_gather(c, (unsigned)offset, &needs);
        code = tool_firewall(argc, argv, &needs);
    }
    config_free(&c);
    return code;
}

static int print_version(int argc, char **argv)
{
    (void)printf("limetta %s\n", LIMETTA_VERSION);
    return EXIT_FINE;
}

static int print_help(int argc, char **argv);

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    bool has_state;    /* works on a state folder, as a tool */
    const char *usage; /* lines without the name; NULL: as that of another row */
};

static const struct command COMMANDS[] = {
    {"serve", serve, false, "[--state DIR] [--config FILE] [--listen ADDR] [--port-offset N]\n"},
    {"doctor", tool_doctor, false,
     "[--config FILE] [--state DIR] [--listen ADDR] [--port-offset N] [--json] [--strict]\n"},
    {"status", tool_status, false, "[--json] [--watch] [--state DIR]\n"},
    {"reload", tool_reload, false, "[--state DIR]\n"},
    {"restart", tool_restart, false,
     "store|auth|submit|convert|all-but-edge ... | store.N [--state DIR]\n"},
    {"kick", tool_kick, false, "USER [--service imap|submission|sieve] [--state DIR]\n"},
    {"user", run_user, true,
     "add|passwd NAME --password-stdin|--outside [--kick] [--state DIR]\n"
     "list [--state DIR]\n"
     "delete NAME --yes [--with-mail] [--state DIR]\n"
     "quota NAME [--storage KIB] [--messages N] [--mailboxes N] [--state DIR]\n"},
    {"alias", run_alias, true,
     "add ADDRESS TARGET... | remove ADDRESS [TARGET...] [--state DIR]\n"
     "list [ADDRESS] | import FILE [--skip] [--state DIR] [--config FILE]\n"},
    {"sender", tool_sender, true, "add|remove USER ADDRESS | list [USER] [--state DIR]\n"},
    {"import", tool_import, true, "--user NAME [--mailbox NAME] [--state DIR] PATH\n"},
    {"export", tool_export, true, "--user NAME [--mailbox NAME] [--state DIR] PATH\n"},
    {"verify", tool_verify, true, "--user NAME [--state DIR]\n"},
    {"backup", tool_backup, true, "--user NAME [--state DIR] FOLDER\n"},
    {"restore", tool_restore, true, "--user NAME [--state DIR] FOLDER\n"},
    {"check", tool_check, false,
     "HOST [--from client|submission] [--user NAME --password-stdin] [--long] [--json] "
     "[--port-offset N] ...\n"},
    {"share", run_share, true, "MAILBOX IDENTIFIER RIGHTS [--state DIR] [--config FILE]\n"},
    {"sieve", tool_sieve, true,
     "check FILE [--json]\n"
     "run FILE MESSAGE [--from A] [--to B] [--user NAME] [--trace] [--json] [--state DIR]\n"
     "put NAME FILE | get NAME | list [--json] | activate NAME | deactivate --user NAME "
     "[--state DIR]\n"
     "rename NAME NEW | remove NAME --user NAME [--state DIR]\n"},
    {"queue", run_queue, true,
     "[list] [ID ...] [--sender ADDRESS] [--recipient ADDRESS] [--domain DOMAIN] [--held] [--all] "
     "[--json] [--live]\n"
     "show ID ... [--json]\n"
     "hold|release|flush|remove [--bounce] ID ... | --all | [--sender ADDRESS] "
     "[--recipient ADDRESS] [--domain DOMAIN] [--held]\n"},
    {"firewall", run_firewall, false,
     "print|table [--layout one-host|dmz] [--outside IF] [--dmz IF] [--inside IF] "
     "[--imap ADDRESSES] [--submission ADDRESSES] [--store ADDRESSES] "
     "[--submission-zone dmz|inside] [--config FILE] [--port-offset N]\n"},
    {"link-cert", link_cert, false,
     "ca [--days N] [--state DIR]\n"
     "issue NAME --roles \"ROLE ...\" --out FOLDER [--days N] [--renew] [--state DIR]\n"
     "show [FILE ...] [--state DIR]\n"},
    {"--version", print_version, false, "\n"},
    {"--help", print_help, false, NULL},
    {"help", print_help, false, NULL},
};

enum { COMMAND_COUNT = sizeof(COMMANDS) / sizeof(COMMANDS[0]) };

/* The lines of one command, or of all (NULL). */
static void print_usage(FILE *to, const char *name)
{
    const char *before = "usage: ";
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *c = &COMMANDS[i];
        const char *line = name == NULL || strcmp(name, c->name) == 0 ? c->usage : NULL;
        while (line != NULL && *line != '\0') {
            size_t n = strcspn(line, "\n");
            (void)fprintf(to, "%slimetta %s%s%.*s\n", before, c->name, n > 0 ? " " : "", (int)n,
                          line);
            before = "       ";
            line += n + 1;
        }
    }
    (void)fputs("limetta(1) says more.\n", to);
}

static int print_help(int argc, char **argv)
{
    print_usage(stdout, NULL);
    return EXIT_FINE;
}

static bool is_help_wanted(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            return true;
        }
    }
    return false;
}

/* After a tool of root's: the folder's owner owns what is in it. */
static int give_back(int argc, char **argv, int code)
{
    const char *dir = find_option(argc, argv, "--state", "state");
    struct stat st;
    if (geteuid() != 0 || stat(dir, &st) != 0 || st.st_uid == 0) {
        return code;
    }
    enum err e = state_give(dir, st.st_uid, st.st_gid);
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return tool_fail(EXIT_ENVIRONMENT, "%s: cannot give new files to its owner", dir);
    }
    return code;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr, NULL);
        return EXIT_USAGE;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *c = &COMMANDS[i];
        if (strcmp(c->name, argv[1]) == 0) {
            if (c->usage != NULL && is_help_wanted(argc, argv)) {
                print_usage(stdout, c->name);
                return EXIT_FINE;
            }
            (void)umask(077);
            int code = c->run(argc - 1, argv + 1);
            return c->has_state ? give_back(argc - 1, argv + 1, code) : code;
        }
    }
    return tool_fail(EXIT_USAGE, "there is no command %s; limetta --help lists them", argv[1]);
}
