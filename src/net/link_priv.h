#ifndef LIMETTA_NET_LINK_PRIV_H
#define LIMETTA_NET_LINK_PRIV_H

/* What link.c (frames, requests) and link_session.c (streams with credit) share. Nobody else includes this. */
#include "base/list.h"
#include "base/map.h"
#include "base/vec.h"
#include "net/link.h"
#include "net/loop_priv.h"
#include "net/stream_priv.h"

enum frame_type {
    FRAME_OPEN = 1,
    FRAME_DATA,
    FRAME_CREDIT,
    FRAME_CLOSE,
    FRAME_RESET,
    FRAME_REQUEST,
    FRAME_REPLY,
    FRAME_PARK,
    FRAME_RESUME,
    FRAME_WAKE,
    FRAME_SAVE,
    FRAME_MARK,
    FRAME_TYPES
};

enum {
    FRAME_HEADER_SIZE = 12,
    FRAME_DATA_MOST = 64 * 1024,
    FRAME_SAVE_HEAD = 24,
    FRAME_SAVE_MOST = FRAME_SAVE_HEAD + LINK_STATE_MOST + LINK_SAVE_MOST,
    FRAME_STATE_MOST = 4 + LINK_OPEN_MOST + LINK_STATE_MOST,
    FRAME_BODY_MOST = FRAME_SAVE_MOST, /* the longest but DATA */
    SESSIONS_MOST = 1024 * 1024,
    QUEUED_MOST = 64 * 1024 * 1024, /* for a peer that asks and does not read */
};

/* Set in an id when the session is the receiver's own, that is, the receiver of the frame opened it. */
static const uint32_t FRAME_ID_YOURS = 0x80000000U;

struct frame {
    uint32_t len;
    uint32_t id;
    enum frame_type type;
};

/* A mark on its way through a backlog. */
struct mark {
    size_t at;    /* octets of the backlog before it */
    size_t saves; /* states before it */
    uint8_t value;
    bool is_there;
};

/* A state on its way through a backlog. */
struct save {
    size_t at; /* octets of the backlog before it */
    struct link_save head;
    struct buf state; /* that of head */
};

struct link_session {
    struct stream base;
    struct link *link; /* NULL once it is no session of a link any more */
    struct loop *loop;
    struct list wait;   /* in link->waiting while octets wait for the road */
    uint32_t id;        /* as we write it in frames */
    uint32_t credit;    /* octets the peer will still take */
    uint32_t window;    /* octets the peer may still send */
    uint32_t used;      /* octets our user took, not yet credited to the peer */
    struct backlog in;  /* arrived while paused */
    struct backlog out; /* waiting for credit or for the road */
    struct mark mark_in;
    struct mark mark_out;
    const struct link_keeper *keeper;
    struct save *save_in; /* the last one counts; NULL: none */
    VEC(struct save) saves_out;
    enum err end; /* with is_end_due: what on_end will say */
    bool is_end_due;
    bool is_cut;       /* the link broke */
    bool is_park_due;  /* the peer forgot it, and our user does not know yet */
    bool is_reset;     /* after the orderly end the link or the peer dropped it */
    bool is_scheduled; /* a deferred delivery is due */
    bool is_ending;
    bool has_said_end;
    bool has_heard_end;
};

struct link {
    struct loop *loop;
    struct stream *under;
    enum link_role peer;
    unsigned index;
    char name[LINK_NAME_MOST];
    size_t name_size;
    size_t sessions_most;
    const struct link_handler *handler;
    void *owner;
    struct map *sessions; /* of struct link_session, by id as 64 bits */
    struct map *parked;   /* whose they are, by id as 64 bits: those of ours that have no session */
    struct list waiting;  /* sessions whose octets wait for the road */
    struct list requests; /* outstanding, oldest first */
    struct map *requests_by_id;
    uint32_t next_session;
    uint32_t next_request;
    char header[FRAME_HEADER_SIZE];
    size_t header_len;       /* octets of it that are there */
    struct frame frame;      /* the frame whose payload is being read */
    uint32_t left;           /* octets of its payload still to come */
    struct buf body;         /* those that came, unless it is DATA */
    struct link_session *to; /* where DATA goes, or NULL: nowhere */
    unsigned holds;
    bool is_freed;
    bool is_down;
};

/* FRAME_HEADER_SIZE octets, of a payload of n. */
void link_write_header(char *to, enum frame_type type, uint32_t id, size_t n);
/* Writes a frame, header and payload. */
void link_send(struct link *l, enum frame_type type, uint32_t id, struct str payload);
/* True when the socket under the link takes more. */
static inline bool link_is_free(const struct link *l)
{
    return stream_get_queued(l->under) <= STREAM_HIGH_WATER;
}

/* An id that no session of ours has. */
uint32_t link_next_id(struct link *l);
/* A session of l, or, with NULL, one that is over before it began. id: as we write it in frames. */
struct link_session *link_session_new(struct link *l, struct loop *loop, uint32_t id);
/* Gives up its place in the link; the stream stays until its user frees it. */
void link_session_detach(struct link_session *s);
/* Tells the user that it is over. */
void link_session_fail(struct link_session *s, enum err why);
/* DATA of n octets was announced. False: more than its window. */
bool link_session_expect(struct link_session *s, uint32_t n);
void link_session_receive(struct link_session *s, struct str octets);
/* False: more credit than a window. */
bool link_session_add_credit(struct link_session *s, uint32_t n);
/* False: the last one was not yet taken. */
bool link_session_hear_mark(struct link_session *s, uint8_t mark);
void link_session_hear_end(struct link_session *s);
/* False: it makes no sense. */
bool link_session_hear_save(struct link_session *s, struct str body);
bool link_session_hear_park(struct link_session *s);
/* Sends what waits, as far as credit and road allow. */
void link_session_pump(struct link_session *s);
/* Gives what came, octets, states and mark in their order, as long as the user takes it; is_forced: also when he paused. */
void link_session_give(struct link_session *s, bool is_forced);
void link_session_send_mark(struct link_session *s);
/* One DATA frame, as much as may leave. Returns how many octets. */
size_t link_session_send(struct link_session *s, struct str octets);

/* ---- link_save.c ---- */

/* The first state that waits leaves, if it may: its octets are the first of the backlog. False: not now. */
bool link_saves_send_first(struct link_session *s);
/* The state that came goes to the keeper. */
void link_saves_give(struct link_session *s);
void link_saves_release(struct link_session *s);
/* n octets left the backlog. */
void link_saves_note_sent(struct link_session *s, size_t n);
static inline bool link_has_save_in(const struct link_session *s)
{
    return s->save_in != NULL;
}
/* Something came that the user has not taken. */
static inline bool link_session_has_waiting(const struct link_session *s)
{
    return backlog_len(&s->in) > 0 || s->mark_in.is_there || link_has_save_in(s);
}

#endif
