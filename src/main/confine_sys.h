#ifndef LIMETTA_MAIN_CONFINE_SYS_H
#define LIMETTA_MAIN_CONFINE_SYS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* The two kernel mechanisms behind confine(); confine.c says which role keeps what. Used by confine.c and by
 * convert_child.c, which confines the programs that convert runs. */
enum keep_files { FILES_NONE, FILES_FOLDER, FILES_PROGRAMS };
enum keep_calls {
    CALLS_ACCEPT = 1,
    CALLS_FILES = 2,
    CALLS_CONNECT = 4,
    CALLS_FORK = 8,  /* start programs, each with less than this one has */
    CALLS_TOOL = 16, /* be such a program: read files, no more */
    CALLS_UNIX = 32, /* make Unix sockets, too, with CALLS_CONNECT */
    CALLS_PAIR = 64  /* make pairs of Unix sockets */
};

struct keep {
    enum keep_files files; /* may it use its folder; PROGRAMS: to run what is in it */
    const char *const
        *reads;     /* paths that it may read as well; ends with NULL; missing ones are skipped */
    unsigned calls; /* enum keep_calls, or-ed */
    uint64_t fds_most;
};

/* Is this a sanitizer build? They look for leaks by ptrace, and need system calls of their own. */
bool confine_is_sanitized(void);
/* Landlock. dir: the folder of FILES_FOLDER or FILES_PROGRAMS, "" for none. ERR_OK with a log line when the kernel lacks it.
 * Errors: ERR_IO (errno says why). */
MUST_USE enum err confine_files(const struct keep *keep, const char *dir);
/* Does this kernel have Landlock? */
bool confine_has_landlock(void);
/* seccomp; needs no_new_privs. Errors: ERR_IO (errno says why). */
MUST_USE enum err confine_calls(const struct keep *keep);

#endif
