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
 * Seconds here are settings.second_ms long: a test may make an idle hour short. TCP's patience is in real ones. */
#include "edge/connection_priv.h"

enum { AGAIN_S = 60 };

static const uint64_t LEAD_MOST_S = 300; /* a keep-alive is that much earlier than it must be */
static const uint64_t LEAD_PART = 24;
static const uint64_t SIEVE_LEAST_S = 1800; /* RFC 5804, 1.2 */

static bool has_keep_alive(const struct connection *c)
{
    return c->is_in && c->service == SERVICE_IMAP && c->edge->settings.max_idle_ms > 0;
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
    return has_keep_alive(c) ? IDLE_KEEP_ALIVE : IDLE_SESSION;
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

static void keep_alive(struct connection *c)
{
    c->edge->counts.keepalives++;
    stream_write(c->client, STR("* OK Still here\r\n"));
    idle_note_life(c);
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
    if (was_owing && !c->is_owing) {
        idle_note_life(c); /* it was out of reach, and has heard us since we looked */
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

struct silence *idle_new(struct edge *e)
{
    const struct edge_settings *s = &e->settings;
    struct silence *silence = silence_new(e->loop, on_silent, e);
    silence_set_rule(silence, IDLE_STRANGER, s->login_timeout_ms);
    silence_set_rule(silence, IDLE_SUBMISSION, s->submission_timeout_ms);
    silence_set_rule(silence, IDLE_SIEVE, get_sieve_ms(s));
    silence_set_rule(silence, IDLE_SESSION, s->idle_timeout_ms);
    silence_set_rule(silence, IDLE_AGAIN, AGAIN_S * s->second_ms);
    silence_set_rule(silence, IDLE_KEEP_ALIVE, get_keep_alive_ms(s));
    return silence;
}
