/* Logging in, behind the dialogue: questions to auth, and what happens when somebody is away.
 *
 * Auth, a store worker or submit may be away for a moment: restarted, or dead and not yet back. A client must not hear of
 * that: a phone that hears NO tells its user that he cannot log in. So the login waits, and the client with it, at most as
 * long as a session would (resume_wait_ms; and no longer than auth gives tickets anew), and within all bounds of a stranger:
 * his time, his share, his place in a full house.
 *
 *     ask -> the line to auth -> auth -> yes -> open the session -> its first state: the login is over
 *             ^      "later" --'  |                |       |
 *             |      link down ---'                |       '-- the worker dies, or does not take so old a ticket --.
 *             |                                    '-- the worker is away: waits at its home (resume.c) <----------'
 *             '------------- "again": another ticket ----------------------'
 *
 * What may be repeated: a first message of SASL, with all that the client has said, for whoever got it has answered nobody.
 * When only the link was cut and auth lived on, a failure counts twice: better than not at all. A ticket is changed for a
 * fresh one, never shown twice. What may not: the answer to a challenge (SCRAM), since the nonce in it died with its auth; the
 * client is told good-bye, comes again by itself, and begins anew. A NO would be shown to its user.
 *
 * A login that eight processes did not survive may be what kills them: it fails. */
#include "edge/connection_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/fields.h"

#include <stdlib.h>
#include <sys/random.h>

enum {
    TRIES_MOST = 8,
    PATIENCE = 0,
    RENEW_PAUSE_MS = 250,
    LATER_LEAST_MS = 10,
    RENEW_ASIDE_MS = 30 * 1000
};

static struct connection *of_seat(struct line_seat *s)
{
    return list_entry(s, struct stranger, seat)->connection;
}

/* What was asked of auth. It stays when its connection goes, because a login that fails counts against its address even so: else
 * who guesses would hang up as soon as no yes comes, which is said at once. */
struct asked {
    struct edge *edge;
    struct connection *connection; /* NULL: it is gone */
    void (*on_reply)(struct connection *c, enum err e, struct str body);
    struct address peer;
    bool is_counted;
};

static enum err find_err(struct str name)
{
    for (int e = ERR_OK + 1; e < ERR_COUNT; e++) {
        if (str_eq(name, str_from_c(err_get_info((enum err)e)->name))) {
            return (enum err)e;
        }
    }
    return ERR_UNAVAILABLE;
}

/* Nobody is there any more to hear how it ended. */
static void take_late_answer(const struct asked *a, struct str body)
{
    struct fields f;
    if (fields_parse(body, &f) != ERR_OK) {
        return;
    }
    if (a->is_counted && find_err(fields_get(&f, STR("code"))) == ERR_AUTH_FAILED) {
        limits_note_failure(a->edge->limits, &a->peer, loop_now_ms(a->edge->loop));
    }
    fields_release(&f);
}

static void on_reply(void *owner, enum err e, struct str body)
{
    struct asked a = *(struct asked *)owner;
    free(owner);
    if (a.connection != NULL) {
        CLEANUP(log_restore) uint32_t before = log_about(a.connection->id);
        a.connection->stranger->asked = NULL;
        a.on_reply(a.connection, e, body);
    } else if (e == ERR_OK) {
        take_late_answer(&a, body);
    }
}

static void request(struct connection *c, struct str body, struct asked *a)
{
    a->edge = c->edge;
    a->peer = c->peer;
    a->is_counted = c->is_counted;
    link_request(c->edge->auth, body, on_reply, a);
}

/* The exchange is with the auth that is there now. */
static bool has_exchange(const struct connection *c)
{
    const struct stranger *who = c->stranger;
    return who->has_exchange && link_is_up(c->edge->auth) && who->exchange_auth == c->edge->auths;
}

/* It waits for nobody. */
static void end_wait(struct connection *c)
{
    struct stranger *who = c->stranger;
    who->is_held = false;
    who->is_renewing = false;
    list_remove(&who->home);
    silence_remove(&who->patience);
    line_leave(c->edge->line, &who->seat);
}

void question_cancel(struct connection *c)
{
    struct stranger *who = c->stranger;
    if (who->asked != NULL) {
        who->asked->connection = NULL;
        who->asked = NULL;
    }
    if (has_exchange(c)) {
        struct buf b = BUF_INIT(256);
        fields_add(&b, STR("op"), STR("cancel"));
        fields_add_u64(&b, STR("exchange"), who->exchange);
        request(c, buf_str(&b), mem_new(sizeof(struct asked)));
        buf_release(&b);
    }
    who->has_exchange = false;
    end_wait(c);
}

/* ---- answers ---- */

/* The login fails: for want of an answer, or of a worker. */
static void give_up(struct connection *c)
{
    bool has_ticket = c->stranger->is_held;
    question_cancel(c);
    if (has_ticket) {
        buf_clear(&c->stranger->ticket);
        dialogue_on_open_failed(c->stranger->dialogue);
    } else {
        dialogue_on_no(c->stranger->dialogue, ERR_UNAVAILABLE);
    }
}

static void take_ticket(struct connection *c, const struct fields *f)
{
    buf_clear(&c->stranger->ticket);
    buf_add(&c->stranger->ticket, fields_get(f, STR("ticket")));
}

static void take_answer(struct connection *c, const struct fields *f)
{
    struct str result = fields_get(f, STR("result"));
    struct dialogue *d = c->stranger->dialogue;
    c->stranger->has_exchange = false;
    if (str_eq(result, STR("challenge"))) {
        c->stranger->has_exchange = true;
        c->stranger->exchange = fields_get_u64(f, STR("exchange"), 0);
        c->stranger->exchange_auth = c->edge->auths;
        dialogue_on_challenge(d, fields_get(f, STR("data")));
    } else if (str_eq(result, STR("ok"))) {
        take_ticket(c, f);
        dialogue_on_yes(d, fields_get(f, STR("data")));
    } else {
        enum err why = find_err(fields_get(f, STR("code")));
        if (why == ERR_AUTH_FAILED) {
            door_note_failure(c);
        }
        dialogue_on_no(d, why);
    }
}

static void lose_exchange(struct connection *c)
{
    log_info("auth went amid a login; the client begins anew");
    c->stranger->has_exchange = false;
    connection_say_bye(c, ERR_UNAVAILABLE);
}

/* Auth went, or could not be reached. */
static void wait_for_auth(struct connection *c)
{
    struct stranger *who = c->stranger;
    struct edge *e = c->edge;
    line_close(e->line);
    if (++who->tries > TRIES_MOST) {
        log_error("a login that %d processes did not survive fails", TRIES_MOST);
        give_up(c);
        connection_go_on(c);
        return;
    }
    line_put_back(e->line, &who->seat, 0, false);
    silence_note(e->patience, &who->patience, PATIENCE);
}

/* The answer to a challenge was answered. */
static void on_continued(struct connection *c, enum err e, struct str body)
{
    struct fields f;
    idle_note_life(c);
    if (e != ERR_OK) {
        lose_exchange(c);
        return;
    }
    if (fields_parse(body, &f) != ERR_OK) {
        c->stranger->has_exchange = false;
        dialogue_on_no(c->stranger->dialogue, ERR_UNAVAILABLE);
    } else {
        take_answer(c, &f);
        fields_release(&f);
    }
    connection_go_on(c);
}

static void take_first_answer(struct connection *c, const struct fields *f)
{
    bool is_renewed = c->stranger->is_renewing;
    if (is_renewed && !str_eq(fields_get(f, STR("result")), STR("ok"))) {
        give_up(c);
        return;
    }
    end_wait(c);
    if (is_renewed) {
        take_ticket(c, f);
    } else {
        take_answer(c, f);
    }
}

static void on_answer(struct connection *c, enum err e, struct str body)
{
    struct fields f;
    if (e != ERR_OK) {
        wait_for_auth(c);
        return;
    }
    if (fields_parse(body, &f) != ERR_OK) {
        give_up(c);
    } else if (str_eq(fields_get(&f, STR("result")), STR("later"))) {
        uint64_t wait_ms = fields_get_u64(&f, STR("wait_ms"), 0);
        line_put_back(c->edge->line, &c->stranger->seat,
                      wait_ms > LATER_LEAST_MS ? wait_ms : LATER_LEAST_MS,
                      fields_get_u64(&f, STR("all"), 0) == 1);
        fields_release(&f);
        return;
    } else {
        take_first_answer(c, &f);
        fields_release(&f);
    }
    idle_note_life(c);
    connection_go_on(c);
}

/* ---- questions ---- */

static void write_start(struct connection *c, const struct login_question *q, struct buf *b)
{
    struct str type = STR_EMPTY;
    struct buf binding = BUF_INIT(256);
    if (getrandom(c->stranger->nonce, sizeof(c->stranger->nonce), 0)
        != (ssize_t)sizeof(c->stranger->nonce)) {
        abort();
    }
    fields_add(b, STR("op"), STR("start"));
    connection_write_place(c, b);
    fields_add(b, STR("mechanism"), q->mechanism);
    fields_add_u64(b, STR("has_initial"), 1);
    fields_add_u64(b, STR("loopback"), c->is_loopback ? 1 : 0);
    fields_add(b, STR("nonce"),
               str_make((const char *)c->stranger->nonce, sizeof(c->stranger->nonce)));
    if (c->is_tls && tls_get_binding(c->client, &type, &binding)) {
        fields_add(b, STR("cb_type"), type);
        fields_add(b, STR("cb"), buf_str(&binding));
    }
    buf_release(&binding);
    fields_add(b, STR("data"), q->data);
}

/* Puts the question to auth, which is there. */
static void put(struct connection *c, struct buf *b,
                void (*on_answered)(struct connection *c, enum err e, struct str body))
{
    bool is_whole = buf_err(b) == ERR_OK;
    if (is_whole) {
        c->stranger->asked = mem_new(sizeof(struct asked));
        c->stranger->asked->connection = c;
        c->stranger->asked->on_reply = on_answered;
        request(c, buf_str(b), c->stranger->asked);
    }
    buf_wipe(b);
    if (!is_whole) {
        give_up(c);
        connection_go_on(c);
    }
}

static void on_turn(void *owner, struct line_seat *s)
{
    struct connection *c = of_seat(s);
    struct edge *e = owner;
    CLEANUP(log_restore) uint32_t before = log_about(c->id);
    if (!link_is_up(e->auth)) {
        line_close(e->line);
        line_put_back(e->line, s, 0, false);
        return;
    }
    CLEANUP(buf_release) struct buf b = BUF_INIT(LINK_MESSAGE_MOST);
    if (c->stranger->is_renewing) {
        fields_add(&b, STR("op"), STR("again"));
        fields_add(&b, STR("ticket"), buf_str(&c->stranger->ticket));
    } else {
        struct login_question q = dialogue_get_question(c->stranger->dialogue);
        /* once: growing would leave copies of a password behind */
        (void)buf_reserve(&b, 2048 + 3 * q.data.n);
        write_start(c, &q, &b);
    }
    put(c, &b, on_answer);
}

static void stand_in_line(struct connection *c, uint64_t wait_ms)
{
    struct edge *e = c->edge;
    silence_note(e->patience, &c->stranger->patience, PATIENCE);
    line_ask(e->line, &c->stranger->seat, address_get_neighbour(&c->peer), wait_ms);
}

void question_ask(struct connection *c)
{
    struct login_question q = dialogue_get_question(c->stranger->dialogue);
    if (q.op == LOGIN_START) {
        c->stranger->tries = 0;
        stand_in_line(c, 0);
        return;
    }
    if (!has_exchange(c)) {
        lose_exchange(c);
        return;
    }
    CLEANUP(buf_release) struct buf b = BUF_INIT(LINK_MESSAGE_MOST);
    (void)buf_reserve(&b, 1024 + 3 * q.data.n);
    fields_add(&b, STR("op"), STR("continue"));
    fields_add_u64(&b, STR("exchange"), c->stranger->exchange);
    fields_add(&b, STR("data"), q.data);
    put(c, &b, on_continued);
}

/* ---- a worker that is away ---- */

void question_hold(struct connection *c, unsigned home)
{
    log_info("a login waits for its worker");
    c->stranger->is_held = true;
    silence_note(c->edge->patience, &c->stranger->patience, PATIENCE);
    resume_hold(c->edge, home, &c->stranger->home);
}

void question_renew(struct connection *c, bool is_refused)
{
    struct stranger *who = c->stranger;
    list_remove(&who->home);
    who->is_held = true;
    who->is_renewing = true;
    stand_in_line(c, is_refused ? RENEW_PAUSE_MS : 0);
}

bool question_may_try(struct connection *c)
{
    return ++c->stranger->tries <= TRIES_MOST;
}

/* It has waited for long enough, unless it is only its turn that it waits for. */
static void on_late(void *owner, struct silence_place *p)
{
    struct stranger *who = list_entry(p, struct stranger, patience);
    struct connection *c = who->connection;
    struct edge *e = owner;
    CLEANUP(log_restore) uint32_t before = log_about(c->id);
    if (list_is_empty(&who->home) && link_is_up(e->auth)) {
        silence_note(e->patience, p, PATIENCE);
        return;
    }
    log_info("a login has waited for too long");
    give_up(c);
    connection_go_on(c);
}

void question_open(struct edge *e)
{
    uint64_t most_ms = TICKET_RENEW_MS - RENEW_ASIDE_MS;
    uint64_t wait_ms = e->settings.resume_wait_ms;
    e->line = line_new(e->loop, on_turn, e);
    e->patience = silence_new(e->loop, on_late, e);
    silence_set_rule(e->patience, PATIENCE, wait_ms < most_ms ? wait_ms : most_ms);
}

void question_close(struct edge *e)
{
    line_free(&e->line);
    silence_free(&e->patience);
}
