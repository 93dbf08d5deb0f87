#ifndef LIMETTA_AUTH_EXCHANGE_H
#define LIMETTA_AUTH_EXCHANGE_H

#include "auth/verifier.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

/* One SASL exchange (RFC 4422), the server's side. Over libgsasl: PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 and
 * SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677; channel bindings RFC 5929, RFC 9266). Our own: OAUTHBEARER (RFC 7628) and XOAUTH2.
 * Octets in, octets out; base64 and the protocol around it are the edge's. */
struct sasl;
struct exchange;

enum { EXCHANGE_MESSAGE_MOST = 12 * 1024 };

enum exchange_state {
    EXCHANGE_CHALLENGE, /* send the challenge (may be empty), step again with the answer */
    EXCHANGE_PASSWORD,  /* name and password are there; the caller checks them */
    EXCHANGE_TOKEN,     /* a bearer token is there; the caller has it checked */
    EXCHANGE_YES,       /* the client proved who it is; out is the server's last message */
    EXCHANGE_NO         /* failed; the exchange is over */
};

/* find: fills *out with the verifier of the account, or with one that nobody's password fits, made up the same way every
 * time for the same name. */
struct sasl *sasl_new(void (*find)(void *owner, struct str name, struct verifier *out),
                      void *owner);
/* Exchanges that are left keep what they need of it. */
void sasl_free(struct sasl **s);

/* cb_type: "tls-exporter", "tls-unique" or empty; cb: its octets. For a mechanism without -PLUS they serve to notice a
 * downgrade (RFC 5802, 6). Errors: ERR_UNSUPPORTED (unknown mechanism, or -PLUS without a channel binding). */
MUST_USE enum err exchange_new(struct sasl *s, struct str mechanism, struct str cb_type,
                               struct str cb, struct exchange **out);
/* Wipes what it knows. */
void exchange_free(struct exchange **x);
/* The client's first message came with its command (RFC 4959), so the next step is no request for a challenge. Without this
 * the first step may have an empty message, and asks for one. */
void exchange_begin_unasked(struct exchange *x);
/* One message of the client; out is appended to. An empty first message of the client fails: no mechanism here has one. */
enum exchange_state exchange_step(struct exchange *x, struct str message, struct buf *out);

/* After EXCHANGE_TOKEN: the token does not do. Appends what the client is to be told (a challenge); its answer, whatever it is, leads to
 * EXCHANGE_NO. scope, configuration: as of bearer_write_refusal(). */
void exchange_refuse_token(struct exchange *x, struct str scope, struct str configuration,
                           struct buf *out);
bool exchange_is_refused(const struct exchange *x);

/* Valid after EXCHANGE_PASSWORD, EXCHANGE_YES and EXCHANGE_NO; borrowed until the exchange is freed. Empty when the client
 * gave none, or none that could be an account. Prepared (names.h). */
struct str exchange_get_user(const struct exchange *x);
/* The authorization id the client asked for, prepared; the user's name when it asked for none. */
struct str exchange_get_authzid(const struct exchange *x);
/* After EXCHANGE_PASSWORD only; prepared. */
struct str exchange_get_password(const struct exchange *x);
/* After EXCHANGE_TOKEN only. Whose it is, the token's issuer says: the user stays empty, the authorization id is what the client gave,
 * as it gave it, or empty. */
struct str exchange_get_token(const struct exchange *x);

#endif
