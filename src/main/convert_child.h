#ifndef LIMETTA_MAIN_CONVERT_CHILD_H
#define LIMETTA_MAIN_CONVERT_CHILD_H

#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

/* A program that converts, started so that it can do nothing else: a fresh process with standard input, standard output, and
 * no other descriptor; no network; no file but what it is executed from, read only; no other program; limits on time, memory
 * and what it opens. The program dies with the process that started it. */
struct convert_child {
    const char *const *argv; /* [0] is the program's path; ends with NULL */
    const char *const
        *reads;      /* folders and files that it may read besides libraries; ends with NULL */
    uint64_t time_s; /* of the processor */
    uint64_t memory; /* address space, octets */
    int in;          /* borrowed; read from its beginning */
};

/* Exit code of a child that could not give up its rights, and so did not run its program. */
enum { CONVERT_CHILD_CANNOT = 125 };

/* *out: the end to read from, the caller's to close, not blocking. Errors: ERR_IO. */
MUST_USE enum err convert_child_start(const struct convert_child *c, pid_t *pid, int *out);

#endif
