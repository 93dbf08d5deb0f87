#ifndef LIMETTA_MAIN_CONFINE_SYS_H
#define LIMETTA_MAIN_CONFINE_SYS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* The two kernel mechanisms behind confine(); confine.c says which role keeps what. Used by confine.c only. */
enum keep_files { FILES_NONE, FILES_FOLDER };
enum keep_calls { CALLS_ACCEPT = 1, CALLS_FILES = 2, CALLS_CONNECT = 4 };

struct keep {
    enum keep_files files; /* may it use its folder */
    const char *const
        *reads;     /* paths that it may read as well; ends with NULL; missing ones are skipped */
    unsigned calls; /* enum keep_calls, or-ed */
    uint64_t fds_most;
};

/* Is this a sanitizer build? They look for leaks by ptrace, and need system calls of their own. */
bool confine_is_sanitized(void);
/* Landlock. dir: the folder of FILES_FOLDER, "" for none. ERR_OK with a log line when the kernel lacks it.
 * Errors: ERR_IO (errno says why). */
MUST_USE enum err confine_files(const struct keep *keep, const char *dir);
/* seccomp; needs no_new_privs. Errors: ERR_IO (errno says why). */
MUST_USE enum err confine_calls(const struct keep *keep);

#endif
