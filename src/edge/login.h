#ifndef LIMETTA_EDGE_LOGIN_H
#define LIMETTA_EDGE_LOGIN_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

/* A login attempt as the edge sees it: SASL messages (RFC 4422) that go from client to auth and back, unread. Only the
 * mechanism LOGIN is spoken here, because auth knows it as PLAIN. Protocol neutral: who owns it writes "+ " or "334 ",
 * and does the base64. */

/* Which mechanisms a client may use now. */
struct login_offer {
    bool has_plaintext; /* PLAIN and LOGIN: TLS, or allowed without */
    bool has_scram;
    bool has_binding; /* SCRAM-SHA-256-PLUS: inside TLS, and the channel can be bound */
    bool has_tokens;  /* OAUTHBEARER and XOAUTH2: the same, and somebody can judge tokens */
};

/* Appends the mechanisms with prefix before and a space between them: "AUTH=PLAIN AUTH=SCRAM-SHA-256". */
void login_write_mechanisms(struct buf *out, struct login_offer offer, struct str prefix);

enum login_next {
    LOGIN_SAY,       /* give the client login_get_challenge(), then hear its answer */
    LOGIN_ASK,       /* put login_get_question() to auth */
    LOGIN_SUCCEEDED, /* auth said yes, and the client heard all it must */
    LOGIN_FAILED     /* see err */
};

enum login_op { LOGIN_START, LOGIN_CONTINUE };

struct login_question {
    enum login_op op;
    struct str mechanism; /* static text */
    struct str
        data; /* with LOGIN_START the client's first message, else its answer; borrowed until the next call */
};

struct login {
    struct str mechanism; /* static; empty: no attempt under way */
    int state;
    bool is_asked_before; /* auth has an exchange for it */
    struct buf data;      /* secret: wiped */
    struct buf name;
    enum err err;
};

void login_init(struct login *l);
void login_release(struct login *l);

/* Begins an attempt. initial: the client's first message, when has_initial.
 * Fails with ERR_UNSUPPORTED (no such mechanism), ERR_TLS_REQUIRED (not without TLS). */
enum login_next login_begin(struct login *l, struct login_offer offer, struct str mechanism,
                            bool has_initial, struct str initial);
/* Begins one with a name and a password (IMAP LOGIN). */
enum login_next login_begin_password(struct login *l, struct login_offer offer, struct str name,
                                     struct str password);
/* The client answered a challenge. */
enum login_next login_answer(struct login *l, struct str octets);

/* Auth's replies. */
enum login_next login_on_challenge(struct login *l, struct str data);
/* data: the server's last message, which the client must hear and answer with nothing. */
enum login_next login_on_yes(struct login *l, struct str data);
enum login_next login_on_no(struct login *l, enum err why);

struct str login_get_challenge(const struct login *l);
struct login_question login_get_question(const struct login *l);

#endif
