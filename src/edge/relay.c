/* A client and its session, tied together.
 *
 *     client <-> TLS <-> DEFLATE <-> relay <-> link <-> session
 *
 * Backpressure goes through: when the client does not take what it asked for, the session's stream is paused, its window fills, and
 * the session is not stepped any more; so an edge holds at most a high-water mark and a window for each client, however
 * large the answer. The same holds the other way.
 *
 * The session alone knows commands, the edge alone has the layers. So when a command changes a layer (COMPRESS), the session
 * says it by a mark in the order of its octets (net/session.h): what was before it has left as it was, the client is paused, and
 * what the client sent too early comes back from the session, up to the mark's return. Then the layer is there.
 *
 * What passes is noted (keep.c), so that the session can go on elsewhere: it may be parked, and its process may die. Then the client stays,
 * what it says is noted until the session goes on (resume.c), and it hears nothing of it. When a layer was about to change, the states that
 * came with the mark hold for behind it, and what the client said too early is what was noted: the change is made at once.
 *
 * The end: the session ends, the client is told what is left and closed; the client ends in good order, the session
 * hears it and may finish; the client is gone, so is the session. When a worker dies before it answered the login, the session is opened
 * again (question.c); when it never said a state otherwise, the client gets a BYE (or 421) and may come back at once.
 * Nothing that was acknowledged is lost. */
#include "edge/connection_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/session.h"

#include <stdlib.h>

/* Moves octets one way, and stops their source when the sink is full. */
static void pass(struct stream *from, struct stream *to, struct str octets)
{
    stream_write(to, octets);
    if (stream_get_queued(to) > STREAM_HIGH_WATER) {
        stream_pause(from);
    }
}

void connection_drop_given_back(struct connection *c)
{
    if (c->given_back != NULL) {
        buf_release(c->given_back);
        free(c->given_back);
        c->given_back = NULL;
    }
}

static void on_relay_client_octets(void *owner, struct str octets)
{
    struct connection *c = owner;
    CLEANUP(log_restore) uint32_t before = log_about(c->id);
    idle_note_heard(c);
    c->edge->counts.octets_in += octets.n;
    keep_note_input(c->keep, octets);
    if (c->session != NULL) {
        pass(c->client, c->session, octets);
        return;
    }
    if (keep_get_log(c->keep).n > STREAM_HIGH_WATER) {
        stream_pause(c->client);
    }
    resume_session(c);
}

static void on_relay_client_drained(void *owner)
{
    struct connection *c = owner;
    idle_note_life(c);
    if (c->session != NULL) {
        stream_resume(c->session);
    }
}

/* The client's octets make no sense; ours still do. */
static void say_nonsense(struct connection *c)
{
    log_info("a client's DEFLATE is broken");
    connection_say_bye(c, ERR_SYNTAX);
}

static void on_relay_client_end(void *owner, enum err why)
{
    struct connection *c = owner;
    CLEANUP(log_restore) uint32_t before = log_about(c->id);
    if (why == ERR_SYNTAX && c->is_compressed) {
        say_nonsense(c);
        return;
    }
    if (why != ERR_OK) {
        connection_free(c);
        return;
    }
    c->is_peer_done = true;
    if (c->session != NULL) {
        stream_shutdown(c->session);
    } else if (keep_is_dormant(c->keep)) {
        connection_finish(c);
    } else {
        resume_session(c);
    }
}

static void on_session_octets(void *owner, struct str octets)
{
    struct connection *c = owner;
    idle_note_said(c);
    c->is_line_done = octets.n > 0 ? octets.p[octets.n - 1] == '\n' : c->is_line_done;
    if (c->mark != 0) {
        buf_add(c->given_back, octets);
        return;
    }
    c->edge->counts.octets_out += octets.n;
    keep_note_output(c->keep, octets);
    pass(c->session, c->client, octets);
}

static void on_session_drained(void *owner)
{
    struct connection *c = owner;
    if (c->mark == 0) {
        stream_resume(c->client);
    }
}

static void on_session_end(void *owner, enum err why);

static const struct stream_handler RELAY_CLIENT = {on_relay_client_octets, on_relay_client_drained,
                                                   on_relay_client_end};
static const struct stream_handler RELAY_SESSION = {on_session_octets, on_session_drained,
                                                    on_session_end};

static bool is_expected(const struct connection *c, uint8_t mark)
{
    if (c->mark != 0) {
        return mark == c->mark && !c->given_back->is_full;
    }
    if (mark == SESSION_MARK_COMPRESS) {
        return c->service == SERVICE_IMAP && !c->is_compressed;
    }
    return mark == SESSION_MARK_UNAUTHENTICATE && c->service != SERVICE_SUBMIT;
}

/* From here on the client is heard and answered through DEFLATE. */
static void start_deflate(struct connection *c)
{
    struct edge *e = c->edge;
    c->client = deflate_new(e->deflate, c->client, buf_str(c->given_back));
    c->is_compressed = true;
    stream_set_handler(c->client, &RELAY_CLIENT, c);
    stream_resume(c->client);
}

/* Back to the dialogue. What the client said behind the command came back from the session, or is behind its last block. */
static void end_session(struct connection *c)
{
    struct buf octets = *c->given_back;
    *c->given_back = BUF_INIT(0);
    connection_drop_given_back(c);
    if (c->is_compressed) {
        c->client = deflate_strip(&c->client, &octets);
        c->is_compressed = false;
    }
    connection_reopen(c, buf_str(&octets));
    buf_release(&octets);
}

/* The process died between a mark and its return: what came too early is what was noted. False: it was not noted. */
static bool complete_mark(struct connection *c)
{
    if (!keep_has_log(c->keep)) {
        return false;
    }
    buf_clear(c->given_back);
    buf_add(c->given_back, keep_get_log(c->keep));
    keep_restart(c->keep);
    c->mark = 0;
    return !c->given_back->is_full;
}

/* The client has not heard of its session, which can begin once more. */
static bool has_said_nothing(const struct connection *c)
{
    return c->opening != NULL && c->mark == 0 && keep_is_quiet(c->keep) && keep_has_log(c->keep);
}

/* False: it cannot go on. */
static bool outlive(struct connection *c)
{
    uint8_t mark = c->mark;
    stream_free(&c->session);
    if (mark != 0 && !complete_mark(c)) {
        log_info("a session that was about to change its layer ends with its process");
        return false;
    }
    if (mark == SESSION_MARK_UNAUTHENTICATE) {
        end_session(c);
        return true;
    }
    if (mark == SESSION_MARK_COMPRESS) {
        start_deflate(c);
        connection_drop_given_back(c);
    }
    if (has_said_nothing(c)) {
        connection_open_again(c, false);
        return true;
    }
    if (!keep_has_state(c->keep)) {
        log_info("a session that never said where it stands ends with its process");
        return false;
    }
    resume_note_cut(c);
    return true;
}

static void on_session_end(void *owner, enum err why)
{
    struct connection *c = owner;
    CLEANUP(log_restore) uint32_t before = log_about(c->id);
    if (why == ERR_OK) {
        connection_finish(c);
        return;
    }
    if (link_was_cut(c->session) && outlive(c)) {
        return;
    }
    log_info("a session ends without having said so: %s", err_get_info(why)->meaning);
    c->edge->counts.resumes_refused += keep_get_tries(c->keep) > 0 ? 1 : 0;
    connection_say_bye(c, ERR_UNAVAILABLE);
}

static void on_save(void *owner, const struct link_save *save)
{
    struct connection *c = owner;
    connection_drop_opening(c);
    if (!keep_take(c->keep, save)) {
        log_warn("a session's state is of no use");
    }
    idle_note_client(c, save->heartbeat_s);
}

static void on_park(void *owner)
{
    resume_note_park(owner);
}

static const struct link_keeper KEEPER = {on_save, on_park};

static void on_session_mark(void *owner, uint8_t mark)
{
    struct connection *c = owner;
    CLEANUP(log_restore) uint32_t before = log_about(c->id);
    if (mark == SESSION_MARK_AGAIN && has_said_nothing(c)) {
        connection_open_again(c, true);
        return;
    }
    if (!is_expected(c, mark)) {
        log_error("a session says mark %d out of turn", (int)mark);
        connection_say_bye(c, ERR_UNAVAILABLE);
        return;
    }
    if (c->mark == 0) {
        c->mark = mark;
        c->given_back = mem_new(sizeof(*c->given_back));
        buf_init(c->given_back, 2 * LINK_WINDOW);
        stream_pause(c->client);
        stream_mark(c->session, mark);
        if (c->is_compressed) {
            deflate_end(c->client); /* the OK was the last that is compressed */
        }
        return;
    }
    c->mark = 0;
    keep_restart(c->keep);
    if (mark == SESSION_MARK_UNAUTHENTICATE) {
        end_session(c);
        return;
    }
    start_deflate(c);
    connection_drop_given_back(c);
}

bool connection_is_at_rest(const struct connection *c)
{
    return c->is_in && c->mark == 0 && c->is_line_done
           && (keep_is_quiet(c->keep) || c->opening != NULL);
}

static void tie(struct connection *c)
{
    stream_set_handler(c->session, &RELAY_SESSION, c);
    stream_on_mark(c->session, on_session_mark);
    link_set_keeper(c->session, &KEEPER);
    if (stream_get_queued(c->session) <= STREAM_HIGH_WATER) {
        stream_resume(c->client);
    }
    if (c->is_peer_done) {
        stream_shutdown(c->session);
    }
}

void relay_resume(struct connection *c, struct stream *s)
{
    c->session = s;
    stream_write(s, keep_get_log(c->keep));
    tie(c);
    if (stream_get_queued(c->client) > STREAM_HIGH_WATER) {
        stream_pause(s);
    }
}

void relay_start(struct connection *c)
{
    struct stranger *who = c->stranger;
    if (c->is_tls && !who->is_again) {
        tls_keep_session(c->client);
    }
    struct str rest = dialogue_get_rest(c->stranger->dialogue);
    if (rest.n > 0) {
        keep_note_input(c->keep, rest);
        pass(c->client, c->session, rest);
    }
    c->grudges = dialogue_get_grudges(c->stranger->dialogue);
    idle_note_client(c, dialogue_get_heartbeat_s(c->stranger->dialogue));
    c->opening = mem_new(sizeof(*c->opening));
    *c->opening =
        (struct opening){.dialogue = who->dialogue, .ticket = who->ticket, .tries = who->tries};
    memcpy(c->opening->nonce, who->nonce, sizeof(who->nonce));
    who->dialogue = NULL;
    who->ticket = BUF_INIT(0);
    c->edge->counts.of[c->service].logins += who->is_again ? 0 : 1;
    connection_forget_stranger(c);
    c->is_in = true;
    c->edge->counts.of[c->service].strangers--;
    if (c->is_counted) {
        limits_note_login(c->edge->limits, &c->peer);
    }
    c->edge->counts.of[c->service].sessions++;
    stream_set_handler(c->client, &RELAY_CLIENT, c);
    tie(c);
    idle_note_life(c);
    comeback_note_login(c);
}
