#ifndef LIMETTA_BASE_ERR_H
#define LIMETTA_BASE_ERR_H

#include <stdbool.h>

/* Why something failed. ERR_OK is zero; every other value is a row of err.def. */
enum err {
    ERR_OK = 0,
#define ERR(name, meaning, imap, code, smtp, enhanced, text) ERR_##name,
#include "base/err.def"
#undef ERR
    ERR_COUNT
};

/* How an incremental thing goes on: finished, needs another call, or broken. */
enum step { STEP_DONE, STEP_MORE, STEP_BAD };

/* One row of err.def. Every string is static and never NULL. */
struct err_info {
    const char *name;     /* "NO_MAILBOX" */
    const char *meaning;  /* for the log */
    bool is_bad;          /* true: IMAP BAD, false: IMAP NO */
    const char *code;     /* IMAP response code without brackets, or "" */
    int smtp;             /* SMTP reply code */
    const char *enhanced; /* "5.1.1" */
    const char *text;     /* for a person */
};

#define MUST_USE __attribute__((warn_unused_result))

/* Says that a failure changes nothing any more: what was tried was only a courtesy. */
static inline void err_ignore(enum err e)
{
    (void)e;
}

/* Returns from the calling function when expr is not ERR_OK. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        enum err try_err_ = (expr);                                                                \
        if (try_err_ != ERR_OK) {                                                                  \
            return try_err_;                                                                       \
        }                                                                                          \
    } while (0)

/* Releases a local at the end of its scope: CLEANUP(buf_cleanup) struct buf b = ...; */
#define CLEANUP(fn) __attribute__((cleanup(fn), unused))

/* The row of e; for ERR_OK a row that says "OK". Never fails. */
const struct err_info *err_get_info(enum err e);

/* The err for an errno value: ENOSPC and EDQUOT are ERR_NO_SPACE, ENOENT ERR_NOT_FOUND, else ERR_IO. */
enum err err_from_errno(int errnum);

#endif
