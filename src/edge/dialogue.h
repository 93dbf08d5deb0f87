#ifndef LIMETTA_EDGE_DIALOGUE_H
#define LIMETTA_EDGE_DIALOGUE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "edge/login.h"
#include "net/ticket.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is said before a client is logged in, without I/O: octets in, octets out, and what it wants of whoever runs it.
 * One for IMAP, one for submission, one for ManageSieve. */
struct dialogue;

/* RFC 5383, D45. */
enum tls_policy { TLS_OFF, TLS_OFFERED, TLS_REQUIRED };

/* What a client did wrong so far. */
struct dialogue_grudges {
    unsigned faults;   /* commands that made no sense */
    unsigned failures; /* logins that failed */
};

/* What ManageSieve tells of scripts (RFC 5804, 1.7); borrowed. */
struct dialogue_sieve {
    struct str extensions; /* words between spaces */
    struct str methods;    /* of notifications; the same */
    struct str redirects;  /* a number */
    bool has_unauthenticate;
};

struct dialogue_args {
    struct str hostname; /* borrowed */
    enum tls_policy tls;
    bool has_certificate;     /* false: STARTTLS is answered "not available" */
    bool may_plaintext;       /* PLAIN and LOGIN without TLS, when TLS is not required */
    bool has_tokens;          /* OAUTHBEARER and XOAUTH2, where PLAIN may be used */
    bool is_without_scram;    /* passwords are elsewhere, where SCRAM cannot be checked */
    uint64_t message_most;    /* for EHLO's SIZE */
    uint64_t recipients_most; /* for EHLO's LIMITS */
    uint64_t hold_most_s;     /* for EHLO's FUTURERELEASE; 0: not offered */
    int64_t now_s;            /* Unix time when the client came, for the same */
    struct dialogue_sieve sieve;
    struct str heartbeat_clients; /* wire/heartbeats.h; borrowed */
    /* The client has been here before (RFC 8437): it is not greeted, and its faults are not forgotten. */
    bool is_back;
    struct dialogue_grudges grudges;
};

struct dialogue *dialogue_new_imap(const struct dialogue_args *args);
struct dialogue *dialogue_new_submission(const struct dialogue_args *args);
struct dialogue *dialogue_new_sieve(const struct dialogue_args *args);
void dialogue_free(struct dialogue **d);

/* Copies octets in. Stop while the backlog is above DIALOGUE_BACKLOG_MOST. */
enum { DIALOGUE_BACKLOG_MOST = 32 * 1024, DIALOGUE_OUTPUT_MOST = 16 * 1024 };
void dialogue_feed(struct dialogue *d, struct str octets);
size_t dialogue_get_backlog(const struct dialogue *d);

enum dialogue_want {
    DIALOGUE_INPUT,  /* feed it */
    DIALOGUE_OUTPUT, /* more to say: step again */
    DIALOGUE_TLS, /* send the output, then start TLS, then dialogue_on_tls(); octets fed so far are forgotten. Said once */
    DIALOGUE_ASK, /* put dialogue_get_question() to auth; answer by dialogue_on_challenge(), _yes() or _no() */
    DIALOGUE_WAIT,   /* an answer is due */
    DIALOGUE_CANCEL, /* the client gave up: forget the question; step again */
    DIALOGUE_OPEN, /* logged in: open the session, hand over get_rest(); or dialogue_on_open_failed() */
    DIALOGUE_CLOSE /* send the output, then end */
};

/* Goes on; appends to out. */
enum dialogue_want dialogue_step(struct dialogue *d, struct buf *out);
/* How many commands were handled so far: what tells a slow peer from a busy one. */
uint64_t dialogue_get_commands(const struct dialogue *d);

struct dialogue_grudges dialogue_get_grudges(const struct dialogue *d);
/* What the client said that it is, as heartbeats_find_client() has it; 0: it did not say, or only before TLS. */
uint16_t dialogue_get_heartbeat_s(const struct dialogue *d);

/* TLS is there: the handshake is done. has_binding: tls_get_binding() has data. */
void dialogue_on_tls(struct dialogue *d, bool has_binding);

struct login_question dialogue_get_question(const struct dialogue *d);
void dialogue_on_challenge(struct dialogue *d, struct str data);
void dialogue_on_yes(struct dialogue *d, struct str data);
void dialogue_on_no(struct dialogue *d, enum err why);

/* With DIALOGUE_OPEN: the tag of the command that logged in, the name that EHLO gave, or (ManageSieve) the SASL mechanisms. */
struct str dialogue_get_name(const struct dialogue *d);
/* With DIALOGUE_OPEN: octets that came behind the login, for the session. */
struct str dialogue_get_rest(const struct dialogue *d);
/* The session cannot be opened: the login fails, the dialogue goes on. */
void dialogue_on_open_failed(struct dialogue *d);

/* Last words for a connection that ends at our wish: "* BYE ...", "421 ..." or "BYE ...". */
void dialogue_write_bye(struct buf *out, enum service service, struct str hostname, enum err why);

#endif
