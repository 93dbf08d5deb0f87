/* One client connection.
 *
 *     greeting ... login  ->  ask auth  ->  open session  ->  relay
 *     (dialogue)              (link)        (link)            client <-> session
 *
 * Before login a dialogue (sans-I/O) says what to do, and this file does it: write, start TLS, ask auth, open. After it
 * the dialogue is gone and two streams are tied together: relay.c.
 *
 * How long it may be silent: idle.c. */
#include "edge/connection_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/fields.h"

#include <stdlib.h>
#include <sys/random.h>

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

static void no_reply(void *owner, enum err e, struct str body)
{
    (void)owner;
    (void)e;
    (void)body;
}

/* The login under way is of no use any more. */
static void cancel_login(struct connection *c)
{
    struct link *auth = c->edge->auth;
    struct stranger *who = c->stranger;
    if (who->is_asking) {
        link_cancel(auth, c);
        who->is_asking = false;
    }
    if (who->has_exchange && link_is_up(auth)) {
        struct buf b = BUF_INIT(256);
        fields_add(&b, STR("op"), STR("cancel"));
        fields_add_u64(&b, STR("exchange"), who->exchange);
        link_request(auth, buf_str(&b), no_reply, NULL);
        buf_release(&b);
    }
    who->has_exchange = false;
}

void connection_forget_stranger(struct connection *c)
{
    if (c->stranger == NULL) {
        return;
    }
    cancel_login(c);
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
    dialogue_free(&c->login);
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
static struct link *find_session_link(const struct connection *c, uint16_t *home)
{
    struct ticket t;
    unsigned workers = c->edge->settings.workers;
    if (c->service == SERVICE_SUBMIT) {
        *home = (uint16_t)workers;
        return c->edge->submit;
    }
    if (ticket_read(buf_str(&c->stranger->ticket), &t) != ERR_OK) {
        return NULL;
    }
    *home = (uint16_t)ticket_get_worker(t.user, workers);
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

static bool open_session(struct connection *c)
{
    uint16_t home = 0;
    struct link *l = find_session_link(c, &home);
    struct buf head = BUF_INIT(LINK_OPEN_MOST);
    write_head(c, &head);
    if (!link_is_up(l) || head.is_full) {
        buf_release(&head);
        buf_release(&c->stranger->ticket);
        log_warn("a session could not be opened: %s", l == NULL ? "no link" : "link is down");
        dialogue_on_open_failed(c->stranger->dialogue);
        return false;
    }
    struct ticket t;
    if (ticket_read(buf_str(&c->stranger->ticket), &t) == ERR_OK) {
        idle_note_user(c, t.user);
        c->user_key = edge_make_user_key(c->edge, t.user);
    }
    c->session = link_open(l, buf_str(&head));
    c->keep = keep_new(c->stranger->nonce);
    keep_get_place(c->keep)->whose = c;
    keep_get_place(c->keep)->home = home;
    buf_release(&head);
    buf_release(&c->stranger->ticket);
    return true;
}

/* ---- logging in ---- */

static void run(struct connection *c);

static enum err find_err(struct str name)
{
    for (int e = ERR_OK + 1; e < ERR_COUNT; e++) {
        if (str_eq(name, str_from_c(err_get_info((enum err)e)->name))) {
            return (enum err)e;
        }
    }
    return ERR_UNAVAILABLE;
}

static void take_answer(struct connection *c, const struct fields *f)
{
    struct str result = fields_get(f, STR("result"));
    c->stranger->has_exchange = false;
    if (str_eq(result, STR("challenge"))) {
        c->stranger->has_exchange = true;
        c->stranger->exchange = fields_get_u64(f, STR("exchange"), 0);
        dialogue_on_challenge(c->stranger->dialogue, fields_get(f, STR("data")));
    } else if (str_eq(result, STR("ok"))) {
        buf_clear(&c->stranger->ticket);
        buf_add(&c->stranger->ticket, fields_get(f, STR("ticket")));
        dialogue_on_yes(c->stranger->dialogue, fields_get(f, STR("data")));
    } else {
        enum err why = find_err(fields_get(f, STR("code")));
        if (why == ERR_AUTH_FAILED) {
            door_note_failure(c);
        }
        dialogue_on_no(c->stranger->dialogue, why);
    }
}

static void on_answer(void *owner, enum err e, struct str body)
{
    struct connection *c = owner;
    CLEANUP(log_restore) uint32_t before = log_about(c->id);
    struct fields f;
    c->stranger->is_asking = false;
    idle_note_life(c);
    if (e != ERR_OK || fields_parse(body, &f) != ERR_OK) {
        c->stranger->has_exchange = false;
        dialogue_on_no(c->stranger->dialogue, ERR_UNAVAILABLE);
    } else {
        take_answer(c, &f);
        fields_release(&f);
    }
    run(c);
}

static void write_start(struct connection *c, const struct login_question *q, struct buf *b)
{
    struct str type = STR_EMPTY;
    struct buf binding = BUF_INIT(256);
    if (getrandom(c->stranger->nonce, sizeof(c->stranger->nonce), 0)
        != (ssize_t)sizeof(c->stranger->nonce)) {
        abort();
    }
    fields_add(b, STR("op"), STR("start"));
    fields_add_u64(b, STR("log"), c->id);
    fields_add(b, STR("service"), str_from_c(WORDS[c->service].service));
    fields_add(b, STR("mechanism"), q->mechanism);
    fields_add_u64(b, STR("has_initial"), q->has_initial ? 1 : 0);
    fields_add_u64(b, STR("tls"), c->is_tls ? 1 : 0);
    fields_add_u64(b, STR("loopback"), c->is_loopback ? 1 : 0);
    add_address(b, STR("peer"), &c->peer);
    fields_add(b, STR("nonce"),
               str_make((const char *)c->stranger->nonce, sizeof(c->stranger->nonce)));
    if (c->is_tls && tls_get_binding(c->client, &type, &binding)) {
        fields_add(b, STR("cb_type"), type);
        fields_add(b, STR("cb"), buf_str(&binding));
    }
    buf_release(&binding);
}

static void ask(struct connection *c)
{
    struct login_question q = dialogue_get_question(c->stranger->dialogue);
    struct buf b = BUF_INIT(LINK_MESSAGE_MOST);
    (void)buf_reserve(
        &b, 1024 + 3 * q.data.n); /* once: growing would leave copies of a password behind */
    if (q.op == LOGIN_START) {
        write_start(c, &q, &b);
    } else {
        fields_add(&b, STR("op"), STR("continue"));
        fields_add_u64(&b, STR("exchange"), c->stranger->exchange);
    }
    fields_add(&b, STR("data"), q.data);
    if (link_is_up(c->edge->auth) && !b.is_full) {
        c->stranger->is_asking = true;
        link_request(c->edge->auth, buf_str(&b), on_answer, c);
    } else {
        dialogue_on_no(c->stranger->dialogue, ERR_UNAVAILABLE);
    }
    explicit_bzero(b.p, b.size);
    buf_release(&b);
}

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
        ask(c);
        return !c->stranger->is_asking;
    case DIALOGUE_CANCEL:
        cancel_login(c);
        return true;
    case DIALOGUE_OPEN:
        if (!open_session(c)) {
            return true;
        }
        relay_start(c);
        return false;
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

void connection_fail_login(struct connection *c, struct str octets)
{
    struct buf rest = BUF_INIT(KEEP_LOG_MOST);
    buf_add(&rest, octets); /* its owner goes */
    leave_session(c, c->login);
    c->login = NULL;
    dialogue_on_open_failed(c->stranger->dialogue);
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
