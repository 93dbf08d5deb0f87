#ifndef LIMETTA_MAIN_CONVERT_TOOLS_H
#define LIMETTA_MAIN_CONVERT_TOOLS_H

#include "base/buf.h"
#include "base/str.h"
#include "convert/params.h"
#include "convert/registry.h"

#include <limits.h>
#include <stdint.h>

/* The programs that convert, and how they are told what to do. */
enum { TOOL_ARGS_MOST = 30, TOOL_WORD_MOST = 128 };

struct tool_command {
    const char *argv[TOOL_ARGS_MOST + 1];
    char words[TOOL_ARGS_MOST][TOOL_WORD_MOST]; /* what argv holds that is not constant */
    char program[PATH_MAX];
    const char *const *reads; /* what it reads besides libraries */
};

/* What this machine has, bits (1 << enum convert_tool). dir: where our own programs are. Runs a few of them: before the
 * process is confined. */
unsigned convert_tools_probe(const char *dir);
struct tool_task {
    enum convert_tool tool;
    struct str from; /* media types */
    struct str to;
    const struct convert_settings *settings;
    uint64_t pixels; /* the most that may be decoded */
};
/* How to convert. dir as above. */
void convert_tools_write(const struct tool_task *task, const char *dir, struct tool_command *out);

#endif
