#ifndef LIMETTA_TOOLS_SIEVE_H
#define LIMETTA_TOOLS_SIEVE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "sieve/run.h"
#include "store/store.h"

#include <stdbool.h>

/* What the files of `limetta sieve` share. */

struct sieve_args {
    const char *user;
    const char *state;
    const char *from;
    const char *to;
    bool is_json;
    bool is_traced;
    const char *words[2]; /* behind the subcommand; NULL: not given */
};

enum { SIEVE_TOOL_FILE_MOST = 128 * 1024 * 1024 };

/* Appends the file; "-" is standard input. Says on standard error why not; returns an exit code. */
int sieve_tool_read(const char *path, struct buf *out);
/* Compiles with the limits of a server, but for the size. Errors: as sieve_compile(). */
MUST_USE enum err sieve_tool_compile_text(struct str text, struct sieve_script **out,
                                          struct sieve_error *error);
/* Compiles the script of a file. What is wrong with it is said as "file:line: text" on standard error (or, for --json, on standard
 * output). Returns an exit code; EXIT_FINE: *out is set. */
int sieve_tool_compile(const struct sieve_args *args, const char *path, struct sieve_script **out);

/* The subcommands; they return exit codes. */
int sieve_tool_check(const struct sieve_args *args);
int sieve_tool_run(const struct sieve_args *args);
int sieve_tool_put(const struct sieve_args *args);
int sieve_tool_get(const struct sieve_args *args);
int sieve_tool_list(const struct sieve_args *args);
int sieve_tool_activate(const struct sieve_args *args);
int sieve_tool_deactivate(const struct sieve_args *args);
int sieve_tool_rename(const struct sieve_args *args);
int sieve_tool_remove(const struct sieve_args *args);

/* ---- what a run asks for (sieve_world.c) ---- */

/* An account as a script sees it: its mailboxes, annotations, scripts. */
struct sieve_world {
    struct account *account; /* NULL: there is none, and nothing exists */
    struct arena *arena;     /* answers live here */
    void (*trace)(void *owner, uint32_t line, struct str text);
    void *trace_owner;
};
/* Callbacks; the run's owner is a struct sieve_world. */
extern const struct sieve_host SIEVE_WORLD_HOST;

/* ---- what is shown (sieve_show.c) ---- */

struct sieve_show;
/* Shows lines of the trace at once (text), or with the rest (JSON). */
struct sieve_show *sieve_show_new(const struct sieve_args *args);
void sieve_show_free(struct sieve_show **s);
/* As struct sieve_host has it; owner: a struct sieve_show. */
void sieve_show_trace(void *owner, uint32_t line, struct str text);
/* Prints what the run led to. */
void sieve_show_result(struct sieve_show *s, const struct sieve_result *r);
/* Prints {"file": path, "ok": ..., ...}. error: NULL when it is fine; then extensions are those that it requires. */
void sieve_show_check(const char *path, const struct sieve_error *error, struct str extensions);
/* Prints the scripts of a. Errors: those of account_script_next(). */
MUST_USE enum err sieve_show_list(const struct sieve_args *args, struct account *a);

#endif
