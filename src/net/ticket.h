#ifndef LIMETTA_NET_TICKET_H
#define LIMETTA_NET_TICKET_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

/* A ticket is auth's word to store and submit that a session may act for a user. Ed25519-signed octets: readable by
 * everyone, made only by auth, accepted once. See ticket.c for the byte table. */
enum service { SERVICE_IMAP, SERVICE_SUBMIT, SERVICE_SIEVE, SERVICE_ACAP };

enum { TICKET_NONCE_SIZE = 16, TICKET_ID_SIZE = 16, TICKET_USER_MOST = 255 };
/* How long auth makes a ticket live. A checker refuses tickets that expire later than TICKET_LIFE_MOST_MS from now. */
enum { TICKET_LIFE_MS = 30 * 1000, TICKET_LIFE_MOST_MS = 5 * 60 * 1000 };
/* How long after a login auth gives a fresh ticket for one that came too late to be used. */
enum { TICKET_RENEW_MS = 2 * 60 * 1000 };

struct ticket {
    struct str user;      /* authorization id: whose account */
    struct str auth_user; /* authentication id, when somebody acts for user; else equal */
    enum service service;
    struct str edge_id; /* the edge that may use it */
    uint8_t
        nonce[TICKET_NONCE_SIZE]; /* the edge's session nonce: binds it to one client connection */
    uint8_t id[TICKET_ID_SIZE];   /* makes it unique, for the once-only check */
    uint64_t since_ms;            /* Unix time, ms: when the user logged in */
    uint64_t expires_ms;          /* the same: its end */
};

struct ticket_signer;  /* private key: auth only */
struct ticket_checker; /* public key and the ids seen */

/* A new key pair as PEM; private_pem and public_pem are appended to. Errors: ERR_IO, ERR_LIMIT. */
MUST_USE enum err ticket_make_keys(struct buf *private_pem, struct buf *public_pem);
/* Reads a PEM key. Errors: ERR_SYNTAX (no Ed25519 key). */
MUST_USE enum err ticket_signer_new(struct str private_pem, struct ticket_signer **out);
void ticket_signer_free(struct ticket_signer **s);
/* Fills t->id and appends the signed octets. Names are 1 to TICKET_USER_MOST octets.
 * Errors: ERR_TOO_LONG (a name), ERR_LIMIT (out is full), ERR_IO (OpenSSL failed). */
MUST_USE enum err ticket_issue(struct ticket_signer *s, struct ticket *t, struct buf *out);
/* The same for whoever shows one of ours that cannot be used, because the process it was for is another now: appends a ticket for the same
 * session that lives anew, at most TICKET_RENEW_MS after the login. edge_id: of the edge that asks; now_ms: Unix time. Errors:
 * ERR_TICKET (it is not for this edge, not ours, or the login is too long ago); those of ticket_issue(). */
MUST_USE enum err ticket_renew(struct ticket_signer *s, struct str octets, struct str edge_id,
                               uint64_t now_ms, struct buf *out);

MUST_USE enum err ticket_checker_new(struct str public_pem, struct ticket_checker **out);
void ticket_checker_free(struct ticket_checker **c);
/* Refuses tickets that were made before now_ms (Unix time), because a checker that lived then may have accepted them:
 * so a process that starts again does not accept a ticket a second time. */
void ticket_checker_begin(struct ticket_checker *c, uint64_t now_ms);
/* What a ticket is shown for. */
struct ticket_use {
    enum service service;
    struct str edge_id;   /* of the edge it came through */
    const uint8_t *nonce; /* TICKET_NONCE_SIZE octets, from the open message it came in */
    uint64_t now_ms;      /* Unix time */
};
/* Verifies signature, service, edge, nonce, expiry, and that it was not used before; remembers it until it expires.
 * out borrows from octets. Errors: ERR_TICKET_OLD (rightly signed, but older than this
 * process, which does not know whether it was used), ERR_TICKET for every other reason (it goes to the log, not to the peer). */
MUST_USE enum err ticket_check(struct ticket_checker *c, struct str octets,
                               const struct ticket_use *use, struct ticket *out);
/* Reads the fields without any check (the edge uses it to route). Errors: ERR_SYNTAX. */
MUST_USE enum err ticket_read(struct str octets, struct ticket *out);

/* Which of `workers` store workers owns the account. */
unsigned ticket_get_worker(struct str user, unsigned workers);

#endif
