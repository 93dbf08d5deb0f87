#ifndef LIMETTA_VERIFY_INTROSPECT_H
#define LIMETTA_VERIFY_INTROSPECT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "net/http.h"

#include <stdint.h>

/* OAuth 2 access tokens checked by asking their issuer (RFC 7662). */
struct introspector;

enum {
    INTROSPECTIONS_MOST = 256,
    INTROSPECT_ANSWER_MOST = 64 * 1024,
    INTROSPECT_TIMEOUT_MS = 10 * 1000
};

/* Borrowed for the introspector's life. */
struct introspector_config {
    struct loop *loop;
    struct http *http;
    struct str url;       /* of the issuer's introspection */
    struct str client_id; /* who we are there (RFC 6749, 2.3.1); empty: nobody in particular */
    struct str client_secret;
    struct str claim;    /* the member of the answer that names the user */
    struct str scope;    /* that the token must have; empty: any */
    struct str audience; /* that it must be for; empty: any */
};

struct introspector *introspector_new(const struct introspector_config *config);
void introspector_free(struct introspector **i);
/* token is copied (and wiped). on_done, perhaps at once: ERR_OK and whose it is (borrowed for the call), ERR_AUTH_FAILED, or
 * ERR_UNAVAILABLE. */
void introspector_check(struct introspector *i, struct str token,
                        void (*on_done)(void *owner, enum err e, struct str user), void *owner);

/* Reads an issuer's answer at now_s (Unix time); user is appended to. Errors: ERR_AUTH_FAILED (not active, too old, or not for us),
 * ERR_SYNTAX (no such answer). */
MUST_USE enum err introspect_read(const struct introspector_config *config, struct str json,
                                  int64_t now_s, struct buf *user);

#endif
