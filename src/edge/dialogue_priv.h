#ifndef LIMETTA_EDGE_DIALOGUE_PRIV_H
#define LIMETTA_EDGE_DIALOGUE_PRIV_H

/* What the dialogues share. Used inside edge only. */
#include "edge/dialogue.h"

enum dialogue_state {
    AT_GREETING,
    AT_COMMAND,
    AT_SASL,   /* the client has a challenge to answer */
    AT_AUTH,   /* auth has a question to answer */
    AT_CANCEL, /* an exchange is to be forgotten; then AT_COMMAND */
    AT_TLS,    /* TLS is to be started */
    AT_HANDSHAKE,
    AT_OPEN, /* logged in */
    AT_END
};

/* Grudges: what a peer may do wrong before we hang up. */
enum { FAULTS_MOST = 20, FAILURES_MOST = 5 };

struct dialogue_ops {
    enum service service;
    bool is_greeting_in_tls; /* we speak first, in TLS again */
    void (*free)(struct dialogue *d);
    void (*feed)(struct dialogue *d, struct str octets);
    size_t (*get_backlog)(const struct dialogue *d);
    /* Handles one event of the framer. False: it needs more octets. */
    bool (*run)(struct dialogue *d);
    struct str (*get_rest)(const struct dialogue *d);
    struct str (*get_name)(const struct dialogue *d);
    /* Writes the challenge; writes the end of a failed login. */
    void (*say_challenge)(struct dialogue *d, struct str challenge);
    void (*say_failure)(struct dialogue *d, enum err why);
};

struct dialogue {
    const struct dialogue_ops *ops;
    struct dialogue_args args;
    struct login login;
    enum dialogue_state state;
    bool is_tls;
    bool has_binding;
    struct dialogue_grudges grudges;
    uint16_t heartbeat_s; /* of IMAP: dialogue_get_heartbeat_s() */
    uint64_t commands;
    struct buf out; /* said, and not yet fetched by step */
};

void dialogue_init(struct dialogue *d, const struct dialogue_ops *ops,
                   const struct dialogue_args *args);
struct login_offer dialogue_get_offer(const struct dialogue *d);
/* Nothing but the way to TLS is allowed. */
bool dialogue_needs_tls(const struct dialogue *d);
/* STARTTLS can be asked for now. */
bool dialogue_offers_tls(const struct dialogue *d);
/* Goes where the login wants. */
void dialogue_follow(struct dialogue *d, enum login_next next);
/* One more senseless command; after too many says good-bye. */
void dialogue_count_fault(struct dialogue *d);
/* Last words, then the end. */
void dialogue_say_bye(struct dialogue *d, enum err why);

#endif
