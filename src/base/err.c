/* Failures and their answers.
 *
 * A failure is one enumerator; what each protocol says about it stands in one table, err.def, and nowhere
 * else. So an IMAP client and an SMTP client that hit the same wall read the same sentence, and a new kind of
 * failure is one row. This file only turns the table into an array. */
#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum condition { NO, BAD };

static const struct err_info INFO[ERR_COUNT] = {
    [ERR_OK] = {"OK", "no failure", false, "", 250, "2.0.0", "OK"},
#define ERR(name, meaning, imap, code, smtp, enhanced, text)                                       \
    [ERR_##name] = {#name, meaning, (imap) == BAD, code, smtp, enhanced, text},
#include "base/err.def"
#undef ERR
};

const struct err_info *err_get_info(enum err e)
{
    assert((unsigned)e < ERR_COUNT);
    return &INFO[e];
}

enum err err_from_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return ERR_OK;
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case ENOENT:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
        return ERR_NO_PERMISSION;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return ERR_UNREACHABLE;
    case EPIPE:
    case ECONNRESET:
        return ERR_PEER_GONE;
    default:
        return ERR_IO;
    }
}
