#ifndef LIMETTA_EDGE_CONNECTION_PRIV_H
#define LIMETTA_EDGE_CONNECTION_PRIV_H

/* What connection.c (until the login) and relay.c (after it) share. */
#include "edge/edge_priv.h"
#include "net/keep.h"

/* What a connection needs only until it is logged in. */
struct stranger {
    struct connection *connection;
    struct dialogue *dialogue;
    struct silence_place deadline; /* in edge->deadlines */
    struct list turn;              /* in edge->handshakes, while it waits for its own */
    uint64_t octets;               /* heard */
    uint64_t commands;             /* handled when we last looked */
    uint64_t exchange;             /* auth's name for the login under way */
    unsigned exchange_auth;        /* edge->auths when it began */
    struct buf ticket;
    uint8_t nonce[TICKET_NONCE_SIZE];
    /* question.c: */
    struct asked *asked;           /* auth owes an answer; else NULL */
    struct line_seat seat;         /* in edge->line */
    struct silence_place patience; /* in edge->patience, while somebody is waited for */
    struct list home;              /* among those that wait for a worker: resume.c */
    unsigned tries;    /* processes that did not survive it, or did not take its ticket */
    bool has_exchange; /* auth has one for us */
    bool is_held;      /* its session cannot be opened yet */
    bool is_renewing;  /* its ticket is too old: auth is to give another */
    bool is_again;     /* its session was begun before, and came to nothing */
};

/* What a session was opened with, in case that it has to be opened again: until it said a state. */
struct opening {
    struct dialogue *dialogue; /* that logged in */
    struct buf ticket;
    uint8_t nonce[TICKET_NONCE_SIZE];
    unsigned tries;
};

/* There may be a hundred thousand that sleep: what only some need for some time is elsewhere. */
struct connection {
    struct list node; /* in edge->connections */
    struct edge *edge;
    struct stream *client;
    struct stream *session;     /* NULL until logged in, and while the session is in no process */
    struct stranger *stranger;  /* NULL once logged in */
    struct opening *opening;    /* until the session has said a state; else NULL */
    struct keep *keep;          /* NULL until logged in */
    struct silence_place place; /* in edge->silence */
    uint32_t id;                /* its name in the logs of all roles */
    struct trial *trial;        /* comeback.c: of what was sent after a silence; else NULL */
    uint64_t home_key;          /* comeback.c: whose it is, and from where; 0: not watched */
    uint64_t user_key;          /* kick.c: whose session it is; of one that is logged in */
    uint64_t spoke_ms; /* of the loop's clock: the last octet either way (before login: command) */
    struct buf *given_back; /* with mark; else NULL */
    struct address peer;
    struct address local;
    enum service service;
    bool is_counted; /* in edge->limits */
    bool is_in;      /* logged in */
    bool is_loopback;
    bool is_tls;
    bool is_peer_done;   /* the client sends no more */
    bool is_owing;       /* when we looked last, its host had not confirmed all that we sent */
    uint8_t user_beat;   /* heartbeats: 1 + place of the rule; 0: none */
    uint8_t client_beat; /* the same, by what the client says of itself */
    bool is_line_done;   /* what the session said last ended with a line */
    bool is_compressed;
    uint8_t mark; /* the session said it, and gives back what came too early; 0: no */
    struct dialogue_grudges grudges; /* once logged in: of the time before */
};

/* A stranger comes; is none any more, or is gone. */
void door_begin(struct stranger *who);
void door_end(struct stranger *who);
/* A stranger said n octets. False: too much. */
bool door_note_octets(struct connection *c, size_t n);
void door_note_failure(struct connection *c);
/* c->client is TLS, and just begins: its handshake waits for its turn. */
void door_hold_handshake(struct connection *c);

/* Questions to auth: question.c. What is asked, and what is waited for, ends with connection_go_on(). */

/* Asks what the dialogue wants to know. c may be gone then. */
void question_ask(struct connection *c);
/* The login under way is of no use any more. */
void question_cancel(struct connection *c);
/* The session cannot be opened before its worker is back. */
void question_hold(struct connection *c, unsigned home);
/* The worker is back, or (is_refused) wants a fresh ticket. */
void question_renew(struct connection *c, bool is_refused);
/* One more try to open the session. False: that were too many. */
bool question_may_try(struct connection *c);

/* It is no stranger any more: what c->stranger points to goes. */
void connection_forget_stranger(struct connection *c);
/* Frees c->given_back, if it is there. */
void connection_drop_given_back(struct connection *c);
/* What was said to the client still leaves. */
void connection_finish(struct connection *c);
/* The session is gone: back to the dialogue, which is fed what the client said behind it. */
void connection_reopen(struct connection *c, struct str octets);
/* Frees c->opening, if it is there. */
void connection_drop_opening(struct connection *c);
/* The session ended before it said a word (c->opening is there, and the keep's log): it is opened again, when that is possible.
 * is_refused: it never began, for want of a fresh ticket. */
void connection_open_again(struct connection *c, bool is_refused);
/* Something that the dialogue waited for has come. c may be gone then. */
void connection_go_on(struct connection *c);
/* Appends what a session's role is told of the client. */
void connection_write_place(const struct connection *c, struct buf *head);
/* The session is open: from here on octets pass through. */
void relay_start(struct connection *c);
/* The session goes on in s. */
void relay_resume(struct connection *c, struct stream *s);
/* Between two answers of its session: an untagged response may be written. */
bool connection_is_at_rest(const struct connection *c);

#endif
