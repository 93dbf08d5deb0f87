#ifndef LIMETTA_SMTP_CLIENT_PRIV_H
#define LIMETTA_SMTP_CLIENT_PRIV_H

/* What client.c (the dialogue), client_say.c (the commands), client_fit.c (what the server can do for the message) and client_outcomes.c
 * share. Nobody else includes this. */
#include "smtp/client.h"
#include "wire/smtp_framing.h"

enum client_state {
    AT_GREETING,
    AT_EHLO,
    AT_HELO,
    AT_STARTTLS,
    AT_TLS,
    AT_AUTH,
    AT_LOGIN_NAME,
    AT_LOGIN_PASSWORD,
    AT_RSET,
    AT_MAIL,
    AT_RCPT,
    AT_DATA,
    AT_CONTENT,
    AT_CHUNK,
    AT_FINAL,
    AT_IDLE,
    AT_DONE,
    CLIENT_STATE_COUNT
};

/* What the server offers, by its last EHLO. */
struct client_offer {
    bool has_starttls;
    bool has_auth_plain;
    bool has_auth_login;
    bool has_pipelining;
    bool has_8bitmime;
    bool has_chunking;
    bool has_binarymime;
    bool has_dsn;
    bool has_size;
    bool has_utf8;
    bool has_by;
    bool has_priority;
    bool has_requiretls;
    uint64_t size_most;  /* 0: no limit told */
    uint64_t by_least_s; /* the shortest BY= that it takes with R */
    uint64_t rcpt_most;  /* LIMITS (RFC 9422); 0: none told */
    uint64_t mail_most;
    uint64_t domains_most;
};

struct client_outcome {
    enum smtp_outcome_kind kind;
    struct buf reply;
    struct buf lines;
    bool is_from_server;
    bool is_told;     /* RCPT was said, or will be, in this transaction */
    bool is_accepted; /* at RCPT */
};

struct smtp_client {
    struct smtp_client_job job;
    struct smtp_framing *framing;
    struct smtp_reply reply;
    struct buf out; /* commands to send */
    enum client_state state;
    struct client_offer offer;
    bool is_tls;
    bool is_dirty;  /* the server is inside a transaction that we gave up: RSET comes first */
    bool has_begun; /* the server has heard of the content of this job */
    bool has_host_failed;
    bool is_unfit;  /* smtp_client_is_unfit() */
    uint64_t mails; /* MAIL commands on this connection */
    enum content_kind kind;
    uint64_t size;
    uint64_t sent;        /* of the content */
    uint64_t chunk_left;  /* of the chunk that is going out */
    unsigned chunks_open; /* chunks, but the last, whose replies are to come */
    struct smtp_dots dots;
    uint64_t progress;
    size_t from; /* the recipients of this transaction: from, up to to */
    size_t to;
    size_t at; /* recipient whose reply comes next */
    struct client_outcome *outcomes;
};

/* client_outcomes.c */

/* Of the job at hand: none yet. */
void client_outcomes_new(struct smtp_client *c);
void client_outcomes_free(struct smtp_client *c);
/* Recipient i, unless it has an outcome. is_from_server: code and text are a reply. */
void client_settle(struct smtp_client *c, size_t i, enum smtp_outcome_kind kind, int code,
                   struct str text, bool is_from_server);
/* The same by our own word. */
void client_settle_err(struct smtp_client *c, size_t i, enum smtp_outcome_kind kind, enum err e);
/* All recipients that have no outcome yet, by the reply at hand, or by our own word. */
void client_settle_rest(struct smtp_client *c, enum smtp_outcome_kind kind);
void client_settle_rest_err(struct smtp_client *c, enum smtp_outcome_kind kind, enum err e);
/* Those of the transaction, by the reply at hand. */
void client_settle_transaction(struct smtp_client *c, enum smtp_outcome_kind kind);
/* What the reply at hand means for those whom it is about. */
enum smtp_outcome_kind client_get_kind(const struct smtp_client *c);
/* The first recipient from i on without an outcome; the count: none. */
size_t client_find_open(const struct smtp_client *c, size_t i);

/* client_fit.c */

/* What the sender demanded, and the server cannot do; for good, but another host might. */
MUST_USE enum err client_check_terms(const struct smtp_client *c);
/* Asks for the content as the server can take it. Errors: those of the source, ERR_TOO_BIG. */
MUST_USE enum err client_prepare(struct smtp_client *c);
/* Recipients that the server cannot be told of have their answer now. */
void client_settle_unsayable(struct smtp_client *c);
/* The recipients of the coming transaction: as many as the server takes at once. */
void client_choose_recipients(struct smtp_client *c);

/* client_say.c */

/* What the EHLO reply offers. */
void client_read_offer(const struct smtp_reply *r, struct client_offer *o);
void client_say_mail(struct smtp_client *c);
void client_say_rcpt(struct smtp_client *c, size_t i);
void client_say_auth_plain(struct smtp_client *c);
/* One line of base64, for AUTH LOGIN. */
void client_say_secret(struct smtp_client *c, struct str secret);
/* Can it be said to this server? An address with UTF-8 in its local part cannot be when it takes none. */
bool client_can_say(const struct smtp_client *c, struct str address);
/* Seconds until the time of DELIVERBY; negative: it is over. */
int64_t client_get_by_left_s(const struct smtp_client *c);

#endif
