/* Links: the one protocol between roles.
 *
 * Two processes that were joined by a socket pair need many client sessions and short questions over it. Frames:
 *
 *     octets   field
 *     4        length of the payload, little-endian
 *     4        id: a session or a request
 *     1        type
 *     3        zero
 *     length   payload
 *
 *     type           id         payload, most octets           meaning
 *      1 OPEN        session    head, LINK_OPEN_MOST           the sender opens a session
 *      2 DATA        session    octets, 1..64 KiB              the session's octets, within its window
 *      3 CREDIT      session    4: octets, little-endian       the sender's user took so many: send as many more
 *      4 CLOSE       session    none                           no more DATA from the sender
 *      5 RESET       session    none                           the session is over, both ways
 *      6 REQUEST     request    body, LINK_MESSAGE_MOST        the sender asks
 *      7 REPLY       request    body, LINK_MESSAGE_MOST        the answer
 *      8 PARK        yours      none                           I forget this session: the last SAVE holds
 *        PARK        mine       head and state                 this one is parked: wake it when something comes
 *      9 RESUME      session    head and state                 OPEN, with a state that SAVE brought
 *     10 WAKE        session    none                           something came for a parked session
 *     11 SAVE        session    state, octets                  the octets, and where to go on behind them: link_save.c
 *     12 MARK        session    1: which (net/session.h)       what DATA means changes here
 *
 * Head and state: 4 octets, the length of the head, little-endian; the head; the state. RESET for a parked session says that it is
 * not parked any more.
 *
 * Both sides open sessions, so an id says whose: the high bit is set when the session is the receiver's own. Requests
 * need no such bit, REQUEST and REPLY tell. Session ids rise and are not used again while a session has them, so a late
 * frame for a session that is gone can be recognised and dropped; anything else that does not fit ends the link, because
 * a peer that writes broken frames is broken, or not who it was.
 *
 * DATA waits for the road; answers, credits and refusals do not, so a peer that asks and never reads would have us gather
 * them without end: at QUEUED_MOST the link ends.
 *
 * DATA is never gathered: its octets go to the session as they come off the socket, and out again without a copy when
 * they are many. Everything written in a turn leaves in one system call at its end. */
#include "net/link.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/scan.h"
#include "net/link_priv.h"

#include <assert.h>
#include <stdlib.h>

struct request {
    struct list node;
    uint64_t id;
    void (*on_reply)(void *owner, enum err e, struct str body);
    void *owner;
};

static bool drop(struct link *l)
{
    bool is_alive = !l->is_freed;
    if (--l->holds == 0 && !is_alive) {
        free(l);
    }
    return is_alive;
}

void link_write_header(char *to, enum frame_type type, uint32_t id, size_t n)
{
    memset(to, 0, FRAME_HEADER_SIZE);
    for (size_t i = 0; i < 4; i++) {
        to[i] = (char)(unsigned char)((uint32_t)n >> (8 * i));
        to[4 + i] = (char)(unsigned char)(id >> (8 * i));
    }
    to[8] = (char)type;
}

void link_send(struct link *l, enum frame_type type, uint32_t id, struct str payload)
{
    char raw[FRAME_HEADER_SIZE];
    if (l->is_down) {
        return;
    }
    link_write_header(raw, type, id, payload.n);
    stream_write(l->under, str_make(raw, sizeof(raw)));
    stream_write(l->under, payload);
}

static struct link_session *find_session(const struct link *l, uint32_t id_in_frame)
{
    uint64_t key = id_in_frame ^ FRAME_ID_YOURS;
    return map_find(l->sessions, map_id(&key));
}

/* Takes a request off; the caller owns it. */
static struct request *take_request(struct link *l, uint64_t id)
{
    struct request *r = map_remove(l->requests_by_id, map_id(&id));
    if (r != NULL) {
        list_remove(&r->node);
    }
    return r;
}

static void fail_requests(struct link *l)
{
    while (!list_is_empty(&l->requests)) {
        struct request *r = list_entry(l->requests.next, struct request, node);
        (void)take_request(l, r->id);
        r->on_reply(r->owner, ERR_UNAVAILABLE, STR_EMPTY);
        free(r);
    }
}

static void fail_sessions(struct link *l)
{
    size_t at = 0;
    struct str key = STR_EMPTY;
    void *session = NULL;
    while (map_next(l->sessions, &at, &key, &session)) {
        ((struct link_session *)session)->is_cut = true;
        link_session_fail(session, ERR_PEER_GONE);
    }
}

static void fail_requests_later(void *owner)
{
    struct link *l = owner;
    l->holds++;
    fail_requests(l);
    (void)drop(l);
}

static void on_down_later(void *owner)
{
    struct link *l = owner;
    l->holds++;
    fail_requests(l);
    if (!l->is_freed && l->handler->on_down != NULL) {
        l->handler->on_down(l->owner, l);
    }
    (void)drop(l);
}

/* The link is over: sessions end, requests fail, the owner hears it, all from the loop. */
static void go_down(struct link *l)
{
    if (!l->is_down) {
        l->is_down = true;
        fail_sessions(l);
        stream_free(&l->under);
        loop_defer(l->loop, on_down_later, l);
    }
}

static bool refuse(struct link *l, const char *what)
{
    log_error("link: %s (type %d, length %u, id %u)", what, (int)l->frame.type, l->frame.len,
              l->frame.id);
    go_down(l);
    return false;
}

static uint32_t get_len_most(enum frame_type type)
{
    switch (type) {
    case FRAME_OPEN:
        return LINK_OPEN_MOST;
    case FRAME_DATA:
        return FRAME_DATA_MOST;
    case FRAME_CREDIT:
        return 4;
    case FRAME_REQUEST:
    case FRAME_REPLY:
        return LINK_MESSAGE_MOST;
    case FRAME_PARK:
    case FRAME_RESUME:
        return FRAME_STATE_MOST;
    case FRAME_SAVE:
        return FRAME_SAVE_MOST;
    case FRAME_MARK:
        return 1;
    case FRAME_CLOSE:
    case FRAME_RESET:
    case FRAME_WAKE:
    case FRAME_TYPES:
        return 0;
    }
    return 0;
}

/* The peer opens a session: how it is written in our frames. False: refused. */
static bool take_id(struct link *l, uint32_t *id)
{
    if ((l->frame.id & FRAME_ID_YOURS) != 0 || find_session(l, l->frame.id) != NULL) {
        return refuse(l, "a session is opened with an id that is taken");
    }
    if (map_get_count(l->sessions) >= l->sessions_most) {
        return refuse(l, "too many sessions");
    }
    *id = l->frame.id | FRAME_ID_YOURS;
    return true;
}

static bool on_open(struct link *l, struct str head)
{
    uint32_t id;
    if (!take_id(l, &id)) {
        return false;
    }
    struct stream *stream = &link_session_new(l, l->loop, id)->base;
    if (l->handler->on_open == NULL) {
        stream_free(&stream);
        return true;
    }
    l->handler->on_open(l->owner, l, head, stream);
    return true;
}

static bool split_state(struct str body, struct str *head, struct str *state)
{
    struct scan c = scan_make(body);
    uint32_t n = scan_le32(&c);
    if (!scan_is_ok(&c) || n > LINK_OPEN_MOST) {
        return false;
    }
    *head = scan_take(&c, n, "a head");
    *state = scan_rest(&c);
    return scan_is_ok(&c) && state->n <= LINK_STATE_MOST;
}

static bool on_resume(struct link *l, struct str body)
{
    uint32_t id;
    struct str head;
    struct str state;
    if (!split_state(body, &head, &state)) {
        return refuse(l, "a session is resumed without a state");
    }
    if (!take_id(l, &id)) {
        return false;
    }
    struct stream *stream = &link_session_new(l, l->loop, id)->base;
    if (l->handler->on_resume == NULL) {
        stream_free(&stream);
        return true;
    }
    l->handler->on_resume(l->owner, l, head, state, stream);
    return true;
}

/* The peer forgets a session that we opened, or has one parked that we shall watch. */
static bool on_park(struct link *l, struct str body)
{
    uint32_t id;
    struct str head;
    struct str state;
    if ((l->frame.id & FRAME_ID_YOURS) != 0) {
        struct link_session *s = find_session(l, l->frame.id);
        return s == NULL || link_session_hear_park(s) || refuse(l, "nobody keeps this session");
    }
    if (l->handler->on_park == NULL || !split_state(body, &head, &state)) {
        return refuse(l, "a parked session without a state");
    }
    if (!take_id(l, &id)) {
        return false;
    }
    l->handler->on_park(l->owner, l, id, head, state);
    return true;
}

static bool on_wake(struct link *l)
{
    uint64_t id = l->frame.id ^ FRAME_ID_YOURS;
    struct link_session *s = find_session(l, l->frame.id);
    if (s != NULL && s->is_park_due) {
        stream_hold(&s->base);
        link_session_give(s, true);
        (void)stream_drop(&s->base);
    }
    void *whose = map_remove(l->parked, map_id(&id));
    if (whose != NULL && l->handler->on_wake != NULL) {
        l->handler->on_wake(l->owner, l, whose);
    }
    return true; /* else it was resumed meanwhile, or is gone */
}

static bool on_save(struct link *l, struct str body)
{
    struct link_session *s = find_session(l, l->frame.id);
    return s == NULL || link_session_hear_save(s, body) || refuse(l, "an impossible state");
}

static bool on_credit(struct link *l, struct str body)
{
    struct scan c = scan_make(body);
    uint32_t n = scan_le32(&c);
    struct link_session *s = find_session(l, l->frame.id);
    if (!scan_is_ok(&c) || n == 0 || (s != NULL && !link_session_add_credit(s, n))) {
        return refuse(l, "impossible credit");
    }
    return true;
}

static bool on_reply(struct link *l, struct str body)
{
    struct request *r = take_request(l, l->frame.id);
    if (r != NULL) {
        r->on_reply(r->owner, ERR_OK, body);
        free(r);
    }
    return true;
}

static bool on_end_frame(struct link *l)
{
    struct link_session *s = find_session(l, l->frame.id);
    if (s == NULL) {
        bool is_theirs = l->frame.type == FRAME_RESET && (l->frame.id & FRAME_ID_YOURS) == 0;
        if (is_theirs && l->handler->on_forget != NULL) {
            l->handler->on_forget(l->owner, l, l->frame.id | FRAME_ID_YOURS);
        }
        return true;
    }
    if (l->frame.type == FRAME_RESET) {
        link_session_fail(s, ERR_PEER_GONE);
        return true;
    }
    if (s->has_heard_end || s->is_park_due) {
        return refuse(l, "a session that was over is closed");
    }
    link_session_hear_end(s);
    return true;
}

static bool on_mark(struct link *l, struct str body)
{
    struct link_session *s = find_session(l, l->frame.id);
    if (body.n != 1 || (s != NULL && !link_session_hear_mark(s, (uint8_t)body.p[0]))) {
        return refuse(l, "an impossible mark");
    }
    return true;
}

/* A whole frame is there. False: the link is down. */
static bool on_frame(struct link *l, struct str body)
{
    switch (l->frame.type) {
    case FRAME_OPEN:
        return on_open(l, body);
    case FRAME_CREDIT:
        return on_credit(l, body);
    case FRAME_CLOSE:
    case FRAME_RESET:
        return on_end_frame(l);
    case FRAME_REQUEST:
        if (l->handler->on_request == NULL) {
            return refuse(l, "nobody answers requests here");
        }
        l->handler->on_request(l->owner, l, l->frame.id, body);
        return true;
    case FRAME_REPLY:
        return on_reply(l, body);
    case FRAME_MARK:
        return on_mark(l, body);
    case FRAME_PARK:
        return on_park(l, body);
    case FRAME_RESUME:
        return on_resume(l, body);
    case FRAME_WAKE:
        return on_wake(l);
    case FRAME_SAVE:
        return on_save(l, body);
    case FRAME_DATA:
    case FRAME_TYPES:
        break;
    }
    return true;
}

static bool on_header(struct link *l)
{
    struct scan c = scan_make(str_make(l->header, FRAME_HEADER_SIZE));
    l->frame.len = scan_le32(&c);
    l->frame.id = scan_le32(&c);
    uint32_t type = scan_le32(&c); /* and the three zeros */
    l->frame.type = FRAME_TYPES;
    l->header_len = 0;
    if (type < FRAME_OPEN || type >= FRAME_TYPES) {
        return refuse(l, "unknown frame");
    }
    l->frame.type = (enum frame_type)type;
    if (l->frame.len > get_len_most(l->frame.type)) {
        return refuse(l, "a frame is too long");
    }
    l->left = l->frame.len;
    l->to = NULL;
    if (l->frame.type != FRAME_DATA) {
        return true;
    }
    l->to = find_session(l, l->frame.id);
    if (l->frame.len == 0 || (l->to != NULL && !link_session_expect(l->to, l->frame.len))) {
        return refuse(l, "data outside the window");
    }
    return true;
}

static struct str take(struct str *octets, size_t most)
{
    struct str part = str_sub(*octets, 0, most);
    *octets = str_skip(*octets, part.n);
    return part;
}

/* Goes through one piece of a frame. False: stop. */
static bool read_payload(struct link *l, struct str *octets)
{
    struct str part = take(octets, l->left);
    l->left -= (uint32_t)part.n;
    if (l->frame.type == FRAME_DATA) {
        if (l->to != NULL && part.n > 0) {
            link_session_receive(l->to, part);
        }
        return true;
    }
    if (l->left == 0 && l->body.len == 0) {
        return on_frame(l, part); /* whole in what was just read: no copy */
    }
    buf_add(&l->body, part);
    if (l->left > 0) {
        return true;
    }
    struct buf body = l->body;
    buf_init(&l->body, FRAME_BODY_MOST);
    bool goes_on = on_frame(l, buf_str(&body));
    buf_release(&body);
    return goes_on;
}

static bool read_piece(struct link *l, struct str *octets)
{
    if (l->left > 0) {
        return read_payload(l, octets);
    }
    struct str part = take(octets, FRAME_HEADER_SIZE - l->header_len);
    memcpy(l->header + l->header_len, part.p, part.n);
    l->header_len += part.n;
    if (l->header_len < FRAME_HEADER_SIZE) {
        return true;
    }
    return on_header(l) && (l->left > 0 || read_payload(l, octets));
}

static void on_octets(void *owner, struct str octets)
{
    struct link *l = owner;
    l->holds++;
    while (octets.n > 0 && read_piece(l, &octets) && !l->is_freed && !l->is_down) {
        ;
    }
    if (!l->is_freed && !l->is_down && stream_get_queued(l->under) > QUEUED_MOST) {
        (void)refuse(l, "the peer asks and does not read");
    }
    (void)drop(l);
}

/* Those that waited longest go first, until the road is full again. */
static void on_drained(void *owner)
{
    struct link *l = owner;
    l->holds++;
    while (!l->is_down && !list_is_empty(&l->waiting) && link_is_free(l)) {
        struct link_session *s = list_entry(l->waiting.next, struct link_session, wait);
        list_remove(&s->wait);
        link_session_pump(s);
    }
    (void)drop(l);
}

static void on_end(void *owner, enum err why)
{
    struct link *l = owner;
    (void)why;
    go_down(l);
}

static const struct stream_handler UNDER_HANDLER = {on_octets, on_drained, on_end};

struct link *link_new(struct loop *loop, struct stream *s, enum link_role peer, unsigned index,
                      const struct link_handler *h, void *owner)
{
    struct link *l = mem_new(sizeof(*l));
    l->loop = loop;
    l->under = s;
    l->peer = peer;
    l->index = index;
    l->handler = h;
    l->owner = owner;
    l->sessions = map_new();
    l->sessions_most = SESSIONS_MOST;
    l->parked = map_new();
    l->requests_by_id = map_new();
    list_init(&l->waiting);
    list_init(&l->requests);
    buf_init(&l->body, FRAME_BODY_MOST);
    stream_set_handler(s, &UNDER_HANDLER, l);
    return l;
}

void link_free(struct link **l)
{
    struct link *gone = *l;
    if (gone == NULL) {
        return;
    }
    *l = NULL;
    gone->holds++;
    gone->is_down = true;
    gone->is_freed = true;
    loop_cancel_deferred(gone->loop, gone);
    fail_sessions(gone);
    fail_requests(gone);
    stream_free(&gone->under);
    map_free(&gone->sessions);
    map_free(&gone->parked);
    map_free(&gone->requests_by_id);
    buf_release(&gone->body);
    (void)drop(gone);
}

enum link_role link_get_peer(const struct link *l)
{
    return l->peer;
}

unsigned link_get_index(const struct link *l)
{
    return l->index;
}

void link_set_name(struct link *l, struct str name)
{
    l->name_size = name.n < sizeof(l->name) ? name.n : sizeof(l->name);
    memcpy(l->name, name.p == NULL ? "" : name.p, l->name_size);
}

void link_set_sessions_most(struct link *l, size_t most)
{
    l->sessions_most = most;
}

struct str link_get_name(const struct link *l)
{
    return str_make(l->name, l->name_size);
}

bool link_is_up(const struct link *l)
{
    return l != NULL && !l->is_down;
}

uint32_t link_next_id(struct link *l)
{
    uint64_t key = 0;
    do {
        key = l->next_session++ & ~FRAME_ID_YOURS;
    } while (map_find(l->sessions, map_id(&key)) != NULL
             || map_find(l->parked, map_id(&key)) != NULL);
    return (uint32_t)key;
}

struct stream *link_open(struct link *l, struct str head)
{
    assert(head.n <= LINK_OPEN_MOST);
    if (l->is_down) {
        return &link_session_new(NULL, l->loop, 0)->base;
    }
    uint32_t id = link_next_id(l);
    link_send(l, FRAME_OPEN, id, head);
    return &link_session_new(l, l->loop, id)->base;
}

static void send_state(struct link *l, enum frame_type type, uint32_t id, struct str head,
                       struct str state)
{
    struct buf body = BUF_INIT(FRAME_STATE_MOST);
    assert(head.n <= LINK_OPEN_MOST && state.n <= LINK_STATE_MOST);
    buf_add_le32(&body, (uint32_t)head.n);
    buf_add(&body, head);
    buf_add(&body, state);
    link_send(l, type, id, buf_str(&body));
    buf_release(&body);
}

struct stream *link_resume(struct link *l, struct str head, struct str state)
{
    if (l->is_down) {
        return &link_session_new(NULL, l->loop, 0)->base;
    }
    uint32_t id = link_next_id(l);
    send_state(l, FRAME_RESUME, id, head, state);
    return &link_session_new(l, l->loop, id)->base;
}

uint32_t link_keep_again(struct link *l, struct str head, struct str state, void *whose)
{
    uint64_t id = link_next_id(l);
    assert(!l->is_down);
    send_state(l, FRAME_PARK, (uint32_t)id, head, state);
    (void)map_put(l->parked, map_id(&id), whose);
    return (uint32_t)id;
}

void link_forget(struct link *l, uint32_t id)
{
    uint64_t key = id;
    if (map_remove(l->parked, map_id(&key)) != NULL) {
        link_send(l, FRAME_RESET, id, STR_EMPTY);
    }
}

void link_wake(struct link *l, uint32_t id)
{
    link_send(l, FRAME_WAKE, id, STR_EMPTY);
}

void link_request(struct link *l, struct str body,
                  void (*on_reply_fn)(void *owner, enum err e, struct str body), void *owner)
{
    struct request *r = mem_new(sizeof(*r));
    assert(body.n <= LINK_MESSAGE_MOST);
    do {
        r->id = l->next_request++;
    } while (map_find(l->requests_by_id, map_id(&r->id)) != NULL);
    r->on_reply = on_reply_fn;
    r->owner = owner;
    list_append(&l->requests, &r->node);
    (void)map_put(l->requests_by_id, map_id(&r->id), r);
    if (l->is_down) {
        loop_defer(l->loop, fail_requests_later, l);
        return;
    }
    link_send(l, FRAME_REQUEST, (uint32_t)r->id, body);
}

void link_cancel(struct link *l, void *owner)
{
    list_each_safe(node, &l->requests)
    {
        struct request *r = list_entry(node, struct request, node);
        if (r->owner == owner) {
            (void)take_request(l, r->id);
            free(r);
        }
    }
}

void link_reply(struct link *l, uint32_t id, struct str body)
{
    assert(body.n <= LINK_MESSAGE_MOST);
    link_send(l, FRAME_REPLY, id, body);
}
