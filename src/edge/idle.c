/* The idle rules: what silence means for a connection.
 *
 * Silence is counted, never age (RFC 5383, 4.1: D15). Before login silence is "no whole command", so that single octets do not keep a
 * stranger in; after it "no octet either way":
 *
 *     IMAP           silent for just under two hours: "* OK Still here", and the count begins anew (D18, D25)
 *     ManageSieve    its server cannot speak first (RFC 5804), so after the same time it says BYE
 *     submission     421 after its time-out (RFC 5321, 4.5.3.2.7)
 *
 * What keeps a session: octets of the client, or octets of ours that its host has confirmed to have (D16). So a phone that sleeps stays
 * for as long as it is there. One keep-alive is enough: while octets wait to be confirmed TCP repeats them by itself, nothing is
 * added, and we look again once a minute; when TCP gives up, after a quarter of an hour or so, the connection is gone. So a time-out that
 * falls due while the client owes us a confirmation waits for longer than TCP would (D22, D23), and twice its own length.
 *
 * A keep-alive is written only between two answers: the last that the session said was a whole line, and it is not at a mark. A session
 * that is silent in the middle of something (a literal that does not go on) is logged out after idle_timeout_ms.
 *
 * How long "just under two hours" is depends on the client's network, when that was seen to forget connections earlier (networks.c,
 * comeback.c), and on heartbeats, for clients that cannot do without.
 *
 * Seconds here are settings.second_ms long: a test may make an idle hour short. TCP's patience is in real ones. */
#include "edge/connection_priv.h"

#include "base/log.h"
#include "wire/heartbeats.h"

enum { AGAIN_S = 60, DAY_S = 86400, NETWORKS_MOST = 4096 };

static const uint64_t LEAD_MOST_S = 300; /* a keep-alive is that much earlier than it must be */
static const uint64_t LEAD_PART = 24;
static const uint64_t SIEVE_LEAST_S = 1800; /* RFC 5804, 1.2 */

static bool has_keep_alive(const struct connection *c)
{
    bool is_wanted = c->edge->settings.max_idle_ms > 0 || c->user_beat > 0 || c->client_beat > 0;
    return c->is_in && c->service == SERVICE_IMAP && is_wanted;
}

/* The rule with the shorter silence; IDLE_SESSION: there is none yet. beat: as in struct connection. */
static uint8_t choose(const struct edge *e, uint8_t rule, uint8_t beat)
{
    uint8_t other = (uint8_t)(IDLE_BEAT + beat - 1);
    bool is_shorter =
        beat > 0
        && (rule == IDLE_SESSION
            || silence_get_rule_ms(e->silence, other) < silence_get_rule_ms(e->silence, rule));
    return is_shorter ? other : rule;
}

/* The network's rung, or the user's or the client's heartbeat when that is shorter. */
static uint8_t get_keep_alive_rule(const struct connection *c)
{
    const struct edge *e = c->edge;
    unsigned rung = e->networks == NULL || c->is_loopback
                        ? 0
                        : networks_get_rung(e->networks, &c->peer, loop_now_ms(e->loop));
    uint8_t rule = e->settings.max_idle_ms == 0 ? IDLE_SESSION : (uint8_t)(IDLE_KEEP_ALIVE + rung);
    return choose(e, choose(e, rule, c->user_beat), c->client_beat);
}

static uint8_t get_rule(const struct connection *c)
{
    if (!c->is_in) {
        return IDLE_STRANGER;
    }
    if (c->service == SERVICE_SUBMIT) {
        return IDLE_SUBMISSION;
    }
    if (c->service == SERVICE_SIEVE) {
        return IDLE_SIEVE;
    }
    return has_keep_alive(c) ? get_keep_alive_rule(c) : IDLE_SESSION;
}

static uint64_t get_keep_alive_ms(const struct edge_settings *s)
{
    uint64_t lead = s->max_idle_ms / LEAD_PART;
    return s->max_idle_ms - (lead < LEAD_MOST_S * s->second_ms ? lead : LEAD_MOST_S * s->second_ms);
}

static uint64_t get_sieve_ms(const struct edge_settings *s)
{
    uint64_t ms = get_keep_alive_ms(s);
    if (ms == 0 || ms > s->idle_timeout_ms) {
        return s->idle_timeout_ms;
    }
    return ms < SIEVE_LEAST_S * s->second_ms ? SIEVE_LEAST_S * s->second_ms : ms;
}

/* How long it may be silent. */
static uint64_t get_timeout_ms(const struct connection *c)
{
    const struct edge_settings *s = &c->edge->settings;
    if (!c->is_in) {
        return s->login_timeout_ms;
    }
    if (c->service == SERVICE_SUBMIT) {
        return s->submission_timeout_ms;
    }
    return c->service == SERVICE_SIEVE ? get_sieve_ms(s) : s->idle_timeout_ms;
}

void idle_note_life(struct connection *c)
{
    c->is_owing = false;
    c->spoke_ms = loop_now_ms(c->edge->loop);
    silence_note(c->edge->silence, &c->place, get_rule(c));
}

void idle_note_heard(struct connection *c)
{
    comeback_note_heard(c);
    idle_note_life(c);
}

void idle_note_said(struct connection *c)
{
    comeback_note_said(c);
    idle_note_life(c);
}

static void keep_alive(struct connection *c)
{
    c->edge->counts.keepalives++;
    idle_note_said(c);
    stream_write(c->client, STR("* OK Still here\r\n"));
}

void idle_try(struct connection *c)
{
    uint64_t silent_ms = loop_now_ms(c->edge->loop) - c->spoke_ms;
    if (!has_keep_alive(c) || silent_ms < AGAIN_S * c->edge->settings.second_ms) {
        return;
    }
    if (stream_get_owed(c->client) == 0 && connection_is_at_rest(c)) {
        keep_alive(c);
    }
    silence_note(c->edge->silence, &c->place, IDLE_AGAIN);
}

static bool is_time_over(const struct connection *c)
{
    uint64_t silent_ms = loop_now_ms(c->edge->loop) - c->spoke_ms;
    uint64_t most_ms = get_timeout_ms(c);
    if (c->is_owing) {
        most_ms = 2 * most_ms > STREAM_PATIENCE_MS ? 2 * most_ms : STREAM_PATIENCE_MS;
    }
    return silent_ms >= most_ms;
}

static void on_silent(void *owner, struct silence_place *p)
{
    struct connection *c = list_entry(p, struct connection, place);
    struct edge *e = owner;
    bool was_owing = c->is_owing;
    c->is_owing = c->is_in && stream_get_owed(c->client) > 0;
    comeback_judge(c);
    if (was_owing && !c->is_owing) {
        idle_note_life(c); /* it was out of reach, and has heard us since we looked */
        return;
    }
    uint8_t rule = p->rule == IDLE_AGAIN ? get_rule(c) : p->rule;
    uint64_t silent_ms = loop_now_ms(e->loop) - c->spoke_ms;
    if (has_keep_alive(c) && !c->is_owing && silent_ms < silence_get_rule_ms(e->silence, rule)) {
        silence_note(e->silence, p, rule); /* it was only tried */
        return;
    }
    if (has_keep_alive(c) && !c->is_owing && connection_is_at_rest(c)) {
        keep_alive(c);
        return;
    }
    if (is_time_over(c)) {
        connection_say_bye(c, ERR_TIMEOUT);
        return;
    }
    silence_note(e->silence, p, IDLE_AGAIN);
}

struct connection *idle_find_stranger(const struct edge *e, const struct connection *after)
{
    struct silence_place *p = after == NULL ? silence_find_longest(e->silence, IDLE_STRANGER)
                                            : silence_find_next(e->silence, &after->place);
    return p == NULL ? NULL : list_entry(p, struct connection, place);
}

/* ---- heartbeats ---- */

/* 1 + the place of the rule for s seconds, made when it is new; 0: no room. */
static uint8_t find_beat(struct edge *e, struct silence *silence, uint64_t s)
{
    uint64_t ms = s * e->settings.second_ms;
    for (unsigned i = 0; i < e->beats; i++) {
        if (silence_get_rule_ms(silence, (uint8_t)(IDLE_BEAT + i)) == ms) {
            return (uint8_t)(i + 1);
        }
    }
    if (e->beats == IDLE_BEATS) {
        return 0;
    }
    silence_set_rule(silence, (uint8_t)(IDLE_BEAT + e->beats), ms);
    return (uint8_t)++e->beats;
}

/* A rule for each length in a list of settings. */
static void make_beats(struct edge *e, struct silence *silence, struct str list)
{
    struct str who = STR_EMPTY;
    uint64_t s = 0;
    while (heartbeats_next(&list, &who, &s)) {
        if (s == 0 || find_beat(e, silence, s) == 0) {
            log_warn("heartbeats: no name and seconds from %d to %d, or too many lengths: %.*s",
                     HEARTBEAT_LEAST_S, HEARTBEAT_MOST_S, STR_ARG(who));
        }
    }
}

void idle_note_user(struct connection *c, struct str user)
{
    struct str list = c->edge->settings.heartbeats;
    struct str name = STR_EMPTY;
    uint64_t s = 0;
    comeback_note_user(c, user);
    while (c->service == SERVICE_IMAP && heartbeats_next(&list, &name, &s)) {
        if (s > 0 && str_eq(name, user)) {
            c->user_beat = find_beat(c->edge, c->edge->silence, s);
        }
    }
}

void idle_note_client(struct connection *c, uint16_t heartbeat_s)
{
    uint8_t before = c->client_beat;
    if (heartbeat_s != 0) {
        bool has_one = heartbeat_s >= HEARTBEAT_LEAST_S && heartbeat_s <= HEARTBEAT_MOST_S;
        c->client_beat = has_one ? find_beat(c->edge, c->edge->silence, heartbeat_s) : 0;
    }
    if (c->is_in && c->client_beat != before) {
        idle_note_life(c);
    }
}

struct silence *idle_new(struct edge *e)
{
    const struct edge_settings *s = &e->settings;
    struct silence *silence = silence_new(e->loop, on_silent, e);
    silence_set_rule(silence, IDLE_STRANGER, s->login_timeout_ms);
    silence_set_rule(silence, IDLE_SUBMISSION, s->submission_timeout_ms);
    silence_set_rule(silence, IDLE_SIEVE, get_sieve_ms(s));
    silence_set_rule(silence, IDLE_SESSION, s->idle_timeout_ms);
    silence_set_rule(silence, IDLE_AGAIN, AGAIN_S * s->second_ms);
    uint64_t full_ms = get_keep_alive_ms(s);
    if (s->is_adaptive && full_ms > 0) {
        e->networks = networks_new(full_ms, DAY_S * s->second_ms, NETWORKS_MOST);
    }
    silence_set_rule(silence, IDLE_KEEP_ALIVE, full_ms);
    for (unsigned i = 1; e->networks != NULL && i < NETWORKS_RUNGS; i++) {
        silence_set_rule(silence, (uint8_t)(IDLE_KEEP_ALIVE + i),
                         networks_get_rung_ms(e->networks, i));
    }
    make_beats(e, silence, s->heartbeats);
    make_beats(e, silence, s->heartbeat_clients);
    return silence;
}
