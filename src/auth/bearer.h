#ifndef LIMETTA_AUTH_BEARER_H
#define LIMETTA_AUTH_BEARER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

/* The messages of SASL mechanisms that bring an OAuth 2 bearer token: OAUTHBEARER (RFC 7628), and XOAUTH2, which came before it and
 * which many programs still speak. */

enum { BEARER_USER_MOST = 512 };

/* What the client said. user: the authorization id as it was given, unescaped; empty: the token says who it is. */
struct bearer {
    char user_octets[BEARER_USER_MOST];
    struct str user;  /* in user_octets */
    struct str token; /* borrows from the message */
};

/* Reads the client's first message. is_x: of XOAUTH2. Errors: ERR_SYNTAX (also: a channel binding, which this mechanism has not),
 * ERR_TOO_LONG (the user). */
MUST_USE enum err bearer_parse(struct str message, bool is_x, struct bearer *out);
/* What a client is told of a token that does not do (RFC 7628, 3.2.2), before it gives up. scope, configuration: may be empty. */
void bearer_write_refusal(struct buf *out, bool is_x, struct str scope, struct str configuration);

#endif
