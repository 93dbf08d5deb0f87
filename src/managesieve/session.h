#ifndef LIMETTA_MANAGESIEVE_SESSION_H
#define LIMETTA_MANAGESIEVE_SESSION_H

#include "base/err.h"
#include "base/str.h"
#include "net/session.h"
#include "store/store.h"
#include "wire/managesieve.h"

#include <stdint.h>

/* An authenticated ManageSieve session (RFC 5804): it begins where the login ended, with the OK of AUTHENTICATE. */
struct managesieve_session_args {
    struct store *store;              /* borrowed for the session's life */
    struct session_host session_host; /* how to be stepped again; copied */
    struct str user;                  /* authorization id: whose scripts; copied */
    uint64_t script_most;             /* largest script taken, octets; as the store's */
    /* What CAPABILITY says; its strings are borrowed for the session's life, but for the mechanisms, which are copied. owner and
     * is_tls_offered are not looked at. */
    struct managesieve_capabilities capabilities;
};

/* Opens the account (making it at the first login). Errors: those of store_open_account(). */
MUST_USE enum err managesieve_session_new(const struct managesieve_session_args *args,
                                          struct session **out);
/* The same for a session that another process had: what it saved (net/session.h) is in r, borrowed for the call; the mechanisms
 * are in it, and not looked at in args. Errors: also ERR_UNSUPPORTED. */
MUST_USE enum err managesieve_session_resume(const struct managesieve_session_args *args,
                                             const struct session_resume *r, struct session **out);

#endif
