/* One client connection.
 *
 *     greeting ... login  ->  ask auth  ->  open session  ->  relay
 *     (dialogue)              (link)        (link)            client <-> session
 *
 * Before login a dialogue (sans-I/O) says what to do, and this file does it: write, start TLS, open; how auth is asked is in question.c.
 * After it the dialogue is gone and two streams are tied together: relay.c.
 *
 * How long it may be silent: idle.c. */
#include "edge/connection_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/fields.h"

#include <stdlib.h>

/* Of a service: what auth and the session's role call it, and how the session is told dialogue_get_name(). */
static const struct {
    const char *service;
    const char *name;
} WORDS[] = {
    [SERVICE_IMAP] = {"imap", "tag"},
    [SERVICE_SUBMIT] = {"submit", "helo"},
    [SERVICE_SIEVE] = {"sieve", "sasl"},
};

struct connection *connection_from_node(struct list *node)
{
    return list_entry(node, struct connection, node);
}

void connection_forget_stranger(struct connection *c)
{
    if (c->stranger == NULL) {
        return;
    }
    question_cancel(c);
    door_end(c->stranger);
    dialogue_free(&c->stranger->dialogue);
    buf_release(&c->stranger->ticket);
    free(c->stranger);
    c->stranger = NULL;
}

void connection_free(struct connection *c)
{
    CLEANUP(log_restore) uint32_t before = log_about(c->id);
    log_debug("the client is gone");
    connection_forget_stranger(c);
    connection_drop_opening(c);
    comeback_forget(c);
    list_remove(&c->node);
    silence_remove(&c->place);
    struct edge_count *count = &c->edge->counts.of[c->service];
    *(c->is_in ? &count->sessions : &count->strangers) -= 1;
    c->edge->count--;
    if (c->is_counted) {
        limits_give(c->edge->limits, &c->peer, !c->is_in);
    }
    resume_leave(c);
    keep_free(&c->keep);
    stream_free(&c->session);
    stream_free(&c->client);
    connection_drop_given_back(c);
    free(c);
}

void connection_drop_opening(struct connection *c)
{
    if (c->opening != NULL) {
        dialogue_free(&c->opening->dialogue);
        buf_release(&c->opening->ticket);
        free(c->opening);
        c->opening = NULL;
    }
}

void connection_finish(struct connection *c)
{
    stream_finish(c->edge->loop, &c->client);
    connection_free(c);
}

void connection_say_bye(struct connection *c, enum err why)
{
    CLEANUP(log_restore) uint32_t before = log_about(c->id);
    if (c->is_tls && !tls_is_ready(c->client)) {
        connection_free(c); /* in the middle of a handshake nothing can be said */
        return;
    }
    struct buf b = BUF_INIT(1024);
    dialogue_write_bye(&b, c->service, c->edge->settings.hostname, why);
    stream_write(c->client, buf_str(&b));
    buf_release(&b);
    connection_finish(c);
}

/* ---- opening the session ---- */

/* home: see keep.h. */
static struct link *find_session_link(const struct connection *c, struct str user, uint16_t *home)
{
    unsigned workers = c->edge->settings.workers;
    if (c->service == SERVICE_SUBMIT) {
        *home = (uint16_t)workers;
        return c->edge->submit;
    }
    *home = (uint16_t)ticket_get_worker(user, workers);
    return c->edge->stores[*home];
}

static void add_address(struct buf *out, struct str key, const struct address *a)
{
    struct buf text = BUF_INIT(64);
    address_write(&text, a);
    fields_add(out, key, buf_str(&text));
    buf_release(&text);
}

void connection_write_place(const struct connection *c, struct buf *head)
{
    fields_add(head, STR("service"), str_from_c(WORDS[c->service].service));
    fields_add_u64(head, STR("log"), c->id);
    fields_add_u64(head, STR("tls"), c->is_tls ? 1 : 0);
    add_address(head, STR("peer"), &c->peer);
    add_address(head, STR("local"), &c->local);
    fields_add_u64(head, STR("port"), c->local.port);
}

static void write_head(const struct connection *c, struct buf *b)
{
    connection_write_place(c, b);
    fields_add(b, STR("ticket"), buf_str(&c->stranger->ticket));
    fields_add(b, STR("nonce"),
               str_make((const char *)c->stranger->nonce, sizeof(c->stranger->nonce)));
    fields_add(b, str_from_c(WORDS[c->service].name), dialogue_get_name(c->stranger->dialogue));
}

/* False: it cannot be opened, now or at all. */
static bool open_session(struct connection *c)
{
    uint16_t home = 0;
    struct ticket t;
    struct buf head = BUF_INIT(LINK_OPEN_MOST);
    enum err e = ticket_read(buf_str(&c->stranger->ticket), &t);
    struct link *l = e == ERR_OK ? find_session_link(c, t.user, &home) : NULL;
    write_head(c, &head);
    if (e != ERR_OK || head.is_full) {
        buf_release(&head);
        buf_release(&c->stranger->ticket);
        log_warn("a session could not be opened: no use for the ticket");
        dialogue_on_open_failed(c->stranger->dialogue);
        return false;
    }
    if (!link_is_up(l)) {
        buf_release(&head);
        question_hold(c, home);
        return false;
    }
    idle_note_user(c, t.user);
    c->user_key = edge_make_user_key(c->edge, t.user);
    c->session = link_open(l, buf_str(&head));
    c->keep = keep_new(c->stranger->nonce);
    keep_get_place(c->keep)->whose = c;
    keep_get_place(c->keep)->home = home;
    buf_release(&head);
    return true;
}

static void run(struct connection *c);

/* ---- dialogue ---- */

static const struct stream_handler DIALOGUE_CLIENT;

static void tell_tls(struct connection *c)
{
    struct str type = STR_EMPTY;
    struct buf binding = BUF_INIT(256);
    dialogue_on_tls(c->stranger->dialogue, tls_get_binding(c->client, &type, &binding));
    buf_release(&binding);
}

static void on_tls_ready(void *owner)
{
    struct connection *c = owner;
    c->edge->counts.handshakes[tls_is_resumed(c->client) ? EDGE_TLS_RESUMED : EDGE_TLS_FULL]++;
    tell_tls(c);
    run(c);
}

static void start_tls(struct connection *c)
{
    c->client = tls_server_new(c->edge->loop, c->edge->settings.tls_context, c->client);
    c->is_tls = true;
    stream_set_handler(c->client, &DIALOGUE_CLIENT, c);
    tls_on_ready(c->client, on_tls_ready);
    door_hold_handshake(c);
}

/* As act(). */
static bool open(struct connection *c)
{
    if (c->stranger->is_held) {
        return false;
    }
    if (open_session(c)) {
        relay_start(c);
        return false;
    }
    return !c->stranger->is_held;
}

/* Does what the dialogue wants. False: it cannot go on now, or is over (then c is gone). */
static bool act(struct connection *c, enum dialogue_want want)
{
    switch (want) {
    case DIALOGUE_OUTPUT:
        return true;
    case DIALOGUE_TLS:
        start_tls(c);
        return false;
    case DIALOGUE_ASK:
        question_ask(c);
        return false;
    case DIALOGUE_CANCEL:
        question_cancel(c);
        return true;
    case DIALOGUE_OPEN:
        return open(c);
    case DIALOGUE_CLOSE:
        connection_finish(c);
        return false;
    case DIALOGUE_INPUT:
        if (c->is_peer_done) {
            connection_finish(c);
            return false;
        }
        stream_resume(c->client);
        return false;
    case DIALOGUE_WAIT:
        break;
    }
    return false;
}

static void run(struct connection *c)
{
    bool goes_on = true;
    while (goes_on && stream_get_queued(c->client) <= STREAM_HIGH_WATER) {
        struct buf out = BUF_INIT(1024 * 1024);
        enum dialogue_want want = dialogue_step(c->stranger->dialogue, &out);
        c->edge->counts.octets_out += out.len;
        stream_write(c->client, buf_str(&out));
        buf_release(&out);
        if (dialogue_get_commands(c->stranger->dialogue) != c->stranger->commands) {
            c->stranger->commands = dialogue_get_commands(c->stranger->dialogue);
            idle_note_life(c);
        }
        goes_on = act(c, want);
    }
}

void connection_go_on(struct connection *c)
{
    run(c);
}

static void on_octets(void *owner, struct str octets)
{
    struct connection *c = owner;
    CLEANUP(log_restore) uint32_t before = log_about(c->id);
    c->edge->counts.octets_in += octets.n;
    if (!door_note_octets(c, octets.n)) {
        connection_say_bye(c, ERR_LIMIT);
        return;
    }
    dialogue_feed(c->stranger->dialogue, octets);
    if (dialogue_get_backlog(c->stranger->dialogue) > DIALOGUE_BACKLOG_MOST) {
        stream_pause(c->client);
    }
    run(c);
}

static void on_drained(void *owner)
{
    run(owner);
}

static void on_end(void *owner, enum err why)
{
    struct connection *c = owner;
    CLEANUP(log_restore) uint32_t before = log_about(c->id);
    if (why != ERR_OK) {
        c->edge->counts.handshakes[EDGE_TLS_FAILED] += why == ERR_TLS_FAILED ? 1 : 0;
        connection_free(c);
        return;
    }
    c->is_peer_done = true;
    run(c);
}

static const struct stream_handler DIALOGUE_CLIENT = {on_octets, on_drained, on_end};

static bool may_plaintext(const struct edge_settings *s, bool is_loopback)
{
    return s->plaintext == EDGE_PLAINTEXT_ALWAYS
           || (s->plaintext == EDGE_PLAINTEXT_LOOPBACK && is_loopback);
}

static struct dialogue *make_dialogue(const struct connection *c, bool is_back)
{
    const struct edge_settings *s = &c->edge->settings;
    struct dialogue_args args = {
        .hostname = s->hostname,
        .tls = s->tls,
        .has_certificate = s->tls_context != NULL,
        .may_plaintext = may_plaintext(s, c->is_loopback),
        .has_tokens = s->has_tokens,
        .heartbeat_clients = s->heartbeat_clients,
        .is_without_scram = s->is_without_scram,
        .message_most = s->message_most,
        .sieve = s->sieve,
        .recipients_most = s->recipients_most,
        .hold_most_s = s->hold_most_s,
        .now_s = (int64_t)(loop_wall_ms(c->edge->loop) / 1000),
        .is_back = is_back,
        .grudges = c->grudges,
    };
    return c->service == SERVICE_SIEVE  ? dialogue_new_sieve(&args)
           : c->service == SERVICE_IMAP ? dialogue_new_imap(&args)
                                        : dialogue_new_submission(&args);
}

static void make_stranger(struct connection *c, struct dialogue *d)
{
    c->stranger = mem_new(sizeof(*c->stranger));
    c->stranger->connection = c;
    c->stranger->dialogue = d;
    door_begin(c->stranger);
    line_init_seat(&c->stranger->seat);
    silence_init_place(&c->stranger->patience);
    list_init(&c->stranger->home);
    buf_init(&c->stranger->ticket, LINK_OPEN_MOST);
}

/* Is a stranger again. */
static void leave_session(struct connection *c, struct dialogue *d)
{
    stream_free(&c->session);
    keep_free(&c->keep);
    make_stranger(c, d);
    comeback_forget(c);
    c->is_in = false;
    c->user_beat = 0;
    c->edge->counts.of[c->service].sessions--;
    c->edge->counts.of[c->service].strangers++;
    if (c->is_counted) {
        limits_note_return(c->edge->limits, &c->peer);
    }
}

static void talk_on(struct connection *c, struct str octets)
{
    dialogue_feed(c->stranger->dialogue, octets);
    stream_set_handler(c->client, &DIALOGUE_CLIENT, c);
    idle_note_life(c);
    run(c);
}

void connection_reopen(struct connection *c, struct str octets)
{
    leave_session(c, make_dialogue(c, true));
    if (c->is_tls) {
        tell_tls(c);
    }
    talk_on(c, octets);
}

void connection_open_again(struct connection *c, bool is_refused)
{
    struct opening *o = c->opening;
    struct str known = dialogue_get_rest(o->dialogue); /* which stays in the dialogue */
    struct buf rest = BUF_INIT(KEEP_LOG_MOST);
    unsigned home = keep_get_place(c->keep)->home;
    buf_add(&rest, str_skip(keep_get_log(c->keep), known.n));
    c->opening = NULL;
    leave_session(c, o->dialogue);
    struct stranger *who = c->stranger;
    who->ticket = o->ticket;
    memcpy(who->nonce, o->nonce, sizeof(who->nonce));
    who->tries = o->tries;
    who->is_again = true;
    free(o);
    if (!question_may_try(c)) {
        log_error(
            "a session that %u processes did not survive, or did not let begin, is not opened",
            who->tries);
        dialogue_on_open_failed(who->dialogue);
    } else if (is_refused) {
        question_renew(c, true);
    } else {
        question_hold(c, home);
    }
    talk_on(c, buf_str(&rest));
    buf_release(&rest);
}

static void log_arrival(const struct connection *c)
{
    CLEANUP(log_restore) uint32_t before = log_about(c->id);
    struct buf from = BUF_INIT(64);
    address_write(&from, &c->peer);
    log_debug("%s: a client from %.*s", WORDS[c->service].service, STR_ARG(buf_str(&from)));
    buf_release(&from);
}

void connection_new(struct edge *e, enum service service, struct stream *s,
                    const struct address *peer, const struct address *local, bool is_counted)
{
    struct connection *c = mem_new(sizeof(*c));
    c->edge = e;
    c->id = e->next_id + (e->next_id == 0); /* 0 is nobody's */
    e->next_id = c->id + 1;
    c->service = service;
    c->client = s;
    c->peer = *peer;
    c->local = *local;
    c->is_counted = is_counted;
    c->is_loopback = address_is_loopback(peer, local);
    silence_init_place(&c->place);
    make_stranger(c, make_dialogue(c, false));
    list_append(&e->connections, &c->node);
    e->count++;
    e->counts.of[service].strangers++;
    idle_note_life(c);
    stream_set_handler(s, &DIALOGUE_CLIENT, c);
    log_arrival(c);
    run(c);
}
