#ifndef LIMETTA_TOOLS_TOOL_H
#define LIMETTA_TOOLS_TOOL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* What the command-line tools share: options, exit codes, an account opened outside a server. */

struct users;
struct verifier_cost;

enum exit_code { EXIT_FINE = 0, EXIT_NOT_SO = 1, EXIT_USAGE = 2, EXIT_ENVIRONMENT = 3 };

/* One option of a tool: "--user NAME". Tools list theirs, the last row has name NULL. */
struct tool_option {
    const char *name;   /* "--user" */
    const char **value; /* where the word behind it goes; NULL: a switch */
    bool *is_set;       /* a switch's place; NULL for options with a value */
};

/* The words of a command line that are no options. */
enum { TOOL_WORDS_MOST = 64 };
struct tool_words {
    int most; /* how many the tool takes; the caller sets it */
    int count;
    const char *at[TOOL_WORDS_MOST]; /* NULL behind count */
};

/* Reads options in any order; what is not an option goes to words. Returns EXIT_FINE, or EXIT_USAGE after one line on
 * standard error that says which word is wrong and shows usage. */
int tool_parse(int argc, char **argv, const struct tool_option *options, const char *usage,
               struct tool_words *words);

/* One line on standard error: "limetta: <what>"; returns code. */
int tool_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What the error means, in the words of somebody at a shell. */
const char *tool_explain(enum err e);
/* The exit code that fits: environment for space, rights and disk, else 1. */
int tool_exit_code(enum err e);

/* A store on <state>/accounts, in this process; that folder is made when only it is missing. Errors: as store_new(). */
MUST_USE enum err tool_open_store(const char *state, struct store **out);
/* Says so on standard error when the state folder has users, and none of this name. Returns an exit code. */
int tool_check_user(const char *state, const char *user);
/* Opens the verifier database of a state folder; may_make: also when there is none yet. Says on standard error why not.
 * Returns an exit code; the caller closes. */
int tool_open_users(const char *state, bool may_make, struct users **out);
/* The account's name for a name as people type it; says on standard error why not. Returns an exit code; the caller releases. */
int tool_prepare_name(const char *user, struct buf *name);
/* Opens the account of user (a name as people type it) and says on standard error why not. Returns an exit code. */
int tool_open_account(struct store *s, const char *user, bool must_create, struct account **out);
/* Commits what is pending and returns how that went. */
MUST_USE enum err tool_commit(struct store *s, struct account *a);

/* The first line of standard input, without its end, in line (size octets, which the caller wipes); cut off when it is longer. */
struct str tool_read_secret(char *line, size_t size);

/* A bar on a terminal, now and then a line elsewhere; on standard error. */
struct progress {
    const char *what; /* "import" */
    uint64_t total;   /* 0: unknown */
    uint64_t done;
    uint64_t octets;
    uint64_t started_ms;
    uint64_t shown_ms;
    bool is_terminal;
};
void progress_start(struct progress *p, const char *what, uint64_t total);
void progress_add(struct progress *p, uint64_t octets);
void progress_end(struct progress *p);

/* The tools; argv[0] is the tool's name. They return exit codes. */
int tool_import(int argc, char **argv);
int tool_export(int argc, char **argv);
int tool_verify(int argc, char **argv);
int tool_sieve(int argc, char **argv);
int tool_check(int argc, char **argv);
int tool_backup(int argc, char **argv);
int tool_restore(int argc, char **argv);
/* cost: of new passwords; --config is accepted, and read by the caller. */
int tool_user(int argc, char **argv, const struct verifier_cost *cost);
/* domains: the local ones, separated by spaces; delimiters: what begins a detail. */
int tool_alias(int argc, char **argv, struct str domains, struct str delimiters);
int tool_sender(int argc, char **argv);
int tool_status(int argc, char **argv);
int tool_kick(int argc, char **argv);
/* account: the shared one, as configured; "": there is none. */
int tool_share(int argc, char **argv, const char *account);

/* What it needs of the configuration. */
struct tool_queue_config {
    struct str hostname;
    uint64_t lifetime_ms; /* of reports */
};
int tool_queue(int argc, char **argv, const struct tool_queue_config *config);

#endif
