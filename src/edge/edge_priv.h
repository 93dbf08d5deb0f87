#ifndef LIMETTA_EDGE_EDGE_PRIV_H
#define LIMETTA_EDGE_EDGE_PRIV_H

/* What edge.c and connection.c share. */
#include "base/list.h"
#include "edge/address.h"
#include "edge/edge.h"
#include "edge/handshakes.h"
#include "base/map.h"
#include "edge/limits.h"
#include "edge/line.h"
#include "edge/networks.h"
#include "edge/silence.h"
#include "net/deflate.h"

struct edge {
    struct loop *loop;
    struct edge_settings settings;
    struct limits *limits;
    struct deflate_pool *deflate;
    struct list connections;
    struct silence *silence;
    struct networks *networks; /* NULL: keep-alives are the same for all */
    struct map *newest;        /* with networks: struct connection, by home_key */
    uint64_t home_secret;
    unsigned beats;            /* lengths of heartbeats that have a rule */
    struct silence *deadlines; /* of strangers: to be logged in */
    struct handshakes *handshakes;
    struct line *line;        /* to auth */
    struct silence *patience; /* of logins that wait for somebody */
    uint64_t shed_logged_ms;  /* 0: never */
    struct resume *resume;
    size_t count;
    struct edge_counts counts;
    uint32_t next_id; /* of a connection, for the logs */
    struct link *auth;
    unsigned auths; /* that were linked so far: which one an exchange is with */
    struct link *submit;
    struct link **stores; /* settings.workers of them; NULL: no link now */
};

/* The rules of silence that connections stand under: idle.c. */
enum { IDLE_BEATS = 16 };
enum idle_rule {
    IDLE_STRANGER,
    IDLE_SUBMISSION,
    IDLE_SIEVE,
    IDLE_SESSION,                            /* no keep-alive */
    IDLE_AGAIN,                              /* was due, and could not */
    IDLE_BEAT,                               /* the first of IDLE_BEATS: a heartbeat */
    IDLE_KEEP_ALIVE = IDLE_BEAT + IDLE_BEATS /* the first of NETWORKS_RUNGS */
};

/* One client connection, from the greeting to the end. */
struct connection;

/* ---- resume.c ---- */

struct resume *resume_new(struct edge *e);
void resume_free(struct resume **r);
/* A link came. */
void resume_note_link(struct edge *e);
/* The link of a home (keep_place.home) is gone; sessions that it had hear it by themselves. */
void resume_note_down(struct edge *e, unsigned home);
/* A session that is not in a process shall go on: at once, or when its worker is back. */
void resume_session(struct connection *c);
/* Its process is gone, and the stream to it. */
void resume_note_cut(struct connection *c);
/* Its process forgot it; takes c->session. */
void resume_note_park(struct connection *c);
/* A login (node) cannot open its session before this home's link is back: question_renew() then. list_remove() gives up. */
void resume_hold(struct edge *e, unsigned home, struct list *node);
/* It ends. */
void resume_leave(struct connection *c);

struct silence *idle_new(struct edge *e);
/* Something moved (before login: a command was handled): silence is counted anew. */
void idle_note_life(struct connection *c);
/* The same, of a session: the client said something, or something is about to be said to it. */
void idle_note_heard(struct connection *c);
void idle_note_said(struct connection *c);
/* c is about to be logged in as user. */
void idle_note_user(struct connection *c, struct str user);
/* The client of c said what it is: how often it is to hear something, as heartbeats_find_client() has it; 0: it said nothing. */
void idle_note_client(struct connection *c, uint16_t heartbeat_s);
/* Says something to a silent session, so that it is known in a minute whether it hears. */
void idle_try(struct connection *c);

/* What is learnt of networks: comeback.c. Note before silence is counted anew. */
void comeback_open(struct edge *e);
void comeback_close(struct edge *e);
void comeback_note_user(struct connection *c, struct str user);
void comeback_note_login(struct connection *c);
void comeback_note_heard(struct connection *c);
void comeback_note_said(struct connection *c);
/* Looks whether what was said is confirmed: c->is_owing says so. */
void comeback_judge(struct connection *c);
/* Nobody is logged in there any more. */
void comeback_forget(struct connection *c);
/* The one not logged in that has been silent for longest, or, behind after, for next longest; NULL: there is none. */
struct connection *idle_find_stranger(const struct edge *e, const struct connection *after);

/* Ending a user's sessions: kick.c. */

/* 64 bits for the name of a user, with a secret of this process; never 0. */
uint64_t edge_make_user_key(const struct edge *e, struct str user);
/* Another role asks something of us. */
void kick_on_request(struct edge *e, struct link *l, uint32_t id, struct str body);

/* Logging in behind the dialogue: question.c. */
void question_open(struct edge *e);
void question_close(struct edge *e);

/* Who may come in: door.c. */
void door_open(struct edge *e);
void door_close(struct edge *e);

/* Takes s; greets. Frees itself when it is over. */
void connection_new(struct edge *e, enum service service, struct stream *s,
                    const struct address *peer, const struct address *local, bool is_counted);
struct connection *connection_from_node(struct list *node);
/* Says why, and ends it. */
void connection_say_bye(struct connection *c, enum err why);
void connection_free(struct connection *c);

#endif
